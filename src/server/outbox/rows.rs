//! The rows: claim, mark, and when to look again. SQL only.
//!
//! What must stay true: no look walks over all that waits, however much that is (see `migrations/0002_outbox.sql`).
//! `offset 0` and `limit` in subqueries are there for it: they keep the planner from turning a question about one
//! person's messages into a join over everybody's.

use std::time::Duration;

use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::server::clerk::user::ClerkUser;
use crate::server::users::{self, Comparison, SyncRights};

/// Most messages that one call carries.
const BATCH: i64 = 50;

/// Most messages that are looked at for a lease that expires. If there are more, polling finds the rest.
const OVERDUE: i64 = 100;

/// What waits for one user: the first message, claimed, and those behind it. Never empty.
pub(super) struct Batch {
    pub user_id: String,
    /// Whose claim it is. Without Clerk's word, only the relay whose lease is still the row's may write to it: a lease
    /// may have run out meanwhile, and another relay have claimed or delivered the message.
    pub lease: OffsetDateTime,
    /// The attempts of the first message, with the one that begins now.
    pub attempts: i32,
    /// In order. Only the first one is leased; that holds back the others too.
    pub messages: Vec<Message>,
}

pub(super) struct Message {
    pub id: i64,
    pub kind: Kind,
    pub payload: Value,
}

/// What is asked of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(super) enum Kind {
    /// Change the user's metadata at Clerk: the payload is the body of the call.
    UpdateUserMetadata,
    /// Look at the user at Clerk, and settle what differs.
    SyncUser,
}

impl Batch {
    pub fn first(&self) -> i64 {
        self.messages[0].id
    }
}

/// That a message is the first of its kind among its user's that wait. The later ones wait for it, also while it is leased or
/// postponed. The kinds do not wait for each other: a look at Clerk that fails must not hold up what Clerk must be notified of.
macro_rules! is_first {
    () => {
        "not exists (
            select from outbox_messages as earlier
            where earlier.user_id = message.user_id and earlier.id < message.id and earlier.kind = message.kind
              and earlier.delivered_at is null and earlier.dead_at is null
            offset 0)"
    };
}

/// That a message is the first of all that wait for its user. Enough where a guess is: a relay that sleeps too long is woken by
/// the next poll.
macro_rules! is_first_of_all {
    () => {
        "not exists (
            select from outbox_messages as earlier
            where earlier.user_id = message.user_id and earlier.id < message.id
              and earlier.delivered_at is null and earlier.dead_at is null
            offset 0)"
    };
}

/// The messages that one process may claim. A newer version may know more kinds.
macro_rules! claimable {
    () => {
        "with due as (
            select message.id from outbox_messages as message
            where message.delivered_at is null and message.dead_at is null
              and message.kind in ('update_user_metadata', 'sync_user') and "
    };
}

/// Claims one of them, and brings those behind it along.
macro_rules! claim_first {
    () => {
        "   order by message.available_at, message.id limit 1
            for update skip locked
         ), first as (
            update outbox_messages as message set leased_until = $2, attempts = message.attempts + 1
            from due where message.id = due.id
            returning message.id, message.user_id, message.kind, message.payload, message.attempts
         )
         select id, user_id, kind, payload, attempts from first
         union all
         select behind.id, behind.user_id, behind.kind, behind.payload, behind.attempts from first cross join lateral (
            select message.id, message.user_id, message.kind, message.payload, message.attempts
            from outbox_messages as message
            where message.user_id = first.user_id and message.id > first.id and message.kind = first.kind
              and message.delivered_at is null and message.dead_at is null
            order by message.id limit $3
         ) as behind
         order by id limit $3"
    };
}

/// Now, the end of the lease, most messages.
const CLAIM: &str = concat!(
    claimable!(),
    "message.available_at <= vestibule.due_until($1) and (message.leased_until is null or message.leased_until <= $1) and ",
    is_first!(),
    claim_first!()
);
/// The same, and the user. Times are compared where no index can help: the one to take is that of the user.
const CLAIM_OF_USER: &str = concat!(
    claimable!(),
    "message.user_id = $4 and case
        when message.leased_until > $1 then false
        else message.available_at <= vestibule.due_until($1)
     end and ",
    is_first!(),
    claim_first!()
);

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    id: i64,
    user_id: String,
    kind: Kind,
    payload: Value,
    attempts: i32,
}

/// Claims for the user whose first message has been due for longest, or for this one if that is due, for as long
/// as the lease.
pub(super) async fn claim(
    pool: &PgPool,
    user: Option<&str>,
    now: OffsetDateTime,
    lease: Duration,
) -> Result<Option<Batch>, sqlx::Error> {
    // Whole milliseconds and halves of them: the database keeps it exactly.
    let lease = now + lease;
    let mut query =
        sqlx::query_as(if user.is_some() { CLAIM_OF_USER } else { CLAIM }).bind(now).bind(lease).bind(BATCH);
    if let Some(user) = user {
        query = query.bind(user);
    }
    let rows: Vec<ClaimedRow> = query.fetch_all(pool).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let (user_id, attempts) = (first.user_id.clone(), first.attempts);
    let messages = rows.into_iter().map(|row| Message { id: row.id, kind: row.kind, payload: row.payload }).collect();
    Ok(Some(Batch { user_id, lease, attempts, messages }))
}

/// When the next message is due: a retry, or one whose lease expires. Only the first of each user counts. Asked when none
/// could be claimed, so few came due before `now`: those that are leased, and what waits behind others.
pub(super) async fn next_due(pool: &PgPool, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, sqlx::Error> {
    sqlx::query_scalar(concat!(
        "select min(greatest(first.available_at, first.leased_until)) from (
            (select message.available_at, message.leased_until from outbox_messages as message
             where message.delivered_at is null and message.dead_at is null and message.available_at > $1 and ",
        is_first_of_all!(),
        "    order by message.available_at, message.id limit 1)
            union all
            (select message.available_at, message.leased_until from (
                select id, user_id, available_at, leased_until from outbox_messages
                where delivered_at is null and dead_at is null and available_at <= $1
                order by available_at, id limit $2
             ) as message
             where ",
        is_first_of_all!(),
        ")
         ) as first",
    ))
    .bind(now)
    .bind(OVERDUE)
    .fetch_one(pool)
    .await
}

/// Whether a message of this user is being delivered right now. Asked when none could be claimed: one that is due all the
/// same is being claimed elsewhere at this moment.
pub(super) async fn is_under_way(pool: &PgPool, user: &str, now: OffsetDateTime) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(concat!(
        "select exists (
            select from outbox_messages as message
            where message.user_id = $1 and message.delivered_at is null and message.dead_at is null
              and (message.leased_until > $2 or message.available_at <= vestibule.due_until($2)) and ",
        is_first!(),
        ")",
    ))
    .bind(user)
    .bind(now)
    .fetch_one(pool)
    .await
}

/// Clerk's answer is the whole user, so the profile learns name and address without another call. `compare_metadata`: and
/// the answer is as new as the database, so what differs in it is settled as well.
///
/// Clerk's word counts even after the lease expired. But then another relay may have sent Clerk something newer before
/// this call got there: the user is compared once more.
pub(super) async fn mark_delivered(
    pool: &PgPool,
    sent: &[i64],
    lease: OffsetDateTime,
    clerk_user: &ClerkUser,
    compare_metadata: bool,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let held: Option<bool> =
        sqlx::query_scalar("select leased_until = $2 from outbox_messages where id = $1 for update")
            .bind(sent.first())
            .bind(lease)
            .fetch_one(&mut *transaction)
            .await?;
    sqlx::query(
        "update outbox_messages
         set delivered_at = $2, dead_at = null, leased_until = null, last_error = null,
             attempts = attempts + (id <> ($1::bigint[])[1])::int
         where id = any ($1) and delivered_at is null",
    )
    .bind(sent)
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    // Afterwards, so that what is delivered does not count as under way.
    let rights = SyncRights::BACKEND_API;
    let comparison = Comparison { user: clerk_user, with_metadata: compare_metadata, rights, at: now };
    users::sync(&mut *transaction, comparison).await?;
    if held != Some(true) {
        tracing::warn!(
            outbox.message = sent.first(),
            "Clerk confirmed it after the lease had run out; looking at Clerk again"
        );
        users::ask_to_sync(&mut *transaction, &clerk_user.id, now).await?;
    }
    transaction.commit().await
}

/// `waiting`: all that waits behind the first one too, so that no look stumbles over it before its time.
pub(super) async fn mark_postponed(
    pool: &PgPool,
    sent: &[i64],
    waiting: &[i64],
    lease: OffsetDateTime,
    until: OffsetDateTime,
    cause: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with held as (select id from outbox_messages where id = ($1::bigint[])[1] and leased_until = $3 for update)
         update outbox_messages as message
         set available_at = $4, leased_until = null,
             last_error = case when message.id = any ($1) then $5 else message.last_error end,
             attempts = message.attempts + (message.id <> ($1::bigint[])[1] and message.id = any ($1))::int
         from held where message.id = any ($2)",
    )
    .bind(sent)
    .bind(waiting)
    .bind(lease)
    .bind(until)
    .bind(cause)
    .execute(pool)
    .await
    .map(|_| ())
}

/// Gives a claim back untried, to be claimed again later.
pub(super) async fn mark_untried(
    pool: &PgPool,
    first: i64,
    lease: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update outbox_messages set available_at = $3, leased_until = null, attempts = attempts - 1
         where id = $1 and leased_until = $2",
    )
    .bind(first)
    .bind(lease)
    .bind(until)
    .execute(pool)
    .await
    .map(|_| ())
}

/// Gives a claim back untried, and tells the relays of other processes.
pub(super) async fn release(pool: &PgPool, first: i64, lease: OffsetDateTime) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with released as (
            update outbox_messages set leased_until = null, attempts = attempts - 1 where id = $1 and leased_until = $2)
         select pg_notify($3, '')",
    )
    .bind(first)
    .bind(lease)
    .bind(super::CHANNEL)
    .execute(pool)
    .await
    .map(|_| ())
}

/// Gives up one message. What waits behind it may go on.
pub(super) async fn mark_dead(
    pool: &PgPool,
    id: i64,
    lease: OffsetDateTime,
    cause: &str,
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update outbox_messages set dead_at = $3, leased_until = null, last_error = $4
         where id = $1 and leased_until = $2",
    )
    .bind(id)
    .bind(lease)
    .bind(now)
    .bind(cause)
    .execute(pool)
    .await
    .map(|_| ())
}
