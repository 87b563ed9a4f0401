//! Clerk's rate limits: so many requests within any ten seconds, then 429 until the oldest of them is ten seconds old.
//!
//! Not with `governor`, which the app uses: a leaky bucket lets nearly twice as many through in the first ten seconds as
//! Clerk's documentation says. It counts by the emulator's clock; whatever moves that has it count anew (`control`).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use http::Method;

use super::app::App;
use super::call::Call;
use super::control::RateLimits;
use super::errors::ApiError;

const WINDOW_MS: i64 = 10_000;
/// With so many keys, those without a recent request are forgotten.
const MANY: usize = 1_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Limit {
    /// All of the Backend API but the public keys, for the secret key.
    Backend,
    /// Writing one person's metadata.
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

/// When the last requests were served, by what is counted and for whom.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<(Limit, String), VecDeque<i64>>>);

impl Limits {
    /// Begins to count anew.
    pub(super) fn reset(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Counts a request, or says in how many seconds there is room for it.
    fn take(&self, limit: Limit, who: &str, most: usize, now_ms: i64) -> Result<(), i64> {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if served.len() >= MANY {
            served.retain(|_, times| times.back().is_some_and(|last| now_ms - last < WINDOW_MS));
        }
        let times = served.entry((limit, who.to_owned())).or_default();
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

/// Refuses a call of the Backend API that is one too many.
pub(super) fn backend(app: &App, call: &Call) -> Result<(), ApiError> {
    if app.control.wished(|wishes| wishes.rate_limits) == RateLimits::Off {
        return Ok(());
    }
    match call.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["jwks"] => return Ok(()),
        ["users", id, "metadata"] if [Method::PATCH, Method::PUT].contains(&call.method) => {
            take(app, Limit::Metadata, id)?;
        }
        _ => {}
    }
    take(app, Limit::Backend, "")
}

/// Refuses a call of the Frontend API that is one too many, if that is wished.
pub(super) fn frontend(app: &App, call: &Call) -> Result<(), ApiError> {
    if app.control.wished(|wishes| wishes.rate_limits) != RateLimits::All || call.method != Method::POST {
        return Ok(());
    }
    let limit = match call.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["client", "sign_ins"] => Limit::SignIn,
        ["client", "sign_ups"] => Limit::SignUp,
        ["client", "sign_ins" | "sign_ups", _, attempt] if attempt.starts_with("attempt_") => Limit::Attempt,
        _ => return Ok(()),
    };
    take(app, limit, call.client_address())
}

fn take(app: &App, limit: Limit, who: &str) -> Result<(), ApiError> {
    let most = limit.most(app.keys.is_development());
    app.limits.take(limit, who, most, app.clock.now_ms()).map_err(ApiError::too_many_requests)
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
        assert_eq!(take(10_000), Ok(()), "the first one is ten seconds old, and what was refused did not count");
        assert_eq!(take(10_000), Err(4));
        assert_eq!(limits.take(Limit::Attempt, "b", 3, 10_000), Ok(()));
        assert_eq!(limits.take(Limit::SignIn, "a", 3, 10_000), Ok(()));
        limits.reset();
        assert_eq!(take(10_000), Ok(()));
    }

    #[test]
    fn those_who_are_gone_are_forgotten() {
        let limits = Limits::default();
        for n in 0..10 * MANY {
            assert_eq!(limits.take(Limit::Metadata, &n.to_string(), 10, n as i64 * 100), Ok(()));
        }
        assert!(limits.0.lock().expect("sound").len() <= MANY);
    }
}
