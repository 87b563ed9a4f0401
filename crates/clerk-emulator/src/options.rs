//! How to run the emulator.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

/// Life of a session token, in seconds. Clerk's.
const TOKEN_SECONDS: u64 = 60;

/// How to run the emulator. The default is a production instance in memory, on a free port, without users.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen: a loopback address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which kind of instance to be. A data directory stays of one kind.
    pub instance: Instance,
    /// Where users, sessions and keys are kept. `None` keeps them in memory.
    pub data_dir: Option<PathBuf>,
    /// Name shown on Clerk's forms.
    pub application_name: String,
    /// Session token customization: a JSON object with Clerk's shortcodes.
    pub claims_template: Value,
    /// Lifetime of a session token. Clerk's is 60 s.
    pub token_lifetime: Duration,
    /// Users who exist from the start. Those who exist already are left as they are.
    pub users: Vec<SeedUser>,
    /// Where to send webhooks: an address on this machine. `None` sends none.
    pub webhook_url: Option<Url>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            instance: Instance::Production,
            data_dir: None,
            application_name: "Emulated app".to_owned(),
            claims_template: json!({}),
            token_lifetime: Duration::from_secs(TOKEN_SECONDS),
            users: Vec::new(),
            webhook_url: None,
        }
    }
}

/// Clerk's two kinds of instances, which browsers reach in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instance {
    /// `pk_live_`: the app forwards the browser's calls from its own origin.
    Production,
    /// `pk_test_`: the browser calls the host in the publishable key, over TLS, from another origin.
    Development {
        /// Where that host is played: a loopback address. Port 0 takes a free one.
        tls_listen: SocketAddr,
    },
}

/// A user who exists from the start. The ids depend on the address alone.
#[derive(Clone)]
pub struct SeedUser {
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

impl fmt::Debug for SeedUser {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SeedUser").field("email", &self.email).finish_non_exhaustive()
    }
}
