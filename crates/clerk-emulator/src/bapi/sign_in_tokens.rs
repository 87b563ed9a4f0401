//! Tokens that sign a person in once, and the testing tokens that nothing here needs.

use serde_json::{Value, json};

use super::super::errors::ApiError;
use super::super::objects;
use super::super::records::Ticket;
use super::Desk;

/// Seconds a sign-in token is valid unless asked otherwise: thirty days.
const DEFAULT_SECONDS: i64 = 30 * 24 * 60 * 60;

/// `POST /sign_in_tokens`
pub(super) fn create(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let user_id = desk.call.required("user_id")?;
    if !desk.store.users.contains_key(user_id) {
        return Err(ApiError::not_found("user"));
    }
    let now = desk.app.clock.now_ms();
    let seconds = desk.call.number("expires_in_seconds").unwrap_or(DEFAULT_SECONDS).max(1);
    let ticket = Ticket {
        id: desk.app.random.id("sit"),
        user_id: user_id.to_owned(),
        token: desk.app.random.secret(),
        status: "pending".to_owned(),
        expires_at: now.saturating_add(seconds.saturating_mul(1000)),
        created_at: now,
        updated_at: now,
    };
    desk.store.put(ticket.clone());
    Ok(shown(desk, &ticket))
}

/// `POST /sign_in_tokens/{id}/revoke`
pub(super) fn revoke(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let mut ticket = desk.store.tickets.get(id).cloned().ok_or_else(|| ApiError::not_found("sign-in token"))?;
    if ticket.status == "pending" {
        ticket.status = "revoked".to_owned();
        ticket.updated_at = desk.app.clock.now_ms();
        desk.store.put(ticket.clone());
    }
    Ok(shown(desk, &ticket))
}

/// `POST /testing_tokens`: there is no bot protection to get around, but test helpers ask.
pub(super) fn testing_token(desk: &mut Desk<'_>) -> Value {
    let expires_at = desk.app.clock.now_s() + 3600;
    json!({"object": "testing_token", "token": desk.app.random.secret(), "expires_at": expires_at})
}

fn shown(desk: &Desk<'_>, ticket: &Ticket) -> Value {
    let url = format!("{}/v1/tickets/accept?ticket={}", desk.app.settings.issuer, ticket.token);
    objects::ticket(ticket, &url)
}
