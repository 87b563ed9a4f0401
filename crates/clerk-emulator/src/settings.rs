//! What an app must be configured with to use a running emulator.

use std::fmt;
use std::net::SocketAddr;

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
    /// The page and endpoint of the fault settings, token included.
    pub control_url: String,
    /// Public key of every token, PEM (SPKI).
    pub jwt_public_key_pem: String,
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

/// The host of a development instance, played on this machine.
///
/// No name server leads here: a browser finds the host only by a rule of its own, and goes there without a proxy
/// ([`Direct::chromium_flags`]). Then nothing leaves this machine. Without the rule it would look for the name at Clerk,
/// in whose domain it is, and who does not know it.
#[derive(Debug, Clone)]
pub struct Direct {
    /// The host in the publishable key, `….clerk.accounts.dev`.
    pub host: String,
    /// The TLS listener. Its certificate is for the host, for `localhost` and for `127.0.0.1`.
    pub address: SocketAddr,
    /// The certificate, PEM: signed by itself.
    pub certificate_pem: String,
    /// Base64 of the SHA-256 of the certificate's public key.
    pub public_key_hash: String,
}

impl Direct {
    /// The flags with which Chromium finds the host here and trusts its certificate, and no other self-signed one.
    /// The last one counts only with a `--user-data-dir`.
    pub fn chromium_flags(&self) -> [String; 3] {
        [
            "--no-proxy-server".to_owned(),
            format!("--host-resolver-rules=MAP {} {}", self.host, self.address),
            format!("--ignore-certificate-errors-spki-list={}", self.public_key_hash),
        ]
    }
}
