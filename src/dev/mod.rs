//! Development parts: a Postgres and a Clerk that start with the app, so that it runs with no account and no network.
//!
//! What must stay true: they only fill in configuration that is not set. The app reads the result as it would read
//! any environment, and cannot tell the difference.

pub mod crash;
pub mod run;
