//! Calls of our server functions, by the browser's own `fetch` and JSON.
//!
//! Leptos's client would bring a second HTTP client and the whole JSON reader: a quarter of the WebAssembly. Path and
//! answer are the server function's own all the same.

use js_sys::{Array, JSON, Object, Reflect};
use leptos::server_fn::ServerFn;
use wasm_bindgen::{JsCast, JsValue};

use super::clerk_js::call as promised;
use super::page::property;
use crate::model::failure::{Failure, FailureCode, Field};
use crate::model::ids::OrganizationId;
use crate::model::onboarding::{Availability, Created, Delivery, SessionStatus};
use crate::model::organization::{Organization, OrganizationName, Slug};

/// Calls a server function with its arguments, by name.
pub async fn call<F>(arguments: &[(&str, &str)]) -> Result<F::Output, Failure>
where
    F: ServerFn,
    F::Output: FromJson,
{
    let answer = post(F::PATH, arguments).await?;
    answer.and_then(|json| F::Output::from_json(&json)).ok_or_else(Failure::unreadable)
}

/// Posts a JSON object of texts. `Err`: the server's failure, or that there was no answer. `None`: an answer that is no JSON.
async fn post(path: &str, arguments: &[(&str, &str)]) -> Result<Option<JsValue>, Failure> {
    let body = Object::new();
    for (name, value) in arguments {
        set(&body, name, &JsValue::from_str(value));
    }
    let headers = Object::new();
    set(&headers, "content-type", &"application/json".into());
    let options = Object::new();
    set(&options, "method", &"POST".into());
    set(&options, "headers", &headers);
    set(&options, "body", &JSON::stringify(&body).unwrap_or_default());
    let fetched = async {
        let global = js_sys::global();
        let response = promised(&global, "fetch", &[path.into(), options.into()]).await?;
        let text = promised(&response, "text", &[]).await?;
        Ok::<_, JsValue>((property(&response, "ok").is_truthy(), text))
    };
    let (is_ok, text) = fetched.await.map_err(|_| Failure::network())?;
    let json = JSON::parse(&text.as_string().unwrap_or_default()).ok();
    match is_ok {
        true => Ok(json),
        false => Err(json.and_then(|json| Failure::from_json(&json)).unwrap_or_else(Failure::unreadable)),
    }
}

fn set(object: &Object, name: &str, value: &JsValue) {
    _ = Reflect::set(object, &name.into(), value);
}

/// What a server function answers with, read from the browser's own JSON as `serde` writes it. `None`: it is something else.
pub trait FromJson: Sized {
    fn from_json(json: &JsValue) -> Option<Self>;
}

impl FromJson for Created {
    fn from_json(json: &JsValue) -> Option<Self> {
        let organization = property(json, "organization");
        Some(Self {
            organization: Organization {
                id: OrganizationId::parse(&text(&organization, "id")?).ok()?,
                name: OrganizationName::stored(text(&organization, "name")?),
                slug: Slug::stored(text(&organization, "slug")?),
            },
            delivery: delivery(json)?,
            replayed: property(json, "replayed").is_truthy(),
        })
    }
}

impl FromJson for Availability {
    fn from_json(json: &JsValue) -> Option<Self> {
        Some(Self { available: property(json, "available").as_bool()?, suggestions: texts(json, "suggestions") })
    }
}

impl FromJson for SessionStatus {
    fn from_json(json: &JsValue) -> Option<Self> {
        Some(Self {
            inside: property(json, "inside").as_bool()?,
            waiting: property(json, "waiting").as_bool()?,
            delivery: delivery(json)?,
        })
    }
}

impl FromJson for Failure {
    fn from_json(json: &JsValue) -> Option<Self> {
        let code = text(json, "code")?;
        let (_, code) = FailureCode::NAMES.into_iter().find(|(name, _)| *name == code)?;
        let field = match text(json, "field").as_deref() {
            Some("name") => Some(Field::Name),
            Some("slug") => Some(Field::Slug),
            _ => None,
        };
        let suggestions = texts(json, "suggestions");
        Some(Self { code, message: text(json, "message")?, field, suggestions, request_id: text(json, "request_id") })
    }
}

fn delivery(json: &JsValue) -> Option<Delivery> {
    Some(match text(json, "delivery")?.as_str() {
        "delivered" => Delivery::Delivered,
        "pending" => Delivery::Pending,
        "failed" => Delivery::Failed,
        _ => return None,
    })
}

fn text(json: &JsValue, name: &str) -> Option<String> {
    property(json, name).as_string()
}

fn texts(json: &JsValue, name: &str) -> Vec<String> {
    let texts = property(json, name).dyn_into::<Array>().unwrap_or_default();
    texts.iter().filter_map(|text| text.as_string()).collect()
}
