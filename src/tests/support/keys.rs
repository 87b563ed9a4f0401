//! RSA keys, and tokens signed with them from literal JSON.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{ISSUER, NOW, ORIGIN};

/// The id of the instance's key.
pub const KEY_ID: &str = "ins_2testKey";

/// A key pair.
pub struct Signer(KeyPair);

/// The instance's own key.
pub fn instance() -> &'static Signer {
    static KEY: OnceLock<Signer> = OnceLock::new();
    KEY.get_or_init(Signer::generate)
}

/// A key of another instance.
pub fn stranger() -> &'static Signer {
    static KEY: OnceLock<Signer> = OnceLock::new();
    KEY.get_or_init(Signer::generate)
}

/// The header of Clerk's session tokens.
pub fn header() -> Value {
    json!({"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": KEY_ID, "typ": "JWT"})
}

/// The claims of a new session token whose template found no organization.
pub fn claims(user: &str) -> Value {
    json!({
        "azp": ORIGIN,
        "exp": NOW + 60,
        "fva": [0, -1],
        "iat": NOW,
        "iss": ISSUER,
        "nbf": NOW - 10,
        "publicMetadata": {"activeOrgId": null, "onboardingComplete": null, "role": null},
        "sid": format!("sess_of_{user}"),
        "sts": "active",
        "sub": user,
        "v": 2
    })
}

/// `claims` with the fields of `change`; null removes a field.
pub fn claims_with(user: &str, change: &Value) -> Value {
    let mut claims = claims(user);
    let (Some(all), Some(change)) = (claims.as_object_mut(), change.as_object()) else { panic!("objects") };
    for (name, value) in change {
        if value.is_null() {
            all.remove(name);
        } else {
            all.insert(name.clone(), value.clone());
        }
    }
    claims
}

/// A valid token whose template found no organization.
pub fn token(user: &str) -> String {
    instance().sign(&header(), &claims(user))
}

/// A valid token that names an organization.
pub fn token_for(user: &str, organization: &str) -> String {
    token_with(
        user,
        &json!({"publicMetadata": {"activeOrgId": organization, "onboardingComplete": true, "role": null}}),
    )
}

/// A token with changed claims.
pub fn token_with(user: &str, change: &Value) -> String {
    instance().sign(&header(), &claims_with(user, change))
}

impl Signer {
    fn generate() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).expect("an RSA key"))
    }

    /// Signs a header and a payload as they are.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs two strings, which need not be JSON.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("a signature");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public key as Clerk's dashboard shows it.
    pub fn public_pem(&self) -> String {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().expect("a public key");
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The public key as `GET /v1/jwks` returns it.
    pub fn jwks(&self, kid: &str) -> Value {
        let key = self.0.public_key();
        let n = URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(key.exponent().big_endian_without_leading_zero());
        json!({"keys": [{"use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": n, "e": e}]})
    }
}
