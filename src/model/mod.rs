//! Plain data and rules, the same on both sides. No I/O, no clock. Uses no other module of ours, and of Leptos only the
//! traits that errors and encodings of server functions must implement.

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
