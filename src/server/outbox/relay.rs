//! Claim, call, mark.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::model::ids::UserId;
use crate::model::onboarding::Delivery;
use crate::server::clerk::backend_api::{BackendApi, ClerkError, ClerkUser};
use crate::server::clock::Clock;

/// How long a creation waits for Clerk to be told before it answers without.
pub const INLINE_LIMIT: Duration = Duration::from_secs(2);
/// How long a claimed message belongs to its relay. Longer than a call to Clerk may take.
const LEASE: time::Duration = time::Duration::seconds(20);
/// Pause between two looks when nothing woke the relay: messages of another process, and retries that came due.
const POLL: Duration = Duration::from_millis(500);
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

type Message = (i64, String, Value, i32);

impl Outbox {
    /// `pool` must be the worker login's.
    pub fn new(pool: PgPool, clerk: BackendApi, clock: Clock, tasks: TaskTracker) -> Self {
        Self(Arc::new(Inner { pool, clerk, clock, wake: Notify::new(), tasks }))
    }

    /// Delivers what waits for one user, for at most [`INLINE_LIMIT`]. A call under way goes on after that; the
    /// answer then is that delivery is pending.
    pub async fn deliver_now(&self, user: &UserId) -> Delivery {
        let outbox = self.clone();
        let name = user.as_str().to_owned();
        let drained = self.0.tasks.spawn(async move {
            loop {
                match outbox.relay_one(Some(&name)).await {
                    Ok(RelayOutcome::Delivered { .. }) => {}
                    Ok(RelayOutcome::Idle | RelayOutcome::Postponed { .. } | RelayOutcome::Dead { .. }) => {
                        return super::delivery_to(&outbox.0.pool, &name).await;
                    }
                    Err(error) => return Err(error),
                }
            }
        });
        match tokio::time::timeout(INLINE_LIMIT, drained).await {
            Ok(Ok(Ok(delivery @ (Delivery::Delivered | Delivery::Failed)))) => delivery,
            _ => {
                self.0.wake.notify_one();
                Delivery::Pending
            }
        }
    }

    /// Relays until told to stop. A call under way is finished first.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.relay_one(None).await {
                Ok(RelayOutcome::Idle) => true,
                Ok(_) => false,
                Err(error) => {
                    crate::server::failures::unavailable(&error);
                    true
                }
            };
            if pause {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.0.wake.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }

    /// Claims the next message that is due, of one user or of anyone, and tries to deliver it.
    pub async fn relay_one(&self, user: Option<&str>) -> Result<RelayOutcome, sqlx::Error> {
        let now = self.0.clock.now();
        let Some((id, user, payload, attempts)) = self.claim(user, now).await? else {
            return Ok(RelayOutcome::Idle);
        };
        let answer = match UserId::parse(&user) {
            Ok(user_id) => self.0.clerk.update_user_metadata(&user_id, &payload).await,
            Err(_) => Err(ClerkError::Refused { status: 404, code: "not_a_user_id".into(), retry_after: None }),
        };
        match answer {
            Ok(clerk_user) => {
                self.mark_delivered(id, &user, &clerk_user).await?;
                tracing::info!(outbox.message = id, outbox.attempts = attempts, user.id = %user, "delivered");
                Ok(RelayOutcome::Delivered { user })
            }
            Err(error) if error.is_retryable() && attempts < MAX_ATTEMPTS => {
                let wait = wait_after(attempts, &error);
                tracing::warn!(outbox.message = id, outbox.attempts = attempts, outbox.error = %error, "postponed");
                self.mark_postponed(id, wait, &error).await?;
                Ok(RelayOutcome::Postponed { user, wait })
            }
            Err(error) => {
                tracing::error!(outbox.message = id, outbox.attempts = attempts, outbox.error = %error, user.id = %user, "given up");
                self.mark_dead(id, &error).await?;
                Ok(RelayOutcome::Dead { user })
            }
        }
    }

    async fn claim(&self, user: Option<&str>, now: OffsetDateTime) -> Result<Option<Message>, sqlx::Error> {
        // A user's later message waits for the earlier one, also while that is leased or postponed.
        sqlx::query_as(
            "with due as (
                select m.id from outbox_messages as m
                where m.delivered_at is null and m.dead_at is null
                  and m.available_at <= $2 and (m.leased_until is null or m.leased_until <= $2)
                  and ($1::text is null or m.user_id = $1)
                  and not exists (
                    select from outbox_messages as earlier
                    where earlier.user_id = m.user_id and earlier.id < m.id
                      and earlier.delivered_at is null and earlier.dead_at is null)
                order by m.id limit 1
                for update skip locked
             )
             update outbox_messages as m set leased_until = $3, attempts = m.attempts + 1
             from due where m.id = due.id
             returning m.id, m.user_id, m.payload, m.attempts",
        )
        .bind(user)
        .bind(now)
        .bind(now + LEASE)
        .fetch_optional(&self.0.pool)
        .await
    }

    /// Clerk's answer is the whole user, so the profile learns name and address without another call.
    async fn mark_delivered(&self, id: i64, user: &str, clerk_user: &ClerkUser) -> Result<(), sqlx::Error> {
        let now = self.0.clock.now();
        sqlx::query(
            "with marked as (
                update outbox_messages set delivered_at = $2, leased_until = null, last_error = null where id = $1
             )
             select apply_clerk_user($3, $4, $5, $6, null, $2)",
        )
        .bind(id)
        .bind(now)
        .bind(user)
        .bind(clerk_user.display_name())
        .bind(clerk_user.primary_email())
        .bind(clerk_user.updated_at())
        .execute(&self.0.pool)
        .await
        .map(|_| ())
    }

    async fn mark_postponed(&self, id: i64, wait: time::Duration, error: &ClerkError) -> Result<(), sqlx::Error> {
        sqlx::query("update outbox_messages set available_at = $2, leased_until = null, last_error = $3 where id = $1")
            .bind(id)
            .bind(self.0.clock.now() + wait)
            .bind(error.to_string())
            .execute(&self.0.pool)
            .await
            .map(|_| ())
    }

    async fn mark_dead(&self, id: i64, error: &ClerkError) -> Result<(), sqlx::Error> {
        sqlx::query("update outbox_messages set dead_at = $2, leased_until = null, last_error = $3 where id = $1")
            .bind(id)
            .bind(self.0.clock.now())
            .bind(error.to_string())
            .execute(&self.0.pool)
            .await
            .map(|_| ())
    }
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
