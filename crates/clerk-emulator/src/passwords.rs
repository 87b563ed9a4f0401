//! Password hashes: PBKDF2-SHA256 with a salt for each password.
//! The work factor is low on purpose: ten thousand seeded users must start within seconds.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;

use crate::random::Random;

const ROUNDS: NonZeroU32 = NonZeroU32::new(2_000).expect("not zero");
const LENGTH: usize = 32;

/// Shortest password accepted, as in `environment`.
pub(crate) const SHORTEST: usize = 8;
/// Longest password accepted, as in `environment`.
pub(crate) const LONGEST: usize = 72;

/// Hashes a password: `rounds$salt$hash`.
pub(crate) fn hash(random: &Random, password: &str) -> String {
    let salt = random.bytes::<16>();
    let mut hash = [0; LENGTH];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, password.as_bytes(), &mut hash);
    format!("{ROUNDS}${}${}", BASE64.encode(salt), BASE64.encode(hash))
}

/// Whether `password` is the one that was hashed. A damaged hash matches nothing.
pub(crate) fn matches(stored: &str, password: &str) -> bool {
    let mut parts = stored.split('$');
    let (Some(rounds), Some(salt), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (Ok(rounds), Ok(salt), Ok(hash)) = (rounds.parse::<NonZeroU32>(), BASE64.decode(salt), BASE64.decode(hash))
    else {
        return false;
    };
    pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let stored = hash(&Random, "correct horse");
        assert!(matches(&stored, "correct horse"));
        assert!(!matches(&stored, "correct horsf"));
        assert!(!matches("damaged", "correct horse"));
    }
}
