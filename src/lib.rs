//! Vestibule: the entrance of a multi-tenant product. Sign in with Clerk, create an organization, be inside.
//!
//! This file is the map, and holds every feature gate of the crate's modules; the one exception is `browser`, whose
//! functions keep one signature on both targets and choose their body by feature. A path says where code runs:
//!
//! | module | runs | is |
//! |---|---|---|
//! | [`model`] | both sides | plain data and rules: the gate, the wait, what names may be |
//! | [`server_fns`] | both sides | the calls from islands to the server |
//! | [`islands`] | both sides | the parts of pages that live in the browser |
//! | `scripts/*.js` | browser | small scripts of pages, for what needs no WebAssembly |
//! | [`browser`] | both sides | bindings without policy: clerk-js, timers, the address bar; of use in the browser only |
//! | `pages`, `app` | server | one file per page; the list of routes and the document around them |
//! | `server` | server | whatever owns a socket, a secret or a row |
//! | `dev` | development builds | starts the Postgres and the Clerk emulator in `crates/` with the app |
#![recursion_limit = "256"]

pub mod browser;
pub mod islands;
pub mod model;
pub mod server_fns;

#[cfg(feature = "ssr")]
pub mod app;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod server;

#[cfg(feature = "dev")]
pub mod dev;

/// Where the browser begins: islands are woken one by one after this.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    browser::unwrap_translation();
    leptos::mount::hydrate_islands();
}
