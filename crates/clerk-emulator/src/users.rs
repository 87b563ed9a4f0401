//! Rules about users, sessions and clients that both APIs share. Every change to a user goes through `change_user`, which
//! moves `updated_at` forward, and every change to the set of a client's sessions moves the client's. Each change here is
//! an event for webhooks (`events`).

use serde_json::{Value, json};

use crate::app::App;
use crate::errors::ApiError;
use crate::events;
use crate::passwords;
use crate::random::stable_id;
use crate::records::{Client, EmailAddress, Session, SessionStatus, User};
use crate::store::{Store, normalized};

/// Milliseconds in a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// A session ends after this, whatever happens.
const SESSION_MS: i64 = 7 * DAY_MS;
/// A session is abandoned this long after its last use.
const ABANDON_MS: i64 = 30 * DAY_MS;

/// The browser that begins a session.
#[derive(Debug, Default, Clone)]
pub(crate) struct Visitor {
    pub(crate) origin: Option<String>,
    pub(crate) user_agent: String,
    pub(crate) ip_address: String,
}

/// Changes a user and returns the changed record. `updated_at` strictly increases.
pub(crate) fn change_user(
    app: &App,
    store: &mut Store,
    id: &str,
    change: impl FnOnce(&mut User),
) -> Result<User, ApiError> {
    let mut user = store.users.get(id).ok_or_else(|| ApiError::not_found("user"))?.clone();
    change(&mut user);
    user.updated_at = app.clock.now_ms().max(user.updated_at + 1);
    store.put(user.clone());
    events::notify_user(app, store, "user.updated", &user);
    Ok(user)
}

/// Stores a new user.
pub(crate) fn add_user(app: &App, store: &mut Store, user: User) {
    store.put(user.clone());
    events::notify_user(app, store, "user.created", &user);
}

/// A new user, not stored yet. `seed` makes the ids the same in every data directory.
pub(crate) fn new_user(app: &App, email: Option<&str>, seed: Option<&str>) -> User {
    let id = |prefix| seed.map_or_else(|| app.random.id(prefix), |seed| stable_id(prefix, seed));
    let now = app.clock.now_ms();
    let email = email.map(|address| EmailAddress {
        id: id("idn"),
        address: normalized(address),
        verified: true,
        verification: None,
        created_at: now,
        updated_at: now,
    });
    User {
        id: id("user"),
        first_name: None,
        last_name: None,
        external_id: None,
        primary_email_id: email.as_ref().map(|email| email.id.clone()),
        emails: email.into_iter().collect(),
        password_hash: None,
        public_metadata: json!({}),
        private_metadata: json!({}),
        unsafe_metadata: json!({}),
        banned: false,
        last_sign_in_at: None,
        created_at: now,
        updated_at: now,
    }
}

/// A new client, stored.
pub(crate) fn new_client(app: &App, store: &mut Store) -> Client {
    let now = app.clock.now_ms();
    let client = Client {
        id: app.random.id("client"),
        secret: app.random.secret(),
        session_ids: Vec::new(),
        last_active_session_id: None,
        sign_in_id: None,
        sign_up_id: None,
        created_at: now,
        updated_at: now,
    };
    store.put(client.clone());
    client
}

/// Signs a user in on a client.
pub(crate) fn begin_session(
    app: &App,
    store: &mut Store,
    user_id: &str,
    client_id: &str,
    visitor: Visitor,
) -> Result<Session, ApiError> {
    let now = app.clock.now_ms();
    if store.users.get(user_id).is_some_and(|user| user.banned) {
        let text = "This account has been suspended.";
        return Err(ApiError::new(http::StatusCode::FORBIDDEN, "user_banned", "User is banned", text));
    }
    let user = change_user(app, store, user_id, |user| user.last_sign_in_at = Some(now))?;
    let session = Session {
        id: app.random.id("sess"),
        user_id: user.id,
        client_id: client_id.to_owned(),
        status: SessionStatus::Active,
        refresh_secret: app.random.secret(),
        origin: visitor.origin,
        user_agent: visitor.user_agent,
        ip_address: visitor.ip_address,
        first_factor_at: now,
        last_active_at: now,
        expire_at: now + SESSION_MS,
        abandon_at: now + ABANDON_MS,
        created_at: now,
        updated_at: now,
    };
    store.put(session.clone());
    change_client(app, store, client_id, |client| {
        client.session_ids.push(session.id.clone());
        client.last_active_session_id = Some(session.id.clone());
        client.sign_in_id = None;
        client.sign_up_id = None;
    });
    events::notify_session(app, store, "created", &session);
    Ok(session)
}

/// Ends a session in one of its ways. One that is over already stays as it is.
pub(crate) fn end_session(app: &App, store: &mut Store, session_id: &str, status: SessionStatus) -> Option<Session> {
    let now = app.clock.now_ms();
    let mut session = store.sessions.get(session_id)?.clone();
    if session.is_live(now) {
        session.status = status;
        session.updated_at = now;
        store.put(session.clone());
        change_client(app, store, &session.client_id, |_| ());
        app.faults.session_ended(session_id);
        events::notify_session(app, store, status.name(), &session);
    }
    Some(session)
}

/// Content of the `__refresh` cookie of a session.
pub(crate) fn refresh_token(session: &Session) -> String {
    format!("{}.{}", session.id, session.refresh_secret)
}

/// Ends all of a user's sessions but one.
pub(crate) fn end_other_sessions(app: &App, store: &mut Store, user_id: &str, keep: Option<&str>) {
    let now = app.clock.now_ms();
    let others = store
        .sessions_of(user_id)
        .filter(|session| session.is_live(now) && Some(session.id.as_str()) != keep)
        .map(|session| session.id.clone())
        .collect::<Vec<_>>();
    for id in others {
        end_session(app, store, &id, SessionStatus::Revoked);
    }
}

/// Changes a client's set of sessions.
pub(crate) fn change_client(app: &App, store: &mut Store, id: &str, change: impl FnOnce(&mut Client)) {
    if let Some(mut client) = store.clients.get(id).cloned() {
        change(&mut client);
        client.updated_at = app.clock.now_ms().max(client.updated_at);
        store.put(client);
    }
}

/// Removes a user and everything that belongs to them.
pub(crate) fn delete_user(app: &App, store: &mut Store, id: &str) {
    end_other_sessions(app, store, id, None);
    let sessions = store.sessions_of(id).map(|session| session.id.clone()).collect::<Vec<_>>();
    for session in sessions {
        store.remove::<Session>(&session);
    }
    if let Some(user) = store.users.get(id).cloned() {
        store.remove::<User>(id);
        events::notify_deleted_user(app, store, &user);
    }
}

/// Hashes a password that follows the rules; otherwise says which one it breaks.
pub(crate) fn accepted_password(app: &App, parameter: &str, password: &str) -> Result<String, ApiError> {
    let length = password.chars().count();
    if length < passwords::SHORTEST {
        let text = format!("Passwords must be {} characters or more.", passwords::SHORTEST);
        return Err(ApiError::form("form_password_length_too_short", parameter, &text, &text));
    }
    if length > passwords::LONGEST {
        let text = format!("Passwords must be {} characters or fewer.", passwords::LONGEST);
        return Err(ApiError::form("form_password_length_too_long", parameter, &text, &text));
    }
    Ok(passwords::hash(&app.random, password))
}

/// An e-mail address in its stored form, if it is well formed and not taken.
pub(crate) fn accepted_email(store: &Store, address: &str) -> Result<String, ApiError> {
    let address = normalized(address);
    let well_formed = address.split_once('@').is_some_and(|(local, domain)| {
        let spaced = address.chars().any(|letter| letter.is_whitespace() || letter.is_control());
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && !domain.ends_with('.') && !spaced
    });
    if !well_formed || address.len() > 254 {
        let text = "Email address must be a valid email address.";
        return Err(ApiError::form("form_param_format_invalid", "email_address", "is invalid", text));
    }
    if store.user_by_email(&address).is_some() {
        let text = "That email address is taken. Please try another.";
        return Err(ApiError::form("form_identifier_exists", "email_address", "is taken", text));
    }
    Ok(address)
}

/// `{}` in place of anything that is no object.
pub(crate) fn object_or_empty(value: Value) -> Value {
    if value.is_object() { value } else { json!({}) }
}
