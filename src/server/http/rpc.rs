//! What server functions share: who is calling, the services they need, and how a failure gets its status.

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

use crate::model::failure::{Failure, FailureCode};
use crate::server::access::{Caller, Sessions};
use crate::server::http::caller::authentication_of;

/// Largest failure in JSON, in bytes.
const MAX_FAILURE_BYTES: usize = 16 * 1024;

/// The caller of a server function: the same extractor as on any route.
///
/// # Errors
/// Why the gate keeps them out.
pub async fn caller() -> Result<Caller, Failure> {
    let sessions = service::<Sessions>()?;
    let parts = service::<Parts>()?;
    let authentication = authentication_of(&parts, &sessions).await;
    sessions.caller(&authentication).await.map_err(|denial| authentication.failure(denial))
}

/// A service that the router provides to server functions.
///
/// # Errors
/// It provides none of this type: a fault of ours.
pub fn service<T: Clone + 'static>() -> Result<T, Failure> {
    use_context::<T>().ok_or_else(|| {
        tracing::error!(service = std::any::type_name::<T>(), "a server function has no such service");
        Failure::internal()
    })
}

/// Answers 201 if something was `created`, else 200.
pub fn created(created: bool) {
    if let (true, Some(response)) = (created, use_context::<ResponseOptions>()) {
        response.set_status(StatusCode::CREATED);
    }
}

/// Gives a failure its status. Leptos answers every error with 500, and its own too, such as that a body could not be read;
/// Leptos 0.9 is to let the error decide.
pub async fn with_status(response: Response) -> Response {
    if response.status() != StatusCode::INTERNAL_SERVER_ERROR {
        return response;
    }
    let (parts, body) = response.into_parts();
    let failure = axum::body::to_bytes(body, MAX_FAILURE_BYTES)
        .await
        .ok()
        .and_then(|body| serde_json::from_slice::<Failure>(&body).ok())
        .unwrap_or_else(Failure::internal);
    let failure = match failure.code {
        FailureCode::Unreadable => {
            Failure::new(FailureCode::Invalid, "The request could not be read. Reload the page and try again.")
        }
        _ => failure,
    };
    let mut response = failure.into_response();
    for (name, value) in &parts.headers {
        if !response.headers().contains_key(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}
