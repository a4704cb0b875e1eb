//! Frames and packets of media: to and from the streams of senders and receivers.

use super::PeerConnection;
use super::tasks::Task;
use crate::error::Error;
use crate::jsep::transceiver::TransceiverId;
use crate::jsep::transport::TransportId;
use crate::streams::counters::{InboundCounters, OutboundCounters};
use crate::streams::frame::EncodedFrame;
use crate::streams::{Effect, MediaFeedback, Wire};
use crate::transport::link::Link;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// More packets than this that nobody takes are dropped, the newest first.
const MAX_PACKETS: usize = 4096;

/// A packet of RTP that came, opened and authentic. What came again by a stream of its own (RFC 4588) is the original
/// packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPacket {
    /// By which transport.
    pub transport: TransportId,
    /// For which receiver.
    pub transceiver: TransceiverId,
    /// Of which simulcast layer.
    pub rid: Option<Arc<str>>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Whether a sender can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderState {
    /// Nothing was negotiated yet, or the transport is not connected.
    Waiting,
    /// It can.
    Ready,
    /// So much waits to be sent that more would have to wait long.
    Full,
    /// Sending was negotiated away, perhaps for a while.
    Paused,
    /// It never can again.
    Ended,
}

/// The links as the streams see them.
struct Links<'a>(&'a mut [Link]);

impl Links<'_> {
    fn link(&mut self, transport: TransportId) -> Option<&mut Link> {
        self.0.iter_mut().find(|link| link.id == transport)
    }
}

impl Wire for Links<'_> {
    fn rtp(&mut self, transport: TransportId, packet: &[u8], sealed: &mut Vec<u8>) -> bool {
        self.link(transport).is_some_and(|link| link.send_rtp(packet, sealed))
    }

    fn again(&mut self, transport: TransportId, sealed: &[u8]) {
        if let Some(link) = self.link(transport) {
            link.send_sealed(sealed);
        }
    }

    fn rtcp(&mut self, transport: TransportId, packets: &[u8]) {
        if let Some(link) = self.link(transport) {
            link.send_media(packets, true);
        }
    }

    fn is_ready(&self, transport: TransportId) -> Result<(), Error> {
        let link = self.0.iter().find(|link| link.id == transport && link.has_keys());
        match link {
            None => Err(Error::InvalidState("the transport is not connected".into())),
            Some(link) if link.is_full() => Err(Error::Operation("too much waits to be sent".into())),
            Some(_) => Ok(()),
        }
    }
}

impl PeerConnection {
    /// Sends a frame by the sender of a transceiver: cut into packets, numbered, kept for those who miss some of it. It
    /// leaves with the next calls of [`poll_transmit`](Self::poll_transmit).
    ///
    /// Fails with [`Error::InvalidState`] while it may not be sent: sending was not negotiated, the transport is not
    /// connected, the encoding is not active; with [`Error::InvalidAccess`] for a payload type or an encoding that the
    /// sender does not have; with [`Error::NotSupported`] for a codec whose frames are not known here; with
    /// [`Error::Operation`] for a malformed frame, or when too much waits.
    pub fn send_frame(&mut self, now: Instant, sender: TransceiverId, frame: &EncodedFrame) -> Result<(), Error> {
        self.check_open()?;
        self.streams.follow(&self.jsep);
        self.streams.send_frame(now, sender, frame, &mut Links(&mut self.links))
    }

    /// Whether frames and packets can be sent by the sender of a transceiver.
    pub fn sender_state(&self, sender: TransceiverId) -> SenderState {
        let known = self.jsep.transceiver(sender).filter(|known| !known.stopping && !self.is_closed);
        let Some(known) = known else { return SenderState::Ended };
        let link = self.links.iter().find(|link| Some(link.id) == known.sender.transport);
        match (known.current_direction, link) {
            (None, _) => SenderState::Waiting,
            (Some(direction), _) if !direction.sends() => SenderState::Paused,
            (_, Some(link)) if link.has_ended() => SenderState::Ended,
            (_, Some(link)) if !link.has_keys() => SenderState::Waiting,
            (_, Some(link)) if link.is_full() => SenderState::Full,
            (_, Some(_)) => SenderState::Ready,
            (_, None) => SenderState::Waiting,
        }
    }

    /// Sends a packet of RTP by the sender of a transceiver, for programs that have packets and not frames.
    ///
    /// Payload type, marker, sequence number, timestamp, contributing sources, payload and the header extensions that were
    /// negotiated stay; the source becomes that of the encoding which the packet names by its source, or else of the first
    /// one. A number must not be sent twice.
    ///
    /// Fails as [`send_frame`](Self::send_frame), with [`Error::Type`] for what is no packet, and with
    /// [`Error::Operation`] for a number that was sent before.
    pub fn send_rtp(&mut self, now: Instant, sender: TransceiverId, packet: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        self.streams.follow(&self.jsep);
        self.streams.send_rtp(now, sender, packet, &mut Links(&mut self.links))
    }

    /// From now on [`poll_frame`](Self::poll_frame) gives what this receiver gets, and [`poll_media`](Self::poll_media)
    /// does no longer. Frames come in order and complete; what is missing has half a second to come if it can be asked
    /// for, then sound goes on after it, and pictures with a key frame, which is asked for.
    ///
    /// `earlier` are packets that `poll_media` gave before and that shall be part of frames.
    pub fn read_frames(
        &mut self,
        now: Instant,
        receiver: TransceiverId,
        earlier: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<(), Error> {
        self.find_transceiver(receiver)?;
        self.streams.follow(&self.jsep);
        let (ours, others): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.media).into_iter().partition(|packet| packet.transceiver == receiver);
        self.media = others;
        let earlier = earlier.into_iter().chain(ours.into_iter().map(|packet| packet.bytes));
        self.streams.read_frames(now, receiver, earlier, &mut Links(&mut self.links));
        Ok(())
    }

    /// The next frame that came, for receivers that [`read_frames`](Self::read_frames).
    pub fn poll_frame(&mut self) -> Option<(TransceiverId, EncodedFrame)> {
        self.streams.poll_frame()
    }

    /// The next packet of media that came.
    pub fn poll_media(&mut self) -> Option<MediaPacket> {
        self.media.pop_front()
    }

    /// What the other side says for congestion control. The oldest is dropped if nobody takes it.
    pub fn poll_media_feedback(&mut self) -> Option<MediaFeedback> {
        self.streams.poll_feedback()
    }

    /// Asks the other side for a key frame: of one layer, or of all if none is named. Asked for again until it comes, and
    /// never too often. False if nothing has come yet that it could be of.
    pub fn request_key_frame(&mut self, now: Instant, receiver: TransceiverId, rid: Option<&str>) -> bool {
        self.streams.request_key_frame(now, receiver, rid, &mut Links(&mut self.links))
    }

    /// Figures of the streams of a sender, those that have sent.
    pub fn outbound_counters(&self, sender: TransceiverId) -> Vec<OutboundCounters> {
        self.streams.outbound_counters(sender)
    }

    /// Figures of the streams that a receiver gets.
    pub fn inbound_counters(&self, receiver: TransceiverId) -> Vec<InboundCounters> {
        self.streams.inbound_counters(receiver)
    }

    /// Seals a packet of RTP or RTCP as it is and sends it, past all streams: for programs that do what streams do by
    /// themselves. False before the transport is connected.
    pub fn send_media(&mut self, transport: TransportId, packet: &[u8], is_rtcp: bool) -> bool {
        self.links.iter_mut().find(|link| link.id == transport).is_some_and(|link| link.send_media(packet, is_rtcp))
    }

    pub(super) fn receive_rtp(&mut self, now: Instant, transport: TransportId, bytes: Vec<u8>) {
        self.streams.follow(&self.jsep);
        let taken = self.streams.receive_rtp(now, transport, bytes, &mut Links(&mut self.links));
        // What frames were made of takes the next packets.
        if let Some(buffer) = self.streams.take_spare()
            && let Some(link) = self.links.iter_mut().find(|link| link.id == transport)
        {
            link.keep(buffer);
        }
        let Some(taken) = taken else { return };
        if let Some((bytes, rid)) = taken.packet
            && self.media.len() < MAX_PACKETS
        {
            self.media.push_back(MediaPacket { transport, transceiver: taken.transceiver, rid, bytes });
        }
        let known = self.jsep.transceiver_mut(taken.transceiver).map(|known| &mut known.receiver);
        let muted = known.filter(|known| known.muted && !known.unmuting);
        if let Some(receiver) = muted.filter(|_| !self.is_closed) {
            receiver.unmuting = true;
            self.tasks.push_back(Task::Unmute(taken.transceiver));
        }
    }

    pub(super) fn receive_rtcp(&mut self, now: Instant, transport: TransportId, bytes: &[u8]) {
        self.streams.follow(&self.jsep);
        self.streams.receive_rtcp(now, transport, bytes, &mut Links(&mut self.links));
        self.collect_effects();
    }

    fn collect_effects(&mut self) {
        while let Some(effect) = self.streams.effects.pop_front() {
            // After the end nothing is told.
            if !self.is_closed {
                self.tasks.push_back(match effect {
                    Effect::KeyFrame(transceiver, rid) => Task::KeyFrameRequested { transceiver, rid },
                    Effect::Left(transceiver) => Task::Mute(transceiver),
                });
            }
        }
    }

    /// Does what is due in the streams.
    pub(super) fn run_streams(&mut self, now: Instant) {
        self.streams.handle_timeout(now, &mut Links(&mut self.links));
    }

    /// Streams that descriptions have ended say goodbye.
    pub(super) fn follow_streams(&mut self) {
        self.streams.follow(&self.jsep);
        self.streams.say_goodbye(&mut Links(&mut self.links));
    }

    pub(super) fn leave_streams(&mut self) {
        self.streams.leave(&mut Links(&mut self.links));
    }
}
