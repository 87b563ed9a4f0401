//! What Clerk tells us: received, verified and stored at once, applied afterwards.
//!
//! What must stay true:
//! - Nothing is read before the signature is verified, and nothing but the database is asked before the answer.
//! - A message is stored once by its id, applied once, and in any order with the same end: the rules are in
//!   `sync_clerk_user` and `forget_clerk_user` (`migrations/`).
//! - A message is never lost, only applied, ignored or dead with a reason.

mod apply;
mod event;
pub mod signature;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use apply::{ApplyOutcome, WebhookOutcome, Webhooks};

use crate::model::failure::{Failure, FailureCode};
use crate::server::failures;
use crate::server::runtime::state::AppState;
use crate::server::runtime::telemetry;

/// Largest body, in bytes. A person may carry metadata of 8 kB three times over, and many addresses.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Longest type of an event. Clerk's longest has about 40.
const MAX_TYPE_BYTES: usize = 100;

/// What became of a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Received {
    Stored,
    /// Its id was known already.
    Duplicate,
    /// It means nothing to us. Its id and type are stored.
    Ignored,
}

#[derive(Serialize)]
struct Answer {
    received: Received,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

/// `POST /api/webhooks/clerk`: 200 once the message is stored, or was before. Any other answer makes Clerk send it again.
pub async fn receive(State(app): State<AppState>, headers: HeaderMap, body: Bytes) -> Response {
    match store(&app, &headers, &body).await {
        Ok(received) => (StatusCode::OK, Json(Answer { received })).into_response(),
        Err(failure) => Failure { request_id: telemetry::request_id(&headers), ..failure }.into_response(),
    }
}

async fn store(app: &AppState, headers: &HeaderMap, body: &[u8]) -> Result<Received, Failure> {
    let keys = &app.config().clerk.webhook_keys;
    if keys.is_empty() {
        tracing::error!("a webhook came in, but CLERK_WEBHOOK_SIGNING_SECRET is not set");
        return Err(Failure::new(
            FailureCode::Unavailable,
            "CLERK_WEBHOOK_SIGNING_SECRET is not set, so no webhook can be verified. Nothing was stored. Copy the signing secret from Clerk's dashboard, Webhooks, and start again.",
        ));
    }
    let id = signature::verify(keys, headers, body, app.clock().now().unix_timestamp()).map_err(|error| {
        tracing::warn!(webhook.refused = %error, "refused a webhook");
        Failure::new(
            FailureCode::SignatureRefused,
            format!("This webhook is not believed: {error}. Nothing was stored."),
        )
    })?;
    let envelope = serde_json::from_slice(body).ok().filter(is_plausible).ok_or_else(|| {
        tracing::error!(webhook.id = %id, "a signed webhook cannot be read");
        Failure::new(
            FailureCode::Invalid,
            "The body must be a JSON object with the text \"type\" and the object \"data\". Nothing was stored.",
        )
    })?;
    let Envelope { kind, data } = envelope;
    telemetry::point("webhook.verified");
    let received = app.webhooks().store(id, &kind, data).await.map_err(|error| failures::unavailable(&error))?;
    telemetry::point("webhook.stored");
    Ok(received)
}

fn is_plausible(envelope: &Envelope) -> bool {
    let kind = &envelope.kind;
    let plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (1..=MAX_TYPE_BYTES).contains(&kind.len()) && plain && envelope.data.is_object()
}
