//! A user's metadata, changed by a server. PATCH merges deeply and `null` removes; PUT replaces what is given.

use http::StatusCode;
use serde_json::Value;

use super::Context;
use crate::errors::ApiError;
use crate::records::User;
use crate::{metadata, objects, users};

/// Largest metadata of one kind, in bytes of JSON.
const LIMIT: usize = 8 * 1024;

/// `PATCH /users/{id}/metadata`
pub(super) fn merge(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    change(context, id, |target, value| metadata::merge(target, &value))
}

/// `PUT /users/{id}/metadata`
pub(super) fn replace(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    change(context, id, |target, value| *target = value)
}

fn change(context: &mut Context<'_>, id: &str, write: impl Fn(&mut Value, Value)) -> Result<Value, ApiError> {
    let user = context.store.users.get(id).ok_or_else(|| ApiError::not_found("user"))?;
    let mut changed: User = user.clone();
    for (name, target) in [
        ("public_metadata", &mut changed.public_metadata),
        ("private_metadata", &mut changed.private_metadata),
        ("unsafe_metadata", &mut changed.unsafe_metadata),
    ] {
        if let Some(value) = context.call.object(name)? {
            write(target, value);
        }
        if target.to_string().len() > LIMIT {
            let text = format!("{name} would be larger than 8 kB.");
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "form_param_exceeds_allowed_size",
                "is too large",
                &text,
            ));
        }
    }
    context.app.faults.metadata_changed(id, &user.public_metadata, context.app.clock.now_ms());
    let user = users::change_user(context.app, context.store, id, |user| *user = changed)?;
    Ok(objects::user_with_private_metadata(&user))
}
