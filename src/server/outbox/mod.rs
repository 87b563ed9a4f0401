//! The outbox: what Clerk must be notified of because of a committed change.
//!
//! A message is a row written in the transaction of the change (by `create_organization` in `migrations/`). The relay
//! claims it with a lease, commits, calls Clerk, and marks it: no HTTP inside a transaction, and a process that dies in
//! between leaves a message whose lease expires. The commit itself wakes the relays of all processes. Delivery is at
//! least once; a metadata merge may be repeated safely.
//!
//! What must stay true: messages of one user are delivered in order, several at once only if Clerk ends up the same; a
//! message is never lost, only delivered or dead with a reason.

mod backoff;
mod listen;
mod relay;
mod rows;

use sqlx::PgExecutor;

pub(in crate::server) use backoff::wait_after;
pub use relay::{Outbox, RelayOutcome};

use crate::model::onboarding::Delivery;

/// Where the database says that there is something to do. Named in `migrations/` too. It carries no data.
const CHANNEL: &str = "outbox_messages";

#[derive(sqlx::FromRow)]
struct DeliveryRow {
    /// A message waits.
    waiting: bool,
    /// The last message was given up.
    failed: bool,
}

/// Whether Clerk knows about all changes of a user. What was refused for good counts until something newer got through.
/// The caller's own rows are enough for it, so both the request role and the worker may ask.
pub async fn delivery_to(executor: impl PgExecutor<'_>, user: &str) -> Result<Delivery, sqlx::Error> {
    let row: DeliveryRow = sqlx::query_as(
        "select
            exists (
                select from outbox_messages
                where user_id = $1 and kind = 'update_user_metadata' and delivered_at is null and dead_at is null
            ) as waiting,
            coalesce((
                select dead_at is not null from outbox_messages
                where user_id = $1 and kind = 'update_user_metadata' order by id desc limit 1
            ), false) as failed",
    )
    .bind(user)
    .fetch_one(executor)
    .await?;
    Ok(match (row.waiting, row.failed) {
        (true, _) => Delivery::Pending,
        (false, true) => Delivery::Failed,
        (false, false) => Delivery::Delivered,
    })
}
