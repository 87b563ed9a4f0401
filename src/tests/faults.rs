//! What becomes of every call to Clerk's Backend API when it fails: `fault-table.md` is written from here.
//!
//! `UPDATE_FAULT_TABLE=1` writes the file anew; every other run fails if the file and the code differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use serde_json::json;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vestibule::model::ids::{SessionId, UserId};
use vestibule::model::onboarding::Delivery;
use vestibule::server::clerk::backend_api::{BackendApi, ClerkError};
use vestibule::server::clerk::metadata::{MetadataChange, MetadataError, update_user_metadata};
use vestibule::server::outbox::{RelayOutcome, delivery_to};

use crate::outbox::{commit_only, delivered, relay};
use crate::support::keys::token;
use crate::support::{TestApp, Who, request, soon};

const ADA: &str = "user_ada";
const FILE: &str = "src/tests/fault-table.md";
const INTRO: &str = "# When Clerk's Backend API fails

Written by `src/tests/faults.rs` from what the code does; `UPDATE_FAULT_TABLE=1 cargo test` writes it anew. Every fault was
tried with every call: the instance's keys, a user, a change of metadata, the end of a session, a handshake's cookies, a
refresh. The last three columns are about a person who creates an organization meanwhile, and its message in the outbox.
What they see is how the answer calls the delivery, and the cause on the page at which the wait for a session ends; the
dashboard, which can be opened from there, says “Your session is still catching up.” After each fault Clerk was made well.

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
async fn errors_of_all_calls(clerk: &BackendApi) -> BTreeMap<&'static str, ClerkError> {
    let user = &UserId::parse(ADA).expect("an id");
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
    let mut table = INTRO.to_owned();
    // One after the other: what the answer says of the delivery depends on two seconds of real time.
    for (name, fault) in faults() {
        table += &rows_of(name, fault).await;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    if std::env::var_os("UPDATE_FAULT_TABLE").is_some() {
        std::fs::write(&path, &table).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(kept, table, "{FILE} is out of date: UPDATE_FAULT_TABLE=1 writes it anew");
}

/// What every call says of a fault, and what it does to a person who creates an organization.
async fn rows_of(name: &str, fault: Fault) -> String {
    // Short only where it is waited for in full.
    let limit = if matches!(fault, Fault::Silence) { "150" } else { "8000" };
    let url = start(fault).await;
    let app = TestApp::start_with(&[("CLERK_API_URL", &url), ("CLERK_TIMEOUT_MS", limit)]).await;
    let errors = soon(name, errors_of_all_calls(app.state.clerk())).await;
    let sees = what_the_person_sees(&app).await;
    let (message, heals) = soon(name, what_becomes_of_the_message(&app, &errors["metadata"])).await;
    let mut rows = String::new();
    for (calls, error) in grouped(errors) {
        let repeat = if error.is_retryable() { "yes" } else { "no" };
        // Only the group with the metadata call has to do with the outbox.
        let outbox =
            if calls == "all" || calls.contains("metadata") { [message.as_str(), &sees, heals] } else { [""; 3] };
        let (says, code) = (error.to_string(), format!("`{}`", error.code()));
        let cells: Vec<_> = [name, &calls, &says, &code, repeat].into_iter().chain(outbox).collect();
        writeln!(rows, "| {} |", cells.join(" | ")).expect("a text");
    }
    rows
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

/// A person creates an organization while Clerk fails: the answer's `delivery`, and what the page says on which their wait ends.
async fn what_the_person_sees(app: &TestApp) -> String {
    let stale = token(ADA);
    let who = Who::Cookie(&stale);
    let form = json!({"name": "Acme Studio", "slug": "acme"});
    let created = app.post_json("/api/rpc/create_organization", who, &form).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");

    let waiting = app.get("/dashboard", who).await.location().to_owned();
    assert!(waiting.starts_with("/token-pending?"), "never the form again: {waiting}");
    let page = app.get(&format!("{waiting}&tried=1"), who).await.body;
    assert!(page.contains("Acme Studio") && page.contains("Open the dashboard"), "{page}");

    let anyway = request(Method::GET, "/dashboard", who).header(header::COOKIE, "vestibule_anyway=1");
    let inside = app.send(anyway.body(Body::empty()).expect("a request")).await;
    assert!(inside.status == StatusCode::OK && inside.body.contains("Acme Studio"), "{inside:?}");
    assert_eq!(notice(&inside.body), "Your session is still catching up.");
    let cause = notice(&page);
    let cause = cause.strip_prefix("Cause: ").unwrap_or_else(|| panic!("a cause: {cause}"));
    format!("`{}`: “{cause}”", created.text("/delivery"))
}

/// The first sentence of a page's notice.
fn notice(page: &str) -> String {
    let (_, rest) = page.split_once("class=\"notice\"><p>").unwrap_or_else(|| panic!("no notice: {page}"));
    let html = rest.split_once("</p>").unwrap_or_else(|| panic!("no end: {rest}")).0;
    // Without tags, and the comments that Leptos puts where texts change.
    let text: String = html
        .split('<')
        .enumerate()
        .map(|(n, part)| if n == 0 { part } else { part.split_once('>').unwrap_or_default().1 })
        .collect();
    text.split_inclusive('.').next().unwrap_or_default().to_owned()
}

/// What the row says after the first attempt, and when it heals once Clerk is well again.
async fn what_becomes_of_the_message(app: &TestApp, error: &ClerkError) -> (String, &'static str) {
    app.settled().await;
    let (available_at, is_dead, last_error): (OffsetDateTime, bool, String) =
        sqlx::query_as("select available_at, dead_at is not null, last_error from outbox_messages where user_id = $1")
            .bind(ADA)
            .fetch_one(&app.database.owner)
            .await
            .expect("one message");
    assert_eq!(last_error, error.to_string());
    let (well, clock) = app.second_process();
    clock.advance(app.clock.now() - clock.now());
    let delivery = async || delivery_to(&app.pools.worker, ADA).await.expect("the database answers");
    let wait = available_at - clock.now();
    if is_dead {
        clock.advance(time::Duration::days(2));
        app.database.set_clock(clock.now()).await;
        assert_eq!(relay(well.outbox()).await, RelayOutcome::Idle, "never again");
        assert_eq!(delivery().await, Delivery::Failed);
        commit_only(app, ADA).await;
        assert_eq!(relay(well.outbox()).await, delivered(ADA));
        assert_eq!(delivery().await, Delivery::Delivered);
        return ("given up, kept with its reason".to_owned(), "with the next change that gets through");
    }
    assert!(wait.is_positive() && relay(well.outbox()).await == RelayOutcome::Idle, "not before its time");
    assert_eq!(delivery().await, Delivery::Pending);
    clock.advance(wait);
    assert_eq!(relay(well.outbox()).await, delivered(ADA));
    assert_eq!(delivery().await, Delivery::Delivered);
    let after = match wait.whole_seconds() {
        0 => "half a second at most".to_owned(),
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    };
    (format!("postponed by {after}"), "by itself, at the next attempt")
}
