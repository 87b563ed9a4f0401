//! The Backend API: what servers speak, with the secret key. Every endpoint is listed in `route`.

mod clients;
mod emails;
mod jwt_templates;
mod metadata;
mod sessions;
mod sign_in_tokens;
mod user_list;
mod users;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::app::App;
use super::call::Call;
use super::errors::ApiError;
use super::limits;
use super::response::Answer;
use super::store::Store;
use super::webhooks::Caller;

/// A request to the Backend API in the hands of a handler.
struct Desk<'a> {
    app: &'a App,
    store: &'a mut Store,
    call: &'a Call,
}

/// Answers one request, whole, under the lock of the records.
pub(super) fn answer(app: &App, call: &Call) -> Answer {
    let reply = authorize(app, call).and_then(|()| limits::backend(app, call)).and_then(|()| {
        let mut store = app.store();
        store.caller = Caller::of(call);
        route(&mut Desk { app, store: &mut store, call })
    });
    match reply {
        Ok(body) => Answer::ok(body),
        Err(error) => Answer::error(app, &error),
    }
}

fn authorize(app: &App, call: &Call) -> Result<(), ApiError> {
    let refused = |code, text: &str| Err(ApiError::new(StatusCode::UNAUTHORIZED, code, text, text));
    let Some(given) = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
        return refused(
            "authorization_header_format_invalid",
            "The Authorization header must be: Bearer <secret key>.",
        );
    };
    match aws_lc_rs::constant_time::verify_slices_are_equal(given.trim().as_bytes(), app.keys.secret_key.as_bytes()) {
        Ok(()) => Ok(()),
        Err(_) => refused("clerk_key_invalid", "The provided Clerk Secret Key is invalid."),
    }
}

fn route(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let call = desk.call;
    let path = call.path.iter().map(String::as_str).collect::<Vec<_>>();
    let (get, post, patch, put, delete) = (Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE);
    let is = |method: &Method| call.method == *method;
    match path.as_slice() {
        ["jwks"] if is(&get) => Ok(desk.app.keys.jwks()),

        ["users"] if is(&get) => user_list::list(desk),
        ["users"] if is(&post) => users::create(desk),
        ["users", "count"] if is(&get) => user_list::count(desk),
        ["users", id] if is(&get) => users::read(desk, id),
        ["users", id] if is(&patch) => users::update(desk, id),
        ["users", id] if is(&delete) => users::delete(desk, id),
        ["users", id, "metadata"] if is(&patch) => metadata::merge(desk, id),
        ["users", id, "metadata"] if is(&put) => metadata::replace(desk, id),
        ["users", id, "ban"] if is(&post) => users::set_banned(desk, id, true),
        ["users", id, "unban"] if is(&post) => users::set_banned(desk, id, false),
        ["users", id, "verify_password"] if is(&post) => users::verify_password(desk, id),
        ["users", _, "organization_memberships"] if is(&get) => Ok(json!({"data": [], "total_count": 0})),

        ["email_addresses"] if is(&post) => emails::create(desk),
        ["email_addresses", id] if is(&get) => emails::read(desk, id),
        ["email_addresses", id] if is(&delete) => emails::delete(desk, id),

        ["sessions"] if is(&get) => sessions::list(desk),
        ["sessions"] if is(&post) => sessions::create(desk),
        ["sessions", id] if is(&get) => sessions::read(desk, id),
        ["sessions", id, "revoke"] if is(&post) => sessions::revoke(desk, id),
        ["sessions", id, "tokens"] if is(&post) => sessions::token(desk, id),
        ["sessions", id, "tokens", template] if is(&post) => sessions::template_token(desk, id, template),
        ["sessions", id, "refresh"] if is(&post) => sessions::refresh(desk, id),

        ["clients"] if is(&get) => clients::list(desk),
        ["clients", "handshake_payload"] if is(&get) => clients::handshake_payload(desk),
        ["clients", "verify"] if is(&post) => clients::verify(desk),
        ["clients", id] if is(&get) => clients::read(desk, id),

        ["sign_in_tokens"] if is(&post) => sign_in_tokens::create(desk),
        ["sign_in_tokens", id, "revoke"] if is(&post) => sign_in_tokens::revoke(desk, id),
        ["testing_tokens"] if is(&post) => Ok(sign_in_tokens::testing_token(desk)),

        ["jwt_templates"] if is(&get) => Ok(jwt_templates::list(desk)),
        ["jwt_templates"] if is(&post) => jwt_templates::create(desk),
        ["jwt_templates", id] if is(&get) => jwt_templates::read(desk, id),
        ["jwt_templates", id] if is(&delete) => jwt_templates::delete(desk, id),

        _ => Err(ApiError::no_such_endpoint(call.method.as_str(), &format!("/v1/{}", path.join("/")))),
    }
}

/// A page of a list, in the two forms that Clerk answers with: an array, or an object if `paginated=true`.
fn listed(call: &Call, items: Vec<Value>) -> Value {
    if call.query("paginated") != Some("true") {
        return Value::Array(items);
    }
    json!({"data": items, "total_count": items.len()})
}

/// What Clerk answers when something was deleted.
fn deleted(object: &str, id: &str) -> Value {
    json!({"object": object, "id": id, "deleted": true})
}
