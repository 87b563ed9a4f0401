//! A Clerk-compatible identity server on a port of its own: the Frontend API that the official clerk-js and its
//! components speak, and the Backend API that servers speak. It needs no account and no network.
//!
//! It is a peer, not a mock: it uses nothing of the product and is reached only over HTTP, with the same
//! configuration as Clerk itself. It is a production instance behind a proxy on the app's own origin, or a development
//! instance that browsers reach directly, over TLS.
//!
//! What must stay true:
//! - the client travels with every answer but plain reads, with tokens minted for that answer (`fapi::visit`);
//! - `updated_at` of a person strictly increases with every change (`people::change_user`);
//! - tokens are made only in `tokens`, requests pass only through `dispatch`, time comes only from `clock` and
//!   randomness only from `random`;
//! - it listens on loopback only, and on the TLS listener only the Frontend API answers (`direct`);
//! - every change is in the journal before the answer leaves (`store`);
//! - passwords, tokens and secret keys are never logged. E-mail codes are: that is what the fake mailbox is for.

mod app;
mod bapi;
mod call;
mod certificate;
mod claims_template;
pub mod cli;
mod clock;
mod codes;
mod control;
mod cookies;
mod direct;
mod dispatch;
mod errors;
mod fapi;
mod handshakes;
mod inbox;
mod journal;
mod keys;
mod limits;
mod local_pages;
mod metadata;
mod objects;
mod passwords;
mod people;
mod random;
mod records;
mod response;
pub mod seed;
mod sign_objects;
mod startup;
mod store;
mod tokens;
mod webhooks;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use startup::{StartError, start};

/// Longest wait for requests in progress at shutdown.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// How to run the emulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which kind of instance to be. A data directory stays of one kind.
    pub instance: Instance,
    /// Where people, sessions and keys are kept. `None` keeps them in memory.
    pub data_dir: Option<PathBuf>,
    /// Name shown on Clerk's forms.
    pub application_name: String,
    /// Session token customization: a JSON object with Clerk's shortcodes.
    pub claims_template: Value,
    /// Lifetime of a session token. Clerk's is 60 s.
    pub token_lifetime: Duration,
    /// People who exist from the start. Those who exist already are left as they are.
    pub people: Vec<SeedPerson>,
    /// Where to send webhooks: an address on this machine. `None` makes none.
    pub webhook_url: Option<Url>,
}

/// Clerk's two kinds of instances, which browsers reach in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// `pk_live_`: the app forwards the browser's calls from its own origin.
    Production,
    /// `pk_test_`: the browser calls the host in the publishable key, over TLS, from another origin.
    Development {
        /// Where that host is played. Port 0 takes a free one.
        tls_listen: SocketAddr,
    },
}

/// A person to begin with. Their ids depend on the address alone.
#[derive(Clone)]
pub struct SeedPerson {
    /// Primary address, verified.
    pub email: String,
    /// Password, of any length.
    pub password: String,
    /// First name, may be empty.
    pub first_name: String,
    /// Last name, may be empty.
    pub last_name: String,
    /// Public metadata: a JSON object, anything else counts as empty.
    pub public_metadata: Value,
}

/// What an app must be configured with to use this emulator.
#[derive(Clone)]
pub struct Settings {
    /// `pk_live_…` or `pk_test_…`
    pub publishable_key: String,
    /// `sk_live_…` or `sk_test_…`
    pub secret_key: String,
    /// `iss` of every token: `https://` and the host inside the publishable key.
    pub issuer: String,
    /// Base address of the Backend API.
    pub api_url: String,
    /// Base address of the Frontend API on this machine: where a proxy forwards `/v1/…`, or the TLS listener.
    pub frontend_api_url: String,
    /// How a browser reaches a development instance. `None` for a production instance.
    pub direct: Option<Direct>,
    /// `whsec_…`: what webhooks are signed with.
    pub webhook_secret: String,
    /// The page with e-mail codes, token included.
    pub inbox_url: String,
    /// The page that makes the emulator misbehave, token included.
    pub control_url: String,
    /// Public key of every token, PEM (SPKI).
    pub jwt_public_key_pem: String,
}

/// The host of a development instance, played on this machine.
///
/// No name server leads here: a browser finds the host only by a rule of its own, and goes there without a proxy
/// (`chromium_flags`). Then nothing leaves this machine. Without the rule it would look for the name at Clerk, in whose
/// domain it is, and who does not know it.
#[derive(Debug, Clone)]
pub struct Direct {
    /// The host in the publishable key, `vestibule-….clerk.accounts.dev`.
    pub host: String,
    /// The TLS listener. Its certificate is for the host, for `localhost` and for `127.0.0.1`.
    pub address: SocketAddr,
    /// The certificate, PEM: signed by itself.
    pub certificate_pem: String,
    /// Base64 of the SHA-256 of the certificate's public key.
    pub public_key_hash: String,
}

impl Direct {
    /// What Chromium must be started with to find the host here and to trust its certificate, and no other of that kind.
    /// The last one counts only with a `--user-data-dir`.
    pub fn chromium_flags(&self) -> [String; 3] {
        [
            "--no-proxy-server".to_owned(),
            format!("--host-resolver-rules=MAP {} {}", self.host, self.address),
            format!("--ignore-certificate-errors-spki-list={}", self.public_key_hash),
        ]
    }
}

impl fmt::Debug for SeedPerson {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SeedPerson").field("email", &self.email).finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    /// Without the secrets and the token of the local pages.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("publishable_key", &self.publishable_key)
            .field("issuer", &self.issuer)
            .field("api_url", &self.api_url)
            .finish_non_exhaustive()
    }
}

/// A running emulator. Dropping it stops it at once; `shutdown` lets requests in progress finish.
#[derive(Debug)]
pub struct Emulator {
    settings: Settings,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Emulator {
    /// What an app must be configured with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Stops listening and waits for requests in progress.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(SHUTDOWN_PATIENCE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}
