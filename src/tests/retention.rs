//! Obsolete data is deleted in time, and nothing else.

use std::time::Duration as StdDuration;

use serde_json::{Value, json};
use time::Duration;
use tokio_util::sync::CancellationToken;
use vestibule::model::onboarding::Delivery;
use vestibule::server::outbox::delivery_to;
use vestibule::server::retention::{Forgotten, Retention};

use crate::support::keys::token;
use crate::support::{NOW, TestApp, Who, soon, until};

const NOTHING: Forgotten = Forgotten { webhooks: 0, outbox: 0, keys: 0 };

fn retention(app: &TestApp) -> Retention {
    Retention::new(app.pools.worker.clone(), app.clock.clone())
}

/// Runs a statement that has the start of the test's clock as `$1`.
async fn fill(app: &TestApp, statement: &'static str) {
    let start = time::OffsetDateTime::from_unix_timestamp(NOW).expect("a moment");
    sqlx::query(statement).bind(start).execute(&app.database.owner).await.expect(statement);
}

/// The strings that a query returns, joined.
async fn left(app: &TestApp, query: &'static str) -> String {
    app.database.value::<Option<String>>(query, " ").await.unwrap_or_default()
}

const OUTBOX: &str = "select string_agg(payload ->> 'name', $1 order by id) from outbox_messages";
const WEBHOOKS: &str = "select string_agg(id, $1 order by id) from webhook_messages";
const KEYS: &str = "select string_agg(user_id || '/' || key, $1 order by user_id, key) from idempotency_keys";

#[tokio::test]
async fn outbox_messages_are_deleted_once_delivered_and_superseded() {
    let app = TestApp::start().await;
    fill(
        &app,
        "insert into outbox_messages (user_id, kind, payload, created_at, available_at, delivered_at, dead_at)
         select person, 'update_user_metadata', jsonb_build_object('name', person || n), $1 - made, $1 - made, $1 - delivered, $1 - dead
         from (values
            ('ada', 1, interval '40 d', interval '31 d', null), ('ada', 2, '40 d', '31 d', null),
            ('grace', 1, '40 d', '40 d', null), ('grace', 2, '39 d', null, null),
            ('hedy', 1, '41 d', null, interval '40 d'), ('hedy', 2, '40 d', '40 d', null),
            ('joan', 1, '40 d', '40 d', null), ('joan', 2, '40 d', null, '40 d'),
            ('radia', 1, '40 d', '29 d', null), ('radia', 2, '29 d', '29 d', null),
            ('zoe', 1, '400 d', '400 d', null)
         ) as t (person, n, made, delivered, dead)",
    )
    .await;
    let deliveries = async || {
        let mut deliveries = Vec::new();
        for user in ["ada", "grace", "hedy", "joan", "radia", "zoe"] {
            deliveries.push(delivery_to(&app.pools.worker, user).await.expect("an answer"));
        }
        deliveries
    };
    let before = deliveries().await;
    let (delivered, pending, failed) = (Delivery::Delivered, Delivery::Pending, Delivery::Failed);
    assert_eq!(before, [delivered, pending, delivered, failed, delivered, delivered]);

    assert_eq!(
        retention(&app).forget_batch(100).await.expect("the database answers"),
        Forgotten { outbox: 3, ..NOTHING }
    );
    assert_eq!(left(&app, OUTBOX).await, "ada2 grace2 hedy1 hedy2 joan2 radia1 radia2 zoe1");
    assert_eq!(deliveries().await, before, "what users see does not change");
    app.advance(Duration::days(400)).await;
    assert_eq!(
        retention(&app).forget_batch(100).await.expect("the database answers"),
        Forgotten { outbox: 1, ..NOTHING }
    );
    assert_eq!(left(&app, OUTBOX).await, "ada2 grace2 hedy1 hedy2 joan2 radia2 zoe1");
}

#[tokio::test]
async fn webhooks_are_deleted_once_applied_or_ignored() {
    let app = TestApp::start().await;
    fill(
        &app,
        "insert into webhook_messages (id, type, received_at, available_at, applied_at, outcome, dead_at)
         select id, 'user.updated', $1 - interval '40 d', $1 - interval '40 d', $1 - applied, outcome, $1 - dead
         from (values
            ('applied', interval '31 d', 'applied', null), ('ignored', '31 d', 'ignored', null), ('superseded', '31 d', 'superseded', null),
            ('fresh', '29 d', 'applied', null), ('waiting', null, null, null), ('dead', null, null, interval '39 d')
         ) as t (id, applied, outcome, dead)",
    )
    .await;
    assert_eq!(
        retention(&app).forget_batch(100).await.expect("the database answers"),
        Forgotten { webhooks: 3, ..NOTHING }
    );
    assert_eq!(left(&app, WEBHOOKS).await, "dead fresh waiting");
}

#[tokio::test]
async fn client_keys_are_deleted_and_the_first_organization_stays_the_first() {
    let app = TestApp::start().await;
    let id = app.create("user_ada", "Acme", "acme").await;
    app.database
        .as_owner(
            "insert into idempotency_keys (user_id, key, request_hash, organization_id, created_at)
             select user_id, name, '', organization_id, created_at + later from idempotency_keys,
             (values ('client old', interval '0'), ('client new', interval '2 d')) as t (name, later) where user_id = $1",
            "user_ada",
        )
        .await;
    app.advance(Duration::days(30)).await;
    assert_eq!(retention(&app).forget_batch(100).await.expect("the database answers"), NOTHING, "not a moment early");
    app.advance(Duration::days(1)).await;
    assert_eq!(
        retention(&app).forget_batch(100).await.expect("the database answers"),
        Forgotten { keys: 1, ..NOTHING }
    );
    assert_eq!(left(&app, KEYS).await, "user_ada/client new user_ada/first-organization");

    app.advance(Duration::days(1_000)).await;
    assert_eq!(
        retention(&app).forget_batch(100).await.expect("the database answers"),
        Forgotten { keys: 1, ..NOTHING }
    );
    let now = app.clock.now().unix_timestamp();
    let token = crate::support::keys::token_with("user_ada", &json!({"iat": now, "nbf": now, "exp": now + 60}));
    let again = json!({"name": "Other", "slug": "other"});
    let reply = app.post_json("/api/organizations/create", Who::Bearer(&token), &again).await.json();
    assert_eq!((&reply["organization"]["id"], &reply["replayed"]), (&json!(id), &Value::Bool(true)));
}

#[tokio::test]
async fn many_rows_are_deleted_in_small_batches_shared_by_two_processes() {
    let app = TestApp::start().await;
    fill(&app, OLD_WEBHOOKS).await;
    let (one, other) = (retention(&app), retention(&app));
    assert_eq!(one.forget_batch(10).await.expect("the database answers").webhooks, 10);
    let (some, others) = tokio::join!(one.forget_batch(1_000), other.forget_batch(1_000));
    let [some, others] = [some, others].map(|forgotten| forgotten.expect("the database answers").webhooks);
    assert_eq!(some + others, 2_000, "{some} and {others}");

    // Rows locked by another process are skipped.
    let mut holder = app.database.owner.begin().await.expect("a transaction");
    let held = "select id from webhook_messages order by id limit 1 for update";
    sqlx::query(held).execute(&mut *holder).await.expect("held");
    let rest = soon("the rest", one.forget_batch(1_000)).await.expect("the database answers");
    assert_eq!(rest.webhooks, 489);
    holder.rollback().await.expect("rolled back");
}

/// 2,500 of them.
const OLD_WEBHOOKS: &str = "insert into webhook_messages (id, type, received_at, available_at, applied_at, outcome)
    select n::text, 'user.updated', at, at, at, 'applied' from generate_series(1, 2500) as n, lateral (select $1 - interval '40 d') as t (at)";

#[tokio::test]
async fn the_running_server_deletes_by_itself_and_stops_on_request() {
    let app = TestApp::start().await;
    fill(&app, OLD_WEBHOOKS).await;
    app.create("user_ada", "Acme", "acme").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (retention, stop) = (retention(&app), stop.clone());
        let hour = StdDuration::from_secs(3_600);
        async move { retention.run_with_pauses(StdDuration::from_millis(10), hour, stop).await }
    });
    until("all old messages gone", async || left(&app, WEBHOOKS).await.is_empty().then_some(())).await;
    stop.cancel();
    soon("the end", running).await.expect("no panic");
    // Members notice nothing.
    let reply = app.post_json("/api/rpc/session_status", Who::Bearer(&token("user_ada")), &json!({})).await;
    assert_eq!(reply.json()["delivery"], json!("delivered"));
}
