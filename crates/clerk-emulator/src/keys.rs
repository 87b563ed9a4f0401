//! The secrets of one emulator: its RSA key, its secret key for the Backend API, the one that signs webhooks, its unique
//! host name, the token of its local pages, and its certificate if it has one. They are made once per data directory,
//! kept in a file only its owner can read, and never checked in.

use std::io::Write;
use std::path::Path;
use std::{fmt, fs};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD, URL_SAFE_NO_PAD as BASE64URL};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::certificate::Certificate;
use crate::journal::private_file;
use crate::options::Instance;
use crate::pem::pem;
use crate::random::Random;

const FILE: &str = "keys.json";
/// What Svix's secrets begin with.
const WEBHOOK_SECRET: &str = "whsec_";

/// Why the keys could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is there but is no key file.
    #[error("{FILE} is damaged; remove the data directory to start over")]
    Damaged,
    /// The data directory is of the other kind of instance: its users and its browsers cannot be taken over.
    #[error("the data directory holds a {found} instance, not a {0} one; choose another directory", found = .0.other())]
    OtherKind(Kind),
    /// The cryptographic library failed.
    #[error("no key could be made")]
    Generation,
}

/// The two kinds of Clerk's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Production,
    Development,
}

impl Kind {
    /// The part of both keys that names the kind.
    fn mark(self) -> &'static str {
        match self {
            Self::Production => "live",
            Self::Development => "test",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Production => Self::Development,
            Self::Development => Self::Production,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Production => "production",
            Self::Development => "development",
        })
    }
}

impl From<Instance> for Kind {
    fn from(instance: Instance) -> Self {
        match instance {
            Instance::Production => Self::Production,
            Instance::Development { .. } => Self::Development,
        }
    }
}

/// What is kept on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    private_key_pkcs8: String,
    key_id: String,
    secret_key: String,
    host: String,
    inbox_token: String,
    /// Empty in files of versions without webhooks.
    #[serde(default)]
    webhook_secret: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<Certificate>,
}

/// The keys in use.
pub(crate) struct Keys {
    pair: RsaKeyPair,
    /// `kid` of every token, in the form of an instance id.
    pub(crate) key_id: String,
    /// `sk_live_…` or `sk_test_…`
    pub(crate) secret_key: String,
    /// Frontend API host inside the publishable key.
    pub(crate) host: String,
    /// `whsec_…`, as Svix writes it.
    pub(crate) webhook_secret: String,
    webhook_key: hmac::Key,
    /// Opens the local pages: inbox and control.
    pub(crate) inbox_token: String,
    /// Of the host, if browsers reach it directly.
    pub(crate) certificate: Option<Certificate>,
    kind: Kind,
}

impl Keys {
    /// The keys of a data directory, made now if it has none; without a directory, new ones for this run.
    pub(crate) fn open(directory: Option<&Path>, random: &Random, instance: Instance) -> Result<Self, KeyError> {
        let kind = Kind::from(instance);
        let Some(directory) = directory else {
            return Self::from_kept(generate(random, kind)?, kind);
        };
        let path = directory.join(FILE);
        let kept: Kept = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| KeyError::Damaged)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let kept = generate(random, kind)?;
                keep(&path, &kept)?;
                kept
            }
            Err(error) => return Err(error.into()),
        };
        if !kept.webhook_secret.is_empty() {
            return Self::from_kept(kept, kind);
        }
        let kept = Kept { webhook_secret: webhook_secret(random), ..kept };
        keep(&path, &kept)?;
        Self::from_kept(kept, kind)
    }

    fn from_kept(kept: Kept, kind: Kind) -> Result<Self, KeyError> {
        if !kept.secret_key.starts_with(&format!("sk_{}_", kind.mark())) {
            return Err(KeyError::OtherKind(kind));
        }
        let der = BASE64.decode(&kept.private_key_pkcs8).map_err(|_| KeyError::Damaged)?;
        let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| KeyError::Damaged)?;
        let webhook_key = kept.webhook_secret.strip_prefix(WEBHOOK_SECRET).and_then(|key| BASE64.decode(key).ok());
        Ok(Self {
            pair,
            webhook_key: hmac::Key::new(hmac::HMAC_SHA256, &webhook_key.ok_or(KeyError::Damaged)?),
            webhook_secret: kept.webhook_secret,
            key_id: kept.key_id,
            secret_key: kept.secret_key,
            host: kept.host,
            inbox_token: kept.inbox_token,
            certificate: kept.certificate,
            kind,
        })
    }

    /// Whether browsers are known by their development browser token, and talk to the host directly.
    pub(crate) fn is_development(&self) -> bool {
        self.kind == Kind::Development
    }

    /// `pk_live_` or `pk_test_`, and the host name, as clerk-js decodes it.
    pub(crate) fn publishable_key(&self) -> String {
        format!("pk_{}_{}", self.kind.mark(), STANDARD_NO_PAD.encode(format!("{}$", self.host)))
    }

    /// The issuer of every token.
    pub(crate) fn issuer(&self) -> String {
        format!("https://{}", self.host)
    }

    /// Signs with RS256 and returns the compact token.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", BASE64URL.encode(header.to_string()), BASE64URL.encode(claims.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &aws_lc_rs::rand::SystemRandom::new(), message.as_bytes(), &mut signature)
            .expect("a valid RSA key signs any message");
        format!("{message}.{}", BASE64URL.encode(signature))
    }

    /// The `svix-signature` of a webhook: `v1,` and an HMAC of `{id}.{timestamp}.{body}`.
    pub(crate) fn sign_webhook(&self, message: &str) -> String {
        format!("v1,{}", BASE64.encode(hmac::sign(&self.webhook_key, message.as_bytes())))
    }

    /// The claims of a token that this key has signed, whatever its age.
    pub(crate) fn read_signed(&self, token: &str) -> Option<Value> {
        let (message, signature) = token.rsplit_once('.')?;
        let public = aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256,
            self.der()?,
        );
        public.verify(message.as_bytes(), &BASE64URL.decode(signature).ok()?).ok()?;
        serde_json::from_slice(&BASE64URL.decode(message.split_once('.')?.1).ok()?).ok()
    }

    /// The public key as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> Value {
        let public = self.pair.public_key();
        json!({"keys": [{
            "use": "sig", "kty": "RSA", "alg": "RS256", "kid": self.key_id,
            "n": BASE64URL.encode(public.modulus().big_endian_without_leading_zero()),
            "e": BASE64URL.encode(public.exponent().big_endian_without_leading_zero()),
        }]})
    }

    /// The public key as PEM (SPKI).
    pub(crate) fn public_key_pem(&self) -> Result<String, KeyError> {
        Ok(pem("PUBLIC KEY", &self.der().ok_or(KeyError::Generation)?))
    }

    fn der(&self) -> Option<Vec<u8>> {
        let der = AsDer::<PublicKeyX509Der>::as_der(self.pair.public_key()).ok()?;
        Some(der.as_ref().to_vec())
    }
}

fn keep(path: &Path, kept: &Kept) -> Result<(), KeyError> {
    let beside = path.with_extension("new");
    let mut file = private_file(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(kept).map_err(std::io::Error::from)?)?;
    file.sync_all()?;
    Ok(fs::rename(beside, path)?)
}

fn webhook_secret(random: &Random) -> String {
    format!("{WEBHOOK_SECRET}{}", BASE64.encode(random.bytes::<24>()))
}

fn generate(random: &Random, kind: Kind) -> Result<Kept, KeyError> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
    let der = AsDer::<Pkcs8V1Der>::as_der(&pair).map_err(|_| KeyError::Generation)?;
    let (host, certificate) = match kind {
        Kind::Production => (format!("clerk-{}.emulator.localhost", random.hex::<4>()), None),
        Kind::Development => {
            // clerk-js makes development browsers only for hosts that end like Clerk's own.
            let host = format!("emulator-{}.clerk.accounts.dev", random.hex::<4>());
            let certificate = Certificate::generate(&host).map_err(|_| KeyError::Generation)?;
            (host, Some(certificate))
        }
    };
    Ok(Kept {
        private_key_pkcs8: BASE64.encode(der.as_ref()),
        key_id: random.id("ins"),
        secret_key: format!("sk_{}_{}", kind.mark(), random.secret()),
        host,
        inbox_token: random.secret(),
        webhook_secret: webhook_secret(random),
        certificate,
    })
}
