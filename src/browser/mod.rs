//! Bindings without policy: clerk-js, timers, cookies, the address bar. What to do with them is decided elsewhere.
//!
//! Islands compile for both targets, so every function here exists on both, with one signature that names no type of
//! `web-sys` or `js-sys`: those crates are built for the browser only. The `cfg` is in the body. The server draws an
//! island but never runs its event handlers and never polls what it spawns, so it calls only what has a sentence about it
//! ("On the server…"); every other body is there to compile.

mod clerk_js;
mod js;
mod page;
mod rpc;

pub use clerk_js::{Clerk, NotStarted};
pub use page::{
    awake, debug, decomposed, draft, focus, go_to, now_ms, on_connection_change, session_cookie_claim, sleep, spawn,
    unwrap_translation, value_of, wait_targets, within,
};
pub use rpc::call;
