//! What server functions share: where the state and the headers come from, and how a failure gets its status.

use axum::http::StatusCode;
use axum::http::request::Parts;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

use crate::model::failure::Failure;
use super::state::AppState;
use super::telemetry;

/// Runs a server function's body with the state and the request's headers. Without the status set here, every failure
/// would be a 500.
pub async fn answer<T>(body: impl AsyncFnOnce(&AppState, &axum::http::HeaderMap) -> Result<T, Failure>) -> Result<T, Failure> {
    let (Some(app), Some(parts)) = (use_context::<AppState>(), use_context::<Parts>()) else {
        return Err(Failure::internal());
    };
    let result = body(&app, &parts.headers).await;
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
