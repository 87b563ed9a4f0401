//! `POST /api/webhooks/clerk`.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

use crate::model::failure::Failure;
use crate::server::webhooks::{Received, Webhooks};

/// What became of the message.
#[derive(Serialize)]
pub struct Answer {
    received: Received,
}

/// 200 once the message is stored, or was before. Any other answer makes Clerk send it again.
pub async fn receive(
    State(webhooks): State<Webhooks>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Answer>, Failure> {
    let received = webhooks.receive(&headers, &body).await?;
    Ok(axum::Json(Answer { received }))
}
