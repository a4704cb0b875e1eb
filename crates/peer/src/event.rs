//! What a connection tells its program.

use crate::channels::ChannelId;
use crate::connection::ConnectionState;
use crate::error::Error;
use crate::jsep::candidates::IceCandidateInit;
use crate::jsep::signaling::{Description, SignalingState};
use crate::jsep::transceiver::TransceiverId;
use crate::jsep::transport::TransportId;
use crate::transport::link::DtlsTransportState;
use parlour_ice::{ConnectionState as IceTransportState, GatheringState};
use parlour_sctp::Payload;
use std::sync::Arc;

/// Names a call whose result comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub(crate) u64);

/// What an operation gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// The description that was asked for.
    Description(Description),
}

/// Something that happened, in the order of the W3C algorithms. All slots have changed before the first event of a task
/// comes out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An operation has ended: a promise would settle now.
    Settled {
        /// Which one.
        operation: OperationId,
        /// How.
        result: Result<Outcome, Error>,
    },
    /// `negotiationneeded`: an offer should be made.
    NegotiationNeeded,
    /// `signalingstatechange`.
    SignalingStateChange(SignalingState),
    /// `icecandidate`: signal this to the other side. An empty candidate says that no more come in its
    /// generation, and none that gathering is over.
    IceCandidate(Option<IceCandidateInit>),
    /// `icegatheringstatechange`.
    IceGatheringStateChange(GatheringState),
    /// `statechange` of an `RTCIceTransport`.
    IceTransportStateChange(TransportId, IceTransportState),
    /// `statechange` of an `RTCDtlsTransport`.
    DtlsTransportStateChange(TransportId, DtlsTransportState),
    /// `error` of an `RTCDtlsTransport`.
    DtlsTransportError(TransportId, Error),
    /// `iceconnectionstatechange`.
    IceConnectionStateChange(IceTransportState),
    /// `connectionstatechange`.
    ConnectionStateChange(ConnectionState),
    /// ICE asks for something (a name to look up, a stream to open), or tells something beside its state.
    IceRequest(TransportId, Box<parlour_ice::Event>),
    /// `datachannel`: the other side has made a channel.
    DataChannel(ChannelId),
    /// `open` on a data channel.
    ChannelOpen(ChannelId),
    /// `message` on a data channel.
    ChannelMessage(ChannelId, Payload),
    /// `bufferedamountlow` on a data channel.
    ChannelBufferedAmountLow(ChannelId),
    /// `closing` on a data channel.
    ChannelClosing(ChannelId),
    /// `close` on a data channel.
    ChannelClosed(ChannelId),
    /// `error` on a data channel.
    ChannelError {
        /// Which one.
        channel: ChannelId,
        /// Why.
        error: Error,
    },
    /// `mute` on the track of this receiver.
    TrackMuted(TransceiverId),
    /// `unmute` on the track of this receiver.
    TrackUnmuted(TransceiverId),
    /// `ended` on the track of this receiver.
    TrackEnded(TransceiverId),
    /// `keyframerequest`: the other side wants a key frame from this sender.
    KeyFrameRequested {
        /// Whose sender.
        transceiver: TransceiverId,
        /// Of which encoding; none if there is only one.
        rid: Option<Arc<str>>,
    },
    /// `removetrack` on a stream of the other side.
    StreamRemovedTrack {
        /// The stream.
        stream: String,
        /// Whose receiver has the track.
        transceiver: TransceiverId,
    },
    /// `addtrack` on a stream of the other side.
    StreamAddedTrack {
        /// The stream.
        stream: String,
        /// Whose receiver has the track.
        transceiver: TransceiverId,
    },
    /// `track`: the other side wants to send.
    Track {
        /// Whose receiver has the track.
        transceiver: TransceiverId,
        /// The streams that it is in.
        streams: Vec<String>,
    },
}
