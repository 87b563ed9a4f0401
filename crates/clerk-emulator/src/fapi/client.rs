//! The browser itself: reading it, creating it, and ending all its sessions.

use serde_json::{Value, json};

use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::SessionStatus;
use crate::users;

/// `POST /dev_browser`: by the token in the answer a development instance knows this browser from now on.
pub(super) fn dev_browser(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    if !visit.is_development() {
        return Err(ApiError::no_such_endpoint("POST", "/v1/dev_browser"));
    }
    Ok(Reply::Bare(json!({"id": visit.dev_browser()})))
}

/// `GET /client`: the client is the response here, and null before anything happened in this browser.
pub(super) fn read(visit: &mut Visit<'_>) -> Reply {
    Reply::Bare(json!({"response": visit.client_object(), "client": null}))
}

/// `PUT` or `POST /client`.
pub(super) fn create(visit: &mut Visit<'_>) -> Reply {
    visit.client_or_new();
    read(visit)
}

/// `DELETE /client/sessions`: sign out and keep the client.
pub(super) fn sign_out(visit: &mut Visit<'_>) -> Reply {
    end_all(visit);
    read(visit)
}

/// `DELETE /client`: sign out and forget the client.
pub(super) fn delete(visit: &mut Visit<'_>) -> Reply {
    end_all(visit);
    visit.drop_client();
    Reply::Bare(json!({"response": Value::Null, "client": Value::Null}))
}

fn end_all(visit: &mut Visit<'_>) {
    let Some(client) = visit.client().cloned() else {
        return;
    };
    for id in &client.session_ids {
        users::end_session(visit.app, visit.store, id, SessionStatus::Removed);
    }
    users::change_client(visit.app, visit.store, &client.id, |client| {
        client.last_active_session_id = None;
        client.sign_in_id = None;
        client.sign_up_id = None;
    });
}
