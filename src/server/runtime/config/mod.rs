//! Configuration: read once, from the environment only, checked as a whole.
//!
//! What must stay true: everything that is missing or contradictory is reported at once, with what to do about it; a
//! secret cannot be printed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

mod reader;
pub mod variables;
#[cfg(test)]
mod written;

use reader::Reader;

use crate::server::clerk::PROXY_PREFIX;
use crate::server::origin::PublicOrigin;
use crate::server::session::instance::ClerkInstance;
use crate::server::webhooks::signature::SigningKey;

/// Hosts of the emulator's production instances.
const EMULATOR_SUFFIX: &str = ".emulator.localhost";
/// What stands around the eight hexadecimal digits in the hosts of its development instances.
const EMULATOR_DEVELOPMENT: (&str, &str) = ("emulator-", ".clerk.accounts.dev");

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
    /// Whether pages load themselves again after a build. No variable: `vestibule dev` decides.
    pub reloads: bool,
    /// How often everybody is compared with Clerk; `None`: only by hand.
    pub reconcile_every: Option<time::Duration>,
    pub site_root: PathBuf,
}

/// One Clerk instance. The kind of its keys says how the browser reaches it: a production instance through our own
/// origin, a development instance, which Clerk does not proxy, directly.
#[derive(Clone, Debug)]
pub struct ClerkConfig {
    pub publishable_key: String,
    pub secret_key: SecretString,
    pub api_url: Url,
    /// How long a call of the Backend API may take.
    pub timeout: Duration,
    /// Where the same-origin proxy forwards to. `None` for a development instance: there is no proxy.
    pub frontend_api_url: Option<Url>,
    pub issuer: String,
    pub jwt_key: Option<String>,
    pub authorized_parties: BTreeSet<String>,
    /// Whose webhooks are accepted. Empty: none are.
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
        self.direct_origin().unwrap_or_else(|| format!("{public_origin}{}", PROXY_PREFIX))
    }
}

/// The logins. Their rights differ on purpose: see `server/database.rs`.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    pub request: SecretString,
    pub worker: SecretString,
    pub migration: Option<SecretString>,
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
    /// The public origin.
    pub fn origin(&self) -> PublicOrigin {
        PublicOrigin::new(&self.public_origin)
    }

    /// What accepting the instance's sessions depends on.
    pub fn instance(&self) -> ClerkInstance {
        ClerkInstance {
            cookie_suffix: self.clerk.cookie_suffix.clone(),
            frontend_api: self.frontend_api(),
            development: self.clerk.is_development(),
            issuer: self.clerk.issuer.clone(),
            frontend_base: self.clerk.frontend_base(&self.public_origin),
            origin: self.origin(),
        }
    }

    /// The host in the publishable key. By it Clerk tells its instances' cookies apart, whatever issuer is configured.
    fn frontend_api(&self) -> String {
        frontend_api_of(&self.clerk.publishable_key).unwrap_or_default()
    }

    /// Whether pages may show a developer what is misconfigured: with a development instance, the emulator, or by request.
    pub fn shows_diagnoses(&self) -> bool {
        self.auth_debug_log || self.clerk.is_development() || is_emulator(&self.frontend_api())
    }

    /// Reads the configuration. `development` allows the emulator's instances.
    pub fn from_variables(variables: &BTreeMap<String, String>, development: bool) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(variables);
        let config = reader.read(development);
        reader.finish(config)
    }
}

/// Names that look like ours but are not read: typos, most likely.
pub fn unknown_names(variables: &BTreeMap<String, String>) -> Vec<String> {
    variables.keys().filter(|name| variables::is_unknown(name)).cloned().collect()
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
pub fn user_of(url: &SecretString) -> Option<String> {
    Url::parse(url.expose_secret()).ok().map(|url| url.username().to_owned())
}

#[cfg(test)]
mod tests;
