//! Clerk over HTTP: its Backend API, and the same-origin proxy to its Frontend API.

pub mod backend_api;
pub mod frontend_proxy;
