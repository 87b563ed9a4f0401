//! Leases: another process delivers the messages of one that died or stalled, and a late result of the first does no
//! harm.

use time::Duration;
use tokio::task::JoinHandle;
use vestibule::server::outbox::RelayOutcome;
use vestibule::server::runtime::state::AppState;

use crate::outbox::{commit_only, create_pending, delivered, message, relay};
use crate::support::clerk::Plan;
use crate::support::{TestApp, soon};

const ADA: &str = "user_ada";

/// A relay whose call the stub holds until after the lease has expired, and another process.
async fn stalled(app: &TestApp) -> (JoinHandle<RelayOutcome>, AppState) {
    commit_only(app, ADA).await;
    let late = tokio::spawn({
        let outbox = app.state.outbox().clone();
        async move { relay(&outbox).await }
    });
    app.clerk.called(1).await;
    let (second, clock) = app.second_process();
    clock.advance(Duration::seconds(20));
    (late, second)
}

#[tokio::test]
async fn a_dead_process_keeps_its_lease_until_it_expires() {
    let app = TestApp::start().await;
    app.clerk.refuse(1, 500);
    create_pending(&app, ADA, "acme", "k").await;
    // As a claim leaves it: due, and leased for 20 s.
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
async fn a_relay_with_an_expired_lease_leaves_the_message_to_the_next_one() {
    let app = TestApp::start().await;
    let (release, held) = tokio::sync::watch::channel(false);
    app.clerk.plan([Plan::HoldThenDrop(held)]);
    let (late, second) = stalled(&app).await;
    assert_eq!(relay(second.outbox()).await, delivered(ADA));
    let before = message(&app, ADA).await;
    release.send(true).expect("the stub listens");
    let outcome = soon("the late one", late).await.expect("no panic");
    assert!(matches!(outcome, RelayOutcome::Postponed { .. }), "{outcome:?}");
    assert_eq!(message(&app, ADA).await, before);
}

#[tokio::test]
async fn a_confirmation_after_the_lease_expired_is_checked_again() {
    let app = TestApp::start().await;
    let release = app.clerk.hold();
    let (late, second) = stalled(&app).await;
    // A newer message may overtake it now.
    assert_eq!(relay(second.outbox()).await, delivered(ADA));
    let kinds = "select string_agg(kind || case when delivered_at is null then ' waits' else '' end, ', ' order by id)
        from outbox_messages where user_id = $1";
    assert_eq!(app.database.value::<String>(kinds, ADA).await, "update_user_metadata");
    let before = message(&app, ADA).await;
    release.send(true).expect("the stub listens");
    assert_eq!(soon("the late one", late).await.expect("no panic"), delivered(ADA));
    assert_eq!(app.database.value::<String>(kinds, ADA).await, "update_user_metadata, sync_user waits");
    app.database.as_owner("delete from outbox_messages where user_id = $1 and kind = 'sync_user'", ADA).await;
    assert_eq!(message(&app, ADA).await, before, "delivered when it was");
}

#[tokio::test]
async fn a_confirmed_message_is_delivered_although_another_relay_gave_it_up() {
    let app = TestApp::start().await;
    let release = app.clerk.hold();
    let (late, second) = stalled(&app).await;
    app.clerk.refuse(1, 422);
    assert_eq!(relay(second.outbox()).await, RelayOutcome::Dead { user: ADA.to_owned() });
    release.send(true).expect("the stub listens");
    assert_eq!(soon("the late one", late).await.expect("no panic"), delivered(ADA));
    let state = "select (delivered_at is not null, dead_at is null, last_error is null)::text
        from outbox_messages where user_id = $1 and kind = 'update_user_metadata'";
    assert_eq!(app.database.value::<String>(state, ADA).await, "(t,t,t)");
}
