//! SCTP for WebRTC data channels, without I/O.
//!
//! [`Association`] is SCTP as data channels use it (RFC 9260, RFC 8831): messages on streams, ordered or not, reliable or not, interleaved, over packets that
//! DTLS carries. [`DataChannels`] is what programs see: channels with labels, priorities and a W3C life.
//!
//! Neither knows sockets, clocks or random sources: packets, instants and a seed come in as arguments.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod association;
mod channel;
mod config;
pub mod congestion;
mod error;
pub mod packet;
mod serial;
mod time;

pub use association::{Association, CloseReason, Event, Message, SendOptions, Stats, Transmit};
pub use channel::{Channel, ChannelEvent, ChannelOptions, DataChannels, Payload, Priority, ReadyState, Reliability, Role};
pub use config::{Config, PacketSizes};
pub use error::Error;
pub use serial::{StreamId, Tsn};
