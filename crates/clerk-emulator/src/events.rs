//! The events that webhooks carry, in Clerk's shapes: a user was created, changed or deleted, a session began or ended.
//!
//! What must stay true: an event is made where the record changes (`users`), after its line in the journal; without an
//! endpoint none is made. Users who exist from the start make none.

use serde_json::{Value, json};

use crate::app::App;
use crate::objects;
use crate::records::{Session, User};
use crate::store::Store;

/// A user was created or changed: `user.created` or `user.updated`.
pub(crate) fn notify_user(app: &App, store: &Store, kind: &str, user: &User) {
    notify(app, store, kind, || objects::user_with_private_metadata(user));
}

/// A user was deleted.
pub(crate) fn notify_deleted_user(app: &App, store: &Store, user: &User) {
    notify(app, store, "user.deleted", || {
        let mut data = json!({"object": "user", "id": user.id, "deleted": true});
        if let Some(external_id) = &user.external_id {
            data["external_id"] = json!(external_id);
        }
        data
    });
}

/// A session began or ended: `created`, or its status.
pub(crate) fn notify_session(app: &App, store: &Store, kind: &str, session: &Session) {
    notify(app, store, &format!("session.{kind}"), || {
        let mut data = objects::backend_session(session, app.clock.now_ms());
        data["user"] = store.users.get(&session.user_id).map(objects::user_with_private_metadata).into();
        data
    });
}

fn notify(app: &App, store: &Store, kind: &str, data: impl FnOnce() -> Value) {
    if !app.webhooks.has_endpoint() {
        return;
    }
    let event = json!({
        "data": data(), "object": "event", "type": kind, "timestamp": app.clock.now_ms(), "instance_id": app.keys.key_id,
        "event_attributes": {
            "http_request": {"client_ip": store.caller.client_ip, "user_agent": store.caller.user_agent},
        },
    });
    app.webhooks.enqueue(app.random.id("msg"), event, app.faults.take_webhook());
}
