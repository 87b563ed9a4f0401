//! Clerk over HTTP: its Backend API, how metadata changes there, and the same-origin proxy to its Frontend API.

pub mod backend_api;
pub mod limits;
pub mod merge;
pub mod metadata;
pub mod user;
