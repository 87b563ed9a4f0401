//! E-mail addresses of people, managed by a server.

use serde_json::Value;

use super::super::errors::ApiError;
use super::super::records::{EmailAddress, User};
use super::super::{objects, people};
use super::{Desk, deleted};

/// `POST /email_addresses`: `verified` and `primary` are taken at the server's word.
pub(super) fn create(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let user_id = desk.call.required("user_id")?;
    let address = people::accepted_email(desk.store, desk.call.required("email_address")?)?;
    let (verified, primary) = (desk.call.flag("verified"), desk.call.flag("primary"));
    let now = desk.app.clock.now_ms();
    let id = desk.app.random.id("idn");
    let email = EmailAddress { id, address, verified, verification: None, created_at: now, updated_at: now };
    let added = email.clone();
    people::change_user(desk.app, desk.store, user_id, |user| {
        if primary {
            user.primary_email_id = Some(added.id.clone());
        }
        user.emails.push(added);
    })?;
    Ok(objects::email_address(&email))
}

/// `GET /email_addresses/{id}`
pub(super) fn read(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let email = owner(desk, id).and_then(|user| user.email(id));
    email.map(objects::email_address).ok_or_else(|| ApiError::not_found("email address"))
}

/// `DELETE /email_addresses/{id}`
pub(super) fn delete(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let user_id = owner(desk, id).map(|user| user.id.clone()).ok_or_else(|| ApiError::not_found("email address"))?;
    people::change_user(desk.app, desk.store, &user_id, |user| {
        user.emails.retain(|email| email.id != id);
        if user.primary_email_id.as_deref() == Some(id) {
            user.primary_email_id = user.emails.iter().find(|email| email.verified).map(|email| email.id.clone());
        }
    })?;
    Ok(deleted("email_address", id))
}

fn owner<'a>(desk: &'a Desk<'_>, id: &str) -> Option<&'a User> {
    desk.store.users.values().find(|user| user.email(id).is_some())
}
