//! Whose time is written down: the database's own where a caller could choose it, and a plausible one everywhere.

use serde_json::json;
use sqlx::AssertSqlSafe;
use time::Duration;
use vestibule::server::outbox::RelayOutcome;

use crate::outbox::{create_pending, delivered, relay};
use crate::support::clerk::Plan;
use crate::support::database::{Database, WORKER};
use crate::support::keys::token;
use crate::support::{TestApp, Who};

const ADA: &str = "user_ada";

#[tokio::test]
async fn the_database_has_the_machines_clock() {
    let database = Database::create().await;
    assert!(database.value::<bool>("select vestibule.clock() = now() and $1 = ''", "").await);
}

#[tokio::test]
async fn no_caller_gives_a_time() {
    let database = Database::create().await;
    let functions: Vec<(String, bool)> = sqlx::query_as(
        "select function.oid::regprocedure::text, exists (
            select from unnest(function.proargtypes) as argument join pg_type as type on type.oid = argument
            where type.typcategory in ('D', 'T') or type.typbasetype <> 0)
         from pg_proc as function
         where function.pronamespace = 'vestibule'::regnamespace
           and has_function_privilege('authenticated', function.oid, 'execute')",
    )
    .fetch_all(&database.owner)
    .await
    .expect("the catalog");
    let with_time: Vec<_> = functions.iter().filter(|(_, takes_time)| *takes_time).collect();
    assert!(functions.len() >= 5 && with_time.is_empty(), "{functions:?}");
}

#[tokio::test]
async fn what_a_caller_creates_carries_the_databases_time() {
    let app = TestApp::start().await;
    app.database.set_clock(app.clock.now() + Duration::seconds(4)).await;
    app.create(ADA, "Acme", "acme").await;
    app.get("/onboarding", Who::Cookie(&token("user_grace"))).await;
    let times: String = app
        .database
        .value(
            "select string_agg(distinct to_char(at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), $1) from (
                select created_at from organizations union all select created_at from organization_users
                union all select created_at from user_profiles union all select updated_at from user_profiles
                union all select created_at from idempotency_keys
                union all select created_at from outbox_messages union all select available_at from outbox_messages
             ) as written (at)",
            ", ",
        )
        .await;
    assert_eq!(times, "2026-01-02 03:04:09");
}

#[tokio::test]
async fn times_that_cannot_be_are_refused_by_name() {
    let app = TestApp::start().await;
    let pool = app.database.pool_of(WORKER, 1);
    let broken = async |statement: &str, at: &str| {
        let mut transaction = pool.begin().await.expect("a transaction");
        let statement = statement.replace("{at}", at);
        let ended = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await;
        ended.err().map(|error| match error.as_database_error() {
            Some(error) => format!("{} {}", error.code().unwrap_or_default(), error.constraint().unwrap_or_default()),
            None => error.to_string(),
        })
    };
    for statement in [
        "select vestibule.sync_clerk_user('user_eve', 'Eve', null, now(), null, false, false, false, {at})",
        "select vestibule.forget_clerk_user('user_eve', {at})",
        "select vestibule.ask_to_sync('user_eve', {at})",
        "select vestibule.invite_profile(gen_random_uuid(), 'eve@example.test', 'acme', 'member', {at})",
    ] {
        for at in [
            "vestibule.clock() + interval '1 day 1 second'",
            "timestamptz '2019-12-31 23:59:59Z'",
            "timestamptz 'infinity'",
            "timestamptz '-infinity'",
        ] {
            let expected = "23514 moment_is_plausible";
            assert_eq!(broken(statement, at).await.as_deref(), Some(expected), "{statement} {at}");
        }
        for at in ["vestibule.clock()", "vestibule.clock() + interval '1 day'", "timestamptz '2020-01-01 00:00:00Z'"] {
            assert_eq!(broken(statement, at).await, None, "{statement} {at}");
        }
    }
    let forget = "select * from vestibule.forget_old_rows({at}, 1)";
    let recent = broken(forget, "vestibule.clock() - interval '23 hours 59 minutes'").await;
    assert_eq!(recent.as_deref(), Some("23514 forget_old_rows_keeps_a_day"));
    assert_eq!(broken(forget, "vestibule.clock() - interval '1 day'").await, None);
}

#[tokio::test]
async fn a_database_whose_clock_is_a_little_ahead_delays_no_message() {
    let app = TestApp::start().await;
    app.database.set_clock(app.clock.now() + Duration::seconds(2)).await;
    let body = json!({"name": "Acme", "slug": "acme"});
    let reply = app.post_json("/api/organizations/create", Who::Bearer(&token(ADA)), &body).await;
    assert_eq!(reply.text("/delivery"), "delivered");
}

#[tokio::test]
async fn a_database_whose_clock_is_far_ahead_does_not_hurry_retries() {
    let app = TestApp::start().await;
    app.clerk.plan([Plan::Refuse { status: 429, retry_after: Some(60) }]);
    create_pending(&app, ADA, "acme", "k").await;
    app.database.set_clock(app.clock.now() + Duration::hours(1)).await;
    app.clock.advance(Duration::seconds(57));
    assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle);
    app.clock.advance(Duration::seconds(4));
    assert_eq!(relay(app.state.outbox()).await, delivered(ADA));
}
