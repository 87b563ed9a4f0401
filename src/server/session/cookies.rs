//! Clerk's cookies on our domain: which of the plain and the suffixed ones count.
//!
//! Two Clerk instances may share a domain (development and production, or two products), so Clerk writes each cookie
//! twice: plain, and with a suffix made from the publishable key. The rules by which its server library chooses are
//! in `shared: keys.ts` and `backend: AuthenticateContext.usesSuffixedCookies`; ours must choose the same.

use std::collections::HashMap;
use std::fmt;

use aws_lc_rs::digest;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use cookie::Cookie;
use serde_json::{Map, Value};

use super::token::SessionToken;

pub const SESSION: &str = "__session";
pub const CLIENT_UAT: &str = "__client_uat";
/// Read with the suffix only.
pub const REFRESH: &str = "__refresh";
pub const DEVELOPMENT_BROWSER: &str = "__clerk_db_jwt";
/// This and the two below are read without the suffix only.
pub const HANDSHAKE: &str = "__clerk_handshake";
pub const HANDSHAKE_NONCE: &str = "__clerk_handshake_nonce";
pub const REDIRECT_COUNT: &str = "__clerk_redirect_count";

/// Longest nonce or secret we hand on, in bytes.
const MAX_HIDDEN_BYTES: usize = 4 * 1024;

/// What the cookies of one request say, after the choice between plain and suffixed ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClerkCookies {
    pub session: Option<SessionToken>,
    /// `__client_uat`: when the browser's set of sessions last changed, in seconds; 0 means signed out.
    pub client_uat: i64,
    /// Whether the suffixed cookies were chosen.
    pub suffixed: bool,
    /// `__refresh_<suffix>`: renews an expired token without a redirect.
    pub refresh: Option<Hidden>,
    /// `__clerk_db_jwt`: the browser's name at a development instance.
    pub development_browser: Option<Hidden>,
    /// What a handshake has brought, if the browser comes from one.
    pub handshake: Option<Handshaken>,
    /// `__clerk_redirect_count`: how many handshakes there were within the last two seconds.
    pub handshakes: u32,
}

/// The result of a handshake, as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshaken {
    /// To be fetched from the Backend API, once.
    Nonce(Hidden),
    /// A signed token with the cookies inside.
    Token(SessionToken),
}

/// A value that proves something, and is therefore never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Takes printable ASCII of a sensible length.
    pub fn new(raw: &str) -> Option<Self> {
        let plain = !raw.is_empty() && raw.len() <= MAX_HIDDEN_BYTES && raw.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| Self(raw.to_owned()))
    }

    /// The value, for the one who must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({} bytes)", self.0.len())
    }
}

/// The suffix of a publishable key: the first 8 characters of the URL-safe base64 of its SHA-1.
pub fn suffix_of(publishable_key: &str) -> String {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, publishable_key.as_bytes());
    URL_SAFE.encode(hash.as_ref()).chars().take(8).collect()
}

/// The names under which a cookie may exist: plain and suffixed.
pub fn names(name: &str, suffix: &str) -> [String; 2] {
    [name.to_owned(), format!("{name}_{suffix}")]
}

/// Which Clerk instance the cookies are read for.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a> {
    pub suffix: &'a str,
    /// The host in the publishable key.
    pub frontend_api: &'a str,
    pub development: bool,
}

/// Reads the cookies. `now` is in seconds.
pub fn read(headers: &HeaderMap, instance: Instance<'_>, now: i64) -> ClerkCookies {
    let mut found: HashMap<String, String> = HashMap::new();
    for value in headers.get_all(header::COOKIE) {
        let Ok(value) = value.to_str() else { continue };
        for cookie in Cookie::split_parse(value).flatten() {
            // Of two cookies with one name, browsers send the one with the longer path first.
            found.entry(cookie.name().to_owned()).or_insert_with(|| cookie.value().to_owned());
        }
    }
    // An empty cookie is no cookie.
    let text = |name: &str| found.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let [session, suffixed_session] = names(SESSION, instance.suffix);
    let [uat, suffixed_uat] = names(CLIENT_UAT, instance.suffix);
    let [browser, suffixed_browser] = names(DEVELOPMENT_BROWSER, instance.suffix);
    let plain = Pair { session: text(&session), uat: text(&uat) };
    let with_suffix = Pair { session: text(&suffixed_session), uat: text(&suffixed_uat) };
    let suffixed = uses_suffixed(&plain, &with_suffix, instance, now);
    let (chosen, browser) = if suffixed { (with_suffix, suffixed_browser) } else { (plain, browser) };
    let nonce = text(HANDSHAKE_NONCE).and_then(Hidden::new).map(Handshaken::Nonce);
    ClerkCookies {
        session: chosen.session.and_then(SessionToken::new),
        client_uat: chosen.uat.and_then(|uat| uat.parse().ok()).unwrap_or(0),
        suffixed,
        refresh: text(&names(REFRESH, instance.suffix)[1]).and_then(Hidden::new),
        development_browser: text(&browser).and_then(Hidden::new),
        handshake: nonce.or_else(|| text(HANDSHAKE).and_then(SessionToken::new).map(Handshaken::Token)),
        handshakes: text(REDIRECT_COUNT).and_then(|count| count.parse().ok()).unwrap_or(0),
    }
}

/// One of the two forms of the cookies, as they came.
struct Pair<'a> {
    session: Option<&'a str>,
    uat: Option<&'a str>,
}

impl Pair<'_> {
    fn payload(&self) -> Option<Map<String, Value>> {
        SessionToken::new(self.session?)?.unverified_payload()
    }

    /// Present and other than `0`, or absent: so Clerk's rules have it.
    fn is_not_signed_out(&self) -> bool {
        self.uat != Some("0")
    }
}

fn uses_suffixed(plain: &Pair<'_>, suffixed: &Pair<'_>, instance: Instance<'_>, now: i64) -> bool {
    let payload = plain.payload();
    let number = |payload: &Option<Map<String, Value>>, claim: &str| {
        payload.as_ref().and_then(|payload| payload.get(claim).and_then(Value::as_i64)).unwrap_or(0)
    };
    if plain.session.is_some() {
        match payload
            .as_ref()
            .and_then(|payload| payload.get("iss"))
            .filter(|issuer| !issuer.is_null())
            .map(|issuer| issuer.as_str().unwrap_or("no text"))
        {
            None | Some("") => return false,
            Some(issuer)
                if issuer.trim_start_matches("https://").trim_start_matches("http://") != instance.frontend_api =>
            {
                return true;
            }
            Some(_) => {}
        }
    }
    if suffixed.uat.is_none() && suffixed.session.is_none() {
        return false;
    }
    let suffixed_payload = suffixed.payload();
    if plain.is_not_signed_out()
        && suffixed.is_not_signed_out()
        && number(&payload, "iat") > number(&suffixed_payload, "iat")
    {
        return false;
    }
    if !suffixed.is_not_signed_out() && plain.is_not_signed_out() {
        return false;
    }
    let suffixed_is_expired = suffixed_payload.is_some() && number(&suffixed_payload, "exp") <= now;
    if instance.development && suffixed.is_not_signed_out() && !plain.is_not_signed_out() && suffixed_is_expired {
        return false;
    }
    !(suffixed.session.is_some() && suffixed.uat.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const HOST: &str = "clerk.example.test";
    const INSTANCE: Instance<'static> = Instance { suffix: "SUFFIXED", frontend_api: HOST, development: false };

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    fn ours(iat: i64) -> String {
        token(&format!(r#"{{"iss":"https://{HOST}","iat":{iat},"exp":{}}}"#, iat + 60))
    }

    fn chosen(cookies: &[(&str, &str)]) -> ClerkCookies {
        let mut headers = HeaderMap::new();
        let line = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        headers.insert(header::COOKIE, line.parse().expect("header"));
        read(&headers, INSTANCE, 1_000)
    }

    #[test]
    fn suffixes_are_clerks() {
        assert_eq!(suffix_of("pk_test_bW9jay1jbGVyay0wMS5jbGVyay5hY2NvdW50cy5kZXYk"), "4UCa6Zq-");
        assert_eq!(suffix_of("pk_live_Y2xlcmsuZXhhbXBsZS50ZXN0JA"), "mygDvuFt");
    }

    #[test]
    fn the_rules_of_choice() {
        let (old, new) = (ours(100), ours(200));
        let foreign = token(r#"{"iss":"https://other.example.test","iat":300}"#);
        let nameless = token(r#"{"iat":300}"#);
        let session = |cookies: &[(&str, &str)]| chosen(cookies).session.map(|token| token.expose().to_owned());
        let both = |plain: &str, suffixed: &str| {
            session(&[
                ("__session", plain),
                ("__client_uat", "1"),
                ("__session_SUFFIXED", suffixed),
                ("__client_uat_SUFFIXED", "1"),
            ])
        };
        assert_eq!(both(&nameless, &new), Some(nameless.clone()), "a plain token without issuer wins");
        assert_eq!(both(&foreign, &old), Some(old.clone()), "another instance's plain token loses");
        let numbered = token(r#"{"iss":1,"iat":300}"#);
        assert_eq!(both(&numbered, &old), Some(old.clone()), "an issuer that is no text is another one");
        assert_eq!(session(&[("__session", &old)]), Some(old.clone()), "nothing suffixed");
        assert_eq!(both(&new, &old), Some(new.clone()), "the newer plain token wins");
        assert_eq!(both(&old, &new), Some(new.clone()), "the newer suffixed token wins");
        let signed_out_suffixed = [
            ("__session", old.as_str()),
            ("__client_uat", "1"),
            ("__client_uat_SUFFIXED", "0"),
            ("__session_SUFFIXED", &new),
        ];
        assert_eq!(session(&signed_out_suffixed), Some(old.clone()), "signed out under the suffix");
        // For these two rules, Clerk takes a missing uat for one that is not 0.
        assert_eq!(
            session(&[("__session", &new), ("__session_SUFFIXED", &old), ("__client_uat_SUFFIXED", "1")]),
            Some(new.clone())
        );
        assert_eq!(
            session(&[("__session", &old), ("__session_SUFFIXED", &new), ("__client_uat_SUFFIXED", "0")]),
            Some(old.clone())
        );
        let no_suffixed_uat = [("__session", old.as_str()), ("__session_SUFFIXED", &new)];
        assert_eq!(session(&no_suffixed_uat), Some(old.clone()), "a suffixed token without its uat");
    }

    #[test]
    fn what_belongs_to_the_handshake() {
        let cookies = chosen(&[
            ("__clerk_handshake", "a.b.c"),
            ("__clerk_redirect_count", "2"),
            ("__refresh", "plain"),
            ("__refresh_SUFFIXED", "right"),
        ]);
        assert_eq!(cookies.handshake, SessionToken::new("a.b.c").map(Handshaken::Token));
        assert_eq!((cookies.handshakes, cookies.refresh), (2, Hidden::new("right")));
        let both = chosen(&[("__clerk_handshake", "a.b.c"), ("__clerk_handshake_nonce", "n")]);
        assert_eq!(both.handshake, Hidden::new("n").map(Handshaken::Nonce));
        let empty = chosen(&[("__clerk_handshake_nonce", ""), ("__clerk_redirect_count", "-1")]);
        assert_eq!((empty.handshake, empty.handshakes), (None, 0));
        assert_eq!(format!("{:?}", Hidden::new("secret")), "Some(Hidden(6 bytes))");
    }

    #[test]
    fn garbage_is_nobody() {
        assert_eq!(chosen(&[("__session", ""), ("__client_uat", "x")]), ClerkCookies::default());
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, axum::http::HeaderValue::from_bytes(b"__session=\xff; ;;=").expect("opaque"));
        assert_eq!(read(&headers, INSTANCE, 0), ClerkCookies::default());
    }
}
