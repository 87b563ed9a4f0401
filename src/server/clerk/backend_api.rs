//! The calls we make to Clerk's Backend API.
//!
//! What must stay true: every call is bounded in time; the secret key goes to one configured host and nowhere else (no
//! redirects are followed); an error says whether repeating the call can help; we call no more often than Clerk allows.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::limits::{CallLimits, LimitOf};
use super::metadata::MetadataChange;
use super::user::{ClerkUser, without_nul};
use crate::model::ids::{SessionId, UserId};
use crate::server::clock::Clock;
use secrecy::{ExposeSecret as _, SecretString};

/// The version of the Backend API we speak.
const API_VERSION: &str = "2026-05-12";

/// Most users that one call asks for: more ids would not fit into an address.
pub const LARGEST_PAGE: usize = 100;

/// A client of one Clerk instance. Cheap to clone.
#[derive(Clone)]
pub struct BackendApi {
    http: reqwest::Client,
    base: Url,
    secret_key: SecretString,
    limits: Arc<CallLimits>,
    time_limits: TimeLimits,
}

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// To open a connection.
    pub connect: Duration,
    /// The whole call.
    pub call: Duration,
}

impl TimeLimits {
    /// For calls that may take so long: a quarter of it to connect.
    pub fn of_call(call: Duration) -> Self {
        Self { connect: call / 4, call }
    }

    /// How long a claimed outbox message belongs to its relay. The lease is longer than two calls.
    pub fn lease(&self) -> Duration {
        self.call * 5 / 2
    }
}

/// Why a call failed. The text holds no address, name or key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClerkError {
    #[error("Clerk answered {status} {code}")]
    Refused { status: u16, code: String, retry_after: Option<Duration> },
    #[error("Clerk could not be reached: {0}")]
    Unreachable(&'static str),
    #[error("Clerk's answer could not be read")]
    Unreadable,
    /// Nothing was sent.
    #[error("calls to Clerk are at their limit")]
    Limited { of: LimitOf, wait: Duration },
}

impl ClerkError {
    /// Whether the same call may succeed later. A wrong key (401, 403) counts: an operator will correct it, and nothing may
    /// be lost until then. So does a conflict (409), which Clerk documents for none of these calls: it can only be with
    /// another one at the same moment.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { status, .. } => !matches!(status, 400 | 404 | 410 | 413 | 422),
            Self::Unreachable(_) | Self::Unreadable | Self::Limited { .. } => true,
        }
    }

    /// For programs: Clerk's own code, or ours.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Unreachable(_) => "unreachable",
            Self::Unreadable => "unreadable",
            Self::Limited { .. } => "limited",
        }
    }

    /// The HTTP status, if Clerk answered with an error.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long to stay away: Clerk's `Retry-After`, or until our own limit lets a call through.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Limited { wait, .. } => Some(*wait),
            _ => None,
        }
    }
}

impl From<(LimitOf, Duration)> for ClerkError {
    fn from((of, wait): (LimitOf, Duration)) -> Self {
        Self::Limited { of, wait }
    }
}

#[derive(Deserialize)]
struct ErrorEnvelope {
    #[serde(default)]
    errors: Vec<ErrorItem>,
}

#[derive(Deserialize)]
struct ErrorItem {
    code: String,
}

impl BackendApi {
    /// `base` is the address without `/v1`.
    pub fn new(
        base: Url,
        secret_key: SecretString,
        clock: Clock,
        time_limits: TimeLimits,
    ) -> Result<Self, reqwest::Error> {
        let limits = CallLimits::new(secret_key.expose_secret().starts_with("sk_test_"), clock);
        Self::with_limits(base, secret_key, time_limits, limits)
    }

    pub fn with_limits(
        base: Url,
        secret_key: SecretString,
        time_limits: TimeLimits,
        limits: CallLimits,
    ) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(time_limits.connect)
            .timeout(time_limits.call)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, base, secret_key, limits: Arc::new(limits), time_limits })
    }

    /// How long a call may take.
    pub fn time_limits(&self) -> TimeLimits {
        self.time_limits
    }

    /// `GET /v1/jwks`: the instance's public keys. Clerk does not limit it.
    pub async fn jwks(&self) -> Result<JwkSet, ClerkError> {
        self.send(Method::GET, &["jwks"], &[], None).await
    }

    /// `GET /v1/users/{id}`.
    pub async fn user(&self, user: &UserId) -> Result<ClerkUser, ClerkError> {
        self.call(Method::GET, &["users", user.as_str()], None).await
    }

    /// `GET /v1/users`: those of `users` that exist, in any order. At most [`LARGEST_PAGE`] at once.
    pub async fn users(&self, users: &[UserId]) -> Result<Vec<ClerkUser>, ClerkError> {
        let limit = users.len().to_string();
        let query: Vec<_> =
            users.iter().map(|user| ("user_id", user.as_str())).chain([("limit", limit.as_str())]).collect();
        self.call_with_query(Method::GET, &["users"], &query, None).await
    }

    /// `GET /v1/users`: a page of everybody, oldest first.
    pub async fn users_from(&self, offset: usize) -> Result<Vec<ClerkUser>, ClerkError> {
        let (offset, limit) = (offset.to_string(), LARGEST_PAGE.to_string());
        let query = [("order_by", "+created_at"), ("limit", limit.as_str()), ("offset", offset.as_str())];
        self.call_with_query(Method::GET, &["users"], &query, None).await
    }

    /// `PATCH /v1/users/{id}/metadata`: merges deeply, null removes a key. Gives back the user as Clerk has it now.
    /// Ask `metadata::update_user_metadata`, which checks the change first.
    pub(super) async fn update_user_metadata(
        &self,
        user: &UserId,
        change: &MetadataChange,
    ) -> Result<ClerkUser, ClerkError> {
        self.limits.metadata_change(user)?;
        self.send(Method::PATCH, &["users", user.as_str(), "metadata"], &[], Some(&change.body())).await
    }

    /// `POST /v1/sessions/{id}/revoke`: ends a session for good.
    pub async fn revoke_session(&self, session: &SessionId) -> Result<(), ClerkError> {
        self.call::<Value>(Method::POST, &["sessions", session.as_str(), "revoke"], None).await.map(|_| ())
    }

    /// `GET /v1/clients/handshake_payload`: the cookies that a handshake left under a nonce. Works once.
    pub async fn handshake_payload(&self, nonce: &str) -> Result<Vec<String>, ClerkError> {
        #[derive(Deserialize)]
        struct Payload {
            directives: Vec<String>,
        }
        let path = ["clients", "handshake_payload"];
        self.call_with_query::<Payload>(Method::GET, &path, &[("nonce", nonce)], None)
            .await
            .map(|payload| payload.directives)
    }

    /// `POST /v1/sessions/{id}/refresh`: cookies with a new token, against the expired one and the browser's refresh secret.
    pub async fn refresh_session(
        &self,
        session: &SessionId,
        suffixed: bool,
        body: &Value,
    ) -> Result<Vec<String>, ClerkError> {
        #[derive(Deserialize)]
        struct Cookies {
            cookies: Vec<String>,
        }
        let path = ["sessions", session.as_str(), "refresh"];
        let query = [("suffixed_cookies", if suffixed { "true" } else { "false" })];
        self.call_with_query::<Cookies>(Method::POST, &path, &query, Some(body)).await.map(|answer| answer.cookies)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<T, ClerkError> {
        self.call_with_query(method, path, &[], body).await
    }

    async fn call_with_query<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, ClerkError> {
        self.limits.call()?;
        self.send(method, path, query, body).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, ClerkError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| ClerkError::Unreachable("bad address"))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(self.secret_key.expose_secret())
            .header("Clerk-API-Version", API_VERSION)
            .header(header::ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| ClerkError::Unreachable(cause_of(&error)))?;
        let status = response.status();
        if status.is_success() {
            // In two steps: an answer that breaks off is another matter than one that is not JSON.
            let body = response.bytes().await.map_err(|error| ClerkError::Unreachable(cause_of(&error)))?;
            return parsed(&body).ok_or(ClerkError::Unreadable);
        }
        let retry_after = retry_after(&response);
        let code = match response.json::<ErrorEnvelope>().await {
            Ok(envelope) => envelope.errors.into_iter().next().map(|error| error.code),
            Err(_) => None,
        };
        Err(ClerkError::Refused {
            status: status.as_u16(),
            code: code.unwrap_or_else(|| default_code(status)),
            retry_after,
        })
    }
}

/// JSON may hold NUL characters, and Postgres may not.
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    if body.windows(6).any(|part| part == br"\u0000") {
        return T::deserialize(without_nul(serde_json::from_slice(body).ok()?)).ok();
    }
    serde_json::from_slice(body).ok()
}

fn retry_after(response: &reqwest::Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn default_code(status: StatusCode) -> String {
    status.canonical_reason().unwrap_or("unknown").to_lowercase().replace(' ', "_")
}

/// A word for a failed connection, without the address in it.
fn cause_of(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else {
        "connection lost"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_two_calls() {
        for ms in [100, 8_000, 60_000] {
            let limits = TimeLimits::of_call(Duration::from_millis(ms));
            assert!(limits.lease() > 2 * limits.call && limits.connect <= limits.call / 4, "{ms}");
        }
    }

    #[test]
    fn what_may_be_repeated() {
        let refused = |status| ClerkError::Refused { status, code: String::new(), retry_after: None };
        for status in [401, 403, 409, 429, 500, 502, 503] {
            assert!(refused(status).is_retryable(), "{status}");
        }
        for status in [400, 404, 410, 413, 422] {
            assert!(!refused(status).is_retryable(), "{status}");
        }
        assert!(ClerkError::Unreachable("timed out").is_retryable());
    }
}
