//! AES-128 in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1 and §4.2.1).

use super::{ENCRYPTED, Unauthentic};
use crate::key::SessionKeys;
use crate::packet::{EXTENSION_HEADER, FIXED_HEADER, Layout, gather, scatter};
use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipherCore};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use parlour_rtp::Ssrc;
use sha1::Sha1;
use subtle::ConstantTimeEq;

const RTCP_HEADER: usize = 8;

pub(crate) struct CounterMode {
    aes: Aes128,
    /// The HMAC after its key: the state that every packet starts from.
    hmac: Hmac<Sha1>,
    /// The salt times 2^16.
    salt: u128,
    tag_length: usize,
}

impl CounterMode {
    pub(crate) fn new(keys: &SessionKeys, tag_length: usize) -> Self {
        let mut key = [0; 16];
        for (place, byte) in key.iter_mut().zip(keys.key) {
            *place = byte;
        }
        let salt = keys.salt.iter().fold(0, |salt, byte| salt << 8 | u128::from(*byte)) << 16;
        let aes = Aes128::new(&key.into());
        zeroize::Zeroize::zeroize(&mut key);
        Self { aes, hmac: keyed_hmac(&keys.authentication), salt, tag_length }
    }

    pub(crate) fn tag_length(&self) -> usize {
        self.tag_length
    }

    /// Encrypts or decrypts: salt * 2^16, exclusive-or SSRC * 2^64, exclusive-or index * 2^16 is the first counter.
    fn apply_key_stream(&self, ssrc: Ssrc, index: u64, data: &mut [u8]) {
        let first = self.salt ^ u128::from(ssrc.0) << 64 ^ u128::from(index) << 16;
        let stream = CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(&self.aes, &first.to_be_bytes().into());
        stream.apply_keystream_partial(data.into());
    }

    fn tag_of(&self, authenticated: &[u8], roc: Option<u32>) -> [u8; 20] {
        let mut hmac = self.hmac.clone();
        hmac.update(authenticated);
        if let Some(roc) = roc {
            hmac.update(&roc.to_be_bytes());
        }
        hmac.finalize().into_bytes().into()
    }

    fn write_tag(&self, made: [u8; 20], place: &mut [u8]) {
        for (place, byte) in place.iter_mut().zip(made) {
            *place = byte;
        }
    }

    fn verify_tag(&self, made: [u8; 20], received: &[u8]) -> Result<(), Unauthentic> {
        let made = made.get(..self.tag_length).ok_or(Unauthentic)?;
        if bool::from(made.ct_eq(received)) { Ok(()) } else { Err(Unauthentic) }
    }

    pub(crate) fn seal_rtp(&self, packet: &mut [u8], layout: Layout, cryptex: bool, index: u64) -> Option<()> {
        let (body, tag) = packet.split_at_mut_checked(packet.len().checked_sub(self.tag_length)?)?;
        self.crypt_rtp(body, layout, cryptex, index)?;
        self.write_tag(self.tag_of(body, Some((index >> 16) as u32)), tag);
        Some(())
    }

    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        layout: Layout,
        cryptex: bool,
        index: u64,
    ) -> Result<(), Unauthentic> {
        let length = packet.len().checked_sub(self.tag_length).ok_or(Unauthentic)?;
        let (body, tag) = packet.split_at_mut_checked(length).ok_or(Unauthentic)?;
        self.verify_tag(self.tag_of(body, Some((index >> 16) as u32)), tag)?;
        self.crypt_rtp(body, layout, cryptex, index).ok_or(Unauthentic)
    }

    fn crypt_rtp(&self, body: &mut [u8], layout: Layout, cryptex: bool, index: u64) -> Option<()> {
        if cryptex {
            gather(body, layout);
            self.apply_key_stream(layout.ssrc, index, body.get_mut(FIXED_HEADER + EXTENSION_HEADER..)?);
            scatter(body, layout);
        } else {
            self.apply_key_stream(layout.ssrc, index, body.get_mut(layout.header..)?);
        }
        Some(())
    }

    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: u32) -> Option<()> {
        let (body, tag) = packet.split_at_mut_checked(packet.len().checked_sub(self.tag_length)?)?;
        let (plain, index_word) = body.split_last_chunk_mut::<4>()?;
        self.apply_key_stream(ssrc, u64::from(index), plain.get_mut(RTCP_HEADER..)?);
        *index_word = (index | ENCRYPTED).to_be_bytes();
        self.write_tag(self.tag_of(body, None), tag);
        Some(())
    }

    pub(crate) fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index_word: u32) -> Result<(), Unauthentic> {
        let length = packet.len().checked_sub(self.tag_length).ok_or(Unauthentic)?;
        let (body, tag) = packet.split_at_mut_checked(length).ok_or(Unauthentic)?;
        self.verify_tag(self.tag_of(body, None), tag)?;
        if index_word & ENCRYPTED != 0 {
            let (sealed, _) = body.split_last_chunk_mut::<4>().ok_or(Unauthentic)?;
            let sealed = sealed.get_mut(RTCP_HEADER..).ok_or(Unauthentic)?;
            self.apply_key_stream(ssrc, u64::from(index_word & !ENCRYPTED), sealed);
        }
        Ok(())
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn keyed_hmac(key: &[u8; 20]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key).expect("a key of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::hex;

    #[test]
    fn key_stream_matches_rfc_3711_b_2() {
        let mut keys = SessionKeys { key: [0; 32], authentication: [0; 20], salt: [0; 14] };
        keys.key[..16].copy_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C"));
        keys.salt.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let mut stream = vec![0; 1_044_512];
        CounterMode::new(&keys, 10).apply_key_stream(Ssrc(0), 0, &mut stream);
        assert_eq!(
            stream[..48],
            hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0")
        );
        assert_eq!(
            stream[stream.len() - 48..],
            hex("EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44")
        );
    }
}
