//! What the onboarding form and the server say to each other.

use serde::{Deserialize, Serialize};

use super::gate::Verdict;
use super::organization::Organization;

/// Whether Clerk knows about a change yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Clerk confirmed it: a newly made token carries it.
    Delivered,
    /// It waits in the outbox. Asking Clerk is pointless until it is delivered.
    Pending,
    /// Clerk refused it for good. An operator must look at it; waiting cannot help.
    Failed,
}

/// The answer to a creation, first or repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    pub organization: Organization,
    pub delivery: Delivery,
    /// True when this request created nothing, because an earlier one already had.
    pub replayed: bool,
}

/// What the slug check says about a well-formed slug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Availability {
    pub available: bool,
    /// If it is taken: up to [`SUGGESTIONS`] similar ones that are available.
    pub suggestions: Vec<String>,
}

/// How many slugs are offered instead of one that is taken.
pub const SUGGESTIONS: usize = 2;

/// How the server sees the caller's session right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// The gate would let this very token into the dashboard.
    pub inside: bool,
    /// The gate would send this very token to the token-pending screen.
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
    /// Slugs that are available instead of one that is taken.
    pub suggestions: Vec<String>,
    /// Where the form is filled in with each of them: of use without WebAssembly.
    pub links: Vec<String>,
    /// What is wrong with the whole.
    pub failure: String,
    /// Whether the organization may have been created all the same.
    pub undecided: bool,
    /// The address of the user who is signed in, if it is known.
    pub email: String,
    /// What stands before the slug in an address.
    pub host: String,
}

/// Where the token-pending screen leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitTargets {
    /// Where the user wants to be.
    pub next: String,
    /// The sign-in page, if the session has ended.
    pub sign_in: String,
    /// The screen that names the cause, but for what was met on the way.
    pub exhausted: String,
}
