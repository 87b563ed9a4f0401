//! Logging. One line per event, with dotted fields; no token, secret, name or address.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `filter` is a `RUST_LOG` expression.
pub fn start(filter: Option<&str>, json: bool) {
    let filter = EnvFilter::new(filter.unwrap_or("info,sqlx=warn,hyper=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start (tests) changes nothing.
    _ = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
}

/// The header that names a request in logs and on error pages.
pub const REQUEST_ID: &str = "x-request-id";

/// The request's id, given by the outermost layer.
pub fn request_id(headers: &axum::http::HeaderMap) -> Option<String> {
    headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Logs each request once, at its end: what was asked and answered, not by whom.
pub async fn log_request(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let id = request_id(request.headers()).unwrap_or_default();
    let span = tracing::info_span!("request", id = %id);
    let response = tracing::Instrument::instrument(next.run(request), span.clone()).await;
    let status = response.status().as_u16();
    span.in_scope(|| {
        if status >= 500 {
            tracing::error!(http.method = %method, http.path = %path, http.status = status, "answered");
        } else {
            tracing::debug!(http.method = %method, http.path = %path, http.status = status, "answered");
        }
    });
    response
}
