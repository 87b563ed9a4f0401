//! What becomes of every call to Clerk's Backend API when it fails: `fault-table.md` is written from here.
//!
//! `UPDATE_FAULT_TABLE=1` writes the file anew; every other run fails if the file and the code differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vestibule::model::ids::{SessionId, UserId};
use vestibule::model::onboarding::Delivery;
use vestibule::server::clerk::backend_api::{BackendApi, ClerkError, TimeLimits};
use vestibule::server::clerk::metadata::{MetadataChange, MetadataError, update_user_metadata};
use vestibule::server::config::Secret;
use vestibule::server::outbox::{Outbox, RelayOutcome, delivery_to};

use crate::outbox::{commit_only, delivered, relay};
use crate::support::clerk::SECRET_KEY;
use crate::support::{TestApp, soon};

const FILE: &str = "src/tests/fault-table.md";
const INTRO: &str = "# When Clerk's Backend API fails

Written by `src/tests/faults.rs` from what the code does; `UPDATE_FAULT_TABLE=1 cargo test` writes it anew. Every fault was
tried with every call: the instance's keys, a user, a change of metadata, the end of a session, a handshake's cookies, a
refresh. The last three columns are about a change of metadata in the outbox; after each fault Clerk was made well again.

| Fault | Calls | The error says | Code | Repeat? | The message is | The person sees | It heals |
|---|---|---|---|---|---|---|---|
";

#[derive(Clone)]
enum Fault {
    /// Takes the request and says nothing.
    Silence,
    /// Nobody listens.
    NoListener,
    /// Sends this, then closes the connection.
    Answer(String),
}

fn faults() -> Vec<(&'static str, Fault)> {
    let answer = |head: &str, kind: &str, body: &str| {
        let length = body.len();
        Fault::Answer(format!(
            "HTTP/1.1 {head}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        ))
    };
    let json =
        |head: &str, code: &str| answer(head, "application/json", &format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#));
    let html = "<!DOCTYPE html><title>Sorry</title>";
    let broken = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\": \"user_";
    vec![
        ("no answer in time", Fault::Silence),
        ("connection refused", Fault::NoListener),
        ("breaks off within the answer", Fault::Answer(broken.to_owned())),
        ("401", json("401 Unauthorized", "authentication_invalid")),
        ("404", json("404 Not Found", "resource_not_found")),
        ("409", json("409 Conflict", "resource_conflict")),
        ("422", json("422 Unprocessable Entity", "form_param_invalid")),
        ("429 with `Retry-After: 7`", json("429 Too Many Requests\r\nretry-after: 7", "too_many_requests")),
        ("429 with `Retry-After: 86400`", json("429 Too Many Requests\r\nretry-after: 86400", "too_many_requests")),
        ("429", json("429 Too Many Requests", "too_many_requests")),
        ("500", json("500 Internal Server Error", "internal_clerk_error")),
        ("503", json("503 Service Unavailable", "service_unavailable")),
        ("503 with HTML", answer("503 Service Unavailable", "text/html", html)),
        ("200 with HTML", answer("200 OK", "text/html", html)),
    ]
}

/// Listens for as long as the test runs, and gives the address.
async fn start(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    if !matches!(fault, Fault::NoListener) {
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, fault.clone()));
            }
        });
    }
    url
}

async fn answer(mut stream: TcpStream, fault: Fault) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) { continue } else { return }
    }
    match fault {
        Fault::Answer(text) => _ = stream.write_all(text.as_bytes()).await,
        _ => std::future::pending().await,
    }
}

/// Whether head and body are there. Closing earlier could reset the connection before the answer is read.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    body.len() >= length
}

/// Every call, by the name it has in the table.
async fn errors_of_all_calls(clerk: &BackendApi, user: &UserId) -> BTreeMap<&'static str, ClerkError> {
    let session = SessionId::parse("sess_1").expect("an id");
    let change = MetadataChange::set_plan(Some("pro"));
    let changed = update_user_metadata(clerk, user.as_str(), &change).await;
    let Err(MetadataError::Clerk(metadata)) = changed else { panic!("a fault of Clerk's: {changed:?}") };
    BTreeMap::from([
        ("keys", clerk.jwks().await.expect_err("a fault")),
        ("user", clerk.user(user).await.expect_err("a fault")),
        ("metadata", metadata),
        ("revoke", clerk.revoke_session(&session).await.expect_err("a fault")),
        ("handshake", clerk.handshake_payload("nonce").await.expect_err("a fault")),
        ("refresh", clerk.refresh_session(&session, true, &json!({})).await.expect_err("a fault")),
    ])
}

#[tokio::test]
async fn every_fault_of_every_call_is_as_the_table_says() {
    let app = TestApp::start().await;
    let mut table = INTRO.to_owned();
    for (number, (name, fault)) in faults().into_iter().enumerate() {
        // Short only where it is waited for in full.
        let limit = Duration::from_millis(if matches!(fault, Fault::Silence) { 150 } else { 8_000 });
        let url = start(fault).await.parse().expect("an address");
        let limits = TimeLimits { connect: limit, call: limit };
        let clerk = BackendApi::with_time_limits(url, Secret::new(SECRET_KEY), app.clock.clone(), limits);
        let clerk = clerk.expect("a client");
        let user = format!("user_{number}");
        let errors = soon(name, errors_of_all_calls(&clerk, &UserId::parse(&user).expect("an id"))).await;
        let (message, sees, heals) = soon(name, through_the_outbox(&app, clerk, &user)).await;
        for (calls, error) in grouped(errors) {
            let repeat = if error.is_retryable() { "yes" } else { "no" };
            // Only the group with the metadata call has to do with the outbox.
            let outbox = match calls.as_str() {
                "all" | "metadata" => [message.as_str(), sees, heals],
                _ => ["", "", ""],
            };
            let (says, code) = (error.to_string(), format!("`{}`", error.code()));
            let cells: Vec<_> = [name, &calls, &says, &code, repeat].into_iter().chain(outbox).collect();
            writeln!(table, "| {} |", cells.join(" | ")).expect("a text");
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    if std::env::var_os("UPDATE_FAULT_TABLE").is_some() {
        std::fs::write(&path, &table).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, table, "{FILE} is out of date: UPDATE_FAULT_TABLE=1 writes it anew");
}

/// Calls with equal errors share a row.
fn grouped(errors: BTreeMap<&'static str, ClerkError>) -> Vec<(String, ClerkError)> {
    let count = errors.len();
    let mut groups: Vec<(Vec<&str>, ClerkError)> = Vec::new();
    for (call, error) in errors {
        match groups.iter_mut().find(|(_, known)| *known == error) {
            Some((calls, _)) => calls.push(call),
            None => groups.push((vec![call], error)),
        }
    }
    let name = |calls: Vec<&str>| if calls.len() == count { "all".to_owned() } else { calls.join(", ") };
    groups.into_iter().map(|(calls, error)| (name(calls), error)).collect()
}

/// Sends a message while Clerk fails, and again when it is well.
async fn through_the_outbox(app: &TestApp, clerk: BackendApi, user: &str) -> (String, &'static str, &'static str) {
    let outbox = Outbox::new(app.pools.worker.clone(), clerk, app.clock.clone(), app.state.tasks().clone());
    commit_only(app, user).await;
    let outcome = relay(&outbox).await;
    let sees = match delivery_to(&app.pools.worker, user).await.expect("the database answers") {
        Delivery::Delivered => "`delivered`",
        Delivery::Pending => "`pending`: their organization, and that the session catches up later",
        Delivery::Failed => "`failed`: their organization, and that an operator must look",
    };
    match outcome {
        RelayOutcome::Postponed { wait, .. } => {
            assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "not before its time");
            app.clock.advance(wait);
            assert_eq!(relay(app.state.outbox()).await, delivered(user));
            let after = match wait.whole_seconds() {
                0 => "half a second at most".to_owned(),
                seconds if seconds < 60 => format!("{seconds} s"),
                seconds => format!("{} min", seconds / 60),
            };
            (format!("postponed by {after}"), sees, "by itself, at the next attempt")
        }
        RelayOutcome::Dead { .. } => {
            app.clock.advance(time::Duration::days(2));
            assert_eq!(relay(app.state.outbox()).await, RelayOutcome::Idle, "never again");
            commit_only(app, user).await;
            assert_eq!(relay(app.state.outbox()).await, delivered(user));
            let after = delivery_to(&app.pools.worker, user).await.expect("the database answers");
            assert_eq!(after, Delivery::Delivered);
            ("given up, kept with its reason".to_owned(), sees, "with the next change that gets through")
        }
        outcome => panic!("{outcome:?}"),
    }
}
