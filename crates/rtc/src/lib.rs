//! WebRTC for tokio, with the names of the W3C in Rust's spelling.
//!
//! [`PeerConnection::new`] gives a connection and its [`Events`]. Handles ([`PeerConnection`], [`DataChannel`],
//! [`Transceiver`]) are cheap to clone, may be used from any thread, and end what they stand for when the last one is
//! dropped. Any future of this crate may be dropped before it is ready: nothing is lost or done twice by it.
//!
//! The first message over a data channel, with both ends in one program:
//!
//! ```
#![doc = include_str!("../../../examples/hello-data/src/main.rs")]
//! ```
//!
//! The state machine below is [`parlour_peer`]: programs that do not use tokio drive it by themselves.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod byte_stream;
mod channel;
mod configuration;
mod connection;
mod core;
mod driver;
mod event;
mod inbox;
mod socket;
mod tcp;
mod transceiver;
mod wakers;

pub use byte_stream::ByteStream;
pub use channel::{DataChannel, Message};
pub use configuration::{Addresses, Configuration};
pub use connection::PeerConnection;
pub use event::{Event, Events};
pub use parlour_peer::{
    AudioLevel, BundlePolicy, Capabilities, Certificate, ChannelState, CodecCapability, ConnectionState,
    DataChannelInit, Description, DtlsTransportState, DtlsVersions, EncodedFrame, Encoding, Error, ErrorDetail,
    FrameMetadata, FrameType, GatheringState, IceCandidateInit, IceServer, IceTransportState, InboundCounters,
    LocalTrack, OfferOptions, OutboundCounters, Receiver, RemoteInbound, RemoteOutbound, Rotation, RtpCodec, SdpType,
    SendParameters, Sender, SignalingState, TrackKind, TransceiverDirection, TransceiverInit, TransportPolicy,
    VideoOrientation,
};
pub use transceiver::{RtpPacket, Transceiver};
