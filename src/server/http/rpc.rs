//! What server functions share: where the state and the headers come from, and how a failure gets its status.

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

use crate::model::failure::{Failure, FailureCode};
use crate::server::runtime::state::AppState;
use crate::server::runtime::telemetry;
use crate::server::session::Asked;

/// Largest failure in JSON, in bytes.
const MAX_FAILURE_BYTES: usize = 16 * 1024;

/// Runs a server function's body with the state and what the session is judged by. Without the status set here, every failure
/// would be a 500.
pub async fn answer<T>(body: impl AsyncFnOnce(&AppState, &Asked) -> Result<T, Failure>) -> Result<T, Failure> {
    let (Some(app), Some(parts)) = (use_context::<AppState>(), use_context::<Parts>()) else {
        return Err(Failure::internal());
    };
    let result = body(&app, &Asked::call(&parts)).await;
    result.map_err(|failure| {
        status(failure.status());
        Failure { request_id: telemetry::request_id(&parts.headers), ..failure }
    })
}

/// Sets the answer's status.
pub fn status(code: u16) {
    if let (Some(response), Ok(code)) = (use_context::<ResponseOptions>(), StatusCode::from_u16(code)) {
        response.set_status(code);
    }
}

/// Gives an answer that Leptos made itself, because the body could not be read, the status of its failure. It would be a 500.
pub async fn with_status(response: Response) -> Response {
    if response.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_FAILURE_BYTES).await else {
        return Failure::internal().into_response();
    };
    if let Ok(failure) = serde_json::from_slice::<Failure>(&body) {
        if failure.code == FailureCode::Unreadable {
            let message = "The request could not be read. Reload the page and try again.";
            return Failure::new(FailureCode::Invalid, message).into_response();
        }
        parts.status = StatusCode::from_u16(failure.status()).unwrap_or(parts.status);
    }
    Response::from_parts(parts, body.into())
}
