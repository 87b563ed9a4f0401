//! Failures as responses, and the one layer that puts the request's id into them.

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::model::failure::Failure;

/// The header that names a request in logs and on error pages.
pub const REQUEST_ID: &str = "x-request-id";

/// The request's id, given by the outermost layer.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The JSON of a failure, in its response's extensions until the layer has added the request's id.
#[derive(Clone)]
struct FailureBody(Value);

/// A failure with further fields beside it, flattened into its JSON.
#[derive(Serialize)]
pub struct Explained<T> {
    #[serde(flatten)]
    pub failure: Failure,
    #[serde(flatten)]
    pub more: T,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        respond(self.status(), &self)
    }
}

impl<T: Serialize> IntoResponse for Explained<T> {
    fn into_response(self) -> Response {
        respond(self.failure.status(), &self)
    }
}

fn respond(status: u16, failure: &impl Serialize) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_value(failure).unwrap_or_default();
    let mut response = (status, Json(&body)).into_response();
    response.extensions_mut().insert(FailureBody(body));
    response
}

/// The layer: every failure names the request it belongs to.
pub async fn name_request(request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let mut response = next.run(request).await;
    let Some(FailureBody(Value::Object(mut body))) = response.extensions_mut().remove::<FailureBody>() else {
        return response;
    };
    body.insert("request_id".to_owned(), id.into());
    let mut named = (response.status(), Json(body)).into_response();
    // Whatever was said beside the body stays said.
    for (name, value) in response.headers() {
        if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
            named.headers_mut().append(name, value.clone());
        }
    }
    *named.extensions_mut() = std::mem::take(response.extensions_mut());
    named
}
