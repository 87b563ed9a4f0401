//! A proxy between the app and Clerk: breaks calls that change metadata, records what Clerk really received, and routes
//! webhooks to the running processes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

use super::app::App;

/// Longest delay. Less than the app's limit for a call: a retry must not overtake the first call at Clerk.
const DELAY_MS: std::ops::RangeInclusive<u64> = 5..=60;

/// The running proxy. It ends with the test's runtime.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    url: String,
    http: reqwest::Client,
    memory: Mutex<Memory>,
}

struct Memory {
    clerk: String,
    apps: Vec<String>,
    rng: Rng,
    /// How likely a call is broken.
    chance: f64,
    /// How many of the next calls certainly fail.
    failing: usize,
    broken: usize,
    /// By user.
    received: HashMap<String, Received>,
}

/// What Clerk received about a user.
#[derive(Clone, Default)]
struct Received {
    /// One call at a time, in order of arrival.
    turn: Arc<tokio::sync::Mutex<()>>,
    changes: usize,
    organizations: Vec<String>,
}

/// What happens to a call.
#[derive(Clone, Copy)]
enum Fault {
    /// The connection is cut before Clerk receives the call.
    CutBefore,
    /// Clerk applies the call, and the response is lost.
    CutAfter,
    Refused(u16, Option<u64>),
    DelayBefore(u64),
    DelayAfter(u64),
}

impl Proxy {
    /// Binds an address.
    pub async fn bind() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        let (clerk, apps, received) = (String::new(), Vec::new(), HashMap::new());
        let memory =
            Mutex::new(Memory { clerk, apps, rng: Rng::with_seed(0), chance: 0.0, failing: 0, broken: 0, received });
        (Self(Arc::new(Inner { url, http, memory })), listener)
    }

    /// Forwards calls to `clerk` from now on.
    pub fn serve(&self, listener: TcpListener, clerk: &str) {
        self.memory().clerk = clerk.to_owned();
        let router = Router::new().route("/webhooks", post(webhook)).fallback(call).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    pub fn webhook_url(&self) -> Url {
        format!("{}/webhooks", self.0.url).parse().expect("an address")
    }

    /// Routes each webhook to one of these processes.
    pub fn route_webhooks_to(&self, apps: &[&App]) {
        self.memory().apps = apps.iter().map(|app| app.url.clone()).collect();
    }

    /// Breaks calls with this probability from now on.
    pub fn break_calls(&self, rng: Rng, chance: f64) {
        let mut memory = self.memory();
        (memory.rng, memory.chance) = (rng, chance);
    }

    /// Fails this many of the next calls, whatever the probability.
    pub fn fail_next(&self, calls: usize) {
        self.memory().failing = calls;
    }

    /// How many calls were broken.
    pub fn broken(&self) -> usize {
        self.memory().broken
    }

    /// How many changes of a user's metadata Clerk made.
    pub fn changes(&self, user: &str) -> usize {
        self.memory().received.get(user).map_or(0, |received| received.changes)
    }

    /// What a user's `activeOrgId` was at Clerk, in order.
    pub fn organizations(&self, user: &str) -> Vec<String> {
        self.memory().received.get(user).map(|received| received.organizations.clone()).unwrap_or_default()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().expect("not poisoned")
    }

    fn fault(&self) -> Option<Fault> {
        let mut memory = self.memory();
        let (chance, failing) = (memory.chance, memory.failing > 0);
        memory.failing = memory.failing.saturating_sub(1);
        // The last two are delays, which are not failures.
        let kinds = if failing { 5 } else { 7 };
        let fault = (failing || memory.rng.f64() < chance).then(|| match memory.rng.u8(..kinds) {
            0 => Fault::CutBefore,
            1 | 2 => Fault::CutAfter,
            3 => Fault::Refused(500, None),
            4 => Fault::Refused(429, Some(u64::from(memory.rng.u8(..4) == 0))),
            5 => Fault::DelayBefore(memory.rng.u64(DELAY_MS)),
            _ => Fault::DelayAfter(memory.rng.u64(DELAY_MS)),
        });
        memory.broken += usize::from(fault.is_some());
        fault
    }

    async fn forward(&self, method: Method, url: String, mut headers: HeaderMap, body: Bytes) -> Option<Response> {
        headers.remove(header::HOST);
        let answer = self.0.http.request(method, url).headers(headers).body(body).send().await.ok()?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove(header::TRANSFER_ENCODING);
        Some((status, headers, answer.bytes().await.ok()?).into_response())
    }

    /// Changes metadata, and records it if Clerk applied it.
    async fn change(
        self,
        user: String,
        method: Method,
        url: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Option<Response> {
        let turn = self.memory().received.entry(user.clone()).or_default().turn.clone();
        let _turn = turn.lock().await;
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let answer = self.forward(method, url, headers, body).await?;
        if answer.status().is_success() {
            let mut memory = self.memory();
            let received = memory.received.entry(user).or_default();
            received.changes += 1;
            received.organizations.extend(asked["public_metadata"]["activeOrgId"].as_str().map(str::to_owned));
        }
        Some(answer)
    }
}

async fn call(
    State(proxy): State<Proxy>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let url = format!("{}{uri}", proxy.memory().clerk);
    let user = uri.path().strip_prefix("/v1/users/").and_then(|rest| rest.strip_suffix("/metadata")).map(str::to_owned);
    let Some(user) = user else {
        return proxy.forward(method, url, headers, body).await.unwrap_or_else(cut);
    };
    let fault = proxy.fault();
    match fault {
        Some(Fault::CutBefore) => return cut(),
        Some(Fault::Refused(status, retry_after)) => return refusal(status, retry_after),
        // If the caller disconnects now, Clerk never receives the call.
        Some(Fault::DelayBefore(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    // In its own task: calls that reached Clerk are recorded even if the caller disconnects.
    let changed = tokio::spawn(proxy.change(user, method, url, headers, body)).await.expect("no panic");
    match fault {
        Some(Fault::CutAfter) => return cut(),
        Some(Fault::DelayAfter(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    changed.unwrap_or_else(cut)
}

async fn webhook(State(proxy): State<Proxy>, headers: HeaderMap, body: Bytes) -> Response {
    let app = {
        let mut memory = proxy.memory();
        let Memory { rng, apps, .. } = &mut *memory;
        rng.choice(apps.iter()).cloned()
    };
    let Some(app) = app else { return StatusCode::BAD_GATEWAY.into_response() };
    let answer = proxy.forward(Method::POST, format!("{app}/api/webhooks/clerk"), headers, body).await;
    answer.unwrap_or_else(|| StatusCode::BAD_GATEWAY.into_response())
}

fn refusal(status: u16, retry_after: Option<u64>) -> Response {
    let body = json!({"errors": [{"code": "planned", "message": "planned", "long_message": "planned", "meta": {}}]});
    let mut response = (StatusCode::from_u16(status).expect("a status"), axum::Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// Ends the connection's task without the message of a panic.
fn cut() -> Response {
    std::panic::resume_unwind(Box::new("planned"))
}
