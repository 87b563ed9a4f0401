//! The relay respects Clerk's rate limits: excess messages wait, without delaying other users.

use secrecy::SecretString;
use serde_json::{Value, json};
use time::Duration;
use vestibule::model::ids::UserId;
use vestibule::server::clerk::backend_api::{BackendApi, ClerkError};
use vestibule::server::clerk::limits::LimitOf;
use vestibule::server::outbox::{Outbox, RelayOutcome};

use crate::outbox::{commit_only, delivered, relay};
use crate::support::TestApp;

const ADA: &str = "user_ada";

#[tokio::test]
async fn one_users_changes_are_spread_out_without_delaying_others() {
    let app = TestApp::start().await;
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        commit_only(&app, ADA).await;
        outcomes.push(relay(app.state.outbox()).await);
    }
    let sent = outcomes.iter().take_while(|outcome| **outcome == delivered(ADA)).count();
    assert_eq!(app.clerk.calls().len(), sent);
    assert!((2..6).contains(&sent), "{outcomes:?}");
    let RelayOutcome::Postponed { wait, .. } = outcomes[sent].clone() else { panic!("{outcomes:?}") };
    assert!(wait <= Duration::seconds(10), "{wait}");

    commit_only(&app, "user_grace").await;
    assert_eq!(relay(app.state.outbox()).await, delivered("user_grace"));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    app.clock.advance(wait);
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    // Postponing is not an attempt, and all pending messages went in one call.
    let attempts: Value = app
        .database
        .value("select to_jsonb(array_agg(distinct attempts)) from outbox_messages where user_id = $1 and delivered_at is not null", ADA)
        .await;
    assert_eq!((attempts, app.clerk.calls().len()), (json!([1]), sent + 2));
}

#[tokio::test]
async fn a_development_key_has_a_lower_limit_and_the_key_set_is_exempt() {
    let app = TestApp::start().await;
    let url = app.clerk.url.parse().expect("an address");
    let (key, limits) = (SecretString::from("sk_test_of_another_instance"), app.state.clerk().time_limits());
    let clerk = BackendApi::new(url, key, app.clock.clone(), limits).expect("a client");
    let user = UserId::parse(ADA).expect("an id");
    let mut calls = 0;
    let wait = loop {
        match clerk.user(&user).await {
            Err(ClerkError::Limited { of: LimitOf::Instance, wait }) => break wait,
            _ => calls += 1,
        }
        assert!(calls <= 100, "the limit of a development key");
    };
    assert!(calls > 20, "{calls}");
    // The stub rejects the key, but was called.
    assert_eq!(clerk.jwks().await.expect_err("another key").status(), Some(401));

    commit_only(&app, ADA).await;
    let outbox = Outbox::new(app.pools.worker.clone(), clerk, app.clock.clone(), app.state.tasks().clone());
    let RelayOutcome::Held { wait: held } = relay(&outbox).await else { panic!("the limit is reached") };
    assert!(held.unsigned_abs() >= wait, "{held} and {wait:?}");
    assert_eq!(relay(&outbox).await, RelayOutcome::Idle);
    app.clock.advance(held);
    assert!(matches!(relay(&outbox).await, RelayOutcome::Postponed { .. }), "sent, and rejected because of the key");
}
