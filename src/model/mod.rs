//! Plain data and rules, the same on both sides. No I/O, no clock; uses nothing else of ours, and
//! of Leptos only the traits that errors and encodings of server functions must have.

pub mod claims;
pub mod failure;
pub mod freshness;
pub mod gate;
pub mod ids;
pub mod json_text;
pub mod next_path;
pub mod onboarding;
pub mod organization;
pub mod unicode;
