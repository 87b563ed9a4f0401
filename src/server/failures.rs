//! How errors of the server become the [`Failure`] that the browser may see, and are logged once.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::model::failure::{Failure, FailureCode};
use crate::model::gate::SessionEvidence;
use crate::server::session::TokenError;

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

/// What a caller without usable claims is told.
pub fn refused(error: Option<&TokenError>, evidence: SessionEvidence) -> Failure {
    match evidence {
        SessionEvidence::Expired
        | SessionEvidence::NotYetValid
        | SessionEvidence::AuthorizedPartyMissing
        | SessionEvidence::NotReady
        | SessionEvidence::WithoutClientUat
        | SessionEvidence::OlderThanClientUat => Failure::new(
            FailureCode::SessionStale,
            "Your session has expired and is being renewed. Nothing was saved, and what you typed is still here. Try again.",
        ),
        SessionEvidence::Refused(_) => {
            let reason = error.map(ToString::to_string).unwrap_or_default();
            Failure::new(
                FailureCode::SessionRefused,
                format!(
                    "This app does not accept your session ({reason}). Nothing was saved. Sign out and in again; if that doesn’t help, contact support."
                ),
            )
        }
        SessionEvidence::Pending => Failure::new(
            FailureCode::SessionPending,
            "The sign-in service wants something done first. Nothing was saved. Open the sign-in page and finish it.",
        ),
        SessionEvidence::KeysUnreachable => Failure::unavailable(),
        SessionEvidence::Missing
        | SessionEvidence::DevelopmentBrowserMissing
        | SessionEvidence::DevelopmentBrowserInAddress
        | SessionEvidence::Verified(_) => Failure::signed_out(),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}
