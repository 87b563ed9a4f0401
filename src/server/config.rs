//! Configuration: read once, from the environment only, checked as a whole.
//!
//! What must stay true: everything that is missing or contradictory is reported at once, with what to do about it; a
//! secret cannot be printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use url::Url;

use super::clerk::frontend_proxy;
use super::session::cookies;
use super::webhooks::signature::SigningKey;

/// Where Clerk's Backend API is.
const CLERK_API: &str = "https://api.clerk.com";
/// Where Clerk wants proxied Frontend API calls to go.
const CLERK_FRONTEND_API: &str = "https://frontend-api.clerk.dev";
/// Shortest and longest limit of a call of the Backend API, in milliseconds. Clerk needs up to a second; and what a dead
/// process was about to tell Clerk waits for two and a half times the limit.
const TIMEOUT_MS: RangeInclusive<u64> = 100..=60_000;
/// Hosts of the emulator's production instances.
const EMULATOR_SUFFIX: &str = ".emulator.localhost";
/// What stands around the eight hexadecimal digits in the hosts of its development instances.
const EMULATOR_DEVELOPMENT: (&str, &str) = ("vestibule-", ".clerk.accounts.dev");

/// Longest pause between two comparisons of everybody with Clerk.
const MAX_RECONCILE_HOURS: i64 = 720;

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
        let mut reader = Reader { variables, problems: Vec::new() };
        let config = reader.read(development);
        match config {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(ConfigError(reader.problems)),
        }
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
    let mut reader = Reader { variables, problems: Vec::new() };
    match reader.read_database() {
        Some(database) if reader.problems.is_empty() => Ok(database),
        _ => Err(ConfigError(reader.problems)),
    }
}

struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    problems: Vec<ConfigProblem>,
}

impl Reader<'_> {
    fn read(&mut self, development: bool) -> Option<Config> {
        let listen = self.parsed(
            "LISTEN",
            "127.0.0.1:3000",
            |text| text.parse().ok(),
            "must be an address and a port, such as 0.0.0.0:3000",
        );
        let public_origin =
            self.required("PUBLIC_ORIGIN", "set it to what the browser's address bar shows").and_then(|text| {
                let origin = origin_of(&text);
                if origin.is_none() {
                    self.problem(
                        "PUBLIC_ORIGIN",
                        format!("must be scheme, host and port only, such as https://app.example.com; it is {text:?}"),
                    );
                }
                origin
            });
        let publishable_key = self.required("CLERK_PUBLISHABLE_KEY", "copy it from Clerk's dashboard, API keys");
        let secret_key = self.required("CLERK_SECRET_KEY", "copy it from Clerk's dashboard, API keys");
        let frontend_api = publishable_key.as_deref().and_then(frontend_api_of);
        if publishable_key.is_some() && frontend_api.is_none() {
            self.problem(
                "CLERK_PUBLISHABLE_KEY",
                "is not a publishable key: it must be pk_live_ or pk_test_ and the encoded host".into(),
            );
        }
        if let (Some(publishable), Some(secret)) = (&publishable_key, &secret_key) {
            let expected = if is_development(publishable) { "sk_test_" } else { "sk_live_" };
            if !secret.starts_with(expected) {
                self.problem(
                    "CLERK_SECRET_KEY",
                    format!("does not belong to the publishable key: it should begin with {expected}"),
                );
            }
        }
        if !development && frontend_api.as_deref().is_some_and(is_emulator) {
            self.problem(
                "CLERK_PUBLISHABLE_KEY",
                "belongs to the development emulator, which a production build refuses".into(),
            );
        }
        let api_url = self.url("CLERK_API_URL", CLERK_API);
        let timeout = self.parsed(
            "CLERK_TIMEOUT_MS",
            "8000",
            |text| text.parse().ok().filter(|ms| TIMEOUT_MS.contains(ms)).map(Duration::from_millis),
            "must be a whole number from 100 to 60000, of milliseconds",
        );
        let direct = publishable_key.as_deref().is_some_and(is_development);
        if direct && self.optional("CLERK_FRONTEND_API_URL").is_some() {
            self.problem(
                "CLERK_FRONTEND_API_URL",
                "is not used with a development key (pk_test_): the browser calls the host in the key itself. Remove it, or use the pk_live_ key".into(),
            );
        }
        let frontend_api_url = (!direct).then(|| self.url("CLERK_FRONTEND_API_URL", CLERK_FRONTEND_API));
        let issuer =
            self.optional("CLERK_ISSUER").or_else(|| frontend_api.as_ref().map(|host| format!("https://{host}")));
        if issuer.as_deref().is_some_and(|issuer| !issuer.contains("://") || issuer.ends_with('/')) {
            self.problem(
                "CLERK_ISSUER",
                "must be the exact `iss` of the tokens: https:// and the host, no slash at the end".into(),
            );
        }
        let jwt_key = self.optional("CLERK_JWT_KEY");
        if jwt_key.as_deref().is_some_and(|pem| super::session::keys::Keys::from_pem(pem).is_err()) {
            self.problem("CLERK_JWT_KEY", "is not an RSA public key in PEM form".into());
        }
        let mut authorized_parties = BTreeSet::new();
        for party in self
            .optional("CLERK_AUTHORIZED_PARTIES")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|p| !p.is_empty())
        {
            match origin_of(party) {
                Some(origin) => _ = authorized_parties.insert(origin),
                None => self.problem("CLERK_AUTHORIZED_PARTIES", format!("{party:?} is not an origin")),
            }
        }
        let webhook_keys = self.read_webhook_keys();
        let database = self.read_database();
        let auth_debug_log = self.parsed("AUTH_DEBUG_LOG", "false", |text| text.parse().ok(), "must be true or false");
        let reconcile_hours = self.parsed(
            "RECONCILE_HOURS",
            "24",
            |text| text.parse().ok().filter(|hours| (0..=MAX_RECONCILE_HOURS).contains(hours)),
            "must be a whole number of hours, 0 (never) to 720",
        );
        let site_root = self.optional("LEPTOS_SITE_ROOT").unwrap_or_else(|| "target/site".to_owned()).into();

        let public_origin = public_origin?;
        authorized_parties.insert(public_origin.clone());
        let publishable_key = publishable_key?;
        Some(Config {
            listen: listen?,
            clerk: ClerkConfig {
                cookie_suffix: cookies::suffix_of(&publishable_key),
                publishable_key,
                secret_key: Secret::new(secret_key?),
                api_url: api_url?,
                timeout: timeout?,
                frontend_api_url: match frontend_api_url {
                    None => None,
                    Some(url) => Some(url?),
                },
                issuer: issuer?,
                jwt_key,
                authorized_parties,
                webhook_keys,
            },
            public_origin,
            database: database?,
            relay: true,
            auth_debug_log: auth_debug_log?,
            reconcile_every: Some(reconcile_hours?).filter(|hours| *hours > 0).map(time::Duration::hours),
            site_root,
        })
    }

    /// Clerk's name for it, or ours.
    fn read_webhook_keys(&mut self) -> Vec<SigningKey> {
        let [clerks, ours] = ["CLERK_WEBHOOK_SIGNING_SECRET", "CLERK_WEBHOOK_SECRET"];
        let (name, secrets) = match (self.optional(clerks), self.optional(ours)) {
            (Some(one), Some(other)) if one != other => {
                self.problem(
                    ours,
                    format!("says something else than {clerks}, which means the same: remove one. Two secrets stand in one variable, with a comma"),
                );
                return Vec::new();
            }
            (None, Some(secrets)) => (ours, secrets),
            (secrets, _) => (clerks, secrets.unwrap_or_default()),
        };
        let mut keys = Vec::new();
        for (place, secret) in (1..).zip(secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty())) {
            match SigningKey::parse(secret) {
                Some(key) => keys.push(key),
                // The value is a secret, so it is not repeated.
                None => self.problem(
                    name,
                    format!("secret number {place} is malformed: it must be whsec_ and base64, as Clerk's dashboard shows it"),
                ),
            }
        }
        keys
    }

    fn read_database(&mut self) -> Option<DatabaseConfig> {
        let request = self.database_url("DATABASE_URL", "the login of the request role");
        let worker = self.database_url("DATABASE_WORKER_URL", "the login of the worker role");
        let migration = self.optional("DATABASE_MIGRATION_URL").map(Secret::new);
        if let (Some(request), Some(worker)) = (&request, &worker)
            && user_of(request) == user_of(worker)
        {
            self.problem(
                "DATABASE_WORKER_URL",
                "must be another login than DATABASE_URL: their rights differ on purpose".into(),
            );
        }
        Some(DatabaseConfig { request: request?, worker: worker?, migration })
    }

    fn problem(&mut self, name: &'static str, problem: String) {
        self.problems.push(ConfigProblem { name, problem });
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &'static str, help: &str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.problem(name, format!("is not set: {help}"));
        }
        value
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Option<T>,
        help: &str,
    ) -> Option<T> {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        let value = parse(&text);
        if value.is_none() {
            self.problem(name, format!("{help}; it is {text:?}"));
        }
        value
    }

    fn url(&mut self, name: &'static str, default: &str) -> Option<Url> {
        let http = |text: &str| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        self.parsed(name, default, http, "must be an http or https address")
    }

    fn database_url(&mut self, name: &'static str, what: &str) -> Option<Secret> {
        let url = self.required(name, &format!("{what}, as postgres://user:password@host/database"))?;
        if Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql")) {
            Some(Secret::new(url))
        } else {
            // The value may hold a password, so it is not repeated.
            self.problem(name, "must be an address like postgres://user:password@host/database".into());
            None
        }
    }
}

/// The origin in `text` if it is nothing but an origin.
fn origin_of(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    (matches!(url.scheme(), "http" | "https") && bare && !text.contains('*'))
        .then(|| url.origin().ascii_serialization())
}

/// The Frontend API host that a publishable key encodes (protocol notes, 4.1).
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
/// Clerk's own names there are two words and a number, such as `happy-otter-12`, never `vestibule-` and eight hexadecimal
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
#[path = "config_tests.rs"]
mod tests;
