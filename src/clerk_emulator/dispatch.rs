//! The one place where every API request passes: taken apart, given to one of the two APIs, answered.
//! Faults and delays that are made on purpose belong here.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, OriginalUri, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, Method};

use super::app::App;
use super::call::Call;
use super::errors::ApiError;
use super::response::Answer;
use super::{bapi, control, fapi, inbox};

/// Largest request body in bytes: metadata is the largest thing sent, and Clerk allows 8 kB of it.
const BODY_LIMIT: usize = 256 * 1024;

/// All routes of the emulator.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/inbox", get(inbox::page))
        .route("/inbox.json", get(inbox::json))
        .route("/control", any(control::answer))
        .route("/.well-known/jwks.json", get(public_keys))
        .fallback(dispatch)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app)
}

async fn public_keys(State(app): State<Arc<App>>) -> Response {
    Answer::ok(app.keys.jwks()).into_response()
}

async fn dispatch(
    State(app): State<Arc<App>>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call::new(method.clone(), &uri, headers, &body);
    if let Ok(Some(call)) = &call
        && let Some(fault) = app.control.take(&call.method, uri.path())
        && let Some(refusal) = fault.meet(&app).await
    {
        tracing::debug!(target: "clerk_emulator", %method, path = uri.path(), "made to fail on purpose");
        return refusal;
    }
    let answer = match call {
        Ok(Some(call)) if fapi::serves(&call.path) => fapi::answer(&app, &call),
        Ok(Some(call)) => bapi::answer(&app, &call),
        Ok(None) => Answer::error(&app, &ApiError::no_such_endpoint(method.as_str(), uri.path())),
        Err(error) => Answer::error(&app, &error),
    };
    tracing::debug!(target: "clerk_emulator", %method, path = uri.path(), status = answer.status.as_u16(), "request");
    answer.into_response()
}
