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

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use apply::{ApplyOutcome, WebhookOutcome, Webhooks};

use crate::model::failure::{Failure, FailureCode};
use crate::server::failpoint::point;
use crate::server::failures;

/// Largest body, in bytes. A user may carry metadata of 8 kB three times over, and many addresses.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// Longest type of an event. Clerk's longest has about 40.
const MAX_TYPE_BYTES: usize = 100;

/// What became of a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Received {
    Stored,
    /// Its id was known already.
    Duplicate,
    /// It means nothing to us. Its id and type are stored.
    Ignored,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

impl Webhooks {
    /// Verifies and stores a message, by its raw bytes.
    ///
    /// # Errors
    /// It is not verified, or cannot be read or stored. Clerk sends it again.
    pub async fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Result<Received, Failure> {
        if self.keys().is_empty() {
            tracing::error!("a webhook came in, but CLERK_WEBHOOK_SIGNING_SECRET is not set");
            return Err(Failure::new(
                FailureCode::Unavailable,
                "CLERK_WEBHOOK_SIGNING_SECRET is not set, so no webhook can be verified. Nothing was stored. Copy the signing secret from Clerk's dashboard, Webhooks, and start again.",
            ));
        }
        let id = signature::verify(self.keys(), headers, body, self.now()).map_err(|error| {
            tracing::warn!(webhook.rejected = %error, "rejected a webhook");
            Failure::new(
                FailureCode::SignatureRefused,
                format!("This webhook could not be verified: {error}. Nothing was stored."),
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
        point("webhook.verified");
        let received = self.store(id, &kind, data).await.map_err(|error| failures::unavailable(&error))?;
        point("webhook.stored");
        Ok(received)
    }
}

fn is_plausible(envelope: &Envelope) -> bool {
    let kind = &envelope.kind;
    let plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (1..=MAX_TYPE_BYTES).contains(&kind.len()) && plain && envelope.data.is_object()
}
