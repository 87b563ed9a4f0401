//! How often one user may do something.
//!
//! What must stay true: quiet users are forgotten, so that a long uptime and many users cost no memory.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::model::ids::UserId;
use crate::server::clerk::limits::LimitClock;
use crate::server::clock::Clock;

/// After so many checks, quiet users are forgotten.
const TIDY_AFTER: u32 = 1_024;

/// One limit, counted for each user.
pub struct UserLimit {
    users: RateLimiter<UserId, DashMapStateStore<UserId>, LimitClock, NoOpMiddleware<Nanos>>,
    checks: AtomicU32,
}

impl UserLimit {
    /// So many per second, after so many at once.
    pub fn new((per_second, at_once): (u32, u32), clock: Clock) -> Self {
        let [per_second, at_once] = [per_second, at_once].map(|n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        let quota = Quota::per_second(per_second).allow_burst(at_once);
        Self { users: RateLimiter::dashmap_with_clock(quota, LimitClock(clock)), checks: AtomicU32::new(0) }
    }

    /// Counts once more, unless that is too often.
    pub fn allows(&self, user: &UserId) -> bool {
        if self.checks.fetch_add(1, Ordering::Relaxed) % TIDY_AFTER == TIDY_AFTER - 1 {
            self.users.retain_recent();
        }
        self.users.check_key(user).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use time::{Duration, OffsetDateTime};

    use super::*;

    fn user(number: u32) -> UserId {
        UserId::parse(&format!("user_{number}")).expect("an id")
    }

    #[test]
    fn each_user_has_a_limit() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let limit = UserLimit::new((2, 5), clock.clone());
        let allowed = |user: &UserId| (0..20).filter(|_| limit.allows(user)).count();
        assert_eq!((allowed(&user(1)), allowed(&user(2))), (5, 5));
        clock.advance(Duration::SECOND);
        assert_eq!(allowed(&user(1)), 2);
    }

    #[test]
    fn quiet_users_are_forgotten_and_busy_ones_are_not() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let limit = UserLimit::new((1, 3), clock.clone());
        for number in 1..TIDY_AFTER {
            assert!(limit.allows(&user(number)));
        }
        assert_eq!(limit.users.len(), TIDY_AFTER as usize - 1);
        clock.advance(Duration::minutes(1));
        let busy = user(0);
        // The first of these tidies.
        assert_eq!((0..4).filter(|_| limit.allows(&busy)).count(), 3);
        assert_eq!(limit.users.len(), 1);
        for _ in 0..TIDY_AFTER {
            assert!(!limit.allows(&busy), "forgotten too early");
        }
    }
}
