//! JWT templates: named recipes for tokens that are no session tokens.

use serde_json::{Value, json};

use super::super::errors::ApiError;
use super::super::objects;
use super::super::records::JwtTemplate;
use super::{Desk, deleted, listed};

/// `GET /jwt_templates`
pub(super) fn list(desk: &mut Desk<'_>) -> Value {
    let mut templates = desk.store.templates.values().collect::<Vec<_>>();
    templates.sort_by(|a, b| a.name.cmp(&b.name));
    listed(desk.call, templates.into_iter().map(objects::jwt_template).collect())
}

/// `POST /jwt_templates`
pub(super) fn create(desk: &mut Desk<'_>) -> Result<Value, ApiError> {
    let name = desk.call.required("name")?;
    if desk.store.templates.values().any(|template| template.name == name) {
        return Err(ApiError::form("form_param_duplicate", "name", "is taken", "A template with this name exists."));
    }
    let now = desk.app.clock.now_ms();
    let template = JwtTemplate {
        id: desk.app.random.id("jtmp"),
        name: name.to_owned(),
        claims: desk.call.object("claims")?.unwrap_or_else(|| json!({})),
        lifetime: desk.call.number("lifetime").unwrap_or(60).max(1),
        allowed_clock_skew: desk.call.number("allowed_clock_skew").unwrap_or(5).max(0),
        created_at: now,
        updated_at: now,
    };
    desk.store.put(template.clone());
    Ok(objects::jwt_template(&template))
}

/// `GET /jwt_templates/{id}`
pub(super) fn read(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    let template = desk.store.templates.get(id).ok_or_else(|| ApiError::not_found("JWT template"))?;
    Ok(objects::jwt_template(template))
}

/// `DELETE /jwt_templates/{id}`
pub(super) fn delete(desk: &mut Desk<'_>, id: &str) -> Result<Value, ApiError> {
    read(desk, id)?;
    desk.store.remove::<JwtTemplate>(id);
    Ok(deleted("jwt_template", id))
}
