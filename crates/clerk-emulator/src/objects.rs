//! The JSON shapes of Clerk's objects, as both APIs answer them. Arrays that clerk-js reads are always there.

use serde_json::{Value, json};

use super::app::App;
use super::records::{Client, EmailAddress, JwtTemplate, Session, Ticket, User, Verification};
use super::store::Store;
use super::{sign_objects, tokens};

/// A person, without private metadata.
pub(super) fn user(user: &User) -> Value {
    json!({
        "id": user.id, "object": "user", "username": null, "first_name": user.first_name, "last_name": user.last_name,
        "locale": null, "image_url": null, "has_image": false, "external_id": user.external_id,
        "primary_email_address_id": user.primary_email_id, "primary_phone_number_id": null,
        "primary_web3_wallet_id": null, "password_enabled": user.password_hash.is_some(),
        "password_last_updated_at": null, "two_factor_enabled": false, "totp_enabled": false,
        "backup_code_enabled": false, "mfa_enabled_at": null, "mfa_disabled_at": null,
        "email_addresses": user.emails.iter().map(email_address).collect::<Vec<_>>(),
        "phone_numbers": [], "web3_wallets": [], "passkeys": [], "external_accounts": [], "saml_accounts": [],
        "enterprise_accounts": [], "organization_memberships": [],
        "public_metadata": user.public_metadata, "unsafe_metadata": user.unsafe_metadata,
        "banned": user.banned, "locked": false, "lockout_expires_in_seconds": null,
        "verification_attempts_remaining": 100, "delete_self_enabled": false, "create_organization_enabled": false,
        "create_organizations_limit": null, "legal_accepted_at": null, "last_sign_in_at": user.last_sign_in_at,
        "last_active_at": user.last_sign_in_at, "created_at": user.created_at, "updated_at": user.updated_at,
    })
}

/// A person as the Backend API sees them.
pub(super) fn user_with_private_metadata(person: &User) -> Value {
    let mut object = user(person);
    object["private_metadata"] = person.private_metadata.clone();
    object
}

/// An e-mail address. `verification` is null until a code was asked for.
pub(super) fn email_address(email: &EmailAddress) -> Value {
    let verification = match &email.verification {
        Some(pending) => verification(pending),
        None if email.verified => {
            json!({"object": "verification_admin", "status": "verified", "strategy": "admin", "attempts": null, "expire_at": null})
        }
        None => Value::Null,
    };
    json!({
        "id": email.id, "object": "email_address", "email_address": email.address, "reserved": false,
        "verification": verification, "linked_to": [], "matches_sso_connection": false,
        "created_at": email.created_at, "updated_at": email.updated_at,
    })
}

/// How a verification stands. The code is never part of it.
pub(super) fn verification(verification: &Verification) -> Value {
    json!({
        "object": "verification_email_code", "strategy": verification.strategy,
        "status": if verification.verified { "verified" } else { "unverified" },
        "attempts": verification.attempts, "expire_at": verification.expires_at,
    })
}

/// Whole minutes since the first factor; never negative, even if the clock went back.
pub(super) fn minutes_since_sign_in(session: &Session, now: i64) -> i64 {
    (now - session.first_factor_at).max(0) / 60_000
}

/// A session with its person and a token for the browser (none if the session is over).
pub(super) fn session(app: &App, session: &Session, person: &User, azp: Option<&str>) -> Value {
    let now = app.clock.now_ms();
    let token = session
        .is_live(now)
        .then(|| json!({"object": "token", "jwt": tokens::last_active_token(app, person, session, azp)}));
    let minutes = minutes_since_sign_in(session, now);
    json!({
        "object": "session", "id": session.id, "status": session.status_at(now).word(),
        "expire_at": session.expire_at, "abandon_at": session.abandon_at, "last_active_at": session.last_active_at,
        "last_active_organization_id": null, "last_active_token": token, "actor": null, "tasks": null,
        "user": user(person), "public_user_data": public_user_data(person), "factor_verification_age": [minutes, -1],
        "created_at": session.created_at, "updated_at": session.updated_at,
    })
}

/// A session as the Backend API sees it, and as the list of devices shows it.
pub(super) fn backend_session(session: &Session, now: i64) -> Value {
    json!({
        "object": "session", "id": session.id, "client_id": session.client_id, "user_id": session.user_id,
        "status": session.status_at(now).word(), "last_active_at": session.last_active_at,
        "last_active_organization_id": null, "latest_activity": latest_activity(session), "actor": null, "tasks": null,
        "expire_at": session.expire_at, "abandon_at": session.abandon_at,
        "created_at": session.created_at, "updated_at": session.updated_at,
    })
}

/// A client with its live sessions.
pub(super) fn client(app: &App, store: &Store, client: &Client, azp: Option<&str>) -> Value {
    let sessions = live_sessions(app, store, client)
        .filter_map(|live| Some(session(app, live, store.users.get(&live.user_id)?, azp)))
        .collect::<Vec<_>>();
    json!({
        "object": "client", "id": client.id, "sessions": sessions,
        "sign_in": client.sign_in_id.as_ref().and_then(|id| store.sign_ins.get(id)).map(|it| sign_objects::sign_in(store, it)),
        "sign_up": client.sign_up_id.as_ref().and_then(|id| store.sign_ups.get(id)).map(sign_objects::sign_up),
        "last_active_session_id": last_active_session_id(app, store, client),
        "last_authentication_strategy": null, "cookie_expires_at": null, "captcha_bypass": false,
        "created_at": client.created_at, "updated_at": client.updated_at,
    })
}

/// A client as the Backend API sees it.
pub(super) fn backend_client(app: &App, store: &Store, client: &Client) -> Value {
    let now = app.clock.now_ms();
    let sessions = client.session_ids.iter().filter_map(|id| store.sessions.get(id)).collect::<Vec<_>>();
    json!({
        "object": "client", "id": client.id, "session_ids": client.session_ids,
        "sessions": sessions.iter().map(|session| backend_session(session, now)).collect::<Vec<_>>(),
        "sign_in_id": client.sign_in_id, "sign_up_id": client.sign_up_id,
        "last_active_session_id": last_active_session_id(app, store, client), "last_authentication_strategy": null,
        "created_at": client.created_at, "updated_at": client.updated_at,
    })
}

/// The client's sessions that can still get tokens and whose person still exists.
pub(super) fn live_sessions<'a>(app: &App, store: &'a Store, client: &'a Client) -> impl Iterator<Item = &'a Session> {
    let now = app.clock.now_ms();
    client
        .session_ids
        .iter()
        .filter_map(|id| store.sessions.get(id))
        .filter(move |session| session.is_live(now) && store.users.contains_key(&session.user_id))
}

/// The session the browser used last, if it is still live; else the newest live one.
pub(super) fn last_active_session_id<'a>(app: &App, store: &'a Store, client: &'a Client) -> Option<&'a str> {
    let named = client.last_active_session_id.as_deref();
    let mut newest = None;
    for session in live_sessions(app, store, client) {
        if Some(session.id.as_str()) == named {
            return named;
        }
        newest = Some(session.id.as_str());
    }
    newest
}

/// What other people may see of a person.
pub(super) fn public_user_data(user: &User) -> Value {
    json!({
        "user_id": user.id, "first_name": user.first_name, "last_name": user.last_name, "image_url": null,
        "has_image": false, "identifier": user.primary_email().map(|email| &email.address),
    })
}

/// Which browser a session was last seen in.
pub(super) fn latest_activity(session: &Session) -> Value {
    let agent = session.user_agent.as_str();
    let browser = [("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")]
        .into_iter()
        .find_map(|(mark, name)| agent.split_once(mark).map(|(_, rest)| (name, rest)));
    let version = browser.map(|(_, rest)| rest.split([' ', '.', ';']).next().unwrap_or_default());
    let is_mobile = agent.contains("Mobi");
    let device = [
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("Mac OS", "Macintosh"),
        ("Linux", "Linux"),
    ]
    .into_iter()
    .find_map(|(mark, name)| agent.contains(mark).then_some(name));
    json!({
        "object": "session_activity", "id": session.id.replacen("sess_", "sess_activity_", 1),
        "browser_name": browser.map(|(name, _)| name), "browser_version": version, "device_type": device,
        "is_mobile": is_mobile, "ip_address": session.ip_address, "city": null, "country": null,
    })
}

/// A sign-in token. Its secret is shown only to whoever makes it.
pub(super) fn ticket(ticket: &Ticket, url: &str) -> Value {
    json!({
        "object": "sign_in_token", "id": ticket.id, "user_id": ticket.user_id, "token": ticket.token,
        "status": ticket.status, "url": url, "created_at": ticket.created_at, "updated_at": ticket.updated_at,
    })
}

/// A JWT template.
pub(super) fn jwt_template(template: &JwtTemplate) -> Value {
    json!({
        "object": "jwt_template", "id": template.id, "name": template.name, "claims": template.claims,
        "lifetime": template.lifetime, "allowed_clock_skew": template.allowed_clock_skew, "custom_signing_key": false,
        "signing_algorithm": "RS256", "created_at": template.created_at, "updated_at": template.updated_at,
    })
}
