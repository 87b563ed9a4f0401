//! What the onboarding form and the server say to each other.

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    Free,
    Taken,
}

/// How the server sees the caller's session right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStatus {
    /// The gate would let this very token into the dashboard.
    pub inside: bool,
    /// The gate would send this very token to the token-pending screen.
    pub waiting: bool,
    pub delivery: Delivery,
}
