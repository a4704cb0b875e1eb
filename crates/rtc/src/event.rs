//! What a connection tells its program.

use crate::channel::DataChannel;
use crate::core::Shared;
use crate::transceiver::Transceiver;
use futures_core::Stream;
use parlour_peer::{
    ConnectionState, DtlsTransportState, Error, GatheringState, IceCandidateInit, IceTransportState, SignalingState,
};
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// What the driver tells; handles are made when it is taken.
pub(crate) struct Told(pub(crate) parlour_peer::Event);

/// An event of an `RTCPeerConnection`, or of the tracks of its receivers. Those of data channels are at their handles.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// `negotiationneeded`: make an offer.
    NegotiationNeeded,
    /// `signalingstatechange`.
    SignalingStateChange(SignalingState),
    /// `icecandidate`: signal this to the other side. `None` says that gathering is over.
    IceCandidate(Option<IceCandidateInit>),
    /// `icegatheringstatechange`.
    IceGatheringStateChange(GatheringState),
    /// `iceconnectionstatechange`.
    IceConnectionStateChange(IceTransportState),
    /// `connectionstatechange`.
    ConnectionStateChange(ConnectionState),
    /// `datachannel`: the other side has made a channel.
    DataChannel(DataChannel),
    /// `track`: the other side wants to send.
    Track {
        /// By which transceiver.
        transceiver: Transceiver,
        /// The streams that the track is in.
        streams: Vec<String>,
    },
    /// `mute` on the track of a receiver.
    TrackMuted(Transceiver),
    /// `unmute` on the track of a receiver.
    TrackUnmuted(Transceiver),
    /// `ended` on the track of a receiver.
    TrackEnded(Transceiver),
    /// `addtrack` on a stream of the other side.
    StreamAddedTrack {
        /// The stream.
        stream: String,
        /// Whose receiver has the track.
        transceiver: Transceiver,
    },
    /// `removetrack` on a stream of the other side.
    StreamRemovedTrack {
        /// The stream.
        stream: String,
        /// Whose receiver has the track.
        transceiver: Transceiver,
    },
    /// `statechange` of an `RTCDtlsTransport`: closed when the other side has closed the connection.
    DtlsTransportStateChange(DtlsTransportState),
    /// `error` of an `RTCDtlsTransport`: a handshake that failed, or another certificate than the one that was named.
    DtlsTransportError(Error),
}

/// The events of a connection, in order. They may be dropped by a program that asks and does not listen; data channels of
/// the other side are closed then, as nobody can take them.
#[derive(Debug)]
pub struct Events {
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
    pub(crate) shared: Weak<Shared>,
}

impl Events {
    /// The next event; none once the connection is closed. May be dropped before it is ready.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            let told = self.told.recv().await?;
            if let Some(event) = self.event(told) {
                return Some(event);
            }
        }
    }

    /// The next channel that the other side makes; other events are passed over.
    pub async fn data_channel(&mut self) -> Option<DataChannel> {
        loop {
            if let Event::DataChannel(channel) = self.recv().await? {
                return Some(channel);
            }
        }
    }

    fn event(&self, Told(event): Told) -> Option<Event> {
        use parlour_peer::Event as Peer;
        let transceiver = |id| self.shared.upgrade().map(|shared| Transceiver::new(shared, id));
        Some(match event {
            Peer::NegotiationNeeded => Event::NegotiationNeeded,
            Peer::SignalingStateChange(state) => Event::SignalingStateChange(state),
            Peer::IceCandidate(candidate) => Event::IceCandidate(candidate),
            Peer::IceGatheringStateChange(state) => Event::IceGatheringStateChange(state),
            Peer::IceConnectionStateChange(state) => Event::IceConnectionStateChange(state),
            Peer::ConnectionStateChange(state) => Event::ConnectionStateChange(state),
            Peer::DataChannel(id) => Event::DataChannel(DataChannel::new(self.shared.upgrade()?, id)?),
            Peer::Track { transceiver: id, streams } => Event::Track { transceiver: transceiver(id)?, streams },
            Peer::TrackMuted(id) => Event::TrackMuted(transceiver(id)?),
            Peer::TrackUnmuted(id) => Event::TrackUnmuted(transceiver(id)?),
            Peer::TrackEnded(id) => Event::TrackEnded(transceiver(id)?),
            Peer::StreamAddedTrack { stream, transceiver: id } => {
                Event::StreamAddedTrack { stream, transceiver: transceiver(id)? }
            }
            Peer::StreamRemovedTrack { stream, transceiver: id } => {
                Event::StreamRemovedTrack { stream, transceiver: transceiver(id)? }
            }
            Peer::DtlsTransportStateChange(_, state) => Event::DtlsTransportStateChange(state),
            Peer::DtlsTransportError(_, error) => Event::DtlsTransportError(error),
            // Data channels have their own.
            _ => return None,
        })
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            let Some(told) = std::task::ready!(self.told.poll_recv(cx)) else { return Poll::Ready(None) };
            if let Some(event) = self.event(told) {
                return Poll::Ready(Some(event));
            }
        }
    }
}
