//! The JSON shapes of clients and of their sessions. A session carries a token, which is minted for the answer.

use serde_json::{Value, json};

use crate::app::App;
use crate::records::{Client, Session, User};
use crate::store::Store;
use crate::{objects, sign_objects, tokens};

/// A session with its user and a token for the browser (none if the session is over).
pub(crate) fn session(app: &App, session: &Session, user: &User, azp: Option<&str>) -> Value {
    let now = app.clock.now_ms();
    let token = session
        .is_live(now)
        .then(|| json!({"object": "token", "jwt": tokens::last_active_token(app, user, session, azp)}));
    let minutes = objects::minutes_since_sign_in(session, now);
    json!({
        "object": "session", "id": session.id, "status": session.status_at(now).name(),
        "expire_at": session.expire_at, "abandon_at": session.abandon_at, "last_active_at": session.last_active_at,
        "last_active_organization_id": null, "last_active_token": token, "actor": null, "tasks": null,
        "user": objects::user(user), "public_user_data": objects::public_user_data(user), "factor_verification_age": [minutes, -1],
        "created_at": session.created_at, "updated_at": session.updated_at,
    })
}

/// A client with its live sessions.
pub(crate) fn client(app: &App, store: &Store, client: &Client, azp: Option<&str>) -> Value {
    let now = app.clock.now_ms();
    let sessions = store
        .live_sessions(client, now)
        .filter_map(|live| Some(session(app, live, store.users.get(&live.user_id)?, azp)))
        .collect::<Vec<_>>();
    json!({
        "object": "client", "id": client.id, "sessions": sessions,
        "sign_in": client.sign_in_id.as_ref().and_then(|id| store.sign_ins.get(id)).map(|it| sign_objects::sign_in(store, it)),
        "sign_up": client.sign_up_id.as_ref().and_then(|id| store.sign_ups.get(id)).map(sign_objects::sign_up),
        "last_active_session_id": store.last_active_session_id(client, now),
        "last_authentication_strategy": null, "cookie_expires_at": null, "captcha_bypass": false,
        "created_at": client.created_at, "updated_at": client.updated_at,
    })
}

/// A client as the Backend API sees it.
pub(crate) fn backend_client(app: &App, store: &Store, client: &Client) -> Value {
    let now = app.clock.now_ms();
    let sessions = client.session_ids.iter().filter_map(|id| store.sessions.get(id)).collect::<Vec<_>>();
    json!({
        "object": "client", "id": client.id, "session_ids": client.session_ids,
        "sessions": sessions.iter().map(|session| objects::backend_session(session, now)).collect::<Vec<_>>(),
        "sign_in_id": client.sign_in_id, "sign_up_id": client.sign_up_id,
        "last_active_session_id": store.last_active_session_id(client, now), "last_authentication_strategy": null,
        "created_at": client.created_at, "updated_at": client.updated_at,
    })
}
