//! Clerk's cookies on our domain: which of the plain and the suffixed ones count.
//!
//! Two Clerk instances may share a domain (development and production, or two products), so Clerk writes each cookie
//! twice: plain, and with a suffix made from the publishable key. The rules by which its server library chooses are
//! in `shared: keys.ts` and `backend: AuthenticateContext.usesSuffixedCookies`; ours must choose the same.

use aws_lc_rs::digest;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use cookie::Cookie;
use serde_json::{Map, Value};

use super::token::SessionToken;

/// What the cookies of one request say, after the choice between plain and suffixed ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ClerkCookies {
    pub session: Option<SessionToken>,
    /// `__client_uat`: when the browser's set of sessions last changed, in seconds; 0 means signed out.
    pub client_uat: i64,
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

/// Reads the cookies. `frontend_api` is the host in the publishable key, `now` in seconds.
pub fn read(headers: &HeaderMap, suffix: &str, frontend_api: &str, production: bool, now: i64) -> ClerkCookies {
    let mut plain = Pair::default();
    let mut suffixed = Pair::default();
    let [session, session_suffixed] = names("__session", suffix);
    let [uat, uat_suffixed] = names("__client_uat", suffix);
    for value in headers.get_all(header::COOKIE) {
        let Ok(value) = value.to_str() else { continue };
        for cookie in Cookie::split_parse(value).flatten() {
            let name = cookie.name();
            if name == session {
                plain.session = SessionToken::new(cookie.value());
            } else if name == session_suffixed {
                suffixed.session = SessionToken::new(cookie.value());
            } else if name == uat {
                plain.uat = Some(cookie.value().parse().unwrap_or(0));
            } else if name == uat_suffixed {
                suffixed.uat = Some(cookie.value().parse().unwrap_or(0));
            }
        }
    }
    let chosen = if uses_suffixed(&plain, &suffixed, frontend_api, production, now) { suffixed } else { plain };
    ClerkCookies { session: chosen.session, client_uat: chosen.uat.unwrap_or(0) }
}

#[derive(Default)]
struct Pair {
    session: Option<SessionToken>,
    uat: Option<i64>,
}

impl Pair {
    fn payload(&self) -> Option<Map<String, Value>> {
        self.session.as_ref().and_then(SessionToken::unverified_payload)
    }

    fn number(&self, claim: &str) -> i64 {
        self.payload().and_then(|payload| payload.get(claim).and_then(Value::as_i64)).unwrap_or(0)
    }
}

fn uses_suffixed(plain: &Pair, suffixed: &Pair, frontend_api: &str, production: bool, now: i64) -> bool {
    if plain.session.is_some() {
        let payload = plain.payload();
        match payload.as_ref().and_then(|payload| payload.get("iss")).and_then(Value::as_str) {
            None => return false,
            Some(issuer) if issuer.trim_start_matches("https://").trim_start_matches("http://") != frontend_api => {
                return true;
            }
            Some(_) => {}
        }
    }
    if suffixed.uat.is_none() && suffixed.session.is_none() {
        return false;
    }
    let plain_uat = plain.uat.unwrap_or(0);
    let suffixed_uat = suffixed.uat.unwrap_or(0);
    if plain_uat != 0 && suffixed_uat != 0 && plain.number("iat") > suffixed.number("iat") {
        return false;
    }
    if suffixed_uat == 0 && plain_uat != 0 {
        return false;
    }
    if !production && suffixed_uat != 0 && plain_uat == 0 && suffixed.session.is_some() && suffixed.number("exp") <= now
    {
        return false;
    }
    if suffixed.session.is_some() && suffixed.uat.is_none() {
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    const HOST: &str = "clerk.example.test";

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
        read(&headers, "SUFFIXED", HOST, true, 1_000)
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
        let no_suffixed_uat = [("__session", old.as_str()), ("__session_SUFFIXED", &new)];
        assert_eq!(session(&no_suffixed_uat), Some(old.clone()), "a suffixed token without its uat");
    }

    #[test]
    fn garbage_is_nobody() {
        assert_eq!(chosen(&[("__session", ""), ("__client_uat", "x")]), ClerkCookies::default());
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, axum::http::HeaderValue::from_bytes(b"__session=\xff; ;;=").expect("opaque"));
        assert_eq!(read(&headers, "SUFFIXED", HOST, true, 0), ClerkCookies::default());
    }
}
