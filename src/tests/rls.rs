//! Row level security: what each login can reach, however the product behaves.

use serde_json::json;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Postgres, Transaction};
use vestibule::model::claims::ActiveOrganizationClaim;
use vestibule::model::gate::MembershipEvidence;
use vestibule::server::runtime::database::{DatabaseError, Pools, check_logins, open};
use vestibule::server::session::{SessionClaims, SessionToken};
use vestibule::server::tenancy::Tenancy;

use crate::support::TestApp;
use crate::support::database::{REQUEST, STRANGER, TABLES, WORKER, admin_pool};
use crate::support::keys::token;

/// SQLSTATE `insufficient_privilege`.
const DENIED: &str = "42501";

/// A transaction as the product opens it, with arbitrary claims.
async fn as_caller(pool: &PgPool, claims: &str) -> Transaction<'static, Postgres> {
    let mut transaction = pool.begin().await.expect("a transaction");
    sqlx::query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)")
        .bind(claims)
        .execute(&mut *transaction)
        .await
        .expect("the role");
    transaction
}

fn sub(user: &str) -> String {
    json!({"sub": user}).to_string()
}

/// A statement's SQLSTATE, or the number of affected rows.
async fn outcome(transaction: &mut Transaction<'static, Postgres>, statement: &str) -> String {
    match sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut **transaction).await {
        Ok(done) => format!("{} rows", done.rows_affected()),
        Err(error) => {
            error.as_database_error().and_then(|e| e.code()).map_or_else(|| error.to_string(), |code| code.into_owned())
        }
    }
}

async fn count(transaction: &mut Transaction<'static, Postgres>, table: &str) -> i64 {
    let query = if table == "outbox_messages" {
        "select count(id) from outbox_messages".to_owned()
    } else {
        format!("select count(*) from {table}")
    };
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut **transaction).await.expect("a count")
}

/// Ada and Grace, each with an organization. Returns Ada's.
async fn two_users(app: &TestApp) -> String {
    let id = app.create("user_ada", "Acme", "acme").await;
    app.create("user_grace", "Harbour", "harbour").await;
    id
}

async fn claims(app: &TestApp, user: &str) -> SessionClaims {
    let token = SessionToken::new(&token(user)).expect("a token");
    app.state.verifier().verify(&token).await.expect("verified")
}

#[tokio::test]
async fn every_table_is_under_row_level_security() {
    let app = TestApp::start().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname <> '_sqlx_migrations'
           and not (c.relrowsecurity
             and (exists (select from pg_policy p where p.polrelid = c.oid)
               or not has_table_privilege('authenticated', c.oid, 'select, insert, update, delete')))",
    )
    .fetch_all(&app.database.owner)
    .await
    .expect("the catalog");
    assert_eq!(open, Vec::<String>::new());
    let tables: Vec<String> = sqlx::query_scalar(
        "select tablename::text from pg_tables where schemaname = 'public' and tablename <> '_sqlx_migrations' order by 1",
    )
    .fetch_all(&app.database.owner)
    .await
    .expect("the catalog");
    let mut known = TABLES.map(str::to_owned).to_vec();
    known.sort();
    assert_eq!(tables, known, "a new table needs tests in this file");
}

#[tokio::test]
async fn functions_with_the_owners_rights_have_a_fixed_search_path_and_no_public_grant() {
    let app = TestApp::start().await;
    let loose: Vec<String> = sqlx::query_scalar(
        "select p.oid::regprocedure::text from pg_proc p
         where p.pronamespace in ('public'::regnamespace, 'vestibule'::regnamespace)
           and (has_function_privilege('public', p.oid, 'execute')
             or p.prosecdef and not coalesce('search_path=\"\"' = any (p.proconfig), false))",
    )
    .fetch_all(&app.database.owner)
    .await
    .expect("the catalog");
    assert_eq!(loose, Vec::<String>::new());
    // PostgREST serves the functions of this schema to every client.
    let in_public = "select count(*) from pg_proc where pronamespace = 'public'::regnamespace and $1 = ''";
    assert_eq!(app.database.value::<i64>(in_public, "").await, 0);
}

#[tokio::test]
async fn the_logins_own_nothing_and_bypass_nothing() {
    let app = TestApp::start().await;
    for login in [REQUEST, WORKER] {
        let query = "select r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
                or exists (select from pg_class where relowner = r.oid) or exists (select from pg_proc where proowner = r.oid)
                or exists (select from pg_database where datdba = r.oid)
             from pg_roles r where rolname = $1";
        assert!(!app.database.value::<bool>(query, login).await, "{login}");
    }
    check_logins(&app.pools).await.expect("the product agrees");
}

#[tokio::test]
async fn outside_of_a_tenant_transaction_the_request_login_reaches_nothing() {
    let app = TestApp::start().await;
    two_users(&app).await;
    let pool = app.database.pool_of(REQUEST, 1);
    let mut statements: Vec<String> = TABLES.iter().map(|table| format!("select count(*) from {table}")).collect();
    statements.extend(
        [
            "select vestibule.requesting_user_id()",
            "select vestibule.organization_slug_taken('acme')",
            "select * from vestibule.requesting_user_organization_ids()",
            "select id from outbox_messages",
            "select * from _sqlx_migrations",
            "create table mine (id int)",
            "set role outbox_worker",
            "set role vestibule_test_owner",
            "select * from vestibule.create_organization(gen_random_uuid(), 'A', 'aa', null, '')",
            "select vestibule.rename_organization(gen_random_uuid(), 'A')",
            "select vestibule.ensure_profile()",
        ]
        .map(str::to_owned),
    );
    for statement in statements {
        let mut transaction = pool.begin().await.expect("a transaction");
        assert_eq!(outcome(&mut transaction, &statement).await, DENIED, "{statement}");
    }
}

#[tokio::test]
async fn a_user_sees_nothing_of_another() {
    let app = TestApp::start().await;
    let acme = two_users(&app).await;
    let pool = app.database.pool_of(REQUEST, 2);
    for (user, rows) in [("user_ada", 1), ("user_grace", 1), ("user_eve", 0)] {
        let mut transaction = as_caller(&pool, &sub(user)).await;
        for table in ["organizations", "organization_users", "user_profiles", "outbox_messages"] {
            assert_eq!(count(&mut transaction, table).await, rows, "{user} {table}");
        }
        assert_eq!(outcome(&mut transaction, "select * from idempotency_keys").await, DENIED);
    }
    let mut grace = as_caller(&pool, &sub("user_grace")).await;
    let foreign = format!("select from organizations where id = '{acme}'");
    assert_eq!(outcome(&mut grace, &foreign).await, "0 rows");
    assert_eq!(outcome(&mut grace, "select from user_profiles where user_id = 'user_ada'").await, "0 rows");
    assert_eq!(outcome(&mut grace, "select payload from outbox_messages").await, DENIED);

    // A member sees the organization's other members, and nothing else of theirs.
    app.database
        .as_owner("insert into organization_users values ($1::uuid, 'user_grace', 'member', now())", &acme)
        .await;
    let mut grace = as_caller(&pool, &sub("user_grace")).await;
    for (table, rows) in [("organizations", 2), ("organization_users", 3), ("user_profiles", 2), ("outbox_messages", 1)]
    {
        assert_eq!(count(&mut grace, table).await, rows, "{table}");
    }
}

#[tokio::test]
async fn claims_without_a_subject_see_nothing() {
    let app = TestApp::start().await;
    two_users(&app).await;
    let pool = app.database.pool_of(REQUEST, 1);
    for claims in [
        "",
        "{}",
        r#"{"sub":null}"#,
        r#"{"sub":""}"#,
        r#"{"sub":"%"}"#,
        r#"{"sub":["user_ada"]}"#,
        r#"{"user_id":"user_ada"}"#,
    ] {
        let mut transaction = as_caller(&pool, claims).await;
        for table in ["organizations", "organization_users", "user_profiles", "outbox_messages"] {
            assert_eq!(count(&mut transaction, table).await, 0, "{claims} {table}");
        }
    }
    let mut anonymous = as_caller(&pool, "").await;
    let create = "select * from vestibule.create_organization(gen_random_uuid(), 'Evil', 'evil', null, '')";
    assert_eq!(outcome(&mut anonymous, create).await, DENIED);
}

#[tokio::test]
async fn nothing_can_be_written_except_through_the_one_function() {
    let app = TestApp::start().await;
    let acme = two_users(&app).await;
    app.database
        .as_owner("insert into organization_users values ($1::uuid, 'user_grace', 'member', now())", &acme)
        .await;
    let before: String = app.database.value(WHOLE, "").await;
    let pool = app.database.pool_of(REQUEST, 1);
    let mut statements: Vec<String> = [
        "insert into organizations values (gen_random_uuid(), 'Evil', 'evil', 'user_grace', now())",
        "update organizations set name = 'Evil'",
        "insert into organization_users values ('{acme}', 'user_grace', 'owner', now())",
        "insert into organization_users values ('{acme}', 'user_eve', 'member', now())",
        "insert into organization_users values ('{acme}', 'user_grace', 'owner', now()) on conflict (organization_id, user_id) do update set role = 'owner'",
        "update organization_users set role = 'owner' where user_id = 'user_grace'",
        "insert into user_profiles values ('user_eve', 'Eve', 'ada@example.test', '{acme}', now(), now())",
        "update user_profiles set active_organization_id = '{acme}' where user_id = 'user_grace'",
        "update user_profiles set email = 'ada@example.test' where user_id = 'user_grace'",
        "insert into outbox_messages (user_id, kind, payload, created_at, available_at) values ('user_grace', 'update_user_metadata', '{}', now(), now())",
        "update outbox_messages set delivered_at = null where user_id = 'user_grace'",
        "insert into idempotency_keys values ('user_grace', 'k', '', '{acme}', now())",
        "update idempotency_keys set organization_id = '{acme}'",
        "select nextval('outbox_messages_id_seq')",
        "alter table organizations disable row level security",
        "create policy mine on organizations for all using (true)",
        "create function mine() returns int language sql as 'select 1'",
    ]
    .map(|statement| statement.replace("{acme}", &acme))
    .into();
    for table in TABLES {
        statements.extend([
            format!("delete from {table}"),
            format!("truncate {table} cascade"),
            format!("lock table {table}"),
            format!("drop table {table}"),
        ]);
    }
    for statement in statements {
        let mut grace = as_caller(&pool, &sub("user_grace")).await;
        assert_eq!(outcome(&mut grace, &statement).await, DENIED, "{statement}");
        grace.rollback().await.expect("rolled back");
    }
    assert_eq!(app.database.value::<String>(WHOLE, "").await, before);
}

/// A message about a user.
const WEBHOOK: &str = "insert into webhook_messages (id, type, user_id, payload, received_at, available_at)
    values ('m1', 'user.updated', $1, '{}', now(), now())";

/// Not even their own: they contain private metadata.
#[tokio::test]
async fn callers_reach_neither_webhooks_nor_their_functions() {
    let app = TestApp::start().await;
    two_users(&app).await;
    app.database.as_owner(WEBHOOK, "user_ada").await;
    let pool = app.database.pool_of(REQUEST, 1);
    for statement in [
        "select from webhook_messages",
        "select id from webhook_messages where user_id = 'user_ada'",
        "insert into webhook_messages (id, type, received_at, available_at) values ('m2', 'user.deleted', now(), now())",
        "update webhook_messages set payload = null",
        "delete from webhook_messages",
        "select vestibule.clock()",
        "select vestibule.due_until(now())",
        "select vestibule.wake_the_relay()",
        "select vestibule.sync_clerk_user('user_ada', 'Eve', 'ada@example.test', now(), null, true, true, false, now())",
        "select vestibule.forget_clerk_user('user_grace', now())",
        "select vestibule.list_users('', 10)",
        "select vestibule.list_unknown_users(array['user_grace'])",
        "select vestibule.ask_to_sync('user_ada', now())",
        "select vestibule.invite_profile(gen_random_uuid(), 'ada@example.test', 'harbour', 'admin', now())",
        "select vestibule.list_ownerless_organizations()",
        "select from invited_profiles",
        "insert into invited_profiles select gen_random_uuid(), 'ada@example.test', id, 'admin', now() from organizations",
        "select from reconcile_progress",
        "select vestibule.check_new_member()",
        "select * from vestibule.forget_old_rows(now(), 1)",
        "select vestibule.applied_migrations()",
        "select version from _sqlx_migrations",
        "update organizations set ownerless_since = null",
        "update user_profiles set deleted_at = null, clerk_updated_at = now()",
    ] {
        let mut ada = as_caller(&pool, &sub("user_ada")).await;
        assert_eq!(outcome(&mut ada, statement).await, DENIED, "{statement}");
        ada.rollback().await.expect("rolled back");
    }
}

/// All tenant rows as one text.
const WHOLE: &str = "select concat($1::text,
    (select json_agg(t order by id) from organizations t), (select json_agg(t order by organization_id, user_id) from organization_users t),
    (select json_agg(t order by user_id) from user_profiles t), (select json_agg(t order by id) from outbox_messages t),
    (select json_agg(t order by user_id, key) from idempotency_keys t), (select json_agg(t order by id) from webhook_messages t))";

#[tokio::test]
async fn a_pooled_connection_keeps_neither_role_nor_claims() {
    let app = TestApp::start().await;
    two_users(&app).await;
    let pool = app.database.pool_of(REQUEST, 1);
    let tenancy = Tenancy::new(pool.clone());
    let ada = claims(&app, "user_ada").await;
    for committed in [true, false] {
        let mut transaction = tenancy.begin(&ada).await.expect("the door opens");
        let membership = transaction.membership(ActiveOrganizationClaim::Absent).await.expect("an answer");
        assert!(matches!(membership, MembershipEvidence::Other(_)), "{membership:?}");
        if committed {
            transaction.commit().await.expect("committed");
        } else {
            drop(transaction);
        }
        let left: (String, String, Option<String>) = sqlx::query_as(
            "select current_user::text, current_setting('role'), nullif(current_setting('request.jwt.claims', true), '')",
        )
        .fetch_one(&pool)
        .await
        .expect("the same connection");
        assert_eq!(left, (REQUEST.to_owned(), "none".to_owned(), None), "committed: {committed}");
        // A role without claims, set by mistake, reaches nothing.
        let mut transaction = pool.begin().await.expect("a transaction");
        sqlx::query("set local role authenticated").execute(&mut *transaction).await.expect("the role");
        let caller: Option<String> = sqlx::query_scalar("select vestibule.requesting_user_id()")
            .fetch_one(&mut *transaction)
            .await
            .expect("an answer");
        assert_eq!(caller, None);
        assert_eq!(count(&mut transaction, "organizations").await, 0);
    }
}

#[tokio::test]
async fn the_worker_reaches_the_outbox_webhooks_and_profiles_only() {
    let app = TestApp::start().await;
    two_users(&app).await;
    app.database.as_owner(WEBHOOK, "user_ada").await;
    let pool = app.database.pool_of(WORKER, 1);
    let expected = [
        ("select from organizations", DENIED),
        ("select from organization_users", DENIED),
        ("select from idempotency_keys", DENIED),
        ("delete from webhook_messages", DENIED),
        ("select vestibule.create_organization(gen_random_uuid(), 'A', 'aa', null, '')", DENIED),
        ("select vestibule.rename_organization(gen_random_uuid(), 'A')", DENIED),
        ("select vestibule.check_new_member()", DENIED),
        ("select vestibule.organization_slug_taken('acme')", DENIED),
        ("select vestibule.requesting_user_id()", DENIED),
        ("set role authenticated", DENIED),
        (
            "insert into outbox_messages (user_id, kind, payload, created_at, available_at) values ('u', 'update_user_metadata', '{}', now(), now())",
            DENIED,
        ),
        ("delete from outbox_messages", DENIED),
        ("select version from _sqlx_migrations", DENIED),
        ("delete from user_profiles", DENIED),
        ("insert into user_profiles values ('u', null, null, null, now(), now())", DENIED),
        ("select from outbox_messages", "2 rows"),
        ("select from webhook_messages", "1 rows"),
        ("update webhook_messages set attempts = attempts", "1 rows"),
        (
            "insert into webhook_messages (id, type, received_at, available_at) values ('m2', 'user.created', now(), now())",
            "1 rows",
        ),
        (
            "select vestibule.sync_clerk_user('user_eve', 'Eve', null, now(), null, false, false, false, vestibule.clock())",
            "1 rows",
        ),
        ("select vestibule.forget_clerk_user('user_eve', vestibule.clock())", "0 rows"),
        ("select * from vestibule.forget_old_rows(vestibule.clock() - interval '1 day', 1)", "1 rows"),
        ("select vestibule.applied_migrations() limit 1", "1 rows"),
        ("update outbox_messages set attempts = attempts", "2 rows"),
        ("select from user_profiles", "2 rows"),
        ("update user_profiles set display_name = display_name", DENIED),
    ];
    for (statement, end) in expected {
        let mut transaction = pool.begin().await.expect("a transaction");
        assert_eq!(outcome(&mut transaction, statement).await, end, "{statement}");
        transaction.rollback().await.expect("rolled back");
    }
}

#[tokio::test]
async fn the_start_rejects_over_privileged_and_unusable_logins() {
    let app = TestApp::start().await;
    let with = |request: PgPool| Pools { request, worker: app.pools.worker.clone() };
    let superuser = check_logins(&with(admin_pool(&app.database.name))).await;
    assert!(matches!(superuser, Err(DatabaseError::OverPrivileged { name: "DATABASE_URL", .. })), "{superuser:?}");
    let owner = check_logins(&with(app.database.owner.clone())).await;
    assert!(matches!(owner, Err(DatabaseError::OverPrivileged { .. })), "{owner:?}");
    let stranger = open(&app.database.config_with_request_login(STRANGER)).expect("addresses");
    let stranger = check_logins(&stranger).await;
    assert!(matches!(stranger, Err(DatabaseError::NotMember { group: "authenticated", .. })), "{stranger:?}");
    let swapped = Pools { request: app.pools.request.clone(), worker: app.pools.request.clone() };
    let swapped = check_logins(&swapped).await;
    assert!(matches!(swapped, Err(DatabaseError::NotMember { group: "outbox_worker", .. })), "{swapped:?}");
}
