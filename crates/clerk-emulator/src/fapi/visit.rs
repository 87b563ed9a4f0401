//! One request to the Frontend API: which browser sent it, which page it shows, and how its answer is put together.
//! The client travels with every answer but plain reads, always with tokens minted for that answer.

use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use crate::app::App;
use crate::call::Call;
use crate::client_objects;
use crate::cookies::{self, Jar};
use crate::errors::ApiError;
use crate::records::{Client, Session, User};
use crate::store::Store;
use crate::users::{self, Visitor};

/// What Clerk's development browsers begin with.
const DEV_BROWSER_PREFIX: &str = "dvb_";

/// What a handler answers.
pub(super) enum Reply {
    /// `{response, client}`.
    WithClient(Value),
    /// The body as it is.
    Bare(Value),
    /// 307 with further cookies.
    Redirect { location: String, cookies: Vec<String> },
}

/// A request in the hands of a handler.
pub(super) struct Visit<'a> {
    pub(super) app: &'a App,
    pub(super) store: &'a mut Store,
    pub(super) call: &'a Call,
    /// The browser's client, once known.
    pub(super) client_id: Option<String>,
    /// Origin of the page: the request's own, or, for navigations and plain reads, which carry none, the proxy's or that
    /// of the page to return to.
    pub(super) origin: Option<String>,
    /// Origin of the proxy in front, if there is one.
    pub(super) proxy: Option<String>,
    secure: bool,
    client_is_new: bool,
    client_is_gone: bool,
}

impl<'a> Visit<'a> {
    /// Recognizes the browser, by its cookie or, in development, by its token. Fails if a proxy vouches for the request
    /// without the secret key, or at all for a development instance.
    pub(super) fn new(app: &'a App, store: &'a mut Store, call: &'a Call) -> Result<Self, ApiError> {
        let proxy = proxy_origin(app, call)?;
        let origin = call.header("origin").filter(|origin| *origin != "null").map(str::to_owned);
        let secure = match &proxy {
            Some(proxy) => proxy.starts_with("https://"),
            None => origin.as_deref().is_some_and(|origin| origin.starts_with("https://")),
        };
        let client_id = known_client(app, store, call).map(|client| client.id.clone());
        Ok(Self {
            app,
            store,
            call,
            client_id,
            origin: origin.or_else(|| proxy.clone()),
            proxy,
            secure,
            client_is_new: false,
            client_is_gone: false,
        })
    }

    /// Writer of this site's cookies.
    pub(super) fn jar(&self) -> Jar<'a> {
        Jar { suffix: &self.app.cookie_suffix, secure: self.secure }
    }

    /// Whether this is a development instance. Its browsers are known by their token, and it sets no cookies: clerk-js does.
    pub(super) fn is_development(&self) -> bool {
        self.app.keys.is_development()
    }

    /// 401 unless the browser is known. clerk-js then asks for a new development browser.
    pub(super) fn require_dev_browser(&self) -> Result<(), ApiError> {
        if !self.is_development() || self.client_id.is_some() {
            return Ok(());
        }
        let text = "This browser is not known here. Load the page again.";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "dev_browser_unauthenticated", "Browser unauthenticated", text))
    }

    /// The token of the browser's client, made now if it has none.
    pub(super) fn dev_browser(&mut self) -> String {
        format!("{DEV_BROWSER_PREFIX}{}", client_token(&self.client_or_new()))
    }

    /// A navigation that leads back to `address` speaks for the site there.
    pub(super) fn speak_for(&mut self, address: &Url) {
        self.origin = Some(address.origin().ascii_serialization());
        self.secure = address.scheme() == "https";
    }

    /// The browser's client, if it has one.
    pub(super) fn client(&self) -> Option<&Client> {
        self.store.clients.get(self.client_id.as_ref()?)
    }

    /// The browser's client, made now if it has none.
    pub(super) fn client_or_new(&mut self) -> Client {
        if let Some(client) = self.client() {
            return client.clone();
        }
        let client = users::new_client(self.app, self.store);
        self.client_id = Some(client.id.clone());
        self.client_is_new = true;
        client
    }

    /// Sends the client cookie again, so that it lasts another year.
    pub(super) fn renew_client_cookie(&mut self) {
        self.client_is_new = self.client_id.is_some();
    }

    /// Forgets the client and removes its cookie. A development browser outlives what was done in it.
    pub(super) fn drop_client(&mut self) {
        if self.is_development() {
            return;
        }
        if let Some(id) = self.client_id.take() {
            self.store.remove::<Client>(&id);
        }
        self.client_is_gone = true;
    }

    /// A live session of this browser.
    pub(super) fn live_session(&self, id: &str) -> Result<Session, ApiError> {
        let client = self.client().ok_or_else(ApiError::signed_out)?;
        let mut live = self.store.live_sessions(client, self.app.clock.now_ms());
        live.find(|session| session.id == id).cloned().ok_or_else(ApiError::signed_out)
    }

    /// The session that calls outside `/client` act for: the one named in the query, else the last active one.
    pub(super) fn current_session(&self) -> Result<Session, ApiError> {
        if let Some(id) = self.call.query("_clerk_session_id").filter(|id| !id.is_empty()) {
            return self.live_session(id);
        }
        let client = self.client().ok_or_else(ApiError::signed_out)?;
        let id = self.store.last_active_session_id(client, self.app.clock.now_ms()).ok_or_else(ApiError::signed_out)?;
        self.live_session(id)
    }

    /// The user of a session.
    pub(super) fn user_of(&self, session: &Session) -> Result<User, ApiError> {
        self.store.users.get(&session.user_id).cloned().ok_or_else(ApiError::signed_out)
    }

    /// The browser that sent the request, for a new session.
    pub(super) fn visitor(&self) -> Visitor {
        Visitor {
            origin: self.origin.clone(),
            user_agent: self.call.header("user-agent").unwrap_or_default().to_owned(),
            ip_address: self.call.client_address().to_owned(),
        }
    }

    /// Status, body and cookies of the answer. `__client_uat` is set whenever the browser's differs from the truth, but by
    /// clerk-js itself in development.
    pub(super) fn finish(self, reply: Result<Reply, ApiError>) -> Finished {
        let mut cookies = self.own_cookies();
        let (status, body, location) = match reply {
            Ok(Reply::WithClient(response)) => {
                let body = json!({"response": response, "client": self.client_object()});
                (StatusCode::OK, body, None)
            }
            Ok(Reply::Bare(body)) => (StatusCode::OK, body, None),
            Ok(Reply::Redirect { location, cookies: more }) => {
                cookies.extend(more);
                (StatusCode::TEMPORARY_REDIRECT, Value::Null, Some(location))
            }
            Err(error) => (error.status, error.body(&self.app.random.hex::<16>()), None),
        };
        Finished { status, body, location, cookies }
    }

    /// The client as JSON, null if there is none.
    pub(super) fn client_object(&self) -> Value {
        self.client()
            .map_or(Value::Null, |client| client_objects::client(self.app, self.store, client, self.origin.as_deref()))
    }

    /// When the browser's sessions last changed, in seconds; 0 when none is live.
    pub(super) fn client_uat(&self) -> i64 {
        self.client()
            .filter(|client| self.store.live_sessions(client, self.app.clock.now_ms()).next().is_some())
            .map_or(0, |client| client.updated_at / 1000)
    }

    fn own_cookies(&self) -> Vec<String> {
        let jar = self.jar();
        let mut cookies = Vec::new();
        if self.is_development() {
            return cookies;
        }
        if self.client_is_gone {
            cookies.push(jar.client(""));
        } else if let Some(client) = self.client().filter(|_| self.client_is_new) {
            cookies.push(jar.client(&client_token(client)));
        }
        let seconds = self.client_uat();
        let known = [cookies::CLIENT_UAT.to_owned(), jar.suffixed(cookies::CLIENT_UAT)]
            .iter()
            .all(|name| self.call.cookie(name) == Some(&seconds.to_string()));
        if !known {
            cookies.extend(jar.client_uat(seconds));
        }
        cookies
    }
}

/// An answer, ready to be sent.
pub(super) struct Finished {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    pub(super) location: Option<String>,
    pub(super) cookies: Vec<String>,
}

/// Content of the `__client` cookie, and of a development browser's token after its prefix.
fn client_token(client: &Client) -> String {
    format!("{}.{}", client.id, client.secret)
}

/// The client that a `__client` cookie proves.
pub(crate) fn client_by_token<'a>(store: &'a Store, token: &str) -> Option<&'a Client> {
    let (id, secret) = token.split_once('.')?;
    let client = store.clients.get(id)?;
    aws_lc_rs::constant_time::verify_slices_are_equal(client.secret.as_bytes(), secret.as_bytes()).ok()?;
    Some(client)
}

fn known_client<'a>(app: &App, store: &'a Store, call: &Call) -> Option<&'a Client> {
    let token = if app.keys.is_development() {
        call.query(cookies::DEV_BROWSER)?.strip_prefix(DEV_BROWSER_PREFIX)?
    } else {
        call.cookie(cookies::CLIENT)?
    };
    client_by_token(store, token)
}

/// Origin of the proxy that forwards this request. As at Clerk, the header counts only together with the secret key.
fn proxy_origin(app: &App, call: &Call) -> Result<Option<String>, ApiError> {
    let Some(address) = call.header("clerk-proxy-url") else {
        return Ok(None);
    };
    let invalid = |code, text: &str| ApiError::new(StatusCode::BAD_REQUEST, code, "Invalid proxy request", text);
    if app.keys.is_development() {
        let text = "A development instance is not proxied: the browser calls the host in the publishable key itself.";
        return Err(invalid("proxy_request_invalid_instance", text));
    }
    if call.header("clerk-secret-key") != Some(app.keys.secret_key.as_str()) {
        let text = "The Clerk-Secret-Key header of the proxy is missing or is not this instance's secret key.";
        return Err(invalid("proxy_request_invalid_secret_key", text));
    }
    let address = Url::parse(address).ok().filter(Url::has_host);
    let address = address.ok_or_else(|| {
        invalid(
            "proxy_request_invalid_url",
            "The Clerk-Proxy-Url header must be an absolute address, such as http://localhost:3000/__clerk.",
        )
    })?;
    Ok(Some(address.origin().ascii_serialization()))
}
