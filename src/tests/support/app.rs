//! The app under test: the real router and state, with a clock that stands still.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::Value;
use time::OffsetDateTime;
use tower::ServiceExt as _;
use vestibule::app;
use vestibule::server::clock::Clock;
use vestibule::server::runtime::config::Config;
use vestibule::server::runtime::database::{self, Pools};
use vestibule::server::runtime::site::Site;
use vestibule::server::runtime::state::AppState;

use super::clerk::{SECRET_KEY, StubClerk};
use super::database::Database;
use super::{COOKIE_SUFFIX, NOW, ORIGIN, PUBLISHABLE_KEY, keys, soon};

/// A started app with everything it talks to.
pub struct TestApp {
    pub config: Config,
    pub state: AppState,
    pub clock: Clock,
    pub clerk: StubClerk,
    pub database: Database,
    pub pools: Pools,
    router: Router,
}

/// The sender of a request.
#[derive(Clone, Copy)]
pub enum Who<'a> {
    SignedOut,
    /// A browser with a token in the plain cookies.
    Cookie(&'a str),
    /// A browser with a token in the suffixed cookies only.
    Suffixed(&'a str),
    /// A browser that was signed in, but has no token.
    SignedInWithoutToken,
    /// An API client.
    Bearer(&'a str),
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A redirect's target, or an empty string.
    pub fn location(&self) -> &str {
        if self.status == StatusCode::SEE_OTHER { self.header("location") } else { "" }
    }

    /// A string in the JSON body.
    pub fn text(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {self:?}")).to_owned()
    }
}

/// A request of `who`. Browsers send it from our own page.
pub fn request(method: Method, path: &str, who: Who<'_>) -> axum::http::request::Builder {
    let builder = Request::builder().method(method).uri(path).header(header::HOST, "app.example.com");
    let browser = |cookies: &str| (header::COOKIE, cookies.to_owned());
    let (name, value) = match who {
        Who::SignedOut => return builder.header("sec-fetch-site", "same-origin"),
        Who::Bearer(token) => return builder.header(header::AUTHORIZATION, format!("Bearer {token}")),
        Who::Cookie(token) => browser(&format!("__session={token}; __client_uat={NOW}; theme=dark")),
        Who::Suffixed(token) => browser(&format!(
            "__session_{COOKIE_SUFFIX}={token}; __client_uat_{COOKIE_SUFFIX}={NOW}; __client_uat={NOW}"
        )),
        Who::SignedInWithoutToken => browser(&format!("__client_uat={NOW}; __client_uat_{COOKIE_SUFFIX}={NOW}")),
    };
    builder.header(name, value).header("sec-fetch-site", "same-origin").header(header::ORIGIN, ORIGIN)
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with changed variables; an empty value removes one.
    pub async fn start_with(changes: &[(&str, &str)]) -> Self {
        Self::start_as(true, changes).await
    }

    /// Starts a process that leaves delivery to others.
    pub async fn start_without_relay() -> Self {
        Self::start_as(false, &[]).await
    }

    pub async fn start_as(relay: bool, changes: &[(&str, &str)]) -> Self {
        let clerk = StubClerk::start().await;
        let database = Database::create().await;
        let pem = keys::instance().public_pem();
        let mut variables = database.variables();
        variables.extend(
            [
                ("PUBLIC_ORIGIN", ORIGIN),
                ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
                ("CLERK_SECRET_KEY", SECRET_KEY),
                ("CLERK_API_URL", &clerk.url),
                ("CLERK_JWT_KEY", &pem),
            ]
            .into_iter()
            .chain(changes.iter().copied())
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let (config, state, clock, pools) = state(&variables, relay);
        database.set_clock(clock.now()).await;
        let router = app::router(state.clone());
        Self { config, state, clock, clerk, database, pools, router }
    }

    /// Another process with the same database and the same Clerk. It delivers.
    pub fn second_process(&self) -> (AppState, Clock) {
        let mut variables = self.database.variables();
        let own = [
            ("PUBLIC_ORIGIN", ORIGIN),
            ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
            ("CLERK_SECRET_KEY", SECRET_KEY),
            ("CLERK_API_URL", &self.clerk.url),
        ];
        variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let (_, state, clock, _) = state(&variables, true);
        (state, clock)
    }

    /// Moves the clocks of the app and of the database. A test that moves the app's alone by more than a day is not one that
    /// a database goes along with.
    pub async fn advance(&self, by: time::Duration) {
        self.clock.advance(by);
        self.database.set_clock(self.clock.now()).await;
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = soon("an answer", self.router.clone().oneshot(request)).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 10_000_000).await.expect("a body");
        Reply { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    pub async fn get(&self, path: &str, who: Who<'_>) -> Reply {
        self.send(request(Method::GET, path, who).body(Body::empty()).expect("a request")).await
    }

    pub async fn post_json(&self, path: &str, who: Who<'_>, body: &Value) -> Reply {
        self.post(path, who, "application/json", body.to_string()).await
    }

    pub async fn post_form(&self, path: &str, who: Who<'_>, fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.post(path, who, "application/x-www-form-urlencoded", body).await
    }

    pub async fn post(&self, path: &str, who: Who<'_>, content_type: &str, body: impl Into<String>) -> Reply {
        let body = body.into();
        let request = request(Method::POST, path, who)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body));
        self.send(request.expect("a request")).await
    }

    /// Creates an organization. Returns its id.
    pub async fn create(&self, user: &str, name: &str, slug: &str) -> String {
        let token = keys::token(user);
        let body = serde_json::json!({"name": name, "slug": slug});
        let reply = self.post_json("/api/organizations/create", Who::Bearer(&token), &body).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        reply.text("/organization/id")
    }

    /// Creates one more organization, with its own key. Returns its id.
    pub async fn create_with_key(&self, user: &str, name: &str, slug: &str) -> String {
        let body = serde_json::json!({"name": name, "slug": slug}).to_string();
        let token = keys::token(user);
        let request = request(Method::POST, "/api/organizations/create", Who::Bearer(&token))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", slug)
            .body(Body::from(body));
        let reply = self.send(request.expect("a request")).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        reply.text("/organization/id")
    }

    /// Waits for the work that outlives requests.
    pub async fn settled(&self) {
        self.state.tasks().close();
        soon("the end of all tasks", self.state.tasks().wait()).await;
        self.state.tasks().reopen();
    }
}

fn state(variables: &BTreeMap<String, String>, relay: bool) -> (Config, AppState, Clock, Pools) {
    let mut config = Config::from_variables(variables, true).expect("a whole configuration");
    config.relay = relay;
    let pools = database::open(&config.database).expect("addresses");
    let clock = Clock::manual(OffsetDateTime::from_unix_timestamp(NOW).expect("a moment"));
    let state = AppState::new(&config, clock.clone(), &pools, Site::empty()).expect("a state");
    (config, state, clock, pools)
}
