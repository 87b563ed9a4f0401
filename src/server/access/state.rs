//! Why a request has no session, as Clerk's own server library says it in headers (`backend: constants.ts`).

use super::{Authentication, Sessions};
use crate::model::gate::SessionEvidence;

/// What the `x-clerk-auth-*` headers say. Clerk sends none for a signed-in request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthState {
    /// Clerk's name for the cause.
    pub reason: String,
    /// What is the matter and what to do; may be empty.
    pub message: String,
}

impl Sessions {
    /// What the headers say about a request without a session; `None` for one with a session.
    pub fn state_of(&self, authentication: &Authentication) -> Option<AuthState> {
        let message = authentication.error.as_ref().map(|error| error.explanation(&self.instance().issuer));
        let state = AuthState { reason: authentication.reason.clone(), message: message.unwrap_or_default() };
        authentication.claims.is_none().then_some(state)
    }
}

/// Clerk's names for what cookies say (`backend: authStatus.ts AuthErrorReason`). `heard`: Clerk said so just now.
pub(super) fn reason_of(evidence: SessionEvidence, heard: bool) -> &'static str {
    match evidence {
        SessionEvidence::Missing if heard => "session-token-missing",
        SessionEvidence::NotReady => "client-uat-but-no-session-token",
        SessionEvidence::WithoutClientUat => "session-token-but-no-client-uat",
        SessionEvidence::OlderThanClientUat => "session-token-iat-before-client-uat",
        SessionEvidence::DevelopmentBrowserMissing => "dev-browser-missing",
        SessionEvidence::DevelopmentBrowserInAddress => "dev-browser-sync",
        _ => "session-token-and-uat-missing",
    }
}
