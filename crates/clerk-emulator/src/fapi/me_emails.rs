//! A user's e-mail addresses: adding one, proving it with a code, removing it.

use http::StatusCode;
use serde_json::json;

use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::{EmailAddress, Session};
use crate::{codes, objects, users};

/// `GET /me/email_addresses`
pub(super) fn list(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let user = visit.user_of(&visit.current_session()?)?;
    Ok(Reply::WithClient(user.emails.iter().map(objects::email_address).collect()))
}

/// `GET /me/email_addresses/{id}`
pub(super) fn read(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    Ok(shown(&own(visit, &session, id)?))
}

/// `POST /me/email_addresses`: adds an address that is not proven yet.
pub(super) fn add(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    let address = users::accepted_email(visit.store, visit.call.required("email_address")?)?;
    let user = visit.user_of(&session)?;
    if let Some(email) = user.emails.iter().find(|email| email.address == address) {
        return Ok(shown(email));
    }
    let now = visit.app.clock.now_ms();
    let id = visit.app.random.id("idn");
    let email = EmailAddress { id, address, verified: false, verification: None, created_at: now, updated_at: now };
    let added = email.clone();
    users::change_user(visit.app, visit.store, &session.user_id, |user| user.emails.push(added))?;
    Ok(shown(&email))
}

/// `POST /me/email_addresses/{id}/prepare_verification`: sends the code.
pub(super) fn prepare(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    let email = own(visit, &session, id)?;
    if visit.call.required("strategy")? != "email_code" {
        return Err(ApiError::invalid("strategy", "Only an e-mail code can be used here."));
    }
    let sent = codes::send(visit.app, &email.address, "email_code");
    let changed = change(visit, &session, id, |email| email.verification = Some(sent))?;
    Ok(shown(&changed))
}

/// `POST /me/email_addresses/{id}/attempt_verification`
pub(super) fn attempt(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    let email = own(visit, &session, id)?;
    let mut sent = email.verification.ok_or_else(codes::not_sent)?;
    let checked = codes::check(visit.app, &mut sent, visit.call.required("code")?);
    let free = users::accepted_email(visit.store, &email.address);
    let verified = checked.is_ok() && free.is_ok();
    let changed = change(visit, &session, id, |email| {
        email.verification = Some(sent);
        email.verified |= verified;
    })?;
    checked?;
    free?;
    Ok(shown(&changed))
}

/// `DELETE /me/email_addresses/{id}`: not the primary one.
pub(super) fn remove(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    own(visit, &session, id)?;
    if visit.user_of(&session)?.primary_email_id.as_deref() == Some(id) {
        let text = "Your primary address cannot be removed. Make another one primary first.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "last_identification_deletion_failed", "Not allowed", text));
    }
    users::change_user(visit.app, visit.store, &session.user_id, |user| user.emails.retain(|email| email.id != id))?;
    Ok(Reply::WithClient(json!({"object": "email_address", "id": id, "deleted": true})))
}

fn own(visit: &Visit<'_>, session: &Session, id: &str) -> Result<EmailAddress, ApiError> {
    visit.user_of(session)?.email(id).cloned().ok_or_else(|| ApiError::not_found("email address"))
}

fn change(
    visit: &mut Visit<'_>,
    session: &Session,
    id: &str,
    change: impl FnOnce(&mut EmailAddress),
) -> Result<EmailAddress, ApiError> {
    let now = visit.app.clock.now_ms();
    let user = users::change_user(visit.app, visit.store, &session.user_id, |user| {
        if let Some(email) = user.emails.iter_mut().find(|email| email.id == id) {
            change(email);
            email.updated_at = now;
        }
    })?;
    user.email(id).cloned().ok_or_else(|| ApiError::not_found("email address"))
}

fn shown(email: &EmailAddress) -> Reply {
    Reply::WithClient(objects::email_address(email))
}
