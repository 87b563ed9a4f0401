//! However many messages are pending, one pass over the outbox reads few of them, even before the database's statistics
//! are up to date.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use vestibule::model::ids::UserId;
use vestibule::model::onboarding::Delivery;

use crate::outbox::{commit_only, delivered, relay};
use crate::support::database::{WORKER, admin_pool};
use crate::support::{NOW, TestApp, soon, until};

/// Delivered long ago, and pending.
const MANY: i64 = 20_000;
/// Rows and index entries that one pass may read, all its statements together.
const FEW: i64 = 30;

async fn run(pool: &PgPool, statement: &'static str) {
    sqlx::query(statement).bind(MANY).bind(NOW as f64).execute(pool).await.expect(statement);
}

/// What the worker's connections have read from the outbox since the last call. Only connections that end are certain
/// to report their statistics, so it ends them.
async fn read_by_the_worker(app: &TestApp, admin: &PgPool, before: &mut i64) -> i64 {
    let cut =
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = $1";
    sqlx::query(cut).bind(WORKER).execute(admin).await.expect("the administrator");
    let left = "select count(*) from pg_stat_activity where datname = current_database() and usename = $1";
    until("the end of the worker's connections", async || {
        let left: i64 = sqlx::query_scalar(left).bind(WORKER).fetch_one(admin).await.expect("a count");
        (left == 0).then_some(())
    })
    .await;
    let read: i64 = app
        .database
        .value(
            "select (t.seq_tup_read + t.idx_tup_fetch + (select sum(i.idx_tup_read) from pg_stat_user_indexes as i where i.relid = t.relid))::bigint
             from pg_stat_user_tables as t where t.relname = 'outbox_messages' and $1 = ''",
            "",
        )
        .await;
    read - std::mem::replace(before, read)
}

#[tokio::test]
async fn a_pass_reads_few_messages_however_many_are_pending() {
    let app = TestApp::start().await;
    let admin = admin_pool(&app.database.name);
    let owner = &app.database.owner;
    let payload = json!({"public_metadata": {"activeOrgId": "a"}});
    sqlx::query(
        "insert into outbox_messages (user_id, kind, payload, created_at, available_at, delivered_at)
         select 'user_old_' || n, 'update_user_metadata', $3, at, at, at
         from generate_series(1, $1) as n, to_timestamp($2) as at",
    )
    .bind(MANY)
    .bind(NOW as f64)
    .bind(&payload)
    .execute(owner)
    .await
    .expect("an insert");
    // Statistics are not updated during the test: the database keeps this estimate while messages pile up.
    run(owner, "alter table outbox_messages set (autovacuum_enabled = false)").await;
    run(owner, "vacuum analyze outbox_messages").await;
    sqlx::query(
        "insert into outbox_messages (user_id, kind, payload, created_at, available_at)
         select 'user_' || n, 'update_user_metadata', $3, at, at from generate_series(1, $1) as n, to_timestamp($2) as at",
    )
    .bind(MANY)
    .bind(NOW as f64)
    .bind(&payload)
    .execute(owner)
    .await
    .expect("an insert");
    let mut before = 0;
    read_by_the_worker(&app, &admin, &mut before).await;

    // The first ones, and one from the middle.
    for user in ["user_1", "user_2", "user_3"] {
        assert_eq!(relay(app.state.outbox()).await, delivered(user));
    }
    let read = read_by_the_worker(&app, &admin, &mut before).await;
    assert!((1..=3 * FEW).contains(&read), "{read} for three deliveries");
    let user = UserId::parse("user_10000").expect("an id");
    assert_eq!(app.state.outbox().deliver_now(&user).await, Delivery::Delivered);
    let read = read_by_the_worker(&app, &admin, &mut before).await;
    assert!((1..=2 * FEW).contains(&read), "{read} for a delivery and the look after it");

    // Clerk is down: all are postponed, each to a different time.
    run(
        owner,
        "update outbox_messages set available_at = to_timestamp($2 + 60 + 200 * (id % $1) / $1) where delivered_at is null",
    )
    .await;
    run(owner, "vacuum outbox_messages").await;
    read_by_the_worker(&app, &admin, &mut before).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (outbox, stop) = (app.state.outbox().clone(), stop.clone());
        async move { outbox.run_polling(Duration::from_secs(3_600), stop).await }
    });
    commit_only(&app, "user_new").await;
    until("a delivery", async || (app.clerk.answered() == 5).then_some(())).await;
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
    let read = read_by_the_worker(&app, &admin, &mut before).await;
    // At the start, at the commit, after the call.
    assert!((1..=5 * FEW).contains(&read), "{read} for some looks at what is not due");
}
