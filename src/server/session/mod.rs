//! Who is calling. A raw token and verified claims are different types, and only `verify` makes the second from the first.

pub mod cookies;
pub mod issuer;
pub mod keys;
pub mod token;
pub mod verify;
pub mod visit;

pub use token::SessionToken;
pub use verify::{SessionClaims, TokenError, Verifier};
pub use visit::{Asked, AuthNotes, Checked, check};
