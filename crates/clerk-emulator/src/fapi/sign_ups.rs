//! Signing up: e-mail address, password, and the code that proves the address. The user is created
//! when nothing is missing any more, and is signed in at once.

use http::StatusCode;
use serde_json::json;

use super::sign_ins::{ABANDON_MS, require_signed_out};
use super::visit::{Reply, Visit};
use crate::errors::ApiError;
use crate::records::SignUp;
use crate::store::Store;
use crate::{codes, metadata, sign_objects, users};

/// `POST /client/sign_ups`
pub(super) fn create(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    require_signed_out(visit)?;
    let mut sign_up = SignUp {
        id: visit.app.random.id("sua"),
        client_id: String::new(),
        email_address: None,
        password_hash: None,
        first_name: None,
        last_name: None,
        unsafe_metadata: json!({}),
        verification: None,
        created_session_id: None,
        created_user_id: None,
        abandon_at: visit.app.clock.now_ms() + ABANDON_MS,
    };
    take_fields(visit, &mut sign_up)?;
    let mut client = visit.client_or_new();
    sign_up.client_id = client.id.clone();
    if let Some(old) = client.sign_up_id.replace(sign_up.id.clone()) {
        visit.store.remove::<SignUp>(&old);
    }
    visit.store.put(client);
    stored(visit, sign_up)
}

/// `GET /client/sign_ups/{id}`
pub(super) fn read(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    Ok(shown(&own(visit, id)?))
}

/// `PATCH /client/sign_ups/{id}`
pub(super) fn update(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let mut sign_up = open(visit, id)?;
    take_fields(visit, &mut sign_up)?;
    complete_if_ready(visit, &mut sign_up)?;
    stored(visit, sign_up)
}

/// `POST …/prepare_verification`: sends the code.
pub(super) fn prepare(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let mut sign_up = open(visit, id)?;
    only_email_code(visit)?;
    let address = sign_up.email_address.clone().ok_or_else(|| ApiError::missing("email_address"))?;
    sign_up.verification = Some(codes::send(visit.app, &address, "email_code"));
    stored(visit, sign_up)
}

/// `POST …/attempt_verification`
pub(super) fn attempt(visit: &mut Visit<'_>, id: &str) -> Result<Reply, ApiError> {
    let mut sign_up = open(visit, id)?;
    only_email_code(visit)?;
    let code = visit.call.required("code")?;
    let sent = sign_up.verification.as_mut().ok_or_else(codes::not_sent)?;
    let checked = codes::check(visit.app, sent, code);
    visit.store.put(sign_up.clone());
    checked?;
    complete_if_ready(visit, &mut sign_up)?;
    stored(visit, sign_up)
}

fn take_fields(visit: &Visit<'_>, sign_up: &mut SignUp) -> Result<(), ApiError> {
    let call = visit.call;
    if let Some(address) = call.filled("email_address") {
        let address = users::accepted_email(visit.store, address)?;
        if sign_up.email_address.as_ref() != Some(&address) {
            sign_up.email_address = Some(address);
            sign_up.verification = None;
        }
    }
    if let Some(password) = call.filled("password") {
        sign_up.password_hash = Some(users::accepted_password(visit.app, "password", password)?);
    }
    if let Some(name) = call.text("first_name") {
        sign_up.first_name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    }
    if let Some(name) = call.text("last_name") {
        sign_up.last_name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    }
    if let Some(patch) = call.object("unsafe_metadata")? {
        metadata::merge(&mut sign_up.unsafe_metadata, &patch);
    }
    Ok(())
}

fn complete_if_ready(visit: &mut Visit<'_>, sign_up: &mut SignUp) -> Result<(), ApiError> {
    if !sign_objects::missing_fields(sign_up).is_empty() || sign_objects::is_unverified(sign_up) {
        return Ok(());
    }
    let Some(address) = &sign_up.email_address else {
        return Ok(());
    };
    users::accepted_email(visit.store, address)?;
    let mut user = users::new_user(visit.app, Some(address), None);
    user.first_name = sign_up.first_name.clone();
    user.last_name = sign_up.last_name.clone();
    user.password_hash = sign_up.password_hash.clone();
    user.unsafe_metadata = sign_up.unsafe_metadata.clone();
    if let Some(email) = user.emails.first_mut() {
        email.verification = sign_up.verification.clone();
    }
    let user_id = user.id.clone();
    users::add_user(visit.app, visit.store, user);
    let visitor = visit.visitor();
    let session = users::begin_session(visit.app, visit.store, &user_id, &sign_up.client_id, visitor)?;
    sign_up.created_user_id = Some(user_id);
    sign_up.created_session_id = Some(session.id);
    Ok(())
}

fn only_email_code(visit: &Visit<'_>) -> Result<(), ApiError> {
    match visit.call.required("strategy")? {
        "email_code" => Ok(()),
        other => Err(ApiError::invalid("strategy", &format!("The method {other} cannot be used here."))),
    }
}

fn own(visit: &Visit<'_>, id: &str) -> Result<SignUp, ApiError> {
    let store: &Store = visit.store;
    let sign_up = store.sign_ups.get(id).filter(|sign_up| Some(&sign_up.client_id) == visit.client_id.as_ref());
    sign_up.cloned().ok_or_else(|| ApiError::not_found("sign up"))
}

fn open(visit: &Visit<'_>, id: &str) -> Result<SignUp, ApiError> {
    require_signed_out(visit)?;
    let sign_up = own(visit, id)?;
    if sign_up.created_user_id.is_none() {
        return Ok(sign_up);
    }
    let text = "This sign-up is already complete.";
    Err(ApiError::new(StatusCode::BAD_REQUEST, "sign_up_already_complete", "Already complete", text))
}

fn stored(visit: &mut Visit<'_>, sign_up: SignUp) -> Result<Reply, ApiError> {
    let reply = shown(&sign_up);
    visit.store.put(sign_up);
    Ok(reply)
}

fn shown(sign_up: &SignUp) -> Reply {
    Reply::WithClient(sign_objects::sign_up(sign_up))
}
