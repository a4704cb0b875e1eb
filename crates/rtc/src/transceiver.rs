//! Transceivers, with the packets of their senders and receivers (W3C webrtc-pc §5).

use crate::connection::operate;
use crate::core::Shared;
use bytes::Bytes;
use parlour_peer::{
    Encoding, Error, LocalTrack, RtpCodec, SendParameters, TrackKind, TransceiverDirection, TransceiverId,
};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// A packet of RTP that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket {
    /// Its bytes, header and all.
    pub bytes: Bytes,
    /// The simulcast layer that it is of, or that it repairs.
    pub rid: Option<String>,
}

/// `RTCRtpTransceiver`, with its sender and receiver. A handle: dropping it changes nothing.
#[derive(Clone)]
pub struct Transceiver {
    shared: Arc<Shared>,
    id: TransceiverId,
}

impl fmt::Debug for Transceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transceiver").field("mid", &self.mid()).finish_non_exhaustive()
    }
}

impl PartialEq for Transceiver {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.id == other.id
    }
}

impl Eq for Transceiver {}

impl Transceiver {
    pub(crate) fn new(shared: Arc<Shared>, id: TransceiverId) -> Self {
        Self { shared, id }
    }

    pub(crate) fn id(&self) -> TransceiverId {
        self.id
    }

    fn look<T>(&self, look: impl FnOnce(&parlour_peer::Transceiver) -> T) -> Option<T> {
        self.shared.lock().pc.transceiver(self.id).map(look)
    }

    /// `mid`: none before it is negotiated, and once it was negotiated away.
    pub fn mid(&self) -> Option<String> {
        self.look(|slots| slots.mid().map(str::to_owned))?
    }

    /// Of what kind its tracks are; none once it was negotiated away.
    pub fn kind(&self) -> Option<TrackKind> {
        self.look(parlour_peer::Transceiver::kind)
    }

    /// `direction`; stopped once it was negotiated away.
    pub fn direction(&self) -> TransceiverDirection {
        self.look(parlour_peer::Transceiver::direction).unwrap_or(TransceiverDirection::Stopped)
    }

    /// `currentDirection`.
    pub fn current_direction(&self) -> Option<TransceiverDirection> {
        self.look(parlour_peer::Transceiver::current_direction)?
    }

    /// `direction = …`.
    ///
    /// # Errors
    /// [`Error::InvalidState`] on one that is stopped, [`Error::Type`] for `stopped`.
    pub fn set_direction(&self, direction: TransceiverDirection) -> Result<(), Error> {
        self.shared.change(|core| core.pc.set_direction(self.id, direction))
    }

    /// `stop()`.
    ///
    /// # Errors
    /// [`Error::InvalidState`] if the connection is closed.
    pub fn stop(&self) -> Result<(), Error> {
        self.shared.change(|core| core.pc.stop_transceiver(self.id))
    }

    /// `setCodecPreferences()`.
    ///
    /// # Errors
    /// [`Error::InvalidModification`] for a codec that this peer does not have.
    pub fn set_codec_preferences(&self, codecs: &[RtpCodec]) -> Result<(), Error> {
        self.shared.change(|core| core.pc.set_codec_preferences(self.id, codecs))
    }

    /// `sender.replaceTrack()`.
    ///
    /// # Errors
    /// [`Error::Type`] for a track of another kind, [`Error::InvalidState`] on one that is stopped.
    pub async fn replace_track(&self, track: Option<LocalTrack>) -> Result<(), Error> {
        operate(&self.shared, |pc| pc.replace_track(self.id, track)).await.map(|_| ())
    }

    /// `sender.getParameters()`.
    ///
    /// # Errors
    /// [`Error::InvalidState`] once it was negotiated away.
    pub fn parameters(&self) -> Result<SendParameters, Error> {
        self.shared.change(|core| core.pc.get_parameters(self.id))
    }

    /// `sender.getParameters()` and `sender.setParameters()` in one: changes the encodings.
    ///
    /// # Errors
    /// Those of `setParameters()`.
    pub async fn set_encodings(&self, change: impl FnOnce(&mut Vec<Encoding>)) -> Result<(), Error> {
        let operation = operate(&self.shared, |pc| {
            let mut parameters = pc.get_parameters(self.id)?;
            change(&mut parameters.encodings);
            pc.set_parameters(self.id, parameters)
        });
        operation.await.map(|_| ())
    }

    /// What was negotiated for sending: payload types, sources, header extensions.
    pub fn sender(&self) -> Option<parlour_peer::Sender> {
        self.look(|slots| slots.sender().clone())
    }

    /// What was negotiated for receiving, and whether the track is muted.
    pub fn receiver(&self) -> Option<parlour_peer::Receiver> {
        self.look(|slots| slots.receiver().clone())
    }

    /// Sends a packet of RTP as it is: payload type, source and header extensions as [`sender`](Self::sender) tells them.
    /// `false` if it may not be sent now.
    pub fn send_rtp(&self, packet: &[u8]) -> bool {
        self.shared.change(|core| {
            let sends = core.pc.transceiver(self.id).and_then(|slots| {
                let sends = matches!(
                    slots.current_direction()?,
                    TransceiverDirection::SendRecv | TransceiverDirection::SendOnly
                );
                slots.sender().transport.filter(|_| sends)
            });
            sends.is_some_and(|transport| core.pc.send_media(transport, packet, false))
        })
    }

    /// The next packet of RTP; none once the track has ended. If the program does not take them the oldest are dropped.
    pub async fn recv_rtp(&self) -> Option<RtpPacket> {
        poll_fn(|cx| {
            let mut core = self.shared.lock();
            let track = core.tracks.entry(self.id).or_default();
            if let Some(packet) = track.packets.pop_front() {
                return Poll::Ready(Some(packet));
            }
            if track.ended {
                return Poll::Ready(None);
            }
            track.readers.register(cx);
            Poll::Pending
        })
        .await
    }
}
