//! People here and at Clerk: who is linked to an invited profile and who is not, the first visit, and one person's
//! comparison.

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

/// Somebody's roles, as `organization role`.
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

/// How many messages of a kind there are.
async fn messages(app: &TestApp, kind: &str) -> i64 {
    app.database.value("select count(*) from outbox_messages where kind = $1", kind).await
}

#[tokio::test]
async fn who_was_invited_never_sees_the_form() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    let acme = acme_invites(&app, &ada, "grace@example.test", "admin").await;

    let reply = onboarding(&app, &grace).await;
    assert_eq!(reply.location(), "/token-pending?next=/dashboard", "{reply:?}");
    assert_eq!(roles(&app, &grace).await, [format!("{acme} admin")]);
    assert_eq!(invitations(&app).await, 0);
    app.settled().await;
    let told = clerk.look_up(&grace).await["public_metadata"].clone();
    assert_eq!(told, json!({"activeOrgId": acme, "onboardingComplete": true}));
    let page = app.get("/dashboard", Who::Cookie(&token_for(&grace, &acme))).await;
    assert!(page.status == StatusCode::OK && page.body.contains("Grace"), "{page:?}");
}

#[tokio::test]
async fn nobody_is_linked_by_an_address_that_is_not_theirs_for_certain() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.person("ada@example.test", "Ada").await;
    acme_invites(&app, &ada, "grace@example.test", "member").await;
    let address = |user: &str, verified: bool, primary: bool| json!({"user_id": user, "email_address": "grace@example.test", "verified": verified, "primary": primary});
    for (what, verified, primary) in [("not verified", false, true), ("not the primary one", true, false)] {
        let eve = clerk.person(&format!("eve{}@example.test", u8::from(primary)), "Eve").await;
        let added = clerk.call("POST", "/email_addresses", address(&eve, verified, primary)).await;
        assert_eq!(onboarding(&app, &eve).await.status, StatusCode::OK, "{what}");
        assert_eq!((roles(&app, &eve).await, invitations(&app).await), (Vec::new(), 1), "{what}");
        let path = format!("/email_addresses/{}", added["id"].as_str().expect("an id"));
        clerk.call("DELETE", &path, Value::Null).await;
    }
    // Similar is not equal.
    for email in ["grace@example.test.evil.test", "grace+1@example.test", "agrace@example.test"] {
        let eve = clerk.person(email, "Eve").await;
        assert_eq!(onboarding(&app, &eve).await.status, StatusCode::OK, "{email}");
        assert_eq!(invitations(&app).await, 1, "{email}");
    }
}

#[tokio::test]
async fn an_invitation_works_once_and_never_makes_an_owner() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.person("ada@example.test", "Ada").await;
    let acme = acme_invites(&app, &ada, "grace@example.test", "member").await;
    let first = clerk.person("grace@example.test", "Grace").await;
    onboarding(&app, &first).await;
    assert_eq!(roles(&app, &first).await.len(), 1);
    // The address goes to somebody else.
    clerk.call("DELETE", &format!("/users/{first}"), Value::Null).await;
    let second = clerk.person("grace@example.test", "Eve").await;
    assert_eq!(onboarding(&app, &second).await.status, StatusCode::OK);
    assert_eq!(roles(&app, &second).await, Vec::<String>::new());
    // Whoever is removed does not come back by it.
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
    let ada = clerk.person("ada@example.test", "Ada").await;
    let acme = acme_invites(&app, &ada, "ada@example.test", "member").await;
    let beta = clerk.person("beta@example.test", "Beta").await;
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
async fn the_first_visit_makes_the_profile_and_waits_for_nobody_without_reason() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let grace = clerk.person("grace@example.test", "Grace").await;
    for _ in 0..2 {
        assert_eq!(onboarding(&app, &grace).await.status, StatusCode::OK);
    }
    assert_eq!(messages(&app, "sync_user").await, 1, "asked once");
    let untried = "select attempts from outbox_messages where kind = $1";
    assert_eq!(app.database.value::<i32>(untried, "sync_user").await, 0, "nobody is invited: nobody waits");
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    let name = "select display_name || ' ' || email from user_profiles where user_id = $1";
    assert_eq!(app.database.value::<String>(name, &grace).await, "Grace grace@example.test");
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "nothing is told to Clerk");
}

#[tokio::test]
async fn clerk_being_down_does_not_keep_the_invited_from_the_form() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    acme_invites(&app, &ada, "grace@example.test", "member").await;
    clerk
        .misbehave(json!({"faults": [{"method": "GET", "path_starts_with": "/v1/users/", "count": 1, "status": 503}]}))
        .await;
    assert_eq!(onboarding(&app, &grace).await.status, StatusCode::OK);
    assert_eq!(roles(&app, &grace).await, Vec::<String>::new());
    // What was missed is made up for, whatever they did meanwhile.
    app.clock.advance(time::Duration::minutes(1));
    assert_eq!(soon("Clerk's answer", app.state.outbox().deliver_now(&id(&grace))).await, Delivery::Delivered);
    assert_eq!(roles(&app, &grace).await.len(), 1);
    assert_eq!(onboarding(&app, &grace).await.location(), "/token-pending?next=/dashboard");
}

#[tokio::test]
async fn the_invited_are_waited_for_where_another_process_delivers() {
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

/// Compares one person as the Backend API describes them now.
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
    let ada = clerk.person("ada@example.test", "Ada").await;
    let all = SyncRights { may_link: true, may_clear: true, dry_run: false };
    let dry = SyncRights { dry_run: true, ..all };
    // One person is changed more often than Clerk allows.
    clerk.misbehave(json!({"rate_limits": "off"})).await;
    let expect = async |kinds: &[DriftKind]| {
        assert_eq!(compare(&app, &ada, dry).await, found(kinds));
        assert_eq!(compare(&app, &ada, all).await, settled(kinds));
        // Not above our own limit for one person.
        app.clock.advance(time::Duration::minutes(1));
        while relay(app.state.outbox()).await != RelayOutcome::Idle {}
        assert_eq!(compare(&app, &ada, all).await, settled(&[]), "after {kinds:?}");
    };
    let told = async || clerk.look_up(&ada).await["public_metadata"].clone();

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
        assert_eq!(told().await, whole, "{metadata}");
    }
    app.database.as_owner("update user_profiles set active_organization_id = null where user_id = $1", &ada).await;
    expect(&[ActiveOrganizationLost]).await;
    // What others keep at Clerk stays.
    clerk.set_metadata(&ada, json!({"activeOrgId": acme, "onboardingComplete": true, "plan": "pro"})).await;
    app.database.as_owner("delete from organization_users where user_id = $1", &ada).await;
    expect(&[ActiveOrganizationLost, MetadataLeftOver]).await;
    assert_eq!(told().await, json!({"plan": "pro"}));
}

#[tokio::test]
async fn a_webhook_neither_links_nor_takes_away() {
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
    assert_eq!(messages(&app, "sync_user").await, 1, "and is asked once");
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    assert_eq!((roles(&app, &grace).await.len(), invitations(&app).await), (1, 0));

    let eve = clerk.person("eve@example.test", "Eve").await;
    clerk.set_metadata(&eve, json!({"activeOrgId": "org_of_another_app"})).await;
    let left = Synced { remaining: vec![MetadataLeftOver], ..settled(&[ProfileMissing]) };
    assert_eq!(compare(&app, &eve, SyncRights::WEBHOOK).await, left);
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
}

/// A message waits that takes Grace's left-over organization away at Clerk, and she is invited to Ada's.
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
async fn clerk_is_told_of_an_invitation_that_an_answer_to_something_else_brought_to_light() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let (grace, acme, _) = invited_while_a_message_waits(&clerk, &app).await;
    // This call takes the left-over away, and its answer shows whose address it is.
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    assert_eq!(relay(app.state.outbox()).await, delivered(&grace));
    let told = clerk.look_up(&grace).await["public_metadata"].clone();
    assert_eq!(told, json!({"activeOrgId": acme, "onboardingComplete": true}));
}

#[tokio::test]
async fn a_look_that_fails_holds_up_nothing_that_clerk_is_to_be_told() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, _] = clerk.ada_and_grace().await;
    let fault =
        json!({"method": "GET", "path_starts_with": "/v1/users/", "count": 1, "status": 429, "retry_after_s": 3000});
    clerk.misbehave(json!({"faults": [fault]})).await;
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
async fn what_waits_for_clerk_does_not_hide_an_invitation_from_it() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let (grace, acme, all) = invited_while_a_message_waits(&clerk, &app).await;
    // Linked before it is sent.
    compare(&app, &grace, all).await;
    while relay(app.state.outbox()).await != RelayOutcome::Idle {}
    let told = clerk.look_up(&grace).await["public_metadata"].clone();
    assert_eq!(told, json!({"activeOrgId": acme, "onboardingComplete": true}));
}

#[tokio::test]
async fn a_name_with_nul_in_it_does_not_hold_up_the_relay() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.person("ada@example.test", "A\u{0}da").await;
    app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    let name = "select display_name from user_profiles where user_id = $1";
    assert_eq!(app.database.value::<String>(name, &ada).await, "Ada");
}
