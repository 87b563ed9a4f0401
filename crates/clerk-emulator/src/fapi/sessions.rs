//! Sessions of this browser: reading, touching, ending them, and tokens for them.
//! Only `/tokens` leaves the client out of its answer, and it never moves the client's `updated_at`.

use serde_json::{Value, json};

use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::{Session, SessionStatus};
use crate::{client_objects, tokens, users};

/// `GET /client/sessions/{id}`
pub(super) fn read(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let session = visit.live_session(id)?;
    Ok(as_read(visit, object(visit, &session)?))
}

/// `POST /client/sessions/{id}/touch`
pub(super) fn touch(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let mut session = visit.live_session(id)?;
    session.last_active_at = visit.app.clock.now_ms();
    visit.store.put(session.clone());
    if let Some(mut client) = visit.client().cloned()
        && client.last_active_session_id.as_deref() != Some(id)
    {
        client.last_active_session_id = Some(id.to_owned());
        visit.store.put(client);
    }
    shown(visit, &session)
}

/// `POST /client/sessions/{id}/tokens`: minted from the records, unless a minter at Clerk's edge is set and the
/// browser does not insist on the origin.
pub(super) fn token(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let session = visit.live_session(id)?;
    let user = visit.user_of(&session)?;
    let (app, call, azp) = (visit.app, visit.call, visit.origin.as_deref());
    let jwt = if app.faults.get(|settings| settings.session_minter) && !call.flag("force_origin") {
        tokens::copied_token(app, &user, &session, azp, call.filled("token"))
    } else {
        tokens::session_token(app, &user, &session, azp)
    };
    Ok(Reply::Bare(json!({"object": "token", "jwt": jwt})))
}

/// `POST /client/sessions/{id}/tokens/{template}`
pub(super) fn template_token(visit: &mut Visit<'_>, id: &str, name: &str) -> Result<Reply, ApiError> {
    let session = visit.live_session(id)?;
    let user = visit.user_of(&session)?;
    let template = visit.store.templates.values().find(|template| template.name == name);
    let template = template.ok_or_else(|| ApiError::not_found("JWT template"))?;
    let jwt = tokens::template_token(visit.app, template, &user, &session, visit.origin.as_deref());
    Ok(Reply::Bare(json!({"object": "token", "jwt": jwt})))
}

/// `POST /client/sessions/{id}/end`
pub(super) fn end(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    over(visit, id, SessionStatus::Ended)
}

/// `POST /client/sessions/{id}/remove`
pub(super) fn remove(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    over(visit, id, SessionStatus::Removed)
}

fn over(visit: &mut Visit<'_>, id: &str, status: SessionStatus) -> Result<Reply, ApiError> {
    visit.live_session(id)?;
    let session = users::end_session(visit.app, visit.store, id, status).ok_or_else(ApiError::signed_out)?;
    shown(visit, &session)
}

/// What a plain read of a session or of the signed-in user answers: with the client, unless it is to be left out.
pub(super) fn as_read(visit: &Visit<'_>, object: Value) -> Reply {
    if visit.app.faults.get(|settings| settings.omit_client) {
        return Reply::Bare(json!({"response": object}));
    }
    Reply::WithClient(object)
}

fn shown(visit: &Visit<'_>, session: &Session) -> Result<Reply, ApiError> {
    Ok(Reply::WithClient(object(visit, session)?))
}

fn object(visit: &Visit<'_>, session: &Session) -> Result<Value, ApiError> {
    let user = visit.user_of(session)?;
    Ok(client_objects::session(visit.app, session, &user, visit.origin.as_deref()))
}
