//! The devices on which a user is signed in.

use serde_json::{Value, json};

use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::{Session, SessionStatus};
use crate::{objects, users};

/// `GET /me/sessions` and `/me/sessions/active`: a bare array, which is all that Clerk's components understand.
pub(super) fn list(visit: &mut Visit<'_>, only_live: bool) -> Result<Reply, ApiError> {
    let current = visit.current_session()?;
    let now = visit.app.clock.now_ms();
    let mut sessions = visit
        .store
        .sessions_of(&current.user_id)
        .filter(|session| !only_live || session.is_live(now))
        .collect::<Vec<_>>();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.last_active_at));
    Ok(Reply::Bare(sessions.into_iter().map(|session| with_activities(session, now)).collect()))
}

/// `POST /me/sessions/{id}/revoke`
pub(super) fn revoke(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let current = visit.current_session()?;
    let own = visit.store.sessions.get(id).is_some_and(|session| session.user_id == current.user_id);
    if !own {
        return Err(ApiError::not_found("session"));
    }
    let ended = users::end_session(visit.app, visit.store, id, SessionStatus::Revoked);
    let ended = ended.ok_or_else(|| ApiError::not_found("session"))?;
    Ok(Reply::WithClient(with_activities(&ended, visit.app.clock.now_ms())))
}

fn with_activities(session: &Session, now: i64) -> Value {
    let mut object = objects::backend_session(session, now);
    object["object"] = json!("session_with_activities");
    object
}
