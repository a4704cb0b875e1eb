//! Transceivers, with the frames and packets of their senders and receivers (W3C webrtc-pc §5).

use crate::connection::operate;
use crate::core::{Shared, now};
use bytes::Bytes;
use parlour_peer::{
    EncodedFrame, Encoding, Error, InboundCounters, LocalTrack, OutboundCounters, RtpCodec, SendParameters,
    SenderState, TrackKind, TransceiverDirection, TransceiverId,
};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A packet of RTP that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPacket {
    /// Its bytes, header and all.
    pub bytes: Bytes,
    /// The simulcast layer that it is of.
    pub rid: Option<Arc<str>>,
}

/// `RTCRtpTransceiver`, with its sender and receiver. A handle: dropping it changes nothing.
///
/// Frames are what an encoder made and a decoder takes; nothing is encoded here.
///
/// ```
/// # async fn example(connection: parlour_rtc::PeerConnection, film: Vec<Vec<u8>>) -> Result<(), parlour_rtc::Error> {
/// use parlour_rtc::{EncodedFrame, LocalTrack, TrackKind};
///
/// let camera = connection.add_track(LocalTrack::new(TrackKind::Video, "camera"), &["stream"])?;
/// // When offer and answer have been exchanged:
/// for (number, frame) in (0..).zip(film) {
///     camera.send_frame(&EncodedFrame::new(frame, number * 3000)).await?;
/// }
/// // What the other side sends, if it sends something:
/// while let Some(frame) = camera.recv_frame().await {
///     println!("{} bytes of {:?}", frame.data.len(), frame.metadata.mime_type);
/// }
/// # Ok(())
/// # }
/// ```
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

    /// Sends a frame once it can be sent: when sending is negotiated, the transport connected, and not too much waits.
    /// The frame is not sent if the future is dropped before it is ready.
    ///
    /// # Errors
    /// [`Error::InvalidState`] if nothing can be sent any more, sending was negotiated away, or the encoding is not active;
    /// [`Error::InvalidAccess`] for a payload type or an encoding that the sender does not have; [`Error::NotSupported`]
    /// for a codec whose frames are not known; [`Error::Operation`] for a malformed frame.
    pub async fn send_frame(&self, frame: &EncodedFrame) -> Result<(), Error> {
        poll_fn(|cx| self.poll_sender(cx)).await;
        self.try_send_frame(frame)
    }

    /// Sends a frame now.
    ///
    /// # Errors
    /// As [`send_frame`](Self::send_frame), and [`Error::InvalidState`] if it cannot be sent yet, [`Error::Operation`] if
    /// too much waits.
    pub fn try_send_frame(&self, frame: &EncodedFrame) -> Result<(), Error> {
        self.shared.change(|core| core.pc.send_frame(now(), self.id, frame))
    }

    /// Sends a packet of RTP now, for programs that have packets and not frames. Its source becomes the sender's: that of
    /// the encoding which it names by its source, or else of the first one. A number must not be sent twice.
    ///
    /// # Errors
    /// As [`try_send_frame`](Self::try_send_frame), and [`Error::Type`] for what is no packet.
    pub fn send_rtp(&self, packet: &[u8]) -> Result<(), Error> {
        self.shared.change(|core| core.pc.send_rtp(now(), self.id, packet))
    }

    /// Waits until the sender can send, or never will.
    fn poll_sender(&self, cx: &Context<'_>) -> Poll<()> {
        let mut core = self.shared.lock();
        match core.pc.sender_state(self.id) {
            SenderState::Waiting | SenderState::Full => {
                core.senders.register(cx);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// The next frame that came, of whichever simulcast layer; none once the track has ended. Nothing is lost if the
    /// future is dropped before it is ready.
    ///
    /// With the first call the receiver makes frames of packets, and [`recv_rtp`](Self::recv_rtp) gets nothing any more.
    /// Frames come in order and whole. If the program does not take them, pictures go on with a key frame later.
    pub async fn recv_frame(&self) -> Option<EncodedFrame> {
        poll_fn(|cx| {
            let mut core = self.shared.lock();
            let track = core.tracks.entry(self.id).or_default();
            if let Some(frame) = track.frames.pop_front() {
                return Poll::Ready(Some(frame));
            }
            if track.ended {
                return Poll::Ready(None);
            }
            track.readers.register(cx);
            if !std::mem::replace(&mut track.reads_frames, true) {
                let earlier = std::mem::take(&mut track.packets);
                // Without a transceiver no frame comes, and the end of the track is told.
                let _ = core.pc.read_frames(now(), self.id, earlier.into_iter().map(|packet| packet.bytes.into()));
                self.shared.wake.notify_one();
            }
            Poll::Pending
        })
        .await
    }

    /// The next packet of RTP; none once the track has ended. If the program does not take them the oldest are dropped.
    /// What was sent again comes late, and as it was sent first.
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

    /// Asks the other side for a key frame: of one simulcast layer, or of all if none is named. It is asked for again until
    /// it comes. False if nothing has come yet.
    pub fn request_key_frame(&self, rid: Option<&str>) -> bool {
        self.shared.change(|core| core.pc.request_key_frame(now(), self.id, rid))
    }

    /// `keyframerequest`: waits until the other side wants a key frame from the sender, and tells of which encoding: none
    /// if there is only one. `None` once the transceiver has ended.
    pub async fn key_frame_requested(&self) -> Option<Option<Arc<str>>> {
        poll_fn(|cx| {
            let mut core = self.shared.lock();
            let track = core.tracks.entry(self.id).or_default();
            if let Some(rid) = track.key_frames.pop_front() {
                return Poll::Ready(Some(rid));
            }
            if track.ended {
                return Poll::Ready(None);
            }
            track.encoders.register(cx);
            Poll::Pending
        })
        .await
    }

    /// Figures of the sender's streams, those that have sent.
    pub fn outbound_counters(&self) -> Vec<OutboundCounters> {
        self.shared.lock().pc.outbound_counters(self.id)
    }

    /// Figures of the streams that the receiver gets.
    pub fn inbound_counters(&self) -> Vec<InboundCounters> {
        self.shared.lock().pc.inbound_counters(self.id)
    }
}
