//! Signing in: an attempt begins with an identifier (and perhaps a password) or with a ticket.
//! One session per browser: a signed-in user must sign out first.

use http::StatusCode;

use super::sign_in_factors;
use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::{SignIn, Ticket};
use crate::{passwords, sign_objects, users};

/// Milliseconds after which an attempt is abandoned.
pub(super) const ABANDON_MS: i64 = 24 * 60 * 60 * 1000;

/// `POST /client/sign_ins`
pub(super) fn create(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    require_signed_out(visit)?;
    let call = visit.call;
    if let Some(token) = call.filled("ticket") {
        return with_ticket(visit, token);
    }
    let user_id = match call.filled("identifier") {
        None => None,
        Some(identifier) => Some(known(visit, identifier)?),
    };
    if let (Some(user_id), Some(password)) = (&user_id, call.filled("password")) {
        check_password(visit, user_id, password)?;
    }
    let mut sign_in = new_sign_in(visit, user_id.clone());
    if let Some(user_id) = user_id {
        if call.filled("password").is_some() {
            finish(visit, &mut sign_in, &user_id)?;
        } else if call.filled("strategy") == Some("email_code") {
            sign_in_factors::send_code(visit, &mut sign_in, "email_code")?;
        }
    }
    visit.store.put(sign_in.clone());
    Ok(shown(visit, &sign_in))
}

/// `GET /client/sign_ins/{id}`
pub(super) fn read(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let sign_in = own(visit, id)?;
    Ok(shown(visit, &sign_in))
}

/// This browser's attempt with this id.
pub(super) fn own(visit: &Visit<'_>, id: &str) -> Result<SignIn, ApiError> {
    let sign_in = visit.store.sign_ins.get(id).filter(|sign_in| Some(&sign_in.client_id) == visit.client_id.as_ref());
    sign_in.cloned().ok_or_else(|| ApiError::not_found("sign in"))
}

/// The answer that shows an attempt.
pub(super) fn shown(visit: &Visit<'_>, sign_in: &SignIn) -> Reply {
    Reply::WithClient(sign_objects::sign_in(visit.store, sign_in))
}

/// Completes an attempt: the user is signed in on this browser.
pub(super) fn finish(visit: &mut Visit<'_>, sign_in: &mut SignIn, user_id: &str) -> Result<(), ApiError> {
    let visitor = visit.visitor();
    let session = users::begin_session(visit.app, visit.store, user_id, &sign_in.client_id, visitor)?;
    sign_in.status = "complete".to_owned();
    sign_in.created_session_id = Some(session.id);
    Ok(())
}

/// Rejects an attempt while a user is signed in.
pub(super) fn require_signed_out(visit: &Visit<'_>) -> Result<(), ApiError> {
    let signed_in = visit
        .client()
        .is_some_and(|client| visit.store.live_sessions(client, visit.app.clock.now_ms()).next().is_some());
    if !signed_in {
        return Ok(());
    }
    let text = "You're already signed in. Sign out before you use another account.";
    Err(ApiError::new(StatusCode::BAD_REQUEST, "session_exists", "Session already exists", text))
}

/// Checks a user's password.
pub(super) fn check_password(visit: &Visit<'_>, user_id: &str, password: &str) -> Result<(), ApiError> {
    let stored = visit.store.users.get(user_id).and_then(|user| user.password_hash.as_deref());
    let Some(stored) = stored else {
        let text = "This account has no password. Use another method to sign in.";
        let message = "Invalid verification strategy";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "strategy_for_user_invalid", message, text));
    };
    if passwords::matches(stored, password) {
        return Ok(());
    }
    let text = "Password is incorrect. Try again, or use another method.";
    Err(ApiError::form("form_password_incorrect", "password", "is incorrect", text))
}

fn known(visit: &Visit<'_>, identifier: &str) -> Result<String, ApiError> {
    let user = visit.store.user_by_email(identifier);
    user.map(|user| user.id.clone()).ok_or_else(|| {
        let text = "Couldn't find your account.";
        ApiError::form("form_identifier_not_found", "identifier", text, text)
    })
}

fn new_sign_in(visit: &mut Visit<'_>, user_id: Option<String>) -> SignIn {
    let mut client = visit.client_or_new();
    let status = if user_id.is_some() { "needs_first_factor" } else { "needs_identifier" };
    let sign_in = SignIn {
        id: visit.app.random.id("sia"),
        client_id: client.id.clone(),
        identifier: visit.call.filled("identifier").map(|text| text.trim().to_owned()),
        user_id,
        status: status.to_owned(),
        first_factor: None,
        created_session_id: None,
        abandon_at: visit.app.clock.now_ms() + ABANDON_MS,
    };
    if let Some(old) = client.sign_in_id.replace(sign_in.id.clone()) {
        visit.store.remove::<SignIn>(&old);
    }
    visit.store.put(client);
    sign_in
}

fn with_ticket(visit: &mut Visit<'_>, token: &str) -> Result<Reply, ApiError> {
    let rejected = |code, text| Err(ApiError::new(StatusCode::BAD_REQUEST, code, "Ticket is invalid", text));
    let now = visit.app.clock.now_ms();
    let Some(mut ticket) = visit.store.tickets.values().find(|ticket: &&Ticket| ticket.token == token).cloned() else {
        return rejected("ticket_invalid_code", "This sign-in link is not valid.");
    };
    match ticket.status.as_str() {
        "accepted" => return rejected("sign_in_token_already_used_code", "This sign-in link has already been used."),
        "revoked" => return rejected("sign_in_token_revoked_code", "This sign-in link has been revoked."),
        _ if now >= ticket.expires_at => return rejected("ticket_expired_code", "This sign-in link has expired."),
        _ => {}
    }
    let mut sign_in = new_sign_in(visit, Some(ticket.user_id.clone()));
    finish(visit, &mut sign_in, &ticket.user_id)?;
    ticket.status = "accepted".to_owned();
    ticket.updated_at = now;
    visit.store.put(ticket);
    visit.store.put(sign_in.clone());
    Ok(shown(visit, &sign_in))
}
