//! Webhooks from outside: an emulator, and a server that receives what it sends.

use std::collections::VecDeque;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::response::Redirect;
use axum::routing::{any, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::*;
use crate::test_support::with_ada;
use crate::{Emulator, Instance, Options, StartError, start};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A webhook as it arrived.
#[derive(Debug, Clone)]
struct Arrived {
    id: String,
    timestamp: i64,
    signature: String,
    body: String,
}

impl Arrived {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    fn kind(&self) -> String {
        self.event()["type"].as_str().expect("a type").to_owned()
    }

    /// As Svix says it is done, with nothing of the emulator's.
    fn is_signed_with(&self, secret: &str) -> bool {
        let key = BASE64.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
        let message = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let signature = BASE64.decode(self.signature.strip_prefix("v1,").expect("version 1")).expect("base64");
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), message.as_bytes(), &signature).is_ok()
    }
}

/// What the receiver got, and what it says to the next ones; 204 to the rest.
#[derive(Debug, Default)]
struct Receiver {
    arrived: Mutex<Vec<Arrived>>,
    answers: Mutex<VecDeque<u16>>,
    changed: Notify,
}

struct Fixture {
    emulator: Emulator,
    http: reqwest::Client,
    receiver: Arc<Receiver>,
}

fn options(webhook_url: Option<Url>) -> Options {
    Options { webhook_url, ..with_ada() }
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: String) -> Response {
    let text = |name: &str| headers[name].to_str().expect("text").to_owned();
    assert_eq!(text("content-type"), "application/json");
    receiver.arrived.lock().expect("not poisoned").push(Arrived {
        id: text("svix-id"),
        timestamp: text("svix-timestamp").parse().expect("seconds"),
        signature: text("svix-signature"),
        body,
    });
    let answer = receiver.answers.lock().expect("not poisoned").pop_front().unwrap_or(204);
    receiver.changed.notify_one();
    if answer == 307 {
        return Redirect::temporary("/elsewhere").into_response();
    }
    StatusCode::from_u16(answer).expect("a status").into_response()
}

impl Fixture {
    async fn start() -> Self {
        let receiver = Arc::new(Receiver::default());
        // Where a client that follows redirects would end.
        let elsewhere = any(|| async { StatusCode::NO_CONTENT });
        let router = Router::new().route("/hooks", post(receive)).route("/elsewhere", elsewhere);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
        let router = router.with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let emulator = start(options(Some(url.parse().expect("an address")))).await.expect("starts");
        Self { emulator, http: reqwest::Client::new(), receiver }
    }

    fn answers(&self, answers: &[u16]) {
        self.receiver.answers.lock().expect("not poisoned").extend(answers);
    }

    async fn set(&self, settings: Value) {
        let request = self.http.put(&self.emulator.settings().control_url).body(settings.to_string());
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    }

    async fn clear(&self) {
        self.http.delete(&self.emulator.settings().control_url).send().await.expect("an answer");
    }

    async fn settings(&self) -> Value {
        self.http
            .get(&self.emulator.settings().control_url)
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON")
    }

    /// A call of the Backend API.
    async fn call(&self, method: Method, path: &str, body: Value) -> reqwest::Response {
        let request = self.http.request(method, format!("{}{path}", self.emulator.settings().api_url));
        let request = request.bearer_auth(&self.emulator.settings().secret_key).header("user-agent", "a server");
        request.json(&body).send().await.expect("an answer")
    }

    async fn request(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.expect("JSON")
    }

    /// Creates a user, by number.
    async fn new_user(&self, n: u32) -> String {
        let body = json!({"email_address": [format!("user-{n}@example.test")], "external_id": format!("e{n}")});
        self.request(Method::POST, "/v1/users", body).await["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until so many webhooks have arrived, and returns all.
    async fn arrived(&self, count: usize) -> Vec<Arrived> {
        let wait = async {
            loop {
                let arrived = self.receiver.arrived.lock().expect("not poisoned").clone();
                if arrived.len() >= count {
                    return arrived;
                }
                self.receiver.changed.notified().await;
            }
        };
        let arrived = tokio::time::timeout(PATIENCE, wait).await;
        let arrived = arrived.unwrap_or_else(|_| panic!("{count} webhooks, not {:?}", self.receiver.arrived));
        assert_eq!(arrived.len(), count);
        arrived
    }

    /// Waits until these are the states of the listed webhooks, oldest first, and returns the list.
    async fn listed(&self, states: &[&str]) -> Vec<Value> {
        let url = self.emulator.settings().control_url.replace("/control", "/webhooks.json");
        let wait = async {
            loop {
                let answer = self.http.get(&url).send().await.expect("an answer");
                let mut list: Vec<Value> = answer.json().await.expect("JSON");
                list.reverse();
                if list.iter().map(|sent| sent["state"].as_str().expect("a state")).eq(states.iter().copied()) {
                    return list;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never {states:?}"))
    }

    async fn kinds(&self, count: usize) -> Vec<String> {
        self.arrived(count).await.iter().map(Arrived::kind).collect()
    }
}

#[tokio::test]
async fn changes_of_users_and_sessions_are_sent_in_order_signed_and_in_clerks_shapes() {
    let fixture = Fixture::start().await;
    let user = fixture.new_user(1).await;
    let session = fixture.request(Method::POST, "/v1/sessions", json!({"user_id": user})).await;
    let metadata = json!({"private_metadata": {"secret": 1}, "public_metadata": {"plan": "pro"}});
    let changed = fixture.request(Method::PATCH, &format!("/v1/users/{user}/metadata"), metadata).await;
    let session = session["id"].as_str().expect("an id");
    let revoked = fixture.request(Method::POST, &format!("/v1/sessions/{session}/revoke"), json!({})).await;
    fixture.request(Method::DELETE, &format!("/v1/users/{user}"), json!({})).await;

    let arrived = fixture.arrived(6).await;
    let kinds = arrived.iter().map(Arrived::kind).collect::<Vec<_>>();
    // Signing in changes the user: `last_sign_in_at`.
    let expected =
        ["user.created", "user.updated", "session.created", "user.updated", "session.revoked", "user.deleted"];
    assert_eq!(kinds, expected);
    let secret = &fixture.emulator.settings().webhook_secret;
    assert!(arrived.iter().all(|webhook| webhook.is_signed_with(secret)));
    assert!(!arrived[0].is_signed_with(&format!("whsec_{}", BASE64.encode([7; 24]))));
    let ids = arrived.iter().map(|webhook| webhook.id.as_str()).collect::<std::collections::BTreeSet<_>>();
    assert!(ids.len() == 6 && ids.iter().all(|id| id.starts_with("msg_")));

    let event = arrived[3].event();
    assert_eq!((&event["object"], &event["data"]), (&json!("event"), &changed));
    assert_eq!(event["data"]["private_metadata"], json!({"secret": 1}));
    assert!(event["timestamp"].as_i64().is_some_and(|at| at > 1_000_000_000_000));
    assert!(event["instance_id"].as_str().is_some_and(|id| id.starts_with("ins_")));
    let attributes = json!({"http_request": {"client_ip": "127.0.0.1", "user_agent": "a server"}});
    assert_eq!(event["event_attributes"], attributes);
    let mut data = arrived[4].event()["data"].clone();
    assert_eq!(data["user"], changed);
    data.as_object_mut().expect("an object").remove("user");
    assert_eq!(data, revoked);
    let gone = json!({"object": "user", "id": user, "deleted": true, "external_id": "e1"});
    assert_eq!(arrived[5].event()["data"], gone);
}

#[tokio::test]
async fn the_ways_a_browser_ends_a_session_have_names_of_their_own() {
    let fixture = Fixture::start().await;
    let sign_in = "strategy=password&identifier=ada@example.test&password=correct%20horse";
    let browser = async |path: &str, cookie: &str, body: &str| {
        let request = fixture.http.post(format!("{}{path}", fixture.emulator.settings().api_url)).body(body.to_owned());
        let request = request.header("cookie", cookie).header("x-forwarded-for", "192.0.2.7, 10.0.0.1");
        request.header("user-agent", "a browser").send().await.expect("an answer")
    };
    for (n, end) in ["end", "remove"].into_iter().enumerate() {
        let answer = browser("/v1/client/sign_ins", "", sign_in).await;
        let cookies = answer.headers().get_all("set-cookie").iter().filter_map(|cookie| cookie.to_str().ok());
        let client =
            cookies.filter_map(|cookie| cookie.split(';').next()).find(|cookie| cookie.starts_with("__client="));
        let client = client.expect("a client").to_owned();
        let body: Value = answer.json().await.expect("JSON");
        let session = body["client"]["sessions"][0]["id"].as_str().expect("a session");
        browser(&format!("/v1/client/sessions/{session}/{end}"), &client, "").await;
        let kinds = fixture.kinds(3 * n + 3).await;
        // The user is from the seed: nothing is sent about that.
        assert_eq!(kinds[3 * n..], ["user.updated", "session.created", ["session.ended", "session.removed"][n]]);
    }
    let http_request = json!({"client_ip": "192.0.2.7", "user_agent": "a browser"});
    assert_eq!(fixture.arrived(6).await[0].event()["event_attributes"]["http_request"], http_request);
}

#[tokio::test]
async fn a_failed_delivery_is_retried_with_the_same_id_and_another_time() {
    let fixture = Fixture::start().await;
    fixture.set(json!({"webhooks": {"retry_schedule_ms": [0, 600_000, 0, 0]}})).await;
    fixture.answers(&[500, 307, 404]);
    fixture.new_user(1).await;
    fixture.arrived(1).await;
    fixture.listed(&["waiting"]).await;
    // Half a minute later, and at once.
    fixture.set(json!({"clock_offset_ms": 30_000, "webhooks": {"retry_schedule_ms": [0, 0, 0, 0]}})).await;
    let arrived = fixture.arrived(4).await;
    assert!(arrived.iter().all(|webhook| (&webhook.id, &webhook.body) == (&arrived[0].id, &arrived[0].body)));
    assert!(arrived[1].timestamp >= arrived[0].timestamp + 30);
    assert_ne!(arrived[1].signature, arrived[0].signature);
    let secret = &fixture.emulator.settings().webhook_secret;
    assert!(arrived.iter().all(|webhook| webhook.is_signed_with(secret)));

    let listed = fixture.listed(&["delivered"]).await;
    let statuses = listed[0]["tries"].as_array().expect("tries").iter().map(|tried| tried["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), [500, 307, 404, 204]);
    assert_eq!((&listed[0]["id"], &listed[0]["event"]), (&json!(arrived[0].id), &arrived[0].event()));

    fixture.answers(&[500, 500, 500, 500]);
    fixture.new_user(2).await;
    fixture.listed(&["delivered", "failed"]).await;
    fixture.arrived(8).await;
}

#[tokio::test]
async fn webhooks_follow_the_fault_settings_and_recover() {
    let fixture = Fixture::start().await;
    fixture.set(json!({"webhooks": {"drop": 1, "duplicate": 1, "pause": true}})).await;
    for n in 1..=3 {
        fixture.new_user(n).await;
    }
    fixture.listed(&["dropped", "waiting", "waiting"]).await;
    assert_eq!(
        (&fixture.settings().await["webhooks"]["drop"], fixture.receiver.arrived.lock().expect("not poisoned").len()),
        (&json!(0), 0)
    );
    fixture.clear().await;
    let of = |arrived: &[Arrived]| {
        let ids = arrived.iter().map(|webhook| webhook.event()["data"]["external_id"].as_str().expect("id").to_owned());
        ids.collect::<Vec<_>>()
    };
    let arrived = fixture.arrived(3).await;
    assert_eq!(of(&arrived), ["e2", "e2", "e3"]);
    assert_eq!(arrived[0].id, arrived[1].id);

    fixture.set(json!({"webhooks": {"reorder": true}})).await;
    for n in 4..=6 {
        fixture.new_user(n).await;
    }
    assert_eq!(of(&fixture.arrived(5).await)[3..], ["e5", "e4"]);
    fixture.clear().await;
    assert_eq!(of(&fixture.arrived(6).await)[5..], ["e6"]);
    fixture.set(json!({"webhooks": {"delay_ms": 600_000}})).await;
    fixture.new_user(7).await;
    fixture.clear().await;
    assert_eq!(of(&fixture.arrived(7).await)[6..], ["e7"]);
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_sent_and_the_list_needs_the_token() {
    let fixture = Fixture::start().await;
    let emulator = start(options(None)).await.expect("starts");
    let silent = Fixture { emulator, http: reqwest::Client::new(), receiver: Arc::default() };
    silent.new_user(1).await;
    silent.listed(&[]).await;
    let url = format!("{}/webhooks.json?token=guess", fixture.emulator.settings().api_url);
    assert_eq!(fixture.http.get(url).send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn webhooks_stay_on_this_machine() {
    for away in ["http://example.com/", "http://192.0.2.1/", "http://[2001:db8::1]/", "https://127.0.0.1/", "unix:/x"] {
        let started: Result<Emulator, StartError> = start(options(Some(away.parse().expect(away)))).await;
        assert!(started.expect_err(away).to_string().contains("this machine only"), "{away}");
    }
    for here in ["http://localhost:3000/", "http://127.0.0.2/x", "http://[::1]:1/"] {
        assert!(is_local(&here.parse().expect(here)), "{here}");
    }
}

#[tokio::test]
async fn servers_meet_clerks_limits_unless_they_are_off() {
    let fixture = Fixture::start().await;
    let (one, other) = (fixture.new_user(1).await, fixture.new_user(2).await);
    let write = async |user: &str, method: Method| {
        fixture.call(method, &format!("/v1/users/{user}/metadata"), json!({"public_metadata": {"n": 1}})).await
    };
    for n in 0..10 {
        let method = if n % 2 == 0 { Method::PATCH } else { Method::PUT };
        assert_eq!(write(&one, method).await.status(), StatusCode::OK);
    }
    let rejected = write(&one, Method::PATCH).await;
    assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: i64 = rejected.headers()["retry-after"].to_str().expect("text").parse().expect("whole seconds");
    assert!((1..=10).contains(&seconds), "{seconds}");
    let body: Value = rejected.json().await.expect("JSON");
    assert_eq!(body["errors"][0]["code"], "too_many_requests");
    assert!(body["clerk_trace_id"].is_string());
    // The limit covers neither another user's metadata nor other calls about this user.
    assert_eq!(write(&other, Method::PATCH).await.status(), StatusCode::OK);
    fixture.request(Method::GET, &format!("/v1/users/{one}"), json!({})).await;

    fixture.set(json!({"rate_limits": "off"})).await;
    for _ in 0..11 {
        assert_eq!(write(&one, Method::PATCH).await.status(), StatusCode::OK);
    }
    fixture.clear().await;
    for _ in 0..10 {
        assert_eq!(write(&one, Method::PATCH).await.status(), StatusCode::OK, "counting starts over");
    }
}

#[tokio::test]
async fn a_development_instance_allows_a_tenth_and_its_keys_are_never_limited() {
    let instance = Instance::Development { tls_listen: ([127, 0, 0, 1], 0).into() };
    let emulator = start(Options { instance, ..options(None) }).await.expect("starts");
    let fixture = Fixture { emulator, http: reqwest::Client::new(), receiver: Arc::default() };
    for _ in 0..100 {
        fixture.request(Method::GET, "/v1/users/count", json!({})).await;
    }
    let rejected = fixture.call(Method::GET, "/v1/users/count", json!({})).await;
    assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
    fixture.request(Method::GET, "/v1/jwks", json!({})).await;
    // A caller with a wrong key neither uses up the limit nor learns of it.
    let url = format!("{}/v1/users/count", fixture.emulator.settings().api_url);
    assert_eq!(
        fixture.http.get(url).bearer_auth("x").send().await.expect("an answer").status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn browsers_meet_limits_only_if_that_is_set() {
    let fixture = Fixture::start().await;
    let url = format!("{}/v1/client/sign_ins", fixture.emulator.settings().api_url);
    let sign_in = async |address: &str| {
        let request = fixture.http.post(&url).header("x-forwarded-for", address).body("identifier=ada@example.test");
        request.send().await.expect("an answer")
    };
    for _ in 0..6 {
        assert_eq!(sign_in("192.0.2.1").await.status(), StatusCode::OK);
    }
    fixture.set(json!({"rate_limits": "all"})).await;
    for _ in 0..5 {
        assert_eq!(sign_in("192.0.2.1").await.status(), StatusCode::OK);
    }
    let rejected = sign_in("192.0.2.1").await;
    assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(rejected.headers().contains_key("retry-after"));
    assert_eq!(sign_in("192.0.2.2").await.status(), StatusCode::OK);
    let wrong = "strategy=password&password=wrong";
    let attempt = async || {
        let url = format!("{url}/sia_x/attempt_first_factor");
        fixture.http.post(url).body(wrong).send().await.expect("an answer").status()
    };
    for _ in 0..3 {
        assert_ne!(attempt().await, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(attempt().await, StatusCode::TOO_MANY_REQUESTS);
}
