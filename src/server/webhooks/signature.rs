//! Whether a webhook comes from Clerk: Svix's scheme, which Standard Webhooks wrote down.
//!
//! The library `standardwebhooks` makes the signature that a message must have. Around it: Svix's header names, our clock,
//! and secrets of a sensible length, which it does not ask for.
//!
//! What must stay true: the signature covers id, timestamp and the body as it came, before anything reads the body; it is
//! compared in constant time; the clock is an argument.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use standardwebhooks::Webhook;

/// How far a message's time may be from ours, either way, in seconds.
const TOLERANCE: i64 = 300;
/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Shortest key. Clerk's have 24 bytes; a shorter one is a copying error.
const MIN_KEY_BYTES: usize = 16;
/// Longest message id. Svix's have about 32.
const MAX_ID_BYTES: usize = 200;

/// A signing secret. `Debug` hides it.
#[derive(Clone)]
pub struct SigningKey(Arc<Webhook>);

impl SigningKey {
    /// Reads `whsec_` and base64.
    pub fn parse(secret: &str) -> Option<Self> {
        let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        let library = Webhook::from_bytes(key.clone()).ok()?;
        (key.len() >= MIN_KEY_BYTES).then(|| Self(Arc::new(library)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(hidden)")
    }
}

/// Why a message is rejected. The text is for its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the header {0} is missing or unreadable")]
    Header(&'static str),
    #[error("the message is older than five minutes")]
    TooOld,
    #[error("the message is dated more than five minutes in the future: one of the two clocks is wrong")]
    TooNew,
    #[error("no signature fits: the secret is another one, or the body was changed on its way")]
    Signature,
}

/// Gives the message's id if any of `keys` has signed it. `now` is in seconds since the Unix epoch.
pub fn verify<'a>(
    keys: &[SigningKey],
    headers: &'a HeaderMap,
    body: &[u8],
    now: i64,
) -> Result<&'a str, SignatureError> {
    let text = |name: &'static str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
        value.ok_or(SignatureError::Header(name))
    };
    let id = text("svix-id")?;
    if id.len() > MAX_ID_BYTES || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(SignatureError::Header("svix-id"));
    }
    let timestamp = text("svix-timestamp")?;
    let signatures = text("svix-signature")?;
    let sent: i64 = timestamp.parse().map_err(|_| SignatureError::Header("svix-timestamp"))?;
    if sent < now - TOLERANCE {
        return Err(SignatureError::TooOld);
    }
    if sent > now + TOLERANCE {
        return Err(SignatureError::TooNew);
    }
    // Several while Clerk changes the secret. The version (`v1,`) is a part of each; others are not for us.
    let fits = keys.iter().filter_map(|key| key.0.sign(id, sent, body).ok()).any(|expected| {
        signatures.split(' ').any(|given| verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_ok())
    });
    if fits { Ok(id) } else { Err(SignatureError::Signature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_secret_looks_like() {
        assert!(SigningKey::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").is_some());
        for bad in ["", "whsec_", "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_****", "whsec_c2hvcnQ=", "sk_test_x"] {
            assert!(SigningKey::parse(bad).is_none(), "{bad:?}");
        }
        let printed = format!("{:?}", SigningKey::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
        assert_eq!(printed, "Some(SigningKey(hidden))");
    }

    /// The example that the scheme's own libraries test themselves with.
    #[test]
    fn the_schemes_own_example_holds() {
        let key = SigningKey::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a secret");
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("svix-id", "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk"),
            ("svix-timestamp", "1649367553"),
            ("svix-signature", "v1a,x v1,AAAA v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="),
        ] {
            headers.insert(name, value.parse().expect("a header"));
        }
        let keys = [key];
        for (late, end) in [
            (0, Ok("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk")),
            (300, Ok("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk")),
            (-300, Ok("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk")),
            (301, Err(SignatureError::TooOld)),
            (-301, Err(SignatureError::TooNew)),
        ] {
            assert_eq!(verify(&keys, &headers, body, 1_649_367_553 + late), end, "{late}");
        }
        assert_eq!(verify(&keys, &headers, b"{}", 1_649_367_553), Err(SignatureError::Signature));
        assert_eq!(verify(&[], &headers, body, 1_649_367_553), Err(SignatureError::Signature));
    }
}
