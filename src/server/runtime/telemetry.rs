//! Logging. One line per event, with dotted fields; no token, secret, name or address.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::server::runtime::config::variables::LOG_FILTER;

/// The target of [`point`]: `RUST_LOG=info,vestibule::points=trace` shows them.
pub const POINTS_TARGET: &str = concat!(env!("CARGO_PKG_NAME"), "::points");

/// Moments between two effects, in the order in which a change passes them. The crash tests end the process at each.
pub const POINTS: &[&str] = &[
    // The transaction is open, and nothing is written.
    "creation.opened",
    "creation.written",
    // Postgres knows, Clerk is not told.
    "creation.committed",
    // Clerk was told, or was out of reach. There is no answer yet.
    "creation.told",
    // Leased, and Clerk is not called.
    "relay.claimed",
    // Clerk confirmed, and the row does not say so.
    "relay.answered",
    // Clerk did not, and the row does not say so.
    "relay.failed",
    "relay.marked",
    // Believed, and not stored.
    "webhook.verified",
    // There is no answer yet.
    "webhook.stored",
    // Before the commit.
    "webhook.applied",
    "webhook.committed",
];

/// Says that the process is at one of [`POINTS`]. Costs next to nothing while nobody listens.
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "{name} is not listed");
    tracing::trace!(target: POINTS_TARGET, point = name);
}

/// Somebody who listens besides the log, with a filter of their own.
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
