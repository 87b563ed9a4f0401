//! Making the emulator slow, stale or broken on purpose: `/control?token=…`, on this machine only, with the inbox's token,
//! and outside every path a proxy forwards. PUT sets everything at once, DELETE puts everything right, GET shows it.
//!
//! What must stay true: without a PUT the emulator behaves as if this file did not exist.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::app::App;
use super::errors::ApiError;
use super::inbox::{self, Key};
use super::response::Answer;

/// What somebody asked for. Unknown fields are refused: a typing error would leave the emulator well, and a test green.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wishes {
    /// How long a change of metadata stays invisible to newly minted tokens, in milliseconds. `null`: for ever.
    metadata_delay_ms: Option<i64>,
    faults: Vec<Fault>,
}

/// What happens to the next requests of one kind.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// As the client means it: PATCH, even if it is sent as a POST with `_method=PATCH`. Without it, every method.
    method: Option<String>,
    /// How the path begins and ends, such as `/v1/users/` and `/metadata`.
    #[serde(default)]
    path_starts_with: String,
    #[serde(default)]
    path_ends_with: String,
    /// How many requests.
    count: u32,
    /// How long they wait first, in milliseconds.
    #[serde(default)]
    delay_ms: u64,
    /// With which status they are refused. Without it they are served, once they have waited.
    status: Option<u16>,
    /// `Retry-After`, in seconds.
    retry_after_s: Option<u32>,
    /// The connection is cut in the middle of the answer.
    #[serde(default)]
    cut: bool,
}

/// The wishes, and what metadata was before it changed.
#[derive(Debug, Default)]
pub(super) struct Control(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    wishes: Wishes,
    /// By user: when it changed (ms) and what it was until then. Only kept while changes are delayed.
    before: HashMap<String, Vec<(i64, Value)>>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { metadata_delay_ms: Some(0), faults: Vec::new() }
    }
}

impl Control {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what a person's public metadata was before it changed.
    pub(super) fn changed(&self, user: &str, before: &Value, now_ms: i64) {
        let mut inner = self.inner();
        if inner.wishes.metadata_delay_ms != Some(0) {
            inner.before.entry(user.to_owned()).or_default().push((now_ms, before.clone()));
        }
    }

    /// The public metadata that a token minted now may carry.
    pub(super) fn visible(&self, user: &str, current: &Value, now_ms: i64) -> Value {
        let inner = self.inner();
        let seen_until = match inner.wishes.metadata_delay_ms {
            Some(delay) => now_ms - delay,
            None => i64::MIN,
        };
        let before = inner.before.get(user).and_then(|changes| changes.iter().find(|(at, _)| *at > seen_until));
        before.map_or_else(|| current.clone(), |(_, value)| value.clone())
    }

    /// The fault that this request meets, counted.
    pub(super) fn take(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut inner = self.inner();
        let fault = inner.wishes.faults.iter_mut().find(|fault| {
            fault.count > 0
                && fault.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
                && path.starts_with(&fault.path_starts_with)
                && path.ends_with(&fault.path_ends_with)
        })?;
        fault.count -= 1;
        Some(fault.clone())
    }
}

impl Fault {
    /// Waits, and refuses if that is wished. `None`: the request is served.
    pub(super) async fn meet(&self, app: &App) -> Option<Response> {
        if self.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.delay_ms)).await;
        }
        if self.cut {
            let torn = futures_util::stream::iter([
                Ok(Bytes::from_static(b"{\"object\":")),
                Err(std::io::Error::other("cut on purpose")),
            ]);
            return Some(Response::new(Body::from_stream(torn)));
        }
        let status = StatusCode::from_u16(self.status?).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error =
            ApiError::new(status, "fault_on_purpose", "Made to fail", "This request was made to fail on purpose.");
        let mut response = Answer::error(app, &error).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Some(response)
    }
}

/// GET, PUT and DELETE `/control?token=…`.
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(key): Query<Key>,
    method: Method,
    body: Bytes,
) -> Response {
    if !inbox::may_read(&app, peer, &key) {
        return inbox::refused();
    }
    match method {
        Method::GET => {}
        Method::DELETE => *app.control.inner() = Inner::default(),
        Method::PUT => match serde_json::from_slice::<Wishes>(&body) {
            Ok(wishes) => {
                let mut inner = app.control.inner();
                inner.before.clear();
                inner.wishes = wishes;
            }
            Err(error) => {
                let answer = json!({"error": format!("not understood, and nothing was changed: {error}")});
                return Answer { status: StatusCode::UNPROCESSABLE_ENTITY, ..Answer::ok(answer) }.into_response();
            }
        },
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
    let wishes = app.control.inner().wishes.clone();
    Answer::ok(json!(wishes)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(wishes: &str) -> Control {
        let control = Control::default();
        control.inner().wishes = serde_json::from_str(wishes).expect("wishes");
        control
    }

    #[test]
    fn metadata_is_seen_late_never_or_at_once() {
        let (old, new) = (json!({"a": 1}), json!({"a": 2}));
        let see = |control: &Control, at| {
            control.changed("u", &old, 1_000);
            control.visible("u", &new, at)
        };
        assert_eq!(see(&Control::default(), 1_000), new);
        let late = with(r#"{"metadata_delay_ms":500}"#);
        assert_eq!(see(&late, 1_499), old);
        assert_eq!(late.visible("u", &new, 1_500), new);
        assert_eq!(late.visible("somebody else", &new, 1_000), new);
        assert_eq!(see(&with(r#"{"metadata_delay_ms":null}"#), i64::MAX), old);
    }

    #[test]
    fn faults_are_counted_and_match_what_they_name() {
        let control = with(
            r#"{"metadata_delay_ms":0,"faults":[{"method":"PATCH","path_starts_with":"/v1/users/","path_ends_with":"/metadata","count":2,"status":500}]}"#,
        );
        assert!(control.take(&Method::GET, "/v1/users/u/metadata").is_none());
        assert!(control.take(&Method::PATCH, "/v1/users/u").is_none());
        assert!(control.take(&Method::PATCH, "/v1/users/u/metadata").is_some());
        assert!(control.take(&Method::PATCH, "/v1/users/u/metadata").is_some());
        assert!(control.take(&Method::PATCH, "/v1/users/u/metadata").is_none());
    }

    #[test]
    fn what_is_not_named_stays_well() {
        assert_eq!(serde_json::from_str::<Wishes>("{}").expect("fine").metadata_delay_ms, Some(0));
        assert_eq!(
            serde_json::from_str::<Wishes>(r#"{"metadata_delay_ms":null}"#).expect("fine").metadata_delay_ms,
            None
        );
    }

    #[test]
    fn typing_errors_are_refused() {
        for wrong in [r#"{"metadata_delay":1}"#, r#"{"faults":[{"count":1,"statsu":500}]}"#, r#"{"faults":[{}]}"#] {
            assert!(serde_json::from_str::<Wishes>(wrong).is_err(), "{wrong}");
        }
    }
}
