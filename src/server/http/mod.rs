//! The HTTP edge: extractors, bodies, failures, security headers, the session's way in and out, support for server functions.

pub mod api;
pub mod files;
pub mod frontend_proxy;
pub mod handshake;
pub mod rpc;
pub mod security;
