//! Everything a client learns about an error: a code for programs, a sentence for users, and a reference.
//!
//! What must stay true: nothing here is copied from a library's error text.

use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use super::gate::Denial;
use super::json_text::JsonText;

/// What went wrong, for programs. Part of the public API: codes may be added, but never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The caller is signed out, or the session ended.
    SignedOut,
    /// The token is stale or missing; the browser can get a new one.
    SessionStale,
    /// The token was rejected, and waiting does not help.
    SessionRefused,
    /// The session has an unfinished task at Clerk.
    SessionPending,
    /// A field is invalid; `field` names it.
    Invalid,
    /// Another organization has this slug.
    SlugTaken,
    /// The idempotency key was already used with other content.
    IdempotencyKeyReused,
    /// The request came from another site.
    CrossSite,
    /// A webhook without a valid signature.
    SignatureRefused,
    /// The content type is not supported.
    UnsupportedMediaType,
    /// The body is too large for this endpoint.
    TooLarge,
    /// Too many requests in a short time.
    RateLimited,
    /// The keys, the database or Clerk are unreachable now.
    Unavailable,
    /// An error on our side.
    Internal,
    /// Only in the browser: there was no response, so the outcome is unknown.
    Network,
    /// Only in the browser: the response could not be read, so the outcome is unknown.
    Unreadable,
}

impl FailureCode {
    /// Every code with its name in JSON.
    pub const NAMES: [(&'static str, Self); 16] = [
        ("signed_out", Self::SignedOut),
        ("session_stale", Self::SessionStale),
        ("session_refused", Self::SessionRefused),
        ("session_pending", Self::SessionPending),
        ("invalid", Self::Invalid),
        ("slug_taken", Self::SlugTaken),
        ("idempotency_key_reused", Self::IdempotencyKeyReused),
        ("cross_site", Self::CrossSite),
        ("signature_refused", Self::SignatureRefused),
        ("unsupported_media_type", Self::UnsupportedMediaType),
        ("too_large", Self::TooLarge),
        ("rate_limited", Self::RateLimited),
        ("unavailable", Self::Unavailable),
        ("internal", Self::Internal),
        ("network", Self::Network),
        ("unreadable", Self::Unreadable),
    ];

    /// Whether the request may have taken effect anyway.
    pub fn leaves_open(self) -> bool {
        matches!(self, Self::Unavailable | Self::Internal | Self::Network | Self::Unreadable)
    }
}

/// A field of the onboarding form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    Name,
    Slug,
}

/// An error as browsers and API clients get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: FailureCode,
    /// What happened, whether anything was lost, and what to do.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<Field>,
    /// Values that would be accepted: available alternatives to a taken slug.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub suggestions: Vec<String>,
    /// Identifies this request in the log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

impl Failure {
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, suggestions: Vec::new(), request_id: None }
    }

    pub fn at(field: Field, code: FailureCode, message: impl Into<String>) -> Self {
        Self { field: Some(field), ..Self::new(code, message) }
    }

    pub fn signed_out() -> Self {
        Self::new(
            FailureCode::SignedOut,
            "You’re signed out. Nothing was saved. Sign in again, then send the form again.",
        )
    }

    /// What a caller is answered whom the gate denies a call. `cause`: why the token was rejected, in words, where it was.
    pub fn denied(denial: Denial, cause: &str) -> Self {
        match denial {
            Denial::SignedOut => Self::signed_out(),
            Denial::Stale => Self::new(
                FailureCode::SessionStale,
                "Your session has expired and is being renewed. Nothing was saved, and what you typed is still here. Try again.",
            ),
            Denial::TaskPending => Self::new(
                FailureCode::SessionPending,
                "The sign-in service wants something done first. Nothing was saved. Open the sign-in page and finish it.",
            ),
            Denial::Refused(_) => Self::new(
                FailureCode::SessionRefused,
                format!(
                    "This app does not accept your session ({cause}). Nothing was saved. Sign out and in again; if that doesn’t help, contact support."
                ),
            ),
            Denial::Unavailable(_) => Self::unavailable(),
        }
    }

    pub fn unavailable() -> Self {
        Self::new(
            FailureCode::Unavailable,
            "We can’t reach a service we need. What you typed is still here. Try again in a moment.",
        )
    }

    pub fn too_large() -> Self {
        Self::new(
            FailureCode::TooLarge,
            "That was more than this address takes. Nothing was stored. Shorten it and try again.",
        )
    }

    pub fn rate_limited() -> Self {
        Self::new(FailureCode::RateLimited, "Too many requests. Nothing is lost. Wait a few seconds, then try again.")
    }

    pub fn network() -> Self {
        Self::new(
            FailureCode::Network,
            "The connection was lost before the answer came. What you typed is still here. When you’re back online, press the button again: if the organization exists, your dashboard opens. It can’t be created twice.",
        )
    }

    /// For the browser: a response that is not ours, such as a proxy's error page.
    pub fn unreadable() -> Self {
        Self::new(
            FailureCode::Unreadable,
            "This site’s answer could not be read. What you typed is still here. Press the button again: if the organization exists, your dashboard opens. It can’t be created twice.",
        )
    }

    pub fn internal() -> Self {
        Self::new(
            FailureCode::Internal,
            "Something failed on our side. What you typed is still here. Try again in a moment.",
        )
    }

    /// The code's HTTP status.
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
            FailureCode::Internal | FailureCode::Unreadable => 500,
        }
    }
}

impl FromServerFnError for Failure {
    type Encoder = JsonText;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Request(_) => Self::network(),
            // In the browser this is about a response; on the server about a request, which `server::http::rpc` maps
            // itself.
            ServerFnErrorErr::Args(_) | ServerFnErrorErr::MissingArg(_) | ServerFnErrorErr::Deserialization(_) => {
                Self::unreadable()
            }
            _ => Self::internal(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parts_are_left_out_of_the_json() {
        let mut failure = Failure::at(Field::Slug, FailureCode::SlugTaken, "Taken.");
        let json = serde_json::to_string(&failure).expect("json");
        assert_eq!(json, r#"{"code":"slug_taken","message":"Taken.","field":"slug"}"#);
        failure.suggestions.push("acme-hq".to_owned());
        let json = serde_json::to_string(&failure).expect("json");
        assert_eq!(json, r#"{"code":"slug_taken","message":"Taken.","field":"slug","suggestions":["acme-hq"]}"#);
    }

    #[test]
    fn names_match_the_json() {
        for (name, code) in FailureCode::NAMES {
            assert_eq!(serde_json::to_value(code).expect("json"), name);
        }
    }

    #[test]
    fn library_texts_do_not_leak() {
        let failure = Failure::from_server_fn_error(ServerFnErrorErr::ServerError("secret detail".into()));
        assert_eq!(failure, Failure::internal());
    }
}
