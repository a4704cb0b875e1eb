//! STUN, TURN and ICE messages (RFC 8489, 8656, 6062, 8016, 5780, 8445).
//!
//! A received datagram is read as a borrowed [`Message`]; a message to send is written by a [`MessageWriter`] at the
//! end of the caller's buffer. Neither allocates. Integrity keys keep the hash states of their two key blocks, so a
//! check costs only the blocks of the message itself.
//!
//! ```
//! use parlour_stun::{
//!     Class, IntegrityKey, Integrity, Message, MessageWriter, Method, TransactionId, attribute::Username,
//! };
//!
//! let key = IntegrityKey::short_term("VOkJxbRl1RmTxUk/WvJxBt")?;
//! let mut out = Vec::new();
//! let mut writer = MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([7; 12]));
//! writer.put(&Username("evtj:h6vY"));
//! writer.integrity(&key);
//! writer.fingerprint();
//! writer.finish()?;
//!
//! let message = Message::parse(&out)?;
//! assert_eq!(message.get::<Username>()?, Some(Username("evtj:h6vY")));
//! assert_eq!(message.verify(&key), Integrity::Valid);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing here knows sockets, clocks or global randomness, and no input can make it panic.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod attribute;
mod channel_data;
mod credentials;
mod demux;
mod integrity;
mod message;
mod retransmit;
mod stream;
mod writer;

pub use attribute::{Attribute, AttributeType, ErrorCode, MalformedAttribute};
pub use channel_data::{ChannelData, ChannelNumber};
pub use credentials::{
    BidDown, CredentialError, LongTermKey, NONCE_COOKIE, PasswordAlgorithm, SecurityFeatures, opaque_string, userhash,
};
pub use demux::{PacketKind, classify};
pub use integrity::{HmacSha1, HmacSha256, Integrity, IntegrityKey};
pub use message::{
    Attributes, Class, HEADER_LEN, MAGIC_COOKIE, Message, Method, ParseError, RawAttribute, TransactionId,
};
pub use retransmit::{RetransmitPolicy, RetransmitTimer, RttEstimator, TimerAction};
pub use stream::{FrameError, FrameLength, frame_length};
pub use writer::{MessageTooLong, MessageWriter};
