//! A request, as far as its session is concerned.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};

use crate::server::session::cookies::{self, ClerkCookies};

/// What Clerk has been asked about this very request already. Travels in the request's extensions, from the middleware that
/// renews a session to the one that authenticates the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// A handshake's result was applied, or the browser has tried long enough: another handshake would bring nothing new.
    pub exhausted: bool,
    /// Clerk's word on who is signed in came with that result, also if it is that no user is.
    pub heard: bool,
    /// Why the refresh endpoint did not renew the token, in Clerk's words.
    pub refresh_failure: Option<String>,
}

/// A request, as far as its session is concerned.
#[derive(Clone, Debug)]
pub struct AuthContext {
    pub headers: HeaderMap,
    pub renewal: Renewal,
    /// Whether a redirect to Clerk could renew it, before anything is known about its cookies.
    pub document: bool,
    get: bool,
    /// Whether the address carries a development browser's token.
    pub browser_in_address: bool,
}

impl AuthContext {
    /// Reads a request. A handshake is possible only for a document that a browser navigates to.
    pub fn of(parts: &Parts) -> Self {
        Self {
            headers: parts.headers.clone(),
            renewal: parts.extensions.get::<Renewal>().cloned().unwrap_or_default(),
            document: is_document(&parts.method, &parts.headers),
            get: parts.method == Method::GET,
            browser_in_address: has_development_browser(&parts.uri),
        }
    }

    /// The same request as a call of a program or a script: it is answered, never redirected.
    pub fn as_call(self) -> Self {
        Self { document: false, browser_in_address: false, ..self }
    }

    /// The same request, decided as it is: no handshake follows.
    pub fn exhausted(self) -> Self {
        Self { renewal: Renewal { exhausted: true, ..self.renewal }, ..self }
    }

    /// What kept the token from being renewed by the refresh endpoint, in Clerk's words; empty: nothing but that only
    /// documents are refreshed.
    pub(super) fn refresh_failure(&self, cookies: &ClerkCookies) -> String {
        match (&self.renewal.refresh_failure, self.get, &cookies.refresh) {
            (Some(why), _, _) => why.clone(),
            (None, false, _) => "non-eligible-non-get".to_owned(),
            (None, true, None) => "non-eligible-no-refresh-cookie".to_owned(),
            (None, true, Some(_)) => String::new(),
        }
    }
}

fn has_development_browser(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == cookies::DEVELOPMENT_BROWSER)
}

/// Whether a browser navigates with this request (`backend: handshake.ts isRequestEligibleForHandshake`).
pub fn is_document(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    method == Method::GET
        && match text("sec-fetch-dest") {
            Some(destination) => matches!(destination, "document" | "iframe"),
            None => text(header::ACCEPT.as_str()).is_some_and(|accept| accept.starts_with("text/html")),
        }
}
