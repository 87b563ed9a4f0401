//! One file per page: load, decide, render. Runs on the server only.
//!
//! A page is a handler: it takes what it needs as extractors and gives a [`Page`]; `app` renders it. Every page asks the
//! gate itself, by its [`Entry`](entry::Entry): no page is protected by another one.

pub mod account_menu;
pub mod dashboard;
pub mod document;
pub mod door;
pub mod entry;
pub mod landing;
pub mod layout;
pub mod onboarding;
pub mod problems;
pub mod scripts;
pub mod sign_in;
pub mod sign_out;
pub mod token_pending;
pub mod visit;

pub use document::{Document, Page};
pub use entry::Entry;
pub use visit::Visit;
