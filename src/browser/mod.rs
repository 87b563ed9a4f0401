//! Bindings without policy: clerk-js, timers, cookies, the address bar. What to do with them is decided elsewhere.
//!
//! `absent.rs` has the same functions for the server, where nothing calls them.

mod clerk_js;
mod page;
mod rpc;

pub use clerk_js::{Clerk, NotStarted};
pub use page::{
    awake, debug, decomposed, draft, focus, go_to, now_ms, on_connection_change, session_cookie_claim, sleep, spawn,
    unwrap_translation, value_of, wait_targets, within,
};
pub use rpc::call;
