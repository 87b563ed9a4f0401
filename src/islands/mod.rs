//! The parts of pages that live in the browser. Rendered on the server first, woken there by WASM.
//!
//! What must stay true: an island gets all it needs as properties (context does not reach the browser), has no routing of
//! its own (it navigates with full page loads), and is of use before it wakes, as far as that is possible.

pub mod account_menu;
pub mod clerk_form;
pub mod door;
pub mod onboarding_form;
pub mod progress;
pub mod token_pending;
mod wait;
