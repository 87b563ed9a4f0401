//! Browsers as servers see them, and the results of handshakes that wait for their server.

use serde_json::{Value, json};

use super::super::errors::ApiError;
use super::super::{fapi, objects};
use super::user_list::page_number;
use super::{Desk, listed};

/// `GET /clients`
pub(super) fn list(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let (limit, offset) = (page_number(desk.call, "limit", 10)?, page_number(desk.call, "offset", 0)?);
    let mut clients = desk.store.clients.values().collect::<Vec<_>>();
    clients.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let page = clients.into_iter().skip(offset).take(limit);
    Ok(listed(desk.call, page.map(|client| objects::backend_client(desk.app, desk.store, client)).collect()))
}

/// `GET /clients/{id}`
pub(super) fn read(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let client = desk.store.clients.get(id).ok_or_else(|| ApiError::not_found("client"))?;
    Ok(objects::backend_client(desk.app, desk.store, client))
}

/// `POST /clients/verify`: the client that a `__client` cookie belongs to.
pub(super) fn verify(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let client = fapi::client_by_token(desk.store, desk.call.required("token")?);
    let client = client.ok_or_else(|| ApiError::not_found("client"))?;
    Ok(objects::backend_client(desk.app, desk.store, client))
}

/// `GET /clients/handshake_payload?nonce=…`: once for each nonce.
pub(super) fn handshake_payload(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let nonce = desk.call.query("nonce").ok_or_else(|| ApiError::missing("nonce"))?;
    let directives = desk.app.handshakes.take(nonce, desk.app.clock.now_ms());
    let directives = directives.ok_or_else(|| ApiError::not_found("handshake"))?;
    Ok(json!({"directives": directives}))
}
