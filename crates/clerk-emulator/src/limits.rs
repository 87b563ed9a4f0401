//! Clerk's rate limits: so many requests within any ten seconds, then 429 until the oldest of them is ten seconds old.
//!
//! Not with the crate `governor`: a leaky bucket lets nearly twice as many through in the first ten seconds as Clerk's
//! documentation says. It counts by the emulator's clock; when that is moved, counting starts over (`control`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use http::Method;

use crate::call::Call;
use crate::errors::ApiError;
use crate::faults::RateLimits;

const WINDOW_MS: i64 = 10_000;
/// With so many keys, those without a recent request are forgotten.
const MANY: usize = 1_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Limit {
    /// All of the Backend API but the public keys, for the secret key.
    Backend,
    /// Writing one user's metadata.
    Metadata,
    SignIn,
    SignUp,
    /// Trying a password or a code.
    Attempt,
}

impl Limit {
    fn most(self, is_development: bool) -> usize {
        match self {
            Self::Backend if is_development => 100,
            Self::Backend => 1_000,
            Self::Metadata => 10,
            Self::SignIn | Self::SignUp => 5,
            Self::Attempt => 3,
        }
    }
}

/// When the last requests were served, by what is counted and for which key.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    is_development: bool,
    served: Mutex<HashMap<(Limit, String), VecDeque<i64>>>,
}

impl Limits {
    /// A development instance gets a tenth of a production instance's requests.
    pub(crate) fn new(is_development: bool) -> Self {
        Self { is_development, served: Mutex::default() }
    }

    /// Forgets all requests so far.
    pub(crate) fn reset(&self) {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Counts a call of the Backend API, or rejects it.
    ///
    /// # Errors
    /// 429, with the seconds until there is room.
    pub(crate) fn check_backend(&self, kept: RateLimits, call: &Call, now_ms: i64) -> Result<(), ApiError> {
        if kept == RateLimits::Off {
            return Ok(());
        }
        match call.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["jwks"] => return Ok(()),
            ["users", id, "metadata"] if [Method::PATCH, Method::PUT].contains(&call.method) => {
                self.check(Limit::Metadata, id, now_ms)?;
            }
            _ => {}
        }
        self.check(Limit::Backend, "", now_ms)
    }

    /// Counts a call of the Frontend API, or rejects it, if browsers are limited at all.
    ///
    /// # Errors
    /// 429, with the seconds until there is room.
    pub(crate) fn check_frontend(&self, kept: RateLimits, call: &Call, now_ms: i64) -> Result<(), ApiError> {
        if kept != RateLimits::All || call.method != Method::POST {
            return Ok(());
        }
        let limit = match call.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["client", "sign_ins"] => Limit::SignIn,
            ["client", "sign_ups"] => Limit::SignUp,
            ["client", "sign_ins" | "sign_ups", _, attempt] if attempt.starts_with("attempt_") => Limit::Attempt,
            _ => return Ok(()),
        };
        self.check(limit, call.client_address(), now_ms)
    }

    fn check(&self, limit: Limit, key: &str, now_ms: i64) -> Result<(), ApiError> {
        self.take(limit, key, limit.most(self.is_development), now_ms).map_err(ApiError::too_many_requests)
    }

    /// Counts a request, or says in how many seconds there is room for it.
    fn take(&self, limit: Limit, key: &str, most: usize, now_ms: i64) -> Result<(), i64> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.len() >= MANY {
            served.retain(|_, times| times.back().is_some_and(|last| now_ms - last < WINDOW_MS));
        }
        let times = served.entry((limit, key.to_owned())).or_default();
        while times.front().is_some_and(|first| now_ms - first >= WINDOW_MS) {
            times.pop_front();
        }
        if let Some(first) = times.front().filter(|_| times.len() >= most) {
            return Err((first + WINDOW_MS - now_ms + 999) / 1_000);
        }
        times.push_back(now_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ten_seconds_hold_more_than_the_limit() {
        let limits = Limits::default();
        let take = |at| limits.take(Limit::Attempt, "a", 3, at);
        assert_eq!([take(0), take(4_000), take(4_000)], [Ok(()); 3]);
        assert_eq!(take(4_000), Err(6));
        assert_eq!(take(9_999), Err(1));
        assert_eq!(take(10_000), Ok(()), "the first one is ten seconds old, and rejected requests did not count");
        assert_eq!(take(10_000), Err(4));
        assert_eq!(limits.take(Limit::Attempt, "b", 3, 10_000), Ok(()));
        assert_eq!(limits.take(Limit::SignIn, "a", 3, 10_000), Ok(()));
        limits.reset();
        assert_eq!(take(10_000), Ok(()));
    }

    #[test]
    fn idle_keys_are_forgotten() {
        let limits = Limits::default();
        for n in 0..10 * MANY {
            assert_eq!(limits.take(Limit::Metadata, &n.to_string(), 10, n as i64 * 100), Ok(()));
        }
        assert!(limits.served.lock().expect("not poisoned").len() <= MANY);
    }
}
