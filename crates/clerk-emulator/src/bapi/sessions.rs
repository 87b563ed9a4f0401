//! Sessions as servers see them: reading, making (for tests), revoking, tokens, and the refresh that renews an
//! expired token without sending the browser away.

use http::StatusCode;
use serde_json::{Value, json};

use super::super::cookies::Jar;
use super::super::errors::ApiError;
use super::super::people::{self, Visitor};
use super::super::records::{Session, SessionStatus, User};
use super::super::{objects, tokens};
use super::user_list::page_number;
use super::{Desk, listed};

/// `GET /sessions?client_id=…|user_id=…&status=…`
pub(super) fn list(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let (call, now) = (desk.call, desk.app.clock.now_ms());
    let (limit, offset) = (page_number(call, "limit", 10)?, page_number(call, "offset", 0)?);
    let fits = |session: &&Session| {
        call.query("client_id").is_none_or(|id| session.client_id == id)
            && call.query("status").is_none_or(|status| session.status_at(now).word() == status)
    };
    let mut sessions = match call.query("user_id") {
        Some(user_id) => desk.store.sessions_of(user_id).filter(fits).collect::<Vec<_>>(),
        None => desk.store.sessions.values().filter(fits).collect(),
    };
    sessions.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let page = sessions.into_iter().skip(offset).take(limit);
    Ok(listed(call, page.map(|session| objects::backend_session(session, now)).collect()))
}

/// `POST /sessions`: a session without a browser.
pub(super) fn create(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let user_id = desk.call.required("user_id")?;
    if !desk.store.users.contains_key(user_id) {
        return Err(ApiError::not_found("user"));
    }
    let client = people::new_client(desk.app, desk.store);
    let session = people::begin_session(desk.app, desk.store, user_id, &client.id, Visitor::default())?;
    Ok(objects::backend_session(&session, desk.app.clock.now_ms()))
}

/// `GET /sessions/{id}`
pub(super) fn read(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let session = desk.store.sessions.get(id).ok_or_else(|| ApiError::not_found("session"))?;
    Ok(objects::backend_session(session, desk.app.clock.now_ms()))
}

/// `POST /sessions/{id}/revoke`
pub(super) fn revoke(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let session = people::end_session(desk.app, desk.store, id, SessionStatus::Revoked);
    let session = session.ok_or_else(|| ApiError::not_found("session"))?;
    Ok(objects::backend_session(&session, desk.app.clock.now_ms()))
}

/// `POST /sessions/{id}/tokens`
pub(super) fn token(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let (session, user) = live(desk, id)?;
    let lifetime = match desk.call.number("expires_in_seconds") {
        None => None,
        Some(seconds @ 30..=315_360_000) => Some(seconds),
        Some(_) => return Err(ApiError::invalid("expires_in_seconds", "expires_in_seconds must be 30 or more.")),
    };
    let jwt = tokens::server_token(desk.app, &user, &session, session.origin.as_deref(), lifetime);
    Ok(json!({"object": "token", "jwt": jwt}))
}

/// `POST /sessions/{id}/tokens/{template}`
pub(super) fn template_token(desk: &mut Desk<'_>, id: &str, name: &str) -> Result<Value, ApiError> {
    let (session, user) = live(desk, id)?;
    let template = desk.store.templates.values().find(|template| template.name == name);
    let template = template.ok_or_else(|| ApiError::not_found("JWT template"))?;
    let jwt = tokens::template_token(desk.app, template, &user, &session, session.origin.as_deref());
    Ok(json!({"object": "token", "jwt": jwt}))
}

/// `POST /sessions/{id}/refresh`: a fresh token against the expired one and the secret of the refresh cookie.
pub(super) fn refresh(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let (session, user) = live(desk, id).map_err(|_| refused("session_not_found", "The session is over."))?;
    let given = desk.call.filled("refresh_token").unwrap_or_default();
    if given != people::refresh_token(&session) {
        return Err(refused("refresh_token_invalid", "The refresh token does not belong to this session."));
    }
    let expired = desk.call.filled("expired_token").and_then(|token| desk.app.keys.read_signed(token));
    if expired.is_none_or(|claims| claims["sid"] != session.id.as_str()) {
        return Err(refused("expired_token_invalid", "The expired token does not belong to this session."));
    }
    let origin = desk.call.filled("request_origin").map(str::to_owned).or_else(|| session.origin.clone());
    let jwt = tokens::session_token(desk.app, &user, &session, origin.as_deref());
    if desk.call.text("format") != Some("cookie") {
        return Ok(json!({"object": "token", "jwt": jwt}));
    }
    let secure = origin.is_some_and(|origin| origin.starts_with("https://"));
    let jar = Jar { suffix: &desk.app.cookie_suffix, secure };
    let mut cookies = vec![jar.refresh(&people::refresh_token(&session))];
    cookies.extend(jar.session(&jwt));
    Ok(json!({"object": "cookies", "cookies": cookies}))
}

fn live(desk: &Desk<'_>, id: &str) -> Result<(Session, User), ApiError> {
    let session = desk.store.sessions.get(id).filter(|session| session.is_live(desk.app.clock.now_ms()));
    let session = session.cloned().ok_or_else(|| ApiError::not_found("session"))?;
    let user = desk.store.users.get(&session.user_id).cloned().ok_or_else(|| ApiError::not_found("session"))?;
    Ok((session, user))
}

fn refused(code: &'static str, text: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, text, text)
}
