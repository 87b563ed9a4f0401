//! Logging. One line per event, with dotted fields; no token, secret, name or address.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::server::runtime::config::variables::LOG_FILTER;

/// A listener besides the log, with a filter of its own.
pub type Listener = Box<dyn Layer<Registry> + Send + Sync>;

/// Starts logging to standard error. `filter` is a `RUST_LOG` expression; `listener` hears what its own filter lets through.
pub fn start(filter: Option<&str>, json: bool, listener: Option<Listener>) {
    let filter = EnvFilter::new(filter.unwrap_or(LOG_FILTER));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(listener);
    // A second start (tests) changes nothing.
    _ = if json {
        registry.with(lines.json().with_filter(filter)).try_init()
    } else {
        registry.with(lines.with_target(false).with_filter(filter)).try_init()
    };
}

/// Logs each request once, at its end: what was requested and answered, not by which user.
pub async fn log_request(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let id = crate::server::http::failures::request_id(request.headers()).unwrap_or_default();
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
