//! What has been sent and not acknowledged for good: a ring indexed by TSN, what is lost of it, and how that is found out (RFC 9260 §6.2.1, RFC 8985).
//!
//! The work for a SACK is that for the TSNs it newly acknowledges and for the gap blocks it lists; how much is on its way does not matter.

use super::{rack::Rack, ranges::Ranges, records::Records, rtt::Rtt, send_queue::Piece};
use crate::{
    StreamId, Tsn,
    congestion::RateSample,
    packet::{Sack, Skipped},
    time::{MILLIS, Nanos},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// Gap blocks count from the cumulative TSN with 16 bits (RFC 9260 §3.3.4): more could not be acknowledged.
const MOST_CHUNKS: usize = 60_000;

/// More runs of acknowledged chunks are not kept: what would make another one counts as not acknowledged.
const MOST_RUNS: usize = 4096;
/// With so many gap blocks a SACK may have left out others: it holds as many as a small packet does.
const FULL_SACK: usize = 250;
/// `dcsctp` tells of no more.
const FULL_SACK_OF_DCSCTP: usize = 20;

/// ```text
///       ┌──▶ Untold ──┐
/// Outstanding ────────┴▶ Acked ──▶ gone from the ring
///      │  ▲
///      ▼  │ sent again
///     Lost ──▶ Abandoned       ──▶ gone from the ring by FORWARD TSN
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Outstanding,
    /// Not on its way any more: it has come, or it is lost, but the last SACK had no room to say which.
    Untold,
    Lost,
    /// Acknowledged by a gap block: the receiver may still take that back (RFC 9260 §6.2.1).
    Acked,
    /// Given up; the peer is told to go on without it.
    Abandoned,
}

/// One chunk.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) payload: Bytes,
    sent_at: Nanos,
    /// What the delivery rate needs: the state of the connection when this was sent.
    delivered: u64,
    delivered_at: Nanos,
    first_sent_at: Nanos,
    pub(crate) mid: u32,
    pub(crate) fsn: u32,
    pub(crate) ppid: u32,
    record: u32,
    pub(crate) stream: StreamId,
    /// Bytes on the wire, with the chunk header and padding.
    size: u16,
    transmissions: u16,
    state: State,
    pub(crate) begin: bool,
    pub(crate) end: bool,
    pub(crate) unordered: bool,
    app_limited: bool,
    /// Sent while more may have been delivered than was known.
    uncertain: bool,
}

/// What a SACK brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SackResult {
    /// Bytes newly acknowledged.
    pub(crate) acked: u64,
    /// Bytes on their way before.
    pub(crate) prior_in_flight: u64,
    pub(crate) rtt: Option<Nanos>,
    pub(crate) rate: Option<RateSample>,
    /// The cumulative TSN moved.
    pub(crate) advanced: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct InFlight {
    ring: VecDeque<Sent>,
    /// TSN of the first chunk in the ring.
    base: u64,
    /// To be sent again. May hold chunks that have been acknowledged since.
    lost: VecDeque<u64>,
    /// Each transmission in the order of time: TSN, when, the how-manieth. Entries of which the chunk has moved on are skipped.
    log: VecDeque<(u64, Nanos, u16)>,
    /// What would be lost by now, but lies where the last SACK had no room to tell of it. In the order of time, so mostly of TSNs.
    untold: VecDeque<(u64, Nanos, u16)>,
    sacked: Ranges,
    pub(crate) records: Records,
    /// Bytes on their way: neither acknowledged nor lost.
    pub(crate) in_flight: u64,
    /// User bytes that the receiver may have to hold: not acknowledged.
    pub(crate) outstanding: u64,
    /// The highest TSN that has been acknowledged.
    highest: u64,
    /// The last SACK may not have had room for all gaps: what lies above `highest` may have come all the same.
    sack_is_full: bool,
    rack: Rack,
    rack_deadline: Option<Nanos>,
    pub(crate) delivered: u64,
    delivered_at: Nanos,
    first_sent_at: Nanos,
    /// The program is short of data until so much has been delivered.
    app_limited_until: u64,
    round: u64,
    round_end: u64,
    /// The end of the recovery that is under way.
    recovery: Option<u64>,
    /// Retransmissions of this recovery that have not been reported as needless.
    undo: Option<i64>,
    /// Chunks up to here need not arrive any more (Advanced.Peer.Ack.Point, RFC 3758 §3.5 C).
    forward: u64,
    /// Streams whose messages have been given up while the rest waited in the send queue.
    cut: Vec<(StreamId, u32)>,
    pub(crate) retransmissions: u64,
}

impl InFlight {
    pub(crate) fn new(first: Tsn) -> Self {
        let base = first.first();
        InFlight {
            ring: VecDeque::new(),
            base,
            lost: VecDeque::new(),
            log: VecDeque::new(),
            untold: VecDeque::new(),
            sacked: Ranges::default(),
            records: Records::default(),
            in_flight: 0,
            outstanding: 0,
            highest: base - 1,
            sack_is_full: false,
            rack: Rack::default(),
            rack_deadline: None,
            delivered: 0,
            delivered_at: 0,
            first_sent_at: 0,
            app_limited_until: 0,
            round: 0,
            round_end: 0,
            recovery: None,
            undo: None,
            forward: base - 1,
            cut: Vec::new(),
            retransmissions: 0,
        }
    }

    /// The TSN of the next new chunk.
    pub(crate) fn next(&self) -> u64 {
        self.base + self.ring.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.ring.len() >= MOST_CHUNKS
    }

    pub(crate) fn in_recovery(&self) -> bool {
        self.recovery.is_some()
    }

    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    fn get(&self, seq: u64) -> Option<&Sent> {
        self.ring.get(usize::try_from(seq.checked_sub(self.base)?).ok()?)
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut Sent> {
        self.ring.get_mut(usize::try_from(seq.checked_sub(self.base)?).ok()?)
    }

    /// Takes a new chunk into the ring and counts it as sent.
    pub(crate) fn push(&mut self, now: Nanos, piece: Piece, size: usize) -> u64 {
        let seq = self.next();
        if let Some(record) = self.records.all.get_mut(&piece.record).filter(|_| piece.record != 0) {
            record.chunks += 1;
            record.complete |= piece.end;
        }
        self.outstanding += piece.payload.len() as u64;
        self.ring.push_back(Sent {
            payload: piece.payload,
            sent_at: now,
            delivered: 0,
            delivered_at: 0,
            first_sent_at: 0,
            mid: piece.mid,
            fsn: piece.fsn,
            ppid: piece.ppid,
            record: piece.record,
            stream: piece.stream,
            size: size as u16,
            transmissions: 0,
            state: State::Lost,
            begin: piece.begin,
            end: piece.end,
            unordered: piece.unordered,
            app_limited: false,
            uncertain: false,
        });
        self.mark_sent(now, seq);
        seq
    }

    /// Counts a chunk as sent, for the first time or again.
    pub(crate) fn mark_sent(&mut self, now: Nanos, seq: u64) {
        if self.in_flight == 0 {
            // A new flight: rates are measured from here.
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        let (delivered, delivered_at, first_sent_at) = (self.delivered, self.delivered_at, self.first_sent_at);
        let app_limited = self.app_limited_until > delivered;
        let uncertain = self.sack_is_full;
        let Some(sent) = self.get_mut(seq) else { return };
        let returns = sent.state != State::Outstanding;
        sent.state = State::Outstanding;
        sent.sent_at = now;
        sent.transmissions = sent.transmissions.saturating_add(1);
        sent.delivered = delivered;
        sent.delivered_at = delivered_at;
        sent.first_sent_at = first_sent_at;
        sent.app_limited = app_limited;
        sent.uncertain = uncertain;
        let (size, transmissions) = (u64::from(sent.size), sent.transmissions);
        if returns {
            self.in_flight += size;
        }
        if transmissions > 1 {
            self.retransmissions += 1;
            if let Some(undo) = &mut self.undo {
                *undo += 1;
            }
        }
        self.log.push_back((seq, now, transmissions));
    }

    /// The program has nothing more to send although it might.
    pub(crate) fn set_app_limited(&mut self) {
        self.app_limited_until = (self.delivered + self.in_flight).max(1);
    }

    /// The next chunk to send again: its TSN, the chunk, and its size on the wire.
    pub(crate) fn peek_lost(&mut self, now: Nanos) -> Option<(u64, &Sent, usize)> {
        loop {
            let seq = *self.lost.front()?;
            if self.get(seq).is_some_and(|s| s.state == State::Lost) && !self.give_up(now, seq) {
                break;
            }
            self.lost.pop_front();
        }
        let seq = *self.lost.front()?;
        self.get(seq).map(|s| (seq, s, usize::from(s.size)))
    }

    pub(crate) fn pop_lost(&mut self) {
        self.lost.pop_front();
    }

    /// The first chunk that is not acknowledged, to probe with.
    pub(crate) fn head(&self) -> Option<(u64, &Sent, usize)> {
        let sent = self.ring.front().filter(|s| s.state != State::Abandoned)?;
        Some((self.base, sent, usize::from(sent.size)))
    }

    /// Takes in a SACK; `None` if it is out of date or acknowledges what was never sent.
    ///
    /// After a time-out, when `timed_out` says so, it may tell of what came long ago, whose SACKs were lost: that is no measure of the round trip.
    pub(crate) fn on_sack(
        &mut self,
        now: Nanos,
        sack: &Sack<'_>,
        rtt: &mut Rtt,
        timed_out: bool,
    ) -> Option<SackResult> {
        let cumulative = sack.cumulative.near(self.base);
        if cumulative < self.base - 1 || cumulative >= self.next() {
            return None;
        }
        let soonest = self.rack.soonest(now, rtt);
        let mut newest = Newest {
            prior_in_flight: self.in_flight,
            prior_highest: if timed_out { u64::MAX } else { self.highest },
            soonest,
            late: self.rack.late(),
            ..Newest::default()
        };
        let advanced = cumulative >= self.base;
        while self.base <= cumulative {
            let Some(sent) = self.ring.pop_front() else { break };
            let seq = self.base;
            self.base += 1;
            if sent.state != State::Acked {
                self.count_acked(seq, &sent, now, &mut newest);
            }
            self.records.release(sent.record);
        }
        self.forward = self.forward.max(cumulative);
        self.highest = self.highest.max(cumulative);
        if advanced {
            self.sacked.remove_up_to(cumulative);
        }
        self.take_blocks(now, sack, cumulative, &mut newest);
        if advanced && self.ring.front().is_some_and(|s| s.state == State::Acked) {
            self.renege();
        }
        self.note_doubles(sack);
        Some(self.finish_sack(now, advanced, newest, rtt))
    }

    fn take_blocks(&mut self, now: Nanos, sack: &Sack<'_>, cumulative: u64, newest: &mut Newest) {
        let end = self.next();
        let blocks = sack.blocks().count();
        self.sack_is_full = blocks >= FULL_SACK || blocks == FULL_SACK_OF_DCSCTP;
        for block in sack.blocks() {
            let from = cumulative + u64::from(block.start.max(1));
            let to = (cumulative + u64::from(block.end)).min(end - 1);
            if from > to || (self.sacked.len() >= MOST_RUNS && self.sacked.would_split(from)) {
                continue;
            }
            self.highest = self.highest.max(to);
            // Taken out while the runs are walked, because each new run touches the ring.
            let mut sacked = std::mem::take(&mut self.sacked);
            sacked.insert(from, to, |a, b| {
                for seq in a..=b {
                    self.ack_in_gap(now, seq, newest);
                }
            });
            self.sacked = sacked;
        }
    }

    fn ack_in_gap(&mut self, now: Nanos, seq: u64, newest: &mut Newest) {
        let Some(sent) = self.get_mut(seq) else { return };
        let old = std::mem::replace(&mut sent.state, State::Acked);
        let copy = Sent { payload: Bytes::new(), state: old, ..*sent };
        let len = sent.payload.len() as u64;
        self.outstanding = self.outstanding.saturating_sub(len);
        if old != State::Acked {
            self.count_acked(seq, &copy, now, newest);
        }
    }

    fn count_acked(&mut self, seq: u64, sent: &Sent, now: Nanos, newest: &mut Newest) {
        let size = u64::from(sent.size);
        if sent.state == State::Outstanding {
            self.in_flight = self.in_flight.saturating_sub(size);
        }
        // The payload of a chunk acknowledged in a gap is counted by the caller, which keeps it.
        self.outstanding = self.outstanding.saturating_sub(sent.payload.len() as u64);
        if sent.state == State::Abandoned {
            return;
        }
        newest.acked += size;
        if sent.transmissions > 1 || now - sent.sent_at <= newest.late {
            self.delivered += size;
            self.delivered_at = now;
        }
        if sent.transmissions == 1 {
            // RFC 8985 §6.2 step 3: an original that arrives after later ones has been overtaken.
            if seq < self.rack.seq && sent.sent_at < self.rack.sent_at {
                self.rack.reordering_seen = true;
            }
        } else if now - sent.sent_at < newest.soonest {
            // The original had only been late, and was sent again for nothing (RFC 3522). It says nothing of this transmission.
            self.rack.reordering_seen = true;
            return;
        }
        if newest.seen.is_none_or(|n| (sent.sent_at, seq) > (n.sent_at, n.seq)) {
            newest.seen = Some(Snapshot {
                seq,
                sent_at: sent.sent_at,
                delivered: sent.delivered,
                delivered_at: sent.delivered_at,
                first_sent_at: sent.first_sent_at,
                app_limited: sent.app_limited,
                uncertain: sent.uncertain,
                retransmitted: sent.transmissions > 1,
            });
        }
    }

    fn finish_sack(&mut self, now: Nanos, advanced: bool, newest: Newest, rtt: &mut Rtt) -> SackResult {
        let mut result = SackResult {
            acked: newest.acked,
            prior_in_flight: newest.prior_in_flight,
            advanced,
            ..SackResult::default()
        };
        let Some(seen) = newest.seen else { return result };
        let sample = now.saturating_sub(seen.sent_at);
        // What lies below something acknowledged may have come long ago, if a SACK had no room to say so.
        if !seen.retransmitted && seen.seq > newest.prior_highest {
            rtt.update(sample);
            result.rtt = Some(sample);
            self.rack.certain = (sample, now);
        }
        if (seen.sent_at, seen.seq) > (self.rack.sent_at, self.rack.seq) {
            self.rack.sent_at = seen.sent_at;
            self.rack.seq = seen.seq;
        }
        self.rack.rtt = sample;
        self.first_sent_at = seen.sent_at;
        let send_elapsed = seen.sent_at.saturating_sub(seen.first_sent_at);
        let ack_elapsed = now.saturating_sub(seen.delivered_at);
        let interval = send_elapsed.max(ack_elapsed);
        if interval > 0 && (interval >= rtt.min || seen.retransmitted) {
            result.rate = Some(RateSample {
                delivered: self.delivered - seen.delivered,
                interval: Duration::from_nanos(interval.max(rtt.min.min(SANE_RTT))),
                prior_delivered: seen.delivered,
                app_limited: seen.app_limited,
                uncertain: seen.uncertain,
            });
        }
        if seen.delivered >= self.round_end {
            self.round += 1;
            self.round_end = self.delivered;
        }
        result
    }

    /// The receiver has thrown away what it had acknowledged in gaps (RFC 9260 §6.2.1): it goes again.
    fn renege(&mut self) {
        self.sacked.clear();
        for (at, sent) in self.ring.iter_mut().enumerate() {
            if sent.state == State::Acked {
                sent.state = State::Lost;
                self.outstanding += sent.payload.len() as u64;
                self.lost.push_back(self.base + at as u64);
            }
        }
    }

    /// A TSN that came twice was sent again for nothing (RFC 8985 §6.2 step 4, RFC 3708).
    fn note_doubles(&mut self, sack: &Sack<'_>) {
        let doubles = sack.doubles() as i64;
        if doubles == 0 {
            return;
        }
        if let Some(undo) = &mut self.undo {
            *undo -= doubles;
            self.rack.reordering_seen |= self.retransmissions > 0;
        }
        if self.retransmissions > 0 {
            self.rack.widen(self.round);
        }
    }

    /// Whether all retransmissions of the last recovery were needless. True once.
    pub(crate) fn take_undo(&mut self) -> bool {
        if self.undo.is_some_and(|undo| undo <= 0) && self.recovery.is_none() {
            self.undo = None;
            return true;
        }
        false
    }

    fn sacked_chunks_at_least(&self, n: u64) -> bool {
        let mut count = 0;
        self.sacked.iter().any(|run| {
            count += run.end() - run.start() + 1;
            count >= n
        })
    }

    /// Finds what is lost by now; returns its bytes. Sets the deadline for what may soon be (RFC 8985 §6.2 step 5).
    pub(crate) fn detect_losses(&mut self, now: Nanos, rtt: &Rtt) -> u64 {
        self.rack_deadline = None;
        if self.rack.sent_at == 0 && self.rack.seq == 0 {
            return 0;
        }
        let mut lost = 0;
        while let Some(&entry) = self.untold.front().filter(|entry| !self.is_hidden(entry.0)) {
            self.untold.pop_front();
            if self.is_current(entry, State::Untold) {
                lost += self.mark_lost(entry.0);
            }
        }
        let strict = self.recovery.is_some() || self.sacked_chunks_at_least(3);
        let patience = self.rack.rtt + self.rack.reordering_window(strict, rtt);
        while let Some(&entry) = self.log.front() {
            let (seq, sent_at, _) = entry;
            if self.is_current(entry, State::Outstanding) {
                if (sent_at, seq) >= (self.rack.sent_at, self.rack.seq) {
                    break;
                }
                let due = sent_at + patience;
                if due > now {
                    self.rack_deadline = Some(due);
                    break;
                }
                if self.is_hidden(seq) {
                    self.hide(entry);
                } else {
                    lost += self.mark_lost(seq);
                }
            }
            self.log.pop_front();
        }
        lost
    }

    /// Whether a chunk is in `state` by this very transmission.
    fn is_current(&self, (seq, sent_at, transmission): (u64, Nanos, u16), state: State) -> bool {
        self.get(seq).map(|s| (s.state, s.transmissions, s.sent_at)) == Some((state, transmission, sent_at))
    }

    /// Whether a chunk may have come although the last SACK does not say so.
    fn is_hidden(&self, seq: u64) -> bool {
        self.sack_is_full && seq > self.highest
    }

    /// Sets a chunk that should have come by now aside until a SACK tells of it.
    fn hide(&mut self, entry: (u64, Nanos, u16)) {
        let Some(sent) = self.get_mut(entry.0) else { return };
        sent.state = State::Untold;
        let size = u64::from(sent.size);
        self.in_flight = self.in_flight.saturating_sub(size);
        self.untold.push_back(entry);
    }

    fn mark_lost(&mut self, seq: u64) -> u64 {
        let Some(sent) = self.get_mut(seq) else { return 0 };
        let was = std::mem::replace(&mut sent.state, State::Lost);
        let size = u64::from(sent.size);
        if was == State::Outstanding {
            self.in_flight = self.in_flight.saturating_sub(size);
        }
        self.lost.push_back(seq);
        size
    }

    /// Begins a recovery unless one is under way; whether it did.
    pub(crate) fn begin_recovery(&mut self) -> bool {
        if self.recovery.is_some() {
            return false;
        }
        self.recovery = Some(self.next());
        self.undo = Some(0);
        true
    }

    /// Ends the recovery if all that it was about has arrived; whether it did.
    pub(crate) fn end_recovery(&mut self) -> bool {
        if self.recovery.is_none_or(|end| self.base < end) {
            return false;
        }
        self.recovery = None;
        self.rack.recovered();
        true
    }

    pub(crate) fn rack_deadline(&self) -> Option<Nanos> {
        self.rack_deadline
    }

    /// Whether a chunk's message is given up, or is to be now that the chunk would have to go again (RFC 3758 §3.5 A).
    fn give_up(&mut self, now: Nanos, seq: u64) -> bool {
        let Some(sent) = self.get(seq) else { return false };
        let (record, transmissions, stream) = (sent.record, sent.transmissions, sent.stream);
        let Some(r) = self.records.all.get_mut(&record).filter(|_| record != 0) else { return false };
        if !r.abandoned {
            r.abandoned = r.reliability.expires <= now || transmissions > r.reliability.max_retransmissions;
            if !r.abandoned {
                return false;
            }
            if !r.complete {
                self.cut.push((stream, record));
            }
        }
        if let Some(sent) = self.get_mut(seq) {
            let was = std::mem::replace(&mut sent.state, State::Abandoned);
            let (size, len) = (u64::from(sent.size), sent.payload.len() as u64);
            sent.payload = Bytes::new();
            if was == State::Outstanding {
                self.in_flight = self.in_flight.saturating_sub(size);
            }
            self.outstanding = self.outstanding.saturating_sub(len);
        }
        true
    }

    /// Messages that were given up before all of them was sent: the rest must be dropped.
    pub(crate) fn take_cut(&mut self) -> Vec<(StreamId, u32)> {
        std::mem::take(&mut self.cut)
    }

    /// Moves the point up to which nothing more needs to arrive (RFC 3758 §3.5 C1 to C3); whether the peer must be told.
    pub(crate) fn advance(&mut self, now: Nanos) -> bool {
        loop {
            let seq = self.forward + 1;
            let Some(sent) = self.get(seq) else { break };
            let gone = match sent.state {
                State::Abandoned => true,
                State::Acked => self.forward >= self.base,
                _ if sent.record == 0 => false,
                // What is still on its way is waited for, unless its time is up or the rest of its message was given up.
                State::Outstanding | State::Untold => {
                    let expired = self.records.all.get(&sent.record).is_some_and(|r| r.reliability.expires <= now);
                    (expired || self.records.is_abandoned(sent.record)) && self.give_up(now, seq)
                }
                State::Lost => self.give_up(now, seq),
            };
            if !gone {
                break;
            }
            self.forward = seq;
        }
        self.must_forward()
    }

    /// The first chunk has been given up and the peer has not confirmed that.
    pub(crate) fn must_forward(&self) -> bool {
        self.forward >= self.base && self.ring.front().is_some_and(|s| s.state == State::Abandoned)
    }

    /// What a FORWARD TSN says: the new cumulative TSN, and per stream the last message given up; at most `most` streams (then the TSN is lower).
    pub(crate) fn forward_point(&self, interleaved: bool, most: usize) -> (u64, Vec<Skipped>) {
        let mut last: BTreeMap<(u16, bool), u32> = BTreeMap::new();
        let mut point = self.base - 1;
        while point < self.forward {
            let Some(sent) = self.get(point + 1) else { break };
            if sent.state == State::Abandoned && (interleaved || !sent.unordered) {
                let key = (sent.stream.0, interleaved && sent.unordered);
                if !last.contains_key(&key) && last.len() >= most {
                    break;
                }
                // The ring is in the order of messages of a stream, so the last one wins.
                last.insert(key, sent.mid);
            }
            point += 1;
        }
        let skipped = last.into_iter().map(|((stream, unordered), mid)| {
            let stream = StreamId(stream);
            if interleaved {
                Skipped::Message { stream, unordered, mid }
            } else {
                Skipped::Stream { stream, ssn: mid as u16 }
            }
        });
        (point, skipped.collect())
    }

    /// When the first message in flight expires, if that could move the point of [`InFlight::advance`].
    pub(crate) fn first_expiry(&self) -> Option<Nanos> {
        let front = self.ring.front().filter(|s| s.record != 0 && s.state != State::Abandoned)?;
        self.records.all.get(&front.record).map(|r| r.reliability.expires).filter(|at| *at != Nanos::MAX)
    }

    /// The largest chunk at the front, in bytes on the wire.
    pub(crate) fn head_size(&self) -> usize {
        self.ring.front().map_or(0, |s| usize::from(s.size))
    }
}

/// Above this a first round trip is not taken as the shortest possible interval of a rate.
const SANE_RTT: Nanos = 500 * MILLIS;

#[derive(Clone, Copy, Debug)]
struct Snapshot {
    seq: u64,
    sent_at: Nanos,
    delivered: u64,
    delivered_at: Nanos,
    first_sent_at: Nanos,
    app_limited: bool,
    uncertain: bool,
    retransmitted: bool,
}

/// The most recently sent of the chunks that a SACK newly acknowledges.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    /// See [`Rack::soonest`].
    soonest: Nanos,
    /// See [`Rack::late`].
    late: Nanos,
    /// The highest TSN acknowledged before.
    prior_highest: u64,
    acked: u64,
    prior_in_flight: u64,
    seen: Option<Snapshot>,
}
