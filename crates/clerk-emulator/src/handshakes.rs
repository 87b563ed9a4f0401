//! Handshake results that wait to be fetched by their nonce: once, and within a minute. They live in memory only:
//! a handshake that a restart interrupts is simply made again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Milliseconds a result waits.
const LIFETIME_MS: i64 = 60_000;

/// The waiting results.
#[derive(Debug, Default)]
pub(crate) struct Handshakes(Mutex<HashMap<String, Waiting>>);

#[derive(Debug)]
struct Waiting {
    directives: Vec<String>,
    until: i64,
}

impl Handshakes {
    /// Keeps a result under a nonce.
    pub(crate) fn keep(&self, nonce: &str, directives: Vec<String>, now: i64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, result| now < result.until);
        waiting.insert(nonce.to_owned(), Waiting { directives, until: now + LIFETIME_MS });
    }

    /// Takes a result out.
    pub(crate) fn take(&self, nonce: &str, now: i64) -> Option<Vec<String>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(nonce).filter(|result| now < result.until).map(|result| result.directives)
    }
}
