//! Names and forms of Clerk's cookies. Whatever is set is set twice, plain and with the instance's suffix,
//! except where Clerk reads only one of the forms.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

/// The browser's own secret; only the Frontend API reads it.
pub(crate) const CLIENT: &str = "__client";
/// When the set of sessions last changed, in seconds; 0 when no user is signed in.
pub(crate) const CLIENT_UAT: &str = "__client_uat";
/// The session token.
pub(crate) const SESSION: &str = "__session";
/// Renews an expired session token without a redirect; read only with the suffix.
pub(crate) const REFRESH: &str = "__refresh";
/// The development browser: what `__client` is to a production instance, but on the app's own site, and sent in the query.
pub(crate) const DEV_BROWSER: &str = "__clerk_db_jwt";
/// Result of a handshake, as a signed token; read only without the suffix.
pub(crate) const HANDSHAKE: &str = "__clerk_handshake";
/// Result of a handshake, to be fetched; read only without the suffix.
pub(crate) const HANDSHAKE_NONCE: &str = "__clerk_handshake_nonce";

/// One year in seconds: the cookies outlive the tokens inside them on purpose.
const YEAR: u32 = 31_536_000;
/// Seconds in which the browser must come back from a handshake.
const HANDSHAKE_SECONDS: u32 = 60;

/// First eight letters of the base64url of the key's SHA-1.
pub(crate) fn suffix(publishable_key: &str) -> String {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, publishable_key.as_bytes());
    let mut text = URL_SAFE.encode(hash.as_ref());
    text.truncate(8);
    text
}

/// Writes `Set-Cookie` values for one site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jar<'a> {
    pub(crate) suffix: &'a str,
    /// Whether the site is served over TLS.
    pub(crate) secure: bool,
}

impl Jar<'_> {
    /// `name` with the suffix.
    pub(crate) fn suffixed(&self, name: &str) -> String {
        format!("{name}_{}", self.suffix)
    }

    /// The client cookie; an empty value removes it.
    pub(crate) fn client(&self, value: &str) -> String {
        self.cookie(CLIENT, value, lasting(value), true)
    }

    /// `__client_uat`, both forms.
    pub(crate) fn client_uat(&self, seconds: i64) -> [String; 2] {
        let value = seconds.to_string();
        [CLIENT_UAT.to_owned(), self.suffixed(CLIENT_UAT)].map(|name| self.cookie(&name, &value, YEAR, false))
    }

    /// `__session`, both forms; an empty token removes them.
    pub(crate) fn session(&self, token: &str) -> [String; 2] {
        [SESSION.to_owned(), self.suffixed(SESSION)].map(|name| self.cookie(&name, token, lasting(token), false))
    }

    /// `__refresh_<suffix>`; an empty value removes it.
    pub(crate) fn refresh(&self, value: &str) -> String {
        self.cookie(&self.suffixed(REFRESH), value, lasting(value), true)
    }

    /// `__clerk_db_jwt`, both forms. clerk-js reads it.
    pub(crate) fn dev_browser(&self, token: &str) -> [String; 2] {
        [DEV_BROWSER.to_owned(), self.suffixed(DEV_BROWSER)].map(|name| self.cookie(&name, token, YEAR, false))
    }

    /// One of the two handshake cookies; an empty value removes it.
    pub(crate) fn handshake(&self, name: &str, value: &str) -> String {
        self.cookie(name, value, if value.is_empty() { 0 } else { HANDSHAKE_SECONDS }, true)
    }

    fn cookie(&self, name: &str, value: &str, max_age: u32, http_only: bool) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let http_only = if http_only { "; HttpOnly" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={max_age}; SameSite=Lax{http_only}{secure}")
    }
}

fn lasting(value: &str) -> u32 {
    if value.is_empty() { 0 } else { YEAR }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_has_its_known_values() {
        assert_eq!(suffix("pk_test_bW9jay1jbGVyay0wMS5jbGVyay5hY2NvdW50cy5kZXYk"), "4UCa6Zq-");
        assert_eq!(suffix("pk_live_Y2xlcmsuZXhhbXBsZS50ZXN0JA"), "mygDvuFt");
    }

    #[test]
    fn cookies_have_their_attributes() {
        let jar = Jar { suffix: "abc", secure: false };
        assert_eq!(jar.client("x"), "__client=x; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
        assert_eq!(jar.session("")[1], "__session_abc=; Path=/; Max-Age=0; SameSite=Lax");
        let jar = Jar { secure: true, ..jar };
        assert_eq!(jar.client_uat(5)[0], "__client_uat=5; Path=/; Max-Age=31536000; SameSite=Lax; Secure");
    }
}
