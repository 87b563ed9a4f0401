//! The signed-in user: reading and changing their own data.

use http::StatusCode;
use serde_json::json;

use super::sessions;
use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::{Session, User};
use crate::{metadata, objects, passwords, users};

/// `GET /me`
pub(super) fn read(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    let user = visit.user_of(&session)?;
    Ok(sessions::as_read(visit, objects::user(&user)))
}

/// `PATCH /me`: names and the primary address.
pub(super) fn update(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    let call = visit.call;
    if call.field("unsafe_metadata").is_some() {
        let text = "unsafe_metadata is changed with PATCH /v1/me/metadata.";
        return Err(ApiError::form("form_param_unknown", "unsafe_metadata", "is not allowed", text));
    }
    let primary = call.filled("primary_email_address_id");
    if let Some(id) = primary {
        let user = visit.user_of(&session)?;
        if !user.email(id).is_some_and(|email| email.verified) {
            return Err(ApiError::invalid(
                "primary_email_address_id",
                "Only a verified address can be the primary one.",
            ));
        }
    }
    change(visit, &session, |user| {
        if let Some(name) = call.text("first_name") {
            user.first_name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        }
        if let Some(name) = call.text("last_name") {
            user.last_name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        }
        if let Some(id) = primary {
            user.primary_email_id = Some(id.to_owned());
        }
    })
}

/// `PATCH /me/metadata`: deep merge of the user's own metadata.
pub(super) fn update_metadata(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    let patch = visit.call.object("unsafe_metadata")?.ok_or_else(|| ApiError::missing("unsafe_metadata"))?;
    change(visit, &session, |user| metadata::merge(&mut user.unsafe_metadata, &patch))
}

/// `POST /me/change_password`: the current password is needed if there is one.
pub(super) fn change_password(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let session = visit.current_session()?;
    check_current_password(visit, &session)?;
    let hash = users::accepted_password(visit.app, "new_password", visit.call.required("new_password")?)?;
    if visit.call.flag("sign_out_of_other_sessions") {
        users::end_other_sessions(visit.app, visit.store, &session.user_id, Some(&session.id));
    }
    change(visit, &session, |user| user.password_hash = Some(hash))
}

/// `POST /me/remove_password`: rejected, because this instance requires a password.
pub(super) fn remove_password(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    visit.current_session()?;
    let text = "A password is required here. You can change it, but not remove it.";
    Err(ApiError::new(StatusCode::FORBIDDEN, "password_required", "Password required", text))
}

/// `DELETE /me`: rejected, as the environment announces.
pub(super) fn delete(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    visit.current_session()?;
    let text = "Accounts cannot be deleted by their owner here.";
    Err(ApiError::new(StatusCode::FORBIDDEN, "user_delete_self_not_enabled", "Not allowed", text))
}

/// `/me/profile_image`: rejected; the emulator keeps no files.
pub(super) fn profile_image(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    visit.current_session()?;
    let text = "The Clerk emulator keeps no profile images.";
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "unsupported_file", "Not supported", text))
}

/// Lists of Clerk organizations: always empty.
pub(super) fn nothing_listed(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    visit.current_session()?;
    Ok(Reply::WithClient(json!({"data": [], "total_count": 0})))
}

/// Changes the user of a session and answers with the result.
fn change(visit: &mut Visit<'_>, session: &Session, change: impl FnOnce(&mut User)) -> Result<Reply, ApiError> {
    let user = users::change_user(visit.app, visit.store, &session.user_id, change)?;
    Ok(shown(&user))
}

fn check_current_password(visit: &Visit<'_>, session: &Session) -> Result<(), ApiError> {
    let Some(stored) = visit.user_of(session)?.password_hash else {
        return Ok(());
    };
    if passwords::matches(&stored, visit.call.required("current_password")?) {
        return Ok(());
    }
    let text = "Your current password is not right.";
    Err(ApiError::form("form_password_incorrect", "current_password", "is incorrect", text))
}

fn shown(user: &User) -> Reply {
    Reply::WithClient(objects::user(user))
}
