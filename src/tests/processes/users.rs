//! The users of the app: each creates organizations, one after the other or two at once, and changes their name at
//! Clerk in between.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;
use crate::support::ORIGIN;

/// How often a request that the app rejects for now is retried before the test fails.
const ATTEMPTS: usize = 100;

/// A user with an account at Clerk.
pub struct User {
    pub id: String,
    pub name: String,
    /// How many events Clerk sends about the user, besides metadata changes.
    pub events: usize,
    pub creations: Vec<Creation>,
    token: String,
}

/// One creation, however often it is sent.
pub struct Creation {
    key: String,
    /// Creations of a later step start after the responses to the earlier steps.
    pub step: usize,
    /// The app's response, if any.
    pub organization: Option<String>,
}

impl World {
    /// A new user, signed in. `label` must be unique.
    pub async fn sign_up(&self, label: &str) -> User {
        let name = format!("{label} 0");
        let new = json!({"email_address": [format!("{label}@example.test")], "first_name": name});
        let user = self.call_clerk(Method::POST, "/v1/users", Some(new)).await;
        let id = user["id"].as_str().expect("an id").to_owned();
        let ticket = self.call_clerk(Method::POST, "/v1/sign_in_tokens", Some(json!({"user_id": id}))).await;
        let form = [("strategy", "ticket"), ("ticket", ticket["token"].as_str().expect("a ticket"))];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let sign_in = self
            .http
            .post(format!("{}/v1/client/sign_ins", self.clerk.settings().api_url))
            .header("origin", ORIGIN)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let signed_in: Value = sign_in.send().await.expect("an answer").json().await.expect("JSON");
        let token = signed_in.pointer("/client/sessions/0/last_active_token/jwt").and_then(Value::as_str);
        let token = token.unwrap_or_else(|| panic!("a token: {signed_in}")).to_owned();
        // One event for the new user, one for the sign-in, which changes the user.
        User { id, name, events: 2, creations: Vec::new(), token }
    }
}

impl User {
    /// Creates an organization. `false`: there was no response.
    pub async fn create(&mut self, world: &World, app: &str) -> bool {
        let creation = self.intend();
        self.send(world, app, creation).await
    }

    /// Creates two organizations at once, each at its own process.
    pub async fn create_two(&mut self, world: &World, apps: [&str; 2]) {
        let (one, other) = (self.intend(), self.intend());
        self.creations[other].step = self.creations[one].step;
        let answers = tokio::join!(self.attempt(world, apps[0], one), self.attempt(world, apps[1], other));
        (self.creations[one].organization, self.creations[other].organization) = answers;
    }

    /// Sends creations without a response again.
    pub async fn repeat(&mut self, world: &World, app: &str) {
        for creation in 0..self.creations.len() {
            if self.creations[creation].organization.is_none() {
                assert!(self.send(world, app, creation).await, "no response from a running process");
            }
        }
    }

    /// Changes the user's name at Clerk.
    pub async fn rename(&mut self, world: &World) {
        let (label, count) = self.name.rsplit_once(' ').expect("a number");
        self.name = format!("{label} {}", count.parse::<u32>().expect("a number") + 1);
        let change = json!({"first_name": self.name});
        world.call_clerk(Method::PATCH, &format!("/v1/users/{}", self.id), Some(change)).await;
        self.events += 1;
    }

    fn intend(&mut self) -> usize {
        let step = self.creations.last().map_or(0, |last| last.step + 1);
        let key = format!("key-{}", self.creations.len());
        self.creations.push(Creation { key, step, organization: None });
        self.creations.len() - 1
    }

    async fn send(&mut self, world: &World, app: &str, creation: usize) -> bool {
        self.creations[creation].organization = self.attempt(world, app, creation).await;
        self.creations[creation].organization.is_some()
    }

    /// The organization's id. `None`: the process died.
    async fn attempt(&self, world: &World, app: &str, creation: usize) -> Option<String> {
        let key = &self.creations[creation].key;
        let slug = format!("{}-{creation}", self.name.rsplit_once(' ').expect("a number").0);
        for _ in 0..ATTEMPTS {
            let request = world
                .http
                .post(format!("{app}/api/organizations/create"))
                .bearer_auth(&self.token)
                .header("idempotency-key", key)
                .json(&json!({"name": slug, "slug": slug}));
            let answer = request.send().await.ok()?;
            let (status, body) = (answer.status(), answer.text().await.ok()?);
            match status {
                StatusCode::OK | StatusCode::CREATED => {
                    let body: Value = serde_json::from_str(&body).expect("JSON");
                    let id = body["organization"]["id"].as_str().expect("an id").to_owned();
                    let query = "select exists (select from organizations where id::text = $1)";
                    assert!(
                        world.database.value::<bool>(query, &id).await,
                        "{slug} was answered before it was committed"
                    );
                    return Some(id);
                }
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                _ => panic!("{slug}: {status} {body}"),
            }
        }
        panic!("{slug} was rejected {ATTEMPTS} times");
    }
}
