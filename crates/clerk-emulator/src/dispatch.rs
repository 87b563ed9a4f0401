//! The one place where every API request passes: taken apart, given to one of the two APIs, answered.
//! Requests that are made to fail or wait on purpose do so here.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, OriginalUri, State};
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, Method, header};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::app::App;
use crate::call::Call;
use crate::errors::ApiError;
use crate::response::Answer;
use crate::{bapi, control, fapi, inbox, webhooks};

/// Largest request body in bytes: metadata is the largest thing sent, and Clerk allows 8 kB of it.
const BODY_LIMIT: usize = 256 * 1024;

/// All routes of the emulator.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/inbox", get(inbox::page))
        .route("/inbox.json", get(inbox::json))
        .route("/webhooks.json", get(webhooks::json))
        .route("/control", any(control::answer))
        .route("/.well-known/jwks.json", get(public_keys))
        .fallback(dispatch)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(map_response_with_state(app.clone(), dated))
        .with_state(app)
}

/// The answer with the emulator's own time as its `Date`: a client that compares clocks by it must see what tokens say.
async fn dated(State(app): State<Arc<App>>, mut response: Response) -> Response {
    let form =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    if app.clock.offset() != 0
        && let Ok(now) = OffsetDateTime::from_unix_timestamp(app.clock.now_s())
        && let Ok(date) = now.format(&form)
        && let Ok(date) = HeaderValue::try_from(date)
    {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn public_keys(State(app): State<Arc<App>>) -> Response {
    Answer::ok(app.keys.jwks()).into_response()
}

async fn dispatch(
    State(app): State<Arc<App>>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call::new(method.clone(), &uri, headers, &body);
    if let Ok(Some(call)) = &call
        && let Some(fault) = app.faults.take(&call.method, uri.path())
        && let Some(failure) = fault.apply(&app.random).await
    {
        tracing::debug!(target: "clerk_emulator", %method, path = uri.path(), "made to fail on purpose");
        return failure;
    }
    let answer = match call {
        Ok(Some(call)) if fapi::serves(&call.path) => fapi::answer(&app, &call),
        Ok(Some(call)) => bapi::answer(&app, &call),
        Ok(None) => Answer::error(&app.random, &ApiError::no_such_endpoint(method.as_str(), uri.path())),
        Err(error) => Answer::error(&app.random, &error),
    };
    tracing::debug!(target: "clerk_emulator", %method, path = uri.path(), status = answer.status.as_u16(), "request");
    answer.into_response()
}
