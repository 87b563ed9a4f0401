//! Clerk's webhooks: which are accepted, and what they change, even if they come twice, late or in another order.
mod effects;
mod order;
mod receiving;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use vestibule::server::webhooks::{ApplyOutcome, WebhookOutcome, Webhooks};

use crate::support::{NOW, Reply, TestApp, soon};

const PATH: &str = "/api/webhooks/clerk";
/// The secret in the examples of the scheme's own libraries.
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER_SECRET: &str = "whsec_YW5vdGhlciBzZWNyZXQsIDI0IGJ5dGVz";
/// A message, and Python's `hmac` of `msg_1.1767323045.` plus the message with the two secrets.
const BODY: &str =
    r#"{"data":{"id":"user_ada","object":"user","deleted":true},"object":"event","type":"user.deleted"}"#;
const SIGNATURE: &str = "KfAwAhekeX1uD6H1X6RIUhrzOLM+Lujm8/4utmsziEU=";
const OTHER_SIGNATURE: &str = "bjsvQXtKtsaRXKDQE24xlW3dXKTBoHuD0vQC5P/rmdw=";

const ADA: &str = "user_ada";

async fn start() -> TestApp {
    TestApp::start_with(&[("CLERK_WEBHOOK_SIGNING_SECRET", SECRET)]).await
}

/// A message as Svix sends it.
fn message(id: &str, timestamp: &str, signature: &str, body: impl Into<Body>) -> Request<Body> {
    let mut builder = Request::builder()
        .method(Method::POST)
        .uri(PATH)
        .header("host", "app.example.com")
        .header("content-type", "application/json")
        .header("user-agent", "Svix-Webhooks/1.62");
    for (name, value) in [("svix-id", id), ("svix-timestamp", timestamp), ("svix-signature", signature)] {
        if !value.is_empty() {
            builder = builder.header(name, value);
        }
    }
    builder.body(body.into()).expect("a request")
}

/// Sends a message signed by the scheme's own library.
async fn send(app: &TestApp, id: &str, body: &str) -> Reply {
    let now = app.clock.now().unix_timestamp();
    let signature = Webhook::new(SECRET).expect("a secret").sign(id, now, body.as_bytes()).expect("signed");
    app.send(message(id, &now.to_string(), &signature, body.to_owned())).await
}

async fn send_event(app: &TestApp, id: &str, kind: &str, data: &Value) {
    let envelope = json!({
        "data": data, "object": "event", "type": kind, "timestamp": NOW * 1000, "instance_id": "ins_1",
        "event_attributes": {"http_request": {"client_ip": "192.0.2.1", "user_agent": "Mozilla"}}
    });
    let reply = send(app, id, &envelope.to_string()).await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
}

/// A user as Clerk describes it, at a time in milliseconds.
fn user(id: &str, name: &str, updated_at: i64) -> Value {
    json!({
        "id": id, "object": "user", "first_name": name, "last_name": null, "username": null,
        "primary_email_address_id": "idn_1",
        "email_addresses": [{
            "id": "idn_1", "object": "email_address", "email_address": format!("{}@example.test", name.to_lowercase()),
            "linked_to": [], "verification": {"status": "verified", "strategy": "email_code"}
        }],
        "public_metadata": {}, "private_metadata": {"secret": "x"}, "unsafe_metadata": {},
        "created_at": 1_767_000_000_000_i64, "updated_at": updated_at
    })
}

fn deleted(id: &str) -> Value {
    json!({"id": id, "object": "user", "deleted": true})
}

async fn apply(webhooks: &Webhooks) -> ApplyOutcome {
    soon("a look at the messages", webhooks.apply_one()).await.expect("the database answers")
}

/// Applies everything that is due, and gives how each ended.
async fn drain(webhooks: &Webhooks) -> Vec<WebhookOutcome> {
    let mut ends = Vec::new();
    loop {
        match apply(webhooks).await {
            ApplyOutcome::Idle => return ends,
            ApplyOutcome::Done { end, .. } => ends.push(end),
            other => panic!("{other:?}"),
        }
    }
}

/// Sends one event and applies it.
async fn take(app: &TestApp, id: &str, kind: &str, data: &Value) -> ApplyOutcome {
    send_event(app, id, kind, data).await;
    apply(app.state.webhooks()).await
}

fn done(id: &str, end: WebhookOutcome) -> ApplyOutcome {
    ApplyOutcome::Done { id: id.to_owned(), end, ownerless: Vec::new() }
}

/// A row as JSON, or null.
async fn row(app: &TestApp, query: &'static str, parameter: &str) -> Value {
    let found: Option<String> = app.database.value(query, parameter).await;
    found.map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON"))
}

async fn profile(app: &TestApp, user: &str) -> Value {
    row(app, "select (select to_json(p)::text from user_profiles p where user_id = $1)", user).await
}

async fn stored(app: &TestApp, id: &str) -> Value {
    row(app, "select (select to_json(w)::text from webhook_messages w where id = $1)", id).await
}

async fn messages(app: &TestApp) -> i64 {
    app.database.value("select count(*) from webhook_messages where $1 = ''", "").await
}

async fn outbox(app: &TestApp) -> i64 {
    app.database.value("select count(*) from outbox_messages where $1 = ''", "").await
}
