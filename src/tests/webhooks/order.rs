//! Failures, several processes, and any order of messages.

use std::collections::BTreeMap;

use serde_json::json;
use time::Duration;
use tokio_util::sync::CancellationToken;
use vestibule::server::webhooks::ApplyOutcome;
use vestibule::server::webhooks::WebhookOutcome::{Applied, Superseded};

use super::{ADA, apply, deleted, done, drain, outbox, profile, send_event, start, stored, user};
use crate::support::database::WORKER;
use crate::support::{soon, until};

#[tokio::test]
async fn a_failing_database_delays_a_message_until_it_is_dead_with_its_reason() {
    let app = start().await;
    let signature = "vestibule.sync_clerk_user";
    let change = async |verb: &str| {
        let statement = format!("{verb} outbox_worker");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&app.database.owner).await.expect("changed");
    };
    change(&format!("revoke execute on function {signature} from")).await;
    send_event(&app, "m1", "user.created", &user(ADA, "Ada", 1_000)).await;
    let mut waits = Vec::new();
    let end = loop {
        match apply(app.state.webhooks()).await {
            ApplyOutcome::Postponed { wait, .. } => {
                assert_eq!(apply(app.state.webhooks()).await, ApplyOutcome::Idle, "not before it is due");
                app.clock.advance(wait);
                waits.push(wait.whole_seconds());
            }
            other => break other,
        }
    };
    assert_eq!(end, ApplyOutcome::Dead { id: "m1".into() });
    assert_eq!((&waits[..4], waits[48], waits.len()), (&[1, 2, 4, 8][..], 300, 49));
    let dead = stored(&app, "m1").await;
    assert_eq!((&dead["attempts"], &dead["last_error"]), (&json!(50), &json!("the database refused with 42501")));
    assert!(!dead["dead_at"].is_null() && !dead["payload"].is_null() && dead["applied_at"].is_null(), "{dead}");

    // As the documentation says: fixed, then retried.
    change(&format!("grant execute on function {signature} to")).await;
    app.database.as_owner("update webhook_messages set dead_at = null, attempts = 0 where id = $1", "m1").await;
    app.clock.advance(Duration::minutes(5));
    assert_eq!(apply(app.state.webhooks()).await, done("m1", Applied));
    assert_eq!(profile(&app, ADA).await["display_name"], json!("Ada"));
}

#[tokio::test]
async fn an_unreadable_message_delays_no_other() {
    let app = start().await;
    send_event(&app, "m1", "user.updated", &json!({"id": ADA})).await;
    send_event(&app, "m2", "user.updated", &user("user_grace", "Grace", 1_000)).await;
    assert_eq!(apply(app.state.webhooks()).await, ApplyOutcome::Dead { id: "m1".into() });
    assert_eq!(apply(app.state.webhooks()).await, done("m2", Applied));
    assert_eq!(stored(&app, "m1").await["last_error"], json!("unreadable: a user without updated_at"));
}

#[tokio::test]
async fn two_processes_apply_each_message_once() {
    let app = start().await;
    let (second, _) = app.second_process();
    for number in 0..40 {
        let name = format!("user_{number}");
        send_event(&app, &format!("m{number}"), "user.created", &user(&name, "Ada", 1_000)).await;
    }
    let (one, other) =
        soon("both", async { tokio::join!(drain(app.state.webhooks()), drain(second.webhooks())) }).await;
    assert_eq!(one.len() + other.len(), 40);
    let once = "select count(*) from webhook_messages where attempts = 1 and outcome = 'applied' and $1 = ''";
    assert_eq!(app.database.value::<i64>(once, "").await, 40);
}

#[tokio::test]
async fn a_message_held_by_another_process_is_neither_taken_nor_lost() {
    let app = start().await;
    let pool = app.database.pool_of(WORKER, 1);
    for number in 0..3 {
        send_event(&app, &format!("m{number}"), "user.updated", &user(ADA, "Ada", 1_000 - number)).await;
    }
    let mut held = pool.begin().await.expect("a transaction");
    sqlx::query("select from webhook_messages where id = 'm0' for update").execute(&mut *held).await.expect("held");
    assert_eq!(apply(app.state.webhooks()).await, done("m1", Applied));
    assert_eq!(apply(app.state.webhooks()).await, done("m2", Superseded));
    assert_eq!(apply(app.state.webhooks()).await, ApplyOutcome::Idle);
    held.rollback().await.expect("the other process is gone");
    assert_eq!(apply(app.state.webhooks()).await, done("m0", Applied));
}

#[tokio::test]
async fn the_running_loop_is_woken_at_once_and_stops_on_request() {
    let app = start().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (webhooks, stop) = (app.state.webhooks().clone(), stop.clone());
        async move { webhooks.run(stop).await }
    });
    // Each arrives just after the loop has gone idle: a second each if it were not woken.
    let woken = async {
        for number in 0..10 {
            let name = format!("user_{number}");
            send_event(&app, &format!("m{number}"), "user.created", &user(&name, "Ada", 1_000)).await;
            until("the profile", async || (!profile(&app, &name).await.is_null()).then_some(())).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(6), woken).await.expect("woken each time");
    stop.cancel();
    soon("the loop's end", running).await.expect("no panic");
}

/// Small, seeded, and the same everywhere (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}

/// In any order, with any repetitions, applied by two processes at once, the result is that of the history.
#[tokio::test]
async fn any_order_with_any_repetitions_ends_as_the_history_did() {
    const ROUNDS: usize = 200;
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let given = std::env::var("WEBHOOK_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seed = given.unwrap_or_else(|| uuid::Uuid::now_v7().as_u128() as u64);
    println!("WEBHOOK_SEED={seed}");
    let app = start().await;
    let (second, _) = app.second_process();
    let mut random = Random(seed);
    // Each user's final state: a name, or nothing once deleted.
    let mut expected = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut events = Vec::new();
        for number in 0..2 {
            let id = format!("user_{round}_{number}");
            let versions = 1 + random.below(4);
            for version in 0..versions {
                let name = format!("V{version}");
                let kind = if version == 0 { "user.created" } else { "user.updated" };
                events.push((format!("{id}_{version}"), kind, user(&id, &name, 1_000 + version as i64)));
                expected.insert(id.clone(), Some(name));
            }
            if random.below(3) == 0 {
                events.push((format!("{id}_end"), "user.deleted", deleted(&id)));
                expected.insert(id, None);
            }
        }
        for _ in 0..random.below(4) {
            let again = events[random.below(events.len())].clone();
            events.push(again);
        }
        for last in (1..events.len()).rev() {
            events.swap(last, random.below(last + 1));
        }
        for (id, kind, data) in &events {
            send_event(&app, id, kind, data).await;
            // Stored messages are applied in order of arrival, so wait only sometimes.
            if random.below(2) == 0 {
                drain(app.state.webhooks()).await;
            }
        }
        tokio::join!(drain(app.state.webhooks()), drain(second.webhooks()));
    }
    let rows: Vec<(String, Option<String>, bool)> =
        sqlx::query_as("select user_id, display_name, deleted_at is not null from user_profiles")
            .fetch_all(&app.database.owner)
            .await
            .expect("profiles");
    let found: BTreeMap<_, _> = rows
        .into_iter()
        .map(|(id, name, deleted)| {
            assert_eq!(name.is_none(), deleted, "{id}, WEBHOOK_SEED={seed}");
            (id, name)
        })
        .collect();
    assert_eq!(found, expected, "WEBHOOK_SEED={seed}");
    assert_eq!(outbox(&app).await, 0);
}
