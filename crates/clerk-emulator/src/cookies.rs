//! Names and forms of Clerk's cookies. Whatever is set is set twice, plain and with the instance's suffix,
//! except where Clerk reads only one of the forms.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, header};
use time::Duration;

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

/// One year: the cookies outlive the tokens inside them on purpose.
const YEAR: Duration = Duration::days(365);
/// In which the browser must come back from a handshake.
const HANDSHAKE_LIFETIME: Duration = Duration::minutes(1);

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
        self.cookie(name, value, if value.is_empty() { Duration::ZERO } else { HANDSHAKE_LIFETIME }, true)
    }

    fn cookie(&self, name: &str, value: &str, max_age: Duration, http_only: bool) -> String {
        let cookie = Cookie::build((name, value)).path("/").max_age(max_age).same_site(SameSite::Lax);
        cookie.http_only(http_only).secure(self.secure).to_string()
    }
}

/// A year, or no time at all for a cookie without a value.
fn lasting(value: &str) -> Duration {
    if value.is_empty() { Duration::ZERO } else { YEAR }
}

/// The value of a cookie that a browser sent. A pair that is no cookie, or no UTF-8, costs only itself.
pub(crate) fn sent<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| Cookie::parse(std::str::from_utf8(pair).ok()?).ok())
        .find(|cookie| cookie.name() == name)?
        .value_raw()
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
        assert_eq!(jar.client("x"), "__client=x; HttpOnly; SameSite=Lax; Path=/; Max-Age=31536000");
        assert_eq!(jar.session("")[1], "__session_abc=; SameSite=Lax; Path=/; Max-Age=0");
        let jar = Jar { secure: true, ..jar };
        assert_eq!(jar.client_uat(5)[0], "__client_uat=5; SameSite=Lax; Secure; Path=/; Max-Age=31536000");
    }

    #[test]
    fn a_bad_pair_costs_only_itself() {
        let mut headers = HeaderMap::new();
        let bad = b"a=\xff; nonsense; =x; __client=x.y=z; b=\"1\"; __client=second";
        headers.append(header::COOKIE, http::HeaderValue::from_bytes(bad).expect("a header"));
        headers.append(header::COOKIE, http::HeaderValue::from_static("c=; d=4"));
        let values = ["__client", "b", "c", "d", "a", "nonsense", ""].map(|name| sent(&headers, name));
        assert_eq!(values, [Some("x.y=z"), Some("\"1\""), Some(""), Some("4"), None, None, None]);
    }
}
