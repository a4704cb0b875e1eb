//! A stream that is received: its statistics, what it misses, and the frames in it.

use super::assembler::{Assembled, Assembler, Slot};
use super::clock;
use super::counters::{InboundCounters, RemoteOutbound};
use super::frame::{EncodedFrame, FrameMetadata, FrameType};
use super::missing::{Arrival, Missing};
use super::reception::Reception;
use super::section::{Coding, Section};
use crate::jsep::transceiver::{TrackKind, TransceiverId};
use crate::jsep::transport::TransportId;
use parlour_rtp::RtpPacket;
use parlour_rtp::extension::ExtensionMap;
use parlour_rtp::rtcp::{ReportBlock, SenderInfo};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long frames wait for packets that are asked for, that is for several requests, and for packets that may only have
/// been overtaken.
const REPAIR_PATIENCE: Duration = Duration::from_millis(500);
const REPAIR_ROUND_TRIPS: u32 = 6;
const ORDER_PATIENCE: Duration = Duration::from_millis(60);
/// A key frame is asked for no more often than this (media.md §2.3), and a round trip.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) transport: TransportId,
    pub(crate) ssrc: u32,
    pub(crate) transceiver: TransceiverId,
    pub(crate) rid: Option<Arc<str>>,
    pub(crate) last_packet: Instant,
    /// Something came since the last report.
    pub(crate) is_fresh: bool,
    is_video: bool,
    repairs: bool,
    clock_rate: u32,
    mime_type: Arc<str>,
    reception: Reception,
    pub(crate) missing: Missing,
    frames: Option<Assembler>,
    /// When to ask for a key frame, if one is wanted.
    key_frame_due: Option<Instant>,
    key_frame_asked: Option<Instant>,
    fir_number: u8,
    /// Which request for a key frame is understood.
    pub(crate) pli: bool,
    pub(crate) fir: bool,
    /// The middle of the NTP time of the last sender report, and when it came.
    last_report: Option<(u32, Instant)>,
    pub(crate) counters: InboundCounters,
}

impl Inbound {
    pub(crate) fn new(
        now: Instant,
        transport: TransportId,
        ssrc: u32,
        section: &Section,
        coding: &Coding,
        rid: Option<Arc<str>>,
    ) -> Self {
        Self {
            transport,
            ssrc,
            transceiver: section.id,
            counters: InboundCounters { ssrc, rid: rid.clone(), ..InboundCounters::default() },
            rid,
            last_packet: now,
            is_fresh: false,
            is_video: section.kind == TrackKind::Video,
            repairs: coding.nack,
            clock_rate: coding.clock_rate,
            mime_type: coding.mime_type.clone(),
            reception: Reception::default(),
            missing: Missing::default(),
            frames: None,
            key_frame_due: None,
            key_frame_asked: None,
            fir_number: 0,
            pli: coding.pli,
            fir: coding.fir,
            last_report: None,
        }
    }

    /// Frames shall be made of what comes from now on.
    pub(crate) fn read_frames(&mut self) {
        let patience = if self.repairs { REPAIR_PATIENCE } else { ORDER_PATIENCE };
        self.frames.get_or_insert_with(|| Assembler::new(self.is_video, patience));
    }

    /// Takes a packet that was given to the program.
    pub(crate) fn take_up(&mut self, now: Instant, bytes: Vec<u8>, coding: &Coding) {
        let number = RtpPacket::parse(&bytes).ok().and_then(|packet| self.reception.place(packet.sequence_number()));
        if let (Some(number), Some(frames), Some(format)) = (number, &mut self.frames, coding.format) {
            // What came twice is given up.
            let _ = frames.insert(number, Slot { packet: bytes, format, arrival: now });
        }
    }

    /// With nothing to begin with, pictures begin with a key frame.
    pub(crate) fn begin_frames(&mut self, now: Instant) {
        if self.frames.as_ref().is_some_and(Assembler::is_empty) {
            self.want_key_frame(now);
        }
    }

    /// Takes note of a packet. Gives it back for a program that reads packets; none if it is a frame's, or comes too late or
    /// twice. `again` if it was sent again by another stream.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        bytes: Vec<u8>,
        coding: &Coding,
        again: bool,
        spare: &mut Vec<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let Ok(packet) = RtpPacket::parse(&bytes) else { return None };
        let payload = packet.payload();
        if self.counters.payload_type != Some(coding.payload_type) {
            (self.clock_rate, self.repairs) = (coding.clock_rate, coding.nack);
            self.counters.payload_type = Some(coding.payload_type);
            self.mime_type = coding.mime_type.clone();
        }
        let (header, size) = ((bytes.len() - payload.len()) as u64, payload.len() as u64);
        self.counters.packets_received += 1;
        self.counters.bytes_received += size;
        self.counters.header_bytes_received += header;
        let number = if again {
            self.counters.retransmitted_packets_received += 1;
            self.counters.retransmitted_bytes_received += size;
            self.reception.place(packet.sequence_number())?
        } else {
            self.is_fresh = true;
            self.last_packet = now;
            self.reception.receive(now, packet.sequence_number(), packet.timestamp(), coding.clock_rate)
        };
        self.counters.last_packet_received = Some(now);
        let arrival = match self.repairs {
            true => self.missing.receive(now, number, again),
            false => Arrival::New,
        };
        let format = coding.format;
        if self.key_frame_due.is_some() && format.is_some_and(|format| format.starts_key_frame(payload)) {
            self.key_frame_due = None;
        }
        if again && arrival != Arrival::New {
            self.counters.packets_discarded += 1;
            spare.push(bytes);
            return None;
        }
        let (Some(frames), Some(format)) = (&mut self.frames, format) else {
            return self.frames.is_none().then_some(bytes);
        };
        if let Err(slot) = frames.insert(number, Slot { packet: bytes, format, arrival: now }) {
            self.counters.packets_discarded += 1;
            spare.push(slot.packet);
        }
        None
    }

    /// The next frame that is complete.
    pub(crate) fn next_frame(
        &mut self,
        now: Instant,
        map: &ExtensionMap,
        spare: &mut Vec<Vec<u8>>,
    ) -> Option<EncodedFrame> {
        let frames = self.frames.as_mut()?;
        let frame = frames.next(now, spare);
        self.counters.frames_dropped += frames.take_dropped();
        if let Some(head) = frames.head() {
            self.missing.forget_before(head);
        }
        if frames.waits_for_key() && frames.head().is_some() {
            self.want_key_frame(now);
        }
        let Assembled { data, is_key, first, last } = frame?;
        self.counters.frames_received += 1;
        self.counters.key_frames_received += u64::from(is_key && self.is_video);
        let packet = RtpPacket::parse(&first.packet).ok()?;
        let end = last.as_ref().and_then(|last| RtpPacket::parse(&last.packet).ok()).unwrap_or(packet);
        let metadata = FrameMetadata {
            rtp_timestamp: packet.timestamp().0,
            payload_type: Some(packet.payload_type().get()),
            mime_type: Some(self.mime_type.clone()),
            synchronization_source: self.ssrc,
            rid: self.rid.clone(),
            sequence_number: packet.sequence_number().0,
            audio_level: packet.extension(map),
            video_orientation: end.extension(map).or_else(|| packet.extension(map)),
            receive_time: Some(last.as_ref().map_or(first.arrival, |last| last.arrival)),
            capture_time: None,
        };
        spare.extend([Some(first.packet), last.map(|last| last.packet)].into_iter().flatten());
        let frame_type = if is_key { FrameType::Key } else { FrameType::Delta };
        Some(EncodedFrame { frame_type, data: data.into(), metadata })
    }

    /// Gives up what did not come in time.
    pub(crate) fn expire(&mut self, now: Instant, spare: &mut Vec<Vec<u8>>) {
        if let Some(frames) = &mut self.frames {
            if self.repairs {
                frames.set_patience(REPAIR_PATIENCE.max(self.missing.round_trip() * REPAIR_ROUND_TRIPS));
            }
            frames.expire(now, spare);
        }
    }

    /// A key frame shall be asked for, now or as soon as that may be.
    pub(crate) fn want_key_frame(&mut self, now: Instant) {
        if !self.is_video || self.key_frame_due.is_some() {
            return;
        }
        let again = KEY_FRAME_INTERVAL + 2 * self.missing.round_trip();
        self.key_frame_due = Some(self.key_frame_asked.map_or(now, |asked| now.max(asked + again)));
    }

    /// Whether a key frame is to be asked for now; it is asked for again until it comes.
    pub(crate) fn key_frame_is_due(&mut self, now: Instant) -> bool {
        if self.key_frame_due.is_none_or(|due| due > now) {
            return false;
        }
        self.key_frame_asked = Some(now);
        self.key_frame_due = Some(now + KEY_FRAME_INTERVAL + 2 * self.missing.round_trip());
        true
    }

    /// The number of the next FIR command (RFC 5104 §4.3.1.1).
    pub(crate) fn next_fir(&mut self) -> u8 {
        self.fir_number = self.fir_number.wrapping_add(1);
        self.fir_number
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        let missing = self.missing.due();
        let frames = self.frames.as_ref().and_then(Assembler::due);
        [missing, frames, self.key_frame_due].into_iter().flatten().min()
    }

    pub(crate) fn sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.last_report = Some((clock::middle(info.ntp_time), now));
        let reports_sent = self.counters.remote.map_or(0, |remote| remote.reports_sent) + 1;
        self.counters.remote = Some(RemoteOutbound {
            ntp_time: info.ntp_time,
            rtp_timestamp: info.rtp_time.0,
            packets_sent: info.packet_count,
            bytes_sent: info.octet_count,
            reports_sent,
        });
    }

    /// What a report says of it (RFC 3550 §6.4.1).
    pub(crate) fn report(&mut self, now: Instant) -> ReportBlock {
        self.is_fresh = false;
        let (last_sender_report, since) = match self.last_report {
            Some((middle, came)) => (middle, clock::short(now.saturating_duration_since(came))),
            None => (0, 0),
        };
        let block = self.reception.report(self.ssrc);
        ReportBlock { last_sender_report, delay_since_last_sender_report: since, ..block }
    }

    pub(crate) fn counters(&self) -> InboundCounters {
        InboundCounters {
            packets_lost: self.reception.lost(),
            jitter: self.reception.jitter() / f64::from(self.clock_rate.max(1)),
            ..self.counters.clone()
        }
    }
}
