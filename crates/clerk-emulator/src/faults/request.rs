//! Requests that fail or wait on purpose.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

use super::RequestFault;
use crate::errors::ApiError;
use crate::random::Random;
use crate::response::Answer;

impl RequestFault {
    /// Whether this fault is for such a request, and not used up.
    pub(super) fn matches(&self, method: &Method, path: &str) -> bool {
        self.count > 0
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method.as_str()))
            && path.starts_with(&self.path_starts_with)
            && path.ends_with(&self.path_ends_with)
    }

    /// Waits, then fails the request if that is set. `None`: the request is served.
    pub(crate) async fn apply(&self, random: &Random) -> Option<Response> {
        if let Ok(delay @ 1..) = u64::try_from(self.delay_ms) {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if self.cut {
            let torn = futures_util::stream::iter([
                Ok(Bytes::from_static(b"{\"object\":")),
                Err(std::io::Error::other("cut on purpose")),
            ]);
            return Some(Response::new(Body::from_stream(torn)));
        }
        let status = u16::try_from(self.status?).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let error =
            ApiError::new(status, "fault_on_purpose", "Made to fail", "This request was made to fail on purpose.");
        let mut response = Answer::error(random, &error).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        Some(response)
    }
}
