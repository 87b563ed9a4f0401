//! The command line: what the binary `clerk-emulator` takes, for any program that wants to offer the same command.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::emulator::Emulator;
use crate::options::{Instance, Options, SeedUser};
use crate::seed;
use crate::settings::{Direct, Settings};
use crate::startup::{self, StartError};

/// What to start.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Where to answer, on this machine only. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4010")]
    listen: SocketAddr,
    /// Where to keep users, sessions and keys. Without it they live in memory.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// A JSON file with "users" and "claims_template".
    #[arg(long)]
    seed: Option<PathBuf>,
    /// The name that Clerk's forms show.
    #[arg(long, default_value = "Emulated app")]
    name: String,
    /// Be a development instance (pk_test_…), which browsers call directly, instead of a production one behind a proxy.
    #[arg(long)]
    development: bool,
    /// Send webhooks there: an address on this machine, such as http://127.0.0.1:3000/api/webhooks/clerk.
    #[arg(long)]
    webhook_url: Option<Url>,
    #[command(flatten)]
    tls: TlsArguments,
}

/// Where a development instance answers browsers.
#[derive(Debug, Args)]
pub struct TlsArguments {
    /// Where a development instance answers browsers, over TLS, on this machine only. Port 0 takes a free one.
    /// [default: 127.0.0.1:4443]
    #[arg(long)]
    tls_listen: Option<SocketAddr>,
}

impl TlsArguments {
    /// The instance that the arguments name. `option` is what makes a development instance on this command line.
    ///
    /// # Errors
    /// An address for TLS without a development instance.
    pub fn instance(&self, development: bool, option: &str) -> Result<Instance, CliError> {
        match self.tls_listen {
            Some(_) if !development => Err(CliError::TlsWithoutDevelopment(option.to_owned())),
            None if !development => Ok(Instance::Production),
            tls_listen => {
                let tls_listen = tls_listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 4443)));
                Ok(Instance::Development { tls_listen })
            }
        }
    }
}

/// Starts the emulator, prints the settings for other programs, and runs until `stop`. `claims_template` is used unless the
/// seed file has one.
///
/// # Errors
/// See [`CliError`].
pub async fn run(arguments: Arguments, claims_template: Value, stop: CancellationToken) -> Result<(), CliError> {
    let running = start(arguments, claims_template).await?;
    print!("{}", environment(running.settings()));
    println!("# E-mail codes arrive at  {}", running.settings().inbox_url);
    println!("# Fault settings are at   {}", running.settings().control_url);
    if let Some(direct) = &running.settings().direct {
        println!("# {} is at {}, for a browser started like this:", direct.host, direct.address);
        println!("# {}", chromium_command(direct));
    }
    stop.cancelled().await;
    running.shutdown().await;
    Ok(())
}

/// Which users exist, and what their tokens carry. Unknown fields are rejected: a typo would be silent otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SeedFile {
    users: Option<Vec<User>>,
    /// Clerk's "customize session token". Without it, the caller's default.
    claims_template: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    email: String,
    password: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    public_metadata: Map<String, Value>,
}

/// Why the command ended.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("the seed file {path} cannot be read: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the seed file {path} is not valid: {source}")]
    Seed { path: PathBuf, source: serde_json::Error },
    #[error("--tls-listen is only used with {0}")]
    TlsWithoutDevelopment(String),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Reads a seed file.
fn read_seed(path: &Path) -> Result<SeedFile, CliError> {
    let text = std::fs::read(path).map_err(|source| CliError::File { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| CliError::Seed { path: path.to_owned(), source })
}

async fn start(arguments: Arguments, claims_template: Value) -> Result<Emulator, CliError> {
    let instance = arguments.tls.instance(arguments.development, "--development")?;
    let seed = arguments.seed.as_deref().map(read_seed).transpose()?.unwrap_or_default();
    let options = Options {
        listen: arguments.listen,
        instance,
        data_dir: arguments.data_dir,
        application_name: arguments.name,
        claims_template: seed.claims_template.map_or(claims_template, Value::Object),
        users: match seed.users {
            None => seed::users(),
            Some(users) => users.into_iter().map(User::into_seed).collect(),
        },
        webhook_url: arguments.webhook_url,
        ..Options::default()
    };
    Ok(startup::start(options).await?)
}

impl User {
    fn into_seed(self) -> SeedUser {
        SeedUser {
            email: self.email,
            password: self.password,
            first_name: self.first_name,
            last_name: self.last_name,
            public_metadata: Value::Object(self.public_metadata),
        }
    }
}

/// The settings as lines of an environment file, to be pasted into any app.
pub fn environment(settings: &Settings) -> String {
    // A development instance needs no Frontend API address: its host is in the publishable key.
    let proxied = settings.direct.is_none().then_some(("CLERK_FRONTEND_API_URL", settings.frontend_api_url.as_str()));
    let lines = [
        ("CLERK_PUBLISHABLE_KEY", settings.publishable_key.as_str()),
        ("CLERK_SECRET_KEY", &settings.secret_key),
        ("CLERK_API_URL", &settings.api_url),
        ("CLERK_ISSUER", &settings.issuer),
        ("CLERK_WEBHOOK_SIGNING_SECRET", &settings.webhook_secret),
    ];
    let mut text: String = lines.into_iter().chain(proxied).map(|(name, value)| format!("{name}={value}\n")).collect();
    // As JSON, so that the newlines of the PEM stand in one line.
    text.push_str(&format!("CLERK_JWT_KEY={}\n", json!(settings.jwt_public_key_pem.trim())));
    text
}

/// How to start a Chromium that finds a development instance, as a command for a shell.
pub fn chromium_command(direct: &Direct) -> String {
    let flags = direct.chromium_flags().map(|flag| format!(" '{flag}'")).concat();
    format!("chromium --user-data-dir=\"$(mktemp -d)\"{flags}")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(line: &[&str]) -> Arguments {
        let common = ["clerk-emulator", "--listen", "127.0.0.1:0"];
        Command::try_parse_from(common.iter().chain(line)).expect("arguments").arguments
    }

    fn seed_file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seed.json");
        std::fs::write(&path, text).expect("a file");
        (folder, path)
    }

    fn seed(text: &str) -> Result<SeedFile, CliError> {
        read_seed(&seed_file(text).1)
    }

    #[test]
    fn a_seed_file_may_omit_fields_but_not_have_unknown_ones() {
        let file = seed(r#"{"users":[{"email":"a@b.test","password":"long enough"}]}"#).expect("fine");
        assert_eq!(file.users.expect("users").len(), 1);
        assert!(seed("{}").expect("fine").users.is_none());
        for wrong in
            [r#"{"usres":[]}"#, r#"{"users":[{"email":"a@b.test"}]}"#, r#"{"claims_template":"x"}"#, "nonsense"]
        {
            assert!(matches!(seed(wrong), Err(CliError::Seed { .. })), "{wrong}");
        }
        assert!(matches!(read_seed(Path::new("/nowhere/seed.json")), Err(CliError::File { .. })));
    }

    #[tokio::test]
    async fn the_printed_settings_are_all_a_client_needs() {
        let (_folder, path) = seed_file(
            r#"{"users":[{"email":"a@b.test","password":"long enough","public_metadata":{"plan":"pro"}}],
                "claims_template":{"plan":"{{user.public_metadata.plan}}"}}"#,
        );
        let path = path.to_str().expect("a path");
        let emulator = start(arguments(&["--seed", path]), json!({})).await.expect("started");
        let text = environment(emulator.settings());
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).expect(name);
            line.trim_matches('"').to_owned()
        };
        assert!(value("CLERK_JWT_KEY").contains("BEGIN PUBLIC KEY") && text.lines().count() == 7, "{text}");
        let client = reqwest::Client::new();
        let users: Value = client
            .get(format!("{}/v1/users", value("CLERK_API_URL")))
            .bearer_auth(value("CLERK_SECRET_KEY"))
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        assert_eq!(users[0]["public_metadata"]["plan"], json!("pro"));
        emulator.shutdown().await;
    }

    #[tokio::test]
    async fn a_development_instance_prints_settings_of_its_own() {
        let development = arguments(&["--development", "--tls-listen", "127.0.0.1:0"]);
        let emulator = start(development, json!({})).await.expect("started");
        let settings = emulator.settings();
        let text = environment(settings);
        assert!(text.starts_with("CLERK_PUBLISHABLE_KEY=pk_test_") && !text.contains("FRONTEND_API_URL"), "{text}");
        let direct = settings.direct.as_ref().expect("a development instance");
        let rule = format!("'--host-resolver-rules=MAP {} {}'", direct.host, direct.address);
        assert!(chromium_command(direct).contains(&rule), "{}", chromium_command(direct));
        emulator.shutdown().await;
    }

    #[tokio::test]
    async fn an_address_for_tls_needs_a_development_instance() {
        let error = start(arguments(&["--tls-listen", "127.0.0.1:0"]), json!({})).await.expect_err("rejected");
        assert!(error.to_string().contains("--development"), "{error}");
    }
}
