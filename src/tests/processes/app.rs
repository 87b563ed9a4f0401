//! A process of the app: the real binary with a clean environment.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::process::{Child, Command};

use super::{CLERK_TIMEOUT_MS, World, eventually, say};
use crate::support::ORIGIN;

/// Longest wait for a start or an exit.
const LIMIT: Duration = Duration::from_secs(20);
const SIGKILL: i32 = 9;
/// How much of a log is shown when a test fails.
const LINES_SHOWN: usize = 60;

/// A process, running or ended. Dropping it kills it, and shows its log if the test is failing.
pub struct App {
    pub url: String,
    child: Child,
    log: PathBuf,
}

impl App {
    /// Starts a process. Returns once it answers, or has already crashed at its failpoint.
    pub async fn start(world: &World, crash_at: Option<&str>) -> Self {
        // A free port may be taken a moment later.
        for _ in 0..5 {
            let mut app = Self::spawn(world, crash_at);
            let health = format!("{}/health", app.url);
            let serves =
                eventually(LIMIT, "an answer of the app", async || match app.child.try_wait().expect("a child") {
                    Some(status) => Ok(crash_at.is_some() && status.signal() == Some(SIGKILL)),
                    None => world.http.get(&health).send().await.map(|_| true).map_err(|error| error.to_string()),
                });
            if serves.await {
                return app;
            }
            assert!(app.log().contains("cannot listen on"), "the app did not start:\n{}", app.log());
        }
        panic!("no free port");
    }

    fn spawn(world: &World, crash_at: Option<&str>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = world.folder.path();
        let log = folder.join(format!("{}.log", COUNT.fetch_add(1, Ordering::Relaxed)));
        let address =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let settings = world.clerk.settings();
        let output = File::create(&log).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command
            .arg("serve")
            .env_clear()
            .current_dir(folder)
            .envs(world.database.variables())
            .env("PUBLIC_ORIGIN", ORIGIN)
            .env("LISTEN", address.to_string())
            .env("LEPTOS_SITE_ROOT", folder.join("site"))
            .env("CLERK_PUBLISHABLE_KEY", &settings.publishable_key)
            .env("CLERK_SECRET_KEY", &settings.secret_key)
            .env("CLERK_JWT_KEY", &settings.jwt_public_key_pem)
            .env("CLERK_WEBHOOK_SECRET", &settings.webhook_secret)
            .env("CLERK_API_URL", world.proxy.url())
            .env("CLERK_TIMEOUT_MS", CLERK_TIMEOUT_MS.to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .kill_on_drop(true);
        if let Some(crash_at) = crash_at {
            command.env("VESTIBULE_CRASH_AT", crash_at);
        }
        Self { url: format!("http://{address}"), child: command.spawn().expect("the binary"), log }
    }

    /// Waits until it has died as by `kill -9`. A process that never reaches its failpoint fails the test.
    pub async fn died(&mut self) {
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let status = status.expect("the process gets to the point where it is to die").expect("a child");
        assert_eq!(status.signal(), Some(SIGKILL), "{status}");
    }

    /// Kills it, whatever it is doing.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a child");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            say(&format!(
                "The last lines of {}:\n{}",
                self.url,
                lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
            ));
        }
    }
}
