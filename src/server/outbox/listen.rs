//! Hears at once what any process commits.
//!
//! What must stay true: the connection is this module's own, because a pooled one hears nothing; nothing depends on
//! being heard, because polling stands behind it and a transaction pooler drops `LISTEN` without a word.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::CHANNEL;

/// To connect, and for the database to answer on this connection.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// A connection that said nothing for so long is asked whether it still lives.
const CHECK: Duration = Duration::from_secs(60);
/// First pause before connecting anew; doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest pause before connecting anew.
const RETRY_CAP: Duration = Duration::from_secs(30);

/// Wakes `heard` until stopped. Logs in as the pool does, on a connection outside it.
pub(super) async fn listen(worker: &PgPool, heard: &Notify, stop: &CancellationToken) {
    let mut pause = RETRY_FIRST;
    loop {
        let mut connected = false;
        let error = tokio::select! {
            () = stop.cancelled() => return,
            Err(error) = hear(worker, heard, &mut connected) => error,
        };
        if connected {
            pause = RETRY_FIRST;
        }
        tracing::warn!(%error, pause_ms = pause.as_millis() as u64, "not listening for outbox messages; polling until connected again");
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(RETRY_CAP);
    }
}

/// Ends only with an error.
async fn hear(worker: &PgPool, heard: &Notify, connected: &mut bool) -> Result<std::convert::Infallible, sqlx::Error> {
    let options = (*worker.connect_options()).clone().application_name("vestibule outbox listener");
    let own =
        PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER_LIMIT).idle_timeout(None).max_lifetime(None);
    let own = own.connect_with(options).await?;
    let mut listener = PgListener::connect_with(&own).await?;
    // Connecting anew is done here, where it is logged and paced.
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    *connected = true;
    // One call to ourselves. It also makes the relay look for what was committed while nothing listened.
    sqlx::query("select pg_notify($1, '')").bind(CHANNEL).execute(worker).await?;
    match timeout(ANSWER_LIMIT, listener.try_recv()).await {
        Ok(heard) => _ = heard?.ok_or_else(lost)?,
        Err(_) => tracing::warn!(
            "the database does not pass on notifications, so messages of other processes wait for the next poll. \
             Does DATABASE_WORKER_URL lead through a transaction pooler? Give it the database's own address"
        ),
    }
    tracing::debug!("listening for outbox messages");
    heard.notify_one();
    loop {
        match timeout(CHECK, listener.try_recv()).await {
            Ok(message) => _ = message?.ok_or_else(lost)?,
            Err(_) => {
                let alive = timeout(ANSWER_LIMIT, sqlx::query("select 1").execute(&mut listener)).await;
                alive.map_err(|_| lost())??;
                continue;
            }
        }
        heard.notify_one();
    }
}

fn lost() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())
}
