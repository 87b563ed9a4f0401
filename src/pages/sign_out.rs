//! `POST /sign-out`: ends the session at Clerk and here, for pages whose script is not there.

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect};

use super::Entry;
use crate::server::clerk::backend_api::BackendApi;
use crate::server::http::handshake::{own_cookie, set_cookie};
use crate::server::session::cookies;

/// Revokes the session, removes the token cookies, and goes home. Clerk's own cookies on its `__client` are Clerk's to
/// change: it sees the revoked session at its next call.
pub async fn post(entry: Entry, State(clerk): State<BackendApi>) -> impl IntoResponse {
    if let Some(claims) = &entry.authentication.claims
        && let Err(error) = clerk.revoke_session(claims.session_id()).await
    {
        tracing::warn!(clerk.error = %error, "the session could not be revoked at Clerk; its token expires by itself within a minute");
    }
    let instance = entry.sessions.instance();
    let sessions = cookies::names(cookies::SESSION, &instance.cookie_suffix);
    // The next user of this browser has asked for nothing yet.
    let removed = sessions.into_iter().chain([super::dashboard::ANYWAY.to_owned()]).map(|name| {
        let cookie = own_cookie(name, String::new(), instance.origin.is_https());
        set_cookie(cookie.max_age(cookie::time::Duration::ZERO).build())
    });
    let removed: Vec<_> = removed.collect();
    (AppendHeaders(removed), Redirect::to(&format!("/?{}=1", super::landing::SIGNED_OUT)))
}
