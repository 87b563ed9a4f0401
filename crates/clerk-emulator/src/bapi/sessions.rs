//! Sessions as servers see them: reading, making (for tests), revoking, tokens, and the refresh that renews an
//! expired token without sending the browser away.

use http::StatusCode;
use serde_json::{Value, json};

use super::user_list::page_number;
use super::{Context, listed};
use crate::cookies::Jar;
use crate::errors::ApiError;
use crate::records::{Session, SessionStatus, User};
use crate::users::{self, Visitor};
use crate::{objects, tokens};

/// `GET /sessions?client_id=…|user_id=…&status=…`
pub(super) fn list(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let (call, now) = (context.call, context.app.clock.now_ms());
    let (limit, offset) = (page_number(call, "limit", 10)?, page_number(call, "offset", 0)?);
    let fits = |session: &&Session| {
        call.query("client_id").is_none_or(|id| session.client_id == id)
            && call.query("status").is_none_or(|status| session.status_at(now).name() == status)
    };
    let mut sessions = match call.query("user_id") {
        Some(user_id) => context.store.sessions_of(user_id).filter(fits).collect::<Vec<_>>(),
        None => context.store.sessions.values().filter(fits).collect(),
    };
    sessions.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let page = sessions.into_iter().skip(offset).take(limit);
    Ok(listed(call, page.map(|session| objects::backend_session(session, now)).collect()))
}

/// `POST /sessions`: a session without a browser.
pub(super) fn create(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let user_id = context.call.required("user_id")?;
    if !context.store.users.contains_key(user_id) {
        return Err(ApiError::not_found("user"));
    }
    let client = users::new_client(context.app, context.store);
    let session = users::begin_session(context.app, context.store, user_id, &client.id, Visitor::default())?;
    Ok(objects::backend_session(&session, context.app.clock.now_ms()))
}

/// `GET /sessions/{id}`
pub(super) fn read(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let session = context.store.sessions.get(id).ok_or_else(|| ApiError::not_found("session"))?;
    Ok(objects::backend_session(session, context.app.clock.now_ms()))
}

/// `POST /sessions/{id}/revoke`
pub(super) fn revoke(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let session = users::end_session(context.app, context.store, id, SessionStatus::Revoked);
    let session = session.ok_or_else(|| ApiError::not_found("session"))?;
    Ok(objects::backend_session(&session, context.app.clock.now_ms()))
}

/// `POST /sessions/{id}/tokens`
pub(super) fn token(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let (session, user) = live(context, id)?;
    let lifetime = match context.call.number("expires_in_seconds") {
        None => None,
        Some(seconds @ 30..=315_360_000) => Some(seconds),
        Some(_) => return Err(ApiError::invalid("expires_in_seconds", "expires_in_seconds must be 30 or more.")),
    };
    let jwt = tokens::server_token(context.app, &user, &session, session.origin.as_deref(), lifetime);
    Ok(json!({"object": "token", "jwt": jwt}))
}

/// `POST /sessions/{id}/tokens/{template}`
pub(super) fn template_token(context: &mut Context<'_>, id: &str, name: &str) -> Result<Value, ApiError> {
    let (session, user) = live(context, id)?;
    let template = context.store.templates.values().find(|template| template.name == name);
    let template = template.ok_or_else(|| ApiError::not_found("JWT template"))?;
    let jwt = tokens::template_token(context.app, template, &user, &session, session.origin.as_deref());
    Ok(json!({"object": "token", "jwt": jwt}))
}

/// `POST /sessions/{id}/refresh`: a fresh token against the expired one and the secret of the refresh cookie.
pub(super) fn refresh(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let (session, user) = live(context, id).map_err(|_| rejected("session_not_found", "The session is over."))?;
    let given = context.call.filled("refresh_token").unwrap_or_default();
    if given != users::refresh_token(&session) {
        return Err(rejected("refresh_token_invalid", "The refresh token does not belong to this session."));
    }
    let expired = context.call.filled("expired_token").and_then(|token| context.app.keys.read_signed(token));
    if expired.is_none_or(|claims| claims["sid"] != session.id.as_str()) {
        return Err(rejected("expired_token_invalid", "The expired token does not belong to this session."));
    }
    let origin = context.call.filled("request_origin").map(str::to_owned).or_else(|| session.origin.clone());
    let jwt = tokens::session_token(context.app, &user, &session, origin.as_deref());
    if context.call.text("format") != Some("cookie") {
        return Ok(json!({"object": "token", "jwt": jwt}));
    }
    let secure = origin.is_some_and(|origin| origin.starts_with("https://"));
    let jar = Jar { suffix: &context.app.cookie_suffix, secure };
    let mut cookies = vec![jar.refresh(&users::refresh_token(&session))];
    cookies.extend(jar.session(&jwt));
    Ok(json!({"object": "cookies", "cookies": cookies}))
}

fn live(context: &Context<'_>, id: &str) -> Result<(Session, User), ApiError> {
    let session = context.store.sessions.get(id).filter(|session| session.is_live(context.app.clock.now_ms()));
    let session = session.cloned().ok_or_else(|| ApiError::not_found("session"))?;
    let user = context.store.users.get(&session.user_id).cloned().ok_or_else(|| ApiError::not_found("session"))?;
    Ok((session, user))
}

fn rejected(code: &'static str, text: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, code, text, text)
}
