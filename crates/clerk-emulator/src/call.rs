//! One request, taken apart: the method after the `_method` override, the path's segments, the query and the
//! fields of the body. Handlers read from here and never from the transport.

use http::{HeaderMap, Method, Uri, header};
use serde_json::Value;

use crate::cookies;
use crate::errors::ApiError;

/// A request to either API. Not printable: it holds cookies, passwords and keys.
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Segments after `/v1`; a trailing slash leaves no segment.
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    /// Fields of a form, or the top level of a JSON body.
    fields: Vec<(String, Value)>,
    pub(crate) headers: HeaderMap,
}

impl Call {
    /// Takes a request apart. `None` if its path is not under `/v1`.
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, body: &[u8]) -> Result<Option<Self>, ApiError> {
        let Some(path) = uri.path().strip_prefix("/v1/") else {
            return Ok(None);
        };
        let query: Vec<(String, String)> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let path = path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        let fields = fields(&headers, body)?;
        let method = overridden(method, &query);
        Ok(Some(Self { method, path, query, fields, headers }))
    }

    /// First value of a query parameter.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a query parameter; `name[]` counts as `name`.
    pub(crate) fn query_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query
            .iter()
            .filter(move |(key, _)| key.strip_suffix("[]").unwrap_or(key) == name)
            .map(|(_, value)| value.as_str())
    }

    /// A field of the body as it was sent.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A text field, `Some("")` if it was sent empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.field(name).and_then(Value::as_str)
    }

    /// A text field that is there and not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// A text field that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.filled(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A flag, from JSON or from a form.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.field(name).is_some_and(|value| value == true || value == "true" || value == "1")
    }

    /// A whole number, from JSON or from a form.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        let value = self.field(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    }

    /// An object, from JSON or as JSON text in a form.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let value = match self.field(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            Some(other) => other.clone(),
        };
        if value.is_object() {
            return Ok(Some(value));
        }
        Err(ApiError::invalid(name, &format!("{name} must be a JSON object.")))
    }

    /// A request header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
    }

    /// The browser's address, as a proxy forwards it; this machine's without a proxy.
    pub(crate) fn client_address(&self) -> &str {
        self.header("x-forwarded-for").and_then(|list| list.split(',').next()).unwrap_or("127.0.0.1").trim()
    }

    /// Value of a cookie.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        cookies::sent(&self.headers, name)
    }
}

/// Whose request changes the records: every event names them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    pub(crate) client_ip: String,
    pub(crate) user_agent: String,
}

impl Caller {
    /// The sender of a request.
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            client_ip: call.client_address().to_owned(),
            user_agent: call.header("user-agent").unwrap_or_default().to_owned(),
        }
    }
}

/// clerk-js sends PATCH, PUT and DELETE as POST with `?_method=`.
fn overridden(method: Method, query: &[(String, String)]) -> Method {
    let named = query.iter().find(|(key, _)| key == "_method").map(|(_, value)| value.to_ascii_uppercase());
    match named.as_deref() {
        Some("PATCH") if method == Method::POST => Method::PATCH,
        Some("PUT") if method == Method::POST => Method::PUT,
        Some("DELETE") if method == Method::POST => Method::DELETE,
        _ => method,
    }
}

fn fields(headers: &HeaderMap, body: &[u8]) -> Result<Vec<(String, Value)>, ApiError> {
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"));
    if !json {
        return Ok(form_urlencoded::parse(body)
            .map(|(key, value)| (key.into_owned(), Value::String(value.into_owned())))
            .collect());
    }
    if body.is_empty() {
        return Ok(Vec::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object.into_iter().collect()),
        _ => Err(ApiError::new(
            http::StatusCode::BAD_REQUEST,
            "request_body_invalid",
            "Request body invalid",
            "The request body is not a JSON object.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: Method, uri: &str, kind: &str, body: &str) -> Call {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().expect("a header"));
        headers.insert(header::COOKIE, "a=1; __client=x.y=z".parse().expect("a header"));
        Call::new(method, &uri.parse().expect("an address"), headers, body.as_bytes())
            .expect("reads")
            .expect("under /v1")
    }

    #[test]
    fn a_form_with_an_overridden_method() {
        let call = call(
            Method::POST,
            "/v1/me/email_addresses/?_method=PATCH&x=1",
            "application/x-www-form-urlencoded",
            "a=b+c&e=",
        );
        assert_eq!(call.method, Method::PATCH);
        assert_eq!(call.path, ["me", "email_addresses"]);
        assert_eq!(call.text("a"), Some("b c"));
        assert_eq!((call.text("e"), call.filled("e")), (Some(""), None));
        assert_eq!(call.cookie("__client"), Some("x.y=z"));
    }

    #[test]
    fn a_json_body() {
        let call = call(
            Method::PATCH,
            "/v1/users?email_address=a&email_address=b",
            "application/json",
            r#"{"n":1,"o":{"a":null}}"#,
        );
        assert_eq!(call.number("n"), Some(1));
        assert_eq!(call.object("o").expect("an object"), Some(serde_json::json!({"a": null})));
        assert_eq!(call.query_all("email_address").collect::<Vec<_>>(), ["a", "b"]);
    }
}
