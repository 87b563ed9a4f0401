//! Request bodies as typed values, rejected in our own words.

use axum::body::Body;
use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use crate::model::failure::{Failure, FailureCode};

/// Largest body that pages, server functions and the API take, in bytes. The largest honest one is a form of two fields.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// Reads a body to its end before anything else is done with the request: a client that sends slowly must not hold a
/// database connection meanwhile.
pub async fn read_whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match axum::body::to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(_) => Failure::too_large().into_response(),
    }
}

/// A JSON body. Rejected with 415, 413 or 422.
pub struct Json<T>(pub T);

/// A form's body. Rejected with 415, 413 or 422.
pub struct Form<T>(pub T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match axum::Json::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(media_type("application/json")),
            Err(JsonRejection::JsonDataError(error)) => Err(invalid("JSON", &error.body_text())),
            Err(JsonRejection::JsonSyntaxError(error)) => Err(invalid("JSON", &error.body_text())),
            Err(other) => Err(unreadable(other.status())),
        }
    }
}

impl<S, T> FromRequest<S> for Form<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        match axum::Form::from_request(request, state).await {
            Ok(axum::Form(value)) => Ok(Self(value)),
            Err(FormRejection::InvalidFormContentType(_)) => Err(media_type("application/x-www-form-urlencoded")),
            Err(FormRejection::FailedToDeserializeFormBody(error)) => Err(invalid("form", &error.body_text())),
            Err(other) => Err(unreadable(other.status())),
        }
    }
}

fn media_type(expected: &str) -> Failure {
    Failure::new(FailureCode::UnsupportedMediaType, format!("Send the body as {expected}. Nothing was saved."))
}

fn invalid(kind: &str, why: &str) -> Failure {
    // "Failed to deserialize …: " stands before what is wrong.
    let why = why.split_once(": ").map_or(why, |(_, why)| why);
    let why: String = why.chars().take(MAX_CAUSE).collect();
    Failure::new(
        FailureCode::Invalid,
        format!("The {kind} body is not what this endpoint takes: {why}. Nothing was saved."),
    )
}

/// Longest part of a parser's text that is repeated, in characters.
const MAX_CAUSE: usize = 200;

fn unreadable(status: StatusCode) -> Failure {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::too_large(),
        _ => Failure::new(
            FailureCode::Invalid,
            "The body could not be read to its end. Nothing was saved. Send it again.",
        ),
    }
}
