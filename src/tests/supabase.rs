//! Migrations: with Supabase's roles and default grants, and when several run at once.

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use vestibule::server::runtime::config::DatabaseConfig;
use vestibule::server::runtime::database::{check_logins, migrate, open};

use crate::support::database::{Database, OWNER, STRANGER, admin_pool, run};

/// What Supabase does to every project's `public` schema.
const SUPABASE_DEFAULTS: &str = "
    grant usage on schema public to anon, authenticated, service_role;
    alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
    alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
    alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;";

/// Every privilege that a role, or every role, was given on anything in `public` and `vestibule`, as `object privilege`.
async fn grants(database: &Database, role: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select distinct found.object || ' ' || lower(found.privilege) from (
            select c.relnamespace, c.relname::text, a.privilege_type, a.grantee from pg_class c, aclexplode(c.relacl) a
            union all
            select c.relnamespace, c.relname || '.' || t.attname, a.privilege_type, a.grantee
            from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
            union all
            select p.pronamespace, p.proname || '()', a.privilege_type, a.grantee
            from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
            union all
            select n.oid, n.nspname::text, a.privilege_type, a.grantee
            from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'vestibule'
         ) as found (namespace, object, privilege, grantee)
         where found.namespace in ('public'::regnamespace, 'vestibule'::regnamespace)
           and (found.grantee = 0 or found.grantee = (select oid from pg_roles where rolname = $1))
         order by 1",
    )
    .bind(role)
    .fetch_all(&database.owner)
    .await
    .expect("the catalog")
}

/// All that callers may do.
const MEANT: [&str; 17] = [
    "create_organization() execute",
    "ensure_profile() execute",
    "organization_slug_taken() execute",
    "organization_users select",
    "organizations select",
    "outbox_messages.attempts select",
    "outbox_messages.created_at select",
    "outbox_messages.dead_at select",
    "outbox_messages.delivered_at select",
    "outbox_messages.id select",
    "outbox_messages.kind select",
    "outbox_messages.user_id select",
    "rename_organization() execute",
    "requesting_user_id() execute",
    "requesting_user_organization_ids() execute",
    "user_profiles select",
    "vestibule usage",
];

#[tokio::test]
async fn supabases_default_grants_are_revoked() {
    let database = Database::create_empty().await;
    let mut owner = PgConnection::connect(database.config().migration.expect("the owner").expose_secret())
        .await
        .expect("the owner");
    run(&mut owner, SUPABASE_DEFAULTS).await;
    database.migrate().await.expect("the schema");
    assert_eq!(grants(&database, "anon").await, Vec::<String>::new());
    assert_eq!(grants(&database, "service_role").await, Vec::<String>::new());
    assert_eq!(grants(&database, "authenticated").await, MEANT);
    check_logins(&open(&database.config()).expect("addresses")).await.expect("the logins fit");
}

/// The same for all schemas: a project may have been set up so.
const DEFAULTS_FOR_ALL_SCHEMAS: &str = "
    alter default privileges grant all on tables to public, anon, authenticated, service_role;
    alter default privileges grant all on functions to anon, authenticated, service_role;
    alter default privileges grant all on sequences to public, anon, authenticated, service_role;
    alter default privileges grant all on schemas to public, anon, authenticated, service_role;";

/// What a later migration may create, and forget to close.
const LATER: &str = "
    create table public.later (id bigint generated always as identity);
    create view public.later_view as select id from public.later;
    create function public.later() returns int language sql as 'select 1';
    create table vestibule.later (id bigint generated always as identity);
    create function vestibule.later() returns int language sql security definer set search_path = '' as 'select 1';";

#[tokio::test]
async fn what_a_later_migration_creates_is_closed_until_it_grants_it() {
    for defaults in ["", SUPABASE_DEFAULTS, DEFAULTS_FOR_ALL_SCHEMAS] {
        let database = Database::create_empty().await;
        let config = database.config();
        let mut owner =
            PgConnection::connect(config.migration.expect("the owner").expose_secret()).await.expect("the owner");
        run(&mut owner, defaults).await;
        database.migrate().await.expect("the schema");
        run(&mut owner, LATER).await;
        let admin = admin_pool(&database.name);
        for role in ["anon", "authenticated", "service_role", "outbox_worker", STRANGER] {
            for statement in [
                "select id from public.later",
                "insert into public.later default values",
                "select nextval('public.later_id_seq')",
                "select id from public.later_view",
                "select public.later()",
                "select id from vestibule.later",
                "select vestibule.later()",
            ] {
                let mut transaction = admin.begin().await.expect("a transaction");
                run(&mut transaction, &format!("set local role {role}")).await;
                let refused = sqlx::raw_sql(statement).execute(&mut *transaction).await;
                let code = refused.err().and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
                assert_eq!(code.as_deref(), Some("42501"), "{role}: {statement}, after {defaults:?}");
            }
        }
        assert_eq!(grants(&database, "anon").await, Vec::<String>::new());
        assert_eq!(grants(&database, "authenticated").await, MEANT);
    }
}

#[tokio::test]
async fn plain_postgres_gives_the_same_grants() {
    let database = Database::create().await;
    assert_eq!(grants(&database, "authenticated").await, MEANT);
    assert_eq!(grants(&database, "anon").await, Vec::<String>::new());
}

#[tokio::test]
async fn repeated_and_concurrent_migrations_are_harmless() {
    let database = Database::create_empty().await;
    let (first, second, third) = tokio::join!(database.migrate(), database.migrate(), database.migrate());
    for result in [first, second, third] {
        result.expect("all agree");
    }
    database.migrate().await.expect("nothing to do");
    let applied: i64 = database.value("select count(*) from _sqlx_migrations where success and $1 = ''", "").await;
    assert!(applied >= 1);
    assert_eq!(grants(&database, "authenticated").await, MEANT);
}

/// Logins are shared by the whole server, so migrations of two databases conflict there.
#[tokio::test]
async fn several_databases_can_be_migrated_at_once_with_new_logins() {
    let name = uuid::Uuid::now_v7().simple().to_string();
    let logins = [format!("vestibule_test_r{name}"), format!("vestibule_test_w{name}")];
    let databases = tokio::join!(Database::create_empty(), Database::create_empty(), Database::create_empty());
    let databases = [databases.0, databases.1, databases.2];
    let migrated = databases.each_ref().map(|database| {
        let config = database.config();
        let with = |login: &str| {
            let mut url = url::Url::parse(config.request.expose_secret()).expect("an address");
            url.set_username(login).expect("a name");
            SecretString::from(String::from(url))
        };
        let owner = config.migration.clone().expect("the owner");
        let changed = DatabaseConfig { request: with(&logins[0]), worker: with(&logins[1]), migration: None };
        // In separate threads, so that they really run at once.
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                migrate(&owner, &changed).await.map_err(|error| error.to_string())?;
                check_logins(&open(&changed).expect("addresses")).await.map_err(|error| error.to_string())
            })
        })
    });
    let mut results = Vec::new();
    for handle in migrated {
        results.push(handle.await.expect("no panic"));
    }
    let admin = admin_pool("postgres");
    for login in logins {
        sqlx::raw_sql(AssertSqlSafe(format!("drop role {login}"))).execute(&admin).await.expect("dropped");
    }
    assert_eq!(results, [Ok(()), Ok(()), Ok(())]);
}

#[tokio::test]
async fn the_owner_is_not_a_superuser() {
    let database = Database::create().await;
    assert!(!database.value::<bool>("select rolsuper or rolbypassrls from pg_roles where rolname = $1", OWNER).await);
}
