//! Starts what the configuration does not name, and stops it again.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use url::Url;

use clerk_emulator::{Direct, Emulator, Instance, seed};
use embedded_postgres::{Cluster, ClusterError, Lifetime, Search};

use crate::server::runtime::config;

/// Where the embedded Postgres is installed.
pub const POSTGRES: Search<'_> = Search { variable: "VESTIBULE_POSTGRES_BINARIES", packages: "end2end/node_modules" };
/// The database of the app in an embedded cluster.
const DATABASE: &str = "vestibule";
/// Life of a session token. Clerk's.
const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

/// The claims template that the emulator applies, and that belongs into Clerk's dashboard.
///
/// # Errors
/// The file in the sources is not JSON.
pub fn claims_template() -> Result<Value, serde_json::Error> {
    serde_json::from_str(include_str!("../model/claims_template.json"))
}

/// The development parts that were started.
pub struct Development {
    cluster: Option<Cluster>,
    emulator: Option<Emulator>,
    data_dir: PathBuf,
}

/// Why a development part did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    #[error("{0} (it is installed by `make setup`, and not started if DATABASE_URL is set)")]
    Postgres(#[from] ClusterError),
    #[error("the embedded database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the Clerk emulator: {0}")]
    Emulator(#[from] clerk_emulator::StartError),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the claims template is not JSON: {0}")]
    Template(#[from] serde_json::Error),
    #[error("the embedded database's address cannot be read")]
    Address,
    #[error(
        "--clerk says which kind of instance the Clerk emulator is to be, but CLERK_SECRET_KEY is set, so it does not start: leave out one of the two"
    )]
    ClerkIsConfigured,
}

/// Fills in what is missing in `variables`, starting what is needed for it. `listen` is where the app will answer,
/// `instance` what the Clerk emulator is to be, if it matters.
pub async fn start(
    variables: &mut BTreeMap<String, String>,
    data_dir: &Path,
    listen: SocketAddr,
    instance: Option<Instance>,
) -> Result<Development, DevelopmentError> {
    let emulated = !variables.contains_key("CLERK_SECRET_KEY");
    if instance.is_some() && !emulated {
        return Err(DevelopmentError::ClerkIsConfigured);
    }
    std::fs::create_dir_all(data_dir).map_err(|source| DevelopmentError::File { path: data_dir.to_owned(), source })?;
    let data_dir =
        std::path::absolute(data_dir).map_err(|source| DevelopmentError::File { path: data_dir.to_owned(), source })?;
    let mut development = Development { cluster: None, emulator: None, data_dir: data_dir.clone() };
    // Browsers give `localhost` and `127.0.0.1` different cookies: one of them it must be.
    variables.entry("PUBLIC_ORIGIN".to_owned()).or_insert_with(|| format!("http://localhost:{}", listen.port()));
    variables.insert("LISTEN".to_owned(), listen.to_string());
    if let (false, Some(site)) = (variables.contains_key("LEPTOS_SITE_ROOT"), built_site()) {
        variables.insert("LEPTOS_SITE_ROOT".to_owned(), site.display().to_string());
    }

    if !variables.contains_key("DATABASE_URL") {
        let binaries = find_postgres(&data_dir)?;
        let options =
            embedded_postgres::Options { binaries, data_dir: data_dir.join("postgres"), lifetime: Lifetime::Kept };
        let cluster = Cluster::start(options).await?;
        let logins = prepare_database(&cluster, DATABASE).await?;
        development.cluster = Some(cluster);
        variables.extend(logins);
    }
    if emulated {
        let instance = instance.unwrap_or(Instance::Production);
        // As with Clerk, users of one instance do not exist in the other.
        let folder = if instance == Instance::Production { "clerk" } else { "clerk-development" };
        let emulator = clerk_emulator::start(clerk_emulator::Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            instance,
            data_dir: Some(data_dir.join(folder)),
            application_name: "Vestibule".to_owned(),
            claims_template: claims_template()?,
            token_lifetime: TOKEN_LIFETIME,
            users: seed::users(),
            webhook_url: webhook_url(listen),
        })
        .await?;
        let settings = emulator.settings();
        let proxied = settings.direct.is_none().then_some(("CLERK_FRONTEND_API_URL", &settings.frontend_api_url));
        // Another endpoint's, which would contradict the emulator's.
        variables.remove("CLERK_WEBHOOK_SECRET");
        variables.extend(
            [
                ("CLERK_PUBLISHABLE_KEY", &settings.publishable_key),
                ("CLERK_SECRET_KEY", &settings.secret_key),
                ("CLERK_API_URL", &settings.api_url),
                ("CLERK_WEBHOOK_SIGNING_SECRET", &settings.webhook_secret),
            ]
            .into_iter()
            .chain(proxied)
            .map(|(name, value)| (name.to_owned(), value.clone())),
        );
        development.emulator = Some(emulator);
    }
    Ok(development)
}

/// Where the app takes webhooks, if this machine can reach it by an address of its own.
fn webhook_url(listen: SocketAddr) -> Option<Url> {
    let address = match listen.ip() {
        ip if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())),
        _ => listen,
    };
    if !address.ip().is_loopback() {
        tracing::warn!(%listen, "the app does not listen on this machine's own address, so the Clerk emulator sends no webhooks");
        return None;
    }
    Url::parse(&format!("http://{address}/api/webhooks/clerk")).ok()
}

/// Looks upwards from the working directory, then from the binary: it may have been started from anywhere.
fn find_postgres(data_dir: &Path) -> Result<PathBuf, ClusterError> {
    let here = std::env::current_dir().unwrap_or_else(|_| data_dir.to_owned());
    POSTGRES.find(&here).or_else(|error| match std::env::current_exe() {
        Ok(executable) => POSTGRES.find(&executable).map_err(|_| error),
        Err(_) => Err(error),
    })
}

/// The site that cargo-leptos builds beside the binary's folder.
fn built_site() -> Option<PathBuf> {
    let site = std::env::current_exe().ok()?.parent()?.parent()?.join("site");
    site.is_dir().then_some(site)
}

/// Creates the owner and the database unless they exist, and gives the three addresses. Their passwords are made anew at
/// each start: nothing else needs them.
pub async fn prepare_database(cluster: &Cluster, database: &str) -> Result<BTreeMap<String, String>, DevelopmentError> {
    let mut connection = PgConnection::connect(&cluster.superuser_url("postgres")).await?;
    let mut logins = BTreeMap::new();
    for (name, login, rights) in [
        ("DATABASE_MIGRATION_URL", "vestibule_owner", "createrole"),
        ("DATABASE_URL", "vestibule_request", "noinherit"),
        ("DATABASE_WORKER_URL", "vestibule_worker", "inherit"),
    ] {
        let password = uuid::Uuid::now_v7().simple().to_string();
        let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(login)
            .fetch_one(&mut connection)
            .await?;
        let verb = if exists { "alter" } else { "create" };
        // All of it is ours: fixed names and a made-up password of letters and digits.
        let statement = format!("{verb} role {login} login {rights} password '{password}'");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        let mut url = Url::parse(&cluster.superuser_url(database)).map_err(|_| DevelopmentError::Address)?;
        url.set_username(login).map_err(|()| DevelopmentError::Address)?;
        url.set_password(Some(&password)).map_err(|()| DevelopmentError::Address)?;
        logins.insert(name.to_owned(), url.into());
    }
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(database)
        .fetch_one(&mut connection)
        .await?;
    if !exists {
        let statement = format!("create database {database} owner vestibule_owner");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(logins)
}

impl Development {
    /// The page where e-mail codes arrive.
    pub fn inbox_url(&self) -> Option<&str> {
        self.emulator.as_ref().map(|emulator| emulator.settings().inbox_url.as_str())
    }

    /// How browsers reach the emulator, if it is a development instance.
    pub fn direct(&self) -> Option<&Direct> {
        self.emulator.as_ref().and_then(|emulator| emulator.settings().direct.as_ref())
    }

    /// The page that makes the emulator misbehave.
    pub fn control_url(&self) -> Option<&str> {
        self.emulator.as_ref().map(|emulator| emulator.settings().control_url.as_str())
    }

    /// Writes two files into the data directory that only we may read. `dev.json`, for tests and scripts: where everything
    /// is, and the emulator's keys. `dev.env`, for a shell: the whole configuration, so that other subcommands find the same
    /// database and the same Clerk.
    pub fn announce(&self, origin: &str, variables: &BTreeMap<String, String>) -> Result<(), DevelopmentError> {
        let names = config::variables::of_every_build().map(|variable| variable.name);
        let configured = names.filter_map(|name| Some((name, variables.get(name)?)));
        let lines: String =
            configured.map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', r"'\''"))).collect();
        self.write("dev.env", &lines)?;
        let settings = self.emulator.as_ref().map(Emulator::settings);
        let announcement = json!({
            "origin": origin,
            "pid": std::process::id(),
            "inbox_url": settings.map(|s| &s.inbox_url),
            "control_url": settings.map(|s| &s.control_url),
            "api_url": settings.map(|s| &s.api_url),
            "secret_key": settings.map(|s| &s.secret_key),
            "publishable_key": settings.map(|s| &s.publishable_key),
            "frontend_api_url": settings.map(|s| &s.frontend_api_url),
            // Of a development instance only.
            "frontend_api_host": self.direct().map(|direct| &direct.host),
            "frontend_api_address": self.direct().map(|direct| direct.address),
            "chromium_flags": self.direct().map(Direct::chromium_flags),
        });
        self.write("dev.json", &announcement.to_string())
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, content: &str) -> Result<(), DevelopmentError> {
        let path = self.data_dir.join(name);
        let unfinished = self.data_dir.join(format!("{name}.new"));
        write_private(&unfinished, content.as_bytes())
            .and_then(|()| std::fs::rename(&unfinished, &path))
            .map_err(|source| DevelopmentError::File { path, source })
    }

    /// Stops what was started. Close the pools first.
    pub async fn stop(self) {
        for file in ["dev.json", "dev.env"] {
            _ = std::fs::remove_file(self.data_dir.join(file));
        }
        if let Some(emulator) = self.emulator {
            emulator.shutdown().await;
        }
        if let Some(cluster) = self.cluster
            && let Err(error) = cluster.stop().await
        {
            tracing::error!(%error, "the embedded database did not stop in order; the next start puts it right");
        }
    }
}

/// Writes a file that only we may read: it holds the emulator's secret key.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_go_where_the_app_answers_on_this_machine() {
        for (listen, url) in [
            ("127.0.0.1:3000", Some("http://127.0.0.1:3000/api/webhooks/clerk")),
            ("[::1]:3000", Some("http://[::1]:3000/api/webhooks/clerk")),
            ("0.0.0.0:4000", Some("http://127.0.0.1:4000/api/webhooks/clerk")),
            ("192.0.2.1:3000", None),
        ] {
            let found = webhook_url(listen.parse().expect("an address"));
            assert_eq!(found.as_ref().map(Url::as_str), url, "{listen}");
        }
    }
}
