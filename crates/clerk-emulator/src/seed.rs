//! Users who exist in every fresh emulator, for trying things out. Their ids, addresses and passwords stay the same.

use serde_json::json;

use crate::options::SeedUser;

/// The password of every seeded user. Not a secret: the emulator answers on loopback only.
pub const PASSWORD: &str = "correct horse battery";

/// Ada (`ada@example.test`) and Grace (`grace@example.test`), with [`PASSWORD`] and without metadata.
pub fn users() -> Vec<SeedUser> {
    [("ada@example.test", "Ada", "Lovelace"), ("grace@example.test", "Grace", "Hopper")]
        .map(|(email, first_name, last_name)| SeedUser {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            public_metadata: json!({}),
        })
        .into()
}
