//! How errors of the server become the [`Failure`] that the browser may see, and are logged once.

use crate::model::failure::Failure;

/// Logs a fault of ours or of a service, and gives what the browser may know.
pub fn unavailable(error: &sqlx::Error) -> Failure {
    let connection =
        matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_));
    // The text of a database error may quote values, so only its kind and code are logged.
    let code =
        error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned())).unwrap_or_default();
    tracing::error!(database.unreachable = connection, database.code = %code, "a database call failed");
    if connection { Failure::unavailable() } else { Failure::internal() }
}
