//! Each wish, seen from outside: an emulator on its own port, a browser with one person, time moved by the control.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::super::{Emulator, Instance, Options, SeedPerson, start};

const ORIGIN: &str = "http://localhost:3000";

/// A signed-in browser, and the server that can change metadata and wish for trouble.
struct Scene {
    emulator: Emulator,
    http: reqwest::Client,
    cookie: String,
    session: String,
    user: String,
    /// The token of the sign-in.
    first: String,
}

impl Scene {
    async fn begin() -> Self {
        let person = SeedPerson {
            email: "ada@example.test".to_owned(),
            password: "correct horse".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: String::new(),
            public_metadata: json!({"plan": "old"}),
        };
        let options = Options {
            instance: Instance::Production,
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: None,
            application_name: "Vestibule".to_owned(),
            claims_template: json!({"plan": "{{user.public_metadata.plan}}"}),
            token_lifetime: std::time::Duration::from_secs(60),
            people: vec![person],
            webhook_url: None,
        };
        let emulator = start(options).await.expect("starts");
        let mut scene = Self {
            emulator,
            http: reqwest::Client::new(),
            cookie: String::new(),
            session: String::new(),
            user: String::new(),
            first: String::new(),
        };
        scene.sign_in().await;
        scene
    }

    /// Signs in on a new client.
    async fn sign_in(&mut self) {
        let form = [("strategy", "password"), ("identifier", "ada@example.test"), ("password", "correct horse")];
        let request = self.http.post(self.address("/v1/client/sign_ins")).header(header::ORIGIN, ORIGIN);
        let answer = request.body(encoded(&form)).send().await.expect("an answer");
        let cookies = answer.headers().get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().expect("text"));
        let pairs = cookies.map(|cookie| cookie.split(';').next().expect("a pair").to_owned());
        self.cookie = pairs.collect::<Vec<_>>().join("; ");
        let body: Value = answer.json().await.expect("JSON");
        let session = &body["client"]["sessions"][0];
        self.session = session["id"].as_str().expect("a session").to_owned();
        self.user = session["user"]["id"].as_str().expect("a person").to_owned();
        self.first = shown(session);
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.emulator.settings().api_url)
    }

    async fn control(&self, method: Method, body: Value) -> (StatusCode, Value) {
        let answer = self
            .http
            .request(method, &self.emulator.settings().control_url)
            .body(body.to_string())
            .send()
            .await
            .expect("an answer");
        (answer.status(), answer.json().await.expect("JSON"))
    }

    async fn wish(&self, wishes: Value) {
        let (status, answer) = self.control(Method::PUT, wishes).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// What the browser gets.
    async fn ask(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.http.request(method, self.address(path)).body(encoded(form));
        let request = request.header(header::COOKIE, &self.cookie).header(header::ORIGIN, ORIGIN);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> String {
        let path = format!("/v1/client/sessions/{}/tokens", self.session);
        self.ask(Method::POST, &path, form).await["jwt"].as_str().expect("a token").to_owned()
    }

    /// The session's `last_active_token`, by a reload.
    async fn reloaded(&self) -> String {
        let path = format!("/v1/client/sessions/{}", self.session);
        shown(&self.ask(Method::GET, &path, &[]).await["response"])
    }

    async fn change_plan(&self, plan: &str) {
        let path = self.address(&format!("/v1/users/{}/metadata", self.user));
        let request = self.http.patch(path).bearer_auth(&self.emulator.settings().secret_key);
        let answer = request.json(&json!({"public_metadata": {"plan": plan}})).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

fn encoded(form: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

fn shown(session: &Value) -> String {
    session["last_active_token"]["jwt"].as_str().expect("a token").to_owned()
}

fn part(token: &str, n: usize) -> Value {
    let part = token.split('.').nth(n).expect("a part");
    serde_json::from_slice(&BASE64URL.decode(part).expect("base64")).expect("JSON")
}

fn header(token: &str) -> Value {
    part(token, 0)
}

fn claims(token: &str) -> Value {
    part(token, 1)
}

fn number(value: &Value) -> i64 {
    value.as_i64().expect("a number")
}

#[tokio::test]
async fn old_tokens_are_repeated_wherever_the_client_travels() {
    let scene = Scene::begin().await;
    let held = scene.tokens(&[]).await;
    scene.change_plan("new").await;
    scene.wish(json!({"last_active_token": "old"})).await;
    let touch = format!("/v1/client/sessions/{}/touch", scene.session);
    assert_eq!(scene.reloaded().await, held);
    assert_eq!(shown(&scene.ask(Method::POST, &touch, &[]).await["response"]), held);
    assert_eq!(shown(&scene.ask(Method::GET, "/v1/me", &[]).await["client"]["sessions"][0]), held);
    let page_load = scene.ask(Method::GET, "/v1/client", &[]).await;
    assert_eq!(shown(&page_load["response"]["sessions"][0]), held);
    // The person is up to date: only the token is old.
    assert_eq!(page_load["response"]["sessions"][0]["user"]["public_metadata"]["plan"], "new");
    // `/tokens` helps, and what follows is old again.
    assert_eq!(claims(&scene.tokens(&[]).await)["plan"], "new");
    assert_eq!(scene.reloaded().await, held);

    // Until it expires. The next one is old in its turn.
    scene.wish(json!({"last_active_token": "old", "clock_offset_ms": 61_000})).await;
    let next = scene.reloaded().await;
    assert_eq!(claims(&next)["plan"], "new");
    scene.change_plan("newer").await;
    assert_eq!(scene.reloaded().await, next);
    scene.control(Method::DELETE, Value::Null).await;
    assert_eq!(claims(&scene.reloaded().await)["plan"], "newer");
}

#[tokio::test]
async fn a_minter_chains_what_the_client_sends_until_the_origin_is_asked() {
    let scene = Scene::begin().await;
    scene.change_plan("new").await;
    let says = async || scene.ask(Method::GET, "/v1/environment", &[]).await["auth_config"]["session_minter"] == true;
    assert!(!says().await);
    scene.wish(json!({"session_minter": true, "clock_offset_ms": 10_000})).await;
    assert!(says().await);

    let mut chained = scene.first.clone();
    for _ in 0..3 {
        let copy = scene.tokens(&[("token", &chained)]).await;
        assert_eq!(claims(&copy)["plan"], "old");
        assert_eq!(header(&copy)["oiat"], header(&scene.first)["oiat"]);
        assert_ne!(claims(&copy)["jti"], claims(&chained)["jti"]);
        assert_eq!(claims(&copy)["azp"], ORIGIN);
        for name in ["iat", "nbf", "exp"] {
            assert!(number(&claims(&copy)[name]) >= number(&claims(&scene.first)[name]) + 9, "{name}");
        }
        chained = copy;
    }
    // Without one, the last handed out.
    assert_eq!(claims(&scene.tokens(&[]).await)["plan"], "old");
    // A token that is not ours or not this session's leaves nothing to copy.
    for foreign in ["nonsense", &forged(&chained)] {
        assert_eq!(claims(&scene.tokens(&[("token", foreign)]).await)["plan"], "new", "{foreign}");
    }
    let fresh = scene.tokens(&[("token", &chained), ("force_origin", "true")]).await;
    assert_eq!(claims(&fresh)["plan"], "new");
    assert!(number(&header(&fresh)["oiat"]) > number(&header(&scene.first)["oiat"]));
    assert_eq!(claims(&scene.reloaded().await)["plan"], "new");
    // Both at once: what answers carry is old too.
    scene.wish(json!({"session_minter": true, "last_active_token": "old"})).await;
    let held = scene.reloaded().await;
    scene.change_plan("newer").await;
    assert_eq!(scene.reloaded().await, held);
    assert_eq!(claims(&scene.tokens(&[("token", &held)]).await)["plan"], "new");

    scene.control(Method::DELETE, Value::Null).await;
    assert!(!says().await);
    assert_eq!(claims(&scene.tokens(&[("token", &chained)]).await)["plan"], "newer");
}

/// The token with other claims under the same signature.
fn forged(token: &str) -> String {
    let mut claims = claims(token);
    claims["plan"] = json!("forged");
    let parts = token.split('.').collect::<Vec<_>>();
    format!("{}.{}.{}", parts[0], BASE64URL.encode(claims.to_string()), parts[2])
}

#[tokio::test]
async fn a_token_of_another_session_is_not_copied() {
    let mut scene = Scene::begin().await;
    let other = scene.first.clone();
    scene.change_plan("new").await;
    scene.sign_in().await;
    scene.wish(json!({"session_minter": true})).await;
    let token = scene.tokens(&[("token", &other)]).await;
    assert_eq!((&claims(&token)["plan"], &claims(&token)["sid"]), (&json!("new"), &json!(scene.session)));
}

#[tokio::test]
async fn plain_reads_can_leave_the_client_out() {
    let scene = Scene::begin().await;
    let reads = [format!("/v1/client/sessions/{}", scene.session), "/v1/me".to_owned()];
    for (wishes, there) in [(json!({}), true), (json!({"omit_client": true}), false)] {
        scene.wish(wishes).await;
        for read in &reads {
            let answer = scene.ask(Method::GET, read, &[]).await;
            assert_eq!((answer["response"].is_object(), answer.get("client").is_some()), (true, there), "{read}");
        }
        let touch = format!("{}/touch", reads[0]);
        assert!(scene.ask(Method::POST, &touch, &[]).await["client"].is_object());
    }
}

#[tokio::test]
async fn session_tokens_can_lack_what_they_should_have() {
    let scene = Scene::begin().await;
    // In this order: oiat, azp, the custom claim.
    for (wishes, there) in [
        (json!({}), [true, true, true]),
        (json!({"omit_oiat": true}), [false, true, true]),
        (json!({"omit_azp": true}), [true, false, true]),
        (json!({"omit_custom_claims": true}), [true, true, false]),
        (json!({"session_minter": true, "omit_oiat": true}), [false, true, true]),
        (json!({"session_minter": true, "omit_azp": true}), [true, false, true]),
        (json!({"session_minter": true, "omit_custom_claims": true}), [true, true, false]),
    ] {
        scene.wish(wishes.clone()).await;
        for token in [scene.tokens(&[("token", &scene.first)]).await, scene.reloaded().await] {
            let (header, claims) = (header(&token), claims(&token));
            let has = |value: &Value, name| value.get(name).is_some();
            assert_eq!([has(&header, "oiat"), has(&claims, "azp"), has(&claims, "plan")], there, "{wishes}");
            assert_eq!(claims["sid"], scene.session.as_str());
        }
    }
}

#[tokio::test]
async fn tokens_live_as_long_as_is_wished() {
    let scene = Scene::begin().await;
    for (wishes, seconds) in [(json!({}), 60), (json!({"token_lifetime_s": 5}), 5), (json!({}), 60)] {
        scene.wish(wishes).await;
        for token in [scene.tokens(&[]).await, scene.reloaded().await] {
            assert_eq!(number(&claims(&token)["exp"]) - number(&claims(&token)["iat"]), seconds);
        }
    }
}

#[tokio::test]
async fn the_clock_goes_ahead_and_comes_back() {
    let hour = 3_600_000_i64;
    let mut scene = Scene::begin().await;
    let iat = |token: &str| number(&claims(token)["iat"]);
    let oiat = |token: &str| number(&header(token)["oiat"]);
    scene.wish(json!({"clock_offset_ms": hour})).await;
    scene.sign_in().await;
    let ahead = scene.first.clone();
    let updated_at = async || number(&scene.ask(Method::GET, "/v1/client", &[]).await["response"]["updated_at"]) / 1000;
    let signed_in_at = updated_at().await;
    assert!(signed_in_at <= iat(&ahead));

    scene.control(Method::DELETE, Value::Null).await;
    let back = [scene.tokens(&[]).await, scene.tokens(&[]).await];
    for token in &back {
        assert!(iat(token) <= iat(&ahead) - 3_590, "the clock did not come back");
        assert_eq!(claims(token)["fva"], json!([0, -1]));
    }
    // clerk-js prefers the newer one, and `__client_uat` is not younger than the token.
    assert!(oiat(&ahead) < oiat(&back[0]) && oiat(&back[0]) < oiat(&back[1]));
    assert!(updated_at().await <= iat(&back[0]) && iat(&back[0]) < signed_in_at);

    // A week ahead, every session is over.
    scene.wish(json!({"clock_offset_ms": 8 * 24 * hour})).await;
    assert_eq!(scene.ask(Method::GET, "/v1/client", &[]).await["response"]["sessions"], json!([]));
    let year = async || {
        let answer = scene.http.get(scene.address("/.well-known/jwks.json")).send().await.expect("an answer");
        let date = answer.headers()[header::DATE].to_str().expect("text").to_owned();
        date.split(' ').nth(3).and_then(|year| year.parse::<i32>().ok()).expect(&date)
    };
    let ahead = year().await;
    scene.control(Method::DELETE, Value::Null).await;
    let now = year().await;
    scene.wish(json!({"clock_offset_ms": 366 * 24 * hour})).await;
    assert!(ahead >= now && year().await > now, "the Date of answers follows");
}

#[tokio::test]
async fn what_is_hidden_stays_hidden_when_something_else_is_wished() {
    let scene = Scene::begin().await;
    let hide = async |offset| scene.wish(json!({"metadata_delay_ms": 600_000, "clock_offset_ms": offset})).await;
    let plan = async || claims(&scene.tokens(&[]).await)["plan"].clone();
    hide(3_600_000).await;
    scene.change_plan("new").await;
    hide(3_700_000).await;
    assert_eq!(plan().await, "old");
    // Taking time back does not hide it for longer than the delay.
    hide(0).await;
    assert_eq!(plan().await, "old");
    hide(600_001).await;
    assert_eq!(plan().await, "new");
}

#[tokio::test]
async fn a_wish_that_cannot_be_meant_changes_nothing() {
    let scene = Scene::begin().await;
    scene.wish(json!({"omit_azp": true, "clock_offset_ms": 1_000})).await;
    let (_, before) = scene.control(Method::GET, Value::Null).await;
    for wrong in
        [json!({"token_lifetime_s": 0}), json!({"omit_azp": false, "oops": 1}), json!({"faults": [{"count": -1}]})]
    {
        let (status, answer) = scene.control(Method::PUT, wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer["error"].as_str().expect("words").starts_with("not understood, and nothing was changed: "));
    }
    assert_eq!(scene.control(Method::GET, Value::Null).await.1, before);
    let (_, well) = scene.control(Method::DELETE, Value::Null).await;
    assert_eq!((&well["omit_azp"], &well["clock_offset_ms"]), (&json!(false), &json!(0)));
}
