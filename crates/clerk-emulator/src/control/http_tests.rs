//! Each fault setting, seen from outside: an emulator on its own port, a browser with one user, time moved by the control.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::test_support::ada;
use crate::{Emulator, Options, start};

const ORIGIN: &str = "http://localhost:3000";

/// A signed-in browser, and a server that changes metadata and fault settings.
struct Fixture {
    emulator: Emulator,
    http: reqwest::Client,
    cookie: String,
    session: String,
    user: String,
    /// The token of the sign-in.
    first: String,
}

impl Fixture {
    async fn start() -> Self {
        let options = Options {
            claims_template: json!({"plan": "{{user.public_metadata.plan}}"}),
            users: vec![ada(json!({"plan": "old"}))],
            ..Options::default()
        };
        let emulator = start(options).await.expect("starts");
        let mut fixture = Self {
            emulator,
            http: reqwest::Client::new(),
            cookie: String::new(),
            session: String::new(),
            user: String::new(),
            first: String::new(),
        };
        fixture.sign_in().await;
        fixture
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
        self.user = session["user"]["id"].as_str().expect("a user").to_owned();
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

    async fn set(&self, settings: Value) {
        let (status, answer) = self.control(Method::PUT, settings).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// What the browser gets.
    async fn request(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.http.request(method, self.address(path)).body(encoded(form));
        let request = request.header(header::COOKIE, &self.cookie).header(header::ORIGIN, ORIGIN);
        request.send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> String {
        let path = format!("/v1/client/sessions/{}/tokens", self.session);
        self.request(Method::POST, &path, form).await["jwt"].as_str().expect("a token").to_owned()
    }

    /// The session's `last_active_token`, by a reload.
    async fn reloaded(&self) -> String {
        let path = format!("/v1/client/sessions/{}", self.session);
        shown(&self.request(Method::GET, &path, &[]).await["response"])
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
    let fixture = Fixture::start().await;
    let held = fixture.tokens(&[]).await;
    fixture.change_plan("new").await;
    fixture.set(json!({"last_active_token": "old"})).await;
    let touch = format!("/v1/client/sessions/{}/touch", fixture.session);
    assert_eq!(fixture.reloaded().await, held);
    assert_eq!(shown(&fixture.request(Method::POST, &touch, &[]).await["response"]), held);
    assert_eq!(shown(&fixture.request(Method::GET, "/v1/me", &[]).await["client"]["sessions"][0]), held);
    let page_load = fixture.request(Method::GET, "/v1/client", &[]).await;
    assert_eq!(shown(&page_load["response"]["sessions"][0]), held);
    // The user is up to date: only the token is old.
    assert_eq!(page_load["response"]["sessions"][0]["user"]["public_metadata"]["plan"], "new");
    // `/tokens` helps, and what follows is old again.
    assert_eq!(claims(&fixture.tokens(&[]).await)["plan"], "new");
    assert_eq!(fixture.reloaded().await, held);

    // Until it expires. The next one is old in its turn.
    fixture.set(json!({"last_active_token": "old", "clock_offset_ms": 61_000})).await;
    let next = fixture.reloaded().await;
    assert_eq!(claims(&next)["plan"], "new");
    fixture.change_plan("newer").await;
    assert_eq!(fixture.reloaded().await, next);
    fixture.control(Method::DELETE, Value::Null).await;
    assert_eq!(claims(&fixture.reloaded().await)["plan"], "newer");
}

#[tokio::test]
async fn a_minter_copies_what_the_client_sends_until_the_origin_is_forced() {
    let fixture = Fixture::start().await;
    fixture.change_plan("new").await;
    let says =
        async || fixture.request(Method::GET, "/v1/environment", &[]).await["auth_config"]["session_minter"] == true;
    assert!(!says().await);
    fixture.set(json!({"session_minter": true, "clock_offset_ms": 10_000})).await;
    assert!(says().await);

    let mut chained = fixture.first.clone();
    for _ in 0..3 {
        let copy = fixture.tokens(&[("token", &chained)]).await;
        assert_eq!(claims(&copy)["plan"], "old");
        assert_eq!(header(&copy)["oiat"], header(&fixture.first)["oiat"]);
        assert_ne!(claims(&copy)["jti"], claims(&chained)["jti"]);
        assert_eq!(claims(&copy)["azp"], ORIGIN);
        for name in ["iat", "nbf", "exp"] {
            assert!(number(&claims(&copy)[name]) >= number(&claims(&fixture.first)[name]) + 9, "{name}");
        }
        chained = copy;
    }
    // Without one, the last handed out.
    assert_eq!(claims(&fixture.tokens(&[]).await)["plan"], "old");
    // A token that is not ours or not this session's leaves nothing to copy.
    for foreign in ["nonsense", &forged(&chained)] {
        assert_eq!(claims(&fixture.tokens(&[("token", foreign)]).await)["plan"], "new", "{foreign}");
    }
    let fresh = fixture.tokens(&[("token", &chained), ("force_origin", "true")]).await;
    assert_eq!(claims(&fresh)["plan"], "new");
    assert!(number(&header(&fresh)["oiat"]) > number(&header(&fixture.first)["oiat"]));
    assert_eq!(claims(&fixture.reloaded().await)["plan"], "new");
    // Both at once: what answers carry is old too.
    fixture.set(json!({"session_minter": true, "last_active_token": "old"})).await;
    let held = fixture.reloaded().await;
    fixture.change_plan("newer").await;
    assert_eq!(fixture.reloaded().await, held);
    assert_eq!(claims(&fixture.tokens(&[("token", &held)]).await)["plan"], "new");

    fixture.control(Method::DELETE, Value::Null).await;
    assert!(!says().await);
    assert_eq!(claims(&fixture.tokens(&[("token", &chained)]).await)["plan"], "newer");
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
    let mut fixture = Fixture::start().await;
    let other = fixture.first.clone();
    fixture.change_plan("new").await;
    fixture.sign_in().await;
    fixture.set(json!({"session_minter": true})).await;
    let token = fixture.tokens(&[("token", &other)]).await;
    assert_eq!((&claims(&token)["plan"], &claims(&token)["sid"]), (&json!("new"), &json!(fixture.session)));
}

#[tokio::test]
async fn plain_reads_can_leave_the_client_out() {
    let fixture = Fixture::start().await;
    let reads = [format!("/v1/client/sessions/{}", fixture.session), "/v1/me".to_owned()];
    for (settings, there) in [(json!({}), true), (json!({"omit_client": true}), false)] {
        fixture.set(settings).await;
        for read in &reads {
            let answer = fixture.request(Method::GET, read, &[]).await;
            assert_eq!((answer["response"].is_object(), answer.get("client").is_some()), (true, there), "{read}");
        }
        let touch = format!("{}/touch", reads[0]);
        assert!(fixture.request(Method::POST, &touch, &[]).await["client"].is_object());
    }
}

#[tokio::test]
async fn session_tokens_can_lack_what_they_should_have() {
    let fixture = Fixture::start().await;
    // In this order: oiat, azp, the custom claim.
    for (settings, there) in [
        (json!({}), [true, true, true]),
        (json!({"omit_oiat": true}), [false, true, true]),
        (json!({"omit_azp": true}), [true, false, true]),
        (json!({"omit_custom_claims": true}), [true, true, false]),
        (json!({"session_minter": true, "omit_oiat": true}), [false, true, true]),
        (json!({"session_minter": true, "omit_azp": true}), [true, false, true]),
        (json!({"session_minter": true, "omit_custom_claims": true}), [true, true, false]),
    ] {
        fixture.set(settings.clone()).await;
        for token in [fixture.tokens(&[("token", &fixture.first)]).await, fixture.reloaded().await] {
            let (header, claims) = (header(&token), claims(&token));
            let has = |value: &Value, name| value.get(name).is_some();
            assert_eq!([has(&header, "oiat"), has(&claims, "azp"), has(&claims, "plan")], there, "{settings}");
            assert_eq!(claims["sid"], fixture.session.as_str());
        }
    }
}

#[tokio::test]
async fn tokens_have_the_lifetime_that_is_set() {
    let fixture = Fixture::start().await;
    for (settings, seconds) in [(json!({}), 60), (json!({"token_lifetime_s": 5}), 5), (json!({}), 60)] {
        fixture.set(settings).await;
        for token in [fixture.tokens(&[]).await, fixture.reloaded().await] {
            assert_eq!(number(&claims(&token)["exp"]) - number(&claims(&token)["iat"]), seconds);
        }
    }
}

#[tokio::test]
async fn the_clock_goes_ahead_and_comes_back() {
    let hour = 3_600_000_i64;
    let mut fixture = Fixture::start().await;
    let iat = |token: &str| number(&claims(token)["iat"]);
    let oiat = |token: &str| number(&header(token)["oiat"]);
    fixture.set(json!({"clock_offset_ms": hour})).await;
    fixture.sign_in().await;
    let ahead = fixture.first.clone();
    let updated_at =
        async || number(&fixture.request(Method::GET, "/v1/client", &[]).await["response"]["updated_at"]) / 1000;
    let signed_in_at = updated_at().await;
    assert!(signed_in_at <= iat(&ahead));

    fixture.control(Method::DELETE, Value::Null).await;
    let back = [fixture.tokens(&[]).await, fixture.tokens(&[]).await];
    for token in &back {
        assert!(iat(token) <= iat(&ahead) - 3_590, "the clock did not come back");
        assert_eq!(claims(token)["fva"], json!([0, -1]));
    }
    // clerk-js prefers the newer one, and `__client_uat` is not younger than the token.
    assert!(oiat(&ahead) < oiat(&back[0]) && oiat(&back[0]) < oiat(&back[1]));
    assert!(updated_at().await <= iat(&back[0]) && iat(&back[0]) < signed_in_at);

    // A week ahead, every session is over.
    fixture.set(json!({"clock_offset_ms": 8 * 24 * hour})).await;
    assert_eq!(fixture.request(Method::GET, "/v1/client", &[]).await["response"]["sessions"], json!([]));
    let year = async || {
        let answer = fixture.http.get(fixture.address("/.well-known/jwks.json")).send().await.expect("an answer");
        let date = answer.headers()[header::DATE].to_str().expect("text").to_owned();
        date.split(' ').nth(3).and_then(|year| year.parse::<i32>().ok()).expect(&date)
    };
    let ahead = year().await;
    fixture.control(Method::DELETE, Value::Null).await;
    let now = year().await;
    fixture.set(json!({"clock_offset_ms": 366 * 24 * hour})).await;
    assert!(ahead >= now && year().await > now, "the Date of answers follows");
}

#[tokio::test]
async fn hidden_metadata_stays_hidden_when_another_setting_changes() {
    let fixture = Fixture::start().await;
    let hide = async |offset| fixture.set(json!({"metadata_delay_ms": 600_000, "clock_offset_ms": offset})).await;
    let plan = async || claims(&fixture.tokens(&[]).await)["plan"].clone();
    hide(3_600_000).await;
    fixture.change_plan("new").await;
    hide(3_700_000).await;
    assert_eq!(plan().await, "old");
    // Taking time back does not hide it for longer than the delay.
    hide(0).await;
    assert_eq!(plan().await, "old");
    hide(600_001).await;
    assert_eq!(plan().await, "new");
}

#[tokio::test]
async fn a_rejected_setting_changes_nothing() {
    let fixture = Fixture::start().await;
    fixture.set(json!({"omit_azp": true, "clock_offset_ms": 1_000})).await;
    let (_, before) = fixture.control(Method::GET, Value::Null).await;
    for wrong in
        [json!({"token_lifetime_s": 0}), json!({"omit_azp": false, "oops": 1}), json!({"faults": [{"count": -1}]})]
    {
        let (status, answer) = fixture.control(Method::PUT, wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer["error"].as_str().expect("a message").starts_with("rejected, nothing was changed: "));
    }
    assert_eq!(fixture.control(Method::GET, Value::Null).await.1, before);
    let (_, cleared) = fixture.control(Method::DELETE, Value::Null).await;
    assert_eq!((&cleared["omit_azp"], &cleared["clock_offset_ms"]), (&json!(false), &json!(0)));
}
