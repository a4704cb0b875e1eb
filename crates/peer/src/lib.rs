//! One WebRTC peer, without I/O.
//!
//! [`PeerConnection`] is the `RTCPeerConnection` of W3C webrtc-pc: it owns every slot, runs every algorithm
//! synchronously and tells what happened by [`PeerConnection::poll_event`]. Sockets, clocks and randomness come from the
//! caller.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod channels;
mod connection;
mod error;
mod event;
mod ice_server;
mod jsep;
mod random;
mod streams;
mod transport;

pub use channels::{ChannelId, ChannelState, DataChannel, DataChannelInit};
pub use connection::{
    Configuration, ConnectionState, MediaPacket, OfferOptions, PeerConnection, SenderState, TransceiverInit, Transmit,
};
pub use error::{Error, ErrorDetail};
pub use event::{Event, OperationId, Outcome};
pub use ice_server::IceServer;
pub use jsep::candidates::IceCandidateInit;
pub use jsep::codecs::{Capabilities, CodecCapability, RtpCodec};
pub use jsep::encodings::{Encoding, SendParameters};
pub use jsep::extensions::{HeaderExtension, uri};
pub use jsep::signaling::{Description, SdpType, SignalingState};
pub use jsep::transceiver::{
    EncodingSsrcs, LocalTrack, Receiver, Sender, TrackKind, Transceiver, TransceiverDirection, TransceiverId,
};
pub use jsep::transport::{BundlePolicy, DtlsRole, IceParameters, RemoteTransport, Transport, TransportId};
pub use parlour_ice::{
    Agent as IceAgent, ConnectionState as IceTransportState, Event as IceEvent, GatheringState, Meta, Server,
    ServerAddress, ServerKind, Socket, StreamId, TransportPolicy, Via,
};
pub use parlour_rtp::extension::{AudioLevel, Rotation, VideoOrientation};
pub use parlour_sctp::Payload;
pub use random::Rng;
pub use streams::counters::{InboundCounters, OutboundCounters, RemoteInbound, RemoteOutbound};
pub use streams::frame::{EncodedFrame, FrameMetadata, FrameType};
pub use streams::{MediaFeedback, PacketResult};
pub use transport::certificate::Certificate;
pub use transport::dtls::DtlsVersions;
pub use transport::link::DtlsTransportState;
