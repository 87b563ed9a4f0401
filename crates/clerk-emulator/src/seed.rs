//! People who exist in every fresh emulator, for trying things out. Their ids, addresses and passwords stay the same.

use serde_json::json;

use super::SeedPerson;

/// The password of every seeded person. Not a secret: the emulator answers on loopback only.
pub const PASSWORD: &str = "correct horse battery";

/// The people.
pub fn people() -> Vec<SeedPerson> {
    [("ada@example.test", "Ada", "Lovelace"), ("grace@example.test", "Grace", "Hopper")]
        .map(|(email, first_name, last_name)| SeedPerson {
            email: email.to_owned(),
            password: PASSWORD.to_owned(),
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            public_metadata: json!({}),
        })
        .into()
}
