//! Room passwords: kept salted and hashed, compared in constant time.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use serde::{Deserialize, Serialize};

/// Rounds of PBKDF2. A join costs a few milliseconds with them; the joins that an address may try are limited, too.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(10_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};

/// A password as it is kept: PBKDF2-HMAC-SHA256 (RFC 8018 §5.2) under a random salt.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    rounds: NonZeroU32,
    salt: [u8; 16],
    hash: [u8; 32],
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// Hashes `password` under a salt from `rng`.
    pub fn new(password: &str, rng: &mut dyn FnMut(&mut [u8])) -> Self {
        let (mut salt, mut hash) = ([0; 16], [0; 32]);
        rng(&mut salt);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, password.as_bytes(), &mut hash);
        Self { rounds: ROUNDS, salt, hash }
    }

    /// Whether it was made from `password`. Takes the same time for every wrong one.
    pub fn matches(&self, password: &str) -> bool {
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, self.rounds, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches_and_salts_differ() {
        let mut next = 0;
        let mut rng = |bytes: &mut [u8]| {
            next += 1;
            bytes.fill(next);
        };
        let one = PasswordHash::new("open sesame", &mut rng);
        let two = PasswordHash::new("open sesame", &mut rng);
        assert_ne!(one, two);
        assert!(one.matches("open sesame") && two.matches("open sesame"));
        assert!(!one.matches("open sesam") && !one.matches(""));
        let stored: PasswordHash = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
        assert!(stored.matches("open sesame"));
    }
}
