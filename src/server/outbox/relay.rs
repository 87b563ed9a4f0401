//! Claim, call, mark.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{listen, rows};
use crate::model::ids::UserId;
use crate::model::onboarding::Delivery;
use crate::server::clerk::backend_api::{BackendApi, ClerkError};
use crate::server::clock::Clock;

/// How long a creation waits for Clerk to be told before it answers without.
pub const INLINE_LIMIT: Duration = Duration::from_secs(2);
/// Pause between two looks when nobody woke the relay and nothing came due: the net under a notification that was lost.
const POLL: Duration = Duration::from_secs(5);
/// Shortest pause, when a message is due that another process holds.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Pause between two looks at a call that another task or process makes.
const INLINE_POLL: Duration = Duration::from_millis(50);
/// First wait after a failed attempt; doubled each time.
const BACKOFF_FIRST: time::Duration = time::Duration::milliseconds(500);
/// Longest wait between attempts.
const BACKOFF_CAP: time::Duration = time::Duration::minutes(5);
/// Attempts before a message is given up: with the waits above, more than a day.
const MAX_ATTEMPTS: i32 = 300;

/// The relay and its state. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    pool: PgPool,
    clerk: BackendApi,
    clock: Clock,
    wake: Notify,
    /// Somebody here finished an attempt.
    settled: Notify,
    tasks: TaskTracker,
}

/// What one look at the outbox did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayOutcome {
    /// Nothing is due.
    Idle,
    /// Clerk confirmed a message.
    Delivered { user: String },
    /// An attempt failed; the next one is due after this time.
    Postponed { user: String, wait: time::Duration },
    /// A message was given up.
    Dead { user: String },
}

impl Outbox {
    /// `pool` must be the worker login's.
    pub fn new(pool: PgPool, clerk: BackendApi, clock: Clock, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner { pool, clerk, clock, wake: Notify::new(), settled: Notify::new(), tasks }))
    }

    /// Delivers what waits for one user, for at most [`INLINE_LIMIT`]. A call under way goes on after that, whoever
    /// makes it; the answer then is that delivery is pending.
    pub async fn deliver_now(&self, user: &UserId) -> Delivery {
        match tokio::time::timeout(INLINE_LIMIT, self.drain(user.as_str())).await {
            Ok(Ok(delivery @ (Delivery::Delivered | Delivery::Failed))) => delivery,
            _ => {
                self.0.wake.notify_one();
                Delivery::Pending
            }
        }
    }

    async fn drain(&self, user: &str) -> Result<Delivery, sqlx::Error> {
        loop {
            let settled = self.0.settled.notified();
            // In a task of its own, so that a call is never left half-way.
            let (outbox, name) = (self.clone(), user.to_owned());
            let attempt = self.0.tasks.spawn(async move { outbox.relay_one(Some(&name)).await });
            match attempt.await.map_err(|_| sqlx::Error::WorkerCrashed)?? {
                RelayOutcome::Delivered { .. } => {}
                // The running relay, here or in another process, may have been woken by the commit and be quicker.
                RelayOutcome::Idle if rows::is_under_way(&self.0.pool, user, self.0.clock.now()).await? => {
                    _ = tokio::time::timeout(INLINE_POLL, settled).await;
                }
                RelayOutcome::Idle | RelayOutcome::Postponed { .. } | RelayOutcome::Dead { .. } => {
                    return super::delivery_to(&self.0.pool, user).await;
                }
            }
        }
    }

    /// Relays until told to stop. A call under way is finished first.
    pub async fn run(&self, stop: CancellationToken) {
        self.run_polling(POLL, stop).await;
    }

    /// The same with another pause between looks at the table.
    pub async fn run_polling(&self, poll: Duration, stop: CancellationToken) {
        tokio::join!(listen::listen(&self.0.pool, &self.0.wake, &stop), self.relay(poll, &stop));
    }

    async fn relay(&self, poll: Duration, stop: &CancellationToken) {
        let mut looks = 0;
        while !stop.is_cancelled() {
            let pause = match self.relay_one(None).await {
                Ok(RelayOutcome::Idle) => self.until_due().await,
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            // Between three quarters of the pause and all of it, so that processes do not look in step.
            let poll = poll - poll.mul_f64(spread(u64::from(std::process::id()), looks) / 4.0);
            looks += 1;
            let pause = pause.unwrap_or_else(|error| {
                crate::server::failures::unavailable(&error);
                None
            });
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(pause.map_or(poll, |pause| pause.clamp(PAUSE_MIN, poll.max(PAUSE_MIN)))) => {}
            }
        }
    }

    /// How long until a retry is due or a lease runs out. `None`: nothing waits.
    async fn until_due(&self) -> Result<Option<Duration>, sqlx::Error> {
        let due = rows::next_due(&self.0.pool).await?;
        Ok(due.map(|due| Duration::try_from(due - self.0.clock.now()).unwrap_or_default()))
    }

    /// Claims the next message that is due, of one user or of anyone, and tries to deliver it.
    pub async fn relay_one(&self, user: Option<&str>) -> Result<RelayOutcome, sqlx::Error> {
        let Some(message) = rows::claim(&self.0.pool, user, self.0.clock.now()).await? else {
            return Ok(RelayOutcome::Idle);
        };
        let outcome = self.attempt(message).await;
        self.0.settled.notify_waiters();
        outcome
    }

    async fn attempt(&self, message: rows::Message) -> Result<RelayOutcome, sqlx::Error> {
        let Inner { pool, clerk, clock, .. } = &*self.0;
        let answer = match UserId::parse(&message.user_id) {
            Ok(user_id) => clerk.update_user_metadata(&user_id, &message.payload).await,
            Err(_) => Err(ClerkError::Refused { status: 404, code: "not_a_user_id".into(), retry_after: None }),
        };
        let (id, attempts) = (message.id, message.attempts);
        match answer {
            Ok(clerk_user) => {
                rows::mark_delivered(pool, &message, &clerk_user, clock.now()).await?;
                tracing::info!(outbox.message = id, outbox.attempts = attempts, user.id = %message.user_id, "delivered");
                Ok(RelayOutcome::Delivered { user: message.user_id })
            }
            Err(error) if error.is_retryable() && attempts < MAX_ATTEMPTS => {
                let wait = wait_after(attempts, &error);
                tracing::warn!(outbox.message = id, outbox.attempts = attempts, outbox.error = %error, "postponed");
                rows::mark_postponed(pool, &message, clock.now() + wait, &error.to_string()).await?;
                Ok(RelayOutcome::Postponed { user: message.user_id, wait })
            }
            Err(error) => {
                tracing::error!(outbox.message = id, outbox.attempts = attempts, outbox.error = %error, user.id = %message.user_id, "given up");
                rows::mark_dead(pool, &message, &error.to_string(), clock.now()).await?;
                Ok(RelayOutcome::Dead { user: message.user_id })
            }
        }
    }
}

/// A number from 0 to 1 that looks random and is not: equal seeds give equal numbers, so tests can name it, and nothing
/// needs a source of randomness. (SplitMix64's last step.)
fn spread(seed: u64, step: u64) -> f64 {
    let mut mixed = (seed ^ step.rotate_left(32)).wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
}

/// Exponential, capped, and never shorter than what Clerk asks for.
fn wait_after(attempts: i32, error: &ClerkError) -> time::Duration {
    let doublings = attempts.clamp(1, 20) - 1;
    let backoff = (BACKOFF_FIRST * 2_i32.pow(doublings as u32)).min(BACKOFF_CAP);
    match error.retry_after().and_then(|asked| time::Duration::try_from(asked).ok()) {
        Some(asked) => backoff.max(asked),
        None => backoff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_honour_clerk() {
        let down = ClerkError::Unreachable("timed out");
        assert_eq!(wait_after(1, &down), time::Duration::milliseconds(500));
        assert_eq!(wait_after(2, &down), time::Duration::seconds(1));
        assert_eq!(wait_after(5, &down), time::Duration::seconds(8));
        assert_eq!(wait_after(300, &down), BACKOFF_CAP);
        let asked = ClerkError::Refused { status: 429, code: String::new(), retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(wait_after(1, &asked), time::Duration::seconds(7));
    }
}
