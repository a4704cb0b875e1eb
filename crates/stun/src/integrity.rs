//! HMAC with the states of the key blocks kept (RFC 2104 §4), over messages whose length field is rewritten.
//!
//! An HMAC hashes one block of key material before the message and one before the inner digest. Those two states
//! depend on the key alone: they are computed once, so that a message of 76 bytes costs three compressions, not five.

use crate::credentials::{CredentialError, LongTermKey, PasswordAlgorithm, opaque_string};
use sha2::digest::generic_array::GenericArray;
use subtle::ConstantTimeEq;

const BLOCK: usize = 64;

/// What a check of integrity found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Integrity {
    /// The message was made by someone who has the key, and is unchanged.
    Valid,
    /// The attribute is there and does not fit the key or the message.
    Wrong,
    /// The attribute is not there.
    Missing,
}

macro_rules! hmac {
    ($(#[$doc:meta])* $name:ident, $word:ty, $words:literal, $bytes:literal, $init:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            inner: [$word; $words],
            outer: [$word; $words],
        }

        impl $name {
            /// Prepares a key of any length.
            pub fn new(key: &[u8]) -> Self {
                let mut block = [0; BLOCK];
                if key.len() > BLOCK {
                    let digest = Self::digest(key);
                    block[..$bytes].copy_from_slice(&digest);
                } else {
                    for (to, from) in block.iter_mut().zip(key) {
                        *to = *from;
                    }
                }
                let mut inner = $init;
                let mut outer = $init;
                inner.compress(&block.map(|b| b ^ 0x36));
                outer.compress(&block.map(|b| b ^ 0x5C));
                Self { inner, outer }
            }

            /// The MAC of `data`.
            pub fn sign(&self, data: &[u8]) -> [u8; $bytes] {
                let mut state = self.inner;
                absorb(&mut state, data, BLOCK + data.len());
                self.close(&state)
            }

            /// The MAC of a STUN message whose first bytes are `covered`, with its length field set so that it ends
            /// after an attribute of `value_len` bytes (RFC 8489 §14.5).
            fn sign_message(&self, covered: &[u8], value_len: usize) -> [u8; $bytes] {
                let length = (covered.len() + value_len + 4).wrapping_sub(crate::HEADER_LEN) as u16;
                let first_len = covered.len().min(BLOCK);
                let (first, rest) = covered.split_at_checked(first_len).unwrap_or((covered, &[]));
                let mut block = [0; BLOCK];
                for (to, from) in block.iter_mut().zip(first) {
                    *to = *from;
                }
                block[2..4].copy_from_slice(&length.to_be_bytes());
                let mut state = self.inner;
                if first_len == BLOCK {
                    state.compress(&block);
                    absorb(&mut state, rest, BLOCK + covered.len());
                } else {
                    absorb(&mut state, block.get(..first_len).unwrap_or_default(), BLOCK + first_len);
                }
                self.close(&state)
            }

            fn close(&self, inner: &[$word; $words]) -> [u8; $bytes] {
                let mut state = self.outer;
                absorb(&mut state, &bytes_of::<$words, $bytes>(inner), BLOCK + $bytes);
                bytes_of(&state)
            }

            /// The plain hash of `data`.
            fn digest(data: &[u8]) -> [u8; $bytes] {
                let mut state = $init;
                absorb(&mut state, data, data.len());
                bytes_of(&state)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

/// A hash state that takes blocks of 64 bytes.
trait Compress {
    fn compress(&mut self, block: &[u8; BLOCK]);
}

impl Compress for [u32; 5] {
    fn compress(&mut self, block: &[u8; BLOCK]) {
        sha1::block_api::compress(self, std::slice::from_ref(block));
    }
}

impl Compress for [u32; 8] {
    fn compress(&mut self, block: &[u8; BLOCK]) {
        sha2::compress256(self, std::slice::from_ref(GenericArray::from_slice(block)));
    }
}

/// Hashes `data` and the padding of a hash whose whole input, with what came before, is `total` bytes long.
fn absorb<S: Compress>(state: &mut S, data: &[u8], total: usize) {
    let (blocks, rest) = data.as_chunks();
    blocks.iter().for_each(|block| state.compress(block));
    let mut last = [0; BLOCK];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    if let Some(end) = last.get_mut(rest.len()) {
        *end = 0x80;
    }
    if rest.len() >= BLOCK - 8 {
        state.compress(&last);
        last = [0; BLOCK];
    }
    last[BLOCK - 8..].copy_from_slice(&(total as u64 * 8).to_be_bytes());
    state.compress(&last);
}

fn bytes_of<const W: usize, const B: usize>(words: &[u32; W]) -> [u8; B] {
    let mut bytes = [0; B];
    for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

hmac!(
    /// HMAC-SHA1 with a kept key state (RFC 2104).
    HmacSha1, u32, 5, 20,
    [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]);

hmac!(
    /// HMAC-SHA-256 with a kept key state (RFC 2104, RFC 4231).
    HmacSha256, u32, 8, 32,
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19]);

/// A key for MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256, its hash states kept.
#[derive(Clone, Debug)]
pub enum IntegrityKey {
    /// For MESSAGE-INTEGRITY (RFC 8489 §14.5).
    Sha1(HmacSha1),
    /// For MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6).
    Sha256(HmacSha256),
}

impl IntegrityKey {
    /// A MESSAGE-INTEGRITY key from its bytes.
    pub fn sha1(key: &[u8]) -> Self {
        Self::Sha1(HmacSha1::new(key))
    }

    /// A MESSAGE-INTEGRITY-SHA256 key from its bytes.
    pub fn sha256(key: &[u8]) -> Self {
        Self::Sha256(HmacSha256::new(key))
    }

    /// The MESSAGE-INTEGRITY key of a short-term password, as ICE uses it (RFC 8489 §9.1.1).
    ///
    /// # Errors
    /// The password breaks the rules of OpaqueString (RFC 8265 §4.2).
    pub fn short_term(password: &str) -> Result<Self, CredentialError> {
        Ok(Self::sha1(opaque_string(password)?.as_bytes()))
    }

    /// The key of a long-term credential: MESSAGE-INTEGRITY for MD5, else MESSAGE-INTEGRITY-SHA256 (RFC 8489 §9.2.4).
    pub fn long_term(key: &LongTermKey) -> Self {
        match key.algorithm() {
            PasswordAlgorithm::Md5 => Self::sha1(key.as_bytes()),
            PasswordAlgorithm::Sha256 => Self::sha256(key.as_bytes()),
        }
    }

    /// Compares `value` with the MAC of the message that `covered` starts. SHA-256 values may be cut to at least 16
    /// bytes, in steps of four (RFC 8489 §14.6).
    pub(crate) fn check(&self, covered: &[u8], value: &[u8]) -> Integrity {
        let same = match self {
            Self::Sha1(hmac) => value.len() == 20 && bool::from(hmac.sign_message(covered, value.len()).ct_eq(value)),
            Self::Sha256(hmac) => {
                let mac = hmac.sign_message(covered, value.len());
                let cut = mac.get(..value.len()).filter(|cut| cut.len() >= 16 && cut.len().is_multiple_of(4));
                cut.is_some_and(|cut| bool::from(cut.ct_eq(value)))
            }
        };
        if same { Integrity::Valid } else { Integrity::Wrong }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn hmac_sha1_is_that_of_rfc_2202() {
        let mac = HmacSha1::new(&[0x0B; 20]).sign(b"Hi There");
        assert_eq!(mac.to_vec(), hex("b617318655057264e28bc0b6fb378c8ef146be00"));
        let mac = HmacSha1::new(b"Jefe").sign(b"what do ya want for nothing?");
        assert_eq!(mac.to_vec(), hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
        let long = HmacSha1::new(&[0xAA; 80])
            .sign(b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data");
        assert_eq!(long.to_vec(), hex("e8e99d0f45237d786d6bbaa7965c7808bbff1a91"));
    }

    #[test]
    fn hmac_sha256_is_that_of_rfc_4231() {
        let mac = HmacSha256::new(&[0x0B; 20]).sign(b"Hi There");
        assert_eq!(mac.to_vec(), hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
        let long = HmacSha256::new(&[0xAA; 131]).sign(b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(long.to_vec(), hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
    }

    #[test]
    fn every_length_around_the_block_borders_equals_the_plain_hash() {
        for length in 0..300 {
            let data = vec![length as u8; length];
            assert_eq!(
                HmacSha1::digest(&data).to_vec(),
                <sha1::Sha1 as sha1::Digest>::digest(&data).to_vec(),
                "{length} bytes"
            );
            assert_eq!(
                HmacSha256::digest(&data).to_vec(),
                <sha2::Sha256 as sha2::Digest>::digest(&data).to_vec(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn a_patched_length_gives_the_same_mac_as_a_copied_message() {
        let hmac = HmacSha1::new(b"key");
        for length in 20..200 {
            let covered: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut copy = covered.clone();
            copy[2..4].copy_from_slice(&((length - 20 + 24) as u16).to_be_bytes());
            assert_eq!(hmac.sign_message(&covered, 20), hmac.sign(&copy), "{length} bytes");
        }
    }

    #[test]
    fn keys_do_not_show_themselves_in_logs() {
        assert_eq!(format!("{:?}", IntegrityKey::sha1(b"hunter2")), "Sha1(HmacSha1(secret))");
    }
}
