//! The bounded wait for a token that the gate lets in, as a state machine.
//!
//! It does nothing itself. An island carries out one [`Step`] at a time with real timers, tells what it [`Seen`], and
//! gets the next one; the tests do the same with a virtual clock.
//!
//! What must stay true:
//! - It ends: at [`Step::Arrived`] or [`Step::GiveUp`], at the latest `cap_ms` after the start.
//! - It arrives only when the cookie's own token carries the organization (or can carry none, for want of a claims
//!   template) *and* the server, having verified that cookie, agrees.
//! - While the outbox has not reached Clerk, Clerk is not asked for the organization: no token could carry what Clerk has
//!   not been told. It is asked then only if the server cannot use the token at all.
//! - After a call to Clerk that failed, the server is asked: the token may have come all the same, and the answer tells
//!   which side does not answer.

use super::claims::ActiveOrganizationClaim;
use super::ids::OrganizationId;
use super::onboarding::{Delivery, SessionStatus};

/// The bounds of a wait. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// How often the browser may ask Clerk for a token.
    pub attempts: u32,
    /// Between two attempts.
    pub pause_ms: u32,
    /// From the start to the end, whatever happens.
    pub cap_ms: u32,
}

/// After a creation: 10 attempts, 300 ms apart, 10 s in all (mission A6).
pub const BOUNDS: Bounds = Bounds { attempts: 10, pause_ms: 300, cap_ms: 10_000 };

/// On the token-pending screen: about 2.5 s (mission B4).
pub const REFRESH_BOUNDS: Bounds = Bounds { attempts: 8, pause_ms: 300, cap_ms: 2_500 };

/// Longest time one call to Clerk or to the server may take before the next step is tried, in milliseconds. clerk-js
/// repeats failed token calls by itself for minutes; this bound is ours. Its first repetition comes after 3 s.
const CALL_LIMIT_MS: u32 = 4_000;

/// Before the server is asked again after a call to it that failed, in milliseconds: a lost connection is not back in
/// less, and each try is an error on the console.
const FAILED_PAUSE_MS: u32 = 1_000;

/// A call that was given at least so long, in milliseconds, and did not answer, has failed. One that was cut shorter by
/// the end of the wait proves nothing.
const PATIENCE_MS: u32 = 1_500;

/// The end of the wait, in milliseconds, in which Clerk is no longer asked: time for a last question to the server. Where
/// to go then depends on whether it answers.
const LAST_QUESTION_MS: u32 = 500;

/// What to do next. Limits are in milliseconds: a call that takes longer is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `session.reload()`: refreshes token, cookie and user.
    Reload { limit_ms: u32 },
    /// `session.getToken({skipCache: true})`: goes to Clerk's origin when a reload brought an old token. A POST, so it
    /// also repairs a missing `azp`.
    SkipCache { limit_ms: u32 },
    /// Ask our server how it sees the session.
    AskServer { limit_ms: u32 },
    /// Do nothing for so long.
    Pause { ms: u32 },
    /// Navigate to where the person wants to be.
    Arrived,
    /// Navigate to the screen that says why not, or say it here.
    GiveUp(GaveUp),
}

/// What was seen when the last step had been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// After a call to Clerk: what the cookie's token says now. `None`: there is no readable token in the cookie.
    Cookie(Option<ActiveOrganizationClaim>),
    /// After asking the server.
    Server(SessionStatus),
    /// The server cannot use the token, but could use another one.
    Stale,
    /// The server will not let this session in, however long one waits.
    Refused,
    /// Clerk or the server says that nobody is signed in.
    SignedOut,
    /// The server answered that it cannot tell now.
    Unavailable,
    /// The call failed.
    Failed,
    /// The call took longer than its limit.
    TimedOut,
    /// The pause is over.
    Paused,
}

/// Why the wait ended without arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Our server could not tell Clerk in time. The organization exists.
    NotDelivered,
    /// Clerk answers, but its tokens are not good enough.
    TokenStale,
    /// Clerk does not answer, while our server does.
    ClerkUnreachable,
    /// Clerk gave a token, and the browser did not keep it: cookies are refused, or it is too large for one.
    NoCookie,
    /// Our server does not answer either: navigating would end at the browser's own error page.
    NoConnection,
    /// Our server answers that it cannot tell now. It says itself what is out of reach.
    Unavailable,
    /// Nobody is signed in any more.
    SignedOut,
    /// The gate has another answer for this session than waiting, and gives it where the person wants to be.
    Elsewhere,
}

impl GaveUp {
    /// What the token-pending screen is told, so that it can name a cause that the server cannot see.
    pub fn tried(self) -> &'static str {
        match self {
            Self::ClerkUnreachable => TRIED_UNREACHABLE,
            Self::NoCookie => TRIED_NO_COOKIE,
            _ => "1",
        }
    }
}

/// The values of `tried` that mean [`GaveUp::ClerkUnreachable`] and [`GaveUp::NoCookie`].
pub const TRIED_UNREACHABLE: &str = "unreachable";
pub const TRIED_NO_COOKIE: &str = "no-cookie";

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
    /// `None`: any token will do that the gate does not keep waiting.
    organization: Option<OrganizationId>,
    bounds: Bounds,
    started_ms: f64,
    delivery: Delivery,
    attempts: u32,
    /// What failed last and has not worked since.
    trouble: Option<GaveUp>,
    last_call: Step,
    after_pause: Step,
    last: Step,
}

impl Wait {
    /// Begins to wait at `now_ms` (any monotonic clock) and gives the first step. `cookie`: what the cookie's token says
    /// before anything is done.
    pub fn begin(
        organization: Option<OrganizationId>,
        delivery: Delivery,
        cookie: Option<ActiveOrganizationClaim>,
        bounds: Bounds,
        now_ms: f64,
    ) -> (Self, Step) {
        let mut wait = Self {
            organization,
            bounds,
            started_ms: now_ms,
            delivery,
            attempts: 0,
            trouble: None,
            last_call: Step::Arrived,
            after_pause: Step::Arrived,
            last: Step::Arrived,
        };
        let good_already = organization.is_some() && wait.satisfies(cookie);
        let step = match delivery {
            // Tokens here name no organization, or this one does already: there may be nothing to wait for.
            _ if good_already => wait.ask_server(now_ms),
            Delivery::Delivered => wait.ask_clerk(now_ms),
            Delivery::Pending => wait.pause_then(ASK_SERVER, bounds.pause_ms, now_ms),
            // The server may let the token in all the same.
            Delivery::Failed => wait.ask_server(now_ms),
        };
        wait.last = step;
        (wait, step)
    }

    /// The next step, given what was seen after the last one.
    pub fn next(&mut self, seen: Seen, now_ms: f64) -> Step {
        self.note_trouble(seen);
        let step = match (self.last, seen) {
            (_, Seen::SignedOut) => Step::GiveUp(GaveUp::SignedOut),
            (_, Seen::Refused) => Step::GiveUp(GaveUp::Elsewhere),
            (Step::Pause { .. }, _) => self.limited(self.after_pause, now_ms),
            (Step::AskServer { .. }, Seen::Server(status)) => self.heard_from_server(status, now_ms),
            (Step::AskServer { .. }, Seen::Stale) => self.try_clerk_again(now_ms),
            (Step::AskServer { .. }, _) => self.pause_then(ASK_SERVER, FAILED_PAUSE_MS, now_ms),
            (_, Seen::Cookie(claim)) if !self.satisfies(claim) && self.delivery == Delivery::Delivered => {
                self.try_clerk_again(now_ms)
            }
            _ => self.ask_server(now_ms),
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

    fn note_trouble(&mut self, seen: Seen) {
        let (limit_ms, side) = match self.last {
            Step::AskServer { limit_ms } => (limit_ms, GaveUp::NoConnection),
            Step::Reload { limit_ms } | Step::SkipCache { limit_ms } => (limit_ms, GaveUp::ClerkUnreachable),
            _ => return,
        };
        match seen {
            Seen::Cookie(Some(_)) => self.trouble = None,
            Seen::Cookie(None) => self.trouble = Some(GaveUp::NoCookie),
            // That the server answers says nothing about Clerk.
            Seen::Server(_) | Seen::Stale => {
                self.trouble = self.trouble.filter(|t| !matches!(t, GaveUp::NoConnection | GaveUp::Unavailable));
            }
            Seen::Unavailable => self.trouble = Some(GaveUp::Unavailable),
            Seen::Failed => self.trouble = Some(side),
            Seen::TimedOut if limit_ms >= PATIENCE_MS => self.trouble = Some(side),
            Seen::TimedOut | Seen::Refused | Seen::SignedOut | Seen::Paused => {}
        }
    }

    fn satisfies(&self, claim: Option<ActiveOrganizationClaim>) -> bool {
        match claim {
            None => false,
            Some(ActiveOrganizationClaim::Organization(id)) => self.organization.is_none_or(|wanted| wanted == id),
            Some(ActiveOrganizationClaim::NoTemplate) => true,
            Some(ActiveOrganizationClaim::Absent) => self.organization.is_none(),
        }
    }

    fn heard_from_server(&mut self, status: SessionStatus, now_ms: f64) -> Step {
        if status.inside {
            return Step::Arrived;
        }
        if !status.waiting {
            return Step::GiveUp(GaveUp::Elsewhere);
        }
        let was = self.delivery;
        self.delivery = status.delivery;
        match (was, self.delivery) {
            (_, Delivery::Failed) => Step::GiveUp(GaveUp::NotDelivered),
            (Delivery::Pending | Delivery::Failed, Delivery::Delivered) => self.ask_clerk(now_ms),
            (_, Delivery::Pending) => self.pause_then(ASK_SERVER, self.bounds.pause_ms, now_ms),
            (Delivery::Delivered, Delivery::Delivered) => self.try_clerk_again(now_ms),
        }
    }

    fn try_clerk_again(&mut self, now_ms: f64) -> Step {
        if self.attempts >= self.bounds.attempts {
            return Step::GiveUp(self.reason());
        }
        self.pause_then(self.clerk_call(), self.bounds.pause_ms, now_ms)
    }

    fn ask_clerk(&mut self, now_ms: f64) -> Step {
        self.limited(self.clerk_call(), now_ms)
    }

    fn ask_server(&mut self, now_ms: f64) -> Step {
        self.limited(ASK_SERVER, now_ms)
    }

    /// First a reload, which refreshes everything; from then on past Clerk's caches, with a reload now and then in case
    /// only that gets through. After a failure, the other one: they are limited apart.
    fn clerk_call(&self) -> Step {
        let reload = match self.last_call {
            Step::Reload { .. } if self.trouble.is_some() => false,
            Step::SkipCache { .. } if self.trouble.is_some() => true,
            _ => self.attempts.is_multiple_of(4),
        };
        if reload { Step::Reload { limit_ms: CALL_LIMIT_MS } } else { Step::SkipCache { limit_ms: CALL_LIMIT_MS } }
    }

    fn pause_then(&mut self, step: Step, pause_ms: u32, now_ms: f64) -> Step {
        let left = self.left_ms(now_ms);
        if left == 0 {
            return Step::GiveUp(self.reason());
        }
        self.after_pause = step;
        Step::Pause { ms: pause_ms.min(left) }
    }

    /// Cuts a call's limit to the time that is left for it, and counts calls to Clerk.
    fn limited(&mut self, step: Step, now_ms: f64) -> Step {
        let left = self.left_ms(now_ms);
        if left == 0 {
            return Step::GiveUp(self.reason());
        }
        let limit_ms = CALL_LIMIT_MS.min(left.saturating_sub(LAST_QUESTION_MS));
        let step = match step {
            Step::Reload { .. } if limit_ms > 0 => Step::Reload { limit_ms },
            Step::SkipCache { .. } if limit_ms > 0 => Step::SkipCache { limit_ms },
            _ => return Step::AskServer { limit_ms: CALL_LIMIT_MS.min(left) },
        };
        self.attempts += 1;
        self.last_call = step;
        step
    }

    fn left_ms(&self, now_ms: f64) -> u32 {
        (f64::from(self.bounds.cap_ms) - (now_ms - self.started_ms)).max(0.0).floor() as u32
    }

    fn reason(&self) -> GaveUp {
        match self.trouble {
            Some(trouble @ (GaveUp::NoConnection | GaveUp::Unavailable)) => trouble,
            _ if self.delivery != Delivery::Delivered => GaveUp::NotDelivered,
            Some(trouble) => trouble,
            None => GaveUp::TokenStale,
        }
    }
}

const ASK_SERVER: Step = Step::AskServer { limit_ms: CALL_LIMIT_MS };

#[cfg(test)]
mod tests;
