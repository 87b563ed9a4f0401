//! One user: reading, creating, changing, deleting.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Context, deleted};
use crate::errors::ApiError;
use crate::records::User;
use crate::{objects, passwords, users};

const METADATA: [&str; 3] = ["public_metadata", "private_metadata", "unsafe_metadata"];

/// First API version in which `PATCH /users/{id}` rejects metadata.
const METADATA_MOVED: &str = "2026-05-12";

/// `GET /users/{id}`
pub(super) fn read(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let user = context.store.users.get(id).ok_or_else(|| ApiError::not_found("user"))?;
    Ok(objects::user_with_private_metadata(user))
}

/// `POST /users`: addresses given here count as verified.
pub(super) fn create(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let first = context.call.field("email_address").and_then(|list| list.get(0)).and_then(Value::as_str);
    let address = first.ok_or_else(|| ApiError::missing("email_address"))?;
    let address = users::accepted_email(context.store, address)?;
    let mut user = users::new_user(context.app, Some(&address), None);
    apply(context, &mut user)?;
    for (name, target) in
        METADATA.into_iter().zip([&mut user.public_metadata, &mut user.private_metadata, &mut user.unsafe_metadata])
    {
        if let Some(value) = context.call.object(name)? {
            *target = value;
        }
    }
    users::add_user(context.app, context.store, user.clone());
    Ok(objects::user_with_private_metadata(&user))
}

/// `PATCH /users/{id}`: everything but metadata.
pub(super) fn update(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let mut changed = context.store.users.get(id).ok_or_else(|| ApiError::not_found("user"))?.clone();
    let moved = context.call.header("clerk-api-version").is_none_or(|version| version >= METADATA_MOVED);
    for (name, target) in METADATA.into_iter().zip([
        &mut changed.public_metadata,
        &mut changed.private_metadata,
        &mut changed.unsafe_metadata,
    ]) {
        if moved && context.call.field(name).is_some() {
            let text = "Metadata is changed with PATCH or PUT /v1/users/{id}/metadata.";
            return Err(ApiError::form("form_param_unknown", name, "is not allowed", text));
        }
        if let Some(value) = context.call.object(name)? {
            *target = value;
        }
    }
    apply(context, &mut changed)?;
    let sign_out = context.call.flag("sign_out_of_other_sessions");
    let user = users::change_user(context.app, context.store, id, |user| *user = changed)?;
    if sign_out {
        users::end_other_sessions(context.app, context.store, id, None);
    }
    Ok(objects::user_with_private_metadata(&user))
}

/// `DELETE /users/{id}`
pub(super) fn delete(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    read(context, id)?;
    users::delete_user(context.app, context.store, id);
    Ok(deleted("user", id))
}

/// `POST /users/{id}/ban` and `/unban`: a banned user is signed out everywhere.
pub(super) fn set_banned(context: &mut Context<'_>, id: &str, banned: bool) -> Result<Value, ApiError> {
    let user = users::change_user(context.app, context.store, id, |user| user.banned = banned)?;
    if banned {
        users::end_other_sessions(context.app, context.store, id, None);
    }
    Ok(objects::user_with_private_metadata(&user))
}

/// `POST /users/{id}/verify_password`
pub(super) fn verify_password(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let user = context.store.users.get(id).ok_or_else(|| ApiError::not_found("user"))?;
    let password = context.call.required("password")?;
    if user.password_hash.as_deref().is_some_and(|stored| passwords::matches(stored, password)) {
        return Ok(json!({"verified": true}));
    }
    let text = "The password is not this user's password.";
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "incorrect_password", "Incorrect password", text))
}

/// Names, external id, password and primary address from the body.
fn apply(context: &Context<'_>, user: &mut User) -> Result<(), ApiError> {
    let call = context.call;
    for (name, target) in [
        ("first_name", &mut user.first_name),
        ("last_name", &mut user.last_name),
        ("external_id", &mut user.external_id),
    ] {
        if let Some(value) = call.field(name) {
            *target = value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        }
    }
    if let Some(id) = call.filled("primary_email_address_id") {
        if !user.email(id).is_some_and(|email| email.verified) {
            let text = "Only a verified address of this user can be the primary one.";
            return Err(ApiError::invalid("primary_email_address_id", text));
        }
        user.primary_email_id = Some(id.to_owned());
    }
    if let Some(password) = call.filled("password") {
        user.password_hash = Some(users::accepted_password(context.app, "password", password)?);
    }
    Ok(())
}
