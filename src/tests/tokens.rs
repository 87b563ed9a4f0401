//! Verification, rule by rule, with literal tokens that are signed here.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use serde_json::{Value, json};
use time::Duration;
use vestibule::server::session::{SessionClaims, SessionToken};

use crate::support::keys::{KEY_ID, claims, claims_with, header, instance, stranger, token, token_with};
use crate::support::{ISSUER, NOW, ORIGIN, TestApp};

const ADA: &str = "user_ada";

/// The claims, or the machine-readable reason.
async fn verify(app: &TestApp, raw: &str) -> Result<SessionClaims, String> {
    let token = SessionToken::new(raw).ok_or("not-taken")?;
    app.state.verifier().verify(&token).await.map_err(|error| error.to_string())
}

async fn reason(app: &TestApp, raw: &str) -> String {
    verify(app, raw).await.err().unwrap_or_else(|| "accepted".to_owned())
}

fn with_header(change: &Value) -> String {
    let mut header = header();
    for (name, value) in change.as_object().expect("an object") {
        match value {
            Value::Null => _ = header.as_object_mut().expect("an object").remove(name),
            value => header[name] = value.clone(),
        }
    }
    instance().sign(&header, &claims(ADA))
}

/// A token whose "signature" is an HMAC with the public key as its secret.
fn confused(secret: &[u8]) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "HS256", "kid": KEY_ID, "typ": "JWT"})), part(&claims(ADA)));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

#[tokio::test]
async fn every_rule_has_its_reason() {
    let app = TestApp::start().await;
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let good = token(ADA);
    let signature = good.rsplit('.').next().expect("three parts");
    let unsigned = |alg: &str| format!("{}.{}.", part(&json!({"alg": alg, "typ": "JWT"})), part(&claims(ADA)));
    let pem = instance().public_pem();
    let of = |change: Value| token_with(ADA, &change);
    let huge = of(json!({"padding": "x".repeat(8 * 1024)}));
    let large = of(json!({"padding": "x".repeat(5_000)}));
    let cases: Vec<(&str, String, &str)> = vec![
        ("a good one", good.clone(), "accepted"),
        ("another key", stranger().sign(&header(), &claims(ADA)), "token-invalid-signature"),
        (
            "another payload under the signature",
            format!("{}.{}.{signature}", part(&header()), part(&claims("user_eve"))),
            "token-invalid-signature",
        ),
        ("alg none", unsigned("none"), "token-invalid-algorithm"),
        ("alg None", unsigned("None"), "token-invalid-algorithm"),
        ("alg none with a signature", with_header(&json!({"alg": "none"})), "token-invalid-algorithm"),
        ("HS256 with the PEM as secret", confused(pem.as_bytes()), "token-invalid-algorithm"),
        ("HS256 with the trimmed PEM as secret", confused(pem.trim().as_bytes()), "token-invalid-algorithm"),
        ("RS512", with_header(&json!({"alg": "RS512"})), "token-invalid-algorithm"),
        ("small letters", with_header(&json!({"alg": "rs256"})), "token-invalid-algorithm"),
        ("no alg", with_header(&json!({"alg": null})), "token-invalid"),
        ("no typ", with_header(&json!({"typ": null})), "accepted"),
        ("typ of an access token", with_header(&json!({"typ": "at+jwt"})), "token-type-mismatch"),
        ("another typ", with_header(&json!({"typ": "JWS"})), "token-invalid"),
        ("no category", with_header(&json!({"cat": null})), "accepted"),
        ("a JWT template's token", with_header(&json!({"cat": "cl_B7d4PD222AAA"})), "token-type-mismatch"),
        ("a machine's token", with_header(&json!({"cat": "cl_B7d4PD333AAA"})), "token-type-mismatch"),
        ("an empty category", with_header(&json!({"cat": ""})), "token-type-mismatch"),
        ("another issuer", of(json!({"iss": "https://clerk.other.test"})), "token-invalid-issuer"),
        ("an issuer with a slash", of(json!({"iss": format!("{ISSUER}/")})), "token-invalid-issuer"),
        ("no issuer", of(json!({"iss": null})), "token-invalid-issuer"),
        ("an issuer list", of(json!({"iss": [ISSUER]})), "token-invalid-issuer"),
        ("another party", of(json!({"azp": "https://evil.example"})), "token-invalid-authorized-parties"),
        ("a longer party", of(json!({"azp": format!("{ORIGIN}.evil.example")})), "token-invalid-authorized-parties"),
        ("the party over http", of(json!({"azp": "http://app.example.com"})), "token-invalid-authorized-parties"),
        ("no party", of(json!({"azp": null})), "token-missing-authorized-party"),
        ("an empty party", of(json!({"azp": ""})), "token-missing-authorized-party"),
        ("an unfinished task", of(json!({"sts": "pending"})), "session-pending"),
        ("no status", of(json!({"sts": null})), "accepted"),
        ("no subject", of(json!({"sub": null})), "token-verification-failed"),
        ("an empty subject", of(json!({"sub": ""})), "token-verification-failed"),
        ("a subject that is a path", of(json!({"sub": "user/../admin"})), "token-verification-failed"),
        ("a number as subject", of(json!({"sub": 7})), "token-verification-failed"),
        ("a machine as subject", of(json!({"sub": "mch_1"})), "token-type-mismatch"),
        ("no session", of(json!({"sid": null})), "token-verification-failed"),
        ("no session, and expired", of(json!({"sid": null, "exp": NOW - 6})), "token-expired"),
        ("no expiry", of(json!({"exp": null})), "token-verification-failed"),
        ("expiry as a text", of(json!({"exp": (NOW + 60).to_string()})), "token-verification-failed"),
        ("no time of issue", of(json!({"iat": null})), "token-verification-failed"),
        ("no time to begin", of(json!({"nbf": null})), "accepted"),
        ("a text as time to begin", of(json!({"nbf": "tomorrow"})), "token-verification-failed"),
        (
            "an expiry beyond all numbers",
            instance()
                .sign_text(&header().to_string(), &claims(ADA).to_string().replace(&(NOW + 60).to_string(), "1e400")),
            "token-invalid",
        ),
        ("a payload that is no object", instance().sign(&header(), &json!([1])), "token-invalid"),
        ("a payload that is no JSON", instance().sign_text(&header().to_string(), "{"), "token-invalid"),
        ("a header that is no JSON", instance().sign_text("{", &claims(ADA).to_string()), "token-invalid"),
        (
            "a header with alg twice",
            instance().sign_text(r#"{"alg":"RS256","alg":"none"}"#, &claims(ADA).to_string()),
            "token-invalid",
        ),
        ("two parts", "a.b".to_owned(), "token-invalid"),
        ("four parts", format!("{good}.x"), "token-invalid"),
        ("no parts", "..".to_owned(), "token-invalid"),
        ("garbage", "garbage".to_owned(), "token-invalid"),
        ("nothing", String::new(), "not-taken"),
        ("a space", format!("{good} "), "not-taken"),
        ("over 8 kB", huge, "not-taken"),
        ("large, but below 8 kB", large, "accepted"),
    ];
    for (what, token, expected) in cases {
        assert_eq!(reason(&app, &token).await, expected, "{what}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_five_seconds() {
    let app = TestApp::start().await;
    // Milliseconds after NOW; `exp` is NOW + 60.
    for (at, expected) in
        [(59_900, "accepted"), (64_900, "accepted"), (65_100, "token-expired"), (86_400_000, "token-expired")]
    {
        app.clock.advance(Duration::milliseconds(at));
        assert_eq!(reason(&app, &token(ADA)).await, expected, "{at} ms");
        app.clock.advance(Duration::milliseconds(-at));
    }
    // The clock is 0.9 s or 0.1 s before a full second.
    for (ahead, back, expected) in [
        (5, 100, "token-iat-in-the-future"),
        (5, 0, "accepted"),
        (4, 900, "accepted"),
        (6, 900, "token-iat-in-the-future"),
    ] {
        app.clock.advance(Duration::milliseconds(-back));
        let early = token_with(ADA, &json!({"iat": NOW + ahead}));
        assert_eq!(reason(&app, &early).await, expected, "iat {ahead} s ahead, the clock {back} ms back");
        let expected = if expected == "accepted" { expected } else { "token-not-active-yet" };
        let early = token_with(ADA, &json!({"nbf": NOW + ahead}));
        assert_eq!(reason(&app, &early).await, expected, "nbf {ahead} s ahead, the clock {back} ms back");
        app.clock.advance(Duration::milliseconds(back));
    }
}

#[tokio::test]
async fn claims_of_both_versions_are_read() {
    let app = TestApp::start().await;
    let organization = "0193f3a1-7b5e-7c00-8000-00000000000a";
    let v1 = json!({
        "azp": ORIGIN, "exp": NOW + 60, "iat": NOW, "iss": ISSUER, "nbf": NOW - 10, "sid": "sess_1", "sub": ADA,
        "org_id": "org_1", "org_role": "org:admin", "org_permissions": [], "activeOrgId": organization
    });
    let v2 = json!({
        "azp": ORIGIN, "exp": NOW + 60, "iat": NOW, "iss": ISSUER, "nbf": NOW - 10, "sid": "sess_1", "sub": ADA, "v": 2,
        "jti": "0a1b2c", "fva": [0, -1], "pla": "u:free", "fea": "u:x", "sts": "active",
        "o": {"id": "org_1", "rol": "admin", "slg": "acme", "per": "read", "fpm": "1"}, "activeOrgId": organization
    });
    for claims in [v1, v2] {
        let verified = verify(&app, &instance().sign(&header(), &claims)).await.expect("accepted");
        assert_eq!((verified.user_id().as_str(), verified.session_id().as_str()), (ADA, "sess_1"));
        assert_eq!((verified.issued_at(), verified.expires_at()), (NOW, NOW + 60));
        let expected = format!("Organization(OrganizationId({organization}))");
        assert_eq!(format!("{:?}", verified.active_organization()), expected);
    }
}

#[tokio::test]
async fn keys_are_fetched_when_needed_cached_and_renewed() {
    let app = TestApp::start_with(&[("CLERK_JWT_KEY", "")]).await;
    // Nothing to fetch: not signed out, but not verifiable.
    assert_eq!(reason(&app, &token(ADA)).await, "jwk-remote-failed-to-load");
    // A failure is cached for a moment, so that concurrent requests do not repeat the call.
    app.clerk.publish(instance().jwks(KEY_ID));
    assert_eq!(reason(&app, &token(ADA)).await, "jwk-remote-failed-to-load");
    assert_eq!(app.clerk.jwks_calls(), 1);
    app.clock.advance(Duration::milliseconds(2_100));
    let raw = token(ADA);
    // Concurrent requests cause one fetch.
    let reasons = join_all((0..8).map(|_| reason(&app, &raw))).await;
    assert_eq!(reasons, ["accepted"; 8]);
    assert_eq!(app.clerk.jwks_calls(), 2);

    // Invented key ids do not cause a fetch each time.
    let unknown = stranger().sign(&json!({"alg": "RS256", "kid": "ins_other", "typ": "JWT"}), &claims(ADA));
    for _ in 0..3 {
        assert_eq!(reason(&app, &unknown).await, "jwk-kid-mismatch");
    }
    assert_eq!(reason(&app, &with_header(&json!({"kid": null}))).await, "jwk-kid-mismatch");
    assert_eq!(app.clerk.jwks_calls(), 2);
    // A rotated key is found after the pause.
    app.clerk.publish(stranger().jwks("ins_other"));
    app.clock.advance(Duration::milliseconds(30_100));
    assert_eq!(reason(&app, &unknown).await, "accepted");
    assert_eq!(app.clerk.jwks_calls(), 3);
    // The old key is gone with the old set, and a key matches only its own id.
    assert_eq!(
        reason(&app, &instance().sign(&json!({"alg": "RS256", "kid": "ins_other"}), &claims(ADA))).await,
        "token-invalid-signature"
    );
    assert_eq!(reason(&app, &token(ADA)).await, "jwk-kid-mismatch");

    // Known keys outlive an outage.
    app.clock.advance(Duration::minutes(6));
    app.clerk.refuse(1, 500);
    let late = claims_with(ADA, &json!({"iat": NOW + 390, "exp": NOW + 450}));
    let late = stranger().sign(&json!({"alg": "RS256", "kid": "ins_other"}), &late);
    assert_eq!(reason(&app, &late).await, "accepted");
    assert_eq!(app.clerk.jwks_calls(), 4);
}

#[tokio::test]
async fn a_cached_token_expires() {
    let app = TestApp::start().await;
    let good = token(ADA);
    for _ in 0..3 {
        assert_eq!(reason(&app, &good).await, "accepted");
    }
    app.clock.advance(Duration::milliseconds(64_900));
    assert_eq!(reason(&app, &good).await, "accepted");
    app.clock.advance(Duration::milliseconds(100));
    for _ in 0..2 {
        assert_eq!(reason(&app, &good).await, "token-expired");
    }
    // A token that differs in a single bit was never verified.
    let other = format!("{}A", &good[..good.len() - 1]);
    assert_ne!(reason(&app, &other).await, "accepted");
}

#[tokio::test]
async fn a_hanging_key_server_is_waited_for_two_seconds() {
    let app = TestApp::start_with(&[("CLERK_JWT_KEY", "")]).await;
    let release = app.clerk.hold();
    // The stub does not respond until the sender is dropped, so a response here proves the bound.
    assert_eq!(reason(&app, &token(ADA)).await, "jwk-remote-failed-to-load");
    drop(release);
}

/// A small random number generator (xorshift), so that a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[tokio::test]
async fn no_mutation_of_a_valid_token_is_accepted() {
    const SEED: u64 = 0x5eed_2026;
    const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/~ {}\"";
    let app = TestApp::start().await;
    let good = token(ADA);
    let parts: Vec<&str> = good.split('.').collect();
    let other = token("user_eve");
    let other: Vec<&str> = other.split('.').collect();
    let mut numbers = Numbers(SEED);
    let mut reached_the_signature = 0;
    for round in 0..20_000 {
        let mut bytes = good.clone().into_bytes();
        let at = numbers.below(bytes.len());
        let character = CHARACTERS[numbers.below(CHARACTERS.len())];
        match numbers.below(8) {
            0..=2 => bytes[at] = character,
            3 => bytes.insert(at, character),
            4 => _ = bytes.remove(at),
            5 => bytes.truncate(at),
            6 => bytes.swap(at, numbers.below(good.len())),
            _ => {
                let mixed =
                    [0, 1, 2].map(|index| if numbers.below(2) == 0 { parts[index] } else { other[numbers.below(3)] });
                bytes = mixed.join(".").into_bytes();
            }
        }
        let mutated = String::from_utf8(bytes).expect("ASCII");
        let unchanged = mutated == good || mutated == other.join(".");
        let reason = reason(&app, &mutated).await;
        assert_eq!(reason == "accepted", unchanged, "seed {SEED:#x}, round {round}: {reason} {mutated}");
        reached_the_signature += usize::from(reason == "token-invalid-signature");
    }
    // Otherwise the loop would test only the parser.
    assert!(reached_the_signature > 1_000, "seed {SEED:#x}: {reached_the_signature}");
}
