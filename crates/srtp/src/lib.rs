//! SRTP and SRTCP: protects and unprotects RTP and RTCP packets in place (RFC 3711, RFC 7714, RFC 9335).
//!
//! A transport has one [`SrtpSender`] and one [`SrtpReceiver`]; each serves every SSRC of its direction. Both keep their
//! key schedules and HMAC states, work in the caller's buffer and allocate only when they meet a new SSRC.
//!
//! ```
//! use parlour_srtp::{MasterKey, ProtectionProfile, SrtpReceiver, SrtpSender};
//!
//! let profile = ProtectionProfile::AeadAes128Gcm;
//! let key = MasterKey::new(profile, &[1; 16], &[2; 12])?;
//! let mut sender = SrtpSender::new(&key);
//! let mut receiver = SrtpReceiver::new(&key);
//!
//! let packet = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, b'h', b'i'];
//! let mut buffer = [0; 64];
//! buffer[..packet.len()].copy_from_slice(&packet);
//! let protected = sender.protect_rtp(&mut buffer, packet.len())?;
//! assert_eq!(protected, packet.len() + profile.rtp_tag_length());
//!
//! let length = receiver.unprotect_rtp(&mut buffer[..protected])?;
//! assert_eq!(buffer[..length], packet);
//! assert!(receiver.unprotect_rtp(&mut buffer[..protected]).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is refused
//!
//! A sender never uses a packet index twice, because two packets under one index would give away the key stream, and with
//! GCM the authentication key too. A packet that must go out again without RTX goes out as the bytes that were sent
//! before. A receiver moves its replay window and learns an SSRC only after a packet has proved authentic.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod cipher;
mod error;
mod key;
mod packet;
mod profile;
mod receiver;
mod replay;
mod sender;
mod sources;

pub use error::{KeyError, ProtectError, UnprotectError};
pub use key::{DtlsKeyingMaterial, MasterKey};
pub use profile::ProtectionProfile;
pub use receiver::{ReceiverConfig, ReceiverStats, SrtpReceiver};
pub use sender::{SenderConfig, SrtpSender};

/// What to do about cryptex, the encryption of header extensions and CSRCs (RFC 9335).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cryptex {
    /// Not negotiated: packets are sent without, and the cryptex marks of a received packet mean nothing.
    #[default]
    Off,
    /// Negotiated: packets with extensions or CSRCs are sent with it, and received with or without.
    On,
    /// As `On`, and a received packet whose extensions or CSRCs are in the clear is refused (RFC 9335 §5.2).
    Required,
}
