//! The emulator's only source of randomness: ids, secrets and codes.
//! Ids look like Clerk's (`user_` and 27 letters or digits); their content means nothing.

use aws_lc_rs::digest;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Letters after the prefix of an id, as in Clerk's ids.
const ID_LENGTH: usize = 27;

/// Gives unpredictable bytes in the forms the emulator needs.
#[derive(Debug, Default)]
pub(crate) struct Random;

impl Random {
    /// `N` random bytes.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
        bytes
    }

    /// A new id such as `sess_2bX…`.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}", letters(&self.bytes::<ID_LENGTH>()))
    }

    /// A secret of 43 letters, about 250 bits.
    pub(crate) fn secret(&self) -> String {
        letters(&self.bytes::<43>())
    }

    /// Lower-case hexadecimal of `N` random bytes.
    pub(crate) fn hex<const N: usize>(&self) -> String {
        hex(&self.bytes::<N>())
    }

    /// Six digits for an e-mail code.
    pub(crate) fn code(&self) -> String {
        format!("{:06}", u64::from_be_bytes(self.bytes::<8>()) % 1_000_000)
    }
}

/// An id that depends on nothing but `seed`: the same user has the same id in every data directory.
pub(crate) fn stable_id(prefix: &str, seed: &str) -> String {
    let hash = digest::digest(&digest::SHA256, seed.as_bytes());
    format!("{prefix}_{}", letters(&hash.as_ref()[..ID_LENGTH]))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One letter or digit per byte. The slight unevenness of the remainder does no harm at these lengths.
fn letters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stable_id_depends_on_its_seed_only() {
        assert_eq!(stable_id("user", "a@x.test"), stable_id("user", "a@x.test"));
        assert_ne!(stable_id("user", "a@x.test"), stable_id("user", "b@x.test"));
    }

    #[test]
    fn ids_and_codes_have_their_form() {
        let random = Random;
        assert_eq!(random.id("sess").len(), "sess_".len() + ID_LENGTH);
        let code = random.code();
        assert_eq!(code.len(), 6);
        assert!(code.bytes().all(|digit| digit.is_ascii_digit()));
    }
}
