//! The answer as it goes out. JSON is sent as exactly `application/json`: Clerk's SDK reads nothing else as JSON.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::app::App;
use super::errors::ApiError;

/// Status, body, and what else belongs to an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `None` or null sends no body.
    pub(super) body: Option<Value>,
    pub(super) location: Option<String>,
    pub(super) cookies: Vec<String>,
    /// Seconds.
    pub(super) retry_after: Option<i64>,
}

impl Answer {
    /// 200 with a body.
    pub(super) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), location: None, cookies: Vec::new(), retry_after: None }
    }

    /// Clerk's error envelope.
    pub(super) fn error(app: &App, error: &ApiError) -> Self {
        Self { status: error.status, retry_after: error.retry_after, ..Self::ok(error.body(&app.random.hex::<16>())) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let redirects = self.location.is_some();
        let body = match self.body {
            Some(body) if !redirects => Body::from(body.to_string()),
            _ => Body::empty(),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if !redirects {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        let mut append = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.append(name, value);
            }
        };
        if let Some(location) = &self.location {
            append(header::LOCATION, location);
        }
        for cookie in &self.cookies {
            append(header::SET_COOKIE, cookie);
        }
        response
    }
}
