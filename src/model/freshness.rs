//! The bounded wait for a token that the gate lets in, as a state machine.
//!
//! It does nothing itself. An island carries out one [`Step`] at a time with real timers, tells what it [`Seen`], and
//! gets the next one; the tests do the same with a virtual clock.
//!
//! What must stay true:
//! - It ends: at [`Step::Arrived`] or [`Step::GiveUp`], at the latest `cap_ms` after clerk-js was there, and at the latest
//!   `load_cap_ms` after the start if it never comes.
//! - It does not end before `cap_ms` for want of attempts: they become slower, so that they fill it.
//! - Loading clerk-js is not waiting for Clerk: a slow connection spends no attempt, and has words of its own.
//! - It arrives only when the cookie's own token carries the organization (or can carry none, for want of a claims
//!   template) *and* the server, having verified that cookie, agrees.
//! - While the outbox has not reached Clerk, Clerk is not asked for the organization: no token could carry what Clerk has
//!   not been told. It is asked then only if the server cannot use the token at all.
//! - After a call to Clerk that failed, the server is asked: the token may have come all the same, and the answer tells
//!   which side does not answer.

use super::claims::ActiveOrganizationClaim;
use super::failure::FailureCode;
use super::ids::OrganizationId;
use super::onboarding::{Delivery, SessionStatus};

mod bounds;

use bounds::{
    ATTEMPTS_PER_QUESTION, CALL_LIMIT_MS, CLERK_PATIENCE_MS, FAILED_PAUSE_MS, FIRST_LOAD_LIMIT_MS, LAST_QUESTION_MS,
    LOAD_FAILURES, SERVER_PATIENCE_MS,
};
pub use bounds::{
    BOUNDS, Bounds, PAUSE_STEP_MS, RECHECK_WITHOUT_SCRIPT_MS, RECHECKS_WITHOUT_SCRIPT, REFRESH_BOUNDS, recheck_pauses,
};

/// What to do next. Limits are in milliseconds: a call that takes longer is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Load clerk-js, or go on loading it.
    Load { limit_ms: u32 },
    /// `session.reload()`: refreshes token, cookie and user.
    Reload { limit_ms: u32 },
    /// `session.getToken({skipCache: true})`: goes to Clerk's origin when a reload brought an old token. A POST, so it
    /// also repairs a missing `azp`.
    SkipCache { limit_ms: u32 },
    /// Ask our server how it sees the session.
    AskServer { limit_ms: u32 },
    /// Do nothing for so long.
    Pause { ms: u32 },
    /// Navigate to where the user wants to be.
    Arrived,
    /// Navigate to the screen that says why not, or say it here.
    GiveUp(GaveUp),
}

/// What was seen when the last step had been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// clerk-js is there.
    Loaded,
    /// The browser could not fetch clerk-js's script.
    NotLoaded,
    /// After a call to Clerk: what the cookie's token says now. `None`: there is no readable token in the cookie.
    Cookie(Option<ActiveOrganizationClaim>),
    /// After asking the server.
    Server(SessionStatus),
    /// The server cannot use the token, but could use another one.
    Stale,
    /// The server will not let this session in, however long one waits.
    Refused,
    /// Clerk or the server says that the user is signed out.
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

impl Seen {
    /// What the server's answer to "how do you see this session?" means.
    pub fn from_server(answer: Result<SessionStatus, FailureCode>) -> Self {
        match answer {
            Ok(status) => Self::Server(status),
            Err(FailureCode::SessionStale) => Self::Stale,
            Err(FailureCode::SessionRefused | FailureCode::SessionPending) => Self::Refused,
            Err(FailureCode::SignedOut) => Self::SignedOut,
            Err(FailureCode::Network) => Self::Failed,
            Err(_) => Self::Unavailable,
        }
    }
}

/// Where the token-pending screen goes when its wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Where the user wants to be. The gate has an answer there.
    Next,
    /// The sign-in page.
    SignIn,
    /// The page that names the cause.
    Exhausted(GaveUp),
    /// Nowhere, until there is a connection.
    Stay,
}

impl Destination {
    /// Where a wait leads that ended like this.
    pub fn of(ended: Result<(), GaveUp>) -> Self {
        match ended {
            Ok(()) | Err(GaveUp::Elsewhere) => Self::Next,
            Err(GaveUp::SignedOut) => Self::SignIn,
            Err(GaveUp::NoConnection) => Self::Stay,
            Err(reason) => Self::Exhausted(reason),
        }
    }
}

/// Why the wait ended without arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Our server could not notify Clerk in time. The organization exists.
    NotDelivered,
    /// Clerk answers, but its tokens are not good enough.
    TokenStale,
    /// Clerk does not answer, while our server does.
    ClerkUnreachable,
    /// Clerk has not answered yet: it is busy, or the connection is slow.
    ClerkSlow,
    /// clerk-js's script did not come: it is blocked, or the connection is too slow for it.
    NotLoaded,
    /// Clerk gave a token, and the browser did not keep it: cookies are refused, or it is too large for one.
    NoCookie,
    /// Our server does not answer either: navigating would end at the browser's own error page.
    NoConnection,
    /// Our server answers that it cannot tell now. It says itself what is out of reach.
    Unavailable,
    /// The user is signed out.
    SignedOut,
    /// The gate has another answer for this session than waiting, and gives it where the user wants to be.
    Elsewhere,
}

impl GaveUp {
    /// What the token-pending screen is told, so that it can name a cause that the server cannot see.
    pub fn tried(self) -> &'static str {
        match self {
            Self::ClerkUnreachable => TRIED_UNREACHABLE,
            Self::NoCookie => TRIED_NO_COOKIE,
            Self::NotLoaded => TRIED_NOT_LOADED,
            Self::ClerkSlow => TRIED_SLOW,
            _ => TRIED,
        }
    }
}

/// The values of `tried`: without a cause that only the browser can see, then [`GaveUp::ClerkUnreachable`],
/// [`GaveUp::NoCookie`], [`GaveUp::NotLoaded`] and [`GaveUp::ClerkSlow`].
pub const TRIED: &str = "1";
pub const TRIED_UNREACHABLE: &str = "unreachable";
pub const TRIED_NO_COOKIE: &str = "no-cookie";
pub const TRIED_NOT_LOADED: &str = "not-loaded";
pub const TRIED_SLOW: &str = "slow";
/// WebAssembly did not run, so nothing was tried by it.
pub const TRIED_NO_WASM: &str = "no-wasm";

/// Tries without script before the token-pending screen names the cause, about a second apart.
pub const ATTEMPTS_WITHOUT_SCRIPT: u32 = 3;

/// What the user reads during the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    NotifyingClerk,
    /// clerk-js is still on its way.
    Loading,
    RefreshingSession,
    Opening,
}

/// A wait under way.
#[derive(Clone, Debug)]
pub struct Wait {
    /// `None`: any token will do that the gate does not keep waiting.
    organization: Option<OrganizationId>,
    bounds: Bounds,
    /// When clerk-js was there; before that, when the wait began.
    started_ms: f64,
    loading: Loading,
    delivery: Delivery,
    attempts: u32,
    /// How often the server has been asked.
    questions: u32,
    /// What failed last and has not worked since.
    trouble: Option<GaveUp>,
    last_call: Step,
    after_pause: Step,
    last: Step,
}

/// How far loading clerk-js has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loading {
    Loaded,
    /// Not longer than usual so far.
    Begun,
    /// So long that the user should know.
    Slow,
    Failed(u32),
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
            loading: Loading::Begun,
            delivery,
            attempts: 0,
            questions: 0,
            trouble: None,
            last_call: Step::Arrived,
            after_pause: Step::Arrived,
            last: Step::Arrived,
        };
        let good_already = organization.is_some() && wait.satisfies(cookie);
        let step = match delivery {
            // Tokens here name no organization, or this one does already: there may be nothing to wait for.
            _ if good_already => wait.ask_server(now_ms),
            // The server may let the token in all the same.
            Delivery::Failed => wait.ask_server(now_ms),
            Delivery::Delivered | Delivery::Pending => Step::Load { limit_ms: FIRST_LOAD_LIMIT_MS },
        };
        wait.last = step;
        (wait, step)
    }

    /// The next step, given what was seen after the last one.
    pub fn next(&mut self, seen: Seen, now_ms: f64) -> Step {
        self.note_trouble(seen);
        self.note_loading(seen, now_ms);
        let step = match (self.last, seen) {
            (_, Seen::SignedOut) => Step::GiveUp(GaveUp::SignedOut),
            (_, Seen::Refused) => Step::GiveUp(GaveUp::Elsewhere),
            (Step::Load { .. }, Seen::Loaded) => match self.delivery {
                Delivery::Pending => self.pause_then(ASK_SERVER, self.bounds.pause_ms, now_ms),
                _ => self.ask_clerk(now_ms),
            },
            (Step::Load { .. }, Seen::NotLoaded | Seen::Failed) => self.after_failed_load(now_ms),
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
            _ if matches!(self.loading, Loading::Slow) => Stage::Loading,
            (Delivery::Pending | Delivery::Failed, _) => Stage::NotifyingClerk,
            (Delivery::Delivered, _) => Stage::RefreshingSession,
        }
    }

    /// How often Clerk has been asked.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The clock of the wait begins when clerk-js is there.
    fn note_loading(&mut self, seen: Seen, now_ms: f64) {
        if !matches!(self.last, Step::Load { .. }) {
            return;
        }
        self.loading = match (seen, self.loading) {
            (Seen::Loaded, _) => {
                self.started_ms = now_ms;
                Loading::Loaded
            }
            (Seen::TimedOut, _) => Loading::Slow,
            (_, Loading::Failed(times)) => Loading::Failed(times + 1),
            _ => Loading::Failed(1),
        };
        self.trouble = match seen {
            Seen::Loaded => None,
            Seen::Failed => Some(GaveUp::ClerkUnreachable),
            _ => Some(GaveUp::NotLoaded),
        };
    }

    /// Blocked scripts fail at once, and again each time.
    fn after_failed_load(&mut self, now_ms: f64) -> Step {
        match self.loading {
            // Whether our server answers decides where to go.
            Loading::Failed(times) if times >= LOAD_FAILURES => self.give_up(),
            _ => self.pause_then(ASK_SERVER, FAILED_PAUSE_MS, now_ms),
        }
    }

    fn note_trouble(&mut self, seen: Seen) {
        // What a failure means, and what silence means, if it was long enough to mean anything.
        let (failed, silent) = match self.last {
            Step::AskServer { limit_ms } => {
                (GaveUp::NoConnection, (limit_ms >= SERVER_PATIENCE_MS).then_some(GaveUp::NoConnection))
            }
            Step::Reload { limit_ms } | Step::SkipCache { limit_ms } => {
                (GaveUp::ClerkUnreachable, (limit_ms >= CLERK_PATIENCE_MS).then_some(GaveUp::ClerkSlow))
            }
            _ => return,
        };
        match seen {
            Seen::Loaded | Seen::NotLoaded => {}
            Seen::Cookie(Some(_)) => self.trouble = None,
            Seen::Cookie(None) => self.trouble = Some(GaveUp::NoCookie),
            // That the server answers says nothing about Clerk.
            Seen::Server(_) | Seen::Stale => {
                self.trouble = self.trouble.filter(|t| !matches!(t, GaveUp::NoConnection | GaveUp::Unavailable));
            }
            Seen::Unavailable => self.trouble = Some(GaveUp::Unavailable),
            Seen::Failed => self.trouble = Some(failed),
            Seen::TimedOut => self.trouble = silent.or(self.trouble),
            Seen::Refused | Seen::SignedOut | Seen::Paused => {}
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
            _ if self.loading != Loading::Loaded => self.load_on(now_ms),
            (Delivery::Pending | Delivery::Failed, Delivery::Delivered) => self.ask_clerk(now_ms),
            (_, Delivery::Pending) => self.pause_then(ASK_SERVER, self.pause_ms(self.questions), now_ms),
            (Delivery::Delivered, Delivery::Delivered) => self.try_clerk_again(now_ms),
        }
    }

    /// Now and then the server is asked first, which costs little: waiting may have become pointless.
    fn try_clerk_again(&mut self, now_ms: f64) -> Step {
        if self.loading != Loading::Loaded {
            return self.load_on(now_ms);
        }
        let asked_server = matches!(self.last, Step::AskServer { .. });
        if !asked_server && self.attempts.is_multiple_of(ATTEMPTS_PER_QUESTION) {
            return self.ask_server(now_ms);
        }
        self.pause_then(self.clerk_call(), self.pause_ms(self.attempts), now_ms)
    }

    /// Longer after each of so many calls.
    fn pause_ms(&self, calls: u32) -> u32 {
        let grown = self.bounds.pause_ms + calls.saturating_sub(1) * PAUSE_STEP_MS;
        grown.min(self.bounds.longest_pause_ms)
    }

    /// Goes on loading clerk-js, as long as there is time for it.
    fn load_on(&mut self, now_ms: f64) -> Step {
        match self.left_ms(now_ms) {
            0 => self.give_up(),
            left => Step::Load { limit_ms: CALL_LIMIT_MS.min(left) },
        }
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
            return self.give_up();
        }
        self.after_pause = step;
        Step::Pause { ms: pause_ms.min(left) }
    }

    /// Cuts a call's limit to the time that is left for it, and counts calls to Clerk.
    fn limited(&mut self, step: Step, now_ms: f64) -> Step {
        let left = self.left_ms(now_ms);
        if left == 0 {
            return self.give_up();
        }
        let limit_ms = CALL_LIMIT_MS.min(left.saturating_sub(LAST_QUESTION_MS));
        let step = match step {
            Step::Reload { .. } if limit_ms > 0 => Step::Reload { limit_ms },
            Step::SkipCache { .. } if limit_ms > 0 => Step::SkipCache { limit_ms },
            _ => {
                self.questions += 1;
                return Step::AskServer { limit_ms: CALL_LIMIT_MS.min(left) };
            }
        };
        self.attempts += 1;
        self.last_call = step;
        step
    }

    fn left_ms(&self, now_ms: f64) -> u32 {
        let cap_ms = match self.loading {
            // Without any connection, what does not come is not slow.
            Loading::Begun | Loading::Slow if self.trouble != Some(GaveUp::NoConnection) => self.bounds.load_cap_ms,
            _ => self.bounds.cap_ms,
        };
        (f64::from(cap_ms) - (now_ms - self.started_ms)).max(0.0).floor() as u32
    }

    fn give_up(&self) -> Step {
        Step::GiveUp(self.reason())
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
