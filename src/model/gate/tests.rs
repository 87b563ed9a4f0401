//! The gate over every piece of evidence there is.

mod doors;
mod loops;

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
const PLACES: [Place; 5] = [Place::Inside, Place::InsideAnyway, Place::Onboarding, Place::SignIn, Place::TokenPending];

fn sessions() -> Vec<SessionEvidence> {
    let mut all = vec![
        SessionEvidence::Missing,
        SessionEvidence::NotReady,
        SessionEvidence::WithoutClientUat,
        SessionEvidence::OlderThanClientUat,
        SessionEvidence::DevelopmentBrowserMissing,
        SessionEvidence::DevelopmentBrowserInAddress,
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

const HANDSHAKES: [HandshakeEvidence; 3] =
    [HandshakeEvidence::NotEligible, HandshakeEvidence::Possible, HandshakeEvidence::Exhausted];

fn every_evidence() -> Vec<Evidence> {
    let mut all = Vec::new();
    for session in sessions() {
        for handshake in HANDSHAKES {
            all.extend(MEMBERSHIPS.map(|membership| Evidence { session, handshake, membership }));
        }
    }
    all
}

/// One number for each kind of evidence, without a wildcard: a kind that is added does not compile here, and one that is
/// left out of `sessions` fails below.
fn number(session: SessionEvidence) -> usize {
    match session {
        SessionEvidence::Missing => 0,
        SessionEvidence::NotReady => 1,
        SessionEvidence::WithoutClientUat => 2,
        SessionEvidence::OlderThanClientUat => 3,
        SessionEvidence::DevelopmentBrowserMissing => 4,
        SessionEvidence::DevelopmentBrowserInAddress => 5,
        SessionEvidence::Expired => 6,
        SessionEvidence::NotYetValid => 7,
        SessionEvidence::AuthorizedPartyMissing => 8,
        SessionEvidence::KeysUnreachable => 9,
        SessionEvidence::Pending => 10,
        SessionEvidence::Refused(refusal) => match refusal {
            Refusal::Malformed => 11,
            Refusal::Algorithm => 12,
            Refusal::UnknownKey => 13,
            Refusal::Signature => 14,
            Refusal::Issuer => 15,
            Refusal::AuthorizedParty => 16,
            Refusal::TokenType => 17,
        },
        SessionEvidence::Verified(claim) => match claim {
            ClaimEvidence::NoTemplate => 18,
            ClaimEvidence::Absent => 19,
            ClaimEvidence::Names => 20,
        },
    }
}

#[test]
fn every_kind_of_evidence_is_among_the_tested() {
    let mut numbers: Vec<_> = sessions().into_iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=20).collect::<Vec<_>>());
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
            let leads_there = answer == Answer::ToOnboarding || (place == Place::Onboarding && answer == Answer::Show);
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
            let waits = answer == Answer::ToTokenPending || (place == Place::TokenPending && answer == Answer::Show);
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
    let with = |claim, membership| {
        let session = SessionEvidence::Verified(claim);
        decide(&Evidence { session, handshake: HandshakeEvidence::Possible, membership })
    };
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
            let member = matches!(evidence.membership, MembershipEvidence::Claimed(_) | MembershipEvidence::Other(_));
            assert!(member, "{evidence:?}");
        }
    }
}

/// Clerk is asked when it can help, and only then.
#[test]
fn handshakes_are_for_documents_whose_cookies_clerk_can_renew() {
    for evidence in every_evidence() {
        let verdict = decide(&evidence);
        if let Verdict::Handshake(_) = verdict {
            assert_eq!(evidence.handshake, HandshakeEvidence::Possible, "{evidence:?}");
        }
        let is_renewable = matches!(
            evidence.session,
            SessionEvidence::NotReady
                | SessionEvidence::WithoutClientUat
                | SessionEvidence::OlderThanClientUat
                | SessionEvidence::DevelopmentBrowserMissing
                | SessionEvidence::DevelopmentBrowserInAddress
                | SessionEvidence::Expired
                | SessionEvidence::NotYetValid
        );
        if evidence.handshake == HandshakeEvidence::Possible {
            assert_eq!(matches!(verdict, Verdict::Handshake(_)), is_renewable, "{evidence:?}");
        }
        // Everywhere, so that no user sees a page for the time in between.
        for place in PLACES {
            let goes = matches!(at(place, verdict), Answer::ToHandshake(_));
            assert_eq!(goes, matches!(verdict, Verdict::Handshake(_)), "{place:?} {evidence:?}");
        }
    }
}
