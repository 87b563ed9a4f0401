//! Authenticates each request once, on its way in: pages and calls find the result in the request's extensions. Says in
//! Clerk's headers why a request has no session, on its way out.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::server::access::{AuthContext, AuthState, Authentication, Sessions};

/// In the extensions of a response that sends the browser to Clerk.
#[derive(Clone, Copy, Debug)]
pub struct SentToClerk;

/// For routes of pages.
pub async fn authenticate_page(State(sessions): State<Sessions>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let context = AuthContext::of(&parts);
    pass(sessions, context, Request::from_parts(parts, body), next).await
}

/// For routes of calls: they are answered, never redirected.
pub async fn authenticate_call(State(sessions): State<Sessions>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let context = AuthContext::of(&parts).as_call();
    pass(sessions, context, Request::from_parts(parts, body), next).await
}

async fn pass(sessions: Sessions, context: AuthContext, mut request: Request, next: Next) -> Response {
    let authentication: Authentication = sessions.authenticate(&context).await;
    let state = sessions.state_of(&authentication);
    request.extensions_mut().insert(context);
    request.extensions_mut().insert(authentication);
    let mut response = next.run(request).await;
    if let Some(state) = state {
        explain(&mut response, &state);
    }
    response
}

fn explain(response: &mut Response, state: &AuthState) {
    let status = if response.extensions().get::<SentToClerk>().is_some() { "handshake" } else { "signed-out" };
    let values = [
        (HeaderName::from_static("x-clerk-auth-status"), status),
        (HeaderName::from_static("x-clerk-auth-reason"), &state.reason),
        (HeaderName::from_static("x-clerk-auth-message"), &state.message),
    ];
    for (name, value) in values {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
}
