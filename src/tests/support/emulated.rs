//! The Clerk emulator in place of Clerk, with users that tests change as an operator would, over the Backend API. It
//! sends no webhooks.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use clerk_emulator::{Emulator, Instance, Options, start};
use serde_json::{Value, json};

use super::TestApp;

/// The running emulator, in memory.
pub struct Emulated {
    emulator: Emulator,
    http: reqwest::Client,
}

impl Emulated {
    pub async fn start() -> Self {
        let options = Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            instance: Instance::Production,
            data_dir: None,
            application_name: "Test".to_owned(),
            claims_template: json!({}),
            token_lifetime: Duration::from_secs(60),
            users: Vec::new(),
            webhook_url: None,
        };
        let emulator = start(options).await.expect("an emulator");
        Self { emulator, http: reqwest::Client::new() }
    }

    /// An app that uses this emulator as its Clerk.
    pub async fn app(&self) -> TestApp {
        self.app_as(true).await
    }

    /// The same, which may leave delivery to others.
    pub async fn app_as(&self, relay: bool) -> TestApp {
        let settings = self.emulator.settings();
        let own = [("CLERK_API_URL", settings.api_url.as_str()), ("CLERK_SECRET_KEY", &settings.secret_key)];
        TestApp::start_as(relay, &own).await
    }

    pub fn secret_key(&self) -> &str {
        &self.emulator.settings().secret_key
    }

    pub fn api_url(&self) -> &str {
        &self.emulator.settings().api_url
    }

    /// A call to the Backend API that succeeds.
    pub async fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// A call to the Backend API: status and response.
    pub async fn try_call(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}/v1{path}", self.api_url())).bearer_auth(self.secret_key());
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// Creates a user with this verified address. Returns the id.
    pub async fn create_user(&self, email: &str, name: &str) -> String {
        let made = self.call("POST", "/users", json!({"email_address": [email], "first_name": name})).await;
        made["id"].as_str().expect("an id").to_owned()
    }

    /// `ada@example.test`, and Grace, whose address has capitals.
    pub async fn ada_and_grace(&self) -> [String; 2] {
        [self.create_user("ada@example.test", "Ada").await, self.create_user("Grace@Example.test", "Grace").await]
    }

    /// A user as Clerk has it now.
    pub async fn look_up(&self, user: &str) -> Value {
        self.call("GET", &format!("/users/{user}"), Value::Null).await
    }

    /// Replaces a user's public metadata.
    pub async fn set_metadata(&self, user: &str, metadata: Value) {
        self.call("PUT", &format!("/users/{user}/metadata"), json!({"public_metadata": metadata})).await;
    }

    /// Applies fault settings to the emulator; `{}` resets them.
    pub async fn set_faults(&self, settings: Value) {
        let url = self.emulator.settings().control_url.clone();
        let answer = self.http.put(url).json(&settings).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{settings}: {answer:?}");
    }
}
