//! Users on our side and at Clerk: who is linked to an invitation, the first visit, and comparing one user.

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;
use vestibule::model::ids::UserId;
use vestibule::model::onboarding::Delivery;
use vestibule::server::outbox::{Outbox, RelayOutcome};
use vestibule::server::users::{Comparison, DriftKind, SyncOutcome, SyncRights, Synced, sync};

use crate::outbox::{delivered, relay};
use crate::support::emulated::Emulated;
use crate::support::keys::{token, token_for};
use crate::support::{Reply, TestApp, Who, soon};

/// Ada's organization, with an invitation for an address.
async fn acme_invites(app: &TestApp, owner: &str, email: &str, role: &str) -> String {
    let acme = app.create(owner, "Acme", "acme").await;
    app.settled().await;
    invite(app, &acme, email, role).await;
    acme
}

pub async fn invite(app: &TestApp, organization: &str, email: &str, role: &str) {
    let statement =
        format!("insert into invited_profiles values (gen_random_uuid(), $1, '{organization}', '{role}', now())");
    let statement = sqlx::query(AssertSqlSafe(statement)).bind(email);
    statement.execute(&app.database.owner).await.expect("invited");
}

async fn onboarding(app: &TestApp, user: &str) -> Reply {
    app.get("/onboarding", Who::Cookie(&token(user))).await
}

/// A user's roles, as `organization role`.
async fn roles(app: &TestApp, user: &str) -> Vec<String> {
    sqlx::query_scalar("select organization_id || ' ' || role from organization_users where user_id = $1 order by 1")
        .bind(user)
        .fetch_all(&app.database.owner)
        .await
        .expect("roles")
}

async fn invitations(app: &TestApp) -> i64 {
    app.database.value("select count(*) from invited_profiles where $1 = ''", "").await
}

/// The number of messages of a kind.
async fn messages(app: &TestApp, kind: &str) -> i64 {
    app.database.value("select count(*) from outbox_messages where kind = $1", kind).await
}

#[tokio::test]
async fn an_invited_user_never_sees_the_form() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    let acme = acme_invites(&app, &ada, "grace@example.test", "admin").await;

    let reply = onboarding(&app, &grace).await;
    assert_eq!(reply.location(), "/token-pending?next=/dashboard", "{reply:?}");
    assert_eq!(roles(&app, &grace).await, [format!("{acme} admin")]);
    assert_eq!(invitations(&app).await, 0);
    app.settled().await;
    let at_clerk = clerk.look_up(&grace).await["public_metadata"].clone();
    assert_eq!(at_clerk, json!({"activeOrgId": acme, "onboardingComplete": true}));
    let page = app.get("/dashboard", Who::Cookie(&token_for(&grace, &acme))).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Grace"), "{page:?}");
}

#[tokio::test]
async fn only_a_verified_primary_address_links_a_user() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "Ada").await;
    acme_invites(&app, &ada, "grace@example.test", "member").await;
    let address = |user: &str, verified: bool, primary: bool| json!({"user_id": user, "email_address": "grace@example.test", "verified": verified, "primary": primary});
    for (what, verified, primary) in [("not verified", false, true), ("not the primary one", true, false)] {
        let eve = clerk.create_user(&format!("eve{}@example.test", u8::from(primary)), "Eve").await;
        let added = clerk.call("POST", "/email_addresses", address(&eve, verified, primary)).await;
        assert_eq!(onboarding(&app, &eve).await.status, StatusCode::OK, "{what}");
        assert_eq!((roles(&app, &eve).await, invitations(&app).await), (Vec::new(), 1), "{what}");
        let path = format!("/email_addresses/{}", added["id"].as_str().expect("an id"));
        clerk.call("DELETE", &path, Value::Null).await;
    }
    // Similar is not equal.
    for email in ["grace@example.test.evil.test", "grace+1@example.test", "agrace@example.test"] {
        let eve = clerk.create_user(email, "Eve").await;
        assert_eq!(onboarding(&app, &eve).await.status, StatusCode::OK, "{email}");
        assert_eq!(invitations(&app).await, 1, "{email}");
    }
}

#[tokio::test]
async fn an_invitation_works_once_and_never_makes_an_owner() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "Ada").await;
    let acme = acme_invites(&app, &ada, "grace@example.test", "member").await;
    let first = clerk.create_user("grace@example.test", "Grace").await;
    onboarding(&app, &first).await;
    assert_eq!(roles(&app, &first).await.len(), 1);
    // The address passes to another user.
    clerk.call("DELETE", &format!("/users/{first}"), Value::Null).await;
    let second = clerk.create_user("grace@example.test", "Eve").await;
    assert_eq!(onboarding(&app, &second).await.status, StatusCode::OK);
    assert_eq!(roles(&app, &second).await, Vec::<String>::new());
    // A removed member does not return by it.
    app.database.as_owner("delete from organization_users where user_id = $1", &first).await;
    assert_eq!(onboarding(&app, &first).await.status, StatusCode::OK);

    let owner =
        format!("insert into invited_profiles values (gen_random_uuid(), 'x@example.test', '{acme}', 'owner', now())");
    let refused = sqlx::raw_sql(AssertSqlSafe(owner)).execute(&app.database.owner).await.expect_err("refused");
    let constraint = refused.as_database_error().and_then(|error| error.constraint()).map(str::to_owned);
    assert_eq!(constraint.as_deref(), Some("invited_profiles_role_known"));
}

#[tokio::test]
async fn an_owner_who_is_invited_stays_the_owner() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "Ada").await;
    let acme = acme_invites(&app, &ada, "ada@example.test", "member").await;
    let beta = clerk.create_user("beta@example.test", "Beta").await;
    let other = app.create(&beta, "Beta", "beta").await;
    invite(&app, &other, "ada@example.test", "admin").await;
    app.create_with_key(&ada, "Third", "third").await;
    app.settled().await;
    assert_eq!(invitations(&app).await, 0, "Clerk's answer to any change links");
    let mut expected = [format!("{acme} owner"), format!("{other} admin")];
    expected.sort();
    let roles: Vec<_> = roles(&app, &ada).await.into_iter().filter(|role| expected.contains(role)).collect();
    assert_eq!(roles, expected);
    let third: String = app.database.value("select id::text from organizations where slug = $1", "third").await;
    assert_eq!(
        clerk.look_up(&ada).await["public_metadata"]["activeOrgId"],
        json!(third),
        "and changes nothing of theirs"
    );
}

#[tokio::test]
async fn the_first_visit_creates_the_profile_without_a_needless_wait() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let grace = clerk.create_user("grace@example.test", "Grace").await;
    for _ in 0..2 {
        assert_eq!(onboarding(&app, &grace).await.status, StatusCode::OK);
    }
    assert_eq!(messages(&app, "sync_user").await, 1, "asked once");
    let untried = "select attempts from outbox_messages where kind = $1";
    assert_eq!(app.database.value::<i32>(untried, "sync_user").await, 0, "no invitation, no wait");
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    let name = "select display_name || ' ' || email from user_profiles where user_id = $1";
    assert_eq!(app.database.value::<String>(name, &grace).await, "Grace grace@example.test");
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "Clerk gets no message");
}

#[tokio::test]
async fn without_clerk_invited_users_still_get_the_form() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    acme_invites(&app, &ada, "grace@example.test", "member").await;
    clerk
        .set_faults(json!({"faults": [{"method": "GET", "path_starts_with": "/v1/users/", "count": 1, "status": 503}]}))
        .await;
    assert_eq!(onboarding(&app, &grace).await.status, StatusCode::OK);
    assert_eq!(roles(&app, &grace).await, Vec::<String>::new());
    // The invitation is applied later, whatever they have done in the meantime.
    app.clock.advance(time::Duration::minutes(1));
    assert_eq!(soon("Clerk's answer", app.state.outbox().deliver_now(&id(&grace))).await, Delivery::Delivered);
    assert_eq!(roles(&app, &grace).await.len(), 1);
    assert_eq!(onboarding(&app, &grace).await.location(), "/token-pending?next=/dashboard");
}

#[tokio::test]
async fn the_first_visit_waits_for_another_processs_relay() {
    let clerk = Emulated::start().await;
    let app = clerk.app_as(false).await;
    let [ada, grace] = clerk.ada_and_grace().await;
    acme_invites(&app, &ada, "grace@example.test", "member").await;
    let (pool, api, clock) = (app.pools.worker.clone(), app.state.clerk().clone(), app.clock.clone());
    let (other, stop) = (Outbox::new(pool, api, clock, app.state.tasks().clone()), CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { other.run(stop).await }
    });
    assert_eq!(onboarding(&app, &grace).await.location(), "/token-pending?next=/dashboard");
    stop.cancel();
    soon("the relay's end", running).await.expect("no panic");
}

fn id(user: &str) -> UserId {
    UserId::parse(user).expect("an id")
}

/// Compares one user with the Backend API's current data.
async fn compare(app: &TestApp, user: &str, rights: SyncRights) -> Synced {
    let known = app.state.clerk().user(&id(user)).await.expect("known");
    let comparison = Comparison { user: &known, with_metadata: true, rights, at: app.clock.now() };
    sync(&app.pools.worker, comparison).await.expect("the database answers")
}

fn settled(kinds: &[DriftKind]) -> Synced {
    Synced { outcome: SyncOutcome::Applied, repaired: kinds.to_vec(), remaining: Vec::new() }
}

fn found(kinds: &[DriftKind]) -> Synced {
    Synced { outcome: SyncOutcome::Applied, repaired: Vec::new(), remaining: kinds.to_vec() }
}

#[tokio::test]
async fn each_kind_of_difference_is_found_and_settled_in_its_direction() {
    use DriftKind::*;
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "Ada").await;
    let all = SyncRights { may_link: true, may_clear: true, dry_run: false };
    let dry = SyncRights { dry_run: true, ..all };
    // One user is changed more often than Clerk allows.
    clerk.set_faults(json!({"rate_limits": "off"})).await;
    let expect = async |kinds: &[DriftKind]| {
        assert_eq!(compare(&app, &ada, dry).await, found(kinds));
        assert_eq!(compare(&app, &ada, all).await, settled(kinds));
        // Not above our own limit for one user.
        app.clock.advance(time::Duration::minutes(1));
        while relay(app.state.outbox()).await != RelayOutcome::Idle {}
        assert_eq!(compare(&app, &ada, all).await, settled(&[]), "after {kinds:?}");
    };
    let at_clerk = async || clerk.look_up(&ada).await["public_metadata"].clone();

    expect(&[ProfileMissing]).await;
    let acme = app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    let whole = json!({"activeOrgId": acme, "onboardingComplete": true});
    expect(&[]).await;
    clerk.call("PATCH", &format!("/users/{ada}"), json!({"first_name": "Countess"})).await;
    expect(&[ProfileOutdated]).await;
    for (metadata, kind) in [
        (json!({}), MetadataMissing),
        (json!({"activeOrgId": null, "onboardingComplete": true}), MetadataMissing),
        (json!({"activeOrgId": acme}), MetadataDiffers),
        (json!({"activeOrgId": "org_of_another_app", "onboardingComplete": true}), MetadataDiffers),
        (json!({"activeOrgId": [acme], "onboardingComplete": true}), MetadataDiffers),
    ] {
        clerk.set_metadata(&ada, metadata.clone()).await;
        expect(&[kind]).await;
        assert_eq!(at_clerk().await, whole, "{metadata}");
    }
    app.database.as_owner("update user_profiles set active_organization_id = null where user_id = $1", &ada).await;
    expect(&[ActiveOrganizationLost]).await;
    // Other keys at Clerk stay.
    clerk.set_metadata(&ada, json!({"activeOrgId": acme, "onboardingComplete": true, "plan": "pro"})).await;
    app.database.as_owner("delete from organization_users where user_id = $1", &ada).await;
    expect(&[ActiveOrganizationLost, MetadataLeftOver]).await;
    assert_eq!(at_clerk().await, json!({"plan": "pro"}));
}

#[tokio::test]
async fn a_webhook_neither_links_nor_removes() {
    use DriftKind::*;
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    acme_invites(&app, &ada, "grace@example.test", "member").await;
    clerk.set_metadata(&grace, json!({"activeOrgId": "org_of_another_app"})).await;
    assert_eq!(compare(&app, &grace, SyncRights::WEBHOOK).await, settled(&[ProfileMissing]));
    assert_eq!(
        (roles(&app, &grace).await.len(), messages(&app, "sync_user").await),
        (0, 1),
        "the relay is asked to look"
    );
    compare(&app, &grace, SyncRights::WEBHOOK).await;
    assert_eq!(messages(&app, "sync_user").await, 1, "and Clerk is asked once");
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    assert_eq!((roles(&app, &grace).await.len(), invitations(&app).await), (1, 0));

    let eve = clerk.create_user("eve@example.test", "Eve").await;
    clerk.set_metadata(&eve, json!({"activeOrgId": "org_of_another_app"})).await;
    let left = Synced { remaining: vec![MetadataLeftOver], ..settled(&[ProfileMissing]) };
    assert_eq!(compare(&app, &eve, SyncRights::WEBHOOK).await, left);
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
}

/// A pending message removes Grace's left-over organization at Clerk, and she is invited to Ada's.
async fn invited_while_a_message_waits(clerk: &Emulated, app: &TestApp) -> (String, String, SyncRights) {
    let [ada, grace] = clerk.ada_and_grace().await;
    let acme = app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    clerk.set_metadata(&grace, json!({"activeOrgId": "org_of_another_app"})).await;
    let all = SyncRights { may_link: true, may_clear: true, dry_run: false };
    compare(app, &grace, all).await;
    invite(app, &acme, "grace@example.test", "member").await;
    (grace, acme, all)
}

#[tokio::test]
async fn clerk_is_notified_of_an_invitation_found_by_another_calls_response() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let (grace, acme, _) = invited_while_a_message_waits(&clerk, &app).await;
    // This call removes the left-over, and its response shows whose address it is.
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    let at_clerk = clerk.look_up(&grace).await["public_metadata"].clone();
    assert_eq!(at_clerk, json!({"activeOrgId": acme, "onboardingComplete": true}));
}

#[tokio::test]
async fn a_failed_lookup_does_not_delay_messages_to_clerk() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, _] = clerk.ada_and_grace().await;
    let fault =
        json!({"method": "GET", "path_starts_with": "/v1/users/", "count": 1, "status": 429, "retry_after_s": 3000});
    clerk.set_faults(json!({"faults": [fault]})).await;
    assert_eq!(onboarding(&app, &ada).await.status, StatusCode::OK);
    let outcome = relay(app.state.outbox()).await;
    assert!(matches!(outcome, RelayOutcome::Postponed { .. }), "{outcome:?}");
    let body = json!({"name": "Acme", "slug": "acme"});
    let created = app.post_json("/api/organizations/create", Who::Bearer(&token(&ada)), &body).await;
    assert_eq!(created.text("/delivery"), "delivered", "{created:?}");
    app.clock.advance(time::Duration::hours(1));
    assert_eq!(relay(app.state.outbox()).await, delivered(&ada));
}

#[tokio::test]
async fn a_pending_message_does_not_hide_an_invitation() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let (grace, acme, all) = invited_while_a_message_waits(&clerk, &app).await;
    // Linked before it is sent.
    compare(&app, &grace, all).await;
    while relay(app.state.outbox()).await != RelayOutcome::Idle {}
    let at_clerk = clerk.look_up(&grace).await["public_metadata"].clone();
    assert_eq!(at_clerk, json!({"activeOrgId": acme, "onboardingComplete": true}));
}

#[tokio::test]
async fn a_name_with_a_nul_character_does_not_block_the_relay() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "A\u{0}da").await;
    app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    let name = "select display_name from user_profiles where user_id = $1";
    assert_eq!(app.database.value::<String>(name, &ada).await, "Ada");
}
