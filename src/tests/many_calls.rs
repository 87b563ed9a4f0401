//! The running relay makes several concurrent calls, each for another user, and cleans up all of them when it stops. A
//! process may also leave delivery to others.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vestibule::server::clerk::backend_api::BackendApi;
use vestibule::server::outbox::{Outbox, RelayOutcome};

use crate::outbox::{commit_only, delivered, relay};
use crate::support::clerk::DEVELOPMENT_SECRET_KEY;
use crate::support::keys::token;
use crate::support::{TestApp, Who, soon, until};

const ADA: &str = "user_ada";
/// One relay's number of concurrent calls.
const HANDS: usize = 8;
/// Longer than a test: only notifications and finished calls wake the relay, never polling.
const NEVER: Duration = Duration::from_secs(3_600);

fn run(outbox: &Outbox) -> (JoinHandle<()>, CancellationToken) {
    let stop = CancellationToken::new();
    let (outbox, stopped) = (outbox.clone(), stop.clone());
    (tokio::spawn(async move { outbox.run_polling(NEVER, stopped).await }), stop)
}

fn user_ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user_{number}")).collect()
}

fn called(app: &TestApp) -> Vec<String> {
    app.clerk.calls().into_iter().map(|call| call.user).collect()
}

/// Messages without an attempt or a lease.
async fn untouched(app: &TestApp) -> i64 {
    app.database
        .value(
            "select count(*) from outbox_messages where delivered_at is null and leased_until is null and attempts = 0 and $1 = ''",
            "",
        )
        .await
}

#[tokio::test]
async fn a_slow_response_delays_only_its_own_user() {
    let app = TestApp::start().await;
    let releases = [app.clerk.hold(), app.clerk.hold(), app.clerk.hold()];
    let (running, stop) = run(app.state.outbox());
    for user in [ADA, "user_grace", "user_linus"] {
        commit_only(&app, user).await;
    }
    app.clerk.called(3).await;
    // Ada's second message is first in the table, and skipped.
    commit_only(&app, ADA).await;
    commit_only(&app, "user_mary").await;
    until("an answer", async || (app.clerk.answered() == 1).then_some(())).await;
    // Concurrent calls arrive in any order.
    let mut sent = called(&app);
    sent.sort();
    assert_eq!(sent, [ADA, "user_grace", "user_linus", "user_mary"]);
    for release in &releases {
        release.send(true).expect("the stub listens");
    }
    until("all answers", async || (app.clerk.answered() == 5).then_some(())).await;
    assert_eq!(called(&app)[4], ADA);
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
}

#[tokio::test]
async fn a_relay_claims_no_more_than_it_can_send() {
    let app = TestApp::start().await;
    let users = user_ids(HANDS + 2);
    let releases: Vec<_> = (0..HANDS).map(|_| app.clerk.hold()).collect();
    for user in &users {
        commit_only(&app, user).await;
    }
    let (running, stop) = run(app.state.outbox());
    app.clerk.called(HANDS).await;
    let (second, _) = app.second_process();
    assert_eq!(relay(second.outbox()).await, delivered(&users[HANDS]));
    // A finished call makes room for the next one.
    releases[0].send(true).expect("the stub listens");
    until("a free hand", async || (app.clerk.answered() == 3).then_some(())).await;
    assert_eq!(called(&app).last(), users.last());
    drop(releases);
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
    assert_eq!(app.clerk.answered(), users.len());
}

#[tokio::test]
async fn a_stopping_process_releases_all_its_messages() {
    let app = TestApp::start().await;
    let users = user_ids(HANDS);
    let releases: Vec<_> = users.iter().map(|_| app.clerk.hold()).collect();
    for user in &users {
        commit_only(&app, user).await;
    }
    let (running, stop) = run(app.state.outbox());
    app.clerk.called(HANDS).await;
    assert_eq!(untouched(&app).await, 0);
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
    assert_eq!(untouched(&app).await, HANDS as i64);
    let (second, _) = app.second_process();
    for user in &users {
        assert_eq!(relay(second.outbox()).await, delivered(user));
    }
    drop(releases);
}

#[tokio::test]
async fn at_our_own_rate_limit_messages_wait_and_none_is_lost() {
    let app = TestApp::start().await;
    let users = user_ids(60);
    for user in &users {
        commit_only(&app, user).await;
    }
    // A development key: about fifty calls, then none while the clock stands still.
    let url = app.clerk.url.parse().expect("an address");
    let key = SecretString::from(DEVELOPMENT_SECRET_KEY);
    let clerk = BackendApi::new(url, key, app.clock.clone(), app.state.clerk().time_limits()).expect("a client");
    let outbox = Outbox::new(app.pools.worker.clone(), clerk, app.clock.clone(), app.state.tasks().clone());
    let (running, stop) = run(&outbox);
    let waiting =
        "select count(*) from outbox_messages where available_at > created_at and delivered_at is null and $1 = ''";
    until("a message that is held back", async || (app.database.value::<i64>(waiting, "").await > 0).then_some(()))
        .await;
    let at_once = app.clerk.calls().len();
    assert!((40..60).contains(&at_once), "{at_once}");
    until("the rest", async || {
        app.clock.advance(time::Duration::seconds(1));
        (app.clerk.answered() == users.len()).then_some(())
    })
    .await;
    assert_eq!(app.clerk.calls().len(), users.len(), "each was sent once");
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
    let attempts: i64 = app.database.value("select max(attempts)::bigint from outbox_messages where $1 = ''", "").await;
    assert_eq!(attempts, 1, "holding back is not an attempt");
}

#[tokio::test]
async fn the_relay_knows_when_the_next_message_is_due() {
    let app = TestApp::start().await;
    let outbox = app.state.outbox();
    let next_due = async || outbox.next_due().await.expect("the database answers");
    assert_eq!(next_due().await, None);
    // A retry counts when it is due; messages behind it do not.
    app.clerk.refuse(1, 500);
    commit_only(&app, ADA).await;
    let RelayOutcome::Postponed { wait, .. } = relay(outbox).await else { panic!("rejected") };
    assert_eq!(next_due().await, Some(app.clock.now() + wait));
    commit_only(&app, ADA).await;
    assert_eq!(next_due().await, Some(app.clock.now() + wait));
    // A message leased by another process counts when the lease expires.
    app.clock.advance(wait);
    let lease = "update outbox_messages set leased_until = available_at + interval '20 s'
        where id = (select min(id) from outbox_messages where user_id = $1)";
    app.database.as_owner(lease, ADA).await;
    assert_eq!(next_due().await, Some(app.clock.now() + time::Duration::seconds(20)));
}

#[tokio::test]
async fn a_process_without_a_relay_responds_at_once_and_another_one_delivers() {
    let app = TestApp::start_without_relay().await;
    let body = json!({"name": "Acme", "slug": "acme"});
    let create = async || {
        let token = token(ADA);
        app.post_json("/api/organizations/create", Who::Bearer(&token), &body).await.text("/delivery")
    };
    assert_eq!(create().await, "pending");
    // It has no relay to run either: this returns by itself.
    soon("the end", app.state.outbox().run(CancellationToken::new())).await;
    assert_eq!((app.clerk.calls().len(), untouched(&app).await), (0, 1));

    let (second, _) = app.second_process();
    let (running, stop) = run(second.outbox());
    until("a delivery", async || (app.clerk.answered() == 1).then_some(())).await;
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
    // The same request again reports what others have delivered.
    assert_eq!(create().await, "delivered");
    assert_eq!(app.clerk.calls().len(), 1);
}
