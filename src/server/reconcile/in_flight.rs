//! What is on its way between Postgres and Clerk, and what has got stuck.

use serde::Serialize;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

/// A look at the tables.
#[derive(Clone, Debug, Serialize)]
pub struct InFlight {
    /// Outbox messages that wait for Clerk.
    pub outbox_waiting: i64,
    /// Those among them that failed at least once.
    pub outbox_retrying: i64,
    /// How long the oldest of them waits, in seconds.
    pub outbox_oldest_seconds: Option<i64>,
    /// Outbox messages that were given up, by the reason: of users who exist, unless a later one got through.
    pub outbox_dead: Vec<Reason>,
    /// Webhook messages that are not applied yet.
    pub webhooks_waiting: i64,
    /// Webhook messages that were given up, by the reason.
    pub webhooks_dead: Vec<Reason>,
    /// Organizations whose last owner is gone. An operator decides what becomes of them.
    pub ownerless_organizations: Vec<Uuid>,
}

/// Why messages were given up, and how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Reason {
    pub reason: String,
    pub messages: i64,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    waiting: i64,
    retrying: i64,
    oldest: Option<OffsetDateTime>,
}

/// Looks. The worker login may do this.
pub async fn in_flight(pool: &PgPool, now: OffsetDateTime) -> Result<InFlight, sqlx::Error> {
    let outbox: WaitingRow = sqlx::query_as(
        "select
            count(*) as waiting,
            count(*) filter (where last_error is not null) as retrying,
            min(created_at) as oldest
         from outbox_messages
         where delivered_at is null and dead_at is null",
    )
    .fetch_one(pool)
    .await?;
    let outbox_dead = sqlx::query_as(
        "select coalesce(message.last_error, '') as reason, count(*) as messages
         from outbox_messages as message
         where message.dead_at is not null
           and not exists (
             select from outbox_messages as later
             where later.user_id = message.user_id and later.id > message.id and later.kind = message.kind
               and later.delivered_at is not null)
           and not exists (
             select from user_profiles as profile
             where profile.user_id = message.user_id and profile.deleted_at is not null)
         group by reason order by messages desc, reason limit 20",
    )
    .fetch_all(pool)
    .await?;
    let webhooks_waiting =
        sqlx::query_scalar("select count(*) from webhook_messages where applied_at is null and dead_at is null")
            .fetch_one(pool)
            .await?;
    let webhooks_dead = sqlx::query_as(
        "select coalesce(last_error, '') as reason, count(*) as messages from webhook_messages
         where dead_at is not null group by reason order by messages desc, reason limit 20",
    )
    .fetch_all(pool)
    .await?;
    let ownerless_organizations =
        sqlx::query_scalar("select vestibule.list_ownerless_organizations()").fetch_all(pool).await?;
    Ok(InFlight {
        outbox_waiting: outbox.waiting,
        outbox_retrying: outbox.retrying,
        // The database's clock may be ahead of ours.
        outbox_oldest_seconds: outbox.oldest.map(|oldest| (now - oldest).whole_seconds().max(0)),
        outbox_dead,
        webhooks_waiting,
        webhooks_dead,
        ownerless_organizations,
    })
}
