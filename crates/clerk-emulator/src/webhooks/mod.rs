//! Webhooks as Clerk sends them, through Svix: what happens to people and sessions is told to one address on this
//! machine, signed, in the background and again until it is received.
//!
//! What must stay true:
//! - an event is made where the record changes (`people`), after its line in the journal, and no request waits for it;
//! - all tries of an event have the same `svix-id` and the same body, and a time and a signature of their own;
//! - without an address nothing is made.
//!
//! Events wait in memory: a restart loses those that were not received. People who exist from the start are not told of.

mod deliver;
mod queue;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use url::{Host, Url};

use super::app::App;
use super::call::Call;
use super::local_pages::{self, Key};
use super::objects;
use super::records::{Session, User};
use super::response::Answer;
use super::store::Store;
use queue::{Message, Queue};

pub(super) use deliver::deliver;

/// Whose request changes the records: every event names them.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    client_ip: String,
    user_agent: String,
}

impl Caller {
    /// Who sent a request.
    pub(super) fn of(call: &Call) -> Self {
        Self {
            client_ip: call.client_address().to_owned(),
            user_agent: call.header("user-agent").unwrap_or_default().to_owned(),
        }
    }
}

/// The events that wait, and the last of those that do not.
#[derive(Debug)]
pub(super) struct Webhooks {
    endpoint: Option<Url>,
    queue: Mutex<Queue>,
    changed: Notify,
}

impl Webhooks {
    /// Nothing to tell yet.
    pub(super) fn new(endpoint: Option<Url>) -> Self {
        Self { endpoint, queue: Mutex::default(), changed: Notify::new() }
    }

    /// Has the queue looked at again: there is an event, or other wishes.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether webhooks may go there: this machine alone, in plain text.
pub(super) fn is_local(endpoint: &Url) -> bool {
    let local = match endpoint.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    local && endpoint.scheme() == "http"
}

/// Tells of a person who was made or changed.
pub(super) fn tell_of_user(app: &App, store: &Store, kind: &str, user: &User) {
    tell(app, store, kind, || objects::user_with_private_metadata(user));
}

/// Tells of a person who is gone.
pub(super) fn tell_of_deleted_user(app: &App, store: &Store, user: &User) {
    tell(app, store, "user.deleted", || {
        let mut data = json!({"object": "user", "id": user.id, "deleted": true});
        if let Some(external_id) = &user.external_id {
            data["external_id"] = json!(external_id);
        }
        data
    });
}

/// Tells of a session that began or ended: `session.created`, or its status.
pub(super) fn tell_of_session(app: &App, store: &Store, kind: &str, session: &Session) {
    tell(app, store, &format!("session.{kind}"), || {
        let mut data = objects::backend_session(session, app.clock.now_ms());
        data["user"] = store.users.get(&session.user_id).map(objects::user_with_private_metadata).into();
        data
    });
}

fn tell(app: &App, store: &Store, kind: &str, data: impl FnOnce() -> Value) {
    if app.webhooks.endpoint.is_none() {
        return;
    }
    let event = json!({
        "data": data(), "object": "event", "type": kind, "timestamp": app.clock.now_ms(), "instance_id": app.keys.key_id,
        "event_attributes": {
            "http_request": {"client_ip": store.caller.client_ip, "user_agent": store.caller.user_agent},
        },
    });
    let fate = app.control.take_webhook();
    app.webhooks.queue().push(Message::new(app.random.id("msg"), event, Instant::now()), fate);
    app.webhooks.wake();
}

/// `GET /webhooks.json?token=…`: the last events and what became of them, newest first.
pub(super) async fn json(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(key): Query<Key>,
) -> Response {
    if !local_pages::may_read(&app, peer, &key) {
        return local_pages::refused();
    }
    let list = app.webhooks.queue().newest_first().map(Message::shown).collect::<Value>();
    Answer::ok(list).into_response()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
