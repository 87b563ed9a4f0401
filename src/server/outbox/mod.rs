//! The outbox: what Clerk must be told because of a committed change.
//!
//! A message is a row written in the transaction of the change (by `create_organization` in `migrations/`). The relay
//! claims it with a lease, commits, calls Clerk, and marks it: no HTTP inside a transaction, and a process that dies in
//! between leaves a message whose lease runs out. Delivery is at least once; a metadata merge may be repeated safely.
//!
//! What must stay true: messages of one user are delivered in order; a message is never lost, only delivered or dead
//! with a reason.

mod relay;

pub use relay::{Outbox, RelayOutcome};
