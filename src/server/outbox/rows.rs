//! The rows: claim, mark, and when to look again. SQL only.

use serde_json::Value;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

use crate::server::clerk::backend_api::ClerkUser;

/// How long a claimed message belongs to its relay. Longer than a call to Clerk may take.
const LEASE: Duration = Duration::seconds(20);

/// A claimed message.
#[derive(sqlx::FromRow)]
pub(super) struct Message {
    pub id: i64,
    pub user_id: String,
    pub payload: Value,
    /// Counts the one that begins now.
    pub attempts: i32,
}

/// Claims the next message that is due, of one user or of anyone.
pub(super) async fn claim(
    pool: &PgPool,
    user: Option<&str>,
    now: OffsetDateTime,
) -> Result<Option<Message>, sqlx::Error> {
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
    .fetch_optional(pool)
    .await
}

/// When the next message is due: a retry, or one whose lease runs out. Only the first of each user counts.
pub(super) async fn next_due(pool: &PgPool) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    sqlx::query_scalar(
        "select min(greatest(first.available_at, first.leased_until)) from (
            select distinct on (user_id) available_at, leased_until from outbox_messages
            where delivered_at is null and dead_at is null
            order by user_id, id
         ) as first",
    )
    .fetch_one(pool)
    .await
}

/// Whether somebody is delivering a message of this user right now.
pub(super) async fn is_under_way(pool: &PgPool, user: &str, now: OffsetDateTime) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "select exists (select from outbox_messages
                        where user_id = $1 and delivered_at is null and dead_at is null and leased_until > $2)",
    )
    .bind(user)
    .bind(now)
    .fetch_one(pool)
    .await
}

/// Clerk's answer is the whole user, so the profile learns name and address without another call.
pub(super) async fn mark_delivered(
    pool: &PgPool,
    message: &Message,
    clerk_user: &ClerkUser,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with marked as (
            update outbox_messages set delivered_at = $2, leased_until = null, last_error = null where id = $1
         )
         select apply_clerk_user($3, $4, $5, $6, null, $2)",
    )
    .bind(message.id)
    .bind(now)
    .bind(&message.user_id)
    .bind(clerk_user.display_name())
    .bind(clerk_user.primary_email())
    .bind(clerk_user.updated_at())
    .execute(pool)
    .await
    .map(|_| ())
}

pub(super) async fn mark_postponed(
    pool: &PgPool,
    message: &Message,
    until: OffsetDateTime,
    cause: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("update outbox_messages set available_at = $2, leased_until = null, last_error = $3 where id = $1")
        .bind(message.id)
        .bind(until)
        .bind(cause)
        .execute(pool)
        .await
        .map(|_| ())
}

/// Gives a claimed message back untried, and tells the relays of other processes.
pub(super) async fn release(pool: &PgPool, message: &Message) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with released as (update outbox_messages set leased_until = null, attempts = attempts - 1 where id = $1)
         select pg_notify($2, '')",
    )
    .bind(message.id)
    .bind(super::CHANNEL)
    .execute(pool)
    .await
    .map(|_| ())
}

pub(super) async fn mark_dead(
    pool: &PgPool,
    message: &Message,
    cause: &str,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query("update outbox_messages set dead_at = $2, leased_until = null, last_error = $3 where id = $1")
        .bind(message.id)
        .bind(now)
        .bind(cause)
        .execute(pool)
        .await
        .map(|_| ())
}
