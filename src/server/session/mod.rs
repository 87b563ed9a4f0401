//! What proves who is calling. A raw token and verified claims are different types, and only `verify` makes the second from
//! the first.

pub mod cookies;
pub mod instance;
pub mod issuer;
pub mod keys;
pub mod token;
pub mod verify;

pub use token::SessionToken;
pub use verify::{SessionClaims, TokenError, Verifier};
