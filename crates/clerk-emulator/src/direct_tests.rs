//! A development instance from the outside: over its own TLS, as the page of another origin.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use reqwest::{Client, RequestBuilder, header};
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::test_support::with_ada;
use crate::{Direct, Emulator, Instance, Options, start};

const PAGE: &str = "http://localhost:3000";

fn options(data_dir: Option<&Path>, instance: Instance) -> Options {
    Options { instance, data_dir: data_dir.map(Path::to_owned), ..with_ada() }
}

fn development() -> Instance {
    Instance::Development { tls_listen: ([127, 0, 0, 1], 0).into() }
}

/// A client that trusts the emulator's certificate alone, and knows where its host is.
struct Browser {
    client: Client,
    base: String,
}

impl Browser {
    fn of(emulator: &Emulator) -> Self {
        let Direct { host, address, certificate_pem, .. } = direct(emulator);
        let certificate = reqwest::Certificate::from_pem(certificate_pem.as_bytes()).expect("a certificate");
        let client = Client::builder()
            .no_proxy()
            .tls_certs_only([certificate])
            .resolve(host, *address)
            .redirect(reqwest::redirect::Policy::none());
        Self { client: client.build().expect("a client"), base: format!("https://{host}") }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).header(header::ORIGIN, PAGE)
    }

    async fn json(&self, method: Method, path: &str) -> Value {
        self.request(method, path).send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn new_token(&self) -> String {
        text(&self.json(Method::POST, "/v1/dev_browser").await["id"])
    }

    /// Signs Ada in, and gives the answer.
    async fn sign_in(&self, token: &str) -> reqwest::Response {
        let form = "strategy=password&identifier=ada%40example.test&password=correct+horse";
        self.request(Method::POST, &format!("/v1/client/sign_ins?__clerk_db_jwt={token}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .expect("an answer")
    }

    /// Where a handshake leads, as a document request would follow it.
    async fn handshake(&self, query: &[(&str, &str)]) -> Url {
        let url = Url::parse_with_params(&format!("{}/v1/client/handshake", self.base), query).expect("an address");
        let answer = self.client.get(url).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::TEMPORARY_REDIRECT);
        assert!(!answer.headers().contains_key(header::SET_COOKIE), "a cookie would be another site's");
        Url::parse(answer.headers()[header::LOCATION].to_str().expect("text")).expect("an address")
    }
}

fn direct(emulator: &Emulator) -> &Direct {
    emulator.settings().direct.as_ref().expect("a development instance")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

fn payload(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64URL.decode(payload).expect("base64")).expect("JSON")
}

/// Name and value of each directive that sets something.
fn set_by(directives: &Value) -> HashMap<String, String> {
    let all = directives.as_array().expect("a list").iter().map(text);
    let pairs = all.filter_map(|one| one.split(';').next()?.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())));
    pairs.filter(|(_, value)| !value.is_empty()).collect()
}

#[tokio::test]
async fn a_page_of_another_origin_may_call_the_frontend_api_and_nothing_else() {
    let emulator = start(options(None, development())).await.expect("starts");
    let browser = Browser::of(&emulator);
    let answer = browser.request(Method::POST, "/v1/dev_browser").send().await.expect("an answer");
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
    assert_eq!(header("access-control-allow-origin").as_deref(), Some(PAGE));
    assert_eq!(header("access-control-allow-credentials").as_deref(), Some("true"));
    assert_eq!(header("access-control-expose-headers").as_deref(), Some("Clerk-Db-Jwt, Retry-After"));
    assert_eq!(header("vary").as_deref(), Some("Origin"));

    let preflight = browser
        .request(Method::OPTIONS, "/v1/client")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "x-mine")
        .send()
        .await
        .expect("an answer");
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(preflight.headers()["access-control-allow-headers"], "x-mine");
    assert!(preflight.headers()["access-control-allow-methods"].to_str().expect("text").contains("PATCH"));

    let token = emulator.settings().inbox_url.split_once('?').expect("a token").1;
    for path in ["/v1/users", "/v1/jwks", &format!("/inbox?{token}"), &format!("/control?{token}")] {
        let request = browser.request(Method::GET, path).bearer_auth(&emulator.settings().secret_key);
        assert_eq!(request.send().await.expect("an answer").status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(browser.json(Method::GET, "/.well-known/jwks.json").await["keys"][0]["kty"], "RSA");
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_browser_is_known_by_its_token() {
    let emulator = start(options(None, development())).await.expect("starts");
    let browser = Browser::of(&emulator);
    for unknown in ["/v1/client", "/v1/environment", "/v1/client?__clerk_db_jwt=dvb_client_x.y"] {
        let answer = browser.request(Method::GET, unknown).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{unknown}");
        assert!(answer.text().await.expect("text").contains("dev_browser_unauthenticated"), "{unknown}");
    }
    let token = browser.new_token().await;
    let environment =
        browser.json(Method::POST, &format!("/v1/environment?_method=PATCH&__clerk_db_jwt={token}")).await;
    assert_eq!(environment["display_config"]["instance_environment_type"], "development");

    let answer = browser.sign_in(&token).await;
    assert!(!answer.headers().contains_key(header::SET_COOKIE), "clerk-js writes the cookies");
    let signed_in: Value = answer.json().await.expect("JSON");
    let claims = payload(&text(&signed_in["client"]["sessions"][0]["last_active_token"]["jwt"]));
    assert_eq!((&claims["azp"], &claims["iss"]), (&json!(PAGE), &json!(browser.base)));

    let client = format!("/v1/client?__clerk_db_jwt={token}");
    let sessions = |client: &Value| client["response"]["sessions"].as_array().map(Vec::len);
    assert_eq!(sessions(&browser.json(Method::GET, &client).await), Some(1));
    let other = format!("/v1/client?__clerk_db_jwt={}", browser.new_token().await);
    assert_eq!(sessions(&browser.json(Method::GET, &other).await), Some(0));
    browser.json(Method::DELETE, &client).await;
    assert_eq!(sessions(&browser.json(Method::GET, &client).await), Some(0), "the browser outlives its sessions");
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_handshake_brings_its_result_in_the_address() {
    let emulator = start(options(None, development())).await.expect("starts");
    let browser = Browser::of(&emulator);
    let token = browser.new_token().await;
    browser.sign_in(&token).await;
    let suffix = crate::cookies::suffix(&emulator.settings().publishable_key);
    let both = |name: &str| [name.to_owned(), format!("{name}_{suffix}")];

    let page = "http://localhost:3000/dashboard?next=%2Fa%20b&__clerk_handshake=old";
    let back = browser.handshake(&[("redirect_url", page), ("__clerk_db_jwt", &token)]).await;
    let query = back.query().expect("a query");
    assert!(query.starts_with("next=%2Fa%20b&__clerk_handshake=ey") && !query.contains("old"), "{back}");
    let result = payload(query.rsplit_once('=').expect("a result").1);
    let set = set_by(&result["handshake"]);
    for name in both("__clerk_db_jwt") {
        assert_eq!(set.get(&name), Some(&token));
    }
    for name in both("__session") {
        assert_eq!(payload(&set[&name])["azp"], PAGE);
    }
    assert!(both("__client_uat").iter().all(|name| set[name] != "0"));

    // A browser that is not known yet, or no longer: it gets a token, and is signed out.
    for unknown in [vec![], vec![("__clerk_db_jwt", "dvb_gone")]] {
        let query = [vec![("redirect_url", PAGE), ("format", "nonce")], unknown].concat();
        let back = browser.handshake(&query).await;
        let nonce = back.query().expect("a query").strip_prefix("__clerk_handshake_nonce=").expect("only the nonce");
        let url = format!("{}/v1/clients/handshake_payload?nonce={nonce}", emulator.settings().api_url);
        let request = Client::new().get(url).bearer_auth(&emulator.settings().secret_key);
        let payload: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        let set = set_by(&payload["directives"]);
        assert!(both("__client_uat").iter().all(|name| set[name] == "0") && !set.contains_key("__session"), "{set:?}");
        let client = format!("/v1/client?__clerk_db_jwt={}", set["__clerk_db_jwt"]);
        assert_eq!(browser.json(Method::GET, &client).await["response"]["object"], "client");
    }

    let foreign = browser.request(Method::GET, "/v1/client/handshake?redirect_url=https://evil.example/");
    assert_eq!(foreign.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST);
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_data_directory_keeps_its_kind_its_certificate_and_its_browsers() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = start(options(Some(directory.path()), development())).await.expect("starts");
    let settings = first.settings().clone();
    assert!(settings.publishable_key.starts_with("pk_test_") && settings.secret_key.starts_with("sk_test_"));
    let token = Browser::of(&first).new_token().await;
    let certificate = direct(&first).certificate_pem.clone();
    first.shutdown().await;

    let error = start(options(Some(directory.path()), Instance::Production)).await.expect_err("is rejected");
    assert!(error.to_string().contains("holds a development instance, not a production one"), "{error}");

    let second = start(options(Some(directory.path()), development())).await.expect("starts again");
    assert_eq!(direct(&second).certificate_pem, certificate);
    let client = format!("/v1/client?__clerk_db_jwt={token}");
    assert_eq!(Browser::of(&second).json(Method::GET, &client).await["response"]["object"], "client");
    second.shutdown().await;
}

#[tokio::test]
async fn it_is_not_proxied_and_listens_on_this_machine_only() {
    let open = Instance::Development { tls_listen: ([0, 0, 0, 0], 0).into() };
    assert!(start(options(None, open)).await.is_err());
    let emulator = start(options(None, development())).await.expect("starts");
    let browser = Browser::of(&emulator);
    let proxied = browser
        .request(Method::GET, "/v1/client")
        .header("clerk-proxy-url", "http://localhost:3000/__clerk")
        .header("clerk-secret-key", &emulator.settings().secret_key);
    assert_eq!(proxied.send().await.expect("an answer").status(), StatusCode::BAD_REQUEST);
    // A silent peer does not block others.
    let _silent = TcpStream::connect(direct(&emulator).address).await.expect("connects");
    let newcomer = Browser::of(&emulator);
    let answer = tokio::time::timeout(GREETING_LIMIT / 2, newcomer.new_token()).await;
    assert!(answer.is_ok());
    emulator.shutdown().await;
}
