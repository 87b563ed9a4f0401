//! [`Caller`] as an extractor: only users whom the gate lets call reach a handler that takes one.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;

use crate::model::failure::Failure;
use crate::server::access::{AuthContext, Authentication, Caller, Sessions};

impl<S> FromRequestParts<S> for Caller
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let sessions = Sessions::from_ref(state);
        let authentication = authentication_of(parts, &sessions).await;
        sessions.caller(&authentication).await.map_err(|denial| authentication.failure(denial))
    }
}

/// What the middleware found, or, on a route without it, what there is to find.
pub async fn authentication_of(parts: &Parts, sessions: &Sessions) -> Authentication {
    match parts.extensions.get::<Authentication>() {
        Some(authentication) => authentication.clone(),
        None => sessions.authenticate(&AuthContext::of(parts).as_call()).await,
    }
}
