//! E-mail addresses of users, managed by a server.

use serde_json::Value;

use super::{Context, deleted};
use crate::errors::ApiError;
use crate::records::{EmailAddress, User};
use crate::{objects, users};

/// `POST /email_addresses`: `verified` and `primary` are taken at the server's word.
pub(super) fn create(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let user_id = context.call.required("user_id")?;
    let address = users::accepted_email(context.store, context.call.required("email_address")?)?;
    let (verified, primary) = (context.call.flag("verified"), context.call.flag("primary"));
    let now = context.app.clock.now_ms();
    let id = context.app.random.id("idn");
    let email = EmailAddress { id, address, verified, verification: None, created_at: now, updated_at: now };
    let added = email.clone();
    users::change_user(context.app, context.store, user_id, |user| {
        if primary {
            user.primary_email_id = Some(added.id.clone());
        }
        user.emails.push(added);
    })?;
    Ok(objects::email_address(&email))
}

/// `GET /email_addresses/{id}`
pub(super) fn read(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let email = owner(context, id).and_then(|user| user.email(id));
    email.map(objects::email_address).ok_or_else(|| ApiError::not_found("email address"))
}

/// `DELETE /email_addresses/{id}`
pub(super) fn delete(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let user_id = owner(context, id).map(|user| user.id.clone()).ok_or_else(|| ApiError::not_found("email address"))?;
    users::change_user(context.app, context.store, &user_id, |user| {
        user.emails.retain(|email| email.id != id);
        if user.primary_email_id.as_deref() == Some(id) {
            user.primary_email_id = user.emails.iter().find(|email| email.verified).map(|email| email.id.clone());
        }
    })?;
    Ok(deleted("email_address", id))
}

fn owner<'a>(context: &'a Context<'_>, id: &str) -> Option<&'a User> {
    context.store.users.values().find(|user| user.email(id).is_some())
}
