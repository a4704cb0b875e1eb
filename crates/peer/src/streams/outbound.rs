//! A stream that is sent: its numbers, its history, and what the other side says of it.

use super::clock;
use super::counters::{OutboundCounters, RemoteInbound};
use super::departures::Departures;
use super::history::History;
use super::section::{EncodingToSend, Extensions, Section};
use crate::jsep::transceiver::TransceiverId;
use crate::jsep::transport::TransportId;
use parlour_rtp::extension::{
    AbsSendTime, AudioLevel, Element, ExtensionKind, Mid, RepairedRtpStreamId, RtpStreamId, TransportSequenceNumber,
    VideoOrientation,
};
use parlour_rtp::rtcp::{ReportBlock, SenderInfo};
use parlour_rtp::{PayloadType, RtpHeader, RtpTimestamp, RtpWriter, SequenceNumber, Ssrc};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a packet of RTP, so that with everything around it it fits any path (RFC 8831 §5: 1200).
pub(crate) const MAX_PACKET: usize = 1180;
/// A request for a key frame that comes so soon after another one is the same.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(200);
/// The round trip before one was measured.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(50);

/// Header extensions that are this stream's own to write.
const OWN: [ExtensionKind; 5] = [
    ExtensionKind::Mid,
    ExtensionKind::RtpStreamId,
    ExtensionKind::RepairedRtpStreamId,
    ExtensionKind::AbsSendTime,
    ExtensionKind::TransportSequenceNumber,
];

#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) transport: TransportId,
    pub(crate) transceiver: TransceiverId,
    pub(crate) ssrc: u32,
    pub(crate) rid: Option<Arc<str>>,
    mid: Option<Arc<str>>,
    rtx_ssrc: u32,
    /// The payload type of what is sent, of its retransmissions if they have one, and the clock.
    payload_type: u8,
    rtx_payload_type: Option<u8>,
    clock_rate: u32,
    next: SequenceNumber,
    rtx_next: SequenceNumber,
    picture: u16,
    pub(crate) history: History,
    /// Someone may ask for what was sent.
    keeps: bool,
    /// The other side has named the source, so that it knows whose it is.
    is_known: bool,
    /// A moment in RTP time.
    moment: Option<(u32, Instant)>,
    pub(crate) last_sent: Option<Instant>,
    /// BYE was sent after the last packet.
    pub(crate) has_left: bool,
    reported: (u32, u32),
    key_frame_asked: Option<Instant>,
    last_fir: Option<u8>,
    pub(crate) counters: OutboundCounters,
}

/// What goes into the header of a packet.
pub(crate) struct Head<'a> {
    pub(crate) header: RtpHeader,
    pub(crate) csrcs: &'a [Ssrc],
    pub(crate) audio_level: Option<AudioLevel>,
    pub(crate) video_orientation: Option<VideoOrientation>,
    /// Elements of a packet that is passed on.
    pub(crate) passed: &'a [Element<'a>],
}

impl Outbound {
    /// A stream that begins with these numbers, which must not be guessed.
    pub(crate) fn new(section: &Section, encoding: &EncodingToSend, transport: TransportId, random: [u8; 4]) -> Self {
        let [a, b, c, d] = random;
        // From the lower half, so that nobody misses a turn at the start (RFC 3711 §3.3.1).
        let number = |high: u8, low: u8| SequenceNumber(u16::from_be_bytes([high & 0x7f, low]));
        Self {
            transport,
            transceiver: section.id,
            ssrc: encoding.ssrcs.media,
            rid: encoding.rid.clone(),
            mid: section.mid.clone(),
            rtx_ssrc: encoding.ssrcs.rtx,
            payload_type: 0,
            rtx_payload_type: None,
            clock_rate: 90_000,
            next: number(a, b),
            rtx_next: number(c, d),
            picture: u16::from_be_bytes([b, c]) & 0x7fff,
            history: History::default(),
            keeps: false,
            is_known: false,
            moment: None,
            last_sent: None,
            has_left: false,
            reported: (0, 0),
            key_frame_asked: None,
            last_fir: None,
            counters: OutboundCounters {
                ssrc: encoding.ssrcs.media,
                rid: encoding.rid.clone(),
                ..OutboundCounters::default()
            },
        }
    }

    /// Goes on with this payload type, which was negotiated.
    pub(crate) fn follow(&mut self, section: &Section, payload_type: u8) {
        let Some(coding) = section.sent_as(payload_type) else { return };
        self.mid.clone_from(&section.mid);
        self.payload_type = payload_type;
        self.clock_rate = coding.clock_rate;
        let rtx = section.repair_of(payload_type);
        if rtx != self.rtx_payload_type {
            // Plain and sealed packets do not mix.
            self.history.clear();
        }
        (self.rtx_payload_type, self.keeps) = (rtx, coding.nack);
        self.counters.payload_type = Some(payload_type);
    }

    /// The header of the next packet.
    pub(crate) fn next_header(&mut self, marker: bool, timestamp: u32) -> RtpHeader {
        let sequence_number = self.next;
        self.next = self.next.next();
        RtpHeader {
            marker,
            payload_type: PayloadType::from_low_bits(self.payload_type),
            sequence_number,
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(self.ssrc),
        }
    }

    /// The last header was not used.
    pub(crate) fn take_back(&mut self) {
        self.next = self.next.sub(1);
    }

    /// Packets of the program's own numbers were sent: ours go on after them.
    pub(crate) fn skip_to(&mut self, number: SequenceNumber) {
        if number.is_after(self.next) || number == self.next {
            self.next = number.next();
        }
    }

    /// Counts the frames of the stream.
    pub(crate) fn next_picture(&mut self) -> u16 {
        self.picture = (self.picture + 1) & 0x7fff;
        self.picture
    }

    /// Whether packets are kept as they were sealed: without a stream of their own for it they are sent again as they were.
    pub(crate) fn keeps_sealed(&self) -> bool {
        self.keeps && self.rtx_payload_type.is_none()
    }

    /// Appends a packet; `write` appends its payload.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        head: &Head<'_>,
        extensions: &Extensions,
        unix: Duration,
        transport_number: Option<u16>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let map = &extensions.map;
        let mut writer = RtpWriter::new(out, &head.header, head.csrcs, extensions.form);
        // What does not fit its form is left out; our own always fit.
        let is_repair = head.header.ssrc.0 != self.ssrc;
        if !self.is_known || is_repair {
            if let Some(mid) = &self.mid {
                let _ = writer.extension(map, &Mid(mid));
            }
            match &self.rid {
                Some(rid) if is_repair => drop(writer.extension(map, &RepairedRtpStreamId(rid))),
                Some(rid) => drop(writer.extension(map, &RtpStreamId(rid))),
                None => {}
            }
        }
        let _ = writer.extension(map, &AbsSendTime::from_duration(unix));
        if let Some(number) = transport_number {
            let _ = writer.extension(map, &TransportSequenceNumber(number));
        }
        if let Some(level) = &head.audio_level {
            let _ = writer.extension(map, level);
        }
        if let Some(orientation) = &head.video_orientation {
            let _ = writer.extension(map, orientation);
        }
        for element in head.passed {
            if map.kind_of(element.id).is_some_and(|kind| !OWN.contains(&kind)) {
                let _ = writer.raw_extension(element.id, element.data);
            }
        }
        writer.payload_with(write);
    }

    /// Takes note of a packet that was sent: how it was before it was sealed, and after.
    pub(crate) fn sent(&mut self, now: Instant, number: SequenceNumber, payload: usize, packet: &[u8], sealed: &[u8]) {
        self.counters.packets_sent += 1;
        self.counters.bytes_sent += payload as u64;
        self.counters.header_bytes_sent += (packet.len() - payload) as u64;
        self.reported.0 = self.reported.0.wrapping_add(1);
        self.reported.1 = self.reported.1.wrapping_add(payload as u32);
        self.last_sent = Some(now);
        self.has_left = false;
        if self.keeps {
            self.history.push(now, number, if self.keeps_sealed() { sealed } else { packet });
        }
    }

    /// Takes note of when a timestamp is.
    pub(crate) fn set_moment(&mut self, timestamp: u32, at: Instant) {
        self.moment = Some((timestamp, at));
    }

    /// Writes a packet of the history as one of the repair stream (RFC 4588 §4); the length of its payload.
    pub(crate) fn write_repair(
        &mut self,
        out: &mut Vec<u8>,
        original: &[u8],
        extensions: &Extensions,
        unix: Duration,
        departures: (&mut Departures, Instant),
    ) -> Option<usize> {
        let packet = parlour_rtp::RtpPacket::parse(original).ok()?;
        let (departures, now) = departures;
        let numbered = extensions.map.id_of(ExtensionKind::TransportSequenceNumber).is_some();
        let number = numbered.then(|| departures.number(now, original.len() + 2));
        let header = RtpHeader {
            payload_type: PayloadType::from_low_bits(self.rtx_payload_type?),
            sequence_number: self.rtx_next,
            ssrc: Ssrc(self.rtx_ssrc),
            ..packet.header()
        };
        self.rtx_next = self.rtx_next.next();
        let passed: Vec<Element<'_>> = packet.extensions().collect();
        let csrcs: Vec<Ssrc> = packet.csrcs().collect();
        let head = Head { header, csrcs: &csrcs, audio_level: None, video_orientation: None, passed: &passed };
        self.write(out, &head, extensions, unix, number, |out| {
            out.extend_from_slice(&packet.sequence_number().0.to_be_bytes());
            out.extend_from_slice(packet.payload());
        });
        Some(packet.payload().len() + 2)
    }

    /// Takes note of a packet that was sent again.
    pub(crate) fn sent_again(&mut self, payload: usize, packet: usize) {
        self.counters.packets_sent += 1;
        self.counters.retransmitted_packets_sent += 1;
        self.counters.bytes_sent += payload as u64;
        self.counters.retransmitted_bytes_sent += payload as u64;
        self.counters.header_bytes_sent += packet.saturating_sub(payload) as u64;
    }

    /// How long a packet that was sent again may take.
    pub(crate) fn round_trip(&self) -> Duration {
        self.counters.remote.and_then(|remote| remote.round_trip_time).unwrap_or(FIRST_ROUND_TRIP)
    }

    /// Whether this asks for a key frame that was not asked for already. `fir` is the number of a FIR command.
    pub(crate) fn asks_for_key_frame(&mut self, now: Instant, fir: Option<u8>) -> bool {
        if fir.is_some() && self.last_fir == fir {
            return false;
        }
        self.last_fir = fir.or(self.last_fir);
        let soon = self.key_frame_asked.is_some_and(|asked| now.saturating_duration_since(asked) < KEY_FRAME_INTERVAL);
        if !soon {
            self.key_frame_asked = Some(now);
        }
        !soon
    }

    /// What a sender report says (RFC 3550 §6.4.1).
    pub(crate) fn sender_info(&self, now: Instant, ntp_time: u64) -> SenderInfo {
        let (timestamp, at) = self.moment.unwrap_or((0, now));
        // What was captured may be captured later than now by the program's account.
        let after = now.saturating_duration_since(at).as_secs_f64() - at.saturating_duration_since(now).as_secs_f64();
        let ticks = (after * f64::from(self.clock_rate)) as i64;
        SenderInfo {
            ntp_time,
            rtp_time: RtpTimestamp(timestamp.wrapping_add(ticks as u32)),
            packet_count: self.reported.0,
            octet_count: self.reported.1,
        }
    }

    /// What the other side says. `middle` is the middle of the NTP time now.
    pub(crate) fn report(&mut self, block: &ReportBlock, middle: u32) {
        self.is_known = true;
        let remote = self.counters.remote.get_or_insert_default();
        let clock_rate = f64::from(self.clock_rate.max(1));
        remote.packets_lost = block.cumulative_lost;
        remote.fraction_lost = f64::from(block.fraction_lost) / 256.0;
        remote.jitter = f64::from(block.jitter) / clock_rate;
        if block.last_sender_report == 0 {
            return;
        }
        let since = middle.wrapping_sub(block.last_sender_report);
        let round_trip = since.wrapping_sub(block.delay_since_last_sender_report);
        // More than half a turn is a clock that runs backwards, or a report that was made up.
        if round_trip < 1 << 31 {
            let round_trip = clock::from_short(round_trip);
            *remote = RemoteInbound {
                round_trip_time: Some(round_trip),
                total_round_trip_time: remote.total_round_trip_time + round_trip,
                round_trip_time_measurements: remote.round_trip_time_measurements + 1,
                ..*remote
            };
        }
    }
}
