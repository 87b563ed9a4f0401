//! Errors in Clerk's envelope. Clerk's own components show the long message to users: it says what happened and what to
//! do, in plain words.

use http::StatusCode;
use serde_json::{Value, json};

/// A rejection: a status and one error of Clerk's envelope.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    code: &'static str,
    parameter: Option<String>,
    message: String,
    long_message: String,
    /// `Retry-After`, in seconds.
    pub(crate) retry_after: Option<i64>,
}

impl ApiError {
    /// An error about the request as a whole.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: &str, long_message: &str) -> Self {
        let (message, long_message) = (message.to_owned(), long_message.to_owned());
        Self { status, code, parameter: None, message, long_message, retry_after: None }
    }

    /// 422 about one field of a form. `message` completes the sentence begun by the field's name.
    pub(crate) fn form(code: &'static str, parameter: &str, message: &str, long_message: &str) -> Self {
        Self {
            parameter: Some(parameter.to_owned()),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message, long_message)
        }
    }

    /// 422: a field that must be there is not.
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::form("form_param_missing", parameter, "is missing", &format!("{parameter} must be included."))
    }

    /// 422: a field has a value that cannot be used here.
    pub(crate) fn invalid(parameter: &str, long_message: &str) -> Self {
        Self::form("form_param_value_invalid", parameter, "is invalid", long_message)
    }

    /// 404: no such thing, or not one that this caller may see.
    pub(crate) fn not_found(what: &str) -> Self {
        let long_message = format!("No {what} was found for this request.");
        Self::new(StatusCode::NOT_FOUND, "resource_not_found", "not found", &long_message)
    }

    /// 401: no user is signed in on this client.
    pub(crate) fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "signed_out", "Signed out", "You are signed out.")
    }

    /// 429: a limit is reached.
    pub(crate) fn too_many_requests(seconds: i64) -> Self {
        let text = "Too many requests. Please try again in a bit.";
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests", text)
        }
    }

    /// 404: the address is not part of the emulator.
    pub(crate) fn no_such_endpoint(method: &str, path: &str) -> Self {
        let long_message = format!("The Clerk emulator has no endpoint {method} {path}.");
        Self::new(StatusCode::NOT_FOUND, "resource_not_found", "not found", &long_message)
    }

    /// Clerk's envelope.
    pub(crate) fn body(&self, trace_id: &str) -> Value {
        let mut error = json!({"code": self.code, "message": self.message, "long_message": self.long_message});
        if let Some(parameter) = &self.parameter {
            error["meta"] = json!({"param_name": parameter});
        }
        json!({"errors": [error], "clerk_trace_id": trace_id})
    }
}
