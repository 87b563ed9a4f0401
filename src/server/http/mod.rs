//! The HTTP edge: extractors, bodies, failures, security headers, the session's way in and out, support for server functions.

pub mod api;
pub mod body;
pub mod caller;
pub mod failures;
pub mod files;
pub mod frontend_proxy;
pub mod handshake;
mod idempotency;
pub mod rpc;
pub mod security;
pub mod session;
pub mod webhooks;
