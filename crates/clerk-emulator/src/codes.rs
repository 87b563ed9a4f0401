//! E-mail codes: made, posted to the local inbox, and checked. A code lasts ten minutes and five wrong tries.

use http::StatusCode;

use crate::app::App;
use crate::errors::ApiError;
use crate::records::Verification;
use crate::store::{Store, normalized};

/// Milliseconds a code is valid.
const LIFETIME_MS: i64 = 10 * 60 * 1000;
/// Wrong tries after which a new code is needed.
const MAX_ATTEMPTS: u32 = 5;
/// The code of Clerk's test addresses.
const TEST_CODE: &str = "424242";

/// Sends a code to an address: into the log and into the inbox.
pub(crate) fn send(app: &App, address: &str, strategy: &str) -> Verification {
    let is_test_address = address.split('@').next().is_some_and(|local| local.contains("+clerk_test"));
    let code = if is_test_address { TEST_CODE.to_owned() } else { app.random.code() };
    let purpose = purpose(strategy);
    tracing::info!(target: "clerk_emulator", to = address, code = code.as_str(), purpose, "e-mail code");
    let now = app.clock.now_ms();
    app.inbox.deliver(address, &code, &format!("{code} is your {purpose}"), now);
    Verification { strategy: strategy.to_owned(), code, attempts: 0, expires_at: now + LIFETIME_MS, verified: false }
}

/// Puts the codes that are still awaited back into the inbox, after a restart.
pub(crate) fn restore_inbox(app: &App, store: &Store) {
    let sign_ups =
        store.sign_ups.values().filter_map(|it| Some((it.email_address.as_deref()?, it.verification.as_ref()?)));
    let sign_ins =
        store.sign_ins.values().filter_map(|it| Some((it.identifier.as_deref()?, it.first_factor.as_ref()?)));
    let added = store.users.values().flat_map(|user| &user.emails);
    let added = added.filter_map(|email| Some((email.address.as_str(), email.verification.as_ref()?)));
    let now = app.clock.now_ms();
    let mut awaited = sign_ups
        .chain(sign_ins)
        .chain(added)
        .filter(|(_, sent)| !sent.verified && now < sent.expires_at)
        .collect::<Vec<_>>();
    awaited.sort_by_key(|(_, sent)| sent.expires_at);
    for (address, sent) in awaited {
        let subject = format!("{} is your {}", sent.code, purpose(&sent.strategy));
        app.inbox.deliver(&normalized(address), &sent.code, &subject, sent.expires_at - LIFETIME_MS);
    }
}

fn purpose(strategy: &str) -> &'static str {
    match strategy {
        "reset_password_email_code" => "reset password code",
        _ => "verification code",
    }
}

/// Checks a code. The verification changes either way and must be stored also when this fails.
pub(crate) fn check(app: &App, verification: &mut Verification, code: &str) -> Result<(), ApiError> {
    if verification.verified {
        return Err(rejected("verification_already_verified", "Already verified", "This has already been verified."));
    }
    if app.clock.now_ms() >= verification.expires_at {
        return Err(rejected("verification_expired", "Expired", "This code has expired. Ask for a new one."));
    }
    if verification.attempts >= MAX_ATTEMPTS {
        let text = "Too many wrong codes. Ask for a new one.";
        return Err(rejected("verification_failed", "Too many failed attempts", text));
    }
    verification.attempts += 1;
    if verification.code != code.trim() {
        return Err(ApiError::form("form_code_incorrect", "code", "is incorrect", "Incorrect code"));
    }
    verification.verified = true;
    Ok(())
}

/// 400: no code was sent.
pub(crate) fn not_sent() -> ApiError {
    rejected("verification_missing", "No verification", "You need to ask for a code before you can enter one.")
}

fn rejected(code: &'static str, message: &str, long_message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, code, message, long_message)
}
