//! Plain data and rules, the same on both sides. No I/O, no clock, no Leptos; uses nothing else of ours.

pub mod claims;
pub mod clerk_settings;
pub mod failure;
pub mod freshness;
pub mod gate;
pub mod ids;
pub mod next_path;
pub mod onboarding;
pub mod organization;
