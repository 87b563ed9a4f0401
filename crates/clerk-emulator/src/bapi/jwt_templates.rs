//! JWT templates: named recipes for tokens that are no session tokens.

use serde_json::{Value, json};

use super::{Context, deleted, listed};
use crate::errors::ApiError;
use crate::objects;
use crate::records::JwtTemplate;

/// `GET /jwt_templates`
pub(super) fn list(context: &mut Context<'_>) -> Value {
    let mut templates = context.store.templates.values().collect::<Vec<_>>();
    templates.sort_by(|a, b| a.name.cmp(&b.name));
    listed(context.call, templates.into_iter().map(objects::jwt_template).collect())
}

/// `POST /jwt_templates`
pub(super) fn create(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let name = context.call.required("name")?;
    if context.store.templates.values().any(|template| template.name == name) {
        return Err(ApiError::form("form_param_duplicate", "name", "is taken", "A template with this name exists."));
    }
    let now = context.app.clock.now_ms();
    let template = JwtTemplate {
        id: context.app.random.id("jtmp"),
        name: name.to_owned(),
        claims: context.call.object("claims")?.unwrap_or_else(|| json!({})),
        lifetime: context.call.number("lifetime").unwrap_or(60).max(1),
        allowed_clock_skew: context.call.number("allowed_clock_skew").unwrap_or(5).max(0),
        created_at: now,
        updated_at: now,
    };
    context.store.put(template.clone());
    Ok(objects::jwt_template(&template))
}

/// `GET /jwt_templates/{id}`
pub(super) fn read(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    let template = context.store.templates.get(id).ok_or_else(|| ApiError::not_found("JWT template"))?;
    Ok(objects::jwt_template(template))
}

/// `DELETE /jwt_templates/{id}`
pub(super) fn delete(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    read(context, id)?;
    context.store.remove::<JwtTemplate>(id);
    Ok(deleted("jwt_template", id))
}
