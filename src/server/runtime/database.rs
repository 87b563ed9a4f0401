//! Connections, migrations and roles.
//!
//! Three logins with different rights, so that a mistake in one place cannot reach everything:
//! - request: no rights of its own; becomes `authenticated` for one transaction (see `tenancy`);
//! - worker: a member of `outbox_worker`: the outbox, webhooks, what they say about users, and invitations. It can make any
//!   user a member;
//! - migration: the owner. It runs this file's `migrate`, and serves no requests.
//!
//! Statements are checked by tests, not by the compiler. `sqlx::query!` was weighed and left: almost every statement calls a
//! function of ours, whose nullability it cannot see, or runs under a role and policies that it does not know; and its
//! recorded descriptions (`.sqlx`) need a live database at every change. Instead the tests have a real Postgres prepare each
//! statement of `src/server` (`src/tests/statements.rs`), and rows are read into structs by their columns' names.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use url::Url;

use crate::server::runtime::config::DatabaseConfig;
use secrecy::{ExposeSecret as _, SecretString};

/// How long a request waits for a free connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);
/// Connections for requests. Two cores cannot use more at once.
const REQUEST_CONNECTIONS: u32 = 16;
/// Connections for the relay and webhooks.
const WORKER_CONNECTIONS: u32 = 4;

/// The schema, embedded in the binary.
static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("{0} is not a database address that can be read")]
    Address(&'static str),
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error(
        "the login {login:?} of {name} may bypass row level security or owns tables, itself or through a role it is a member of. Give it no rights of its own, then start again."
    )]
    TooMighty { name: &'static str, login: String },
    #[error(
        "the login {login:?} of {name} is not a member of {group:?}. Run `vestibule migrate`, or as an administrator: GRANT {group} TO {login}"
    )]
    NotMember { name: &'static str, login: String, group: &'static str },
    #[error(
        "the database is older than this program: migration {missing} was not applied. Run `vestibule migrate`, then start again."
    )]
    Outdated { missing: String },
}

/// The pools of a running server.
#[derive(Clone)]
pub struct Pools {
    pub request: PgPool,
    pub worker: PgPool,
}

/// Opens the pools. Connects when first used, so that the server can start, and say what is wrong, while the database is down.
pub fn open(config: &DatabaseConfig) -> Result<Pools, DatabaseError> {
    let pool = |url: &SecretString, name, connections| {
        let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| DatabaseError::Address(name))?;
        Ok::<_, DatabaseError>(
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_LIMIT)
                .connect_lazy_with(options.application_name("vestibule")),
        )
    };
    Ok(Pools {
        request: pool(&config.request, "DATABASE_URL", REQUEST_CONNECTIONS)?,
        worker: pool(&config.worker, "DATABASE_WORKER_URL", WORKER_CONNECTIONS)?,
    })
}

/// Creates tables and the roles that are missing. Safe to repeat, and to run twice at once.
pub async fn migrate(owner: &SecretString, config: &DatabaseConfig) -> Result<(), DatabaseError> {
    let mut connection = PgConnection::connect(owner.expose_secret()).await?;
    // By default, what an owner called `vestibule` makes would lie in the schema of that name.
    sqlx::query("set search_path to public").execute(&mut connection).await?;
    MIGRATOR.run(&mut connection).await?;
    ensure_login(&mut connection, &config.request, "DATABASE_URL", "authenticated", "noinherit").await?;
    ensure_login(&mut connection, &config.worker, "DATABASE_WORKER_URL", "outbox_worker", "inherit").await?;
    connection.close().await?;
    Ok(())
}

/// Creates the login that an address names, unless it exists, and makes it a member of `group`.
async fn ensure_login(
    connection: &mut PgConnection,
    url: &SecretString,
    name: &'static str,
    group: &'static str,
    inherit: &str,
) -> Result<(), DatabaseError> {
    let parsed = Url::parse(url.expose_secret()).map_err(|_| DatabaseError::Address(name))?;
    let login = percent_decoded(parsed.username());
    let password = parsed.password().map(percent_decoded);
    let mut tx = connection.begin().await?;
    let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(&login)
        .fetch_one(&mut *tx)
        .await?;
    if !exists {
        // Identifiers and passwords cannot be parameters here; the database quotes them itself.
        let statement: String =
            sqlx::query_scalar("select format('create role %I login %s password %L', $1::text, $2::text, $3::text)")
                .bind(&login)
                .bind(inherit)
                .bind(password.unwrap_or_default())
                .fetch_one(&mut *tx)
                .await?;
        match sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *tx).await {
            Ok(_) => {}
            // Another database of this cluster was quicker. Roles are shared, but no lock reaches across databases.
            Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42710" | "23505")) => {
                tx.rollback().await?;
                return Box::pin(ensure_login(connection, url, name, group, inherit)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let member: bool =
        sqlx::query_scalar("select pg_has_role($1, $2, 'member')").bind(&login).bind(group).fetch_one(&mut *tx).await?;
    if !member {
        let statement: String = sqlx::query_scalar("select format('grant %I to %I', $1::text, $2::text)")
            .bind(group)
            .bind(&login)
            .fetch_one(&mut *tx)
            .await?;
        // A grant waits for another one of the same role, and finds it done.
        if sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *tx).await.is_err() {
            return Err(DatabaseError::NotMember { name, login, group });
        }
    }
    tx.commit().await?;
    Ok(())
}

/// What a login may do.
#[derive(sqlx::FromRow)]
struct LoginRow {
    login: String,
    is_over_privileged: bool,
    is_member: bool,
}

/// Refuses logins that row level security would not hold back.
pub async fn check_logins(pools: &Pools) -> Result<(), DatabaseError> {
    for (pool, name, group) in
        [(&pools.request, "DATABASE_URL", "authenticated"), (&pools.worker, "DATABASE_WORKER_URL", "outbox_worker")]
    {
        let LoginRow { login, is_over_privileged, is_member } = sqlx::query_as(
            "select
                current_user::text as login,
                exists (
                    select from pg_roles as reachable
                    where (reachable.rolsuper or reachable.rolbypassrls)
                      and pg_has_role(current_user, reachable.oid, 'member')
                ) or exists (
                    select from pg_tables
                    where schemaname in ('public', 'vestibule') and pg_has_role(current_user, tableowner, 'member')
                ) as is_over_privileged,
                case
                    when exists (select from pg_roles where rolname = $1) then pg_has_role(current_user, $1, 'member')
                    else false
                end as is_member",
        )
        .bind(group)
        .fetch_one(pool)
        .await?;
        if is_over_privileged {
            return Err(DatabaseError::TooMighty { name, login });
        }
        if !is_member {
            return Err(DatabaseError::NotMember { name, login, group });
        }
    }
    Ok(())
}

/// Refuses a database that lacks a migration of this binary, and gives those that it does not know: after a newer binary
/// has migrated, the older processes go on until they are replaced.
pub async fn check_schema(pools: &Pools) -> Result<Vec<i64>, DatabaseError> {
    let applied: Result<Vec<i64>, _> =
        sqlx::query_scalar("select vestibule.applied_migrations()").fetch_all(&pools.worker).await;
    let applied = match applied {
        Ok(applied) => applied,
        // No such schema, or no such function: not one run of the migrations was finished.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("3F000" | "42883")) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    let missing: Vec<_> = known.iter().filter(|version| !applied.contains(version)).collect();
    if !missing.is_empty() {
        let missing: Vec<_> = missing.into_iter().map(|version| format!("{version:04}")).collect();
        return Err(DatabaseError::Outdated { missing: missing.join(", ") });
    }
    Ok(applied.into_iter().filter(|version| !known.contains(version)).collect())
}

fn percent_decoded(text: &str) -> String {
    // `+` means a plus in a URL's user part, not a space.
    form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}
