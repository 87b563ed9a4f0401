//! `vestibule emulator`: the Clerk emulator by itself, for other projects and their tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::run::CLAIMS_TEMPLATE;
use super::seed;
pub use crate::clerk_emulator::Instance;
use crate::clerk_emulator::{self, Direct, Emulator, SeedPerson, Settings};

/// Life of a session token, in seconds. Clerk's.
const TOKEN_SECONDS: u64 = 60;

/// Who exists, and what their tokens carry. Unknown fields are refused: a typing error would be silent otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SeedFile {
    people: Option<Vec<Person>>,
    /// Clerk's "customize session token". Without it, this project's own.
    claims_template: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    email: String,
    password: String,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default)]
    public_metadata: Map<String, Value>,
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    #[error("the seed file {path} cannot be read: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("the seed file {path} is not what it should be: {source}")]
    Seed { path: PathBuf, source: serde_json::Error },
    #[error("the claims template is not JSON: {0}")]
    Template(#[from] serde_json::Error),
    #[error(transparent)]
    Start(#[from] clerk_emulator::StartError),
}

/// Reads a seed file.
pub fn read_seed(path: &Path) -> Result<SeedFile, EmulatorError> {
    let text = std::fs::read(path).map_err(|source| EmulatorError::File { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| EmulatorError::Seed { path: path.to_owned(), source })
}

/// Starts the emulator. Without a data directory everything is in memory, and gone with the process.
pub async fn start(
    listen: SocketAddr,
    instance: Instance,
    data_dir: Option<PathBuf>,
    name: String,
    seed: SeedFile,
    webhook_url: Option<Url>,
) -> Result<Emulator, EmulatorError> {
    let people = match seed.people {
        None => seed::people(),
        Some(people) => people.into_iter().map(Person::into_seed).collect(),
    };
    let claims_template = match seed.claims_template {
        Some(template) => Value::Object(template),
        None => serde_json::from_str(CLAIMS_TEMPLATE)?,
    };
    let options = clerk_emulator::Options {
        listen,
        instance,
        data_dir,
        application_name: name,
        claims_template,
        token_lifetime: Duration::from_secs(TOKEN_SECONDS),
        people,
        webhook_url,
    };
    Ok(clerk_emulator::start(options).await?)
}

impl Person {
    fn into_seed(self) -> SeedPerson {
        SeedPerson {
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
    // With a development instance an app is told nothing of the Frontend API: its host is in the publishable key.
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
    use super::*;

    fn seed(text: &str) -> Result<SeedFile, EmulatorError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seed.json");
        std::fs::write(&path, text).expect("a file");
        read_seed(&path)
    }

    #[test]
    fn a_seed_file_may_leave_things_out_but_not_invent_any() {
        let file = seed(r#"{"people":[{"email":"a@b.test","password":"long enough"}]}"#).expect("fine");
        assert_eq!(file.people.expect("people").len(), 1);
        assert!(seed("{}").expect("fine").people.is_none());
        for wrong in
            [r#"{"poeple":[]}"#, r#"{"people":[{"email":"a@b.test"}]}"#, r#"{"claims_template":"x"}"#, "nonsense"]
        {
            assert!(matches!(seed(wrong), Err(EmulatorError::Seed { .. })), "{wrong}");
        }
        assert!(matches!(read_seed(Path::new("/nowhere/seed.json")), Err(EmulatorError::File { .. })));
    }

    #[tokio::test]
    async fn the_printed_settings_are_all_a_client_needs() {
        let file = seed(
            r#"{"people":[{"email":"a@b.test","password":"long enough","public_metadata":{"plan":"pro"}}],
                "claims_template":{"plan":"{{user.public_metadata.plan}}"}}"#,
        );
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let name = "Other app".to_owned();
        let emulator =
            start(listen, Instance::Production, None, name, file.expect("fine"), None).await.expect("started");
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
    async fn a_development_instance_is_told_apart_by_its_settings() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let instance = Instance::Development { tls_listen: listen };
        let emulator =
            start(listen, instance, None, "Other app".to_owned(), SeedFile::default(), None).await.expect("started");
        let settings = emulator.settings();
        let text = environment(settings);
        assert!(text.starts_with("CLERK_PUBLISHABLE_KEY=pk_test_") && !text.contains("FRONTEND_API_URL"), "{text}");
        let direct = settings.direct.as_ref().expect("a development instance");
        let rule = format!("'--host-resolver-rules=MAP {} {}'", direct.host, direct.address);
        assert!(chromium_command(direct).contains(&rule), "{}", chromium_command(direct));
        emulator.shutdown().await;
    }
}
