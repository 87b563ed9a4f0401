//! A session token as it came in: not verified, and never printed.

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Longest token we look at, in bytes: browsers store no cookie above 4 kB, and headers may carry a little more.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The header category of session tokens (`backend: jwtCategories.ts`).
pub(super) const SESSION_CATEGORY: &str = "cl_B7d4PD111AAA";

/// A raw token. Says nothing about who is calling until it has been verified.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionToken(String);

impl SessionToken {
    /// Takes a token if it has the outer form of one: not empty, printable ASCII, at most 8 kB.
    pub fn new(raw: &str) -> Option<Self> {
        let plain = !raw.is_empty() && raw.len() <= MAX_TOKEN_BYTES && raw.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| Self(raw.to_owned()))
    }

    /// The token of an `Authorization` header: `Bearer x`, or a bare `x` as Clerk's own server library allows. Other
    /// schemes are not ours to read.
    pub fn from_authorization(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Self::new(token.trim()),
            Some(_) => None,
            None => Self::new(value),
        }
    }

    /// The token's bytes, for the verifier and for handing it back to Clerk.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A number of the payload, without verifying it. Good for comparing two cookies, for nothing else.
    pub fn unverified_number(&self, claim: &str) -> Option<i64> {
        self.unverified_payload()?.get(claim)?.as_i64()
    }

    /// Whether this has the form of a session token: not one of a JWT template or of a machine.
    pub fn is_unverified_session_token(&self) -> bool {
        let header = self.0.split('.').next().and_then(read_part::<Map<String, Value>>);
        let category =
            |header: &Map<String, Value>| header.get("cat").is_none_or(|category| category == SESSION_CATEGORY);
        header.as_ref().is_some_and(category)
    }

    /// Reads the payload without verifying it. Good for choosing between two cookies and for diagnosis, for nothing else.
    pub fn unverified_payload(&self) -> Option<Map<String, Value>> {
        let payload = self.0.split('.').nth(1)?;
        read_part(payload)
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionToken({} bytes, hidden)", self.0.len())
    }
}

/// One base64url part of a token as JSON.
pub(super) fn read_part<T: DeserializeOwned>(part: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> Option<SessionToken> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().expect("header"));
        SessionToken::from_authorization(&headers)
    }

    #[test]
    fn bearer_and_bare_tokens_are_read_other_schemes_are_not() {
        assert_eq!(with("Bearer a.b.c"), SessionToken::new("a.b.c"));
        assert_eq!(with("bearer a.b.c"), SessionToken::new("a.b.c"));
        assert_eq!(with("a.b.c"), SessionToken::new("a.b.c"));
        assert_eq!(with("Basic a.b.c"), None);
        assert_eq!(with("Bearer "), SessionToken::new("Bearer"));
    }

    #[test]
    fn oversized_and_unprintable_tokens_are_not_taken() {
        assert!(SessionToken::new(&"a".repeat(8 * 1024)).is_some());
        assert!(SessionToken::new(&"a".repeat(8 * 1024 + 1)).is_none());
        assert!(SessionToken::new("a b").is_none());
        assert!(SessionToken::new("").is_none());
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = SessionToken::new("secret.secret.secret").expect("token");
        assert_eq!(format!("{token:?}"), "SessionToken(20 bytes, hidden)");
    }
}
