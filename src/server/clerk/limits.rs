//! How often we call Clerk's Backend API, so that it never has to refuse us.
//!
//! What must stay true: in no 10 s do we exceed nine tenths of what Clerk allows. A limiter lets a burst through and then
//! a steady flow, so both together must fit: each gets half. The limits hold for this process; several processes that
//! share a key can exceed Clerk's together, and then get its 429.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::model::ids::UserId;
use crate::server::clock::Clock;

/// The span that Clerk counts in.
const SPAN: Duration = Duration::from_secs(10);
/// Calls of a production key in that span.
const PRODUCTION_CALLS: u32 = 1_000;
/// Calls of a development key.
const DEVELOPMENT_CALLS: u32 = 100;
/// Changes of one user's metadata.
const METADATA_CHANGES: u32 = 10;
/// After so many changes, users who have been quiet are forgotten.
const TIDY_AFTER: u32 = 1_024;

/// Counts the calls. The keys' address is exempt at Clerk, and does not ask here.
pub struct CallLimits {
    calls: RateLimiter<NotKeyed, InMemoryState, LimitClock, NoOpMiddleware<Nanos>>,
    changes: RateLimiter<UserId, DashMapStateStore<UserId>, LimitClock, NoOpMiddleware<Nanos>>,
    counted: AtomicU32,
    clock: LimitClock,
}

/// Whose limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitOf {
    /// All calls with our key.
    Instance,
    /// Changes of one user's metadata. Others may go on.
    User,
}

impl CallLimits {
    pub fn new(development_key: bool, clock: Clock) -> Self {
        Self::allowing(if development_key { DEVELOPMENT_CALLS } else { PRODUCTION_CALLS }, clock)
    }

    /// For a Clerk that allows so many calls in 10 s. Measurements lift the limit by it.
    pub fn allowing(calls: u32, clock: Clock) -> Self {
        let clock = LimitClock(clock);
        Self {
            calls: RateLimiter::direct_with_clock(quota(calls), clock.clone()),
            changes: RateLimiter::dashmap_with_clock(quota(METADATA_CHANGES), clock.clone()),
            counted: AtomicU32::new(0),
            clock,
        }
    }

    /// Counts a call, or says how long to wait.
    pub fn call(&self) -> Result<(), (LimitOf, Duration)> {
        let now = self.clock.now();
        self.calls.check().map_err(|until| (LimitOf::Instance, until.wait_time_from(now)))
    }

    /// Counts a change of a user's metadata and the call that makes it, or says how long to wait.
    pub fn metadata_change(&self, user: &UserId) -> Result<(), (LimitOf, Duration)> {
        if self.counted.fetch_add(1, Ordering::Relaxed) % TIDY_AFTER == TIDY_AFTER - 1 {
            self.changes.retain_recent();
        }
        let now = self.clock.now();
        self.changes.check_key(user).map_err(|until| (LimitOf::User, until.wait_time_from(now)))?;
        self.call()
    }
}

/// Nine tenths of what Clerk allows: half at once, half spread over the span.
fn quota(allowed: u32) -> Quota {
    let half = NonZeroU32::new(allowed * 9 / 10 / 2).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(SPAN / half.get()).unwrap_or_else(|| Quota::per_second(half)).allow_burst(half)
}

/// The server's clock, as the limiter wants it. It does not go back when the machine's clock is set.
#[derive(Clone)]
pub(in crate::server) struct LimitClock(pub(in crate::server) Clock);

impl GovernorClock for LimitClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.running().into()
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    /// Calls as often as it may for a minute, and gives the moments in milliseconds.
    fn greedy(clock: &Clock, check: impl Fn() -> bool) -> Vec<u64> {
        let mut moments = Vec::new();
        for moment in (0..60_000).step_by(10) {
            while check() {
                moments.push(moment);
            }
            clock.advance(time::Duration::milliseconds(10));
        }
        moments
    }

    /// The most that fell into any span.
    fn busiest(moments: &[u64]) -> usize {
        let within = |start: u64| moments.iter().filter(|moment| (start..=start + 10_000).contains(*moment)).count();
        moments.iter().map(|start| within(*start)).max().unwrap_or(0)
    }

    #[test]
    fn no_ten_seconds_exceed_what_clerk_allows() {
        for (development, allowed) in [(false, 1_000), (true, 100)] {
            let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
            let limits = CallLimits::new(development, clock.clone());
            let busiest = busiest(&greedy(&clock, || limits.call().is_ok()));
            assert!((allowed * 8 / 10..=allowed * 19 / 20).contains(&busiest), "{busiest} of {allowed}");
        }
    }

    #[test]
    fn one_users_changes_have_a_limit_of_their_own() {
        let clock = Clock::manual(OffsetDateTime::UNIX_EPOCH);
        let limits = CallLimits::new(false, clock.clone());
        let [ada, grace] = ["user_ada", "user_grace"].map(|id| UserId::parse(id).expect("an id"));
        let busiest = busiest(&greedy(&clock, || limits.metadata_change(&ada).is_ok()));
        assert!((7..=10).contains(&busiest), "{busiest}");
        while limits.metadata_change(&ada).is_ok() {}
        let Err((LimitOf::User, wait)) = limits.metadata_change(&ada) else { panic!("over the limit") };
        assert_eq!(limits.metadata_change(&grace), Ok(()));
        clock.advance(time::Duration::try_from(wait).expect("a short wait") + time::Duration::milliseconds(1));
        assert_eq!(limits.metadata_change(&ada), Ok(()));
    }
}
