//! The instance's public keys: from a configured PEM, or from the Backend API's JWKS.
//!
//! What must stay true:
//! - "No such key" and "could not ask" are different answers.
//! - One fetch at a time; those who have a cached key do not wait for it.
//! - A request waits at most [`FETCH_LIMIT`] for keys.
//! - A stranger who sends invented key ids makes us fetch at most once per [`UNKNOWN_KEY_COOL_DOWN`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use tokio::sync::{Mutex, RwLock};

use crate::server::clerk::backend_api::BackendApi;
use crate::server::clock::Clock;

/// How long a request may wait for keys.
pub const FETCH_LIMIT: Duration = Duration::from_secs(2);
/// How long fetched keys are used without asking again, in ms. Clerk's own library uses 5 minutes.
const FRESH_MS: i64 = 5 * 60 * 1000;
/// Shortest time between two fetches for key ids we do not know, in ms.
const UNKNOWN_KEY_COOL_DOWN_MS: i64 = 30 * 1000;
/// How long a failed fetch is remembered, in ms: long enough to shed load, short enough to recover by itself.
const FAILURE_MEMORY_MS: i64 = 2 * 1000;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the instance has no such key")]
    Unknown,
    #[error("the instance's keys cannot be fetched now")]
    Unreachable,
}

/// Where keys come from.
pub enum Keys {
    /// `CLERK_JWT_KEY`: verification without any network.
    Pem(Arc<DecodingKey>),
    /// `GET /v1/jwks`.
    Jwks(Box<JwksCache>),
}

impl Keys {
    /// Reads a PEM public key. Newlines may be written as `\n`, as environment files often have them.
    pub fn from_pem(pem: &str) -> Result<Self, jsonwebtoken::errors::Error> {
        let pem = pem.replace("\\n", "\n");
        Ok(Self::Pem(Arc::new(DecodingKey::from_rsa_pem(pem.as_bytes())?)))
    }

    /// Fetches keys through the Backend API when they are needed.
    pub fn from_backend_api(api: BackendApi, clock: Clock) -> Self {
        let (known, fetching, generation) = (RwLock::default(), Mutex::default(), AtomicU64::new(0));
        Self::Jwks(Box::new(JwksCache { api, clock, known, fetching, generation }))
    }

    /// Changes whenever keys were fetched: what was verified before may have been signed with a key that is gone.
    pub fn generation(&self) -> u64 {
        match self {
            Self::Pem(_) => 0,
            Self::Jwks(cache) => cache.generation.load(Ordering::Acquire),
        }
    }

    /// The key with this id. A configured PEM has no id and fits every token.
    pub async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        match self {
            Self::Pem(key) => Ok(key.clone()),
            Self::Jwks(cache) => cache.find(kid).await,
        }
    }
}

/// Keys by id, as last fetched.
pub struct JwksCache {
    api: BackendApi,
    clock: Clock,
    known: RwLock<Known>,
    /// Held while fetching; never by readers.
    fetching: Mutex<()>,
    generation: AtomicU64,
}

#[derive(Default)]
struct Known {
    keys: HashMap<String, Arc<DecodingKey>>,
    fetched_ms: Option<i64>,
    failed_ms: Option<i64>,
}

enum Look {
    Found(Arc<DecodingKey>),
    Unknown,
    Unreachable,
    Fetch,
}

impl JwksCache {
    async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        match self.look(kid).await {
            Look::Found(key) => return Ok(key),
            Look::Unknown => return Err(KeyError::Unknown),
            Look::Unreachable => return Err(KeyError::Unreachable),
            Look::Fetch => {}
        }
        let _guard = match tokio::time::timeout(FETCH_LIMIT, self.fetching.lock()).await {
            Ok(guard) => guard,
            Err(_) => return Err(KeyError::Unreachable),
        };
        // Another task may have fetched while we waited.
        match self.look(kid).await {
            Look::Found(key) => Ok(key),
            Look::Unknown => Err(KeyError::Unknown),
            Look::Unreachable => Err(KeyError::Unreachable),
            Look::Fetch => self.fetch(kid).await,
        }
    }

    async fn look(&self, kid: &str) -> Look {
        let now = self.clock.now_ms();
        let known = self.known.read().await;
        let age = known.fetched_ms.map(|at| now - at);
        let failed_lately = known.failed_ms.is_some_and(|at| now - at < FAILURE_MEMORY_MS);
        match (known.keys.get(kid), age) {
            (Some(key), Some(age)) if age < FRESH_MS => Look::Found(key.clone()),
            (None, Some(age)) if age < UNKNOWN_KEY_COOL_DOWN_MS => Look::Unknown,
            // Old keys are better than none while the instance cannot be asked.
            (Some(key), _) if failed_lately => Look::Found(key.clone()),
            (None, _) if failed_lately => Look::Unreachable,
            _ => Look::Fetch,
        }
    }

    async fn fetch(&self, kid: &str) -> Result<Arc<DecodingKey>, KeyError> {
        let answer = match tokio::time::timeout(FETCH_LIMIT, self.api.jwks()).await {
            Ok(Ok(set)) => Ok(decoding_keys(&set)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("timed out".to_owned()),
        };
        let now = self.clock.now_ms();
        let mut known = self.known.write().await;
        match answer {
            Ok(keys) => {
                *known = Known { keys, fetched_ms: Some(now), failed_ms: None };
                self.generation.fetch_add(1, Ordering::Release);
                known.keys.get(kid).cloned().ok_or(KeyError::Unknown)
            }
            Err(cause) => {
                tracing::error!(auth.keys.error = %cause, "cannot fetch the instance's keys");
                known.failed_ms = Some(now);
                known.keys.get(kid).cloned().ok_or(KeyError::Unreachable)
            }
        }
    }
}

/// The RSA keys of a set, by id. Others are not ours to use.
fn decoding_keys(set: &JwkSet) -> HashMap<String, Arc<DecodingKey>> {
    let mut keys = HashMap::new();
    for jwk in &set.keys {
        if !matches!(jwk.algorithm, AlgorithmParameters::RSA(_)) {
            continue;
        }
        if let (Some(kid), Ok(key)) = (&jwk.common.key_id, DecodingKey::from_jwk(jwk)) {
            keys.insert(kid.clone(), Arc::new(key));
        }
    }
    keys
}
