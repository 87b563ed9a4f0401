//! A Clerk-compatible identity server on a port of its own: the Frontend API that the official clerk-js and its
//! components speak, and the Backend API that servers speak. It needs no account and no network.
//!
//! It is a peer, not a mock: it uses nothing of the product and is reached only over HTTP, with the same
//! configuration as Clerk itself, in the manner of a production instance behind a proxy on the app's own origin.
//!
//! What must stay true:
//! - the client travels with every answer but plain reads, with tokens minted for that answer (`fapi::visit`);
//! - `updated_at` of a person strictly increases with every change (`people::change_user`);
//! - tokens are made only in `tokens`, requests pass only through `dispatch`, time comes only from `clock` and
//!   randomness only from `random`;
//! - every change is in the journal before the answer leaves (`store`);
//! - passwords, tokens and secret keys are never logged. E-mail codes are: that is what the fake mailbox is for.

mod app;
mod bapi;
mod call;
mod claims_template;
mod clock;
mod codes;
mod control;
mod cookies;
mod dispatch;
mod errors;
mod fapi;
mod handshakes;
mod inbox;
mod journal;
mod keys;
mod metadata;
mod objects;
mod passwords;
mod people;
mod random;
mod records;
mod response;
mod sign_objects;
mod startup;
mod store;
mod tokens;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use startup::{StartError, start};

/// Longest wait for requests in progress at shutdown.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// How to run the emulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
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
    /// `pk_live_…`
    pub publishable_key: String,
    /// `sk_live_…`
    pub secret_key: String,
    /// `iss` of every token: `https://` and the host inside the publishable key.
    pub issuer: String,
    /// Base address of the Backend API.
    pub api_url: String,
    /// Base address to which a proxy forwards `/v1/…`.
    pub frontend_api_url: String,
    /// The page with e-mail codes, token included.
    pub inbox_url: String,
    /// Public key of every token, PEM (SPKI).
    pub jwt_public_key_pem: String,
}

impl fmt::Debug for SeedPerson {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SeedPerson").field("email", &self.email).finish_non_exhaustive()
    }
}

impl fmt::Debug for Settings {
    /// Without the secret key and the inbox's token.
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
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Emulator {
    /// What an app must be configured with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Stops listening and waits for requests in progress.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // The server may have ended by itself: then nobody listens, and there is nothing to stop.
            let _ended = stop.send(());
        }
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
