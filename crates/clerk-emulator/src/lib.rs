//! A Clerk-compatible identity server for development and tests: the Frontend API that the official clerk-js and its
//! components speak, and the Backend API that servers speak. It needs no account and no network.
//!
//! ```no_run
//! use clerk_emulator::{Options, seed, start};
//!
//! # async fn run() -> Result<(), clerk_emulator::StartError> {
//! let emulator = start(Options { users: seed::users(), ..Options::default() }).await?;
//! let settings = emulator.settings();
//! println!("CLERK_SECRET_KEY={}", settings.secret_key);
//! println!("CLERK_API_URL={}", settings.api_url);
//! println!("e-mail codes arrive at {}", settings.inbox_url);
//! emulator.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! It is a peer, not a mock: an app reaches it only over HTTP, with the same configuration as Clerk itself. It is a
//! production instance behind a proxy on the app's own origin, or a development instance that browsers reach directly,
//! over TLS. Fault settings make it slow, stale or failing on purpose.
//!
//! What must stay true:
//! - the client travels with every answer but plain reads, with tokens minted for that answer (`fapi::visit`);
//! - `updated_at` of a user strictly increases with every change (`users::change_user`);
//! - tokens are made only in `tokens`, requests pass only through `dispatch`, time comes only from `clock` and
//!   randomness only from `random`;
//! - it listens on loopback only, and on the TLS listener only the Frontend API answers (`direct`);
//! - every change is in the journal before the answer leaves (`store`);
//! - passwords, tokens and secret keys are never logged. E-mail codes are: that is what the inbox is for;
//! - modules form layers without a cycle (enforced by the test `layers_tests`): parts with their own state, then `app`, which
//!   owns them, then rules (`users`, `codes`, `tokens`), the two APIs and the control endpoint, `dispatch`, `startup`.

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod app;
mod bapi;
mod call;
mod certificate;
mod claims_template;
pub mod cli;
mod client_objects;
mod clock;
mod codes;
mod control;
mod cookies;
mod direct;
mod dispatch;
mod emulator;
mod environment;
mod errors;
mod events;
mod fapi;
mod faults;
mod handshakes;
mod inbox;
mod journal;
mod keys;
mod limits;
mod local_pages;
mod metadata;
mod objects;
mod options;
mod passwords;
mod pem;
mod random;
mod records;
mod response;
pub mod seed;
mod settings;
mod sign_objects;
mod startup;
mod store;
mod tokens;
mod users;
mod webhooks;

#[cfg(test)]
mod layers_tests;
#[cfg(test)]
mod test_support;

pub use emulator::Emulator;
pub use options::{Instance, Options, SeedUser};
pub use settings::{Direct, Settings};
pub use startup::{StartError, start};
