//! Stands between the app and Clerk: breaks calls that change metadata, remembers what Clerk was really told, and leads
//! webhooks to whichever process runs.

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

/// Longest delay. Less than the app waits for an answer: what is sent twice must not meet itself at Clerk.
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
    /// How many of the next calls fail for certain.
    failing: usize,
    broken: usize,
    /// By user.
    told: HashMap<String, Told>,
}

/// What Clerk was told of a user.
#[derive(Clone, Default)]
struct Told {
    /// One call at a time, in the order in which they came.
    turn: Arc<tokio::sync::Mutex<()>>,
    changes: usize,
    organizations: Vec<String>,
}

/// What happens to a call.
#[derive(Clone, Copy)]
enum Fault {
    /// The connection is cut before Clerk hears of it.
    CutBefore,
    /// Clerk does it, and the answer is lost.
    CutAfter,
    Refused(u16, Option<u64>),
    DelayBefore(u64),
    DelayAfter(u64),
}

impl Proxy {
    /// Takes an address.
    pub async fn bind() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        let (clerk, apps, told) = (String::new(), Vec::new(), HashMap::new());
        let memory =
            Mutex::new(Memory { clerk, apps, rng: Rng::with_seed(0), chance: 0.0, failing: 0, broken: 0, told });
        (Self(Arc::new(Inner { url, http, memory })), listener)
    }

    /// Leads calls to `clerk` from now on.
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

    /// Leads webhooks to one of these processes each.
    pub fn lead_webhooks_to(&self, apps: &[&App]) {
        self.memory().apps = apps.iter().map(|app| app.url.clone()).collect();
    }

    /// Breaks calls with this likelihood from now on.
    pub fn misbehave(&self, rng: Rng, chance: f64) {
        let mut memory = self.memory();
        (memory.rng, memory.chance) = (rng, chance);
    }

    /// Fails so many of the next calls, whatever the likelihood.
    pub fn fail_next(&self, calls: usize) {
        self.memory().failing = calls;
    }

    /// How many calls were broken.
    pub fn broken(&self) -> usize {
        self.memory().broken
    }

    /// How many changes of a user's metadata Clerk made.
    pub fn changes(&self, user: &str) -> usize {
        self.memory().told.get(user).map_or(0, |told| told.changes)
    }

    /// What a user's `activeOrgId` was at Clerk, in order.
    pub fn organizations(&self, user: &str) -> Vec<String> {
        self.memory().told.get(user).map(|told| told.organizations.clone()).unwrap_or_default()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().expect("nobody fails while they hold this")
    }

    fn fault(&self) -> Option<Fault> {
        let mut memory = self.memory();
        let (chance, failing) = (memory.chance, memory.failing > 0);
        memory.failing = memory.failing.saturating_sub(1);
        // The last two of them are delays, which are no failures.
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

    /// Changes metadata, and remembers it if Clerk did.
    async fn change(
        self,
        user: String,
        method: Method,
        url: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Option<Response> {
        let turn = self.memory().told.entry(user.clone()).or_default().turn.clone();
        let _turn = turn.lock().await;
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let answer = self.forward(method, url, headers, body).await?;
        if answer.status().is_success() {
            let mut memory = self.memory();
            let told = memory.told.entry(user).or_default();
            told.changes += 1;
            told.organizations.extend(asked["public_metadata"]["activeOrgId"].as_str().map(str::to_owned));
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
        // If the caller hangs up meanwhile, Clerk never hears of it.
        Some(Fault::DelayBefore(ms)) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    // In a task of its own: what has gone to Clerk is remembered, whoever hangs up.
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
