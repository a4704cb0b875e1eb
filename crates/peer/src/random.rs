//! What must not be guessed: credentials, names, numbers of sessions.

use aws_lc_rs::digest;

/// Fills a slice with bytes of a cryptographic generator.
pub type Rng = Box<dyn FnMut(&mut [u8]) + Send>;

/// A generator of its own for a part of a connection, grown from one draw: SHA-256 of a secret and a counter.
pub(crate) fn fork(rng: &mut Rng) -> Rng {
    let mut block = [0; 40];
    rng(block.split_at_mut(32).0);
    let mut counter = 0_u64;
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(32) {
            counter += 1;
            block.split_at_mut(32).1.copy_from_slice(&counter.to_be_bytes());
            let hash = digest::digest(&digest::SHA256, &block);
            chunk.iter_mut().zip(hash.as_ref()).for_each(|(byte, random)| *byte = *random);
        }
    })
}

/// The alphabet of ICE credentials (RFC 8839 §5.4): 64 letters, so that a byte's low six bits choose one evenly.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// `length` letters of ICE's alphabet, six bits of chance each.
pub(crate) fn ice_chars(rng: &mut Rng, length: usize) -> String {
    let mut bytes = vec![0; length];
    rng(&mut bytes);
    bytes.iter().filter_map(|byte| ICE_CHARS.get(usize::from(byte & 63))).map(|letter| char::from(*letter)).collect()
}

/// 128 bits in hexadecimal.
pub(crate) fn hex_id(rng: &mut Rng) -> String {
    let mut bytes = [0; 16];
    rng(&mut bytes);
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// A number of 63 bits, as `o=` wants it (RFC 9429 §5.2.1).
pub(crate) fn session_id(rng: &mut Rng) -> u64 {
    let mut bytes = [0; 8];
    rng(&mut bytes);
    (u64::from_be_bytes(bytes) >> 1).max(1)
}

/// A synchronization source that is not zero.
pub(crate) fn ssrc(rng: &mut Rng) -> u32 {
    let mut bytes = [0; 4];
    rng(&mut bytes);
    u32::from_be_bytes(bytes).max(1)
}
