//! Configuration: read once, from the environment only, checked as a whole.
//!
//! What must stay true: everything that is missing or contradictory is reported at once, with what to do about it; a
//! secret cannot be printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use url::Url;

mod reader;

use reader::Reader;

use crate::server::http::frontend_proxy;
use crate::server::webhooks::signature::SigningKey;

/// Hosts of the emulator's production instances.
const EMULATOR_SUFFIX: &str = ".emulator.localhost";
/// What stands around the eight hexadecimal digits in the hosts of its development instances.
const EMULATOR_DEVELOPMENT: (&str, &str) = ("emulator-", ".clerk.accounts.dev");

/// Names that are read, with what they are for. The README's table is checked against it.
pub const NAMES: [(&str, &str); 19] = [
    ("AUTH_DEBUG_LOG", "true: log the exact cause of every request without a session"),
    ("CLERK_API_URL", "address of the Backend API"),
    ("CLERK_AUTHORIZED_PARTIES", "further origins whose tokens are accepted, separated by commas"),
    ("CLERK_FRONTEND_API_URL", "where the same-origin proxy forwards to; with a pk_live_… key only"),
    ("CLERK_ISSUER", "the tokens' `iss`, when it is not the publishable key's host"),
    ("CLERK_JWT_KEY", "PEM public key: verify without asking Clerk for keys"),
    ("CLERK_PUBLISHABLE_KEY", "pk_live_… of the instance, or pk_test_… of a development instance"),
    ("CLERK_SECRET_KEY", "sk_live_… or sk_test_… of the same instance"),
    ("CLERK_TIMEOUT_MS", "how long a call of the Backend API may take, in milliseconds"),
    ("CLERK_WEBHOOK_SECRET", "an older name of ours for CLERK_WEBHOOK_SIGNING_SECRET"),
    ("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_… of the webhook endpoint; several with commas while it is changed"),
    ("DATABASE_MIGRATION_URL", "login of the owner: creates tables and roles"),
    ("DATABASE_URL", "login of the request role"),
    ("DATABASE_WORKER_URL", "login of the worker role"),
    ("LISTEN", "address and port to listen on"),
    ("PUBLIC_ORIGIN", "what the browser's address bar shows, such as https://app.example.com"),
    ("RECONCILE_HOURS", "how often the server compares everybody with Clerk; 0: never"),
    ("VESTIBULE_CRASH_AT", "development: the process ends itself there, as by kill -9; such as relay.answered:3"),
    ("VESTIBULE_POSTGRES_BINARIES", "development: where the embedded Postgres is"),
];

/// A secret value. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Scheme, host and port, without a slash at the end.
    pub public_origin: String,
    pub clerk: ClerkConfig,
    pub database: DatabaseConfig,
    /// Whether this process tells Clerk what was committed. No variable: the command line decides.
    pub relay: bool,
    pub auth_debug_log: bool,
    /// How often everybody is compared with Clerk; `None`: only by hand.
    pub reconcile_every: Option<time::Duration>,
    pub site_root: PathBuf,
}

/// One Clerk instance. The kind of its keys says how the browser reaches it: a production instance through our own
/// origin, a development instance, which Clerk does not proxy, directly.
#[derive(Clone, Debug)]
pub struct ClerkConfig {
    pub publishable_key: String,
    pub secret_key: Secret,
    pub api_url: Url,
    /// How long a call of the Backend API may take.
    pub timeout: Duration,
    /// Where the same-origin proxy forwards to. `None` for a development instance: there is no proxy.
    pub frontend_api_url: Option<Url>,
    pub issuer: String,
    pub jwt_key: Option<String>,
    pub authorized_parties: BTreeSet<String>,
    /// Whose webhooks are believed. Empty: none are.
    pub webhook_keys: Vec<SigningKey>,
    /// The suffix of this instance's cookies.
    pub cookie_suffix: String,
}

impl ClerkConfig {
    /// Whether this is a development instance (`pk_test_…`).
    pub fn is_development(&self) -> bool {
        is_development(&self.publishable_key)
    }

    /// The Frontend API's own origin, if the browser calls it directly.
    pub fn direct_origin(&self) -> Option<String> {
        let host = frontend_api_of(&self.publishable_key).filter(|_| self.is_development())?;
        Some(format!("https://{host}"))
    }

    /// Where the browser finds the Frontend API, without a slash at the end: `/v1/…` follows.
    pub fn frontend_base(&self, public_origin: &str) -> String {
        self.direct_origin().unwrap_or_else(|| format!("{public_origin}{}", frontend_proxy::PREFIX))
    }
}

/// The logins. Their rights differ on purpose: see `server/database.rs`.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    pub request: Secret,
    pub worker: Secret,
    pub migration: Option<Secret>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    pub name: &'static str,
    pub problem: String,
}

/// All that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is incomplete or contradictory:\n{}", .0.iter().map(|p| format!("  {}: {}\n", p.name, p.problem)).collect::<String>())]
pub struct ConfigError(pub Vec<ConfigProblem>);

impl Config {
    /// The host and port of the public origin.
    pub fn public_host(&self) -> Option<&str> {
        self.public_origin.split_once("://").map(|(_, host)| host)
    }

    /// The host in the publishable key. By it Clerk tells its instances' cookies apart, whatever issuer is configured.
    pub fn frontend_api(&self) -> String {
        frontend_api_of(&self.clerk.publishable_key).unwrap_or_default()
    }

    /// Whether pages may tell a developer what is set up wrongly: with a development instance, the emulator, or by request.
    pub fn shows_diagnoses(&self) -> bool {
        self.auth_debug_log || self.clerk.is_development() || is_emulator(&self.frontend_api())
    }

    /// Whether cookies may be sent over https only.
    pub fn is_https(&self) -> bool {
        self.public_origin.starts_with("https://")
    }

    /// Reads the configuration. `development` allows the emulator's instances.
    pub fn from_variables(variables: &BTreeMap<String, String>, development: bool) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(variables);
        let config = reader.read(development);
        reader.finish(config)
    }
}

/// Names that look like ours but are not read: typing errors, most likely.
pub fn unknown_names(variables: &BTreeMap<String, String>) -> Vec<String> {
    let ours = |name: &str| {
        ["CLERK_", "DATABASE_", "AUTH_DEBUG", "PUBLIC_ORIGIN", "RECONCILE_", "VESTIBULE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let known = |name: &str| name == "CLERK_TELEMETRY_DISABLED" || NAMES.iter().any(|(known, _)| *known == name);
    variables.keys().filter(|name| ours(name) && !known(name)).cloned().collect()
}

/// Only the logins, for `migrate`, which needs nothing else.
pub fn database_from_variables(variables: &BTreeMap<String, String>) -> Result<DatabaseConfig, ConfigError> {
    let mut reader = Reader::new(variables);
    let database = reader.read_database();
    reader.finish(database)
}

/// The Frontend API host that a publishable key encodes.
pub fn frontend_api_of(publishable_key: &str) -> Option<String> {
    let encoded = publishable_key.strip_prefix("pk_live_").or_else(|| publishable_key.strip_prefix("pk_test_"))?;
    let decoded = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?;
    let host = String::from_utf8(decoded).ok()?.strip_suffix('$')?.to_owned();
    let plain = host.contains('.') && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    plain.then_some(host)
}

fn is_development(publishable_key: &str) -> bool {
    publishable_key.starts_with("pk_test_")
}

/// Whether a host is one that the emulator gives itself. A production build refuses those: anyone can run an emulator.
///
/// Its development instances need names in Clerk's own domain, or clerk-js would make no development browser for them.
/// Clerk's own names there are two words and a number, such as `happy-otter-12`, never `emulator-` and eight hexadecimal
/// digits. A real instance that had such a name all the same would be refused too: one that is let in by mistake is worse.
fn is_emulator(host: &str) -> bool {
    let (before, after) = EMULATOR_DEVELOPMENT;
    let digits = host.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    let is_hex = |digits: &str| digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    host.ends_with(EMULATOR_SUFFIX) || digits.is_some_and(is_hex)
}

/// The user name of a database address.
pub fn user_of(url: &Secret) -> Option<String> {
    Url::parse(url.expose()).ok().map(|url| url.username().to_owned())
}

#[cfg(test)]
mod tests;
