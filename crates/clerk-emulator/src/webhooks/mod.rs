//! Webhooks as Clerk sends them, through Svix: events go to one endpoint on this machine, signed, in the background and
//! again until they are received.
//!
//! What must stay true:
//! - no request waits for a delivery;
//! - all tries of an event have the same `svix-id` and the same body, and a time and a signature of their own.
//!
//! Events wait in memory: a restart loses those that were not received.

mod deliver;
mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use url::{Host, Url};

use crate::faults::WebhookFate;
use crate::local_pages::LocalAccess;
use crate::response::Answer;
use queue::{Message, Queue};

pub(crate) use deliver::deliver;

/// The events that wait, and the last of those that do not. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Webhooks {
    endpoint: Option<Url>,
    queue: Arc<Mutex<Queue>>,
    changed: Arc<Notify>,
}

impl Webhooks {
    /// No events yet.
    pub(crate) fn new(endpoint: Option<Url>) -> Self {
        Self { endpoint, queue: Arc::default(), changed: Arc::default() }
    }

    /// Whether events go anywhere.
    pub(crate) fn has_endpoint(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Takes an event that happened now.
    pub(crate) fn enqueue(&self, id: String, event: Value, fate: WebhookFate) {
        self.queue().push(Message::new(id, event, Instant::now()), fate);
        self.wake();
    }

    /// Has the queue looked at again: there is an event, or other fault settings.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether webhooks may go there: this machine alone, in plain text.
pub(crate) fn is_local(endpoint: &Url) -> bool {
    let local = match endpoint.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    local && endpoint.scheme() == "http"
}

/// `GET /webhooks.json?token=…`: the last events and what became of them, newest first.
pub(crate) async fn json(_: LocalAccess, State(webhooks): State<Webhooks>) -> Response {
    Answer::ok(webhooks.queue().newest_first().map(Message::shown).collect()).into_response()
}

#[cfg(test)]
mod tests;
