//! AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714).

use super::{ENCRYPTED, Unauthentic};
use crate::key::SessionKeys;
use crate::packet::{EXTENSION_HEADER, FIXED_HEADER, Layout, gather, scatter};
use crate::profile::ProtectionProfile;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use parlour_rtp::Ssrc;

const TAG: usize = 16;
const RTCP_HEADER: usize = 8;

pub(crate) struct Gcm {
    key: LessSafeKey,
    /// The 96-bit salt, in the low bits.
    salt: u128,
}

impl Gcm {
    pub(crate) fn new(profile: ProtectionProfile, keys: &SessionKeys) -> Self {
        let algorithm = match profile {
            ProtectionProfile::AeadAes256Gcm => &AES_256_GCM,
            _ => &AES_128_GCM,
        };
        let salt = keys.salt.iter().take(12).fold(0, |salt, byte| salt << 8 | u128::from(*byte));
        Self { key: less_safe_key(algorithm, &keys.key), salt }
    }

    /// RFC 7714 §8.1: two zero octets, SSRC, rollover counter, sequence number; exclusive-or the salt.
    fn rtp_nonce(&self, ssrc: Ssrc, index: u64) -> Nonce {
        self.nonce(u128::from(ssrc.0) << 48 | u128::from(index))
    }

    /// RFC 7714 §9.1: two zero octets, SSRC, two zero octets, SRTCP index; exclusive-or the salt.
    fn rtcp_nonce(&self, ssrc: Ssrc, index: u32) -> Nonce {
        self.nonce(u128::from(ssrc.0) << 48 | u128::from(index))
    }

    fn nonce(&self, distinct: u128) -> Nonce {
        let [_, _, _, _, nonce @ ..] = (distinct ^ self.salt).to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }

    pub(crate) fn seal_rtp(&self, packet: &mut [u8], layout: Layout, cryptex: bool, index: u64) -> Option<()> {
        let nonce = self.rtp_nonce(layout.ssrc, index);
        let (body, tag) = packet.split_at_mut_checked(packet.len().checked_sub(TAG)?)?;
        let clear = clear_length(layout, cryptex);
        if cryptex {
            gather(body, layout);
        }
        let (associated, plain) = body.split_at_mut_checked(clear)?;
        let made = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*associated), plain).ok()?;
        tag.copy_from_slice(made.as_ref());
        if cryptex {
            scatter(body, layout);
        }
        Some(())
    }

    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        layout: Layout,
        cryptex: bool,
        index: u64,
    ) -> Result<(), Unauthentic> {
        let nonce = self.rtp_nonce(layout.ssrc, index);
        if cryptex {
            gather(packet, layout);
        }
        let (associated, sealed) = packet.split_at_mut_checked(clear_length(layout, cryptex)).ok_or(Unauthentic)?;
        self.key.open_in_place(nonce, Aad::from(&*associated), sealed).map_err(|_| Unauthentic)?;
        if cryptex {
            scatter(packet, layout);
        }
        Ok(())
    }

    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: u32) -> Option<()> {
        let index_word = (index | ENCRYPTED).to_be_bytes();
        let (rest, last) = packet.split_last_chunk_mut::<4>()?;
        let (header, rest) = rest.split_first_chunk_mut::<RTCP_HEADER>()?;
        let (plain, tag) = rest.split_last_chunk_mut::<TAG>()?;
        let associated = associated_with_index(header, index_word);
        let made =
            self.key.seal_in_place_separate_tag(self.rtcp_nonce(ssrc, index), Aad::from(associated), plain).ok()?;
        tag.copy_from_slice(made.as_ref());
        *last = index_word;
        Some(())
    }

    pub(crate) fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index_word: u32) -> Result<(), Unauthentic> {
        let nonce = self.rtcp_nonce(ssrc, index_word & !ENCRYPTED);
        let (rest, last) = packet.split_last_chunk_mut::<4>().ok_or(Unauthentic)?;
        if index_word & ENCRYPTED != 0 {
            let (header, sealed) = rest.split_first_chunk_mut::<RTCP_HEADER>().ok_or(Unauthentic)?;
            let associated = associated_with_index(header, index_word.to_be_bytes());
            self.key.open_in_place(nonce, Aad::from(associated), sealed).map_err(|_| Unauthentic)?;
            return Ok(());
        }
        // All of it is associated data and must lie in one piece: the index takes the place of the tag's first word.
        let (plain, tag) = rest.split_last_chunk_mut::<TAG>().ok_or(Unauthentic)?;
        let mut received = *tag;
        let length = plain.len() + 4;
        if let Some(place) = tag.first_chunk_mut() {
            *place = *last;
        }
        let associated = rest.get(..length).ok_or(Unauthentic)?;
        self.key.open_in_place(nonce, Aad::from(associated), &mut received).map_err(|_| Unauthentic)?;
        Ok(())
    }
}

fn clear_length(layout: Layout, cryptex: bool) -> usize {
    if cryptex { FIXED_HEADER + EXTENSION_HEADER } else { layout.header }
}

fn associated_with_index(header: &[u8; RTCP_HEADER], index_word: [u8; 4]) -> [u8; RTCP_HEADER + 4] {
    let [a, b, c, d, e, f, g, h] = *header;
    let [i, j, k, l] = index_word;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

#[expect(clippy::expect_used, reason = "the key is cut to the length that the algorithm wants")]
fn less_safe_key(algorithm: &'static aws_lc_rs::aead::Algorithm, key: &[u8; 32]) -> LessSafeKey {
    let key = key.get(..algorithm.key_len()).unwrap_or_default();
    LessSafeKey::new(UnboundKey::new(algorithm, key).expect("a key of the algorithm's length"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::hex;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SALT: &str = "51756964 2070726f 2071756f";
    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
        69736120 696e2070 61727465 73207472 6573";
    const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
        deadbeef deadbeef deadbeef deadbeef deadbeef";

    fn cipher(profile: ProtectionProfile) -> Gcm {
        let mut keys = SessionKeys { key: [0; 32], authentication: [0; 20], salt: [0; 14] };
        keys.key.copy_from_slice(&hex(KEY));
        keys.salt[..12].copy_from_slice(&hex(SALT));
        Gcm::new(profile, &keys)
    }

    fn rtp(profile: ProtectionProfile, clear: Option<usize>, protected: &str) {
        let (plain, protected) = (hex(RTP), hex(protected));
        let mut layout = Layout::read(&plain).unwrap();
        layout.header = clear.unwrap_or(layout.header);
        let mut buffer = [&plain[..], &[0; TAG]].concat();
        cipher(profile).seal_rtp(&mut buffer, layout, false, 0xf17b).unwrap();
        assert_eq!(buffer, protected);
        cipher(profile).open_rtp(&mut buffer, layout, false, 0xf17b).unwrap();
        assert_eq!(buffer[..plain.len()], plain);
    }

    #[test]
    fn rtp_matches_rfc_7714_16() {
        use ProtectionProfile::{AeadAes128Gcm, AeadAes256Gcm};
        // §16.1.1 and §16.1.2
        rtp(
            AeadAes128Gcm,
            None,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b
             36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        );
        // §16.1.3 and §16.1.4: all of it is associated data
        rtp(AeadAes128Gcm, Some(50), &format!("{RTP} 2249 3f82d2bc e397e9d7 9e3b19aa 4216"));
        // §16.2.1 and §16.2.2
        rtp(
            AeadAes256Gcm,
            None,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f
             1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        );
        // §16.2.3 and §16.2.4
        rtp(AeadAes256Gcm, Some(50), &format!("{RTP} a866 d5910f88 7463067c eefec452 15d4"));
    }

    #[test]
    fn rtcp_matches_rfc_7714_17_1_and_17_2() {
        for (profile, protected) in [
            (
                ProtectionProfile::AeadAes128Gcm,
                "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46
                 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
            ),
            (
                ProtectionProfile::AeadAes256Gcm,
                "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658
                 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
            ),
        ] {
            let (plain, protected) = (hex(RTCP), hex(protected));
            let mut buffer = [&plain[..], &[0; TAG + 4]].concat();
            cipher(profile).seal_rtcp(&mut buffer, Ssrc(0x4d617273), 0x5d4).unwrap();
            assert_eq!(buffer, protected);
            cipher(profile).open_rtcp(&mut buffer, Ssrc(0x4d617273), 0x8000_05d4).unwrap();
            assert_eq!(buffer[..plain.len()], plain);
        }
    }

    #[test]
    fn rtcp_that_is_only_tagged_is_accepted_as_in_rfc_7714_17_3_and_17_4() {
        for (profile, tag) in [
            (ProtectionProfile::AeadAes128Gcm, "841dd968 3dd78ec9 2ae58790 125f62b3"),
            (ProtectionProfile::AeadAes256Gcm, "91db4afb feee5a97 8fab4393 ed2615fe"),
        ] {
            let plain = hex(RTCP);
            let mut buffer = [plain.clone(), hex(tag), hex("000005d4")].concat();
            cipher(profile).open_rtcp(&mut buffer, Ssrc(0x4d617273), 0x5d4).unwrap();
            assert_eq!(buffer[..plain.len()], plain);
            let mut wrong = [plain, hex(tag), hex("000005d5")].concat();
            assert_eq!(cipher(profile).open_rtcp(&mut wrong, Ssrc(0x4d617273), 0x5d4), Err(Unauthentic));
        }
    }
}
