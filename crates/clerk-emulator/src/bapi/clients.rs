//! Browsers as servers see them, and the results of handshakes that wait for their server.

use serde_json::{Value, json};

use super::user_list::page_number;
use super::{Context, listed};
use crate::errors::ApiError;
use crate::{client_objects, fapi};

/// `GET /clients`
pub(super) fn list(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let (limit, offset) = (page_number(context.call, "limit", 10)?, page_number(context.call, "offset", 0)?);
    let mut clients = context.store.clients.values().collect::<Vec<_>>();
    clients.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let page = clients.into_iter().skip(offset).take(limit);
    Ok(listed(
        context.call,
        page.map(|client| client_objects::backend_client(context.app, context.store, client)).collect(),
    ))
}

/// `GET /clients/{id}`
pub(super) fn read(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let client = context.store.clients.get(id).ok_or_else(|| ApiError::not_found("client"))?;
    Ok(client_objects::backend_client(context.app, context.store, client))
}

/// `POST /clients/verify`: the client that a `__client` cookie belongs to.
pub(super) fn verify(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let client = fapi::client_by_token(context.store, context.call.required("token")?);
    let client = client.ok_or_else(|| ApiError::not_found("client"))?;
    Ok(client_objects::backend_client(context.app, context.store, client))
}

/// `GET /clients/handshake_payload?nonce=…`: once for each nonce.
pub(super) fn handshake_payload(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let nonce = context.call.query("nonce").ok_or_else(|| ApiError::missing("nonce"))?;
    let directives = context.app.handshakes.take(nonce, context.app.clock.now_ms());
    let directives = directives.ok_or_else(|| ApiError::not_found("handshake"))?;
    Ok(json!({"directives": directives}))
}
