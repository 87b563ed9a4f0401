//! The JSON shapes of Clerk's objects, as both APIs answer them. Arrays that clerk-js reads are always there. Those that
//! carry tokens are in `client_objects`.

use serde_json::{Value, json};

use crate::records::{EmailAddress, JwtTemplate, Session, Ticket, User, Verification};

/// A user, without private metadata.
pub(crate) fn user(user: &User) -> Value {
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

/// A user as the Backend API sees them.
pub(crate) fn user_with_private_metadata(record: &User) -> Value {
    let mut object = user(record);
    object["private_metadata"] = record.private_metadata.clone();
    object
}

/// An e-mail address. `verification` is null until a code was sent.
pub(crate) fn email_address(email: &EmailAddress) -> Value {
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

/// The state of a verification. The code is never part of it.
pub(crate) fn verification(verification: &Verification) -> Value {
    json!({
        "object": "verification_email_code", "strategy": verification.strategy,
        "status": if verification.verified { "verified" } else { "unverified" },
        "attempts": verification.attempts, "expire_at": verification.expires_at,
    })
}

/// Whole minutes since the first factor; never negative, even if the clock went back.
pub(crate) fn minutes_since_sign_in(session: &Session, now: i64) -> i64 {
    (now - session.first_factor_at).max(0) / 60_000
}

/// A session as the Backend API sees it, and as the list of devices shows it.
pub(crate) fn backend_session(session: &Session, now: i64) -> Value {
    json!({
        "object": "session", "id": session.id, "client_id": session.client_id, "user_id": session.user_id,
        "status": session.status_at(now).name(), "last_active_at": session.last_active_at,
        "last_active_organization_id": null, "latest_activity": latest_activity(session), "actor": null, "tasks": null,
        "expire_at": session.expire_at, "abandon_at": session.abandon_at,
        "created_at": session.created_at, "updated_at": session.updated_at,
    })
}

/// What other users may see of a user.
pub(crate) fn public_user_data(user: &User) -> Value {
    json!({
        "user_id": user.id, "first_name": user.first_name, "last_name": user.last_name, "image_url": null,
        "has_image": false, "identifier": user.primary_email().map(|email| &email.address),
    })
}

/// Which browser a session was last seen in.
pub(crate) fn latest_activity(session: &Session) -> Value {
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

/// A sign-in token. Its secret is in the answer that creates it, and nowhere else.
pub(crate) fn ticket(ticket: &Ticket, url: &str) -> Value {
    json!({
        "object": "sign_in_token", "id": ticket.id, "user_id": ticket.user_id, "token": ticket.token,
        "status": ticket.status, "url": url, "created_at": ticket.created_at, "updated_at": ticket.updated_at,
    })
}

/// A JWT template.
pub(crate) fn jwt_template(template: &JwtTemplate) -> Value {
    json!({
        "object": "jwt_template", "id": template.id, "name": template.name, "claims": template.claims,
        "lifetime": template.lifetime, "allowed_clock_skew": template.allowed_clock_skew, "custom_signing_key": false,
        "signing_algorithm": "RS256", "created_at": template.created_at, "updated_at": template.updated_at,
    })
}
