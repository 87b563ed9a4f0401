//! The answer as it goes out. JSON is sent as exactly `application/json`: Clerk's SDK reads nothing else as JSON.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::errors::ApiError;
use crate::random::Random;

/// Status, body, and what else belongs to an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// `None` or null sends no body.
    pub(crate) body: Option<Value>,
    pub(crate) location: Option<String>,
    pub(crate) cookies: Vec<String>,
    /// Seconds.
    pub(crate) retry_after: Option<i64>,
}

impl Answer {
    /// 200 with a body.
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), location: None, cookies: Vec::new(), retry_after: None }
    }

    /// Clerk's error envelope.
    pub(crate) fn error(random: &Random, error: &ApiError) -> Self {
        Self { status: error.status, retry_after: error.retry_after, ..Self::ok(error.body(&random.hex::<16>())) }
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
