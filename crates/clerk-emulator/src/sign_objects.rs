//! The JSON shapes of a sign-in and a sign-up. Clerk's components decide by them which card comes next:
//! a verification that was not prepared must not look as if a code had been sent.

use serde_json::{Value, json};

use crate::objects;
use crate::records::{SignIn, SignUp, User};
use crate::store::Store;

/// A sign-in with the first factors that its user has.
pub(crate) fn sign_in(store: &Store, sign_in: &SignIn) -> Value {
    let user = sign_in.user_id.as_ref().and_then(|id| store.users.get(id));
    json!({
        "object": "sign_in_attempt", "id": sign_in.id, "status": sign_in.status,
        "supported_identifiers": ["email_address"], "identifier": sign_in.identifier,
        "supported_first_factors": user.map_or_else(Vec::new, first_factors),
        "supported_second_factors": [],
        "first_factor_verification": sign_in.first_factor.as_ref().map(objects::verification),
        "second_factor_verification": null,
        "user_data": user.map(|user| json!({
            "first_name": user.first_name, "last_name": user.last_name, "image_url": null, "has_image": false,
        })),
        "created_session_id": sign_in.created_session_id, "abandon_at": sign_in.abandon_at, "client_trust_state": null,
    })
}

fn first_factors(user: &User) -> Vec<Value> {
    let mut factors = Vec::new();
    if user.password_hash.is_some() {
        factors.push(json!({"strategy": "password"}));
    }
    for strategy in ["email_code", "reset_password_email_code"] {
        for email in user.emails.iter().filter(|email| email.verified) {
            factors.push(json!({
                "strategy": strategy, "email_address_id": email.id, "safe_identifier": email.address,
                "primary": user.primary_email_id.as_ref() == Some(&email.id),
            }));
        }
    }
    factors
}

/// A sign-up with what is still missing.
pub(crate) fn sign_up(sign_up: &SignUp) -> Value {
    let verification = match &sign_up.verification {
        None => json!({"next_action": "needs_prepare", "supported_strategies": ["email_code"]}),
        Some(verification) => {
            let mut object = objects::verification(verification);
            object["next_action"] = json!(if verification.verified { "" } else { "needs_attempt" });
            object["supported_strategies"] = json!(["email_code"]);
            object
        }
    };
    json!({
        "object": "sign_up_attempt", "id": sign_up.id,
        "status": if sign_up.created_user_id.is_some() { "complete" } else { "missing_requirements" },
        "required_fields": ["email_address", "password"],
        "optional_fields": ["first_name", "last_name"],
        "missing_fields": missing_fields(sign_up),
        "unverified_fields": if is_unverified(sign_up) { vec!["email_address"] } else { vec![] },
        "verifications": {
            "email_address": verification, "phone_number": null, "web3_wallet": null, "external_account": null,
        },
        "username": null, "email_address": sign_up.email_address, "phone_number": null, "web3_wallet": null,
        "first_name": sign_up.first_name, "last_name": sign_up.last_name,
        "password_enabled": sign_up.password_hash.is_some(), "has_password": sign_up.password_hash.is_some(),
        "unsafe_metadata": sign_up.unsafe_metadata, "public_metadata": {}, "custom_action": false, "external_id": null,
        "created_session_id": sign_up.created_session_id, "created_user_id": sign_up.created_user_id,
        "abandon_at": sign_up.abandon_at, "legal_accepted_at": null,
    })
}

/// Required fields that were not given.
pub(crate) fn missing_fields(sign_up: &SignUp) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if sign_up.email_address.is_none() {
        missing.push("email_address");
    }
    if sign_up.password_hash.is_none() {
        missing.push("password");
    }
    missing
}

/// Whether the address was given but not proven.
pub(crate) fn is_unverified(sign_up: &SignUp) -> bool {
    sign_up.email_address.is_some() && !sign_up.verification.as_ref().is_some_and(|verification| verification.verified)
}
