//! What the tests share: a Postgres, a stand-in for Clerk's Backend API, keys that sign literal tokens, and the app itself.
//!
//! What must stay true: tokens and Clerk's answers are written out as literals here, never built with the product's own
//! types, so that a misspelt name cannot be right on both sides.

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

/// Waits until `condition` gives something, and fails with `what` when it never does.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let looked = async {
        loop {
            if let Some(found) = condition().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(WAIT_LIMIT, looked).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Fails when `work` takes too long.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_LIMIT, work).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Runs all at once, and gives the results in order.
pub async fn all<T>(futures: impl Iterator<Item: Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in &mut futures {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if futures.iter().all(|(_, result)| result.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, result)| result).collect()
}
