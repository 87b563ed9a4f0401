//! The control endpoint, `/control?token=…`: reads and sets the fault settings. JSON with GET, PUT (all settings at once)
//! and DELETE (back to the defaults) for tests; a browser gets a page with a form that does the same.

mod fields;
mod form;
mod page;
mod words;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use crate::app::App;
use crate::faults::FaultSettings;
use crate::local_pages::{self, LocalAccess, PageToken};
use crate::response::Answer;
use form::Form;

/// Answers a request to the control.
pub(crate) async fn answer(
    LocalAccess(token): LocalAccess,
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match method {
        Method::GET if text(&headers, "accept").is_some_and(|kinds| kinds.contains("text/html")) => {
            return shown(&app, &token, &Form::of(&app.faults.settings()), None);
        }
        Method::POST => return submitted(&app, &token, &headers, &body),
        Method::GET => {}
        Method::DELETE => set(&app, FaultSettings::default()),
        Method::PUT => match FaultSettings::read(&body) {
            Ok(settings) => set(&app, settings),
            Err(error) => {
                let answer = json!({"error": format!("rejected, nothing was changed: {error}")});
                return Answer { status: StatusCode::UNPROCESSABLE_ENTITY, ..Answer::ok(answer) }.into_response();
            }
        },
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
    Answer::ok(json!(app.faults.settings())).into_response()
}

/// Replaces all settings, and starts rate limits over.
fn set(app: &App, settings: FaultSettings) {
    // The records first, as in every request: the two locks are always taken in this order.
    let mut store = app.store();
    let went_back = app.faults.replace(settings, &app.clock);
    app.limits.reset();
    app.webhooks.wake();
    if !went_back {
        return;
    }
    // What happened in a time that is taken back, happened now. Else `__client_uat` would be younger than every new token:
    // servers answer that with one handshake after another.
    let now = app.clock.now_ms();
    let ahead = store.clients.values().filter(|client| client.updated_at > now).cloned().collect::<Vec<_>>();
    for mut client in ahead {
        client.created_at = client.created_at.min(now);
        client.updated_at = now;
        store.put(client);
    }
}

/// What the page sends. Any page could send a form to a known address; only the control's own may.
fn submitted(app: &App, token: &PageToken, headers: &HeaderMap, body: &[u8]) -> Response {
    if !is_of_this_page(headers) {
        let text = "Only the control's own page may send this form. Programs use PUT and DELETE, with JSON.\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let form = Form::read(body);
    let settings = if form.is_ticked("reset") { Ok(FaultSettings::default()) } else { form.settings() };
    match settings {
        Ok(settings) => {
            set(app, settings);
            (StatusCode::SEE_OTHER, [(header::LOCATION, token.address("/control"))]).into_response()
        }
        Err(wrong) => {
            let mut response = shown(app, token, &form, Some(&wrong));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
    }
}

fn shown(app: &App, token: &PageToken, form: &Form, wrong: Option<&str>) -> Response {
    let body = page::body(token, app.token_lifetime, &app.faults.settings(), form, wrong);
    local_pages::page(token, "Control", &body, None)
}

/// Whether a form comes from a page of this very address. Browsers say so in one header or the other.
fn is_of_this_page(headers: &HeaderMap) -> bool {
    match (text(headers, "sec-fetch-site"), text(headers, "origin"), text(headers, "host")) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
        _ => false,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod http_tests;
#[cfg(test)]
mod page_tests;
