//! What the tests share: a Postgres, a stub of Clerk's Backend API, keys that sign literal tokens, and the app itself.
//!
//! What must stay true: tokens and Clerk's responses are literals here, never built with the product's own types, so
//! that a misspelled name cannot match on both sides.

mod app;
pub mod clerk;
pub mod database;
pub mod emulated;
pub mod keys;

use std::time::Duration;

pub use app::{Reply, TestApp, Who, request};

/// The app's origin: the only authorized party.
pub const ORIGIN: &str = "https://app.example.com";
/// `clerk.example.test`, as Clerk encodes it.
pub const PUBLISHABLE_KEY: &str = "pk_live_Y2xlcmsuZXhhbXBsZS50ZXN0JA";
/// The issuer that follows from the key.
pub const ISSUER: &str = "https://clerk.example.test";
/// The suffix of this instance's cookies (worked out by hand: SHA-1, base64, 8 characters).
pub const COOKIE_SUFFIX: &str = "mygDvuFt";
/// When the tests' clocks begin: 2026-01-02 03:04:05 UTC.
pub const NOW: i64 = 1_767_323_045;

/// Longest wait for something that must happen.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// Waits until `condition` returns a value, and fails with `what` after the limit.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT_LIMIT, poll).await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}

/// Fails if `work` takes too long.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_LIMIT, work).await.unwrap_or_else(|_| panic!("timed out waiting for {what}"))
}
