//! Claim, call, mark.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backoff::{MAX_ATTEMPTS, spread, wait_after};
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
/// How long a call under way may go on after the signal to stop. Then its message is left to another process.
const STOP_GRACE: Duration = Duration::from_secs(2);

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
    /// This process stops.
    closing: CancellationToken,
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
    /// The process stops before Clerk answered; another one may go on at once.
    Released { user: String },
}

impl Outbox {
    /// `pool` must be the worker login's.
    pub fn new(pool: PgPool, clerk: BackendApi, clock: Clock, tasks: TaskTracker) -> Self {
        let (wake, settled, closing) = (Notify::new(), Notify::new(), CancellationToken::new());
        Self(Arc::new(Inner { pool, clerk, clock, wake, settled, closing, tasks }))
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
                RelayOutcome::Idle
                | RelayOutcome::Postponed { .. }
                | RelayOutcome::Dead { .. }
                | RelayOutcome::Released { .. } => {
                    return super::delivery_to(&self.0.pool, user).await;
                }
            }
        }
    }

    /// Relays until told to stop. A call under way is finished first, or after [`STOP_GRACE`] left to another process.
    pub async fn run(&self, stop: CancellationToken) {
        self.run_polling(POLL, stop).await;
    }

    /// The same with another pause between looks at the table.
    pub async fn run_polling(&self, poll: Duration, stop: CancellationToken) {
        let close = async {
            stop.cancelled().await;
            self.0.closing.cancel();
        };
        tokio::join!(listen::listen(&self.0.pool, &self.0.wake, &stop), self.relay(poll, &stop), close);
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

    async fn grace_is_over(&self) {
        self.0.closing.cancelled().await;
        tokio::time::sleep(STOP_GRACE).await;
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
        let call = async {
            match UserId::parse(&message.user_id) {
                Ok(user_id) => clerk.update_user_metadata(&user_id, &message.payload).await,
                Err(_) => Err(ClerkError::Refused { status: 404, code: "not_a_user_id".into(), retry_after: None }),
            }
        };
        let answer = tokio::select! {
            biased;
            answer = call => answer,
            () = self.grace_is_over() => {
                rows::release(pool, &message).await?;
                tracing::warn!(outbox.message = message.id, "left to another process, because this one stops");
                return Ok(RelayOutcome::Released { user: message.user_id });
            }
        };
        let (id, attempts) = (message.id, message.attempts);
        match answer {
            Ok(clerk_user) => {
                rows::mark_delivered(pool, &message, &clerk_user, clock.now()).await?;
                tracing::info!(outbox.message = id, outbox.attempts = attempts, user.id = %message.user_id, "delivered");
                Ok(RelayOutcome::Delivered { user: message.user_id })
            }
            Err(error) if error.is_retryable() && attempts < MAX_ATTEMPTS => {
                let wait = wait_after(id, attempts, error.retry_after());
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
