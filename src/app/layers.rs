//! What happens to every request on its way in or out, beside its session and its security headers.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;

use super::document::respond;
use crate::model::failure::Failure;
use crate::pages::{Visit, problems};
use crate::server::http::failures::REQUEST_ID;
use crate::server::runtime::state::AppState;

/// For any request.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A panic ends one request, not the connection, and the user reads what to do.
pub async fn explain_fault(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(http.path = parts.uri.path(), "a request panicked");
            let page = problems::fault(&Visit::of(&parts));
            respond(&app, page, parts).await
        }
    }
}

/// Ids of requests are ours: one from outside could be anything, and would stand in our log.
pub async fn forget_request_id(mut request: Request) -> Request {
    request.headers_mut().remove(REQUEST_ID);
    request
}

/// The body limit answers with a bare status: say it in our own words.
pub async fn explain_size(response: Response) -> Response {
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::too_large().into_response(),
        _ => response,
    }
}
