//! Forgets what has served, so that no table grows for ever.
//!
//! What must stay true: nothing goes that is not settled, or that a page or a repeated request still asks for. Which rows
//! those are is decided by `forget_old_rows` (`migrations/`); here stands when, and how much at once.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::server::clock::Clock;
use crate::server::failures;

/// How long a row stays after it has served. Svix repeats a webhook for little more than a day, clients repeat a request
/// within minutes; the rest is for operators who look into what happened.
const KEPT: time::Duration = time::Duration::days(30);
/// Most rows of a table that one transaction deletes: others never wait long for it.
const BATCH: i32 = 1_000;
/// Most batches in a row. What is left then waits for the next time.
const MAX_BATCHES: u32 = 100;
/// Longest pause before the first look. Processes that start together do not look together.
const FIRST: Duration = Duration::from_secs(10 * 60);
/// Longest pause between two looks.
const PAUSE: Duration = Duration::from_secs(75 * 60);

/// Deletes what is old. Several processes may do so at once.
pub struct Retention {
    pool: PgPool,
    clock: Clock,
}

/// How many rows went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Forgotten {
    pub webhooks: i64,
    pub outbox: i64,
    pub keys: i64,
}

impl Retention {
    /// `pool` must be the worker login's.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// Looks about once an hour, until stopped.
    pub async fn run(&self, stop: CancellationToken) {
        self.run_with_pauses(FIRST, PAUSE, stop).await;
    }

    /// The same with other pauses: each one lasts between three fifths of this and all of it.
    pub async fn run_with_pauses(&self, first: Duration, between: Duration, stop: CancellationToken) {
        // In containers all processes may have the same id.
        let mut spread = fastrand::Rng::with_seed(u64::from(std::process::id()) ^ self.clock.now_ms() as u64);
        let mut pause = first;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause.mul_f64(0.6 + 0.4 * spread.f64())) => {}
            }
            pause = between;
            match self.forget(&stop).await {
                Ok(forgotten) if forgotten == Forgotten::default() => {}
                Ok(Forgotten { webhooks, outbox, keys }) => tracing::info!(webhooks, outbox, keys, "forgot old rows"),
                Err(error) => _ = failures::unavailable(&error),
            }
        }
    }

    async fn forget(&self, stop: &CancellationToken) -> Result<Forgotten, sqlx::Error> {
        let mut all = Forgotten::default();
        for _ in 0..MAX_BATCHES {
            let batch = self.forget_batch(BATCH).await?;
            all = Forgotten {
                webhooks: all.webhooks + batch.webhooks,
                outbox: all.outbox + batch.outbox,
                keys: all.keys + batch.keys,
            };
            if batch.webhooks.max(batch.outbox).max(batch.keys) < BATCH.into() || stop.is_cancelled() {
                break;
            }
        }
        Ok(all)
    }

    /// Deletes at most so many old rows of each table.
    pub async fn forget_batch(&self, at_most: i32) -> Result<Forgotten, sqlx::Error> {
        sqlx::query_as("select webhooks, outbox, keys from vestibule.forget_old_rows(older_than => $1, at_most => $2)")
            .bind(self.clock.now() - KEPT)
            .bind(at_most)
            .fetch_one(&self.pool)
            .await
    }
}
