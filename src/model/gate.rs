//! The gate: one pure function from what is known about a request to where it may go.
//!
//! Pages, server functions and API routes gather [`Evidence`], call [`decide`], and carry the [`Verdict`] out; pages
//! ask [`at`] how. What must stay true:
//! - A person who has an organization in our database is never sent to onboarding.
//! - Only a verified token leads inside, and only to an organization the database lets this person into.
//! - A cause that waiting cannot cure never leads to a page that waits.
//! - "We cannot check now" is never "signed out".

use super::ids::OrganizationId;

/// Everything the decision may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    pub session: SessionEvidence,
    /// Looked at only for a verified session.
    pub membership: MembershipEvidence,
}

/// What is known about the session token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionEvidence {
    /// No token, and nothing says that somebody is signed in.
    Missing,
    /// No token, but Clerk's `__client_uat` cookie says somebody is signed in.
    NotReady,
    /// Past `exp` by more than the allowed skew.
    Expired,
    /// `nbf` or `iat` lie in the future by more than the allowed skew.
    NotYetValid,
    /// Right in all else, but `azp` is missing. The browser repairs it by having a new token made.
    AuthorizedPartyMissing,
    /// Refused for a cause that waiting cannot cure.
    Refused(Refusal),
    /// The keys cannot be had now.
    KeysUnreachable,
    /// Valid, but Clerk wants something done first (`sts: pending`).
    Pending,
    /// Every rule is kept.
    Verified(ClaimEvidence),
}

/// Why a token was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Not a token we can read, or without a required claim.
    Malformed,
    /// Another algorithm than RS256, or a header type that is not `JWT`.
    Algorithm,
    /// The key id is not one of the instance's.
    UnknownKey,
    /// The signature does not fit.
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

/// What the database says about the person's organizations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MembershipEvidence {
    /// The person belongs to none.
    None,
    /// The person is a member of the organization the token names.
    Claimed(OrganizationId),
    /// The person is not a member of what the token names, or it names none, but belongs to this one.
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
    /// The browser can get a usable token; until then, wait.
    Wait(WaitCause),
    /// Clerk wants something done first.
    FinishTask,
    /// Not with this token, however long one waits.
    Refused(Refusal),
    /// Cannot be judged now.
    CannotVerify(Outage),
}

/// Why the browser should get another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitCause {
    NotReady,
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
    let claim = match evidence.session {
        SessionEvidence::Missing => return Verdict::SignedOut,
        SessionEvidence::NotReady => return Verdict::Wait(WaitCause::NotReady),
        SessionEvidence::Expired => return Verdict::Wait(WaitCause::Expired),
        SessionEvidence::NotYetValid => return Verdict::Wait(WaitCause::NotYetValid),
        SessionEvidence::AuthorizedPartyMissing => return Verdict::Wait(WaitCause::AuthorizedPartyMissing),
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
    /// The same, for a person who was told that their token is behind, and asked not to wait for it. The database's word
    /// is enough: it is asked for every request, and the token has proved who is calling.
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
    /// Go where the person wanted to go (`next`, else the dashboard).
    GoOn,
    /// Go to the onboarding form.
    ToOnboarding,
    /// Go to the sign-in page, and come back here.
    ToSignIn,
    /// Go to the token-pending screen, and come back here.
    ToTokenPending,
    /// Say why this token is refused (401).
    ExplainRefusal(Refusal),
    /// Say what is out of reach (503), and try again by itself.
    ExplainOutage(Outage),
}

/// How the page at `place` answers `verdict`.
pub fn at(place: Place, verdict: Verdict) -> Answer {
    match (place, verdict) {
        // The sign-in page is the way out of almost everything, so it always shows, unless one is signed in already.
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

#[cfg(test)]
mod tests {
    use super::*;

    const ORGANIZATION: OrganizationId = OrganizationId(uuid::Uuid::from_u128(1));
    const REFUSALS: [Refusal; 7] = [
        Refusal::Malformed,
        Refusal::Algorithm,
        Refusal::UnknownKey,
        Refusal::Signature,
        Refusal::Issuer,
        Refusal::AuthorizedParty,
        Refusal::TokenType,
    ];
    const CLAIMS: [ClaimEvidence; 3] = [ClaimEvidence::NoTemplate, ClaimEvidence::Absent, ClaimEvidence::Names];
    const MEMBERSHIPS: [MembershipEvidence; 4] = [
        MembershipEvidence::None,
        MembershipEvidence::Claimed(ORGANIZATION),
        MembershipEvidence::Other(ORGANIZATION),
        MembershipEvidence::Unreachable,
    ];
    const PLACES: [Place; 5] =
        [Place::Inside, Place::InsideAnyway, Place::Onboarding, Place::SignIn, Place::TokenPending];

    fn sessions() -> Vec<SessionEvidence> {
        let mut all = vec![
            SessionEvidence::Missing,
            SessionEvidence::NotReady,
            SessionEvidence::Expired,
            SessionEvidence::NotYetValid,
            SessionEvidence::AuthorizedPartyMissing,
            SessionEvidence::KeysUnreachable,
            SessionEvidence::Pending,
        ];
        all.extend(REFUSALS.map(SessionEvidence::Refused));
        all.extend(CLAIMS.map(SessionEvidence::Verified));
        all
    }

    fn every_evidence() -> Vec<Evidence> {
        let pairs =
            sessions().into_iter().flat_map(|session| MEMBERSHIPS.map(|membership| Evidence { session, membership }));
        pairs.collect()
    }

    #[test]
    fn only_a_verified_member_is_inside() {
        for evidence in every_evidence() {
            if let Verdict::Inside(organization) = decide(&evidence) {
                assert!(matches!(evidence.session, SessionEvidence::Verified(_)), "{evidence:?}");
                assert!(
                    matches!(evidence.membership, MembershipEvidence::Claimed(id) | MembershipEvidence::Other(id) if id == organization),
                    "{evidence:?}"
                );
            }
        }
    }

    #[test]
    fn a_person_with_an_organization_never_sees_onboarding() {
        for evidence in every_evidence() {
            let has_one = matches!(evidence.membership, MembershipEvidence::Claimed(_) | MembershipEvidence::Other(_));
            for place in PLACES {
                let answer = at(place, decide(&evidence));
                let leads_there =
                    answer == Answer::ToOnboarding || (place == Place::Onboarding && answer == Answer::Show);
                assert!(!(has_one && leads_there), "{place:?} {evidence:?}");
            }
        }
    }

    #[test]
    fn what_waiting_cannot_cure_is_never_waited_on() {
        for evidence in every_evidence() {
            let incurable = matches!(evidence.session, SessionEvidence::Refused(_));
            for place in PLACES {
                let answer = at(place, decide(&evidence));
                let waits =
                    answer == Answer::ToTokenPending || (place == Place::TokenPending && answer == Answer::Show);
                assert!(!(incurable && waits), "{place:?} {evidence:?}");
            }
        }
    }

    #[test]
    fn an_outage_signs_nobody_out() {
        for evidence in every_evidence() {
            let outage = evidence.session == SessionEvidence::KeysUnreachable
                || (matches!(evidence.session, SessionEvidence::Verified(_))
                    && evidence.membership == MembershipEvidence::Unreachable);
            if outage {
                assert!(matches!(decide(&evidence), Verdict::CannotVerify(_)), "{evidence:?}");
                assert!(matches!(at(Place::Inside, decide(&evidence)), Answer::ExplainOutage(_)));
            }
        }
    }

    #[test]
    fn a_stale_claim_waits_and_a_missing_template_does_not() {
        let with = |claim, membership| decide(&Evidence { session: SessionEvidence::Verified(claim), membership });
        let other = MembershipEvidence::Other(ORGANIZATION);
        assert_eq!(with(ClaimEvidence::Absent, other), Verdict::Wait(WaitCause::StaleClaim(ORGANIZATION)));
        assert_eq!(with(ClaimEvidence::Names, other), Verdict::Wait(WaitCause::StaleClaim(ORGANIZATION)));
        assert_eq!(with(ClaimEvidence::NoTemplate, other), Verdict::Inside(ORGANIZATION));
        assert_eq!(with(ClaimEvidence::NoTemplate, MembershipEvidence::None), Verdict::NeedsOnboarding);
    }

    /// Not waiting for the token opens the door to verified members only.
    #[test]
    fn insisting_lets_in_nobody_but_verified_members() {
        for evidence in every_evidence() {
            if at(Place::InsideAnyway, decide(&evidence)) == Answer::Show {
                assert!(matches!(evidence.session, SessionEvidence::Verified(_)), "{evidence:?}");
                let member =
                    matches!(evidence.membership, MembershipEvidence::Claimed(_) | MembershipEvidence::Other(_));
                assert!(member, "{evidence:?}");
            }
        }
    }

    /// Follows redirects while the evidence stays the same: the server alone never leads in a circle.
    #[test]
    fn redirects_alone_end_within_two_steps() {
        for evidence in every_evidence() {
            let verdict = decide(&evidence);
            for start in PLACES {
                let mut place = start;
                let mut steps = 0;
                loop {
                    place = match at(place, verdict) {
                        Answer::Show | Answer::ExplainRefusal(_) | Answer::ExplainOutage(_) => break,
                        Answer::GoOn => Place::Inside,
                        Answer::ToOnboarding => Place::Onboarding,
                        Answer::ToSignIn => Place::SignIn,
                        Answer::ToTokenPending => Place::TokenPending,
                    };
                    steps += 1;
                    assert!(steps <= 2, "{start:?} {evidence:?} goes in a circle");
                }
            }
        }
    }
}
