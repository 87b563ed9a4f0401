//! `POST /sign-out`: ends the session at Clerk and here, for pages whose script is not there.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::Visit;
use crate::server::runtime::state::AppState;
use crate::server::session::{check, cookies};

/// Revokes the session, removes the token cookies, and goes home. Clerk's own cookies on its `__client` are Clerk's to
/// change: it sees the revoked session at its next call.
pub async fn post(app: &AppState, visit: &Visit) -> Response {
    if let Some(claims) = check(app, &visit.asked).await.claims
        && let Err(error) = app.clerk().revoke_session(claims.session_id()).await
    {
        tracing::warn!(clerk.error = %error, "the session could not be revoked at Clerk; its token ends by itself within a minute");
    }
    let mut response = Redirect::to(&format!("/?{}=1", super::landing::SIGNED_OUT)).into_response();
    let secure = if app.config().is_https() { "; Secure" } else { "" };
    let sessions = cookies::names("__session", &app.config().clerk.cookie_suffix);
    // The next user of this browser has asked for nothing yet.
    for name in sessions.into_iter().chain([super::dashboard::ANYWAY.to_owned()]) {
        if let Ok(value) = HeaderValue::from_str(&format!("{name}=; Path=/; Max-Age=0; SameSite=Lax{secure}")) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}
