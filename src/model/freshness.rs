//! The bounded wait for a token that the gate lets in, as a state machine.
//!
//! It performs no I/O. An island carries out one [`Step`] at a time with real timers, reports what it has [`Seen`], and
//! gets the next one; the tests do the same with a virtual clock.
//!
//! What must stay true:
//! - It ends, at [`Step::Arrived`] or [`Step::GiveUp`]: at most `cap_ms` after clerk-js has loaded, and at most
//!   `load_cap_ms` after the start if it never loads.
//! - It does not run out of attempts before `cap_ms`: they become slower, so that they fill it.
//! - Loading clerk-js is not waiting for Clerk: a slow connection costs no attempt, and has its own message.
//! - It arrives only when the cookie's token carries the organization (or cannot carry one, without a claims template)
//!   *and* the server, having verified that cookie, agrees.
//! - Until the outbox has notified Clerk, Clerk is not asked for a token, because none could carry the organization.
//!   The one exception is a token that the server cannot use at all.
//! - After a failed call to Clerk, the server is asked: the token may have come anyway, and the response shows which
//!   side is unreachable.

use super::claims::ActiveOrganizationClaim;
use super::failure::FailureCode;
use super::ids::OrganizationId;
use super::onboarding::{Delivery, SessionStatus};

mod bounds;

use bounds::{
    ATTEMPTS_PER_SERVER_CALL, CALL_LIMIT_MS, CLERK_PATIENCE_MS, FAILED_PAUSE_MS, FIRST_LOAD_LIMIT_MS,
    LAST_SERVER_CALL_MS, LOAD_FAILURES, SERVER_PATIENCE_MS,
};
pub use bounds::{
    BOUNDS, Bounds, PAUSE_STEP_MS, RECHECK_WITHOUT_SCRIPT_MS, RECHECKS_WITHOUT_SCRIPT, REFRESH_BOUNDS, recheck_pauses,
};

/// What to do next. Limits are in milliseconds: a call that takes longer is abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Load clerk-js, or continue to.
    Load { limit_ms: u32 },
    /// `session.reload()`: refreshes token, cookie and user.
    Reload { limit_ms: u32 },
    /// `session.getToken({skipCache: true})`: asks Clerk's origin, in case a reload returned a stale token. A POST, so
    /// it also repairs a missing `azp`.
    SkipCache { limit_ms: u32 },
    /// Ask our server for the session's status.
    AskServer { limit_ms: u32 },
    /// Wait this long.
    Pause { ms: u32 },
    /// Navigate to the user's target.
    Arrived,
    /// Navigate to the screen that names the cause, or name it here.
    GiveUp(GaveUp),
}

/// The result of the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// clerk-js has loaded and started.
    Loaded,
    /// The browser could not fetch clerk-js's script.
    NotLoaded,
    /// After a call to Clerk: what the cookie's token says now. `None`: the cookie holds no readable token.
    Cookie(Option<ActiveOrganizationClaim>),
    /// The server's status of the session.
    Server(SessionStatus),
    /// The server cannot use the token, but could use another one.
    Stale,
    /// The server rejects this session, and waiting does not help.
    Refused,
    /// Clerk or the server says that the user is signed out.
    SignedOut,
    /// The server cannot check the session now.
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
    /// Clerk answers, but its tokens stay stale.
    TokenStale,
    /// Clerk does not answer, while our server does.
    ClerkUnreachable,
    /// Clerk has not answered yet: it is busy, or the connection is slow.
    ClerkSlow,
    /// clerk-js's script did not load: it is blocked, or the connection is too slow for it.
    NotLoaded,
    /// Clerk issued a token, but the browser did not keep it: cookies are blocked, or it is too large for one.
    NoCookie,
    /// Our server does not answer either: navigating would lead to the browser's own error page.
    NoConnection,
    /// Our server cannot check the session now. Its own page says what is unreachable.
    Unavailable,
    /// The user is signed out.
    SignedOut,
    /// The gate's decision about this session is not to wait: the user's target shows it.
    Elsewhere,
}

impl GaveUp {
    /// The `tried` parameter of the token-pending screen: names causes that the server cannot see.
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

/// The values of `tried`: no cause that only the browser can see, then [`GaveUp::ClerkUnreachable`],
/// [`GaveUp::NoCookie`], [`GaveUp::NotLoaded`] and [`GaveUp::ClerkSlow`].
pub const TRIED: &str = "1";
pub const TRIED_UNREACHABLE: &str = "unreachable";
pub const TRIED_NO_COOKIE: &str = "no-cookie";
pub const TRIED_NOT_LOADED: &str = "not-loaded";
pub const TRIED_SLOW: &str = "slow";
/// WebAssembly did not run, so nothing was tried.
pub const TRIED_NO_WASM: &str = "no-wasm";

/// Tries without script before the token-pending screen names the cause, about a second apart.
pub const ATTEMPTS_WITHOUT_SCRIPT: u32 = 3;

/// What the user reads during the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    NotifyingClerk,
    /// clerk-js is still loading.
    Loading,
    RefreshingSession,
    Opening,
}

/// A wait in progress.
#[derive(Clone, Debug)]
pub struct Wait {
    /// `None`: any token that the gate does not keep waiting.
    organization: Option<OrganizationId>,
    bounds: Bounds,
    /// When clerk-js had loaded; until then, when the wait began.
    started_ms: f64,
    loading: Loading,
    delivery: Delivery,
    attempts: u32,
    server_calls: u32,
    /// The last failure, unless the call has succeeded since.
    trouble: Option<GaveUp>,
    last_call: Step,
    after_pause: Step,
    last: Step,
}

/// The state of loading clerk-js.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loading {
    Loaded,
    /// No longer than usual so far.
    Begun,
    /// Long enough that the user should know.
    Slow,
    Failed(u32),
}

impl Wait {
    /// Begins to wait at `now_ms` (any monotonic clock) and returns the first step. `cookie`: what the cookie's token
    /// says at the start.
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
            server_calls: 0,
            trouble: None,
            last_call: Step::Arrived,
            after_pause: Step::Arrived,
            last: Step::Arrived,
        };
        let already_satisfied = organization.is_some() && wait.satisfies(cookie);
        let step = match delivery {
            // Tokens here never name an organization, or this one already does: there may be nothing to wait for.
            _ if already_satisfied => wait.ask_server(now_ms),
            // The server may accept the token anyway.
            Delivery::Failed => wait.ask_server(now_ms),
            Delivery::Delivered | Delivery::Pending => Step::Load { limit_ms: FIRST_LOAD_LIMIT_MS },
        };
        wait.last = step;
        (wait, step)
    }

    /// The next step, given the result of the last one.
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
            (Step::AskServer { .. }, Seen::Server(status)) => self.after_status(status, now_ms),
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

    /// The number of calls to Clerk.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Starts the wait's clock when clerk-js has loaded.
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

    /// A blocked script fails at once, every time.
    fn after_failed_load(&mut self, now_ms: f64) -> Step {
        match self.loading {
            // The target depends on whether our server answers.
            Loading::Failed(times) if times >= LOAD_FAILURES => self.give_up(),
            _ => self.pause_then(ASK_SERVER, FAILED_PAUSE_MS, now_ms),
        }
    }

    fn note_trouble(&mut self, seen: Seen) {
        // What a failure means, and what a timeout means if it was long enough.
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
            // A response from the server says nothing about Clerk.
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

    fn after_status(&mut self, status: SessionStatus, now_ms: f64) -> Step {
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
            (_, Delivery::Pending) => self.pause_then(ASK_SERVER, self.pause_ms(self.server_calls), now_ms),
            (Delivery::Delivered, Delivery::Delivered) => self.try_clerk_again(now_ms),
        }
    }

    /// Sometimes the server is asked first, which is cheap: waiting may have become pointless.
    fn try_clerk_again(&mut self, now_ms: f64) -> Step {
        if self.loading != Loading::Loaded {
            return self.load_on(now_ms);
        }
        let asked_server = matches!(self.last, Step::AskServer { .. });
        if !asked_server && self.attempts.is_multiple_of(ATTEMPTS_PER_SERVER_CALL) {
            return self.ask_server(now_ms);
        }
        self.pause_then(self.clerk_call(), self.pause_ms(self.attempts), now_ms)
    }

    /// The pause after this many calls: each is longer than the one before.
    fn pause_ms(&self, calls: u32) -> u32 {
        let grown = self.bounds.pause_ms + calls.saturating_sub(1) * PAUSE_STEP_MS;
        grown.min(self.bounds.longest_pause_ms)
    }

    /// Continues to load clerk-js while there is time.
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

    /// First a reload, which refreshes everything; then calls that skip Clerk's caches, with a reload now and then in
    /// case only that gets through. After a failure, the other one: they have separate rate limits.
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

    /// Cuts a call's limit to the time left, and counts calls.
    fn limited(&mut self, step: Step, now_ms: f64) -> Step {
        let left = self.left_ms(now_ms);
        if left == 0 {
            return self.give_up();
        }
        let limit_ms = CALL_LIMIT_MS.min(left.saturating_sub(LAST_SERVER_CALL_MS));
        let step = match step {
            Step::Reload { .. } if limit_ms > 0 => Step::Reload { limit_ms },
            Step::SkipCache { .. } if limit_ms > 0 => Step::SkipCache { limit_ms },
            _ => {
                self.server_calls += 1;
                return Step::AskServer { limit_ms: CALL_LIMIT_MS.min(left) };
            }
        };
        self.attempts += 1;
        self.last_call = step;
        step
    }

    fn left_ms(&self, now_ms: f64) -> u32 {
        let cap_ms = match self.loading {
            // Without any connection, a script that does not come is not just slow.
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
