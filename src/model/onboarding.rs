//! What the onboarding form and the server exchange.

use serde::{Deserialize, Serialize};

use super::gate::Verdict;
use super::organization::Organization;

/// Whether Clerk has been notified of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Clerk confirmed it: a new token carries it.
    Delivered,
    /// It is in the outbox. Asking Clerk for a token is pointless until it is delivered.
    Pending,
    /// Clerk rejected it. Waiting cannot help; an operator must look at it.
    Failed,
}

/// The response to a creation, first or repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    pub organization: Organization,
    pub delivery: Delivery,
    /// True when this request created nothing, because an earlier one already had.
    pub replayed: bool,
}

/// The result of checking a well-formed slug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    pub available: bool,
    /// If it is taken: up to [`SUGGESTIONS`] similar ones that are available.
    pub suggestions: Vec<String>,
}

/// How many alternatives to a taken slug are offered.
pub const SUGGESTIONS: usize = 2;

/// How the server sees the caller's session right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// The gate would let this token into the dashboard.
    pub inside: bool,
    /// The gate would send this token to the token-pending screen.
    pub waiting: bool,
    pub delivery: Delivery,
}

impl SessionStatus {
    /// The status of a verified caller.
    pub fn of(verdict: Verdict, delivery: Delivery) -> Self {
        let (inside, waiting) = (matches!(verdict, Verdict::Inside(_)), matches!(verdict, Verdict::Wait(_)));
        Self { inside, waiting, delivery }
    }
}

/// What the onboarding form shows when it is drawn. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub slug: String,
    pub name_error: String,
    pub slug_error: String,
    /// Available alternatives to a taken slug.
    pub suggestions: Vec<String>,
    /// Links to the form filled in with each of them, for browsers without WebAssembly.
    pub links: Vec<String>,
    /// An error of the whole form.
    pub failure: String,
    /// Whether the organization may have been created anyway.
    pub undecided: bool,
    /// The signed-in user's e-mail address, if known.
    pub email: String,
    /// The part before the slug in a web address.
    pub host: String,
}

/// Where the token-pending screen leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitTargets {
    /// The user's target.
    pub next: String,
    /// The sign-in page, if the session has ended.
    pub sign_in: String,
    /// The screen that names the cause, up to the value of `tried`.
    pub exhausted: String,
}
