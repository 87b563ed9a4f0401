//! Clerk over HTTP: its Backend API, and how metadata changes there.

pub mod backend_api;
pub mod limits;
pub mod merge;
pub mod metadata;
pub mod user;

/// The path under which the same-origin proxy to the Frontend API answers.
pub const PROXY_PREFIX: &str = "/__clerk";
