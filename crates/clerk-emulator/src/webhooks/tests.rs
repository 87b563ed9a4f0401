//! Webhooks from outside: an emulator, and somebody who receives what it sends.

use std::collections::VecDeque;
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::response::Redirect;
use axum::routing::{any, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, Method, StatusCode};

use super::super::{Emulator, Instance, Options, SeedPerson, StartError, start};
use super::*;

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
struct Desk {
    arrived: Mutex<Vec<Arrived>>,
    answers: Mutex<VecDeque<u16>>,
    changed: Notify,
}

struct Scene {
    emulator: Emulator,
    http: reqwest::Client,
    desk: Arc<Desk>,
}

fn options(webhook_url: Option<Url>) -> Options {
    let person = SeedPerson {
        email: "ada@example.test".to_owned(),
        password: "correct horse".to_owned(),
        first_name: "Ada".to_owned(),
        last_name: String::new(),
        public_metadata: json!({}),
    };
    Options {
        instance: Instance::Production,
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: None,
        application_name: "Vestibule".to_owned(),
        claims_template: json!({}),
        token_lifetime: Duration::from_secs(60),
        people: vec![person],
        webhook_url,
    }
}

async fn receive(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: String) -> Response {
    let text = |name: &str| headers[name].to_str().expect("text").to_owned();
    assert_eq!(text("content-type"), "application/json");
    desk.arrived.lock().expect("sound").push(Arrived {
        id: text("svix-id"),
        timestamp: text("svix-timestamp").parse().expect("seconds"),
        signature: text("svix-signature"),
        body,
    });
    let answer = desk.answers.lock().expect("sound").pop_front().unwrap_or(204);
    desk.changed.notify_one();
    if answer == 307 {
        return Redirect::temporary("/elsewhere").into_response();
    }
    StatusCode::from_u16(answer).expect("a status").into_response()
}

impl Scene {
    async fn begin() -> Self {
        let desk = Arc::new(Desk::default());
        // Whoever follows a redirect is received there.
        let elsewhere = any(|| async { StatusCode::NO_CONTENT });
        let router = Router::new().route("/hooks", post(receive)).route("/elsewhere", elsewhere);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
        let router = router.with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let emulator = start(options(Some(url.parse().expect("an address")))).await.expect("starts");
        Self { emulator, http: reqwest::Client::new(), desk }
    }

    fn answers(&self, answers: &[u16]) {
        self.desk.answers.lock().expect("sound").extend(answers);
    }

    async fn wish(&self, wishes: Value) {
        let request = self.http.put(&self.emulator.settings().control_url).body(wishes.to_string());
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::OK);
    }

    async fn well(&self) {
        self.http.delete(&self.emulator.settings().control_url).send().await.expect("an answer");
    }

    async fn wishes(&self) -> Value {
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

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.expect("JSON")
    }

    /// A new person, by number.
    async fn person(&self, n: u32) -> String {
        let body = json!({"email_address": [format!("person-{n}@example.test")], "external_id": format!("e{n}")});
        self.ask(Method::POST, "/v1/users", body).await["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until so many webhooks have arrived, and returns all.
    async fn arrived(&self, count: usize) -> Vec<Arrived> {
        let wait = async {
            loop {
                let arrived = self.desk.arrived.lock().expect("sound").clone();
                if arrived.len() >= count {
                    return arrived;
                }
                self.desk.changed.notified().await;
            }
        };
        let arrived = tokio::time::timeout(PATIENCE, wait).await;
        let arrived = arrived.unwrap_or_else(|_| panic!("{count} webhooks, not {:?}", self.desk.arrived));
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
async fn what_happens_to_people_and_sessions_is_told_in_order_signed_and_in_clerks_shapes() {
    let scene = Scene::begin().await;
    let user = scene.person(1).await;
    let session = scene.ask(Method::POST, "/v1/sessions", json!({"user_id": user})).await;
    let metadata = json!({"private_metadata": {"secret": 1}, "public_metadata": {"plan": "pro"}});
    let changed = scene.ask(Method::PATCH, &format!("/v1/users/{user}/metadata"), metadata).await;
    let session = session["id"].as_str().expect("an id");
    let revoked = scene.ask(Method::POST, &format!("/v1/sessions/{session}/revoke"), json!({})).await;
    scene.ask(Method::DELETE, &format!("/v1/users/{user}"), json!({})).await;

    let arrived = scene.arrived(6).await;
    let kinds = arrived.iter().map(Arrived::kind).collect::<Vec<_>>();
    // Signing in changes the person: `last_sign_in_at`.
    let told = ["user.created", "user.updated", "session.created", "user.updated", "session.revoked", "user.deleted"];
    assert_eq!(kinds, told);
    let secret = &scene.emulator.settings().webhook_secret;
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
    let scene = Scene::begin().await;
    let sign_in = "strategy=password&identifier=ada@example.test&password=correct%20horse";
    let browser = async |path: &str, cookie: &str, body: &str| {
        let request = scene.http.post(format!("{}{path}", scene.emulator.settings().api_url)).body(body.to_owned());
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
        let kinds = scene.kinds(3 * n + 3).await;
        // The person was there from the start: nothing is told of that.
        assert_eq!(kinds[3 * n..], ["user.updated", "session.created", ["session.ended", "session.removed"][n]]);
    }
    let http_request = json!({"client_ip": "192.0.2.7", "user_agent": "a browser"});
    assert_eq!(scene.arrived(6).await[0].event()["event_attributes"]["http_request"], http_request);
}

#[tokio::test]
async fn what_is_not_received_comes_again_with_the_same_id_and_another_time() {
    let scene = Scene::begin().await;
    scene.wish(json!({"webhooks": {"retry_schedule_ms": [0, 600_000, 0, 0]}})).await;
    scene.answers(&[500, 307, 404]);
    scene.person(1).await;
    scene.arrived(1).await;
    scene.listed(&["waiting"]).await;
    // Half a minute later, and at once.
    scene.wish(json!({"clock_offset_ms": 30_000, "webhooks": {"retry_schedule_ms": [0, 0, 0, 0]}})).await;
    let arrived = scene.arrived(4).await;
    assert!(arrived.iter().all(|webhook| (&webhook.id, &webhook.body) == (&arrived[0].id, &arrived[0].body)));
    assert!(arrived[1].timestamp >= arrived[0].timestamp + 30);
    assert_ne!(arrived[1].signature, arrived[0].signature);
    let secret = &scene.emulator.settings().webhook_secret;
    assert!(arrived.iter().all(|webhook| webhook.is_signed_with(secret)));

    let listed = scene.listed(&["delivered"]).await;
    let statuses = listed[0]["tries"].as_array().expect("tries").iter().map(|tried| tried["status"].clone());
    assert_eq!(statuses.collect::<Vec<_>>(), [500, 307, 404, 204]);
    assert_eq!((&listed[0]["id"], &listed[0]["event"]), (&json!(arrived[0].id), &arrived[0].event()));

    scene.answers(&[500, 500, 500, 500]);
    scene.person(2).await;
    scene.listed(&["delivered", "failed"]).await;
    scene.arrived(8).await;
}

#[tokio::test]
async fn webhooks_misbehave_as_wished_and_come_right_again() {
    let scene = Scene::begin().await;
    scene.wish(json!({"webhooks": {"drop": 1, "duplicate": 1, "pause": true}})).await;
    for n in 1..=3 {
        scene.person(n).await;
    }
    scene.listed(&["dropped", "waiting", "waiting"]).await;
    assert_eq!(
        (&scene.wishes().await["webhooks"]["drop"], scene.desk.arrived.lock().expect("sound").len()),
        (&json!(0), 0)
    );
    scene.well().await;
    let of = |arrived: &[Arrived]| {
        let ids = arrived.iter().map(|webhook| webhook.event()["data"]["external_id"].as_str().expect("id").to_owned());
        ids.collect::<Vec<_>>()
    };
    let arrived = scene.arrived(3).await;
    assert_eq!(of(&arrived), ["e2", "e2", "e3"]);
    assert_eq!(arrived[0].id, arrived[1].id);

    scene.wish(json!({"webhooks": {"reorder": true}})).await;
    for n in 4..=6 {
        scene.person(n).await;
    }
    assert_eq!(of(&scene.arrived(5).await)[3..], ["e5", "e4"]);
    scene.well().await;
    assert_eq!(of(&scene.arrived(6).await)[5..], ["e6"]);
    scene.wish(json!({"webhooks": {"delay_ms": 600_000}})).await;
    scene.person(7).await;
    scene.well().await;
    assert_eq!(of(&scene.arrived(7).await)[6..], ["e7"]);
}

#[tokio::test]
async fn nothing_is_told_to_nobody_and_no_stranger_reads_what_is() {
    let scene = Scene::begin().await;
    let emulator = start(options(None)).await.expect("starts");
    let silent = Scene { emulator, http: reqwest::Client::new(), desk: Arc::default() };
    silent.person(1).await;
    silent.listed(&[]).await;
    let url = format!("{}/webhooks.json?token=guess", scene.emulator.settings().api_url);
    assert_eq!(scene.http.get(url).send().await.expect("an answer").status(), StatusCode::FORBIDDEN);
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
async fn servers_meet_clerks_limits_and_may_be_freed_of_them() {
    let scene = Scene::begin().await;
    let (one, other) = (scene.person(1).await, scene.person(2).await);
    let write = async |user: &str, method: Method| {
        scene.call(method, &format!("/v1/users/{user}/metadata"), json!({"public_metadata": {"n": 1}})).await
    };
    for n in 0..10 {
        let method = if n % 2 == 0 { Method::PATCH } else { Method::PUT };
        assert_eq!(write(&one, method).await.status(), StatusCode::OK);
    }
    let refused = write(&one, Method::PATCH).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: i64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("whole seconds");
    assert!((1..=10).contains(&seconds), "{seconds}");
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body["errors"][0]["code"], "too_many_requests");
    assert!(body["clerk_trace_id"].is_string());
    // Neither somebody else's metadata nor anything else of theirs is meant.
    assert_eq!(write(&other, Method::PATCH).await.status(), StatusCode::OK);
    scene.ask(Method::GET, &format!("/v1/users/{one}"), json!({})).await;

    scene.wish(json!({"rate_limits": "off"})).await;
    for _ in 0..11 {
        assert_eq!(write(&one, Method::PATCH).await.status(), StatusCode::OK);
    }
    scene.well().await;
    for _ in 0..10 {
        assert_eq!(write(&one, Method::PATCH).await.status(), StatusCode::OK, "counting begins anew");
    }
}

#[tokio::test]
async fn a_development_instance_bears_a_tenth_and_its_keys_are_always_to_be_had() {
    let instance = Instance::Development { tls_listen: ([127, 0, 0, 1], 0).into() };
    let emulator = start(Options { instance, ..options(None) }).await.expect("starts");
    let scene = Scene { emulator, http: reqwest::Client::new(), desk: Arc::default() };
    for _ in 0..100 {
        scene.ask(Method::GET, "/v1/users/count", json!({})).await;
    }
    let refused = scene.call(Method::GET, "/v1/users/count", json!({})).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    scene.ask(Method::GET, "/v1/jwks", json!({})).await;
    // Whoever guesses keys does not use up the limit of who has one, nor learn of it.
    let url = format!("{}/v1/users/count", scene.emulator.settings().api_url);
    assert_eq!(
        scene.http.get(url).bearer_auth("x").send().await.expect("an answer").status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn browsers_meet_limits_only_if_that_is_wished() {
    let scene = Scene::begin().await;
    let url = format!("{}/v1/client/sign_ins", scene.emulator.settings().api_url);
    let sign_in = async |address: &str| {
        let request = scene.http.post(&url).header("x-forwarded-for", address).body("identifier=ada@example.test");
        request.send().await.expect("an answer")
    };
    for _ in 0..6 {
        assert_eq!(sign_in("192.0.2.1").await.status(), StatusCode::OK);
    }
    scene.wish(json!({"rate_limits": "all"})).await;
    for _ in 0..5 {
        assert_eq!(sign_in("192.0.2.1").await.status(), StatusCode::OK);
    }
    let refused = sign_in("192.0.2.1").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(sign_in("192.0.2.2").await.status(), StatusCode::OK);
    let wrong = "strategy=password&password=wrong";
    let attempt = async || {
        let url = format!("{url}/sia_x/attempt_first_factor");
        scene.http.post(url).body(wrong).send().await.expect("an answer").status()
    };
    for _ in 0..3 {
        assert_ne!(attempt().await, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(attempt().await, StatusCode::TOO_MANY_REQUESTS);
}
