//! Whatever owns a socket, a secret or a row. Uses `model`, nothing else of ours.
//!
//! `http` is the edge and `runtime` the process; everything beside them is the domain, which takes what it needs and knows
//! neither.

pub mod access;
pub mod clerk;
pub mod clock;
pub mod failpoint;
pub mod failures;
pub mod first_visit;
pub mod http;
pub mod names;
pub mod organizations;
pub mod origin;
pub mod outbox;
pub mod reconcile;
pub mod retention;
pub mod runtime;
pub mod session;
pub mod tenancy;
mod user_limit;
pub mod users;
pub mod webhooks;
