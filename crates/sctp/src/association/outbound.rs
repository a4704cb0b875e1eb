//! The sending half: what may go now, and when the next thing has to happen.

use super::{
    in_flight::InFlight,
    rtt::Rtt,
    send_queue::{Next, SendQueue},
};
use crate::{
    StreamId, Tsn,
    config::Config,
    congestion::{Ack, Controller},
    packet::{Data, Placement, Sack, padded},
    time::{MILLIS, Nanos, SECOND, nanos},
};
use std::time::Duration;

/// What pacing lets go at once, in time at the current rate: timers are not finer than this.
const BURST: Nanos = 1_500_000;
/// Paths shorter than this are not paced: timers would be the bottleneck.
const UNPACED_RTT: Nanos = MILLIS;
/// While nothing comes back, a probe goes out so often, so that a path that returns is noticed at once …
const OUTAGE_PROBE: Nanos = 150 * MILLIS;
/// … for so many probes; then the pauses double.
const OUTAGE_PROBES: u32 = 16;
/// A piece that shares its packet with others has at least so many bytes, unless it ends its message.
const LEAST_PIECE: usize = 200;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) queue: SendQueue,
    pub(crate) flight: InFlight,
    pub(crate) rtt: Rtt,
    pub(crate) controller: Box<dyn Controller>,
    /// The window that the peer told last.
    peer_window: u64,
    pub(crate) interleaved: bool,
    /// When pacing lets the next packet go.
    paced_until: Nanos,
    /// Bytes of the last packet with data.
    last_bytes: u64,
    /// Pacing held a packet back.
    waits_for_pacing: bool,
    /// The window held a packet back since the last SACK.
    window_limited: bool,
    /// When data was last sent, or acknowledged.
    active_at: Nanos,
    /// Probes since the last acknowledgement.
    probes: u32,
    probe_due: bool,
    /// Time-outs that count against the limit, and when the next one does.
    pub(crate) timeouts: u32,
    next_timeout: Nanos,
    pub(crate) forward_due: bool,
    forward_at: Nanos,
    /// Streams that have fallen to their low-water mark.
    pub(crate) low: Vec<StreamId>,
}

/// What became of a packet's data.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) any: bool,
    /// The packet is larger than the path is known to carry, because its chunk was cut for a larger one.
    pub(crate) oversized: bool,
}

impl Outbound {
    pub(crate) fn new(config: &Config, first: Tsn, packet: usize, salt: u64) -> Self {
        Outbound {
            queue: SendQueue::default(),
            flight: InFlight::new(first),
            rtt: Rtt::new(nanos(config.rto_initial), nanos(config.rto_min), nanos(config.rto_max)),
            controller: config.congestion.controller(packet, salt),
            peer_window: 0,
            interleaved: false,
            paced_until: 0,
            last_bytes: 0,
            waits_for_pacing: false,
            window_limited: false,
            active_at: 0,
            probes: 0,
            probe_due: false,
            timeouts: 0,
            next_timeout: 0,
            forward_due: false,
            forward_at: 0,
            low: Vec::new(),
        }
    }

    pub(crate) fn set_peer_window(&mut self, window: u32) {
        self.peer_window = u64::from(window);
    }

    /// All that was given has been acknowledged or given up.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty() && self.flight.is_empty()
    }

    /// Takes in a SACK.
    pub(crate) fn on_sack(&mut self, now: Nanos, sack: &Sack<'_>) {
        let window = self.controller.window();
        let timed_out = self.probes >= 2;
        let Some(result) = self.flight.on_sack(now, sack, &mut self.rtt, timed_out) else { return };
        self.peer_window = u64::from(sack.window);
        if result.acked > 0 || result.advanced || sack.window == 0 {
            // A peer that has no room is alive all the same (RFC 9260 §6.1).
            self.timeouts = 0;
        }
        if result.acked > 0 || result.advanced {
            self.probes = 0;
            self.probe_due = false;
            self.active_at = now;
        }
        let lost = self.detect_losses(now, result.prior_in_flight, timed_out);
        if self.flight.end_recovery() {
            self.controller.on_recovered();
        }
        if self.flight.take_undo() {
            self.controller.on_spurious();
        }
        if result.acked > 0 {
            let window_limited = self.window_limited || result.prior_in_flight >= window;
            self.window_limited = false;
            self.controller.on_ack(&Ack {
                now: Duration::from_nanos(now),
                acked: result.acked,
                lost,
                prior_in_flight: result.prior_in_flight,
                in_flight: self.flight.in_flight,
                delivered: self.flight.delivered,
                rtt: result.rtt.map(Duration::from_nanos),
                smoothed_rtt: self.rtt.smoothed.map(Duration::from_nanos),
                rate: result.rate,
                in_recovery: self.flight.in_recovery(),
                window_limited,
            });
            self.repace(now);
        }
        self.update_forward(now);
    }

    /// After a time-out the controller has been told: the losses that show then are no further congestion.
    fn detect_losses(&mut self, now: Nanos, in_flight: u64, timed_out: bool) -> u64 {
        let lost = self.flight.detect_losses(now, &self.rtt);
        if lost > 0 && self.flight.begin_recovery() && !timed_out {
            self.controller.on_congestion(Duration::from_nanos(now), in_flight);
        }
        lost
    }

    /// Gives up what may be given up, and asks for a FORWARD TSN if the peer must know.
    fn update_forward(&mut self, now: Nanos) {
        let before = self.flight.must_forward();
        let must = self.flight.advance(now);
        if must && (!before || now >= self.forward_at) {
            self.forward_due = true;
        }
        for (stream, record) in self.flight.take_cut() {
            if self.queue.drop_rest(stream, record) {
                self.low.push(stream);
            }
        }
    }

    pub(crate) fn forward_sent(&mut self, now: Nanos) {
        self.forward_due = false;
        self.forward_at = now + self.rtt.rto();
        self.active_at = now;
    }

    /// Works off what is due; whether large packets seem to vanish.
    pub(crate) fn on_timeout(&mut self, now: Nanos) -> bool {
        if self.flight.rack_deadline().is_some_and(|at| at <= now) {
            let in_flight = self.flight.in_flight;
            self.detect_losses(now, in_flight, self.probes >= 2);
        }
        if self.flight.first_expiry().is_some_and(|at| at <= now) || self.flight.must_forward() {
            self.update_forward(now);
        }
        if self.probe_at().is_none_or(|at| at > now) {
            return false;
        }
        self.probes += 1;
        self.probe_due = true;
        self.active_at = now;
        if self.probes == 1 {
            self.next_timeout = now + self.rtt.rto();
        } else if now >= self.next_timeout {
            self.timeouts += 1;
            let backoff = self.rtt.rto().saturating_mul(1 << self.timeouts.min(10));
            self.next_timeout = now + backoff.min(self.rtt.rto_max());
        }
        if self.probes == 2 {
            self.controller.on_timeout();
        }
        self.probes >= 3
    }

    /// When the first chunk is sent again because nothing is heard: the tail loss probe of RFC 8985 §7, then the time-out of RFC 9260 §6.3.3.
    fn probe_at(&self) -> Option<Nanos> {
        if self.flight.is_empty() || self.probe_due || (self.flight.in_flight == 0 && self.flight.has_lost()) {
            return None;
        }
        let rto = self.rtt.rto();
        let wait = match self.probes {
            0 => self.rtt.probe_timeout(),
            1 => rto,
            n if n <= OUTAGE_PROBES => rto.min(OUTAGE_PROBE),
            n => (rto << (n - OUTAGE_PROBES).min(8)).min(self.rtt.rto_max()),
        };
        Some(self.active_at + wait)
    }

    pub(crate) fn timeout(&self) -> Option<Nanos> {
        let paced = self.waits_for_pacing.then_some(self.paced_until);
        let forward = self.flight.must_forward().then_some(self.forward_at);
        [self.flight.rack_deadline(), self.probe_at(), paced, forward, self.flight.first_expiry()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The path has changed or come back: what waits for a time-out is tried at once.
    pub(crate) fn wake(&mut self, now: Nanos) {
        if !self.flight.is_empty() {
            self.probes = self.probes.min(1);
            self.probe_due = true;
            self.active_at = now;
        }
    }

    /// Whether a packet would get data now, as far as can be told without trying.
    pub(crate) fn would_send(&self, now: Nanos) -> bool {
        let window = self.flight.in_flight < self.controller.window();
        self.probe_due || (now >= self.paced_until && window && (self.flight.has_lost() || !self.queue.is_empty()))
    }

    fn rate(&self) -> Option<u64> {
        if self.rtt.smoothed.is_none_or(|rtt| rtt < UNPACED_RTT) {
            return None;
        }
        self.controller.pacing_rate().map(|rate| rate.max(1))
    }

    /// The rate may have grown: the pause that the last packet asked for is no longer than it would be now.
    fn repace(&mut self, now: Nanos) {
        if self.paced_until > now
            && let Some(rate) = self.rate()
        {
            self.paced_until = self.paced_until.min(now + self.last_bytes * SECOND / rate);
        }
    }

    /// Fills the packet that starts at `start` of `out` with data, up to `end`. `bare` says whether it holds nothing but its header.
    pub(crate) fn write_data(&mut self, now: Nanos, out: &mut Vec<u8>, end: usize, bare: bool) -> Written {
        let before = out.len();
        let mut written = Written::default();
        self.waits_for_pacing = false;
        if self.flight.is_empty() && self.queue.is_empty() {
            return written;
        }
        if self.probe_due {
            self.probe_due = false;
            self.write_probe(now, out, end, bare, &mut written);
        } else if now < self.paced_until && (self.flight.has_lost() || !self.queue.is_empty()) {
            self.waits_for_pacing = true;
            return written;
        }
        self.write_lost(now, out, end, bare, &mut written);
        if !self.flight.has_lost() {
            self.write_new(now, out, end, &mut written);
        }
        let bytes = (out.len() - before) as u64;
        if bytes > 0 {
            self.active_at = now;
            self.last_bytes = bytes;
            if let Some(rate) = self.rate() {
                self.paced_until = self.paced_until.max(now.saturating_sub(BURST)) + bytes * SECOND / rate;
            }
        }
        written
    }

    fn write_probe(&mut self, now: Nanos, out: &mut Vec<u8>, end: usize, bare: bool, written: &mut Written) {
        let Some((seq, sent, size)) = self.flight.head() else { return };
        if out.len() + size > end && !bare {
            self.probe_due = true;
            return;
        }
        written.oversized = out.len() + size > end;
        written.any = true;
        write_chunk(out, seq, sent, self.interleaved, true);
        self.flight.mark_sent(now, seq);
        self.controller.on_sent(size as u64);
    }

    fn write_lost(&mut self, now: Nanos, out: &mut Vec<u8>, end: usize, bare: bool, written: &mut Written) {
        while self.flight.has_lost() && !written.oversized {
            let in_flight = self.flight.in_flight;
            let last = self.queue.is_empty();
            let Some((seq, sent, size)) = self.flight.peek_lost(now) else { break };
            if in_flight > 0 && in_flight + size as u64 > self.controller.window() {
                self.window_limited = true;
                break;
            }
            if out.len() + size > end {
                if !bare || written.any {
                    break;
                }
                written.oversized = true;
            }
            write_chunk(out, seq, sent, self.interleaved, last);
            written.any = true;
            self.flight.pop_lost();
            self.flight.mark_sent(now, seq);
            self.controller.on_sent(size as u64);
        }
        self.update_forward(now);
    }

    fn write_new(&mut self, now: Nanos, out: &mut Vec<u8>, end: usize, written: &mut Written) {
        let overhead = if self.interleaved { Data::I_DATA_OVERHEAD } else { Data::DATA_OVERHEAD };
        while !self.queue.is_empty() && !self.flight.is_full() && !written.oversized {
            let in_flight = self.flight.in_flight;
            let window = self.controller.window();
            if in_flight > 0 && in_flight + (end - out.len().min(end)) as u64 > window {
                self.window_limited = true;
                return;
            }
            let room = (end.saturating_sub(out.len()) & !3).saturating_sub(overhead);
            let credit = self.peer_window.saturating_sub(self.flight.outstanding);
            let mut most = room;
            let mut least = if written.any { LEAST_PIECE } else { 1 };
            if credit < room as u64 {
                if self.flight.outstanding == 0 {
                    // One chunk may always be on its way (RFC 9260 §6.1 A).
                } else {
                    // No crumbs: wait for a window worth using (RFC 9260 §6.1 A, silly window).
                    most = credit as usize;
                    least = least.max(LEAST_PIECE.max(room / 2));
                }
            }
            if most == 0 {
                return;
            }
            let records = &mut self.flight.records;
            let piece = match self.queue.next(now, most, least, self.interleaved, |r| records.add(r)) {
                Next::Piece(piece) => piece,
                Next::TooSmall => return,
                Next::Empty => break,
            };
            if in_flight == 0 {
                self.controller.on_idle_restart(Duration::from_nanos(now));
            }
            if piece.low {
                self.low.push(piece.stream);
            }
            let size = padded(overhead + piece.payload.len());
            let tsn = Tsn::wire(self.flight.next());
            let data = Data {
                tsn,
                stream: piece.stream,
                placement: placement(self.interleaved, piece.unordered, piece.mid, piece.fsn),
                ppid: piece.ppid,
                begin: piece.begin,
                end: piece.end,
                unordered: piece.unordered,
                // The last one is answered at once, so that its loss shows soon (RFC 7053 §5.1).
                immediate: self.queue.is_empty(),
                payload: &piece.payload,
            };
            data.write(out);
            self.flight.push(now, piece, size);
            self.controller.on_sent(size as u64);
            written.any = true;
        }
        self.low.extend(self.queue.take_dropped());
        if self.queue.is_empty() && self.flight.in_flight < self.controller.window() {
            self.flight.set_app_limited();
        }
    }
}

fn placement(interleaved: bool, unordered: bool, mid: u32, fsn: u32) -> Placement {
    match (interleaved, unordered) {
        (true, _) => Placement::Message { mid, fsn },
        (false, true) => Placement::Stream { ssn: 0 },
        (false, false) => Placement::Stream { ssn: mid as u16 },
    }
}

fn write_chunk(out: &mut Vec<u8>, seq: u64, sent: &super::in_flight::Sent, interleaved: bool, immediate: bool) {
    let data = Data {
        tsn: Tsn::wire(seq),
        stream: sent.stream,
        placement: placement(interleaved, sent.unordered, sent.mid, sent.fsn),
        ppid: sent.ppid,
        begin: sent.begin,
        end: sent.end,
        unordered: sent.unordered,
        immediate,
        payload: &sent.payload,
    };
    data.write(out);
}
