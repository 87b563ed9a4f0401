//! What several tests start with.

use serde_json::{Value, json};

use crate::options::{Options, SeedUser};

/// `ada@example.test`, password "correct horse".
pub(crate) fn ada(public_metadata: Value) -> SeedUser {
    SeedUser {
        email: "ada@example.test".to_owned(),
        password: "correct horse".to_owned(),
        first_name: "Ada".to_owned(),
        last_name: String::new(),
        public_metadata,
    }
}

/// In memory, on a free port, with Ada.
pub(crate) fn with_ada() -> Options {
    Options { users: vec![ada(json!({}))], ..Options::default() }
}
