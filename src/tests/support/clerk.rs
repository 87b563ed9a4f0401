//! A stub of Clerk's Backend API: responds with literals, records calls, and fails on demand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::until;

/// The secret key that callers must send.
pub const SECRET_KEY: &str = "sk_live_only_for_tests";
/// The secret key of a development instance.
pub const DEVELOPMENT_SECRET_KEY: &str = "sk_test_only_for_tests";

/// When its users last changed, in milliseconds.
pub const UPDATED_AT: i64 = 1_767_000_000_000;

/// What to do with the next call.
pub enum Plan {
    /// Respond with an error of Clerk's.
    Refuse { status: u16, retry_after: Option<u64> },
    /// Close the connection without a response.
    Drop,
    /// Hold the call until released, then succeed.
    Hold(watch::Receiver<bool>),
    /// Hold the call until released, then close the connection.
    HoldThenDrop(watch::Receiver<bool>),
}

/// One call to `PATCH /v1/users/{id}/metadata`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub user: String,
    pub body: Value,
}

#[derive(Default)]
struct Memory {
    calls: Vec<Call>,
    answered: usize,
    revoked: Vec<String>,
    plans: VecDeque<Plan>,
    jwks: Option<Value>,
    jwks_calls: usize,
    nonces: HashMap<String, Value>,
    nonces_asked: Vec<String>,
    refreshed: Option<Value>,
    refreshes: Vec<Call>,
}

/// The running stub. It ends with the test's runtime.
#[derive(Clone)]
pub struct StubClerk {
    pub url: String,
    memory: Arc<Mutex<Memory>>,
}

impl StubClerk {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stub = Self { url, memory: Arc::default() };
        let router = Router::new()
            .route("/v1/users/{id}/metadata", patch(update_metadata))
            .route("/v1/sessions/{id}/revoke", post(revoke))
            .route("/v1/jwks", get(jwks))
            .route("/v1/clients/handshake_payload", get(handshake_payload))
            .route("/v1/sessions/{id}/refresh", post(refresh))
            .with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no test fails while it holds this")
    }

    /// Plans for the next calls, in order.
    pub fn plan(&self, plans: impl IntoIterator<Item = Plan>) {
        self.memory().plans.extend(plans);
    }

    /// Fails the next `times` calls.
    pub fn refuse(&self, times: usize, status: u16) {
        self.plan((0..times).map(|_| Plan::Refuse { status, retry_after: None }));
    }

    /// Holds the next call until the sender sends `true`.
    pub fn hold(&self) -> watch::Sender<bool> {
        let (release, held) = watch::channel(false);
        self.plan([Plan::Hold(held)]);
        release
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, jwks: Value) {
        self.memory().jwks = Some(jwks);
    }

    /// The metadata calls so far, failed ones included.
    pub fn calls(&self) -> Vec<Call> {
        self.memory().calls.clone()
    }

    /// How many metadata calls succeeded.
    pub fn answered(&self) -> usize {
        self.memory().answered
    }

    pub fn jwks_calls(&self) -> usize {
        self.memory().jwks_calls
    }

    /// The sessions that were revoked.
    pub fn revoked(&self) -> Vec<String> {
        self.memory().revoked.clone()
    }

    /// Waits until `count` metadata calls have arrived.
    pub async fn called(&self, count: usize) {
        until("a call to Clerk", async || (self.calls().len() >= count).then_some(())).await;
    }

    /// Leaves a handshake's result under a nonce, to be fetched once.
    pub fn leave(&self, nonce: &str, directives: Value) {
        self.memory().nonces.insert(nonce.to_owned(), json!({"directives": directives}));
    }

    /// The requested nonces, unknown ones included.
    pub fn nonces_asked(&self) -> Vec<String> {
        self.memory().nonces_asked.clone()
    }

    /// Responds to refresh calls with these cookies from now on; before, it rejects them.
    pub fn refresh_with(&self, cookies: Value) {
        self.memory().refreshed = Some(json!({"object": "cookies", "cookies": cookies}));
    }

    /// The calls to the refresh endpoint: the session, and the body.
    pub fn refreshes(&self) -> Vec<Call> {
        self.memory().refreshes.clone()
    }

    /// Carries out the next plan. `None`: succeed.
    async fn follow_plan(&self) -> Option<Response> {
        let plan = self.memory().plans.pop_front();
        match plan {
            None => None,
            Some(Plan::Refuse { status, retry_after }) => {
                let body = json!({"errors": [{"code": "planned", "message": "planned", "long_message": "planned", "meta": {}}]});
                let mut response = (StatusCode::from_u16(status).expect("a status"), axum::Json(body)).into_response();
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert("retry-after", seconds.into());
                }
                Some(response)
            }
            // Ends the connection's task without the message of a panic.
            Some(Plan::Drop) => std::panic::resume_unwind(Box::new("planned")),
            Some(Plan::Hold(mut held)) => {
                // A dropped sender releases too.
                _ = held.wait_for(|released| *released).await;
                None
            }
            Some(Plan::HoldThenDrop(mut held)) => {
                _ = held.wait_for(|released| *released).await;
                std::panic::resume_unwind(Box::new("planned"))
            }
        }
    }
}

fn is_authorized(headers: &HeaderMap) -> bool {
    let keys = [SECRET_KEY, DEVELOPMENT_SECRET_KEY].map(|key| format!("Bearer {key}"));
    headers.get("authorization").is_some_and(|value| keys.iter().any(|key| value == key.as_str()))
}

async fn update_metadata(
    State(stub): State<StubClerk>,
    Path(user): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    stub.memory().calls.push(Call { user: user.clone(), body });
    if let Some(response) = stub.follow_plan().await {
        return response;
    }
    stub.memory().answered += 1;
    axum::Json(json!({
        "id": user,
        "object": "user",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "username": null,
        "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "object": "email_address", "email_address": "old@example.test", "linked_to": [], "verification": {"status": "verified"}},
            {"id": "idn_2", "object": "email_address", "email_address": "ada@example.test", "linked_to": [], "verification": {"status": "verified"}}
        ],
        "public_metadata": {},
        "private_metadata": {},
        "unsafe_metadata": {},
        "created_at": 1_767_000_000_000_i64,
        "updated_at": UPDATED_AT
    }))
    .into_response()
}

async fn revoke(State(stub): State<StubClerk>, Path(session): Path<String>, headers: HeaderMap) -> Response {
    if !is_authorized(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    stub.memory().revoked.push(session.clone());
    axum::Json(json!({"object": "session", "id": session, "status": "revoked"})).into_response()
}

#[derive(serde::Deserialize)]
struct Nonce {
    nonce: String,
}

async fn handshake_payload(State(stub): State<StubClerk>, Query(asked): Query<Nonce>, headers: HeaderMap) -> Response {
    if !is_authorized(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    stub.memory().nonces_asked.push(asked.nonce.clone());
    if let Some(response) = stub.follow_plan().await {
        return response;
    }
    let found = stub.memory().nonces.remove(&asked.nonce);
    found
        .map_or_else(|| refused(StatusCode::NOT_FOUND, "resource_not_found"), |found| axum::Json(found).into_response())
}

async fn refresh(
    State(stub): State<StubClerk>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_authorized(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    stub.memory().refreshes.push(Call { user: session, body });
    if let Some(response) = stub.follow_plan().await {
        return response;
    }
    let answer = stub.memory().refreshed.clone();
    answer.map_or_else(
        || refused(StatusCode::UNAUTHORIZED, "refresh_token_invalid"),
        |answer| axum::Json(answer).into_response(),
    )
}

fn refused(status: StatusCode, code: &str) -> Response {
    let body = json!({"errors": [{"code": code, "message": "refused", "long_message": "refused", "meta": {}}]});
    (status, axum::Json(body)).into_response()
}

async fn jwks(State(stub): State<StubClerk>, headers: HeaderMap) -> Response {
    if !is_authorized(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    stub.memory().jwks_calls += 1;
    if let Some(response) = stub.follow_plan().await {
        return response;
    }
    let jwks = stub.memory().jwks.clone();
    jwks.map_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response(), |keys| axum::Json(keys).into_response())
}
