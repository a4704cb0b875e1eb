//! RTCP: what is told regularly, what is asked for at once, and what the other side says (RFC 3550 §6, RFC 4585).

use super::inbound::Inbound;
use super::outbound::Outbound;
use super::{Effect, MediaFeedback, Path, Streams, Wire, clock};
use crate::jsep::transport::TransportId;
use parlour_rtp::rtcp::{
    Bye, Fir, FirEntry, Nack, Pli, ReceiverReport, ReportBlock, RtcpPacket, Sdes, SdesItem, SdesKind, SenderReport,
    packets,
};
use parlour_rtp::{SequenceNumber, Ssrc};
use std::time::{Duration, Instant};

/// The first report comes soon, so that sound and pictures find together.
pub(super) const FIRST: Duration = Duration::from_millis(100);
/// Later ones come after half of this to one and a half, by chance (RFC 3550 §6.2).
const INTERVAL: Duration = Duration::from_secs(1);
/// When so long nothing was sent or received, there is nothing to report.
const IDLE: Duration = Duration::from_secs(5);
/// A datagram of reports is ended when it is longer.
const LONG: usize = 900;
/// As many blocks fit a report.
const MAX_BLOCKS: usize = 31;

impl Streams {
    pub(super) fn report_if_due(&mut self, now: Instant, path: usize, wire: &mut dyn Wire) {
        let Some(path) = self.paths.get_mut(path) else { return };
        if path.arrivals.due().is_some_and(|due| due <= now) {
            let media = self.inbound.iter().find(|stream| stream.transport == path.id).map_or(0, |stream| stream.ssrc);
            let (id, local, reduced_size) = (path.id, path.local, path.reduced_size);
            let (cname, out) = (&self.cname, &mut self.packet);
            path.arrivals.tell(Ssrc(local), Ssrc(media), |packet| {
                begin_feedback(out, reduced_size, local, cname);
                out.extend_from_slice(packet);
                wire.rtcp(id, out);
            });
        }
        if path.report_due.is_none_or(|due| due > now) {
            return;
        }
        let mut random = [0; 2];
        (self.rng)(&mut random);
        let part = f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX);
        let is_live = |last: Instant| now.saturating_duration_since(last) < IDLE;
        let id = path.id;
        let sends =
            |stream: &Outbound| stream.transport == id && !stream.has_left && stream.last_sent.is_some_and(is_live);
        let any = self.outbound.iter().any(sends)
            || self.inbound.iter().any(|stream| stream.transport == id && is_live(stream.last_packet));
        path.report_due = any.then(|| now + INTERVAL.mul_f64(0.5 + part));
        let fresh = self.inbound.iter_mut().filter(|stream| stream.transport == id && stream.is_fresh);
        let blocks: Vec<ReportBlock> = fresh.map(|stream| stream.report(now)).collect();
        let mut blocks = blocks.chunks(MAX_BLOCKS);
        let ntp = self.clock.ntp(now);
        let out = &mut self.packet;
        out.clear();
        let mut senders = self.outbound.iter().filter(|stream| sends(stream)).peekable();
        if senders.peek().is_none() {
            let mut first = true;
            // Without a block too, if it is the only one: it says that we are there.
            while let Some(some) = blocks.next().or_else(|| first.then_some(&[])) {
                first = false;
                ReceiverReport::write(out, Ssrc(path.local), some);
                describe(out, path.local, &self.cname);
                wire.rtcp(id, out);
                out.clear();
            }
            return;
        }
        for stream in senders {
            let some = blocks.next().unwrap_or_default();
            SenderReport::write(out, Ssrc(stream.ssrc), &stream.sender_info(now, ntp), some);
            describe(out, stream.ssrc, &self.cname);
            if out.len() > LONG {
                wire.rtcp(id, out);
                out.clear();
            }
        }
        for some in blocks {
            ReceiverReport::write(out, Ssrc(path.local), some);
        }
        if !out.is_empty() {
            wire.rtcp(id, out);
        }
    }

    /// Sources that do not send any more say so (RFC 3550 §6.6).
    pub(crate) fn say_goodbye(&mut self, wire: &mut dyn Wire) {
        while let Some((transport, _)) = self.leaving.first().copied() {
            let (mut sources, mut local) = (Vec::new(), 0);
            self.leaving.retain(|(id, ssrc)| {
                if *id == transport {
                    sources.push(*ssrc);
                    local = ssrc.0;
                }
                *id != transport
            });
            for some in sources.chunks(MAX_BLOCKS) {
                begin_feedback(&mut self.packet, false, local, &self.cname);
                Bye::write(&mut self.packet, some, None);
                wire.rtcp(transport, &self.packet);
            }
        }
    }

    /// All sources leave.
    pub(crate) fn leave(&mut self, wire: &mut dyn Wire) {
        for stream in self.outbound.iter_mut().filter(|stream| stream.last_sent.is_some() && !stream.has_left) {
            stream.has_left = true;
            self.leaving.push((stream.transport, Ssrc(stream.ssrc)));
        }
        self.say_goodbye(wire);
        self.inbound.clear();
        self.paths.clear();
    }

    /// Takes packets of RTCP that are authentic.
    pub(crate) fn receive_rtcp(&mut self, now: Instant, transport: TransportId, bytes: &[u8], wire: &mut dyn Wire) {
        for packet in packets(bytes).flatten() {
            match packet {
                RtcpPacket::SenderReport(report) => {
                    if let Some(place) = self.find_inbound(transport, report.ssrc.0)
                        && let Some(stream) = self.inbound.get_mut(place)
                    {
                        stream.sender_report(now, &report.info);
                    }
                    self.take_blocks(now, report.blocks);
                }
                RtcpPacket::ReceiverReport(report) => self.take_blocks(now, report.blocks),
                RtcpPacket::Bye(bye) => {
                    for ssrc in bye.sources() {
                        let Some(place) = self.find_inbound(transport, ssrc.0) else { continue };
                        let stream = self.inbound.remove(place);
                        self.effects.push_back(Effect::Left(stream.transceiver));
                    }
                }
                RtcpPacket::Nack(nack) => self.send_again(now, nack.media.0, nack.lost(), wire),
                RtcpPacket::Pli(pli) => self.key_frame_asked(now, pli.media.0, None),
                RtcpPacket::Fir(fir) => {
                    for entry in fir.entries() {
                        self.key_frame_asked(now, entry.ssrc.0, Some(entry.sequence_number));
                    }
                }
                RtcpPacket::TransportFeedback(feedback) => {
                    let Some(path) = self.paths.iter_mut().find(|path| path.id == transport) else { continue };
                    let results = path.departures.understand(&feedback);
                    self.push_feedback(MediaFeedback::Transport { transport, results });
                }
                RtcpPacket::Remb(remb) => {
                    self.push_feedback(MediaFeedback::ReceiverEstimate { transport, bitrate: remb.bitrate });
                }
                _ => {}
            }
        }
    }

    fn take_blocks(&mut self, now: Instant, blocks: impl Iterator<Item = ReportBlock>) {
        let middle = clock::middle(self.clock.ntp(now));
        for block in blocks {
            if let Some(stream) = self.outbound.iter_mut().find(|stream| stream.ssrc == block.ssrc.0) {
                stream.report(&block, middle);
            }
        }
    }

    fn key_frame_asked(&mut self, now: Instant, ssrc: u32, fir: Option<u8>) {
        let Some(stream) = self.outbound.iter_mut().find(|stream| stream.ssrc == ssrc) else { return };
        match fir {
            Some(_) => stream.counters.fir_count += 1,
            None => stream.counters.pli_count += 1,
        }
        if stream.asks_for_key_frame(now, fir) {
            self.effects.push_back(Effect::KeyFrame(stream.transceiver, stream.rid.clone()));
        }
    }
}

/// Asks at once for what a stream needs: these packets, and a key frame if it is time for it.
pub(super) fn ask(
    now: Instant,
    path: &Path,
    stream: &mut Inbound,
    lost: &[SequenceNumber],
    cname: &str,
    out: &mut Vec<u8>,
    wire: &mut dyn Wire,
) {
    let key_frame = stream.key_frame_is_due(now);
    if lost.is_empty() && !key_frame {
        return;
    }
    let (local, media) = (Ssrc(path.local), Ssrc(stream.ssrc));
    begin_feedback(out, path.reduced_size, path.local, cname);
    Nack::write(out, local, media, lost.iter().copied());
    stream.counters.nack_count += u64::from(!lost.is_empty());
    if key_frame && stream.pli {
        Pli { sender: local, media }.write(out);
        stream.counters.pli_count += 1;
    } else if key_frame && stream.fir {
        let sequence_number = stream.next_fir();
        Fir::write(out, local, &[FirEntry { ssrc: media, sequence_number }]);
        stream.counters.fir_count += 1;
    }
    if !out.is_empty() {
        wire.rtcp(stream.transport, out);
    }
}

/// Feedback goes alone if that was agreed on (RFC 5506), or else after a report (RFC 3550 §6.1).
fn begin_feedback(out: &mut Vec<u8>, reduced_size: bool, local: u32, cname: &str) {
    out.clear();
    if !reduced_size {
        ReceiverReport::write(out, Ssrc(local), &[]);
        describe(out, local, cname);
    }
}

fn describe(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    Sdes::write(out, &[(Ssrc(ssrc), &[SdesItem { kind: SdesKind::Cname, value: cname.as_bytes() }])]);
}
