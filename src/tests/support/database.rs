//! One Postgres for the whole run, one database per test.
//!
//! `TEST_DATABASE_URL`, a superuser's address, names a server to use instead of the embedded one. One run at a time may
//! use it: databases that an earlier run left behind are dropped.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use embedded_postgres::{Cluster, Lifetime, Options};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use time::OffsetDateTime;
use url::Url;
use vestibule::dev::run::POSTGRES;
use vestibule::server::runtime::config::DatabaseConfig;
use vestibule::server::runtime::database;

pub const OWNER: &str = "vestibule_test_owner";
pub const REQUEST: &str = "vestibule_test_request";
pub const WORKER: &str = "vestibule_test_worker";
/// A login without any role.
pub const STRANGER: &str = "vestibule_test_stranger";
/// The password of every login. The server listens on loopback, only while the tests run.
const PASSWORD: &str = "only-for-tests";
/// The prefix of every database's name.
const PREFIX: &str = "vestibule_test_";
/// A migrated database, from which others are copied.
const TEMPLATE: &str = "vestibule_test_template";
/// All tables of ours.
pub const TABLES: [&str; 8] = [
    "organizations",
    "organization_users",
    "user_profiles",
    "outbox_messages",
    "idempotency_keys",
    "webhook_messages",
    "invited_profiles",
    "reconcile_progress",
];

struct Server {
    /// Keeps the embedded server alive; its supervisor ends it with this process.
    _cluster: Option<Cluster>,
    admin: String,
}

/// One test's database.
pub struct Database {
    pub name: String,
    /// A login of the tables' owner, which row level security does not restrict.
    pub owner: PgPool,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    // In its own thread: the server must not belong to the runtime of the test that happens to run first.
    SERVER.get_or_init(|| {
        let started = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(start())
        });
        started.join().expect("the database server starts")
    })
}

async fn start() -> Server {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let given = std::env::var("TEST_DATABASE_URL").ok();
    let (cluster, admin) = match given {
        Some(url) => (None, url),
        None => {
            let binaries =
                POSTGRES.find(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("npm packages are installed: make setup");
            let options = Options { binaries, data_dir: std::env::temp_dir(), lifetime: Lifetime::Throwaway };
            let cluster = Cluster::start(options).await.expect("Postgres starts");
            let admin = cluster.superuser_url("postgres");
            (Some(cluster), admin)
        }
    };
    let server = Server { _cluster: cluster, admin };
    let mut connection = PgConnection::connect(&server.admin).await.expect("the administrator");
    let left: Vec<String> = sqlx::query_scalar("select datname::text from pg_database where starts_with(datname, $1)")
        .bind(PREFIX)
        .fetch_all(&mut connection)
        .await
        .expect("databases");
    for name in left {
        run(&mut connection, &format!("drop database {name} with (force)")).await;
    }
    ensure_role(&mut connection, OWNER, &format!("login createrole password '{PASSWORD}'")).await;
    ensure_role(&mut connection, STRANGER, &format!("login password '{PASSWORD}'")).await;
    // Only on a server that already had them: an owner that did not create a role needs permission to grant it.
    run(
        &mut connection,
        &format!(
            "do $$ declare r text; begin
                for r in select rolname from pg_roles where rolname in ('authenticated', 'outbox_worker') loop
                    execute format('grant %I to {OWNER} with admin option', r);
                end loop;
            end $$"
        ),
    )
    .await;
    run(&mut connection, &format!("create database {TEMPLATE} owner {OWNER}")).await;
    let config = server.config(TEMPLATE, REQUEST);
    database::migrate(&server.url(OWNER, TEMPLATE), &config).await.expect("the schema");
    // The roles of a Supabase project, for the tests that need them. Other tests must not depend on them.
    ensure_role(&mut connection, "anon", "nologin").await;
    ensure_role(&mut connection, "service_role", "nologin bypassrls").await;
    connection.close().await.expect("closed");
    server
}

/// Runs statements whose text is ours.
pub async fn run(connection: &mut PgConnection, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await.expect(statement);
}

async fn ensure_role(connection: &mut PgConnection, name: &str, rights: &str) {
    let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(name)
        .fetch_one(&mut *connection)
        .await
        .expect("roles");
    let verb = if exists { "alter" } else { "create" };
    run(connection, &format!("{verb} role {name} {rights}")).await;
}

impl Server {
    fn url(&self, login: &str, database: &str) -> SecretString {
        let mut url = Url::parse(&self.admin).expect("an address");
        url.set_username(login).expect("a name");
        url.set_password(Some(PASSWORD)).expect("a password");
        url.set_path(database);
        SecretString::from(String::from(url))
    }

    fn config(&self, database: &str, request: &str) -> DatabaseConfig {
        DatabaseConfig {
            request: self.url(request, database),
            worker: self.url(WORKER, database),
            migration: Some(self.url(OWNER, database)),
        }
    }
}

/// A pool of the superuser.
pub fn admin_pool(database: &str) -> PgPool {
    let mut url = Url::parse(&server().admin).expect("an address");
    url.set_path(database);
    pool(url.as_str(), 1)
}

/// A pool that connects when it is first used.
pub fn pool(url: &str, connections: u32) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("an address");
    PgPoolOptions::new().max_connections(connections).connect_lazy_with(options)
}

impl Database {
    /// A new database with the schema and nothing in it.
    pub async fn create() -> Self {
        Self::copy_of(TEMPLATE).await
    }

    /// A new database without the schema.
    pub async fn create_empty() -> Self {
        Self::copy_of("template1").await
    }

    async fn copy_of(template: &str) -> Self {
        let name = format!("{PREFIX}{}", uuid::Uuid::now_v7().simple());
        let mut connection = PgConnection::connect(&server().admin).await.expect("the administrator");
        run(&mut connection, &format!("create database {name} template {template} owner {OWNER}")).await;
        connection.close().await.expect("closed");
        let owner = pool(server().url(OWNER, &name).expose_secret(), 2);
        Self { name, owner }
    }

    /// The addresses as the environment would hold them.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let config = self.config();
        let addresses = [("DATABASE_URL", config.request), ("DATABASE_WORKER_URL", config.worker)];
        addresses.map(|(name, url)| (name.to_owned(), url.expose_secret().to_owned())).into()
    }

    pub fn config(&self) -> DatabaseConfig {
        server().config(&self.name, REQUEST)
    }

    /// The same with another login for requests.
    pub fn config_with_request_login(&self, login: &str) -> DatabaseConfig {
        server().config(&self.name, login)
    }

    pub async fn migrate(&self) -> Result<(), database::DatabaseError> {
        database::migrate(&server().url(OWNER, &self.name), &self.config()).await
    }

    /// A pool of one of the logins.
    pub fn pool_of(&self, login: &str, connections: u32) -> PgPool {
        pool(server().url(login, &self.name).expose_secret(), connections)
    }

    /// Runs a statement as the owner, with one text as its parameter.
    pub async fn as_owner(&self, statement: &'static str, parameter: &str) -> u64 {
        sqlx::query(statement).bind(parameter).execute(&self.owner).await.expect(statement).rows_affected()
    }

    /// One value that the owner can see, with one text as the parameter.
    pub async fn value<T>(&self, query: &'static str, parameter: &str) -> T
    where
        T: Send + Unpin + sqlx::Type<sqlx::Postgres> + for<'r> sqlx::Decode<'r, sqlx::Postgres>,
    {
        sqlx::query_scalar(query).bind(parameter).fetch_one(&self.owner).await.expect(query)
    }

    /// Sets the database's clock, which stands still from then on.
    pub async fn set_clock(&self, now: OffsetDateTime) {
        let ms = now.unix_timestamp_nanos() / 1_000_000;
        self.replace_clock(&format!("timestamptz 'epoch' + {ms} * interval '1 millisecond'")).await;
    }

    /// Lets the database's clock run again: the machine's, as the migrations have it.
    pub async fn release_clock(&self) {
        self.replace_clock("pg_catalog.now()").await;
    }

    async fn replace_clock(&self, time: &str) {
        let clock = format!(
            "create or replace function vestibule.clock() returns timestamptz language sql stable parallel safe
             as $$ select {time} $$"
        );
        sqlx::raw_sql(AssertSqlSafe(clock)).execute(&self.owner).await.expect("the clock");
    }

    /// How many rows each of the first six of [`TABLES`] has.
    pub async fn counts(&self) -> [i64; 6] {
        let mut counts = [0; 6];
        for (count, table) in counts.iter_mut().zip(TABLES) {
            let query = format!("select count(*) from {table}");
            *count = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&self.owner).await.expect("a count");
        }
        counts
    }
}
