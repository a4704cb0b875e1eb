//! The two families of ciphers behind one face.

mod counter_mode;
mod gcm;

use crate::key::{MasterKey, SessionKeys};
use crate::packet::Layout;
use crate::profile::ProtectionProfile;
use counter_mode::CounterMode;
use gcm::Gcm;
use parlour_rtp::Ssrc;

/// Set in the last word of an SRTCP packet if it is encrypted (RFC 3711 §3.4).
pub(crate) const ENCRYPTED: u32 = 1 << 31;

/// The packet is not what its sender made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unauthentic;

/// One cryptographic context: key schedule, salt and HMAC state for RTP or for RTCP.
pub(crate) enum Cipher {
    Gcm(Gcm),
    CounterMode(Box<CounterMode>),
}

impl Cipher {
    pub(crate) fn for_rtp(master: &MasterKey) -> Self {
        let profile = master.profile();
        Self::new(profile, &master.rtp_session_keys(), profile.rtp_tag_length())
    }

    pub(crate) fn for_rtcp(master: &MasterKey) -> Self {
        let profile = master.profile();
        Self::new(profile, &master.rtcp_session_keys(), profile.rtcp_tag_length())
    }

    pub(crate) fn new(profile: ProtectionProfile, keys: &SessionKeys, tag_length: usize) -> Self {
        match profile {
            ProtectionProfile::AeadAes128Gcm | ProtectionProfile::AeadAes256Gcm => Self::Gcm(Gcm::new(profile, keys)),
            ProtectionProfile::Aes128CmHmacSha1_80 | ProtectionProfile::Aes128CmHmacSha1_32 => {
                Self::CounterMode(Box::new(CounterMode::new(keys, tag_length)))
            }
        }
    }

    /// Encrypts and authenticates `packet`, whose last bytes are room for the tag.
    pub(crate) fn seal_rtp(&self, packet: &mut [u8], layout: Layout, cryptex: bool, index: u64) -> Option<()> {
        match self {
            Self::Gcm(cipher) => cipher.seal_rtp(packet, layout, cryptex, index),
            Self::CounterMode(cipher) => cipher.seal_rtp(packet, layout, cryptex, index),
        }
    }

    /// Verifies and decrypts `packet`, which ends with the tag. After a failure its content is unspecified.
    pub(crate) fn open_rtp(
        &self,
        packet: &mut [u8],
        layout: Layout,
        cryptex: bool,
        index: u64,
    ) -> Result<(), Unauthentic> {
        match self {
            Self::Gcm(cipher) => cipher.open_rtp(packet, layout, cryptex, index),
            Self::CounterMode(cipher) => cipher.open_rtp(packet, layout, cryptex, index),
        }
    }

    /// Whether a failed [`open_rtp`](Self::open_rtp) leaves the packet as it was.
    pub(crate) fn spares_the_unauthentic(&self) -> bool {
        matches!(self, Self::CounterMode(_))
    }

    /// Encrypts and authenticates `packet`, whose last bytes are room for the tag and the index.
    pub(crate) fn seal_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: u32) -> Option<()> {
        match self {
            Self::Gcm(cipher) => cipher.seal_rtcp(packet, ssrc, index),
            Self::CounterMode(cipher) => cipher.seal_rtcp(packet, ssrc, index),
        }
    }

    /// The word of `packet` that holds the SRTCP index and the mark of encryption.
    pub(crate) fn rtcp_index_word(&self, packet: &[u8]) -> Option<u32> {
        let end = match self {
            Self::Gcm(_) => packet,
            Self::CounterMode(cipher) => packet.get(..packet.len().checked_sub(cipher.tag_length())?)?,
        };
        end.last_chunk().map(|word| u32::from_be_bytes(*word))
    }

    /// Verifies and decrypts `packet`, which ends with the tag and the index in the order of the profile.
    pub(crate) fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index_word: u32) -> Result<(), Unauthentic> {
        match self {
            Self::Gcm(cipher) => cipher.open_rtcp(packet, ssrc, index_word),
            Self::CounterMode(cipher) => cipher.open_rtcp(packet, ssrc, index_word),
        }
    }
}
