//! Bindings without policy: clerk-js, timers, cookies, the address bar. What to do with them is decided elsewhere.
//!
//! `absent.rs` has the same functions for the server, where nothing calls them.

mod clerk_js;
mod page;

pub use clerk_js::{Clerk, ClerkForm};
pub use page::{
    debug, focus, go_to, now_ms, on_connection_change, reload, session_cookie_claim, sleep, spawn, submit, value_of,
    within,
};
