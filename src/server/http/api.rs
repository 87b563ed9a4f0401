//! The JSON API, for clients that are not our pages.

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::body::Json;
use super::failures::Explained;
use super::idempotency::KeyHeader;
use crate::model::failure::{Failure, FailureCode};
use crate::model::gate::Verdict;
use crate::model::ids::{SessionId, UserId};
use crate::model::onboarding::Created;
use crate::model::organization::{Organization, Role};
use crate::server::access::{Authentication, Caller, Sessions};
use crate::server::failures;
use crate::server::organizations::{self, NewOrganization, Organizations};
use crate::server::tenancy::Tenancy;

/// The body of a creation.
#[derive(Deserialize)]
pub struct CreateRequest {
    name: String,
    slug: String,
}

/// `POST /api/organizations/create`: 201 with `{organization, delivery, replayed}`, 200 when an earlier request created it.
///
/// An `Idempotency-Key` header makes a repetition safe and allows further organizations; without one the call creates
/// the caller's first organization, or gives it back.
pub async fn create_organization(
    caller: Caller,
    KeyHeader(idempotency_key): KeyHeader,
    State(organizations): State<Organizations>,
    Json(CreateRequest { name, slug }): Json<CreateRequest>,
) -> Result<(StatusCode, axum::Json<Created>), Failure> {
    let request = NewOrganization::parse(&name, &slug, idempotency_key)?;
    let created = organizations.create(caller, request).await?;
    let status = if created.replayed { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, axum::Json(created)))
}

/// Who is calling, as `GET /api/me` answers it.
#[derive(Serialize)]
struct Me {
    user_id: UserId,
    session_id: SessionId,
    /// `iat` and `exp`, in seconds since the Unix epoch.
    issued_at: i64,
    expires_at: i64,
    /// The organization the gate would let the caller into.
    organization: Option<Organization>,
    /// The caller's role there, as the database has it.
    role: Option<Role>,
}

/// What an operator needs to mend a refusal.
#[derive(Serialize)]
struct Hint {
    /// Clerk's name for the cause.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// What is the matter and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

/// `GET /api/me`: the caller's session and organization, by cookie or `Authorization: Bearer`; else a typed failure with
/// Clerk's reason and a hint.
pub async fn me(
    State(sessions): State<Sessions>,
    Extension(authentication): Extension<Authentication>,
    caller: Result<Caller, Failure>,
) -> Response {
    let found = match caller {
        Ok(caller) => find_me(caller).await,
        Err(failure) => Err(failure),
    };
    let failure = match found {
        Ok(me) => return axum::Json(me).into_response(),
        Err(failure) => failure,
    };
    let state = sessions.state_of(&authentication);
    let (reason, message) = state.map(|state| (state.reason, state.message)).unwrap_or_default();
    let fix = match failure.code {
        _ if !message.is_empty() => message,
        FailureCode::SignedOut => {
            "Send the session token as \"Authorization: Bearer …\", or the cookies of a signed-in browser.".to_owned()
        }
        FailureCode::SessionStale => {
            "Open a page of this site in the browser: it renews the session. Then send the request again.".to_owned()
        }
        FailureCode::Unavailable => "Try again in a moment.".to_owned(),
        _ => String::new(),
    };
    Explained { failure, more: Hint { reason, fix } }.into_response()
}

async fn find_me(caller: Caller) -> Result<Me, Failure> {
    let Caller { claims, verdict, mut transaction } = caller;
    let found = async {
        let found = match verdict {
            Verdict::Inside(id) => {
                let organization = organizations::find_organization(&mut transaction, id).await?;
                (organization, organizations::find_role(&mut transaction, id).await?)
            }
            _ => (None, None),
        };
        transaction.commit().await?;
        Ok::<_, sqlx::Error>(found)
    };
    let (organization, role) = found.await.map_err(|error| failures::unavailable(&error))?;
    Ok(Me {
        user_id: claims.user_id().clone(),
        session_id: claims.session_id().clone(),
        issued_at: claims.issued_at(),
        expires_at: claims.expires_at(),
        organization,
        role,
    })
}

/// `GET /health`: the process answers.
pub async fn health() -> &'static str {
    "ok"
}

/// `GET /ready`: the database answers, so requests can be served.
pub async fn ready(State(tenancy): State<Tenancy>) -> Result<&'static str, Failure> {
    tenancy.ping().await.map(|()| "ready").map_err(|error| failures::unavailable(&error))
}
