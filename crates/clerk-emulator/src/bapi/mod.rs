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

use crate::app::App;
use crate::call::{Call, Caller};
use crate::errors::ApiError;
use crate::response::Answer;
use crate::store::Store;

/// A request to the Backend API in the hands of a handler.
struct Context<'a> {
    app: &'a App,
    store: &'a mut Store,
    call: &'a Call,
}

/// Answers one request, whole, under the lock of the records.
pub(super) fn answer(app: &App, call: &Call) -> Answer {
    let kept = app.faults.get(|settings| settings.rate_limits);
    let reply =
        authorize(app, call).and_then(|()| app.limits.check_backend(kept, call, app.clock.now_ms())).and_then(|()| {
            let mut store = app.store();
            store.caller = Caller::of(call);
            route(&mut Context { app, store: &mut store, call })
        });
    match reply {
        Ok(body) => Answer::ok(body),
        Err(error) => Answer::error(&app.random, &error),
    }
}

fn authorize(app: &App, call: &Call) -> Result<(), ApiError> {
    let rejected = |code, text: &str| Err(ApiError::new(StatusCode::UNAUTHORIZED, code, text, text));
    let Some(given) = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
        return rejected(
            "authorization_header_format_invalid",
            "The Authorization header must be: Bearer <secret key>.",
        );
    };
    match aws_lc_rs::constant_time::verify_slices_are_equal(given.trim().as_bytes(), app.keys.secret_key.as_bytes()) {
        Ok(()) => Ok(()),
        Err(_) => rejected("clerk_key_invalid", "The provided Clerk Secret Key is invalid."),
    }
}

fn route(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let call = context.call;
    let path = call.path.iter().map(String::as_str).collect::<Vec<_>>();
    let (get, post, patch, put, delete) = (Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE);
    let is = |method: &Method| call.method == *method;
    match path.as_slice() {
        ["jwks"] if is(&get) => Ok(context.app.keys.jwks()),

        ["users"] if is(&get) => user_list::list(context),
        ["users"] if is(&post) => users::create(context),
        ["users", "count"] if is(&get) => user_list::count(context),
        ["users", id] if is(&get) => users::read(context, id),
        ["users", id] if is(&patch) => users::update(context, id),
        ["users", id] if is(&delete) => users::delete(context, id),
        ["users", id, "metadata"] if is(&patch) => metadata::merge(context, id),
        ["users", id, "metadata"] if is(&put) => metadata::replace(context, id),
        ["users", id, "ban"] if is(&post) => users::set_banned(context, id, true),
        ["users", id, "unban"] if is(&post) => users::set_banned(context, id, false),
        ["users", id, "verify_password"] if is(&post) => users::verify_password(context, id),
        ["users", _, "organization_memberships"] if is(&get) => Ok(json!({"data": [], "total_count": 0})),

        ["email_addresses"] if is(&post) => emails::create(context),
        ["email_addresses", id] if is(&get) => emails::read(context, id),
        ["email_addresses", id] if is(&delete) => emails::delete(context, id),

        ["sessions"] if is(&get) => sessions::list(context),
        ["sessions"] if is(&post) => sessions::create(context),
        ["sessions", id] if is(&get) => sessions::read(context, id),
        ["sessions", id, "revoke"] if is(&post) => sessions::revoke(context, id),
        ["sessions", id, "tokens"] if is(&post) => sessions::token(context, id),
        ["sessions", id, "tokens", template] if is(&post) => sessions::template_token(context, id, template),
        ["sessions", id, "refresh"] if is(&post) => sessions::refresh(context, id),

        ["clients"] if is(&get) => clients::list(context),
        ["clients", "handshake_payload"] if is(&get) => clients::handshake_payload(context),
        ["clients", "verify"] if is(&post) => clients::verify(context),
        ["clients", id] if is(&get) => clients::read(context, id),

        ["sign_in_tokens"] if is(&post) => sign_in_tokens::create(context),
        ["sign_in_tokens", id, "revoke"] if is(&post) => sign_in_tokens::revoke(context, id),
        ["testing_tokens"] if is(&post) => Ok(sign_in_tokens::testing_token(context)),

        ["jwt_templates"] if is(&get) => Ok(jwt_templates::list(context)),
        ["jwt_templates"] if is(&post) => jwt_templates::create(context),
        ["jwt_templates", id] if is(&get) => jwt_templates::read(context, id),
        ["jwt_templates", id] if is(&delete) => jwt_templates::delete(context, id),

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
