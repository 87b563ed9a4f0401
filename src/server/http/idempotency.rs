//! The `Idempotency-Key` header as an extractor.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::model::failure::{Failure, FailureCode};
use crate::server::organizations::IdempotencyKey;

/// A client's own key, if it sent one.
pub struct KeyHeader(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for KeyHeader {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(IdempotencyKey::parse).ok_or_else(|| {
            Failure::new(
                FailureCode::Invalid,
                "The Idempotency-Key header must be 1 to 200 printable ASCII characters. Nothing was created.",
            )
        })?;
        Ok(Self(Some(key)))
    }
}
