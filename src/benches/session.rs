//! The cost of authenticating a request: verifying a token by every rule, verifying it again, and the gate's decision.
//!
//! `end2end/bench/session.mjs` runs this and compares. The yardstick is jsonwebtoken alone, on the same token in the
//! same run: the unavoidable cost of a signature.

use std::collections::BTreeSet;
use std::hint::black_box;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use vestibule::model::gate::{ClaimEvidence, Evidence, HandshakeEvidence, MembershipEvidence, SessionEvidence, decide};
use vestibule::model::ids::OrganizationId;
use vestibule::server::clock::Clock;
use vestibule::server::session::keys::Keys;
use vestibule::server::session::verify::REMEMBERED_TOKENS;
use vestibule::server::session::{SessionToken, Verifier};

const NOW: i64 = 1_767_323_045;
const ORIGIN: &str = "https://app.example.com";
const ISSUER: &str = "https://clerk.example.test";
/// The size of session tokens with a claims template, in bytes.
const TOKEN_BYTES: usize = 1_024;

/// A valid token of about a kilobyte, and the key that verifies it.
fn token() -> (String, String) {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let sign = |padding: usize| {
        let header = json!({"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": "ins_2bench", "oiat": NOW, "typ": "JWT"});
        let claims = json!({
            "azp": ORIGIN, "exp": NOW + 60, "fva": [0, -1], "iat": NOW, "iss": ISSUER, "jti": "0123456789abcdef0123",
            "nbf": NOW - 10, "sid": "sess_2bench0123456789abcdefghij", "sts": "active",
            "sub": "user_2bench0123456789abcdefghij", "v": 2,
            "publicMetadata": {
                "activeOrgId": "01890a5d-ac96-774b-bcce-b302099a8057", "onboardingComplete": true,
                "role": "x".repeat(padding),
            },
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let padding = (TOKEN_BYTES.saturating_sub(sign(0).len())) * 3 / 4;
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    (sign(padding), format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
}

fn verifier(pem: &str, remembered: usize) -> Verifier {
    let keys = Keys::from_pem(pem).expect("a key");
    let clock = Clock::manual(OffsetDateTime::from_unix_timestamp(NOW).expect("a moment"));
    Verifier::new(keys, ISSUER.to_owned(), BTreeSet::from([ORIGIN.to_owned()]), clock, remembered)
}

fn sessions(criterion: &mut Criterion) {
    let (text, pem) = token();
    let token = SessionToken::new(&text).expect("a token");

    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).expect("a key");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    criterion.bench_function("jsonwebtoken", |bencher| {
        bencher.iter(|| {
            jsonwebtoken::decode::<Map<String, Value>>(black_box(&text), &key, &validation).expect("a valid token")
        });
    });

    let forgetful = verifier(&pem, 0);
    criterion.bench_function("verify", |bencher| {
        bencher
            .iter(|| forgetful.verify(black_box(&token)).now_or_never().expect("no waiting").expect("a valid token"));
    });

    let remembering = verifier(&pem, REMEMBERED_TOKENS);
    criterion.bench_function("verify again", |bencher| {
        bencher
            .iter(|| remembering.verify(black_box(&token)).now_or_never().expect("no waiting").expect("a valid token"));
    });
}

fn gate(criterion: &mut Criterion) {
    let organization = OrganizationId(uuid::Uuid::from_u128(1));
    let mut evidence = Vec::new();
    for session in [
        SessionEvidence::Missing,
        SessionEvidence::Expired,
        SessionEvidence::Verified(ClaimEvidence::Absent),
        SessionEvidence::Verified(ClaimEvidence::Names),
    ] {
        for handshake in [HandshakeEvidence::NotEligible, HandshakeEvidence::Possible, HandshakeEvidence::Exhausted] {
            for membership in [
                MembershipEvidence::None,
                MembershipEvidence::Claimed(organization),
                MembershipEvidence::Other(organization),
                MembershipEvidence::Unreachable,
            ] {
                evidence.push(Evidence { session, handshake, membership });
            }
        }
    }
    let mut next = evidence.iter().cycle();
    criterion.bench_function("decide", |bencher| {
        bencher.iter(|| decide(black_box(next.next().expect("it has no end"))));
    });
}

criterion_group!(benches, sessions, gate);
criterion_main!(benches);
