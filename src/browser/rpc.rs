//! Calls of our server functions, by the browser's own `fetch` and JSON.
//!
//! Leptos's client would bring a second HTTP client and the whole JSON reader: a quarter of the WebAssembly. Path and
//! answer are the server function's own all the same.

use leptos::server_fn::ServerFn;

use super::js::Js;
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

/// Posts a JSON object of strings. `Err`: the server's failure, or that there was no answer. `None`: the answer is not JSON.
async fn post(path: &str, arguments: &[(&str, &str)]) -> Result<Option<Js>, Failure> {
    let arguments: Vec<_> = arguments.iter().map(|(name, value)| (*name, Js::string(value))).collect();
    let options = Js::object(&[
        ("method", Js::string("POST")),
        ("headers", Js::object(&[("content-type", Js::string("application/json"))])),
        ("body", Js::object(&arguments).stringify()),
    ]);
    let fetched = async {
        let response = Js::global().call_async("fetch", &[Js::string(path), options]).await?;
        let text = response.call_async("text", &[]).await?;
        Ok::<_, Js>((response.get("ok").as_bool() == Some(true), text))
    };
    let (is_ok, text) = fetched.await.map_err(|_| Failure::network())?;
    let json = Js::parse(&text.as_string().unwrap_or_default());
    match is_ok {
        true => Ok(json),
        false => Err(json.and_then(|json| Failure::from_json(&json)).unwrap_or_else(Failure::unreadable)),
    }
}

/// A server function's answer, read from the browser's own JSON as `serde` writes it. `None`: it is something else.
pub trait FromJson: Sized {
    fn from_json(json: &Js) -> Option<Self>;
}

impl FromJson for Created {
    fn from_json(json: &Js) -> Option<Self> {
        let organization = json.get("organization");
        Some(Self {
            organization: Organization {
                id: OrganizationId::parse(&text(&organization, "id")?).ok()?,
                name: OrganizationName::stored(text(&organization, "name")?),
                slug: Slug::stored(text(&organization, "slug")?),
            },
            delivery: delivery(json)?,
            replayed: json.get("replayed").as_bool() == Some(true),
        })
    }
}

impl FromJson for Availability {
    fn from_json(json: &Js) -> Option<Self> {
        Some(Self { available: json.get("available").as_bool()?, suggestions: json.get("suggestions").strings() })
    }
}

impl FromJson for SessionStatus {
    fn from_json(json: &Js) -> Option<Self> {
        Some(Self {
            inside: json.get("inside").as_bool()?,
            waiting: json.get("waiting").as_bool()?,
            delivery: delivery(json)?,
        })
    }
}

impl FromJson for Failure {
    fn from_json(json: &Js) -> Option<Self> {
        let code = text(json, "code")?;
        let (_, code) = FailureCode::NAMES.into_iter().find(|(name, _)| *name == code)?;
        let field = match text(json, "field").as_deref() {
            Some("name") => Some(Field::Name),
            Some("slug") => Some(Field::Slug),
            _ => None,
        };
        let suggestions = json.get("suggestions").strings();
        Some(Self { code, message: text(json, "message")?, field, suggestions, request_id: text(json, "request_id") })
    }
}

fn delivery(json: &Js) -> Option<Delivery> {
    Some(match text(json, "delivery")?.as_str() {
        "delivered" => Delivery::Delivered,
        "pending" => Delivery::Pending,
        "failed" => Delivery::Failed,
        _ => return None,
    })
}

fn text(json: &Js, name: &str) -> Option<String> {
    json.get(name).as_string()
}
