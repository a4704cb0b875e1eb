//! Streams of RTP: what is sent and received, with all that RTCP says of it (RFC 3550, RFC 8834).
//!
//! [`Streams`] finds whose a packet is ([`demux`]), asks for what is [`missing`], makes frames ([`assembler`]), keeps a
//! [`history`] for those who ask, and tells the other side what came and when. It never blocks and never waits: packets
//! that it has to send go to a [`Wire`] at once.

mod arrivals;
mod assembler;
mod clock;
pub(crate) mod counters;
mod demux;
mod departures;
mod format;
pub(crate) mod frame;
mod history;
mod inbound;
mod missing;
mod outbound;
mod reception;
mod reports;
mod section;
mod sending;

pub use departures::PacketResult;

use crate::jsep::Jsep;
use crate::jsep::transceiver::TransceiverId;
use crate::jsep::transport::TransportId;
use crate::random::{self, Rng};
use arrivals::Arrivals;
use clock::WallClock;
use counters::{InboundCounters, OutboundCounters};
use demux::Demux;
use departures::Departures;
use frame::EncodedFrame;
use inbound::Inbound;
use outbound::Outbound;
use parlour_rtp::extension::{ExtensionKind, TransportSequenceNumber};
use parlour_rtp::rtx::{self, Restored};
use parlour_rtp::{PayloadType, RtpPacket, SequenceNumber, Ssrc};
use section::{Extensions, Section};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Streams of one receiver: more than this are the far end's error, and the one that was silent longest gives way.
const MAX_STREAMS: usize = 32;
/// Frames and words of congestion control that wait for a program; the oldest give way.
const MAX_FRAMES: usize = 1024;
const MAX_FEEDBACK: usize = 32;
/// Buffers that are kept for the next packets.
const MAX_SPARE: usize = 256;

/// By what packets leave. Whether it was possible.
pub(crate) trait Wire {
    /// Seals a packet of RTP and sends it. How it was sealed is written to `sealed`.
    fn rtp(&mut self, transport: TransportId, packet: &[u8], sealed: &mut Vec<u8>) -> bool;

    /// Sends a packet that was sealed before.
    fn again(&mut self, transport: TransportId, sealed: &[u8]);

    /// Seals packets of RTCP and sends them.
    fn rtcp(&mut self, transport: TransportId, packets: &[u8]);

    /// Whether the transport is connected and has room for another frame.
    fn is_ready(&self, transport: TransportId) -> Result<(), crate::Error>;
}

/// What the other side says for congestion control.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaFeedback {
    /// What became of packets, in the order of sending (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    Transport {
        /// Which transport.
        transport: TransportId,
        /// Packet by packet.
        results: Vec<PacketResult>,
    },
    /// The other side takes so many bits a second at most (draft-alvestrand-rmcat-remb-03).
    ReceiverEstimate {
        /// Which transport.
        transport: TransportId,
        /// Bits a second, over all streams that are named.
        bitrate: u64,
    },
}

/// What has to be told to the program in a task.
pub(crate) enum Effect {
    /// The other side wants a key frame.
    KeyFrame(TransceiverId, Option<Arc<str>>),
    /// A source has said goodbye.
    Left(TransceiverId),
}

/// What came of a packet that was somebody's.
pub(crate) struct Taken {
    pub(crate) transceiver: TransceiverId,
    /// The packet, for a program that reads packets.
    pub(crate) packet: Option<(Vec<u8>, Option<Arc<str>>)>,
}

/// What all streams of a transport share.
struct Path {
    id: TransportId,
    receive: Extensions,
    send: Extensions,
    arrivals: Arrivals,
    departures: Departures,
    report_due: Option<Instant>,
    /// The source in whose name feedback is given.
    local: u32,
    reduced_size: bool,
}

pub(crate) struct Streams {
    clock: WallClock,
    cname: String,
    rng: Rng,
    /// [`Jsep::changes`] when the rest was last brought up to date.
    seen: Option<u64>,
    sections: Vec<Section>,
    /// What the other side's description says of its sources, and which of them repair which.
    told: HashMap<u32, TransceiverId>,
    repairs: HashMap<u32, u32>,
    demux: Demux,
    paths: Vec<Path>,
    outbound: Vec<Outbound>,
    inbound: Vec<Inbound>,
    read_as_frames: BTreeSet<TransceiverId>,
    frames: VecDeque<(TransceiverId, EncodedFrame)>,
    feedback: VecDeque<MediaFeedback>,
    pub(crate) effects: VecDeque<Effect>,
    /// Sources that have to say goodbye.
    leaving: Vec<(TransportId, Ssrc)>,
    spare: Vec<Vec<u8>>,
    packet: Vec<u8>,
    sealed: Vec<u8>,
    numbers: Vec<SequenceNumber>,
}

impl Streams {
    /// `unix` is the time since 1970.
    pub(crate) fn new(unix: Duration, cname: String, rng: &mut Rng) -> Self {
        Self {
            clock: WallClock::new(unix),
            cname,
            rng: random::fork(rng),
            seen: None,
            sections: Vec::new(),
            told: HashMap::new(),
            repairs: HashMap::new(),
            demux: Demux::default(),
            paths: Vec::new(),
            outbound: Vec::new(),
            inbound: Vec::new(),
            read_as_frames: BTreeSet::new(),
            frames: VecDeque::new(),
            feedback: VecDeque::new(),
            effects: VecDeque::new(),
            leaving: Vec::new(),
            spare: Vec::new(),
            packet: Vec::new(),
            sealed: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Parameters have changed that descriptions do not show.
    pub(crate) fn look_again(&mut self) {
        self.seen = None;
    }

    /// Does what the descriptions say now.
    pub(crate) fn follow(&mut self, jsep: &Jsep) {
        if self.seen == Some(jsep.changes) {
            return;
        }
        self.seen = Some(jsep.changes);
        self.sections.clear();
        self.sections.extend(jsep.transceivers.iter().map(Section::of));
        (self.told, self.repairs) = jsep.told_sources();
        self.follow_paths(jsep);
        let sections = &self.sections;
        let section = |id| sections.iter().find(|section| section.id == id);
        let receives = |transport, id| {
            section(id).is_some_and(|known| known.receptive && known.receive_transport == Some(transport))
        };
        self.demux.forget(receives);
        self.inbound.retain(|stream| receives(stream.transport, stream.transceiver));
        self.read_as_frames.retain(|id| section(*id).is_some());
        let leaving = &mut self.leaving;
        self.outbound.retain_mut(|stream| {
            let section = section(stream.transceiver);
            let stays = section
                .is_some_and(|section| section.encodings.iter().any(|encoding| encoding.ssrcs.media == stream.ssrc));
            let sends = section.is_some_and(|section| section.sends);
            if (!stays || !sends) && stream.last_sent.is_some() && !stream.has_left {
                leaving.push((stream.transport, Ssrc(stream.ssrc)));
                stream.has_left = true;
            }
            if let Some(transport) = section.and_then(|section| section.send_transport) {
                stream.transport = transport;
            }
            stays
        });
    }

    fn follow_paths(&mut self, jsep: &Jsep) {
        self.paths.retain(|path| jsep.transports.contains_key(&path.id));
        for id in jsep.transports.keys() {
            let (mut receive, mut send) = (Extensions::default(), Extensions::default());
            let here = || jsep.transceivers.iter().filter(|known| !known.stopped);
            for known in here().filter(|known| known.receiver.transport == Some(*id)) {
                receive.add(&known.receiver.extensions, false);
            }
            for known in here().filter(|known| known.sender.transport == Some(*id)) {
                send.add(&known.sender.extensions, true);
            }
            let sections = || self.sections.iter().filter(|section| section.send_transport == Some(*id));
            let local = sections().find_map(|section| section.encodings.first()).map(|encoding| encoding.ssrcs.media);
            let Some(local) = local else { continue };
            let reduced_size = sections().all(|section| section.reduced_size_rtcp);
            match self.paths.iter_mut().find(|path| path.id == *id) {
                Some(path) => {
                    (path.receive, path.send, path.local, path.reduced_size) = (receive, send, local, reduced_size);
                }
                None => self.paths.push(Path {
                    id: *id,
                    receive,
                    send,
                    arrivals: Arrivals::default(),
                    departures: Departures::default(),
                    report_due: None,
                    local,
                    reduced_size,
                }),
            }
        }
    }

    /// Frames shall be made of what this receiver gets from now on, and of these packets that it got before.
    pub(crate) fn read_frames(
        &mut self,
        now: Instant,
        id: TransceiverId,
        earlier: impl Iterator<Item = Vec<u8>>,
        wire: &mut dyn Wire,
    ) {
        if !self.read_as_frames.insert(id) {
            return;
        }
        let Some(section) = self.sections.iter().find(|section| section.id == id) else { return };
        let ours = |stream: &&mut Inbound| stream.transceiver == id;
        self.inbound.iter_mut().filter(ours).for_each(Inbound::read_frames);
        for bytes in earlier {
            let Ok(packet) = RtpPacket::parse(&bytes) else { continue };
            let ssrc = packet.ssrc().0;
            let coding = section.received_as(packet.payload_type().get());
            let stream = self.inbound.iter_mut().filter(ours).find(|stream| stream.ssrc == ssrc);
            if let Some((stream, coding)) = stream.zip(coding) {
                stream.take_up(now, bytes, coding);
            }
        }
        for place in 0..self.inbound.len() {
            if let Some(stream) = self.inbound.get_mut(place).filter(ours) {
                stream.begin_frames(now);
                self.settle(now, place, wire);
            }
        }
    }

    /// Takes a packet of RTP that is authentic. `None` if it is nobody's.
    pub(crate) fn receive_rtp(
        &mut self,
        now: Instant,
        transport: TransportId,
        bytes: Vec<u8>,
        wire: &mut dyn Wire,
    ) -> Option<Taken> {
        let packet = RtpPacket::parse(&bytes).ok()?;
        let path = self.paths.iter_mut().find(|path| path.id == transport)?;
        if let Some(TransportSequenceNumber(number)) = packet.extension(&path.receive.map) {
            path.arrivals.receive(now, number);
        }
        let told = &self.told;
        let told = |ssrc: u32| told.get(&ssrc).copied();
        let route = self.demux.route(transport, &packet, &path.receive.map, &self.sections, told)?;
        if path.report_due.is_none() {
            path.report_due = Some(now + reports::FIRST);
        }
        let (id, ssrc) = (route.transceiver, packet.ssrc().0);
        let place = self.sections.iter().position(|section| section.id == id)?;
        let coding = self.sections.get(place)?.received_as(packet.payload_type().get())?;
        let repaired = coding.repairs;
        let (stream, bytes, again) = match repaired {
            Some(repaired) => {
                let stream = self.repaired_by(transport, ssrc, id, route.rid.as_deref())?;
                let bytes = self.restore(stream, ssrc, repaired, bytes)?;
                (stream, bytes, true)
            }
            None => (self.inbound_of(now, transport, ssrc, place, packet.payload_type(), route.rid)?, bytes, false),
        };
        let section = self.sections.get(place)?;
        let stream_mut = self.inbound.get_mut(stream)?;
        let payload_type = RtpPacket::parse(&bytes).ok()?.payload_type().get();
        let coding = section.received_as(payload_type)?;
        let packet = stream_mut.receive(now, bytes, coding, again, &mut self.spare);
        let rid = stream_mut.rid.clone();
        self.settle(now, stream, wire);
        Some(Taken { transceiver: id, packet: packet.map(|packet| (packet, rid)) })
    }

    /// The stream that this source is, a new one if it was not heard of.
    fn inbound_of(
        &mut self,
        now: Instant,
        transport: TransportId,
        ssrc: u32,
        section: usize,
        payload_type: PayloadType,
        rid: Option<Arc<str>>,
    ) -> Option<usize> {
        let section = self.sections.get(section)?;
        if let Some(place) = self.find_inbound(transport, ssrc) {
            let known = self.inbound.get_mut(place)?;
            if known.transceiver == section.id {
                if known.rid.is_none() && rid.is_some() {
                    known.counters.rid.clone_from(&rid);
                    known.rid = rid;
                }
                return Some(place);
            }
            self.inbound.remove(place);
        }
        let ours = |stream: &&Inbound| stream.transceiver == section.id;
        if self.inbound.iter().filter(ours).count() >= MAX_STREAMS {
            let oldest = self.inbound.iter().filter(ours).min_by_key(|stream| stream.last_packet)?.ssrc;
            self.inbound.retain(|stream| stream.transceiver != section.id || stream.ssrc != oldest);
        }
        let coding = section.received_as(payload_type.get())?;
        let mut stream = Inbound::new(now, transport, ssrc, section, coding, rid);
        if self.read_as_frames.contains(&section.id) {
            stream.read_frames();
        }
        self.inbound.push(stream);
        Some(self.inbound.len() - 1)
    }

    fn find_inbound(&self, transport: TransportId, ssrc: u32) -> Option<usize> {
        self.inbound.iter().position(|stream| stream.ssrc == ssrc && stream.transport == transport)
    }

    /// Which stream the source repairs: as the description tells it, or the one of the same layer (RFC 4588 §5.3).
    fn repaired_by(&self, transport: TransportId, ssrc: u32, id: TransceiverId, rid: Option<&str>) -> Option<usize> {
        if let Some(place) = self.repairs.get(&ssrc).and_then(|media| self.find_inbound(transport, *media)) {
            return Some(place);
        }
        let same = |stream: &Inbound| stream.transceiver == id && stream.rid.as_deref() == rid;
        if let Some(place) = self.inbound.iter().position(|stream| stream.counters.rtx_ssrc == Some(ssrc)) {
            return Some(place);
        }
        let mut places = self.inbound.iter().enumerate().filter(|(_, stream)| same(stream)).map(|(place, _)| place);
        let only = places.next()?;
        places.next().is_none().then_some(only)
    }

    /// The packet that was sent again; none if it only probes the path.
    fn restore(&mut self, stream: usize, ssrc: u32, repaired: u8, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let stream = self.inbound.get_mut(stream)?;
        stream.counters.rtx_ssrc = Some(ssrc);
        match rtx::restore(&mut bytes, Ssrc(stream.ssrc), PayloadType::new(repaired)?)? {
            Restored::Original { start, .. } => {
                bytes.drain(..start);
                Some(bytes)
            }
            Restored::Probe => None,
        }
    }

    /// A buffer that is not needed any more.
    pub(crate) fn take_spare(&mut self) -> Option<Vec<u8>> {
        self.spare.pop()
    }

    /// Takes what a stream has ready, and asks for what it needs.
    fn settle(&mut self, now: Instant, stream: usize, wire: &mut dyn Wire) {
        let Some(stream) = self.inbound.get_mut(stream) else { return };
        let Some(path) = self.paths.iter().find(|path| path.id == stream.transport) else { return };
        while let Some(frame) = stream.next_frame(now, &path.receive.map, &mut self.spare) {
            if self.frames.len() >= MAX_FRAMES {
                self.frames.pop_front();
            }
            self.frames.push_back((stream.transceiver, frame));
        }
        self.spare.truncate(MAX_SPARE);
        self.numbers.clear();
        if stream.missing.due().is_some_and(|due| due <= now) {
            stream.missing.ask(now, &mut self.numbers);
        }
        reports::ask(now, path, stream, &self.numbers, &self.cname, &mut self.packet, wire);
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut dyn Wire) {
        for place in 0..self.inbound.len() {
            let Some(stream) = self.inbound.get_mut(place) else { continue };
            if stream.due().is_some_and(|due| due <= now) {
                stream.expire(now, &mut self.spare);
                self.settle(now, place, wire);
            }
        }
        for place in 0..self.paths.len() {
            self.report_if_due(now, place, wire);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let paths = self.paths.iter().flat_map(|path| [path.report_due, path.arrivals.due()]).flatten();
        self.inbound.iter().filter_map(Inbound::due).chain(paths).min()
    }

    /// The next frame that came.
    pub(crate) fn poll_frame(&mut self) -> Option<(TransceiverId, EncodedFrame)> {
        self.frames.pop_front()
    }

    /// The next word for congestion control.
    pub(crate) fn poll_feedback(&mut self) -> Option<MediaFeedback> {
        self.feedback.pop_front()
    }

    fn push_feedback(&mut self, feedback: MediaFeedback) {
        if self.feedback.len() >= MAX_FEEDBACK {
            self.feedback.pop_front();
        }
        self.feedback.push_back(feedback);
    }

    /// Asks for a key frame of the layer, or of all. Whether there is anybody to ask.
    pub(crate) fn request_key_frame(
        &mut self,
        now: Instant,
        id: TransceiverId,
        rid: Option<&str>,
        wire: &mut dyn Wire,
    ) -> bool {
        let mut any = false;
        for place in 0..self.inbound.len() {
            let Some(stream) = self.inbound.get_mut(place) else { continue };
            if stream.transceiver == id && (rid.is_none() || rid == stream.rid.as_deref()) {
                any = true;
                stream.want_key_frame(now);
                self.settle(now, place, wire);
            }
        }
        any
    }

    pub(crate) fn outbound_counters(&self, id: TransceiverId) -> Vec<OutboundCounters> {
        let ours = self.outbound.iter().filter(|stream| stream.transceiver == id);
        ours.map(|stream| stream.counters.clone()).collect()
    }

    pub(crate) fn inbound_counters(&self, id: TransceiverId) -> Vec<InboundCounters> {
        self.inbound.iter().filter(|stream| stream.transceiver == id).map(Inbound::counters).collect()
    }
}

impl Path {
    fn numbers_packets(&self) -> bool {
        self.send.map.id_of(ExtensionKind::TransportSequenceNumber).is_some()
    }
}
