//! How a page asks the gate.

use std::convert::Infallible;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use super::{Page, Visit, problems};
use crate::model::gate::{Answer, Denial, Place, Verdict, WaitCause, at};
use crate::model::next_path::NextPath;
use crate::server::access::{AuthContext, Authentication, Authorization, Caller, Sessions};
use crate::server::http::caller::authentication_of;

/// A request for a page, with what asking the gate takes.
pub struct Entry {
    pub visit: Visit,
    pub sessions: Sessions,
    pub authentication: Authentication,
    context: AuthContext,
}

impl<S> FromRequestParts<S> for Entry
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let sessions = Sessions::from_ref(state);
        let authentication = authentication_of(parts, &sessions).await;
        let context = parts.extensions.get().cloned().unwrap_or_else(|| AuthContext::of(parts));
        Ok(Self { visit: Visit::of(parts), sessions, authentication, context })
    }
}

impl Entry {
    /// The same request, decided as it is: no handshake follows.
    pub async fn exhausted(self) -> Self {
        let context = self.context.exhausted();
        let authentication = self.sessions.authenticate(&context).await;
        Self { context, authentication, ..self }
    }

    /// Asks the gate, and turns every verdict but "show" into its answer.
    ///
    /// # Errors
    /// The page to answer with instead.
    pub async fn admit(&self, place: Place) -> Result<Authorization, Page> {
        let authorization = self.sessions.authorize(&self.authentication).await;
        let visit = &self.visit;
        let after = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
        // A page that is itself a stop on the way hands on where the user wanted to go.
        let back = match place {
            Place::Inside | Place::InsideAnyway => visit.here(),
            Place::Onboarding if matches!(authorization.verdict, Verdict::Wait(WaitCause::StaleClaim(_))) => {
                after.clone()
            }
            Place::Onboarding => visit.here(),
            Place::SignIn | Place::TokenPending => after.clone(),
        };
        let with_next = |path: &str| Page::Redirect(format!("{path}?next={}", back.encoded()));
        Err(match at(place, authorization.verdict) {
            Answer::Show => return Ok(authorization),
            Answer::GoOn => Page::Redirect(after.as_str().to_owned()),
            Answer::ToOnboarding => Page::Redirect("/onboarding".to_owned()),
            Answer::ToSignIn => with_next("/sign-in"),
            Answer::ToTokenPending => with_next("/token-pending"),
            Answer::ToHandshake(_) => Page::Handshake(self.authentication.reason.clone()),
            Answer::ExplainRefusal(_) => problems::refusal(visit, &self.sessions, self.authentication.error.as_ref()),
            Answer::ExplainOutage(outage) => problems::outage(visit, outage),
        })
    }

    /// The caller of a form, by the same verdict as any other call.
    ///
    /// # Errors
    /// Why the gate keeps them out.
    pub async fn caller(&self) -> Result<Caller, Denial> {
        self.sessions.caller(&self.authentication).await
    }
}
