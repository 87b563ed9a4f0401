//! The outbox: whatever happens to Clerk or to us, every message arrives, in order, and is sent no more than needed.

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::Duration;
use tokio_util::sync::CancellationToken;
use vestibule::server::outbox::{Outbox, RelayOutcome};

use crate::support::clerk::Plan;
use crate::support::keys::token;
use crate::support::{NOW, Reply, TestApp, Who, soon, until};

const ADA: &str = "user_ada";

fn delivered(user: &str) -> RelayOutcome {
    RelayOutcome::Delivered { user: user.to_owned() }
}

async fn relay(outbox: &Outbox) -> RelayOutcome {
    outbox.relay_one(None).await.expect("the database answers")
}

/// Creates while Clerk is failing: stored, and answered so.
async fn create_pending(app: &TestApp, user: &str, slug: &str, key: &str) -> Reply {
    create_expecting("pending", app, user, slug, key).await
}

async fn create_expecting(delivery: &str, app: &TestApp, user: &str, slug: &str, key: &str) -> Reply {
    let request =
        crate::support::request(axum::http::Method::POST, "/api/organizations/create", Who::Bearer(&token(user)))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(json!({"name": "Acme", "slug": slug}).to_string().into());
    let reply = app.send(request.expect("a request")).await;
    assert_eq!((reply.status, reply.text("/delivery")), (StatusCode::CREATED, delivery.to_owned()), "{reply:?}");
    reply
}

/// The message of a person who has one, as JSON.
async fn message(app: &TestApp, user: &str) -> Value {
    let text: String =
        app.database.value("select to_json(m)::text from outbox_messages m where user_id = $1", user).await;
    serde_json::from_str(&text).expect("JSON")
}

async fn status(app: &TestApp, user: &str) -> Value {
    app.post_json("/api/rpc/session_status", Who::Bearer(&token(user)), &json!({})).await.json()
}

#[tokio::test]
async fn a_failing_clerk_delays_delivery_and_nothing_else() {
    let plans = [
        (Plan::Refuse { status: 500, retry_after: None }, 500, "Clerk answered 500 planned"),
        (Plan::Refuse { status: 401, retry_after: None }, 500, "Clerk answered 401 planned"),
        (Plan::Drop, 500, "Clerk could not be reached: connection lost"),
        (Plan::Refuse { status: 429, retry_after: Some(7) }, 7_000, "Clerk answered 429 planned"),
    ];
    for (plan, wait_ms, cause) in plans {
        let app = TestApp::start().await;
        app.clerk.plan([plan]);
        create_pending(&app, ADA, "acme", "k").await;
        let waiting = message(&app, ADA).await;
        assert_eq!((&waiting["attempts"], &waiting["last_error"]), (&json!(1), &json!(cause)));
        assert_eq!(
            (&waiting["delivered_at"], &waiting["dead_at"], &waiting["leased_until"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert_eq!(status(&app, ADA).await, json!({"inside": false, "waiting": true, "delivery": "pending"}));

        assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "{cause}");
        app.clock.advance(Duration::milliseconds(wait_ms - 1));
        assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "{cause}");
        app.clock.advance(Duration::milliseconds(1));
        assert_eq!(relay(app.state.outbox()).await, delivered(ADA), "{cause}");
        assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "{cause}");
        let calls = app.clerk.calls();
        assert_eq!((calls.len(), &calls[0]), (2, &calls[1]));
        assert_eq!(status(&app, ADA).await, json!({"inside": false, "waiting": true, "delivery": "delivered"}));
        assert_eq!(message(&app, ADA).await["last_error"], Value::Null);
    }
}

#[tokio::test]
async fn waits_grow_while_clerk_stays_down() {
    let app = TestApp::start().await;
    app.clerk.refuse(4, 503);
    create_pending(&app, ADA, "acme", "k").await;
    for wait in [500, 1_000, 2_000] {
        app.clock.advance(Duration::milliseconds(wait - 1));
        assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
        app.clock.advance(Duration::milliseconds(1));
        let expected = RelayOutcome::Postponed { user: ADA.to_owned(), wait: Duration::milliseconds(2 * wait) };
        assert_eq!(relay(app.state.outbox()).await, expected);
    }
    app.clock.advance(Duration::seconds(4));
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
}

#[tokio::test]
async fn what_can_never_succeed_is_given_up_with_its_reason() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 404);
    create_expecting("failed", &app, ADA, "acme", "k").await;
    assert_eq!(status(&app, ADA).await["delivery"], json!("failed"));
    let dead = message(&app, ADA).await;
    assert_eq!(dead["last_error"], json!("Clerk answered 404 planned"));
    assert!(!dead["dead_at"].is_null() && dead["delivered_at"].is_null(), "{dead}");
    app.clock.advance(Duration::days(2));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    assert_eq!(app.clerk.calls().len(), 1);
    // The person is not locked out by it, and a later message gets through.
    let second = crate::support::keys::token_with(ADA, &json!({"iat": NOW + 172_800, "exp": NOW + 172_860}));
    let request = crate::support::request(axum::http::Method::POST, "/api/organizations/create", Who::Bearer(&second))
        .header("content-type", "application/json")
        .header("idempotency-key", "k2")
        .body(json!({"name": "Acme", "slug": "acme-2"}).to_string().into());
    let reply = app.send(request.expect("a request")).await;
    assert_eq!((reply.status, reply.text("/delivery")), (StatusCode::CREATED, "delivered".to_owned()), "{reply:?}");
    assert_eq!(app.clerk.answered(), 1);
}

#[tokio::test]
async fn one_persons_messages_keep_their_order_and_hold_up_nobody_else() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 500);
    let first = create_pending(&app, ADA, "first", "k1").await.text("/organization/id");
    // The second one waits behind the first, which is not due yet.
    let second = create_pending(&app, ADA, "second", "k2").await.text("/organization/id");
    assert_eq!(app.clerk.calls().len(), 1);
    app.create("user_grace", "Harbour", "harbour").await;
    assert_eq!(app.clerk.calls()[1].user, "user_grace");

    app.clock.advance(Duration::milliseconds(500));
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    let ids: Vec<_> = app
        .clerk
        .calls()
        .into_iter()
        .filter(|call| call.user == ADA)
        .map(|call| call.body["public_metadata"]["activeOrgId"].clone())
        .collect();
    assert_eq!(ids, [json!(first), json!(first), json!(second)]);
}

#[tokio::test]
async fn a_dead_process_loses_its_lease_when_it_runs_out_and_not_before() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 500);
    create_pending(&app, ADA, "acme", "k").await;
    // As the claim leaves it behind: due, and leased for 20 s.
    app.database
        .as_owner(
            "update outbox_messages set available_at = created_at, leased_until = created_at + interval '20 s', attempts = 2 where user_id = $1",
            ADA,
        )
        .await;
    let (second, clock) = app.second_process();
    clock.advance(Duration::milliseconds(19_999));
    assert_eq!(relay(second.outbox()).await, RelayOutcome::Idle);
    clock.advance(Duration::milliseconds(1));
    assert_eq!(relay(second.outbox()).await, delivered(ADA));
}

#[tokio::test]
async fn two_processes_send_each_message_once() {
    let app = TestApp::start().await;
    let users: Vec<String> = (0..6).map(|number| format!("user_{number}")).collect();
    app.clerk.refuse(users.len(), 500);
    for (number, user) in users.iter().enumerate() {
        create_pending(&app, user, &format!("acme-{number}"), "k").await;
    }
    let (second, clock) = app.second_process();
    app.clock.advance(Duration::seconds(1));
    clock.advance(Duration::seconds(1));
    // Both hold a message while the other one looks for its own.
    let releases = [app.clerk.hold(), app.clerk.hold()];
    let drain = async |outbox: &Outbox| {
        let mut count = 0;
        while relay(outbox).await != RelayOutcome::Idle {
            count += 1;
        }
        count
    };
    let release = async {
        app.clerk.called(users.len() + 2).await;
        for sender in &releases {
            sender.send(true).expect("the stub listens");
        }
    };
    let (one, other, ()) =
        soon("both relays", async { tokio::join!(drain(app.state.outbox()), drain(second.outbox()), release) }).await;
    assert_eq!(one + other, users.len());
    assert!(one > 0 && other > 0, "{one} and {other}");
    let mut sent: Vec<_> = app.clerk.calls().into_iter().skip(users.len()).map(|call| call.user).collect();
    sent.sort();
    assert_eq!(sent, users);
}

#[tokio::test]
async fn clerks_answer_completes_the_profile() {
    let app = TestApp::start().await;
    app.create(ADA, "Acme", "acme").await;
    let profile: String = app
        .database
        .value("select concat(display_name, ' <', email, '>') from user_profiles where user_id = $1", ADA)
        .await;
    assert_eq!(profile, "Ada Lovelace <ada@example.test>");
}

#[tokio::test]
async fn an_answer_does_not_wait_for_a_hanging_clerk() {
    let app = TestApp::start().await;
    let release = app.clerk.hold();
    // Comes while the stub still holds the call: the answer is bounded, the call goes on.
    create_pending(&app, ADA, "acme", "k").await;
    assert_eq!((app.clerk.calls().len(), app.clerk.answered()), (1, 0));
    // A second look does not send it again meanwhile.
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    release.send(true).expect("the stub listens");
    app.settled().await;
    assert!(!message(&app, ADA).await["delivered_at"].is_null());
    assert_eq!((app.clerk.calls().len(), app.clerk.answered()), (1, 1));
}

#[tokio::test]
async fn the_running_relay_delivers_without_being_asked_and_stops_when_told() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 500);
    create_pending(&app, ADA, "acme", "k").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn({
        let (outbox, stop) = (app.state.outbox().clone(), stop.clone());
        async move { outbox.run(stop).await }
    });
    app.clock.advance(Duration::seconds(1));
    until("a delivery", async || (app.clerk.answered() == 1).then_some(())).await;
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
    assert!(!message(&app, ADA).await["delivered_at"].is_null(), "a call under way is finished first");
}
