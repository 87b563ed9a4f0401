//! The real binary, real requests and real crashes: nothing is lost between Postgres and Clerk, nothing arrives twice
//! or out of order.
//!
//! A world is a database, a Clerk emulator, and a proxy between it and the app that breaks calls and records what Clerk
//! really received. Every choice follows from a seed, which is printed; the machine's scheduling does not.
//!
//! - `CRASH_ROUNDS=500` runs each crash test for longer. Default: 25 rounds.
//! - `CRASH_SEED=…` starts with that round: a failure prints it.

mod app;
mod checks;
mod crash;
mod proxy;
mod together;
mod users;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::Method;
use clerk_emulator::{self, Emulator, Instance, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::database::Database;
use proxy::Proxy;

/// The app's limit for a call to Clerk, in milliseconds. A dead process's messages wait for two and a half times as
/// long.
const CLERK_TIMEOUT_MS: u64 = 200;
/// The delay before each attempt of a webhook. A restarted app is back within the first few.
const WEBHOOK_RETRIES_MS: [u64; 20] =
    [0, 20, 50, 50, 100, 100, 200, 200, 300, 300, 500, 500, 500, 1000, 1000, 1000, 1000, 1000, 1000, 1000];

/// Everything that the app talks to. It outlives the app's processes.
struct World {
    database: Database,
    clerk: Emulator,
    proxy: Proxy,
    http: reqwest::Client,
    /// The site, the working directory and the logs of the app's processes.
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let database = Database::create().await;
        checks::note_transactions(&database.owner).await;
        let (proxy, listener) = Proxy::bind().await;
        let clerk = clerk_emulator::start(Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            instance: Instance::Production,
            data_dir: None,
            application_name: "Crash".to_owned(),
            claims_template: serde_json::from_str(include_str!("../../model/claims_template.json")).expect("JSON"),
            // No token ends during a test.
            token_lifetime: Duration::from_secs(86_400),
            users: Vec::new(),
            webhook_url: Some(proxy.webhook_url()),
        });
        let clerk = clerk.await.expect("the emulator starts");
        proxy.serve(listener, &clerk.settings().api_url);
        let folder = tempfile::tempdir().expect("a folder");
        write(&folder.path().join("site/clerk/manifest.json"), r#"{"clerk_js": "/js", "clerk_ui": "/ui"}"#);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        Self { database, clerk, proxy, http, folder }
    }

    /// Sets the emulator's rate limits and webhooks, and resets its counters. `duplicate`: how many of the next events
    /// it sends twice.
    async fn control(&self, rate_limits: &str, duplicate: u64) {
        let webhooks = json!({"retry_schedule_ms": WEBHOOK_RETRIES_MS, "duplicate": duplicate});
        let settings = json!({"rate_limits": rate_limits, "webhooks": webhooks});
        let put = self.http.put(&self.clerk.settings().control_url).body(settings.to_string());
        put.send().await.and_then(reqwest::Response::error_for_status).expect("the control");
    }

    /// The test's own call to Clerk's Backend API.
    async fn call_clerk(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let settings = self.clerk.settings();
        let mut call =
            self.http.request(method, format!("{}{path}", settings.api_url)).bearer_auth(&settings.secret_key);
        if let Some(body) = body {
            call = call.json(&body);
        }
        let answer = call.send().await.and_then(reqwest::Response::error_for_status).expect(path);
        answer.json().await.expect("JSON")
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
}

/// Waits until `condition` returns `Ok`, and fails with the last `Err` after `limit`.
async fn eventually<T>(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> Result<T, String>) -> T {
    let began = Instant::now();
    loop {
        match condition().await {
            Ok(found) => return found,
            Err(missing) if began.elapsed() > limit => panic!("timed out waiting for {what}: {missing}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// A number from the environment.
fn variable(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number; it is {text:?}")))
}

/// Prints even if the test passes: the test runner shows a test's output only on failure.
fn say(text: &str) {
    use std::io::Write as _;
    _ = writeln!(std::io::stderr(), "{text}");
}
