//! Whatever owns a socket, a secret or a row. Uses `model`, nothing else of ours.

pub mod clerk;
pub mod clock;
pub mod failures;
pub mod http;
pub mod names;
pub mod organizations;
pub mod outbox;
mod person_limit;
pub mod reconcile;
pub mod retention;
pub mod runtime;
pub mod session;
pub mod tenancy;
pub mod users;
pub mod webhooks;
