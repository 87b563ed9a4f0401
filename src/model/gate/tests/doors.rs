//! Every door says the same: pages, server functions and API routes, for every piece of evidence.

use super::*;
use crate::model::failure::{Failure, FailureCode};
use crate::model::onboarding::{Delivery, SessionStatus};

/// The verdict on the same visitor who calls instead of navigating.
fn called(evidence: &Evidence) -> Verdict {
    decide(&Evidence { handshake: HandshakeEvidence::NotEligible, ..*evidence })
}

#[test]
fn pages_and_calls_agree() {
    for evidence in every_evidence() {
        let page = at(Place::Inside, decide(&evidence));
        let agree = match for_call(called(&evidence)) {
            Ok(()) => matches!(page, Answer::Show | Answer::ToOnboarding | Answer::ToTokenPending),
            Err(Denial::SignedOut) => matches!(page, Answer::ToSignIn | Answer::ToHandshake(_)),
            Err(Denial::Stale) => matches!(page, Answer::ToTokenPending | Answer::ToHandshake(_)),
            Err(Denial::TaskPending) => page == Answer::ToSignIn,
            Err(Denial::Refused(refusal)) => page == Answer::ExplainRefusal(refusal),
            Err(Denial::Unavailable(outage)) => page == Answer::ExplainOutage(outage),
        };
        assert!(agree, "{evidence:?}: the page answers {page:?}, the call {:?}", for_call(called(&evidence)));
    }
}

#[test]
fn only_verified_users_call() {
    for evidence in every_evidence() {
        let verified = matches!(evidence.session, SessionEvidence::Verified(_));
        let known = evidence.membership != MembershipEvidence::Unreachable;
        assert_eq!(for_call(called(&evidence)).is_ok(), verified && known, "{evidence:?}");
    }
}

#[test]
fn the_status_is_what_the_dashboard_would_do() {
    for evidence in every_evidence() {
        let verdict = called(&evidence);
        if for_call(verdict).is_ok() {
            let status = SessionStatus::of(verdict, Delivery::Delivered);
            let page = at(Place::Inside, verdict);
            assert_eq!((status.inside, status.waiting), (page == Answer::Show, page == Answer::ToTokenPending));
        }
    }
}

#[test]
fn a_denial_has_one_code_and_status() {
    for (denial, code, status) in [
        (Denial::SignedOut, FailureCode::SignedOut, 401),
        (Denial::Stale, FailureCode::SessionStale, 401),
        (Denial::TaskPending, FailureCode::SessionPending, 403),
        (Denial::Refused(Refusal::Signature), FailureCode::SessionRefused, 401),
        (Denial::Unavailable(Outage::Keys), FailureCode::Unavailable, 503),
        (Denial::Unavailable(Outage::Database), FailureCode::Unavailable, 503),
    ] {
        let failure = Failure::denied(denial, "the cause");
        assert_eq!((failure.code, failure.status()), (code, status), "{denial:?}");
    }
}
