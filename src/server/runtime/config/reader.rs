//! Reads the variables one by one, and notes what is wrong with each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{
    ClerkConfig, Config, ConfigError, ConfigProblem, DatabaseConfig, frontend_api_of, is_development, is_emulator,
    user_of, variables,
};
use crate::server::session::{self, cookies};
use crate::server::webhooks::signature::SigningKey;

/// Shortest and longest limit of a call of the Backend API, in milliseconds. Clerk needs up to a second; and what a dead
/// process was about to deliver waits for two and a half times the limit.
const TIMEOUT_MS: RangeInclusive<u64> = 100..=60_000;
/// Longest pause between two comparisons of everybody with Clerk.
const MAX_RECONCILE_HOURS: i64 = 720;

/// What was read so far.
pub(super) struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    problems: Vec<ConfigProblem>,
}

impl<'a> Reader<'a> {
    pub fn new(variables: &'a BTreeMap<String, String>) -> Self {
        Self { variables, problems: Vec::new() }
    }

    /// What was read, or all that is wrong.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, ConfigError> {
        read.filter(|_| self.problems.is_empty()).ok_or(ConfigError(self.problems))
    }

    pub fn read(&mut self, development: bool) -> Option<Config> {
        let listen =
            self.parsed("LISTEN", |text| text.parse().ok(), "must be an address and a port, such as 0.0.0.0:3000");
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
        let api_url = self.url("CLERK_API_URL");
        let timeout = self.parsed(
            "CLERK_TIMEOUT_MS",
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
        let frontend_api_url = (!direct).then(|| self.url("CLERK_FRONTEND_API_URL"));
        let issuer =
            self.optional("CLERK_ISSUER").or_else(|| frontend_api.as_ref().map(|host| format!("https://{host}")));
        if issuer.as_deref().is_some_and(|issuer| !issuer.contains("://") || issuer.ends_with('/')) {
            self.problem(
                "CLERK_ISSUER",
                "must be the exact `iss` of the tokens: https:// and the host, no slash at the end".into(),
            );
        }
        let jwt_key = self.optional("CLERK_JWT_KEY");
        if jwt_key.as_deref().is_some_and(|pem| session::keys::Keys::from_pem(pem).is_err()) {
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
        let auth_debug_log = self.parsed("AUTH_DEBUG_LOG", |text| text.parse().ok(), "must be true or false");
        let reconcile_hours = self.parsed(
            "RECONCILE_HOURS",
            |text| text.parse().ok().filter(|hours| (0..=MAX_RECONCILE_HOURS).contains(hours)),
            "must be a whole number of hours, 0 (never) to 720",
        );
        let site_root = self.text("LEPTOS_SITE_ROOT").into();

        let public_origin = public_origin?;
        authorized_parties.insert(public_origin.clone());
        let publishable_key = publishable_key?;
        Some(Config {
            listen: listen?,
            clerk: ClerkConfig {
                cookie_suffix: cookies::suffix_of(&publishable_key),
                publishable_key,
                secret_key: SecretString::from(secret_key?),
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
            reloads: false,
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

    pub fn read_database(&mut self) -> Option<DatabaseConfig> {
        let request = self.database_url("DATABASE_URL", "the login of the request role");
        let worker = self.database_url("DATABASE_WORKER_URL", "the login of the worker role");
        let migration = self.optional("DATABASE_MIGRATION_URL").map(SecretString::from);
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
        debug_assert!(variables::is_known(name), "{name} is not in the table of variables");
        self.variables.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &'static str, help: &str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.problem(name, format!("is not set: {help}"));
        }
        value
    }

    /// The value, or the table's default.
    fn text(&self, name: &str) -> String {
        self.optional(name).or_else(|| variables::default_of(name).map(str::to_owned)).unwrap_or_default()
    }

    fn parsed<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Option<T>, help: &str) -> Option<T> {
        let text = self.text(name);
        let value = parse(&text);
        if value.is_none() {
            self.problem(name, format!("{help}; it is {text:?}"));
        }
        value
    }

    fn url(&mut self, name: &'static str) -> Option<Url> {
        let http = |text: &str| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        self.parsed(name, http, "must be an http or https address")
    }

    fn database_url(&mut self, name: &'static str, what: &str) -> Option<SecretString> {
        let url = self.required(name, &format!("{what}, as postgres://user:password@host/database"))?;
        if Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "postgres" | "postgresql")) {
            Some(SecretString::from(url))
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
