//! Frames and packets of the program on their way out.

use super::format::Format;
use super::frame::{EncodedFrame, FrameMetadata};
use super::outbound::{Head, MAX_PACKET, Outbound};
use super::section::{EncodingToSend, Section};
use super::{Streams, Wire, reports};
use crate::error::Error;
use crate::jsep::transceiver::TransceiverId;
use crate::jsep::transport::TransportId;
use parlour_rtp::extension::Element;
use parlour_rtp::payload::Packetizer;
use parlour_rtp::{RtpHeader, RtpHeaderMut, RtpPacket, SequenceNumber, Ssrc};
use std::time::Instant;

impl Streams {
    /// Sends a frame; see [`PeerConnection::send_frame`](crate::PeerConnection::send_frame).
    pub(crate) fn send_frame(
        &mut self,
        now: Instant,
        id: TransceiverId,
        frame: &EncodedFrame,
        wire: &mut dyn Wire,
    ) -> Result<(), Error> {
        let (section, transport) = self.section_to_send(id)?;
        wire.is_ready(transport)?;
        let metadata = &frame.metadata;
        let (ssrc, payload_type, format) = choose(section, metadata)?;
        let place = self.outbound_of(id, ssrc, payload_type)?;
        let (Some(stream), Some(path)) =
            (self.outbound.get_mut(place), self.paths.iter_mut().find(|path| path.id == transport))
        else {
            return Err(Error::InvalidState("the transport is gone".into()));
        };
        let unix = self.clock.unix(now);
        let mut head = Head {
            header: RtpHeader { ssrc: Ssrc(ssrc), ..RtpHeader::default() },
            csrcs: &[],
            audio_level: metadata.audio_level,
            video_orientation: metadata.video_orientation,
            passed: &[],
        };
        let numbers = path.numbers_packets();
        self.packet.clear();
        stream.write(&mut self.packet, &head, &path.send, unix, numbers.then_some(0), |_| {});
        let overhead = self.packet.len();
        let malformed = |error: parlour_rtp::payload::PayloadError| Error::Operation(error.to_string());
        let mut cut =
            format.cut(&frame.data, stream.next_picture(), MAX_PACKET.saturating_sub(overhead)).map_err(malformed)?;
        loop {
            self.packet.clear();
            head.header = stream.next_header(false, metadata.rtp_timestamp);
            let number = numbers.then(|| path.departures.number(now, 0));
            let mut last = None;
            let mut payload = 0;
            stream.write(&mut self.packet, &head, &path.send, unix, number, |out| {
                let before = out.len();
                last = cut.next_payload(out);
                payload = out.len() - before;
            });
            if number.is_some() {
                path.departures.set_size(self.packet.len());
            }
            let Some(last) = last else {
                stream.take_back();
                return Err(Error::Operation("the frame has nothing to send".into()));
            };
            if last
                && marks_ends(format)
                && let Some(mut header) = RtpHeaderMut::new(&mut self.packet)
            {
                header.set_marker(true);
            }
            self.sealed.clear();
            if wire.rtp(transport, &self.packet, &mut self.sealed) {
                stream.sent(now, head.header.sequence_number, payload, &self.packet, &self.sealed);
            }
            if last {
                break;
            }
        }
        stream.set_moment(metadata.rtp_timestamp, metadata.capture_time.unwrap_or(now));
        stream.counters.frames_sent += 1;
        path.report_due.get_or_insert(now + reports::FIRST);
        Ok(())
    }

    /// Sends a packet; see [`PeerConnection::send_rtp`](crate::PeerConnection::send_rtp).
    pub(crate) fn send_rtp(
        &mut self,
        now: Instant,
        id: TransceiverId,
        packet: &[u8],
        wire: &mut dyn Wire,
    ) -> Result<(), Error> {
        let packet = RtpPacket::parse(packet).map_err(|error| Error::Type(error.to_string()))?;
        let (section, transport) = self.section_to_send(id)?;
        wire.is_ready(transport)?;
        let named = section.encodings.iter().find(|encoding| encoding.ssrcs.media == packet.ssrc().0);
        let encoding = named.or(section.encodings.first());
        let ssrc = encoding.filter(|encoding| encoding.active).map(|encoding| encoding.ssrcs.media);
        let ssrc = ssrc.ok_or_else(|| Error::InvalidState("the encoding is not active".into()))?;
        let payload_type = packet.payload_type().get();
        if section.sent_as(payload_type).is_none_or(|coding| coding.repairs.is_some()) {
            return Err(Error::InvalidAccess(format!("payload type {payload_type} may not be sent")));
        }
        let place = self.outbound_of(id, ssrc, payload_type)?;
        let (Some(stream), Some(path)) =
            (self.outbound.get_mut(place), self.paths.iter_mut().find(|path| path.id == transport))
        else {
            return Err(Error::InvalidState("the transport is gone".into()));
        };
        let (mut passed, mut count) = ([Element { id: 0, data: &[] }; 16], 0);
        for (place, element) in passed.iter_mut().zip(packet.extensions()) {
            *place = element;
            count += 1;
        }
        let (mut csrcs, mut sources) = ([Ssrc(0); 15], 0);
        for (place, csrc) in csrcs.iter_mut().zip(packet.csrcs()) {
            *place = csrc;
            sources += 1;
        }
        let head = Head {
            header: RtpHeader { ssrc: Ssrc(ssrc), ..packet.header() },
            csrcs: csrcs.get(..sources).unwrap_or_default(),
            audio_level: None,
            video_orientation: None,
            passed: passed.get(..count).unwrap_or_default(),
        };
        let unix = self.clock.unix(now);
        let number = path.numbers_packets().then(|| path.departures.number(now, 0));
        self.packet.clear();
        stream.write(&mut self.packet, &head, &path.send, unix, number, |out| out.extend_from_slice(packet.payload()));
        if number.is_some() {
            path.departures.set_size(self.packet.len());
        }
        self.sealed.clear();
        if !wire.rtp(transport, &self.packet, &mut self.sealed) {
            return Err(Error::Operation("the packet has a number that was sent before, or does not fit".into()));
        }
        let number = packet.sequence_number();
        stream.sent(now, number, packet.payload().len(), &self.packet, &self.sealed);
        stream.skip_to(number);
        stream.set_moment(packet.timestamp().0, now);
        path.report_due.get_or_insert(now + reports::FIRST);
        Ok(())
    }

    fn section_to_send(&self, id: TransceiverId) -> Result<(&Section, TransportId), Error> {
        let section = self.sections.iter().find(|section| section.id == id);
        let section = section.filter(|section| !section.stopped);
        let section = section.ok_or_else(|| Error::InvalidState("the transceiver is stopped".into()))?;
        let transport = section.send_transport.filter(|_| section.sends);
        let transport = transport.ok_or_else(|| Error::InvalidState("sending was not negotiated".into()))?;
        Ok((section, transport))
    }

    /// The stream of an encoding; a new one before its first packet.
    fn outbound_of(&mut self, id: TransceiverId, ssrc: u32, payload_type: u8) -> Result<usize, Error> {
        let gone = || Error::InvalidState("the encoding is gone".into());
        let section = self.sections.iter().find(|section| section.id == id).ok_or_else(gone)?;
        let place = match self.outbound.iter().position(|stream| stream.ssrc == ssrc) {
            Some(place) => place,
            None => {
                let encoding = section.encodings.iter().find(|encoding| encoding.ssrcs.media == ssrc);
                let (encoding, transport) = encoding.zip(section.send_transport).ok_or_else(gone)?;
                let mut random = [0; 4];
                (self.rng)(&mut random);
                self.outbound.push(Outbound::new(section, encoding, transport, random));
                self.outbound.len() - 1
            }
        };
        if let Some(stream) = self.outbound.get_mut(place) {
            stream.follow(section, payload_type);
        }
        Ok(place)
    }

    /// Sends again what the other side misses (RFC 4585 §6.2.1).
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        ssrc: u32,
        lost: impl Iterator<Item = SequenceNumber>,
        wire: &mut dyn Wire,
    ) {
        let Some(stream) = self.outbound.iter_mut().find(|stream| stream.ssrc == ssrc && !stream.has_left) else {
            return;
        };
        let Some(path) = self.paths.iter_mut().find(|path| path.id == stream.transport) else { return };
        stream.counters.nack_count += 1;
        let unix = self.clock.unix(now);
        for number in lost {
            let round_trip = stream.round_trip();
            let keeps_sealed = stream.keeps_sealed();
            let Some(original) = stream.history.again(now, number, round_trip) else { continue };
            if keeps_sealed {
                let length = original.len();
                wire.again(stream.transport, original);
                stream.sent_again(length, length);
                continue;
            }
            self.sealed.clear();
            self.sealed.extend_from_slice(original);
            self.packet.clear();
            let departures = (&mut path.departures, now);
            let payload = stream.write_repair(&mut self.packet, &self.sealed, &path.send, unix, departures);
            let Some(payload) = payload else { continue };
            self.sealed.clear();
            if wire.rtp(stream.transport, &self.packet, &mut self.sealed) {
                stream.sent_again(payload, self.packet.len());
            }
        }
    }
}

/// The source, the payload type and the format that a frame goes by.
fn choose(section: &Section, metadata: &FrameMetadata) -> Result<(u32, u8, Format), Error> {
    let named = |encoding: &&EncodingToSend| metadata.rid.is_none() || encoding.rid == metadata.rid;
    let encoding = section.encodings.iter().find(named).ok_or_else(|| {
        Error::InvalidAccess(format!("there is no encoding {:?}", metadata.rid.as_deref().unwrap_or_default()))
    })?;
    if !encoding.active {
        return Err(Error::InvalidState("the encoding is not active".into()));
    }
    let payload_type = metadata.payload_type.or(encoding.payload_type);
    let coding = payload_type.and_then(|number| section.sent_as(number)).filter(|coding| coding.repairs.is_none());
    let coding =
        coding.ok_or_else(|| Error::InvalidAccess(format!("payload type {payload_type:?} may not be sent")))?;
    let unknown = || Error::NotSupported(format!("frames of {} are not known; send packets of it", coding.mime_type));
    Ok((encoding.ssrcs.media, coding.payload_type, coding.format.ok_or_else(unknown)?))
}

/// Of pictures the marker is on the last packet of a frame; of sound it would be on the first of a talkspurt, which is not
/// known here (RFC 3551 §4.1).
fn marks_ends(format: Format) -> bool {
    format != Format::Whole
}
