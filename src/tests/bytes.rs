//! A million fuzzed inputs: no bytes in tokens, cookies and handshake results panic the server or sign a user in.
//!
//! Inputs are mutated from valid tokens, because purely random bytes fail the first rule. A failing test prints its
//! seed, and `PROPERTY_SEED` repeats it.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use time::OffsetDateTime;
use vestibule::server::clock::Clock;
use vestibule::server::session::cookies::{self, Handshaken, Instance};
use vestibule::server::session::keys::Keys;
use vestibule::server::session::{SessionToken, Verifier};

use crate::support::keys::{claims, header as good_header, instance, stranger, token};
use crate::support::{COOKIE_SUFFIX, ISSUER, NOW, ORIGIN};

/// More than a million in the three tests together.
const TOKENS: usize = 600_000;
const COOKIE_LINES: usize = 250_000;
const RESULTS: usize = 200_000;

const SEED: u64 = 0x5eed_2026;
const INSTANCE: Instance<'static> =
    Instance { suffix: COOKIE_SUFFIX, frontend_api: "clerk.example.test", development: false };
/// Interesting values for claims and headers.
const INTERESTING: [&str; 14] = [
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "9223372036854775807",
    "18446744073709551616",
    "\"\"",
    "\"RS256\"",
    "\"none\"",
    "\"user_eve\"",
    "[]",
    "{\"activeOrgId\":{}}",
    "[[[[[[[[]]]]]]]]",
];

struct Source {
    random: fastrand::Rng,
    seed: u64,
    good: Vec<String>,
}

impl Source {
    #[expect(clippy::disallowed_methods, reason = "a seed from outside repeats a failure")]
    fn new(test: u64) -> Self {
        let seed = std::env::var("PROPERTY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED + test);
        let eve = stranger().sign(&good_header(), &claims("user_eve"));
        Self { random: fastrand::Rng::with_seed(seed), seed, good: vec![token("user_ada"), eve] }
    }

    /// A piece of input: random, interesting, or from a valid token.
    fn piece(&mut self) -> Vec<u8> {
        match self.random.u8(..5) {
            0 => {
                let length = self.random.usize(..40);
                (0..length).map(|_| self.random.u8(..)).collect()
            }
            1 => INTERESTING[self.random.usize(..INTERESTING.len())].as_bytes().to_vec(),
            2 => b".=;,% \"\\\x00\xff\xc3\x28-_"[self.random.usize(..8)..].to_vec(),
            3 => format!("__session{}=", if self.random.bool() { "_mygDvuFt" } else { "" }).into_bytes(),
            _ => {
                let good = &self.good[self.random.usize(..self.good.len())];
                let from = self.random.usize(..good.len());
                good.as_bytes()[from..(from + self.random.usize(..80)).min(good.len())].to_vec()
            }
        }
    }

    /// A header or a payload with some fields changed, encoded.
    fn part(&mut self, original: &Value) -> String {
        let mut changed = original.clone();
        if let Some(members) = changed.as_object_mut() {
            let names: Vec<String> = members.keys().cloned().collect();
            for _ in 0..self.random.usize(..4) {
                let name = names[self.random.usize(..names.len())].clone();
                let value = INTERESTING[self.random.usize(..INTERESTING.len())];
                members.insert(name, serde_json::from_str(value).unwrap_or(Value::Null));
            }
        }
        URL_SAFE_NO_PAD.encode(changed.to_string())
    }

    /// A fuzzed token.
    fn token(&mut self) -> Vec<u8> {
        match self.random.u8(..10) {
            // A valid token with bytes changed, moved or lost.
            0..=3 => {
                let mut bytes = self.good[self.random.usize(..self.good.len())].clone().into_bytes();
                for _ in 0..=self.random.usize(..3) {
                    let at = self.random.usize(..bytes.len());
                    match self.random.u8(..4) {
                        0 => bytes[at] = self.random.u8(..),
                        1 => bytes.truncate(at.max(1)),
                        2 => bytes.insert(at, self.random.u8(..)),
                        _ => {
                            let piece = self.piece();
                            bytes.splice(at..at, piece);
                        }
                    }
                }
                bytes
            }
            // The right form with other content and a foreign signature.
            4..=7 => {
                let (header, payload) = (self.part(&good_header()), self.part(&claims("user_ada")));
                let signature = self.good[self.random.usize(..self.good.len())].rsplit('.').next().unwrap_or_default();
                format!("{header}.{payload}.{signature}").into_bytes()
            }
            _ => {
                let mut bytes = Vec::new();
                for _ in 0..self.random.usize(..6) {
                    bytes.extend(self.piece());
                }
                bytes
            }
        }
    }
}

fn verifier() -> Verifier {
    let keys = Keys::from_pem(&instance().public_pem()).expect("a key");
    let clock = Clock::manual(OffsetDateTime::from_unix_timestamp(NOW).expect("a moment"));
    Verifier::new(keys, ISSUER.to_owned(), BTreeSet::from([ORIGIN.to_owned()]), clock, 100)
}

/// Whether a text is exactly a token that we signed.
fn is_ours(source: &Source, token: &SessionToken) -> bool {
    source.good[0] == token.expose()
}

#[test]
fn no_fuzzed_token_signs_a_user_in() {
    let (mut source, verifier) = (Source::new(1), verifier());
    let mut reached_the_signature = 0;
    for round in 0..TOKENS {
        let bytes = source.token();
        let Some(token) = std::str::from_utf8(&bytes).ok().and_then(SessionToken::new) else { continue };
        let result = verifier.verify(&token).now_or_never().expect("a PEM is not waited for");
        if !is_ours(&source, &token) {
            assert!(result.is_err(), "seed {}, round {round}", source.seed);
        }
        reached_the_signature += usize::from(result.is_err_and(|error| error.to_string() == "token-invalid-signature"));
    }
    assert!(reached_the_signature > 10_000, "too few inputs reach the signature check: {reached_the_signature}");
}

#[test]
fn no_fuzzed_cookies_sign_a_user_in() {
    let (mut source, verifier) = (Source::new(2), verifier());
    let names = ["__session", "__session_mygDvuFt", "__client_uat", "__client_uat_mygDvuFt", "__clerk_handshake"];
    let mut found = 0;
    for round in 0..COOKIE_LINES {
        let mut headers = HeaderMap::new();
        let mut line = Vec::new();
        for _ in 0..source.random.usize(..6) {
            line.extend(names[source.random.usize(..names.len())].as_bytes());
            line.extend(if source.random.u8(..10) == 0 { &b""[..] } else { b"=" });
            line.extend(if source.random.bool() { source.token() } else { source.piece() });
            line.extend(if source.random.u8(..10) == 0 { &b","[..] } else { b"; " });
        }
        line.retain(|byte| *byte >= 32 && *byte != 127);
        let Ok(value) = HeaderValue::from_bytes(&line) else { continue };
        headers.append(header::COOKIE, value);
        let read = cookies::read(&headers, INSTANCE, NOW);
        let results = match read.handshake {
            Some(Handshaken::Token(token)) => Some(token),
            _ => None,
        };
        for token in read.session.into_iter().chain(results) {
            found += 1;
            let signed_in = verifier.verify(&token).now_or_never().expect("a PEM is not waited for").is_ok();
            assert!(!signed_in || is_ours(&source, &token), "seed {}, round {round}", source.seed);
        }
    }
    assert!(found > 10_000, "too few cookies are read: {found}");
}

#[test]
fn no_fuzzed_handshake_result_is_accepted() {
    let (mut source, verifier) = (Source::new(3), verifier());
    let payload = json!({"handshake": [format!("__session={}; Path=/", source.good[0])]});
    let header = json!({"alg": "RS256", "kid": "ins_2testKey", "typ": "JWT"});
    let accepted = |text: &str| {
        SessionToken::new(text).and_then(|token| verifier.verify_handshake(&token).now_or_never().expect("no waiting"))
    };
    let good = instance().sign(&header, &payload);
    assert!(accepted(&good).is_some(), "a valid result is accepted");
    let foreign = stranger().sign(&header, &payload);
    source.good = vec![good.clone(), foreign];
    for round in 0..RESULTS {
        let bytes = source.token();
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        assert!(text == good || accepted(text).is_none(), "seed {}, round {round}", source.seed);
    }
}
