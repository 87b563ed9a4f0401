//! Comparing everybody with Clerk, and settling what differs: whatever was lost in spite of outbox and webhooks.
//!
//! A pass goes over all users whom we know, then over all whom Clerk knows. It is made by `vestibule reconcile`, and
//! by the running server once a day.
//!
//! What must stay true: a pass can be interrupted anywhere and begun again; it settles by the same rules as a webhook
//! (`users`), and leaves the telling to the outbox; it takes away nothing that could be a mistake of configuration: not
//! more than a few times, and no user is forgotten before Clerk has known one of ours.

mod in_flight;
mod pass;
mod regular;

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

pub use in_flight::{InFlight, in_flight};
pub use pass::{Finding, FindingEnd, Pass, Summary};
pub use regular::run_regularly;

use crate::server::clerk::backend_api::{BackendApi, ClerkError};
use crate::server::clock::Clock;
use crate::server::outbox::wait_after;

/// Calls to Clerk in a second, by hand. Clerk allows 100 a second with a production key, and a running server takes 90 of
/// them at most.
pub const CALLS_BY_HAND: NonZeroU32 = NonZeroU32::new(4).expect("not zero");
/// Calls to Clerk in a second, by the running server.
pub const CALLS_REGULARLY: NonZeroU32 = NonZeroU32::new(1).expect("not zero");
/// How often a pass may take something away, by default.
pub const REMOVALS: u64 = 10;
/// Failed attempts at one page before a pass gives up.
const ATTEMPTS: i32 = 6;
/// Longest pause that Clerk may ask for.
const PAUSE_CAP: Duration = Duration::from_secs(60);

/// Why a pass did not go on. What was settled before stays so.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error(transparent)]
    Clerk(#[from] ClerkError),
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the state of the pass cannot be written: {0}")]
    Place(#[from] serde_json::Error),
    #[error("another process has taken the pass over")]
    Taken,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Finished,
    /// Told to stop. Nothing is half done.
    Interrupted,
}

/// Compares, at its own pace.
pub struct Reconciler {
    pool: PgPool,
    clerk: BackendApi,
    clock: Clock,
    pace: DefaultDirectRateLimiter,
}

impl Reconciler {
    /// `pool` must be the worker login's.
    pub fn new(pool: PgPool, clerk: BackendApi, clock: Clock, calls_per_second: NonZeroU32) -> Self {
        let pace = RateLimiter::direct(Quota::per_second(calls_per_second).allow_burst(NonZeroU32::MIN));
        Self { pool, clerk, clock, pace }
    }

    /// Waits for the moment of the next call.
    pub async fn ready(&self) {
        self.pace.until_ready().await;
    }

    /// Goes on with a pass by one page, and says what was found on it. `None`: stopped. Clerk being slow, down or at its
    /// limit is borne for a while.
    pub async fn next_page(
        &self,
        pass: &mut Pass,
        stop: &CancellationToken,
    ) -> Result<Option<Vec<Finding>>, ReconcileError> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(None),
            found = self.page_in_spite_of_failures(pass) => found.map(Some),
        }
    }

    async fn page_in_spite_of_failures(&self, pass: &mut Pass) -> Result<Vec<Finding>, ReconcileError> {
        let mut failed = 0;
        loop {
            match self.page(pass).await {
                // A wrong key is not waited for: an operator has to correct it.
                Err(ReconcileError::Clerk(error))
                    if error.is_retryable() && !matches!(error.status(), Some(401 | 403)) && failed + 1 < ATTEMPTS =>
                {
                    failed += 1;
                    let pause = wait_after(std::process::id().into(), failed, error.retry_after());
                    let pause = Duration::try_from(pause).unwrap_or_default().min(PAUSE_CAP);
                    tracing::debug!(%error, pause_ms = pause.as_millis() as u64, "asking Clerk again");
                    tokio::time::sleep(pause).await;
                }
                other => return other,
            }
        }
    }
}
