//! The Frontend API: what clerk-js in the browser speaks. Every endpoint is listed in `route`.

mod client;
mod handshake;
mod me;
mod me_emails;
mod me_sessions;
mod sessions;
mod sign_in_factors;
mod sign_ins;
mod sign_ups;
mod visit;

use http::Method;

use crate::app::App;
use crate::call::{Call, Caller};
use crate::environment;
use crate::errors::ApiError;
use crate::response::Answer;
use visit::{Reply, Visit};

pub(super) use visit::client_by_token;

/// Whether a path belongs to this API.
pub(super) fn serves(path: &[String]) -> bool {
    matches!(path.first().map(String::as_str), Some("client" | "environment" | "me" | "dev_browser"))
}

/// Answers one request, whole, under the lock of the records.
pub(super) fn answer(app: &App, call: &Call) -> Answer {
    if let Err(error) =
        app.limits.check_frontend(app.faults.get(|settings| settings.rate_limits), call, app.clock.now_ms())
    {
        return Answer::error(&app.random, &error);
    }
    let mut store = app.store();
    store.caller = Caller::of(call);
    let mut visit = match Visit::new(app, &mut store, call) {
        Ok(visit) => visit,
        Err(error) => return Answer::error(&app.random, &error),
    };
    let reply = may_call(&visit).and_then(|()| route(&mut visit));
    let finished = visit.finish(reply);
    Answer {
        status: finished.status,
        body: Some(finished.body),
        location: finished.location,
        cookies: finished.cookies,
        retry_after: None,
    }
}

/// In development a browser introduces itself first, here or by a handshake.
fn may_call(visit: &Visit<'_>) -> Result<(), ApiError> {
    match visit.call.path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["dev_browser"] | ["client", "handshake"] => Ok(()),
        _ => visit.require_dev_browser(),
    }
}

/// `GET /environment`
fn environment(visit: &Visit<'_>) -> Reply {
    let session_minter = visit.app.faults.get(|settings| settings.session_minter);
    Reply::Bare(environment::with_session_minter(&visit.app.environment, session_minter))
}

fn route(visit: &mut Visit<'_>) -> Result<Reply, ApiError> {
    let call = visit.call;
    let path = call.path.iter().map(String::as_str).collect::<Vec<_>>();
    let (get, post, patch, put, delete) = (Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE);
    let is = |method: &Method| call.method == *method;
    match path.as_slice() {
        ["environment"] if is(&get) || is(&patch) => Ok(environment(visit)),
        ["dev_browser"] if is(&post) => client::dev_browser(visit),

        ["client"] if is(&get) => Ok(client::read(visit)),
        ["client"] if is(&post) || is(&put) => Ok(client::create(visit)),
        ["client"] if is(&delete) => Ok(client::delete(visit)),
        ["client", "sessions"] if is(&delete) => Ok(client::sign_out(visit)),
        ["client", "handshake"] if is(&get) => handshake::handshake(visit),
        ["client", "touch"] if is(&get) => handshake::touch(visit),

        ["client", "sign_ins"] if is(&post) => sign_ins::create(visit),
        ["client", "sign_ins", id] if is(&get) => sign_ins::read(visit, id),
        ["client", "sign_ins", id, "prepare_first_factor"] if is(&post) => sign_in_factors::prepare(visit, id),
        ["client", "sign_ins", id, "attempt_first_factor"] if is(&post) => sign_in_factors::attempt(visit, id),
        ["client", "sign_ins", id, "reset_password"] if is(&post) => sign_in_factors::reset_password(visit, id),

        ["client", "sign_ups"] if is(&post) => sign_ups::create(visit),
        ["client", "sign_ups", id] if is(&get) => sign_ups::read(visit, id),
        ["client", "sign_ups", id] if is(&patch) => sign_ups::update(visit, id),
        ["client", "sign_ups", id, "prepare_verification"] if is(&post) => sign_ups::prepare(visit, id),
        ["client", "sign_ups", id, "attempt_verification"] if is(&post) => sign_ups::attempt(visit, id),

        ["client", "sessions", id] if is(&get) => sessions::read(visit, id),
        ["client", "sessions", id, "touch"] if is(&post) => sessions::touch(visit, id),
        ["client", "sessions", id, "tokens"] if is(&post) => sessions::token(visit, id),
        ["client", "sessions", id, "tokens", template] if is(&post) => sessions::template_token(visit, id, template),
        ["client", "sessions", id, "end"] if is(&post) => sessions::end(visit, id),
        ["client", "sessions", id, "remove"] if is(&post) => sessions::remove(visit, id),

        ["me"] if is(&get) => me::read(visit),
        ["me"] if is(&patch) => me::update(visit),
        ["me"] if is(&delete) => me::delete(visit),
        ["me", "metadata"] if is(&patch) => me::update_metadata(visit),
        ["me", "change_password"] if is(&post) => me::change_password(visit),
        ["me", "remove_password"] if is(&post) => me::remove_password(visit),
        ["me", "profile_image"] => me::profile_image(visit),
        ["me", "organization_memberships" | "organization_invitations" | "organization_suggestions"] if is(&get) => {
            me::nothing_listed(visit)
        }
        ["me", "sessions"] if is(&get) => me_sessions::list(visit, false),
        ["me", "sessions", "active"] if is(&get) => me_sessions::list(visit, true),
        ["me", "sessions", id, "revoke"] if is(&post) => me_sessions::revoke(visit, id),
        ["me", "email_addresses"] if is(&get) => me_emails::list(visit),
        ["me", "email_addresses"] if is(&post) => me_emails::add(visit),
        ["me", "email_addresses", id] if is(&get) => me_emails::read(visit, id),
        ["me", "email_addresses", id] if is(&delete) => me_emails::remove(visit, id),
        ["me", "email_addresses", id, "prepare_verification"] if is(&post) => me_emails::prepare(visit, id),
        ["me", "email_addresses", id, "attempt_verification"] if is(&post) => me_emails::attempt(visit, id),

        _ => Err(ApiError::no_such_endpoint(call.method.as_str(), &format!("/v1/{}", path.join("/")))),
    }
}
