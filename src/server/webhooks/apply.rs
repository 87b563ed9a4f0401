//! Store, claim, apply.
//!
//! A message is applied and marked in one transaction that holds its row: several processes never apply it twice, and one
//! that dies in between leaves it as it was.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sqlx::postgres::PgPool;
use sqlx::{Postgres, Transaction};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Received;
use super::event::{Event, Unreadable, is_meant_for_us, user_of};
use super::signature::SigningKey;
use crate::server::clerk::user::without_nul;
use crate::server::clock::Clock;
use crate::server::failpoint::point;
use crate::server::users::{self, Comparison, SyncOutcome, SyncRights};

/// Pause between two looks when nothing woke the loop: messages that another process received, and retries.
const POLL: Duration = Duration::from_secs(1);
/// First wait after a failed attempt; doubled each time.
const BACKOFF_FIRST: time::Duration = time::Duration::seconds(1);
/// Longest wait between attempts.
const BACKOFF_CAP: time::Duration = time::Duration::minutes(5);
/// Attempts before a message is given up: with the waits above, more than three hours.
const MAX_ATTEMPTS: i32 = 50;

/// Messages and the loop that applies them. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    keys: Vec<SigningKey>,
    pool: PgPool,
    clock: Clock,
    wake: Notify,
}

/// What one look at the messages did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// Nothing is due.
    Idle,
    /// A message is done. `ownerless` names the organizations that lost their last owner by it.
    Done { id: String, end: WebhookOutcome, ownerless: Vec<Uuid> },
    /// An attempt failed; the next one is due after this time.
    Postponed { id: String, wait: time::Duration },
    /// A message was given up.
    Dead { id: String },
}

/// What became of a message. Stored with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum WebhookOutcome {
    Applied,
    /// Something newer was known already.
    Superseded,
    /// It is about a user who was deleted.
    Deleted,
    /// It means nothing to us.
    Ignored,
}

impl From<SyncOutcome> for WebhookOutcome {
    fn from(outcome: SyncOutcome) -> Self {
        match outcome {
            SyncOutcome::Applied => Self::Applied,
            SyncOutcome::Superseded => Self::Superseded,
            SyncOutcome::Deleted => Self::Deleted,
        }
    }
}

/// A message that is due.
#[derive(sqlx::FromRow)]
struct Message {
    id: String,
    #[sqlx(rename = "type")]
    kind: String,
    payload: Option<Value>,
    /// So far.
    attempts: i32,
}

/// Why an attempt failed.
enum Failed {
    Unreadable(Unreadable),
    /// The database refused: its code. The text may quote values.
    Refused(String),
    /// The database is out of reach, which says nothing about the message.
    Unreachable(sqlx::Error),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(refusal) => Self::Refused(refusal.code().unwrap_or_default().into_owned()),
            None => Self::Unreachable(error),
        }
    }
}

impl Webhooks {
    pub(super) fn keys(&self) -> &[SigningKey] {
        &self.0.keys
    }

    /// Seconds since the Unix epoch.
    pub(super) fn now(&self) -> i64 {
        self.0.clock.now().unix_timestamp()
    }

    /// `pool` must be the worker login's. `keys`: the endpoint's signing secrets; without any, nothing is verified.
    pub fn new(keys: Vec<SigningKey>, pool: PgPool, clock: Clock) -> Self {
        Self(Arc::new(Inner { keys, pool, clock, wake: Notify::new() }))
    }

    /// Stores a verified message, unless its id is known.
    pub(super) async fn store(&self, id: &str, kind: &str, data: Value) -> Result<Received, sqlx::Error> {
        let now = self.0.clock.now();
        let meant = is_meant_for_us(kind);
        let data = meant.then(|| without_nul(data));
        let stored = sqlx::query(
            "insert into webhook_messages (id, type, user_id, payload, received_at, available_at, applied_at, outcome)
             values ($1, $2, $3, $4, $5, $5, $6, $7)
             on conflict (id) do nothing",
        )
        .bind(id)
        .bind(kind)
        .bind(data.as_ref().and_then(|data| user_of(kind, data)))
        .bind(&data)
        .bind(now)
        .bind((!meant).then_some(now))
        .bind((!meant).then_some(WebhookOutcome::Ignored))
        .execute(&self.0.pool)
        .await?;
        let received = match (stored.rows_affected(), meant) {
            (0, _) => Received::Duplicate,
            (_, false) => Received::Ignored,
            (_, true) => Received::Stored,
        };
        tracing::info!(webhook.id = %id, webhook.type = %kind, ?received, "webhook received");
        if received == Received::Stored {
            self.0.wake.notify_one();
        }
        Ok(received)
    }

    /// Applies until stopped.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause = match self.apply_one().await {
                Ok(ApplyOutcome::Idle) => true,
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

    /// Applies the oldest message that is due and that no other process holds.
    pub async fn apply_one(&self) -> Result<ApplyOutcome, sqlx::Error> {
        let now = self.0.clock.now();
        let mut transaction = self.0.pool.begin().await?;
        let found: Option<Message> = sqlx::query_as(
            "select id, type, payload, attempts from webhook_messages
             where applied_at is null and dead_at is null and available_at <= $1
             order by received_at, id limit 1
             for update skip locked",
        )
        .bind(now)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(message) = found else { return Ok(ApplyOutcome::Idle) };
        match apply(&mut transaction, &message, now).await {
            Ok((end, ownerless)) => {
                point("webhook.applied");
                transaction.commit().await?;
                point("webhook.committed");
                let Message { id, kind, .. } = message;
                tracing::info!(webhook.id = %id, webhook.type = %kind, webhook.end = ?end, "webhook applied");
                for organization in &ownerless {
                    tracing::warn!(organization.id = %organization, webhook.id = %id, "an organization lost its last owner");
                }
                Ok(ApplyOutcome::Done { id, end, ownerless })
            }
            Err(failed) => {
                transaction.rollback().await?;
                self.mark_failed(message.id, message.attempts + 1, failed).await
            }
        }
    }

    async fn mark_failed(&self, id: String, attempts: i32, failed: Failed) -> Result<ApplyOutcome, sqlx::Error> {
        let (reason, final_) = match failed {
            Failed::Unreachable(error) => return Err(error),
            Failed::Unreadable(unreadable) => (unreadable.to_string(), true),
            Failed::Refused(code) => (format!("the database refused with {code}"), attempts >= MAX_ATTEMPTS),
        };
        let now = self.0.clock.now();
        let wait = wait_after(attempts);
        // Another process may have applied it since the rollback.
        sqlx::query(
            "update webhook_messages
             set attempts = $2, last_error = $3, available_at = $4, dead_at = $5
             where id = $1 and applied_at is null and dead_at is null",
        )
        .bind(&id)
        .bind(attempts)
        .bind(&reason)
        .bind(now + wait)
        .bind(final_.then_some(now))
        .execute(&self.0.pool)
        .await?;
        if final_ {
            tracing::error!(webhook.id = %id, webhook.attempts = attempts, webhook.error = %reason, "webhook given up");
            Ok(ApplyOutcome::Dead { id })
        } else {
            tracing::warn!(webhook.id = %id, webhook.attempts = attempts, webhook.error = %reason, "webhook postponed");
            Ok(ApplyOutcome::Postponed { id, wait })
        }
    }
}

/// Carries a message out and marks it, all in one transaction. The payload has served then.
async fn apply(
    transaction: &mut Transaction<'static, Postgres>,
    message: &Message,
    now: OffsetDateTime,
) -> Result<(WebhookOutcome, Vec<Uuid>), Failed> {
    let data = message.payload.as_ref().ok_or(Failed::Unreadable(Unreadable("the data is gone")))?;
    let (end, ownerless) = match Event::parse(&message.kind, data).map_err(Failed::Unreadable)? {
        Event::Changed(user) => {
            let comparison = Comparison { user: &user, with_metadata: true, rights: SyncRights::WEBHOOK, at: now };
            (users::sync(&mut **transaction, comparison).await?.outcome.into(), Vec::new())
        }
        Event::Deleted(user) => (WebhookOutcome::Applied, users::forget(&mut **transaction, &user, now).await?),
    };
    sqlx::query(
        "update webhook_messages
         set applied_at = $2, outcome = $3, attempts = attempts + 1, payload = null, last_error = null where id = $1",
    )
    .bind(&message.id)
    .bind(now)
    .bind(end)
    .execute(&mut **transaction)
    .await?;
    Ok((end, ownerless))
}

/// Exponential and capped.
fn wait_after(attempts: i32) -> time::Duration {
    let doublings = attempts.clamp(1, 20) - 1;
    (BACKOFF_FIRST * 2_i32.pow(doublings as u32)).min(BACKOFF_CAP)
}
