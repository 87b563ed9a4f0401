//! The bounded wait for a token that carries the new organization, as a state machine.
//!
//! It does nothing itself. The island carries out one [`Step`] at a time with real timers, tells what it [`Seen`], and
//! gets the next one; the tests do the same with a virtual clock.
//!
//! What must stay true:
//! - It ends: at [`Step::Arrived`] or [`Step::GiveUp`], at the latest `cap_ms` after the start.
//! - It arrives only when the cookie's own token carries the organization (or can carry none, for want of a claims
//!   template) *and* the server, having verified that cookie, agrees.
//! - While the outbox has not reached Clerk, Clerk is not asked: no token could carry what Clerk has not been told.
//!   Attempts count from the moment it has.

use super::claims::ActiveOrganizationClaim;
use super::ids::OrganizationId;
use super::onboarding::{Delivery, SessionStatus};

/// The bounds of a wait. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How often the browser may ask Clerk for a token once Clerk has been told.
    pub attempts: u32,
    /// Between two attempts.
    pub pause_ms: u32,
    /// From the start to the end, whatever happens.
    pub cap_ms: u32,
}

/// 10 attempts, 300 ms apart, 10 s in all (mission A6).
pub const BOUNDS: Bounds = Bounds { attempts: 10, pause_ms: 300, cap_ms: 10_000 };

/// Longest time one call to Clerk or to the server may take before the next step is tried, in milliseconds. clerk-js
/// repeats failed token calls by itself for minutes; this bound is ours.
const CALL_LIMIT_MS: u32 = 4_000;

/// What to do next. Limits are in milliseconds: a call that takes longer counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `session.reload()`: refreshes token, cookie and user.
    Reload { limit_ms: u32 },
    /// `session.getToken({skipCache: true})`: goes to Clerk's origin when a reload brought an old token.
    SkipCache { limit_ms: u32 },
    /// Ask our server how it sees the session.
    AskServer { limit_ms: u32 },
    /// Do nothing for so long.
    Pause { ms: u32 },
    /// Navigate to the dashboard.
    Arrived,
    /// Navigate to the token-pending screen.
    GiveUp(GaveUp),
}

/// What was seen when the last step had been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// After a call to Clerk: what the cookie's token says now. `None`: there is no readable token in the cookie.
    Cookie(Option<ActiveOrganizationClaim>),
    /// After asking the server.
    Server(SessionStatus),
    /// The call failed or took too long.
    Failed,
    /// The pause is over.
    Paused,
}

/// Why the wait ended without arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Our server could not tell Clerk in time. The organization exists.
    NotDelivered,
    /// Clerk was told, but still hands out old tokens.
    TokenStale,
    /// Calls to Clerk or to our server failed.
    Unreachable,
}

/// What a person reads during the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    TellingClerk,
    RefreshingSession,
    Opening,
}

/// A wait under way.
#[derive(Clone, Debug)]
pub struct Wait {
    organization: OrganizationId,
    bounds: Bounds,
    started_ms: f64,
    delivery: Delivery,
    attempts: u32,
    last_was_failure: bool,
    after_pause: Step,
    last: Step,
}

impl Wait {
    /// Begins to wait at `now_ms` (any monotonic clock) and gives the first step.
    pub fn begin(organization: OrganizationId, delivery: Delivery, bounds: Bounds, now_ms: f64) -> (Self, Step) {
        let mut wait = Self {
            organization,
            bounds,
            started_ms: now_ms,
            delivery,
            attempts: 0,
            last_was_failure: false,
            after_pause: Step::Arrived,
            last: Step::Arrived,
        };
        let step = match delivery {
            Delivery::Delivered => wait.ask_clerk(now_ms),
            Delivery::Pending => wait.pause_then(Step::AskServer { limit_ms: CALL_LIMIT_MS }, now_ms),
            // The server may let the token in all the same, if tokens here never name an organization.
            Delivery::Failed => wait.limited(Step::AskServer { limit_ms: CALL_LIMIT_MS }, now_ms),
        };
        wait.last = step;
        (wait, step)
    }

    /// The next step, given what was seen after the last one.
    pub fn next(&mut self, seen: Seen, now_ms: f64) -> Step {
        if seen != Seen::Paused {
            self.last_was_failure = seen == Seen::Failed;
        }
        let step = match (self.last, seen) {
            (Step::Pause { .. }, _) => self.limited(self.after_pause, now_ms),
            (Step::Reload { .. } | Step::SkipCache { .. }, Seen::Cookie(Some(claim))) if self.satisfies(claim) => {
                self.limited(Step::AskServer { limit_ms: CALL_LIMIT_MS }, now_ms)
            }
            (Step::AskServer { .. }, Seen::Server(status)) => self.heard_from_server(status, now_ms),
            (Step::AskServer { .. }, _) => self.pause_then(Step::AskServer { limit_ms: CALL_LIMIT_MS }, now_ms),
            _ => self.try_clerk_again(now_ms),
        };
        self.last = step;
        step
    }

    /// What to show while the last step runs.
    pub fn stage(&self) -> Stage {
        match (self.delivery, self.last) {
            (_, Step::Arrived) => Stage::Opening,
            (Delivery::Pending | Delivery::Failed, _) => Stage::TellingClerk,
            (Delivery::Delivered, _) => Stage::RefreshingSession,
        }
    }

    /// How often Clerk has been asked.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn satisfies(&self, claim: ActiveOrganizationClaim) -> bool {
        match claim {
            ActiveOrganizationClaim::Organization(id) => id == self.organization,
            ActiveOrganizationClaim::NoTemplate => true,
            ActiveOrganizationClaim::Absent => false,
        }
    }

    fn heard_from_server(&mut self, status: SessionStatus, now_ms: f64) -> Step {
        if status.inside {
            return Step::Arrived;
        }
        let was = self.delivery;
        self.delivery = status.delivery;
        match (was, self.delivery) {
            (_, Delivery::Failed) => Step::GiveUp(GaveUp::NotDelivered),
            (Delivery::Pending | Delivery::Failed, Delivery::Delivered) => self.ask_clerk(now_ms),
            (_, Delivery::Pending) => self.pause_then(Step::AskServer { limit_ms: CALL_LIMIT_MS }, now_ms),
            (Delivery::Delivered, Delivery::Delivered) => self.try_clerk_again(now_ms),
        }
    }

    fn try_clerk_again(&mut self, now_ms: f64) -> Step {
        if self.attempts >= self.bounds.attempts {
            return Step::GiveUp(self.reason());
        }
        // Which call it will be is decided when the pause is over.
        self.pause_then(self.clerk_call(), now_ms)
    }

    fn ask_clerk(&mut self, now_ms: f64) -> Step {
        self.limited(self.clerk_call(), now_ms)
    }

    /// First a reload, which refreshes everything; from then on past Clerk's caches, with a reload now and then in case
    /// only that gets through.
    fn clerk_call(&self) -> Step {
        if self.attempts.is_multiple_of(4) {
            Step::Reload { limit_ms: CALL_LIMIT_MS }
        } else {
            Step::SkipCache { limit_ms: CALL_LIMIT_MS }
        }
    }

    fn pause_then(&mut self, step: Step, now_ms: f64) -> Step {
        let left = self.left_ms(now_ms);
        if left == 0 {
            return Step::GiveUp(self.reason());
        }
        self.after_pause = step;
        Step::Pause { ms: self.bounds.pause_ms.min(left) }
    }

    /// Cuts a call's limit to the time that is left, and counts calls to Clerk.
    fn limited(&mut self, step: Step, now_ms: f64) -> Step {
        let left = self.left_ms(now_ms);
        if left == 0 {
            return Step::GiveUp(self.reason());
        }
        match step {
            Step::Reload { limit_ms } => {
                self.attempts += 1;
                Step::Reload { limit_ms: limit_ms.min(left) }
            }
            Step::SkipCache { limit_ms } => {
                self.attempts += 1;
                Step::SkipCache { limit_ms: limit_ms.min(left) }
            }
            Step::AskServer { limit_ms } => Step::AskServer { limit_ms: limit_ms.min(left) },
            other => other,
        }
    }

    fn left_ms(&self, now_ms: f64) -> u32 {
        (f64::from(self.bounds.cap_ms) - (now_ms - self.started_ms)).max(0.0).floor() as u32
    }

    fn reason(&self) -> GaveUp {
        if self.last_was_failure {
            GaveUp::Unreachable
        } else if self.delivery != Delivery::Delivered {
            GaveUp::NotDelivered
        } else {
            GaveUp::TokenStale
        }
    }
}

#[cfg(test)]
mod tests;
