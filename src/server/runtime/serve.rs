//! Puts a server together, runs it until it is stopped, and stops it in order.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::server::clock::Clock;
use crate::server::reconcile::{self, Reconciler};
use crate::server::retention::Retention;
use crate::server::runtime::config::Config;
use crate::server::runtime::database::{self, DatabaseError, Pools};
use crate::server::runtime::site::{Site, SiteError};
use crate::server::runtime::state::{AppState, StateError};

/// How long requests and tasks may go on after the signal to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// How long the start waits for a database that is starting too.
const DATABASE_LIMIT: Duration = Duration::from_secs(10);

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(
        "cannot listen on {address}: {source}. If another program holds the port, stop it or choose another one with LISTEN."
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("the server stopped: {0}")]
    Io(#[from] std::io::Error),
}

/// Opens the port. Separate, because a development start must know the port before it can configure the rest.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Checks the database's logins and schema, and puts the state together.
pub async fn prepare(config: &Config) -> Result<(AppState, Pools), ServeError> {
    let executable = std::env::current_exe()?;
    let site = Site::load(&config.site_root, &executable)?;
    let pools = database::open(&config.database)?;
    let checked = async {
        database::check_logins(&pools).await?;
        database::check_schema(&pools).await
    };
    match tokio::time::timeout(DATABASE_LIMIT, checked).await {
        Ok(Ok(unknown)) if unknown.is_empty() => {}
        Ok(Ok(unknown)) => tracing::warn!(
            ?unknown,
            "the database is newer than this program: it has migrations that this program does not know. Start the newer program soon"
        ),
        Ok(Err(DatabaseError::Sql(error))) if error.as_database_error().is_none() => {
            // Pages say 503 until it is there; refusing to start would only make it come back later.
            tracing::error!("the database does not answer; starting without it");
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => tracing::error!("the database does not answer; starting without it"),
    }
    let app = AppState::new(config, Clock::system(), &pools, site)?;
    Ok((app, pools))
}

/// `reconcile_every`: how often users are compared with Clerk.
/// Serves until `stop`, then finishes requests, tasks and the relay's call under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    app: AppState,
    pools: Pools,
    reconcile_every: Option<time::Duration>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let relay = tokio::spawn({
        let (outbox, stop) = (app.outbox().clone(), stop.clone());
        async move { outbox.run(stop).await }
    });
    let webhooks = tokio::spawn({
        let (webhooks, stop) = (app.webhooks().clone(), stop.clone());
        async move { webhooks.run(stop).await }
    });
    let reconcile = tokio::spawn({
        let (worker, clerk, clock) = (pools.worker.clone(), app.clerk().clone(), app.clock().clone());
        let reconciler = Reconciler::new(worker, clerk, clock, reconcile::CALLS_REGULARLY);
        let stop = stop.clone();
        async move {
            if let Some(every) = reconcile_every {
                reconcile::run_regularly(reconciler, every, stop).await;
            }
        }
    });
    let retention = tokio::spawn({
        let (retention, stop) = (Retention::new(pools.worker.clone(), app.clock().clone()), stop.clone());
        async move { retention.run(stop).await }
    });
    let stopped = stop.clone();
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { stopped.cancelled().await });
    let mut server = std::pin::pin!(server.into_future());
    let result = tokio::select! {
        result = &mut server => result,
        () = stop.cancelled() => {
            // Idle keep-alive connections do not end by themselves.
            tokio::time::timeout(SHUTDOWN_LIMIT, server).await.unwrap_or(Ok(()))
        }
    };
    stop.cancel();
    app.tasks().close();
    let finished = async {
        app.tasks().wait().await;
        _ = relay.await;
        _ = webhooks.await;
        _ = reconcile.await;
        _ = retention.await;
    };
    if tokio::time::timeout(SHUTDOWN_LIMIT, finished).await.is_err() {
        tracing::warn!("some work was not finished in time; the outbox goes on at the next start");
    }
    pools.request.close().await;
    pools.worker.close().await;
    result.map_err(ServeError::Io)
}

/// Cancels the token at Ctrl-C or SIGTERM.
pub fn stop_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
