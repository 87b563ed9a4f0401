//! The outbox: whatever fails, every message arrives, in order, and is sent no more often than needed.

use axum::http::StatusCode;
use serde_json::{Value, json};
use time::Duration;
use tokio_util::sync::CancellationToken;
use vestibule::model::onboarding::Delivery;
use vestibule::server::outbox::{Outbox, RelayOutcome};

use crate::support::clerk::Plan;
use crate::support::database::admin_pool;
use crate::support::keys::token;
use crate::support::{NOW, Reply, TestApp, Who, soon, until};

const ADA: &str = "user_ada";

pub fn delivered(user: &str) -> RelayOutcome {
    RelayOutcome::Delivered { user: user.to_owned() }
}

pub async fn relay(outbox: &Outbox) -> RelayOutcome {
    outbox.relay_one(None).await.expect("the database answers")
}

/// Creates while Clerk is failing: stored, and reported as pending.
pub async fn create_pending(app: &TestApp, user: &str, slug: &str, key: &str) -> Reply {
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

/// A user's only message, as JSON.
pub async fn message(app: &TestApp, user: &str) -> Value {
    let text: String =
        app.database.value("select to_json(m)::text from outbox_messages m where user_id = $1", user).await;
    serde_json::from_str(&text).expect("JSON")
}

/// The time until the next attempt of a user's only message.
async fn wait_of(app: &TestApp, user: &str) -> Duration {
    let due: time::OffsetDateTime =
        app.database.value("select available_at from outbox_messages where user_id = $1", user).await;
    due - app.clock.now()
}

async fn status(app: &TestApp, user: &str) -> Value {
    app.post_json("/api/rpc/session_status", Who::Bearer(&token(user)), &json!({})).await.json()
}

#[tokio::test]
async fn a_failing_clerk_delays_delivery_and_nothing_else() {
    let usual = Duration::milliseconds(250)..=Duration::milliseconds(500);
    let asked = Duration::seconds(7)..=Duration::milliseconds(7_250);
    let plans = [
        (Plan::Refuse { status: 500, retry_after: None }, usual.clone(), "Clerk answered 500 planned"),
        (Plan::Refuse { status: 401, retry_after: None }, usual.clone(), "Clerk answered 401 planned"),
        (Plan::Drop, usual, "Clerk could not be reached: connection lost"),
        (Plan::Refuse { status: 429, retry_after: Some(7) }, asked, "Clerk answered 429 planned"),
    ];
    for (plan, waits, cause) in plans {
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

        let wait = wait_of(&app, ADA).await;
        assert!(waits.contains(&wait), "{cause}: {wait}");
        assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "{cause}");
        app.clock.advance(wait - Duration::milliseconds(1));
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
    for longest in [1_000, 2_000, 4_000] {
        app.clock.advance(wait_of(&app, ADA).await);
        let RelayOutcome::Postponed { user, wait } = relay(app.state.outbox()).await else {
            panic!("Clerk is down");
        };
        assert_eq!(user, ADA);
        assert!((longest / 2..=longest).contains(&wait.whole_milliseconds()), "{wait}");
    }
    app.clock.advance(Duration::seconds(4));
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
}

#[tokio::test]
async fn a_message_that_can_never_succeed_is_given_up_with_its_reason() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 404);
    create_expecting("failed", &app, ADA, "acme", "k").await;
    assert_eq!(status(&app, ADA).await["delivery"], json!("failed"));
    let dead = message(&app, ADA).await;
    assert_eq!(dead["last_error"], json!("Clerk answered 404 planned"));
    assert!(!dead["dead_at"].is_null() && dead["delivered_at"].is_null(), "{dead}");
    app.advance(Duration::days(2)).await;
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    assert_eq!(app.clerk.calls().len(), 1);
    // The user keeps access, and a later message is delivered.
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
async fn one_users_messages_keep_their_order_without_delaying_others() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 500);
    let first = create_pending(&app, ADA, "first", "k1").await.text("/organization/id");
    // The second message waits behind the first, which is not due yet.
    let second = create_pending(&app, ADA, "second", "k2").await.text("/organization/id");
    assert_eq!(app.clerk.calls().len(), 1);
    app.create("user_grace", "Harbour", "harbour").await;
    assert_eq!(app.clerk.calls()[1].user, "user_grace");

    app.clock.advance(Duration::milliseconds(500));
    // One call for both, with the later one's values.
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    let ids: Vec<_> = app
        .clerk
        .calls()
        .into_iter()
        .filter(|call| call.user == ADA)
        .map(|call| call.body["public_metadata"]["activeOrgId"].clone())
        .collect();
    assert_eq!(ids, [json!(first), json!(second)]);
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
    // Each holds a message while the other one claims its own.
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
async fn clerks_response_completes_the_profile() {
    let app = TestApp::start().await;
    app.create(ADA, "Acme", "acme").await;
    let profile: String = app
        .database
        .value("select concat(display_name, ' <', email, '>') from user_profiles where user_id = $1", ADA)
        .await;
    assert_eq!(profile, "Ada Lovelace <ada@example.test>");
}

#[tokio::test]
async fn a_response_does_not_wait_for_a_hanging_clerk() {
    let app = TestApp::start().await;
    let release = app.clerk.hold();
    // Returns while the stub still holds the call: the response is bounded, the call continues.
    create_pending(&app, ADA, "acme", "k").await;
    assert_eq!((app.clerk.calls().len(), app.clerk.answered()), (1, 0));
    // A second pass does not send it again in the meantime.
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    release.send(true).expect("the stub listens");
    app.settled().await;
    assert!(!message(&app, ADA).await["delivered_at"].is_null());
    assert_eq!((app.clerk.calls().len(), app.clerk.answered()), (1, 1));
}

#[tokio::test]
async fn the_running_relay_delivers_by_itself_and_stops_on_request() {
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
    assert!(!message(&app, ADA).await["delivered_at"].is_null(), "a call in flight is finished first");
}

#[tokio::test]
async fn one_process_commits_and_another_one_delivers_at_once() {
    let app = TestApp::start().await;
    let (second, _) = app.second_process();
    let stop = CancellationToken::new();
    // An hour between two polls: only the notification can wake it.
    let running = tokio::spawn({
        let (outbox, stop) = (second.outbox().clone(), stop.clone());
        async move { outbox.run_polling(std::time::Duration::from_secs(3_600), stop).await }
    });
    until("a listener", async || (listeners(&app).await == 1).then_some(())).await;
    for count in [1, 2] {
        // As a process leaves it that dies right after its commit.
        commit_only(&app, ADA).await;
        until("a delivery", async || (app.clerk.answered() == count).then_some(())).await;
    }

    // A listener that loses its connection reconnects, and finds what was committed in between.
    let drop = "drop trigger outbox_messages_wake_the_relay on outbox_messages";
    sqlx::query(drop).execute(&app.database.owner).await.expect("the owner");
    commit_only(&app, ADA).await;
    cut_listeners(&app).await;
    until("a delivery after the cut", async || (app.clerk.answered() == 3).then_some(())).await;
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
}

#[tokio::test]
async fn a_creation_waits_for_a_relay_that_was_faster() {
    let app = TestApp::start().await;
    let release = app.clerk.hold();
    let (second, _) = app.second_process();
    commit_only(&app, ADA).await;
    let quicker = tokio::spawn(async move { relay(second.outbox()).await });
    app.clerk.called(1).await;
    let user = vestibule::model::ids::UserId::parse(ADA).expect("an id");
    let mut asked = std::pin::pin!(app.state.outbox().deliver_now(&user));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut asked).await;
    assert!(early.is_err(), "{early:?} although a call is under way");
    release.send(true).expect("the stub listens");
    assert_eq!(soon("an answer", asked).await, Delivery::Delivered);
    assert_eq!(soon("the quicker one", quicker).await.expect("no panic"), delivered(ADA));
    assert_eq!(app.clerk.calls().len(), 1);
}

#[tokio::test]
async fn a_stopping_process_finishes_its_call_or_leaves_the_message_to_another_one_at_once() {
    for finishes in [true, false] {
        let app = TestApp::start().await;
        let (second, _) = app.second_process();
        let release = app.clerk.hold();
        let (stop, end) = (CancellationToken::new(), CancellationToken::new());
        let run = |outbox: &Outbox, stop: &CancellationToken| {
            let (outbox, stop) = (outbox.clone(), stop.clone());
            tokio::spawn(async move { outbox.run_polling(std::time::Duration::from_secs(3_600), stop).await })
        };
        let first = run(app.state.outbox(), &stop);
        until("a listener", async || (listeners(&app).await == 1).then_some(())).await;
        commit_only(&app, ADA).await;
        app.clerk.called(1).await;
        let other = run(second.outbox(), &end);
        until("both listeners", async || (listeners(&app).await == 2).then_some(())).await;
        stop.cancel();
        if finishes {
            release.send(true).expect("the stub listens");
        }
        // The clocks stand still, so no lease expires, and there is no polling.
        soon("the first relay's end", first).await.expect("no panic");
        until("a delivery", async || (app.clerk.answered() == 1).then_some(())).await;
        assert_eq!(app.clerk.calls().len(), if finishes { 1 } else { 2 });
        end.cancel();
        soon("the other relay's end", other).await.expect("no panic");
        let message = message(&app, ADA).await;
        assert!(!message["delivered_at"].is_null() && message["attempts"] == 1, "{message}");
    }
}

#[tokio::test]
async fn one_users_pending_messages_go_in_one_call() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 503);
    commit_payload(&app, ADA, &json!({"public_metadata": {"activeOrgId": "a", "plan": "free"}})).await;
    assert!(matches!(relay(app.state.outbox()).await, RelayOutcome::Postponed { .. }));
    for payload in [
        json!({"public_metadata": {"activeOrgId": "b", "plan": null}}),
        json!({"private_metadata": {"n": {"x": 1}}}),
        json!({"public_metadata": {"role": "admin"}, "private_metadata": {"n": {"y": 2}}}),
        json!({"public_metadata": {"role": "member"}}),
    ] {
        commit_payload(&app, ADA, &payload).await;
    }
    commit_only(&app, "user_grace").await;
    app.clock.advance(Duration::seconds(1));
    // Her message has been due for longer.
    assert_eq!(relay(app.state.outbox()).await, delivered("user_grace"));
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    let expected = json!({
        "public_metadata": {"activeOrgId": "b", "plan": null, "role": "member"},
        "private_metadata": {"n": {"x": 1, "y": 2}},
    });
    assert_eq!((app.clerk.calls().len(), &app.clerk.calls()[2].body), (3, &expected));
    let marked: i64 = app
        .database
        .value("select count(*) from outbox_messages where user_id = $1 and delivered_at is not null", ADA)
        .await;
    assert_eq!(marked, 5);
}

#[tokio::test]
async fn messages_that_cannot_be_merged_go_in_two_calls() {
    let app = TestApp::start().await;
    let payloads = [json!({"public_metadata": {"n": null}}), json!({"public_metadata": {"n": {"x": 1}}})];
    for payload in &payloads {
        commit_payload(&app, ADA, payload).await;
    }
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    assert_eq!(app.clerk.calls().into_iter().map(|call| call.body).collect::<Vec<_>>(), payloads);
}

#[tokio::test]
async fn an_invalid_message_does_not_affect_valid_ones() {
    let app = TestApp::start().await;
    for value in ["bad", "good", "better"] {
        commit_payload(&app, ADA, &json!({"public_metadata": {value: true}})).await;
    }
    // All in one call, then the first one alone.
    app.clerk.refuse(2, 422);
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Dead { user: ADA.to_owned() });
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    let sent: Vec<_> = app.clerk.calls().into_iter().map(|call| call.body["public_metadata"].clone()).collect();
    let all = json!({"bad": true, "good": true, "better": true});
    assert_eq!(sent, [all, json!({"bad": true}), json!({"good": true, "better": true})]);
}

/// A message as a committed change leaves it, without a relay that delivers it.
pub async fn commit_only(app: &TestApp, user: &str) {
    commit_payload(app, user, &json!({"public_metadata": {"activeOrgId": "a"}})).await;
}

pub async fn commit_payload(app: &TestApp, user: &str, payload: &Value) {
    sqlx::query(
        "insert into outbox_messages (user_id, kind, payload, created_at, available_at)
         select $1, 'update_user_metadata', $2, at, at from to_timestamp($3) as at",
    )
    .bind(user)
    .bind(payload)
    .bind(NOW as f64)
    .execute(&app.database.owner)
    .await
    .expect("an insert");
}

async fn listeners(app: &TestApp) -> i64 {
    let query = "select count(*) from pg_stat_activity
        where datname = current_database() and application_name = 'vestibule outbox listener' and query like 'LISTEN%'";
    sqlx::query_scalar(query).fetch_one(&admin_pool(&app.database.name)).await.expect("a count")
}

async fn cut_listeners(app: &TestApp) {
    let query = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'vestibule outbox listener'";
    sqlx::query(query).execute(&admin_pool(&app.database.name)).await.expect("the administrator");
}
