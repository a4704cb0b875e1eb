use parlour_rtp::Ssrc;
use thiserror::Error;

/// Why keys could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The master key has the wrong length for the profile.
    #[error("the profile needs a master key of {needed} bytes, got {got}")]
    KeyLength {
        /// Bytes that the profile needs.
        needed: usize,
        /// Bytes given.
        got: usize,
    },
    /// The master salt has the wrong length for the profile.
    #[error("the profile needs a master salt of {needed} bytes, got {got}")]
    SaltLength {
        /// Bytes that the profile needs.
        needed: usize,
        /// Bytes given.
        got: usize,
    },
    /// The keying material of DTLS is too short for the profile.
    #[error("the profile needs {needed} bytes of keying material, got {got}")]
    MaterialLength {
        /// Bytes that the profile needs.
        needed: usize,
        /// Bytes given.
        got: usize,
    },
}

/// Why a packet was not protected. The buffer is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtectError {
    /// The bytes are not an RTP packet, or not an RTCP packet.
    #[error("not a well-formed packet")]
    Malformed,
    /// The buffer has no room for what protection adds.
    #[error("the buffer must have room for {needed} bytes")]
    BufferTooSmall {
        /// Bytes that the protected packet may need.
        needed: usize,
    },
    /// A packet with this index was protected before, or is too old to know. Send the bytes of then again.
    #[error("sequence number {sequence_number} of SSRC {ssrc} was used before")]
    IndexReused {
        /// The stream.
        ssrc: Ssrc,
        /// The sequence number, or the low bits of the SRTCP index.
        sequence_number: u16,
    },
    /// More SSRCs than the configured limit.
    #[error("no room for SSRC {ssrc}: the limit of sources is reached")]
    TooManySources {
        /// The stream that found no room.
        ssrc: Ssrc,
    },
    /// The key has protected as many packets as it may (RFC 3711 §9.2). Make new keys by a new DTLS handshake.
    #[error("the key of SSRC {ssrc} is used up")]
    KeyExhausted {
        /// The stream that used it up.
        ssrc: Ssrc,
    },
}

/// Why a packet was not accepted. The caller drops it; what the buffer then holds is unspecified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnprotectError {
    /// The bytes are too short or their lengths disagree.
    #[error("not a well-formed packet")]
    Malformed,
    /// The authentication tag is wrong.
    #[error("the authentication tag is wrong")]
    Unauthentic,
    /// The packet came before.
    #[error("the packet came before")]
    Replayed,
    /// The packet is older than the replay window.
    #[error("the packet is older than the replay window")]
    TooOld,
    /// The packet is authentic but its SSRC is one more than the configured limit.
    #[error("the limit of sources is reached")]
    TooManySources,
    /// Cryptex is required and the packet does not use it.
    #[error("header extensions or CSRCs are in the clear although cryptex is required")]
    CryptexRequired,
}
