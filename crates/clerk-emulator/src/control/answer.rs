//! Requests to `/control?token=…`: JSON with GET, PUT and DELETE for tests, a page and its form for people.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::super::app::App;
use super::super::local_pages::{self, Key};
use super::super::response::Answer;
use super::form::Form;
use super::page;
use super::wishes::Wishes;

/// Answers a request to the control.
pub(in super::super) async fn answer(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(key): Query<Key>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !local_pages::may_read(&app, peer, &key) {
        return local_pages::refused();
    }
    match method {
        Method::GET if text(&headers, "accept").is_some_and(|kinds| kinds.contains("text/html")) => {
            let wishes = app.control.wished(Wishes::clone);
            return shown(&app, &Form::of(&wishes), None);
        }
        Method::POST => return submitted(&app, &headers, &body),
        Method::GET => {}
        Method::DELETE => super::set(&app, Wishes::default()),
        Method::PUT => match Wishes::read(&body) {
            Ok(wishes) => super::set(&app, wishes),
            Err(error) => {
                let answer = json!({"error": format!("not understood, and nothing was changed: {error}")});
                return Answer { status: StatusCode::UNPROCESSABLE_ENTITY, ..Answer::ok(answer) }.into_response();
            }
        },
        _ => return StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
    Answer::ok(app.control.wished(|wishes| json!(wishes))).into_response()
}

/// What the page sends. Whoever knows the address could send it from anywhere; only the page may.
fn submitted(app: &App, headers: &HeaderMap, body: &[u8]) -> Response {
    if !is_of_this_page(headers) {
        let text = "Only the control's own page may send this form. Programs use PUT and DELETE, with JSON.\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let form = Form::read(body);
    let wishes = if form.ticked("well") { Ok(Wishes::default()) } else { form.wishes() };
    match wishes {
        Ok(wishes) => {
            super::set(app, wishes);
            let location = [(header::LOCATION, local_pages::address(app, "/control"))];
            (StatusCode::SEE_OTHER, location).into_response()
        }
        Err(wrong) => {
            let mut response = shown(app, &form, Some(&wrong));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
    }
}

fn shown(app: &App, form: &Form, wrong: Option<&str>) -> Response {
    let wishes = app.control.wished(Wishes::clone);
    local_pages::page(app, "Control", &page::body(app, &wishes, form, wrong), None)
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
