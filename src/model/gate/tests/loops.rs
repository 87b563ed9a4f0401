//! The search for loops: everything that may happen to one visit, from every beginning, by every path.
//!
//! A situation is a request that a browser is about to make. The gate answers it; then the browser (with script or without),
//! Clerk and time do whatever they can, each in the way that is worst for us: Clerk hands out any session it likes or none,
//! its counter of handshakes is forgotten at any moment because it lives for two seconds only, and the token-pending screen
//! gets any token. What the wait then does is the product's own code: `SessionStatus::of`, `Failure::denied`, `Seen::from_server`,
//! the `Wait` machine and `Destination::of`. What users do (press a button, fill in a form) ends a visit and begins the next
//! one.
//!
//! Shown for all of it:
//! - no loop: no path meets the same situation twice;
//! - at most [`MAX_REDIRECTS`] redirects of ours, and at most [`MAX_VISITS_TO_CLERK`] of Clerk's handshakes, without a clock;
//! - every path ends inside, at a form, or at a screen that names its cause;
//! - a user who has an organization is never led to the form that creates one.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::model::claims::ActiveOrganizationClaim;
use crate::model::failure::{Failure, FailureCode};
use crate::model::freshness::{ATTEMPTS_WITHOUT_SCRIPT, Destination, REFRESH_BOUNDS, Seen, Step, Wait};
use crate::model::onboarding::{Delivery, SessionStatus};

/// Automatic redirects of ours in one visit.
const MAX_REDIRECTS: u32 = 3;
/// Clerk's handshakes in one visit, at worst: one at the page, one at the screen that waits, there three more without script,
/// and one at the sign-in page, if a development instance has forgotten the browser meanwhile.
const MAX_VISITS_TO_CLERK: u32 = 6;

/// A request about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Situation {
    place: Place,
    session: SessionEvidence,
    membership: MembershipEvidence,
    script: bool,
    /// Clerk's cookie that counts handshakes.
    counter: u32,
    /// The request comes back from Clerk, with a result or with none.
    handshaken: bool,
    /// The token-pending screen has reached its bound (`tried`).
    tried: bool,
    /// Its tries without script.
    attempt: u32,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// We send the browser on.
    Redirect(Situation),
    /// Clerk sends it back.
    Handshake(Situation),
    /// A page moves on by itself.
    Page(Situation),
    End(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Inside,
    CreationForm,
    SignInForm,
    NamedCause,
}

impl Situation {
    fn answer(&self) -> (Verdict, Answer) {
        let handshake = if self.handshaken || self.tried || self.counter >= MAX_HANDSHAKES {
            HandshakeEvidence::Exhausted
        } else {
            HandshakeEvidence::Possible
        };
        let verdict = decide(&Evidence { session: self.session, handshake, membership: self.membership });
        (verdict, at(self.place, verdict))
    }

    /// The same browser at another place of ours. Clerk's counter may have been forgotten on the way.
    fn goes_to(self, place: Place) -> Vec<Next> {
        let to = Self { place, handshaken: false, tried: false, attempt: 0, ..self };
        [to.counter, 0].map(|counter| Next::Redirect(Self { counter, ..to })).into()
    }

    /// What Clerk may send a browser back with.
    fn back_from_clerk(self) -> Vec<Self> {
        let back = Self { handshaken: true, counter: self.counter + 1, ..self };
        // Nothing that could be used: Clerk is out of reach, or its result is. The cookies are as they were.
        let mut all = vec![back, Self { handshaken: false, counter: MAX_HANDSHAKES, ..self }];
        all.extend(sessions().into_iter().map(|session| Self { session, ..back }));
        all
    }

    fn next(self) -> Vec<Next> {
        let (verdict, answer) = self.answer();
        match answer {
            Answer::ToHandshake(_) => self.back_from_clerk().into_iter().map(Next::Handshake).collect(),
            Answer::GoOn => self.goes_to(Place::Inside),
            Answer::ToOnboarding => self.goes_to(Place::Onboarding),
            Answer::ToSignIn => self.goes_to(Place::SignIn),
            Answer::ToTokenPending => self.goes_to(Place::TokenPending),
            Answer::ExplainRefusal(_) | Answer::ExplainOutage(_) => vec![Next::End(End::NamedCause)],
            Answer::Show => match self.place {
                Place::Inside | Place::InsideAnyway => vec![Next::End(End::Inside)],
                Place::Onboarding => vec![Next::End(End::CreationForm)],
                Place::SignIn => vec![Next::End(End::SignInForm)],
                Place::TokenPending => self.token_pending(verdict),
            },
        }
    }

    /// The screen that waits.
    fn token_pending(self, verdict: Verdict) -> Vec<Next> {
        assert!(matches!(verdict, Verdict::Wait(_)), "{self:?} waits for nothing: {verdict:?}");
        if self.tried {
            return vec![Next::End(End::NamedCause)];
        }
        if !self.script {
            let attempt = self.attempt + 1;
            let back = Self { attempt, tried: attempt >= ATTEMPTS_WITHOUT_SCRIPT, ..self };
            return back.back_from_clerk().into_iter().map(Next::Handshake).collect();
        }
        let mut all = Vec::new();
        for session in sessions() {
            let now = Self { session, handshaken: false, ..self };
            for counter in [now.counter, 0] {
                let now = Self { counter, ..now };
                all.extend(wait_destinations(session, self.membership).into_iter().map(
                    |destination| match destination {
                        Destination::Next => Next::Page(Self { place: Place::Inside, attempt: 0, ..now }),
                        Destination::SignIn => Next::Page(Self { place: Place::SignIn, attempt: 0, ..now }),
                        Destination::Exhausted(_) => Next::Page(Self { tried: true, ..now }),
                        Destination::Stay => Next::End(End::NamedCause),
                    },
                ));
            }
        }
        all
    }
}

/// Where the wait can lead if Clerk gives the browser `session`: the server answers by the gate, and Clerk's calls succeed,
/// fail or stay silent.
fn wait_destinations(session: SessionEvidence, membership: MembershipEvidence) -> Vec<Destination> {
    // As a call, which is never redirected.
    let verdict = decide(&Evidence { session, handshake: HandshakeEvidence::NotEligible, membership });
    let mut all = Vec::new();
    for delivery in [Delivery::Delivered, Delivery::Pending, Delivery::Failed] {
        let answer = for_call(verdict).map(|()| SessionStatus::of(verdict, delivery));
        let answer = answer.map_err(|denial| Failure::denied(denial, "").code);
        for server in [Seen::from_server(answer), Seen::from_server(Err(FailureCode::Network))] {
            let cookie = |claim| Seen::Cookie(Some(claim));
            let mut clerk = vec![
                Seen::Cookie(None),
                cookie(ActiveOrganizationClaim::Absent),
                cookie(ActiveOrganizationClaim::NoTemplate),
                Seen::Failed,
                Seen::TimedOut,
            ];
            // Taken as signed out only once the cookie is gone too.
            if matches!(session, SessionEvidence::Missing | SessionEvidence::NotReady) {
                clerk.push(Seen::SignedOut);
            }
            all.extend(clerk.into_iter().map(|clerk| carried_out(clerk, server)));
        }
    }
    all
}

/// Carries the product's wait out with a virtual clock.
fn carried_out(clerk: Seen, server: Seen) -> Destination {
    let mut now_ms = 0.0;
    let (mut wait, mut step) = Wait::begin(None, Delivery::Delivered, None, REFRESH_BOUNDS, now_ms);
    loop {
        let (seen, took_ms) = match step {
            Step::Arrived => return Destination::of(Ok(())),
            Step::GiveUp(reason) => return Destination::of(Err(reason)),
            Step::Load { .. } => (Seen::Loaded, 100),
            Step::Reload { limit_ms } | Step::SkipCache { limit_ms } => (clerk, limit_ms.min(150)),
            Step::AskServer { limit_ms } => (server, limit_ms.min(50)),
            Step::Pause { ms } => (Seen::Paused, ms),
        };
        now_ms += f64::from(took_ms.max(1));
        step = wait.next(seen, now_ms);
    }
}

/// The longest way to an end, in redirects and in handshakes.
#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    redirects: u32,
    handshakes: u32,
}

#[derive(Default)]
struct Search {
    done: HashMap<Situation, Longest>,
    on_the_way: HashSet<Situation>,
}

impl Search {
    fn from(&mut self, situation: Situation) -> Longest {
        if let Some(longest) = self.done.get(&situation) {
            return *longest;
        }
        assert!(self.on_the_way.insert(situation), "a loop: {situation:?}");
        let mut longest = Longest::default();
        for next in situation.next() {
            let (redirect, handshake, further) = match next {
                Next::End(end) => {
                    assert_fits(situation, end);
                    continue;
                }
                Next::Redirect(to) => (1, 0, self.from(to)),
                Next::Handshake(to) => (0, 1, self.from(to)),
                Next::Page(to) => (0, 0, self.from(to)),
            };
            longest.redirects = longest.redirects.max(further.redirects + redirect);
            longest.handshakes = longest.handshakes.max(further.handshakes + handshake);
        }
        self.on_the_way.remove(&situation);
        self.done.insert(situation, longest);
        longest
    }
}

fn assert_fits(situation: Situation, end: End) {
    let has_one = matches!(situation.membership, MembershipEvidence::Claimed(_) | MembershipEvidence::Other(_));
    assert!(!(has_one && end == End::CreationForm), "has an organization, and is at the form: {situation:?}");
    if end == End::Inside {
        assert!(has_one && matches!(situation.session, SessionEvidence::Verified(_)), "{situation:?}");
    }
}

#[test]
fn no_visit_loops() {
    let mut search = Search::default();
    let mut most = Longest::default();
    for place in PLACES {
        for session in sessions() {
            for membership in MEMBERSHIPS {
                for script in [true, false] {
                    for counter in 0..=MAX_HANDSHAKES {
                        let begin = Situation {
                            place,
                            session,
                            membership,
                            script,
                            counter,
                            handshaken: false,
                            tried: false,
                            attempt: 0,
                        };
                        let longest = search.from(begin);
                        assert!(longest.redirects <= MAX_REDIRECTS, "{begin:?} {longest:?}");
                        assert!(longest.handshakes <= MAX_VISITS_TO_CLERK, "{begin:?} {longest:?}");
                        most.redirects = most.redirects.max(longest.redirects);
                        most.handshakes = most.handshakes.max(longest.handshakes);
                    }
                }
            }
        }
    }
    // The bounds are met, not merely kept: the search goes as far as it says.
    assert_eq!((most.redirects, most.handshakes), (MAX_REDIRECTS, MAX_VISITS_TO_CLERK));
    assert!(search.done.len() > 1_000, "{}", search.done.len());
}
