//! Starting the emulator: data directory, keys, journal, seeded users, listener.
//! A data directory belongs to one emulator at a time; the lock goes with the process, however it ends.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::app::App;
use crate::direct::{self, TlsListener};
use crate::emulator::Emulator;
use crate::journal::{Journal, JournalError, private_file};
use crate::keys::{KeyError, Keys};
use crate::options::{Instance, Options, SeedUser};
use crate::random::{Random, stable_id};
use crate::settings::{Direct, Settings};
use crate::store::{Store, normalized};
use crate::{clock, codes, dispatch, passwords, users, webhooks};

/// Pause between two tries for the data directory.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Tries for the data directory: two seconds in all.
const LOCK_TRIES: u32 = 40;

/// Why the emulator could not start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] Cause);

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the Clerk emulator cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error("the Clerk emulator listens on this machine only, and {0} is not a loopback address")]
    NotLoopback(SocketAddr),
    #[error("the Clerk emulator cannot use its data directory {0}: {1}")]
    Directory(PathBuf, io::Error),
    #[error("another Clerk emulator is using the data directory {0}")]
    InUse(PathBuf),
    #[error("the Clerk emulator's keys: {0}")]
    Keys(#[from] KeyError),
    #[error("the Clerk emulator's journal in {0}: {1}; remove the directory to start over")]
    Journal(PathBuf, JournalError),
    #[error("the Clerk emulator sends webhooks to this machine only, over http, and not to {0}")]
    WebhookUrl(Url),
    #[error("the claims template must be a JSON object")]
    ClaimsTemplate,
}

/// Starts the emulator and returns when it listens.
///
/// # Errors
/// If the address or the data directory cannot be used; the message names the cause.
pub async fn start(options: Options) -> Result<Emulator, StartError> {
    let tls_listen = match options.instance {
        Instance::Production => None,
        Instance::Development { tls_listen } => Some(tls_listen),
    };
    for wanted in [Some(options.listen), tls_listen].into_iter().flatten() {
        if !wanted.ip().is_loopback() {
            return Err(Cause::NotLoopback(wanted).into());
        }
    }
    if !options.claims_template.is_object() {
        return Err(Cause::ClaimsTemplate.into());
    }
    if let Some(url) = options.webhook_url.as_ref().filter(|url| !webhooks::is_local(url)) {
        return Err(Cause::WebhookUrl(url.clone()).into());
    }
    let lock = match options.data_dir.as_deref() {
        Some(directory) => Some(lock_directory(directory).await?),
        None => None,
    };
    let random = Random;
    let keys = Keys::open(options.data_dir.as_deref(), &random, options.instance).map_err(Cause::Keys)?;
    let store = open_store(options.data_dir.as_deref())?;
    let (listener, address) = bind(options.listen).await?;
    let (tls, direct) = match tls_listen {
        None => (None, None),
        Some(wanted) => {
            let (listener, direct) = bind_tls(&keys, wanted).await?;
            (Some(listener), Some(direct))
        }
    };
    let settings = settings(&keys, address, direct)?;
    let users = options.users.clone();
    let app = Arc::new(App::new(options, settings.clone(), keys, store));
    seed(&app, &users);
    codes::restore_inbox(&app, &app.store());

    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let server = tokio::spawn(async move {
        let service = dispatch::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let plain = axum::serve(listener, service).with_graceful_shutdown(stopped.clone().cancelled_owned());
        let for_tls = app.clone();
        let over_tls = async {
            match tls {
                Some(tls) => {
                    axum::serve(tls, direct::router(for_tls)).with_graceful_shutdown(stopped.cancelled_owned()).await
                }
                None => Ok(()),
            }
        };
        tokio::select! {
            ended = async { tokio::try_join!(plain.into_future(), over_tls) } => if let Err(error) = ended {
                tracing::error!(target: "clerk_emulator", %error, "the Clerk emulator stopped");
            },
            () = webhooks::deliver(&app.webhooks, &app.faults, &app.keys, &app.clock) => {}
        }
        drop(lock);
    });
    tracing::info!(target: "clerk_emulator", address = %address, inbox = settings.inbox_url.as_str(), "Clerk emulator listens");
    Ok(Emulator::new(settings, stop, server))
}

async fn bind(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), Cause> {
    let failed = |error| Cause::Listen(wanted, error);
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

async fn bind_tls(keys: &Keys, wanted: SocketAddr) -> Result<(TlsListener, Direct), Cause> {
    let certificate = keys.certificate.as_ref().ok_or(KeyError::Damaged)?;
    let acceptor = TlsAcceptor::from(certificate.server().ok_or(KeyError::Damaged)?);
    let (listener, address) = bind(wanted).await?;
    let direct = Direct {
        host: keys.host.clone(),
        address,
        certificate_pem: certificate.pem().ok_or(KeyError::Damaged)?,
        public_key_hash: certificate.public_key_hash().ok_or(KeyError::Damaged)?,
    };
    Ok((TlsListener::new(listener, acceptor), direct))
}

fn settings(keys: &Keys, address: SocketAddr, direct: Option<Direct>) -> Result<Settings, Cause> {
    let base = format!("http://{address}");
    Ok(Settings {
        publishable_key: keys.publishable_key(),
        secret_key: keys.secret_key.clone(),
        issuer: keys.issuer(),
        api_url: base.clone(),
        frontend_api_url: direct.as_ref().map_or_else(|| base.clone(), |direct| format!("https://{}", direct.address)),
        direct,
        webhook_secret: keys.webhook_secret.clone(),
        inbox_url: format!("{base}/inbox?token={}", keys.inbox_token),
        control_url: format!("{base}/control?token={}", keys.inbox_token),
        jwt_public_key_pem: keys.public_key_pem()?,
    })
}

/// Locks the data directory. Waits up to two seconds for another emulator that is just ending.
async fn lock_directory(directory: &Path) -> Result<File, Cause> {
    let failed = |error| Cause::Directory(directory.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let file = private_file(&directory.join("lock")).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Err(Cause::InUse(directory.to_owned()))
}

fn open_store(directory: Option<&Path>) -> Result<Store, Cause> {
    let Some(directory) = directory else {
        return Ok(Store::default());
    };
    let failed = |error| Cause::Journal(directory.to_owned(), error);
    let (journal, lines) = Journal::open(directory).map_err(failed)?;
    let now = clock::Clock::default().now_ms();
    Store::replay(journal, lines, now).map_err(|error| failed(error.into()))
}

/// Makes the users who do not exist yet. Equal passwords are hashed once: ten thousand users start in a moment.
fn seed(app: &App, seeds: &[SeedUser]) {
    let mut store = app.store();
    let mut hashes = HashMap::new();
    for seeded in seeds {
        let address = normalized(&seeded.email);
        if store.users.contains_key(&stable_id("user", &address)) || store.user_by_email(&address).is_some() {
            continue;
        }
        let named = |name: &str| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
        let mut user = users::new_user(app, Some(&address), Some(&address));
        user.first_name = named(&seeded.first_name);
        user.last_name = named(&seeded.last_name);
        let hash = hashes.entry(&seeded.password).or_insert_with(|| passwords::hash(&app.random, &seeded.password));
        user.password_hash = Some(hash.clone());
        user.public_metadata = users::object_or_empty(seeded.public_metadata.clone());
        store.put(user);
    }
}

#[cfg(test)]
#[path = "startup_tests.rs"]
mod tests;
