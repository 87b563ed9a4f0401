//! Claim, call, mark.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backoff::{MAX_ATTEMPTS, spread, wait_after};
use super::listen;
use super::rows::{self, Batch, Kind};
use crate::model::ids::UserId;
use crate::model::onboarding::Delivery;
use crate::server::clerk::backend_api::{BackendApi, ClerkError};
use crate::server::clerk::limits::LimitOf;
use crate::server::clerk::merge::composed;
use crate::server::clerk::metadata::{MetadataChange, MetadataError, update_user_metadata};
use crate::server::clerk::user::ClerkUser;
use crate::server::clock::Clock;
use crate::server::failpoint::point;

/// How long a creation waits for Clerk to be notified before it answers without.
pub const INLINE_LIMIT: Duration = Duration::from_secs(2);
/// Most calls that the running relay has under way, each for another user: what Clerk allows in a second would otherwise
/// take as long as so many answers in a row.
const CALLS_AT_ONCE: usize = 8;
/// Pause between two looks when nothing woke the relay and nothing came due: it covers a lost notification.
const POLL: Duration = Duration::from_secs(5);
/// Shortest pause, when a message is due that another process holds.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// Shortest pause at our own limit. It lets a few calls through at once instead of one, so fewer are claimed in vain.
const HELD_MIN: Duration = Duration::from_millis(100);
/// Pause between two looks at a call that another task or process makes.
const INLINE_POLL: Duration = Duration::from_millis(50);
/// How long a call under way may go on after the signal to stop. Then its message is left to another process.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The relay and its state. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    /// Whether this process calls Clerk. If not, others do.
    delivers: bool,
    pool: PgPool,
    clerk: BackendApi,
    clock: Clock,
    wake: Notify,
    /// A task of this process finished an attempt.
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
    /// Clerk confirmed one message or several, in one call.
    Delivered { user: String },
    /// An attempt failed; the next one is due after this time.
    Postponed { user: String, wait: time::Duration },
    /// Our own limit for all calls to Clerk is reached; no call is made sooner than this.
    Held { wait: time::Duration },
    /// A message was given up.
    Dead { user: String },
    /// The process stops before Clerk answered; another one may go on at once.
    Released { user: String },
}

type Attempted = Result<RelayOutcome, sqlx::Error>;

impl Outbox {
    /// `pool` must be the worker login's.
    pub fn new(pool: PgPool, clerk: BackendApi, clock: Clock, tasks: TaskTracker) -> Self {
        Self::of(true, pool, clerk, clock, tasks)
    }

    /// In a process that leaves delivery to others, unless `delivers`.
    pub fn of(delivers: bool, pool: PgPool, clerk: BackendApi, clock: Clock, tasks: TaskTracker) -> Self {
        let (wake, settled, closing) = (Notify::new(), Notify::new(), CancellationToken::new());
        Self(Arc::new(Inner { delivers, pool, clerk, clock, wake, settled, closing, tasks }))
    }

    /// Delivers what waits for one user, for at most [`INLINE_LIMIT`]. A call under way goes on after that, in whichever
    /// process; the answer then is that delivery is pending. A process that leaves delivery to others only looks.
    pub async fn deliver_now(&self, user: &UserId) -> Delivery {
        if !self.0.delivers {
            return super::delivery_to(&self.0.pool, user.as_str()).await.unwrap_or(Delivery::Pending);
        }
        match tokio::time::timeout(INLINE_LIMIT, self.drain(user.as_str())).await {
            Ok(Ok(delivery @ (Delivery::Delivered | Delivery::Failed))) => delivery,
            _ => {
                self.0.wake.notify_one();
                Delivery::Pending
            }
        }
    }

    /// Waits until nothing of a user's is due any more, for at most [`INLINE_LIMIT`], whichever process delivers it.
    pub async fn settle(&self, user: &UserId) {
        if self.0.delivers {
            self.deliver_now(user).await;
            return;
        }
        let others = async {
            while rows::is_under_way(&self.0.pool, user.as_str(), self.0.clock.now()).await? {
                tokio::time::sleep(INLINE_POLL).await;
            }
            Ok::<_, sqlx::Error>(())
        };
        _ = tokio::time::timeout(INLINE_LIMIT, others).await;
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
                | RelayOutcome::Held { .. }
                | RelayOutcome::Dead { .. }
                | RelayOutcome::Released { .. } => {
                    return super::delivery_to(&self.0.pool, user).await;
                }
            }
        }
    }

    /// Relays until stopped, if this process delivers. Calls under way are finished first, or after [`STOP_GRACE`] left to another process.
    pub async fn run(&self, stop: CancellationToken) {
        self.run_polling(POLL, stop).await;
    }

    /// The same with another pause between looks at the table.
    pub async fn run_polling(&self, poll: Duration, stop: CancellationToken) {
        if !self.0.delivers {
            return;
        }
        let close = async {
            stop.cancelled().await;
            self.0.closing.cancel();
        };
        tokio::join!(listen::listen(&self.0.pool, &self.0.wake, &stop), self.relay(poll, &stop), close);
    }

    async fn relay(&self, poll: Duration, stop: &CancellationToken) {
        let mut calls = JoinSet::new();
        let mut looks = 0;
        // At our own limit nothing is claimed before `held`.
        let (mut next_look, mut held) = (Instant::now(), Instant::now());
        loop {
            // Between three quarters of the pause and all of it, so that processes do not look in step.
            let poll = poll - poll.mul_f64(spread(u64::from(std::process::id()), looks) / 4.0);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = calls.join_next() => {
                    next_look = Instant::now();
                    match outcome_of(ended) {
                        Some(RelayOutcome::Held { wait }) => {
                            held = next_look + Duration::try_from(wait).unwrap_or_default().max(HELD_MIN);
                        }
                        Some(_) => {}
                        None => next_look += poll,
                    }
                }
                () = self.0.wake.notified() => next_look = Instant::now(),
                () = until(next_look.max(held)), if calls.len() < CALLS_AT_ONCE => {
                    let pause = self.look(&mut calls, poll).await.unwrap_or_else(|error| {
                        crate::server::failures::unavailable(&error);
                        poll
                    });
                    next_look = Instant::now() + pause;
                    looks += 1;
                }
            }
        }
        while let Some(ended) = calls.join_next().await {
            outcome_of(ended);
        }
    }

    /// Begins one call if anything is due, and says when to look again.
    async fn look(&self, calls: &mut JoinSet<Attempted>, poll: Duration) -> Result<Duration, sqlx::Error> {
        let now = self.0.clock.now();
        if let Some(batch) = self.claim(None, now).await? {
            let outbox = self.clone();
            calls.spawn(async move { outbox.deliver(batch).await });
            return Ok(Duration::ZERO);
        }
        let due = self.next_due().await?;
        let pause = due.map(|due| Duration::try_from(due - self.0.clock.now()).unwrap_or_default());
        Ok(pause.map_or(poll, |pause| pause.clamp(PAUSE_MIN, poll.max(PAUSE_MIN))))
    }

    /// When the next retry is due or the next lease expires. `None`: nothing waits.
    pub async fn next_due(&self) -> Result<Option<OffsetDateTime>, sqlx::Error> {
        rows::next_due(&self.0.pool, self.0.clock.now()).await
    }

    async fn grace_is_over(&self) {
        self.0.closing.cancelled().await;
        tokio::time::sleep(STOP_GRACE).await;
    }

    /// Claims what is due, of one user or of anyone, and tries to deliver it. All that waits for this user goes in one call,
    /// as far as that leaves Clerk with the same.
    pub async fn relay_one(&self, user: Option<&str>) -> Result<RelayOutcome, sqlx::Error> {
        let Some(batch) = self.claim(user, self.0.clock.now()).await? else {
            return Ok(RelayOutcome::Idle);
        };
        self.deliver(batch).await
    }

    async fn claim(&self, user: Option<&str>, now: OffsetDateTime) -> Result<Option<Batch>, sqlx::Error> {
        rows::claim(&self.0.pool, user, now, self.0.clerk.time_limits().lease()).await
    }

    async fn deliver(&self, batch: Batch) -> Result<RelayOutcome, sqlx::Error> {
        let outcome = self.attempt(batch).await;
        self.0.settled.notify_waiters();
        outcome
    }

    async fn attempt(&self, batch: Batch) -> Result<RelayOutcome, sqlx::Error> {
        let Inner { pool, clock, .. } = &*self.0;
        let (first, attempts, lease) = (batch.first(), batch.attempts, batch.lease);
        point("relay.claimed");
        let (answer, sent) = tokio::select! {
            biased;
            answer = self.send(&batch) => answer,
            () = self.grace_is_over() => {
                rows::release(pool, first, lease).await?;
                tracing::warn!(outbox.message = first, "left to another process, because this one stops");
                return Ok(RelayOutcome::Released { user: batch.user_id });
            }
        };
        let waiting: Vec<i64> = batch.messages.iter().map(|message| message.id).collect();
        let (user, kind, count) = (batch.user_id, batch.messages[0].kind, sent.len());
        match answer {
            Ok(clerk_user) => {
                point("relay.answered");
                rows::mark_delivered(pool, &sent, lease, &clerk_user, kind == Kind::SyncUser, clock.now()).await?;
                point("relay.marked");
                tracing::info!(outbox.message = first, outbox.count = count, outbox.attempts = attempts, user.id = %user, "delivered");
                Ok(RelayOutcome::Delivered { user })
            }
            Err(MetadataError::Clerk(ClerkError::Limited { of, wait })) => {
                let wait = not_before(wait);
                rows::mark_untried(pool, first, lease, clock.now() + wait).await?;
                tracing::debug!(
                    outbox.message = first,
                    ?of,
                    wait_ms = wait.whole_milliseconds() as i64,
                    "at the limit"
                );
                Ok(match of {
                    LimitOf::Instance => RelayOutcome::Held { wait },
                    LimitOf::User => RelayOutcome::Postponed { user, wait },
                })
            }
            Err(error) if error.is_retryable() && attempts < MAX_ATTEMPTS => {
                let wait = wait_after(first, attempts, error.retry_after());
                tracing::warn!(outbox.message = first, outbox.count = count, outbox.attempts = attempts, outbox.error = %error, "postponed");
                point("relay.failed");
                rows::mark_postponed(pool, &sent, &waiting, lease, clock.now() + wait, &error.to_string()).await?;
                Ok(RelayOutcome::Postponed { user, wait })
            }
            Err(error) => {
                tracing::error!(outbox.message = first, outbox.attempts = attempts, outbox.error = %error, user.id = %user, "given up");
                rows::mark_dead(pool, first, lease, &error.to_string(), clock.now()).await?;
                Ok(RelayOutcome::Dead { user })
            }
        }
    }

    /// Sends as much of a batch as fits into one call, and says which messages that were. If several are refused for
    /// good, the first one is sent alone: one bad message must not take the good ones with it.
    async fn send(&self, batch: &Batch) -> (Result<ClerkUser, MetadataError>, Vec<i64>) {
        let first = &batch.messages[0];
        if first.kind == Kind::SyncUser {
            // One look answers all who asked for one before it.
            let asked = batch.messages.iter().map(|message| message.id).collect();
            return (self.look_up(&batch.user_id).await, asked);
        }
        let (mut change, mut sent) = (first.payload.clone(), vec![first.id]);
        for message in &batch.messages[1..] {
            let Some(both) = composed(&change, &message.payload) else { break };
            change = both;
            sent.push(message.id);
        }
        match self.change_metadata(&batch.user_id, &change).await {
            Err(error) if sent.len() > 1 && !error.is_retryable() => {
                (self.change_metadata(&batch.user_id, &first.payload).await, vec![first.id])
            }
            answer => (answer, sent),
        }
    }

    async fn look_up(&self, user: &str) -> Result<ClerkUser, MetadataError> {
        let user = UserId::parse(user).map_err(|_| MetadataError::NoUser)?;
        Ok(self.0.clerk.user(&user).await?)
    }

    async fn change_metadata(&self, user: &str, payload: &Value) -> Result<ClerkUser, MetadataError> {
        update_user_metadata(&self.0.clerk, user, &MetadataChange::parse(payload)?).await
    }
}

/// How a call ended, or `None` after an error, which is logged. The message is repeated when its lease expires.
fn outcome_of(ended: Result<Attempted, JoinError>) -> Option<RelayOutcome> {
    match ended {
        Ok(Ok(outcome)) => return Some(outcome),
        Ok(Err(error)) => _ = crate::server::failures::unavailable(&error),
        Err(error) => tracing::error!(%error, "a delivery ended early"),
    }
    None
}

/// A timer rounds up, so a moment that is past must not have one.
async fn until(moment: Instant) {
    if moment > Instant::now() {
        tokio::time::sleep_until(moment).await;
    }
}

/// In whole milliseconds, as the clocks count, and not too short.
fn not_before(wait: Duration) -> time::Duration {
    time::Duration::milliseconds(wait.as_millis() as i64 + 1)
}
