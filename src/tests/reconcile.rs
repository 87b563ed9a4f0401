//! Reconciling all users: whatever was lost, both sides end up equal, in the right direction, and nothing is removed by
//! mistake. No webhook arrives in these tests.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use time::Duration;
use tokio_util::sync::CancellationToken;
use vestibule::model::ids::UserId;
use vestibule::server::clerk::backend_api::BackendApi;
use vestibule::server::outbox::RelayOutcome;
use vestibule::server::reconcile::{End, Finding, FindingEnd, Pass, ReconcileError, Reconciler, in_flight};
use vestibule::server::users::DriftKind;

use crate::outbox::relay;
use crate::support::emulated::Emulated;
use crate::support::{TestApp, soon};

const DAY: Duration = Duration::days(1);

/// At a pace that does not slow tests down.
fn reconciler(app: &TestApp) -> Reconciler {
    let pace = NonZeroU32::new(10_000).expect("not zero");
    Reconciler::new(app.pools.worker.clone(), app.state.clerk().clone(), app.clock.clone(), pace)
}

/// A whole pass, and what it found.
async fn pass(app: &TestApp, dry_run: bool, removals: u64) -> (Pass, Vec<(String, DriftKind, bool)>) {
    let mut pass = Pass::new(dry_run, removals);
    let found = go_on(&reconciler(app), &mut pass).await.expect("Clerk and the database answer");
    (pass, found.into_iter().map(|one| (one.user.to_string(), one.kind, one.end == FindingEnd::Settled)).collect())
}

async fn go_on(reconciler: &Reconciler, pass: &mut Pass) -> Result<Vec<Finding>, ReconcileError> {
    let (stop, mut found) = (CancellationToken::new(), Vec::new());
    while !pass.is_finished() {
        let page = soon("a page", reconciler.next_page(pass, &stop)).await?;
        found.extend(page.expect("not stopped"));
    }
    Ok(found)
}

/// Delivers everything.
async fn relay_all(app: &TestApp) {
    while relay(app.state.outbox()).await != RelayOutcome::Idle {
        app.clock.advance(Duration::seconds(1));
    }
}

/// Creates many users with concurrent calls of `POST /users`.
async fn create_users(clerk: &Emulated, count: usize) -> Vec<String> {
    join_all((0..count).map(|number| async move {
        clerk.create_user(&format!("user{number}@example.test"), &format!("User {number}")).await
    }))
    .await
}

/// Creates an organization for each owner, already known to Clerk, without requests.
async fn organizations(app: &TestApp, clerk: &Emulated, owners: &[String]) {
    for (number, owner) in owners.iter().enumerate() {
        let statement = format!(
            "begin; select set_config('request.jwt.claims', '{{\"sub\": \"{owner}\"}}', true);
             select vestibule.create_organization(gen_random_uuid(), 'Number {number}', 'number-{number}', null, ''); commit"
        );
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&app.database.owner).await.expect("created");
    }
    app.database.as_owner("update outbox_messages set delivered_at = now() where $1 = ''", "").await;
    for owner in owners {
        clerk.set_metadata(owner, whole(app, owner).await).await;
    }
}

/// The metadata that Clerk must have of a member.
async fn whole(app: &TestApp, user: &str) -> Value {
    let active = "select active_organization_id::text from user_profiles where user_id = $1";
    json!({"activeOrgId": app.database.value::<String>(active, user).await, "onboardingComplete": true})
}

/// Everything that a pass could change on our side, as one text.
async fn everything(app: &TestApp) -> String {
    let query = "select concat($1::text,
        (select json_agg(t order by id) from organizations t), (select json_agg(t order by organization_id, user_id) from organization_users t),
        (select json_agg(t order by user_id) from user_profiles t), (select json_agg(t order by id) from outbox_messages t),
        (select json_agg(t order by id) from invited_profiles t))";
    app.database.value(query, "").await
}

/// All users at Clerk, by id.
async fn at_clerk(clerk: &Emulated) -> BTreeMap<String, Value> {
    let list = clerk.call("GET", "/users?limit=500", Value::Null).await;
    let users = list.as_array().expect("a list").iter();
    users.map(|user| (user["id"].as_str().expect("an id").to_owned(), user.clone())).collect()
}

#[tokio::test]
async fn whatever_was_lost_both_sides_end_up_equal() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    // More than two pages.
    let users = create_users(&clerk, 212).await;
    organizations(&app, &clerk, &users[..150]).await;
    let (_, found) = pass(&app, false, 0).await;
    assert!(found.iter().all(|(_, kind, repaired)| *kind != DriftKind::PersonGone && *repaired), "{found:?}");
    relay_all(&app).await;
    assert_eq!(pass(&app, true, 0).await.1, [], "a second pass finds nothing");

    let mut random = fastrand::Rng::with_seed(7);
    let (mut renamed, mut gone, mut out) = (0, 0, 0);
    for (number, user) in users.iter().enumerate() {
        let member = number < 150;
        match random.u32(..8) {
            0 => {
                clerk.call("PATCH", &format!("/users/{user}"), json!({"first_name": format!("New {number}")})).await;
                renamed += 1;
            }
            1 if member => clerk.set_metadata(user, json!({"theme": "dark"})).await,
            2 if member => {
                clerk.set_metadata(user, json!({"activeOrgId": "org_old", "onboardingComplete": true})).await
            }
            3 if member && out < 8 => {
                app.database.as_owner("delete from organization_users where user_id = $1", user).await;
                out += 1;
            }
            4 if member => {
                let lost = "update user_profiles set active_organization_id = null where user_id = $1";
                app.database.as_owner(lost, user).await;
            }
            5 if gone < 8 => {
                clerk.call("DELETE", &format!("/users/{user}"), Value::Null).await;
                gone += 1;
            }
            6 => _ = app.database.as_owner("delete from user_profiles where user_id = $1", user).await,
            _ => {}
        }
    }
    clerk.create_user("late@example.test", "Late").await;
    assert!(renamed > 10 && gone == 8 && out == 8, "{renamed} {gone} {out}");

    let (before, clerk_before) = (everything(&app).await, at_clerk(&clerk).await);
    let (_, dry) = pass(&app, true, 100).await;
    assert_eq!((everything(&app).await, at_clerk(&clerk).await), (before, clerk_before), "a dry run changes nothing");
    assert!(dry.iter().all(|(_, _, repaired)| !repaired), "{dry:?}");
    let (_, real) = pass(&app, false, 100).await;
    assert!(real.iter().all(|(_, _, repaired)| *repaired), "{real:?}");
    let kinds = |found: &[(String, DriftKind, bool)]| {
        let mut kinds: Vec<_> = found.iter().map(|(user, kind, _)| (user.clone(), *kind)).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(kinds(&dry), kinds(&real), "a dry run reports what the real one does");
    for kind in DriftKind::ALL.into_iter().filter(|kind| *kind != DriftKind::InvitationUnclaimed) {
        assert!(real.iter().any(|(_, found, _)| *found == kind), "{kind:?} was tried");
    }
    relay_all(&app).await;
    assert_eq!(pass(&app, true, 100).await.1, [], "nothing is left");
    are_equal(&app, &at_clerk(&clerk).await).await;
}

/// Names and addresses match Clerk's, organizations match Postgres's, and no user is missing or left over.
async fn are_equal(app: &TestApp, clerk: &BTreeMap<String, Value>) {
    #[derive(sqlx::FromRow)]
    struct Row {
        user_id: String,
        display_name: Option<String>,
        email: Option<String>,
        is_deleted: bool,
        active: Option<String>,
        is_member: bool,
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select p.user_id, p.display_name, p.email, p.deleted_at is not null as is_deleted,
                p.active_organization_id::text as active,
                exists (select from organization_users m
                        where m.user_id = p.user_id and m.organization_id = p.active_organization_id) as is_member
         from user_profiles p",
    )
    .fetch_all(&app.database.owner)
    .await
    .expect("profiles");
    let mut alive = 0;
    for row in rows {
        let user = &row.user_id;
        let Some(there) = clerk.get(user) else {
            assert!(row.is_deleted && row.display_name.is_none() && row.email.is_none(), "{user} is forgotten");
            continue;
        };
        alive += 1;
        assert!(!row.is_deleted, "{user}");
        assert_eq!(row.display_name.as_deref(), there["first_name"].as_str(), "{user}");
        assert_eq!(row.email.as_deref(), there["email_addresses"][0]["email_address"].as_str(), "{user}");
        let metadata = &there["public_metadata"];
        assert_eq!(metadata["activeOrgId"].as_str(), row.active.as_deref(), "{user}");
        assert_eq!(row.active.is_some(), row.is_member, "{user}");
        assert_eq!(metadata["onboardingComplete"].as_bool(), row.is_member.then_some(true), "{user}");
    }
    assert_eq!(alive, clerk.len());
    let strangers = "select count(*) from organization_users m where $1 = '' and not exists (
        select from user_profiles p where p.user_id = m.user_id and p.deleted_at is null)";
    assert_eq!(app.database.value::<i64>(strangers, "").await, 0);
}

#[tokio::test]
async fn the_keys_of_another_instance_remove_nothing() {
    let (clerk, other) = (Emulated::start().await, Emulated::start().await);
    let app = clerk.app().await;
    let users = create_users(&clerk, 5).await;
    organizations(&app, &clerk, &users).await;
    // The other instance has users, too, but none of ours.
    other.create_user("stranger@example.test", "Stranger").await;
    let before = everything(&app).await;
    let (url, key) = (other.api_url().parse().expect("an address"), SecretString::from(other.secret_key()));
    let foreign = BackendApi::new(url, key, app.clock.clone(), app.state.clerk().time_limits());
    let pace = NonZeroU32::new(10_000).expect("not zero");
    let (pool, clock) = (app.pools.worker.clone(), app.clock.clone());
    let reconciler = Reconciler::new(pool, foreign.expect("a client"), clock, pace);
    let there = at_clerk(&other).await;
    // However often it runs, and however few it might remove.
    for (dry_run, removals) in [(true, 100), (false, 100), (false, 100), (false, 2)] {
        let mut pass = Pass::new(dry_run, removals);
        let found = go_on(&reconciler, &mut pass).await.expect("it answers");
        assert!(found.len() == 5 && found.iter().all(|one| one.end == FindingEnd::LeftAlone), "{found:?}");
        assert_eq!(pass.summary.left_alone, BTreeMap::from([(DriftKind::PersonGone, 5)]));
    }
    assert_eq!((everything(&app).await, at_clerk(&other).await), (before, there));
}

#[tokio::test]
async fn a_pass_removes_no_more_than_its_limit() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let users = create_users(&clerk, 12).await;
    organizations(&app, &clerk, &users).await;
    for user in &users[..4] {
        clerk.call("DELETE", &format!("/users/{user}"), Value::Null).await;
    }
    for user in &users[4..8] {
        app.database.as_owner("delete from organization_users where user_id = $1", user).await;
    }
    let count = |counts: &BTreeMap<DriftKind, u64>| {
        counts.iter().filter(|(kind, _)| kind.takes_away()).map(|(_, count)| *count).sum::<u64>()
    };
    let (dry, _) = pass(&app, true, 3).await;
    assert_eq!(
        (count(&dry.summary.would_be_settled), count(&dry.summary.left_alone)),
        (3, 5),
        "a dry run knows the brake"
    );
    let (first, _) = pass(&app, false, 3).await;
    assert_eq!((count(&first.summary.settled), count(&first.summary.left_alone)), (3, 5));
    relay_all(&app).await;
    let (second, _) = pass(&app, false, 10).await;
    assert_eq!((count(&second.summary.settled), count(&second.summary.left_alone)), (5, 0));
    let look = in_flight(&app.pools.worker, app.clock.now()).await.expect("the database answers");
    assert_eq!(look.ownerless_organizations.len(), 4, "those of the deleted users, and no others: {look:?}");
}

#[tokio::test]
async fn messages_in_flight_are_no_difference_and_dead_ones_are_replaced() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "Ada").await;
    let fault = |status: u16| json!({"faults": [{"method": "PATCH", "path_ends_with": "/metadata", "count": 1, "status": status}]});
    clerk.set_faults(fault(503)).await;
    app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    let look = async || in_flight(&app.pools.worker, app.clock.now()).await.expect("the database answers");
    app.clock.advance(Duration::milliseconds(200));
    assert_eq!(
        (look().await.outbox_waiting, look().await.outbox_retrying, look().await.outbox_oldest_seconds),
        (1, 1, Some(0))
    );
    let (_, found) = pass(&app, true, 0).await;
    assert_eq!(found, [(ada.clone(), DriftKind::ProfileOutdated, false)], "the pending message will notify Clerk");

    clerk.set_faults(fault(422)).await;
    app.clock.advance(Duration::minutes(1));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Dead { user: ada.clone() });
    let dead = look().await.outbox_dead;
    assert!(dead.len() == 1 && dead[0].messages == 1 && dead[0].reason.contains("422"), "{dead:?}");
    let (_, found) = pass(&app, false, 0).await;
    assert!(found.contains(&(ada.clone(), DriftKind::MetadataMissing, true)), "{found:?}");
    relay_all(&app).await;
    assert_eq!(clerk.look_up(&ada).await["public_metadata"], whole(&app, &ada).await);
    assert_eq!(look().await.outbox_dead, [], "it was replaced");
    // A dead message for a deleted user needs no attention.
    clerk.set_faults(fault(422)).await;
    app.create_with_key(&ada, "Second", "second").await;
    app.settled().await;
    assert_eq!(look().await.outbox_dead.len(), 1);
    app.database.as_owner("update user_profiles set deleted_at = now() where user_id = $1", &ada).await;
    assert_eq!(look().await.outbox_dead, []);
}

#[tokio::test]
async fn occasional_failures_of_clerk_only_delay_a_pass() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let users = create_users(&clerk, 3).await;
    organizations(&app, &clerk, &users).await;
    let fault = |count: u32, status: u16| {
        let fault = json!({"method": "GET", "path_starts_with": "/v1/users", "count": count, "status": status, "retry_after_s": 0});
        json!({"faults": [fault]})
    };
    for status in [429, 503] {
        clerk.set_faults(fault(2, status)).await;
        assert_eq!(pass(&app, false, 0).await.0.summary.compared, 3, "{status}");
    }
    // Waiting fixes neither a wrong key nor an invalid request.
    for status in [401, 403, 422] {
        clerk.set_faults(fault(1, status)).await;
        let mut broken = Pass::new(false, 0);
        let ended = go_on(&reconciler(&app), &mut broken).await;
        assert!(matches!(&ended, Err(ReconcileError::Clerk(error)) if error.status() == Some(status)), "{ended:?}");
        // It stays at the page that failed.
        go_on(&reconciler(&app), &mut broken).await.expect("Clerk is well");
        assert_eq!(broken.summary.compared, 3);
    }
}

/// Daily passes, by any running process.
mod regularly {
    use super::*;

    async fn run(app: &TestApp) -> Option<End> {
        let run = reconciler(app).run_if_due(DAY, &CancellationToken::new()).await;
        run.expect("Clerk and the database answer")
    }

    /// The migration uses the machine's clock, not the test's.
    async fn finished_now(app: &TestApp) {
        let statement =
            format!("update reconcile_progress set finished_at = to_timestamp({}) where $1 = ''", crate::support::NOW);
        sqlx::query(AssertSqlSafe(statement)).bind("").execute(&app.database.owner).await.expect("set");
    }

    #[tokio::test]
    async fn a_pass_is_due_a_day_after_the_last_one() {
        let clerk = Emulated::start().await;
        let app = clerk.app().await;
        let ada = clerk.create_user("ada@example.test", "Ada").await;
        finished_now(&app).await;
        assert_eq!(run(&app).await, None);
        app.advance(DAY - Duration::seconds(1)).await;
        assert_eq!(run(&app).await, None);
        app.advance(Duration::seconds(1)).await;
        assert_eq!(run(&app).await, Some(End::Finished));
        let known = "select count(*) from user_profiles where user_id = $1";
        assert_eq!(app.database.value::<i64>(known, &ada).await, 1);
        assert_eq!(run(&app).await, None);
        app.advance(DAY).await;
        assert_eq!(run(&app).await, Some(End::Finished));
    }

    #[tokio::test]
    async fn one_process_holds_the_pass_and_another_one_continues_where_it_died() {
        let clerk = Emulated::start().await;
        let app = clerk.app().await;
        let users = create_users(&clerk, 130).await;
        organizations(&app, &clerk, &users).await;
        finished_now(&app).await;
        app.advance(DAY).await;
        // Dies after the first page: its task is dropped.
        let first = reconciler(&app);
        let place = || async {
            app.database.value::<Option<String>>("select place::text from reconcile_progress where $1 = ''", "").await
        };
        let stop = CancellationToken::new();
        {
            let mut dying = Box::pin(first.run_if_due(DAY, &stop));
            loop {
                tokio::select! {
                    biased;
                    ended = &mut dying => panic!("{ended:?}"),
                    place = place() => if place.is_some() { break },
                }
            }
        }
        let left = place().await.expect("a place");
        assert!(left.contains("ours"), "{left}");
        assert_eq!(run(&app).await, None, "it may still be alive");
        // On the finished page.
        let first = users.iter().min().expect("users");
        clerk.call("PATCH", &format!("/users/{first}"), json!({"first_name": "Later"})).await;
        app.advance(Duration::minutes(10)).await;
        assert_eq!(run(&app).await, Some(End::Finished));
        assert_eq!(place().await, None);
        let missed = (first.clone(), DriftKind::ProfileOutdated, false);
        assert_eq!(pass(&app, true, 0).await.1, [missed], "it did not start over");
    }

    #[tokio::test]
    async fn an_interrupted_pass_continues_at_once() {
        let clerk = Emulated::start().await;
        let app = clerk.app().await;
        clerk.create_user("ada@example.test", "Ada").await;
        finished_now(&app).await;
        app.advance(DAY).await;
        let stopped = CancellationToken::new();
        stopped.cancel();
        let ended = reconciler(&app).run_if_due(DAY, &stopped).await.expect("the database answers");
        assert_eq!(ended, Some(End::Interrupted));
        assert_eq!(run(&app).await, Some(End::Finished));
        // The state of another version is discarded.
        app.advance(DAY).await;
        let odd = "update reconcile_progress set started_at = finished_at + interval '1 s', place = '{\"odd\": 1}' where $1 = ''";
        app.database.as_owner(odd, "").await;
        assert_eq!(run(&app).await, Some(End::Finished));
    }
}

#[tokio::test]
async fn invalid_ids_stop_nothing() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "Ada").await;
    app.database.as_owner("insert into user_profiles values ($1, null, null, null, now(), now())", "a/b?c").await;
    assert_eq!(UserId::parse("a/b?c").ok(), None);
    assert_eq!(pass(&app, false, 0).await.1, [(ada, DriftKind::ProfileMissing, true)]);
}
