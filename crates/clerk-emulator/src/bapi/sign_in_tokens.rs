//! Tokens that sign a user in once, and testing tokens, which exist for test helpers only.

use serde_json::{Value, json};

use super::Context;
use crate::errors::ApiError;
use crate::objects;
use crate::records::Ticket;

/// Seconds a sign-in token is valid unless the caller sets it: thirty days.
const DEFAULT_SECONDS: i64 = 30 * 24 * 60 * 60;

/// `POST /sign_in_tokens`
pub(super) fn create(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let user_id = context.call.required("user_id")?;
    if !context.store.users.contains_key(user_id) {
        return Err(ApiError::not_found("user"));
    }
    let now = context.app.clock.now_ms();
    let seconds = context.call.number("expires_in_seconds").unwrap_or(DEFAULT_SECONDS).max(1);
    let ticket = Ticket {
        id: context.app.random.id("sit"),
        user_id: user_id.to_owned(),
        token: context.app.random.secret(),
        status: "pending".to_owned(),
        expires_at: now.saturating_add(seconds.saturating_mul(1000)),
        created_at: now,
        updated_at: now,
    };
    context.store.put(ticket.clone());
    Ok(shown(context, &ticket))
}

/// `POST /sign_in_tokens/{id}/revoke`
pub(super) fn revoke(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let mut ticket = context.store.tickets.get(id).cloned().ok_or_else(|| ApiError::not_found("sign-in token"))?;
    if ticket.status == "pending" {
        ticket.status = "revoked".to_owned();
        ticket.updated_at = context.app.clock.now_ms();
        context.store.put(ticket.clone());
    }
    Ok(shown(context, &ticket))
}

/// `POST /testing_tokens`: there is no bot protection to get around, but test helpers call this.
pub(super) fn testing_token(context: &mut Context<'_>) -> Value {
    let expires_at = context.app.clock.now_s() + 3600;
    json!({"object": "testing_token", "token": context.app.random.secret(), "expires_at": expires_at})
}

fn shown(context: &Context<'_>, ticket: &Ticket) -> Value {
    let url = format!("{}/v1/tickets/accept?ticket={}", context.app.settings.issuer, ticket.token);
    objects::ticket(ticket, &url)
}
