//! GET, PUT and DELETE `/control?token=…`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use serde_json::json;

use super::super::app::App;
use super::super::inbox::{self, Key};
use super::super::response::Answer;
use super::wishes::Wishes;

/// Answers a request to the control.
pub(in super::super) async fn answer(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(key): Query<Key>,
    method: Method,
    body: Bytes,
) -> Response {
    if !inbox::may_read(&app, peer, &key) {
        return inbox::refused();
    }
    match method {
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
