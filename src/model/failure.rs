//! All that the browser may learn about an error: a code for programs, a sentence for people, and a reference.
//!
//! What must stay true: nothing here is copied from a library's error text.

use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use super::json_text::JsonText;

/// What went wrong, for programs. Part of the public API: codes are added, never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// Nobody is signed in, or the session ended.
    SignedOut,
    /// The token is too old, or not there yet; the browser can get a new one.
    SessionStale,
    /// The token was refused for a cause that waiting cannot cure.
    SessionRefused,
    /// The session has an unfinished task at Clerk.
    SessionPending,
    /// A field was not accepted; `field` names it.
    Invalid,
    /// Somebody else has this slug.
    SlugTaken,
    /// The idempotency key was used before with other content.
    IdempotencyKeyReused,
    /// The request came from another site.
    CrossSite,
    /// A webhook without a signature that fits.
    SignatureRefused,
    /// The content type is not one we read.
    UnsupportedMediaType,
    /// The body is larger than this endpoint takes.
    TooLarge,
    /// Too many requests in a short time.
    RateLimited,
    /// The keys, the database or Clerk cannot be reached now.
    Unavailable,
    /// A fault of ours.
    Internal,
    /// Only in the browser: the request did not get through, so what happened is not known.
    Network,
}

/// A field of the onboarding form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Name,
    Slug,
}

/// An error as the browser and API clients get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    /// What happened, whether anything was lost, and what to do.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<Field>,
    /// Names the log lines of this request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

impl Failure {
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, request_id: None }
    }

    pub fn at(field: Field, code: FailureCode, message: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::new(code, message) }
    }

    pub fn signed_out() -> Self {
        Self::new(
            FailureCode::SignedOut,
            "You are signed out. Nothing was saved. Sign in again and send the form once more.",
        )
    }

    pub fn unavailable() -> Self {
        Self::new(
            FailureCode::Unavailable,
            "We cannot reach a service we need. Nothing you typed is lost. Try again in a moment.",
        )
    }

    pub fn network() -> Self {
        Self::new(
            FailureCode::Network,
            "The connection failed before we got an answer. What you typed is still here. Check your connection and press the button again: it cannot create a second organization.",
        )
    }

    pub fn internal() -> Self {
        Self::new(
            FailureCode::Internal,
            "Something failed on our side. Nothing you typed is lost. Try again in a moment.",
        )
    }

    /// The HTTP status that goes with the code.
    pub fn status(&self) -> u16 {
        match self.code {
            FailureCode::SignedOut
            | FailureCode::SessionStale
            | FailureCode::SessionRefused
            | FailureCode::SignatureRefused => 401,
            FailureCode::SessionPending | FailureCode::CrossSite => 403,
            FailureCode::SlugTaken => 409,
            FailureCode::TooLarge => 413,
            FailureCode::UnsupportedMediaType => 415,
            FailureCode::Invalid | FailureCode::IdempotencyKeyReused => 422,
            FailureCode::RateLimited => 429,
            FailureCode::Unavailable | FailureCode::Network => 503,
            FailureCode::Internal => 500,
        }
    }
}

impl FromServerFnError for Failure {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => Self::network(),
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) | ServerFnErrorErr::Deserialization(_) => {
                Self::new(FailureCode::Invalid, "The request could not be read. Reload the page and try again.")
            }
            _ => Self::internal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_parts_are_left_out_of_the_json() {
        let json = serde_json::to_string(&Failure::at(Field::Slug, FailureCode::SlugTaken, "Taken.")).expect("json");
        assert_eq!(json, r#"{"code":"slug_taken","message":"Taken.","field":"slug"}"#);
    }

    #[test]
    fn library_texts_do_not_pass() {
        let failure = Failure::from_server_fn_error(ServerFnErrorErr::ServerError("secret detail".into()));
        assert_eq!(failure, Failure::internal());
    }
}
