//! The Clerk instance whose sessions are accepted: what cookies, handshakes and refusals need to know of it.

use super::cookies;
use crate::server::origin::PublicOrigin;

/// One Clerk instance, as seen from this app.
#[derive(Clone, Debug)]
pub struct ClerkInstance {
    /// The suffix of its cookies.
    pub cookie_suffix: String,
    /// The host in the publishable key. By it Clerk tells its instances' cookies apart, whatever issuer is configured.
    pub frontend_api: String,
    /// Whether it is a development instance (`pk_test_…`).
    pub development: bool,
    /// `iss` of its tokens.
    pub issuer: String,
    /// Where the browser finds the Frontend API, without a slash at the end: `/v1/…` follows.
    pub frontend_base: String,
    /// This app's own origin.
    pub origin: PublicOrigin,
}

impl ClerkInstance {
    /// What choosing between plain and suffixed cookies depends on.
    pub fn for_cookies(&self) -> cookies::Instance<'_> {
        cookies::Instance {
            suffix: &self.cookie_suffix,
            frontend_api: &self.frontend_api,
            development: self.development,
        }
    }
}
