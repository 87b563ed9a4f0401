//! The JSON API, for clients that are not our pages.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::gate::Verdict;
use crate::model::ids::{SessionId, UserId};
use crate::model::onboarding::{Availability, Created, SessionStatus};
use crate::model::organization::{Organization, OrganizationName, Role, SLUG_TAKEN, Slug};
use crate::server::failures;
use crate::server::organizations::{self, CreateError, IdempotencyKey, NewOrganization};
use crate::server::runtime::state::AppState;
use crate::server::runtime::telemetry;
use crate::server::session::visit::judge;
use crate::server::session::{Asked, SessionClaims, check};

/// The caller of an API route or server function, or what to tell them.
pub async fn authenticate(app: &AppState, asked: &Asked) -> Result<SessionClaims, Failure> {
    let checked = check(app, asked).await;
    checked.claims.ok_or_else(|| failures::refused(checked.error.as_ref(), checked.evidence))
}

/// Creates an organization from raw text: the one path of form, server function and JSON route.
pub async fn create(
    app: &AppState,
    session: &SessionClaims,
    name: &str,
    slug: &str,
    idempotency_key: Option<IdempotencyKey>,
) -> Result<Created, Failure> {
    let name = OrganizationName::parse(name)
        .map_err(|error| Failure::at(Field::Name, FailureCode::Invalid, error.to_string()))?;
    let slug = Slug::parse(slug).map_err(|error| Failure::at(Field::Slug, FailureCode::Invalid, error.to_string()))?;
    app.limit_creation(session.user_id())?;
    let wanted = slug.clone();
    let error = match organizations::create(app, session, NewOrganization { name, slug, idempotency_key }).await {
        Ok(created) => return Ok(created),
        Err(error) => error,
    };
    Err(match error {
        CreateError::SlugTaken => {
            // Help, not part of the answer: without it, the answer still stands.
            let looked = organizations::slug_availability(app, session, &wanted).await;
            let suggestions = looked.map(|availability| availability.suggestions).unwrap_or_default();
            Failure { suggestions, ..Failure::at(Field::Slug, FailureCode::SlugTaken, SLUG_TAKEN) }
        }
        CreateError::KeyReused => Failure::new(
            FailureCode::IdempotencyKeyReused,
            "This idempotency key was used before with another name or slug. Nothing was created. Use a new key for a new organization.",
        ),
        CreateError::CallerDeleted => Failure::signed_out(),
        CreateError::Database(error) => failures::unavailable(&error),
        CreateError::TaskFailed => Failure::internal(),
    })
}

/// Whether a slug is available, with the user's limit.
pub async fn slug_availability(app: &AppState, session: &SessionClaims, slug: &str) -> Result<Availability, Failure> {
    let slug = Slug::parse(slug).map_err(|error| Failure::at(Field::Slug, FailureCode::Invalid, error.to_string()))?;
    app.limit_slug_check(session.user_id())?;
    organizations::slug_availability(app, session, &slug).await.map_err(|error| failures::unavailable(&error))
}

/// How the gate sees the caller's token, for an island that waits. A token that cannot be verified is a failure.
pub async fn session_status(app: &AppState, asked: &Asked) -> Result<SessionStatus, Failure> {
    let checked = check(app, asked).await;
    if checked.claims.is_none() {
        return Err(failures::refused(checked.error.as_ref(), checked.evidence));
    }
    let judged = judge(app, &checked).await;
    let Some(mut transaction) = judged.transaction else { return Err(Failure::unavailable()) };
    let delivery = transaction.delivery().await.map_err(|error| failures::unavailable(&error))?;
    transaction.commit().await.map_err(|error| failures::unavailable(&error))?;
    Ok(SessionStatus {
        inside: matches!(judged.verdict, Verdict::Inside(_)),
        waiting: matches!(judged.verdict, Verdict::Wait(_)),
        delivery,
    })
}

#[derive(Deserialize)]
struct CreateRequest {
    name: String,
    slug: String,
}

/// `POST /api/organizations/create`: 201 with `{organization, delivery, replayed}`, 200 when an earlier request created it.
///
/// An `Idempotency-Key` header makes a repetition safe and allows further organizations; without one the call creates
/// the caller's first organization, or gives it back.
pub async fn create_organization(State(app): State<AppState>, parts: Parts, body: Bytes) -> Response {
    match create_from_json(&app, &parts, &body).await {
        Ok(created) => {
            let status = if created.replayed { StatusCode::OK } else { StatusCode::CREATED };
            (status, Json(created)).into_response()
        }
        Err(failure) => Failure { request_id: telemetry::request_id(&parts.headers), ..failure }.into_response(),
    }
}

async fn create_from_json(app: &AppState, parts: &Parts, body: &Bytes) -> Result<Created, Failure> {
    let headers = &parts.headers;
    let session = authenticate(app, &Asked::call(parts)).await?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Failure::new(
            FailureCode::UnsupportedMediaType,
            "Send application/json with \"name\" and \"slug\". Nothing was created.",
        ));
    }
    let request: CreateRequest = serde_json::from_slice(body).map_err(|_| {
        Failure::new(
            FailureCode::Invalid,
            "The body must be a JSON object with the texts \"name\" and \"slug\". Nothing was created.",
        )
    })?;
    let idempotency_key = match headers.get("idempotency-key") {
        None => None,
        Some(value) => Some(value.to_str().ok().and_then(IdempotencyKey::parse).ok_or_else(|| {
            Failure::new(
                FailureCode::Invalid,
                "The Idempotency-Key header must be 1 to 200 printable ASCII characters. Nothing was created.",
            )
        })?),
    };
    create(app, &session, &request.name, &request.slug, idempotency_key).await
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

/// A refusal of `GET /api/me`: the failure, with what an operator needs to mend it.
#[derive(Serialize)]
struct NotMe {
    #[serde(flatten)]
    failure: Failure,
    /// Clerk's name for the cause.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// What is the matter and what to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    fix: String,
}

/// `GET /api/me`: the caller's session and organization, by cookie or `Authorization: Bearer`; else a typed failure with
/// Clerk's reason and a hint.
pub async fn me(State(app): State<AppState>, parts: Parts) -> Response {
    let asked = Asked::call(&parts);
    match find_me(&app, &asked).await {
        Ok(me) => Json(me).into_response(),
        Err(failure) => {
            let status = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let failure = Failure { request_id: telemetry::request_id(&parts.headers), ..failure };
            let state = asked.notes.state();
            let fix = state.as_ref().map(|state| state.message.clone()).filter(|fix| !fix.is_empty());
            let fix = match (fix, failure.code) {
                (Some(fix), _) => fix,
                (None, FailureCode::SignedOut) => {
                    "Send the session token as \"Authorization: Bearer …\", or the cookies of a signed-in browser."
                        .to_owned()
                }
                (None, FailureCode::SessionStale) => {
                    "Open a page of this site in the browser: it renews the session. Then send the request again."
                        .to_owned()
                }
                (None, FailureCode::Unavailable) => "Try again in a moment.".to_owned(),
                (None, _) => String::new(),
            };
            let reason = state.map(|state| state.reason).unwrap_or_default();
            (status, Json(NotMe { failure, reason, fix })).into_response()
        }
    }
}

async fn find_me(app: &AppState, asked: &Asked) -> Result<Me, Failure> {
    let checked = check(app, asked).await;
    let judged = judge(app, &checked).await;
    let Some(claims) = checked.claims else {
        return Err(failures::refused(checked.error.as_ref(), checked.evidence));
    };
    let Some(mut transaction) = judged.transaction else { return Err(Failure::unavailable()) };
    let (organization, role) = match judged.verdict {
        Verdict::Inside(id) => {
            let found = async {
                let organization = organizations::find_organization(&mut transaction, id).await?;
                Ok::<_, sqlx::Error>((organization, organizations::find_role(&mut transaction, id).await?))
            };
            found.await.map_err(|error| failures::unavailable(&error))?
        }
        _ => (None, None),
    };
    transaction.commit().await.map_err(|error| failures::unavailable(&error))?;
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
pub async fn ready(State(app): State<AppState>) -> Response {
    match app.tenancy().ping().await {
        Ok(()) => "ready".into_response(),
        Err(error) => failures::unavailable(&error).into_response(),
    }
}
