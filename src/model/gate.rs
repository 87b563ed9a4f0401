//! The gate: one pure function from what is known about a request to where it may go.
//!
//! Pages, server functions and API routes gather [`Evidence`], call [`decide`], and carry the [`Verdict`] out: pages as
//! [`at`] says, calls as [`for_call`] says. There is no other table. What must stay true:
//! - A user who has an organization in our database is never sent to onboarding.
//! - Only a verified token leads inside, and only to an organization the database lets this user into.
//! - A cause that waiting cannot cure never leads to a page that waits.
//! - "We cannot check now" is never "signed out".
//! - No visit loops: `gate/tests/loops.rs` searches everything that server, browser, Clerk and time can do.

use super::ids::OrganizationId;

/// Everything the decision may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    pub session: SessionEvidence,
    /// Whether this request may be sent to Clerk for fresh cookies.
    pub handshake: HandshakeEvidence,
    /// Looked at only for a verified session.
    pub membership: MembershipEvidence,
}

/// What is known about the session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEvidence {
    /// No token, and nothing says that a user is signed in.
    Missing,
    /// No token, but Clerk's `__client_uat` cookie says a user is signed in.
    NotReady,
    /// A token, but no `__client_uat` beside it: half of what a sign-in leaves.
    WithoutClientUat,
    /// A token made before the browser's set of sessions last changed (`iat` before `__client_uat`).
    OlderThanClientUat,
    /// A development instance, and a browser that it does not know yet.
    DevelopmentBrowserMissing,
    /// A development instance that hands its browser token over in the address.
    DevelopmentBrowserInAddress,
    /// Past `exp` by more than the allowed skew.
    Expired,
    /// `nbf` or `iat` lie in the future by more than the allowed skew.
    NotYetValid,
    /// Valid in all else, but `azp` is missing. The browser repairs it by having a new token made.
    AuthorizedPartyMissing,
    /// Rejected for a cause that waiting cannot cure.
    Refused(Refusal),
    /// The keys cannot be fetched now.
    KeysUnreachable,
    /// Valid, but Clerk wants something done first (`sts: pending`).
    Pending,
    /// Every rule holds.
    Verified(ClaimEvidence),
}

/// Whether Clerk's handshake may renew this request: a redirect to Clerk, which sends the browser back with fresh
/// cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeEvidence {
    /// Not a document that a browser navigates to: a redirect would not help.
    NotEligible,
    Possible,
    /// Tried as often as Clerk's counter allows, or as often as is of use.
    Exhausted,
}

/// Handshakes that Clerk allows within its counter's two seconds (`backend: handshake.ts`).
pub const MAX_HANDSHAKES: u32 = 3;

/// Why a token was rejected for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not a token we can read, or without a required claim.
    Malformed,
    /// Another algorithm than RS256, or a header type that is not `JWT`.
    Algorithm,
    /// The key id is not one of the instance's.
    UnknownKey,
    /// The signature does not match.
    Signature,
    /// `iss` is not the configured issuer.
    Issuer,
    /// `azp` names a party that is not on the list.
    AuthorizedParty,
    /// Not a session token: a JWT template's, or a machine's.
    TokenType,
}

/// What a verified token says about the active organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimEvidence {
    /// No claims template is installed: the database decides.
    NoTemplate,
    /// The claim is there, but empty.
    Absent,
    /// The claim names an organization.
    Names,
}

/// What the database says about the user's organizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MembershipEvidence {
    /// The user belongs to none.
    None,
    /// The user is a member of the organization the token names.
    Claimed(OrganizationId),
    /// The user is not a member of what the token names, or it names none, but belongs to this one.
    Other(OrganizationId),
    /// The database cannot be asked now.
    Unreachable,
}

/// Where a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// In, to this organization.
    Inside(OrganizationId),
    /// Signed in, and belongs to no organization.
    NeedsOnboarding,
    /// Signed out.
    SignedOut,
    /// Clerk can give the browser fresh cookies, by a redirect that the user does not see.
    Handshake(HandshakeCause),
    /// The browser can get a usable token; until then, wait.
    Wait(WaitCause),
    /// Clerk wants something done first.
    FinishTask,
    /// Not with this token, however long the browser waits.
    Refused(Refusal),
    /// Cannot be decided now.
    CannotVerify(Outage),
}

/// Why the browser is sent to Clerk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HandshakeCause {
    NotReady,
    WithoutClientUat,
    OlderThanClientUat,
    DevelopmentBrowserMissing,
    DevelopmentBrowserInAddress,
    Expired,
    NotYetValid,
}

/// Why the browser should get another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitCause {
    NotReady,
    /// Token and `__client_uat` do not match.
    CookiesDisagree,
    Expired,
    NotYetValid,
    AuthorizedPartyMissing,
    /// The database knows an organization of theirs that the token does not name yet.
    StaleClaim(OrganizationId),
}

/// What is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outage {
    Keys,
    Database,
}

/// Decides. Pure and total: every piece of evidence has exactly one verdict.
pub fn decide(evidence: &Evidence) -> Verdict {
    let renew = |cause, otherwise| match evidence.handshake {
        HandshakeEvidence::Possible => Verdict::Handshake(cause),
        HandshakeEvidence::NotEligible | HandshakeEvidence::Exhausted => otherwise,
    };
    let wait = Verdict::Wait;
    let claim = match evidence.session {
        SessionEvidence::Missing => return Verdict::SignedOut,
        SessionEvidence::NotReady => return renew(HandshakeCause::NotReady, wait(WaitCause::NotReady)),
        SessionEvidence::WithoutClientUat => {
            return renew(HandshakeCause::WithoutClientUat, wait(WaitCause::CookiesDisagree));
        }
        SessionEvidence::OlderThanClientUat => {
            return renew(HandshakeCause::OlderThanClientUat, wait(WaitCause::CookiesDisagree));
        }
        SessionEvidence::DevelopmentBrowserMissing => {
            return renew(HandshakeCause::DevelopmentBrowserMissing, Verdict::SignedOut);
        }
        SessionEvidence::DevelopmentBrowserInAddress => {
            return renew(HandshakeCause::DevelopmentBrowserInAddress, Verdict::SignedOut);
        }
        SessionEvidence::Expired => return renew(HandshakeCause::Expired, wait(WaitCause::Expired)),
        SessionEvidence::NotYetValid => return renew(HandshakeCause::NotYetValid, wait(WaitCause::NotYetValid)),
        // Clerk would hand out the same token again: the browser has to ask for one with its origin.
        SessionEvidence::AuthorizedPartyMissing => return wait(WaitCause::AuthorizedPartyMissing),
        SessionEvidence::Refused(refusal) => return Verdict::Refused(refusal),
        SessionEvidence::KeysUnreachable => return Verdict::CannotVerify(Outage::Keys),
        SessionEvidence::Pending => return Verdict::FinishTask,
        SessionEvidence::Verified(claim) => claim,
    };
    match (claim, evidence.membership) {
        (_, MembershipEvidence::Unreachable) => Verdict::CannotVerify(Outage::Database),
        (_, MembershipEvidence::None) => Verdict::NeedsOnboarding,
        (_, MembershipEvidence::Claimed(organization)) => Verdict::Inside(organization),
        (ClaimEvidence::NoTemplate, MembershipEvidence::Other(organization)) => Verdict::Inside(organization),
        (ClaimEvidence::Absent | ClaimEvidence::Names, MembershipEvidence::Other(organization)) => {
            Verdict::Wait(WaitCause::StaleClaim(organization))
        }
    }
}

/// A kind of page, as far as the gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Needs an organization.
    Inside,
    /// The same, for a user who chose not to wait for their token. The database decides alone: it is asked for every
    /// request, and the token has proved who is calling.
    InsideAnyway,
    /// The form that creates one.
    Onboarding,
    /// Sign-in and sign-up.
    SignIn,
    /// The token-pending screen.
    TokenPending,
}

/// What a page does about a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Show the page.
    Show,
    /// Go where the user wanted to go (`next`, else the dashboard).
    GoOn,
    /// Go to the onboarding form.
    ToOnboarding,
    /// Go to the sign-in page, and come back here.
    ToSignIn,
    /// Go to the token-pending screen, and come back here.
    ToTokenPending,
    /// Go to Clerk, and come back here with fresh cookies.
    ToHandshake(HandshakeCause),
    /// Say why this token is rejected (401).
    ExplainRefusal(Refusal),
    /// Say what is out of reach (503), and retry automatically.
    ExplainOutage(Outage),
}

/// How the page at `place` answers `verdict`.
pub fn at(place: Place, verdict: Verdict) -> Answer {
    match (place, verdict) {
        (_, Verdict::Handshake(cause)) => Answer::ToHandshake(cause),
        // The sign-in page is the way out of almost everything, so it shows unless the user is signed in already.
        (Place::SignIn | Place::Onboarding | Place::TokenPending, Verdict::Inside(_)) => Answer::GoOn,
        (Place::SignIn | Place::TokenPending, Verdict::NeedsOnboarding) => Answer::ToOnboarding,
        (Place::SignIn, _) => Answer::Show,

        (Place::Inside | Place::InsideAnyway, Verdict::Inside(_)) => Answer::Show,
        (Place::InsideAnyway, Verdict::Wait(WaitCause::StaleClaim(_))) => Answer::Show,
        (Place::Inside | Place::InsideAnyway, Verdict::NeedsOnboarding) => Answer::ToOnboarding,
        (Place::Onboarding, Verdict::NeedsOnboarding) => Answer::Show,
        (Place::TokenPending, Verdict::Wait(_)) => Answer::Show,
        (Place::Inside | Place::InsideAnyway | Place::Onboarding, Verdict::Wait(_)) => Answer::ToTokenPending,

        // Clerk's own form shows the unfinished task.
        (_, Verdict::SignedOut | Verdict::FinishTask) => Answer::ToSignIn,
        (_, Verdict::Refused(refusal)) => Answer::ExplainRefusal(refusal),
        (_, Verdict::CannotVerify(outage)) => Answer::ExplainOutage(outage),
    }
}

/// Why a call (a server function, an API route) is not carried out. The counterpart of [`at`] for callers that no page
/// can be shown to and that are never redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    SignedOut,
    /// The browser can get a usable token; nothing is wrong with the session.
    Stale,
    /// Clerk wants something done first.
    TaskPending,
    /// Not with this token, however long the browser waits.
    Refused(Refusal),
    /// Cannot be decided now.
    Unavailable(Outage),
}

/// How a call answers `verdict`: `Ok` if a verified user is calling. Which organization they may reach is then the
/// verdict's and the transaction's matter.
pub fn for_call(verdict: Verdict) -> Result<(), Denial> {
    match verdict {
        Verdict::Inside(_) | Verdict::NeedsOnboarding | Verdict::Wait(WaitCause::StaleClaim(_)) => Ok(()),
        Verdict::SignedOut => Err(Denial::SignedOut),
        // A handshake is for documents only; a call is never eligible for one.
        Verdict::Wait(_) | Verdict::Handshake(_) => Err(Denial::Stale),
        Verdict::FinishTask => Err(Denial::TaskPending),
        Verdict::Refused(refusal) => Err(Denial::Refused(refusal)),
        Verdict::CannotVerify(outage) => Err(Denial::Unavailable(outage)),
    }
}

#[cfg(test)]
mod tests;
