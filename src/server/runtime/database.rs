//! Connections, migrations and roles.
//!
//! Three logins with different rights, so that a mistake in one place cannot reach everything:
//! - request: no rights of its own; becomes `authenticated` for one transaction (see `tenancy`);
//! - worker: a member of `outbox_worker`: the outbox, webhooks, what they say about people, and places for invited ones.
//!   Whoever has it can make anybody a member;
//! - migration: the owner. It runs this file's `migrate`, and serves no requests.

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

/// The first migration that lets the worker see which ones were applied.
const TOLD_SINCE: i64 = 6;

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

/// Refuses logins that row level security would not hold back.
pub async fn check_logins(pools: &Pools) -> Result<(), DatabaseError> {
    for (pool, name, group) in
        [(&pools.request, "DATABASE_URL", "authenticated"), (&pools.worker, "DATABASE_WORKER_URL", "outbox_worker")]
    {
        let (login, mighty, member): (String, bool, bool) = sqlx::query_as(
            "select current_user::text,
                    exists (select from pg_roles as any_of_ours
                            where (any_of_ours.rolsuper or any_of_ours.rolbypassrls)
                              and pg_has_role(current_user, any_of_ours.oid, 'member'))
                        or exists (select from pg_tables
                                   where schemaname = 'public' and pg_has_role(current_user, tableowner, 'member')),
                    case when exists (select from pg_roles where rolname = $1) then pg_has_role(current_user, $1, 'member') else false end
             from pg_roles as r where r.rolname = current_user",
        )
        .bind(group)
        .fetch_one(pool)
        .await?;
        if mighty {
            return Err(DatabaseError::TooMighty { name, login });
        }
        if !member {
            return Err(DatabaseError::NotMember { name, login, group });
        }
    }
    Ok(())
}

/// Refuses a database that lacks a migration of this binary, and gives those that it does not know: after a newer binary
/// has migrated, the older processes go on until they are replaced.
pub async fn check_schema(pools: &Pools) -> Result<Vec<i64>, DatabaseError> {
    let applied: Result<Vec<i64>, _> = sqlx::query_scalar("select applied_migrations()").fetch_all(&pools.worker).await;
    let (applied, from) = match applied {
        Ok(applied) => (applied, 0),
        // No such function: older than it, and how much older nobody can say.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42883") => (Vec::new(), TOLD_SINCE),
        Err(error) => return Err(error.into()),
    };
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    let missing: Vec<_> = known.iter().filter(|version| **version >= from && !applied.contains(version)).collect();
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
