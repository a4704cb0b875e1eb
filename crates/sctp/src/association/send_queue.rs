//! Messages that wait for being sent, stream by stream, and whose turn it is.

use crate::{StreamId, time::Nanos};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a message is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendOptions {
    /// It need not wait for other messages of its stream at the peer.
    pub unordered: bool,
    /// Given up after this time, if the peer supports that (RFC 3758).
    pub lifetime: Option<std::time::Duration>,
    /// Given up after so many retransmissions, if the peer supports that (RFC 7496 §3.2).
    pub max_retransmissions: Option<u16>,
}

/// When a message may be given up; for one of which pieces are on their way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reliability {
    pub(crate) expires: Nanos,
    pub(crate) max_retransmissions: u16,
}

impl Reliability {
    pub(crate) const FULL: Reliability = Reliability { expires: Nanos::MAX, max_retransmissions: u16::MAX };

    pub(crate) fn is_full(&self) -> bool {
        self.expires == Nanos::MAX && self.max_retransmissions == u16::MAX
    }
}

#[derive(Debug)]
struct Message {
    /// What has not been cut off yet.
    payload: Bytes,
    ppid: u32,
    unordered: bool,
    begun: bool,
    /// Its bytes are part of the stream's buffered amount.
    counts: bool,
    reliability: Reliability,
    /// Its number in the stream, once begun.
    mid: u32,
    fsn: u32,
    record: u32,
}

/// The weight of a stream without one: that of a channel with low priority (RFC 8831 §6.4).
const DEFAULT_WEIGHT: u16 = 256;

#[derive(Debug)]
struct Stream {
    queue: VecDeque<Message>,
    next_ordered: u32,
    next_unordered: u32,
    weight: u16,
    /// Bytes sent over weight: the stream with the least is served next.
    virtual_time: u64,
    buffered: usize,
    low_water: usize,
    /// Messages wait while the stream is reset.
    held: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Stream {
            queue: VecDeque::new(),
            next_ordered: 0,
            next_unordered: 0,
            weight: DEFAULT_WEIGHT,
            virtual_time: 0,
            buffered: 0,
            low_water: 0,
            held: false,
        }
    }
}

/// A piece of a message, cut to size.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) stream: StreamId,
    pub(crate) payload: Bytes,
    pub(crate) ppid: u32,
    pub(crate) mid: u32,
    pub(crate) fsn: u32,
    pub(crate) begin: bool,
    pub(crate) end: bool,
    pub(crate) unordered: bool,
    /// The record of a message that may be given up, 0 for none; see [`super::in_flight::Records`].
    pub(crate) record: u32,
    /// The stream has fallen to its low-water mark with this piece.
    pub(crate) low: bool,
}

/// What a look at the next message found.
pub(crate) enum Next {
    /// Nothing waits.
    Empty,
    /// The piece that goes next would have fewer bytes than asked for.
    TooSmall,
    /// The piece.
    Piece(Piece),
}

/// All streams' queues.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    streams: BTreeMap<u16, Stream>,
    /// Streams with messages, by virtual time, but for `current`.
    waiting: BTreeSet<(u64, u16)>,
    current: Option<u16>,
    virtual_time: u64,
    buffered: usize,
    /// Messages with a lifetime, so that those that expire in the queue are dropped.
    dropped: Vec<StreamId>,
}

impl SendQueue {
    /// Bytes that wait.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    pub(crate) fn buffered_on(&self, stream: StreamId) -> usize {
        self.streams.get(&stream.0).map_or(0, |s| s.buffered)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    pub(crate) fn has_messages(&self, stream: StreamId) -> bool {
        self.streams.get(&stream.0).is_some_and(|s| !s.queue.is_empty())
    }

    pub(crate) fn set_low_water(&mut self, stream: StreamId, bytes: usize) {
        self.streams.entry(stream.0).or_default().low_water = bytes;
    }

    pub(crate) fn set_weight(&mut self, stream: StreamId, weight: u16) {
        self.streams.entry(stream.0).or_default().weight = weight.max(1);
    }

    /// Streams on which a message was dropped because it expired before it was sent, and that have fallen to their low-water mark by it.
    pub(crate) fn take_dropped(&mut self) -> Vec<StreamId> {
        std::mem::take(&mut self.dropped)
    }

    pub(crate) fn push(
        &mut self,
        stream: StreamId,
        payload: Bytes,
        ppid: u32,
        unordered: bool,
        reliability: Reliability,
        counts: bool,
    ) {
        let s = self.streams.entry(stream.0).or_default();
        self.buffered += payload.len();
        s.buffered += if counts { payload.len() } else { 0 };
        let idle = s.queue.is_empty();
        s.queue.push_back(Message {
            payload,
            ppid,
            unordered,
            begun: false,
            counts,
            reliability,
            mid: 0,
            fsn: 0,
            record: 0,
        });
        if idle && !s.held {
            self.activate(stream.0);
        }
    }

    fn activate(&mut self, id: u16) {
        let Some(s) = self.streams.get_mut(&id) else { return };
        s.virtual_time = s.virtual_time.max(self.virtual_time);
        if self.current.is_none() {
            self.current = Some(id);
        } else if self.current != Some(id) {
            self.waiting.insert((s.virtual_time, id));
        }
    }

    fn deactivate(&mut self, id: u16) {
        if self.current == Some(id) {
            self.current = self.waiting.pop_first().map(|(_, id)| id);
        } else if let Some(s) = self.streams.get(&id) {
            self.waiting.remove(&(s.virtual_time, id));
        }
    }

    /// Cuts off the next piece, of `most` bytes at most. If that is not the rest of its message, it must have `least` bytes.
    ///
    /// Without `interleaved` a message that has begun goes on to its end (RFC 9260 §6.9). `record` makes records of messages that may be given up.
    pub(crate) fn next(
        &mut self,
        now: Nanos,
        most: usize,
        least: usize,
        interleaved: bool,
        mut record: impl FnMut(Reliability) -> u32,
    ) -> Next {
        loop {
            let Some(id) = self.current else { return Next::Empty };
            let Some(s) = self.streams.get_mut(&id) else { return Next::Empty };
            let Some(message) = s.queue.front_mut() else {
                self.deactivate(id);
                continue;
            };
            if message.reliability.expires <= now && !message.begun {
                let (len, counts) = (message.payload.len(), message.counts);
                s.queue.pop_front();
                self.taken(id, len, counts, true);
                continue;
            }
            let rest = message.payload.len();
            if rest > most && most < least {
                return Next::TooSmall;
            }
            let begin = !message.begun;
            if begin {
                message.begun = true;
                let counter = if message.unordered { &mut s.next_unordered } else { &mut s.next_ordered };
                // Unordered messages have numbers of their own only in I-DATA.
                message.mid = *counter;
                *counter = counter.wrapping_add(1);
                if !message.reliability.is_full() {
                    message.record = record(message.reliability);
                }
            }
            let len = rest.min(most);
            let end = len == rest;
            let payload = if end { std::mem::take(&mut message.payload) } else { message.payload.split_to(len) };
            let mut piece = Piece {
                stream: StreamId(id),
                payload,
                ppid: message.ppid,
                mid: message.mid,
                fsn: message.fsn,
                begin,
                end,
                unordered: message.unordered,
                record: message.record,
                low: false,
            };
            message.fsn = message.fsn.wrapping_add(1);
            let counts = message.counts;
            if end {
                s.queue.pop_front();
            }
            // Start-time fair queueing: the clock is where the stream stands that is being served.
            self.virtual_time = self.virtual_time.max(s.virtual_time);
            s.virtual_time += ((len as u64 + 32) << 10) / u64::from(s.weight);
            piece.low = self.taken(id, len, counts, false);
            self.turn(id, end || interleaved);
            return Next::Piece(piece);
        }
    }

    /// `len` bytes of a stream wait no more; whether its low-water mark was reached by that.
    fn taken(&mut self, id: u16, len: usize, counts: bool, dropped: bool) -> bool {
        self.buffered = self.buffered.saturating_sub(len);
        let Some(s) = self.streams.get_mut(&id) else { return false };
        let before = s.buffered;
        s.buffered = before.saturating_sub(if counts { len } else { 0 });
        let low = before > s.low_water && s.buffered <= s.low_water;
        if dropped && low {
            self.dropped.push(StreamId(id));
        }
        low
    }

    /// After a piece of stream `id`: lets another stream have its turn if it is due and `may_change`.
    fn turn(&mut self, id: u16, may_change: bool) {
        let Some(s) = self.streams.get(&id) else { return };
        if s.queue.is_empty() {
            self.current = self.waiting.pop_first().map(|(_, id)| id);
        } else if may_change && self.waiting.first().is_some_and(|first| first.0 < s.virtual_time) {
            self.waiting.insert((s.virtual_time, id));
            self.current = self.waiting.pop_first().map(|(_, id)| id);
        }
    }

    /// The rest of a message that was given up need not be sent. Whether the stream has fallen to its low-water mark by that.
    pub(crate) fn drop_rest(&mut self, stream: StreamId, record: u32) -> bool {
        let Some(s) = self.streams.get_mut(&stream.0) else { return false };
        let Some(message) = s.queue.front().filter(|m| m.begun && m.record == record) else { return false };
        let (len, counts) = (message.payload.len(), message.counts);
        s.queue.pop_front();
        let empty = s.queue.is_empty();
        let low = self.taken(stream.0, len, counts, false);
        if empty {
            self.deactivate(stream.0);
        }
        low
    }

    /// The number of the next message of a stream that is being reset waits until that is done; what has begun goes on.
    pub(crate) fn hold(&mut self, stream: StreamId) {
        self.deactivate(stream.0);
        self.streams.entry(stream.0).or_default().held = true;
    }

    /// The reset is done, or refused (`restart` is false): the stream goes on.
    pub(crate) fn release(&mut self, stream: StreamId, restart: bool) {
        let Some(s) = self.streams.get_mut(&stream.0) else { return };
        if restart {
            s.next_ordered = 0;
            s.next_unordered = 0;
        }
        let was_held = std::mem::replace(&mut s.held, false);
        if s.queue.is_empty() {
            if restart && s.low_water == 0 && s.weight == DEFAULT_WEIGHT {
                self.streams.remove(&stream.0);
            }
        } else if was_held {
            self.activate(stream.0);
        }
    }

    /// The peer does not know partial reliability: nothing may be given up.
    pub(crate) fn make_reliable(&mut self) {
        for message in self.streams.values_mut().flat_map(|s| s.queue.iter_mut()) {
            message.reliability = Reliability::FULL;
        }
    }

    /// Everything starts anew with message number 0 (the peer has restarted, RFC 9260 §5.2.4.1); messages that were sent in part are lost.
    pub(crate) fn restart(&mut self) {
        self.waiting.clear();
        self.current = None;
        let ids: Vec<u16> = self.streams.keys().copied().collect();
        for id in ids {
            let Some(s) = self.streams.get_mut(&id) else { continue };
            if let Some(begun) = s.queue.front().is_some_and(|m| m.begun).then(|| s.queue.pop_front()).flatten() {
                s.buffered -= if begun.counts { begun.payload.len() } else { 0 };
                self.buffered -= begun.payload.len();
            }
            s.next_ordered = 0;
            s.next_unordered = 0;
            s.held = false;
            if !s.queue.is_empty() {
                self.activate(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(messages: &[(u16, usize)]) -> SendQueue {
        let mut queue = SendQueue::default();
        for (stream, len) in messages {
            queue.push(StreamId(*stream), vec![0; *len].into(), 51, false, Reliability::FULL, true);
        }
        queue
    }

    fn drain(queue: &mut SendQueue, most: usize, interleaved: bool) -> Vec<(u16, u32, u32)> {
        let mut out = Vec::new();
        while let Next::Piece(p) = queue.next(0, most, 1, interleaved, |_| 0) {
            out.push((p.stream.0, p.mid, p.fsn));
        }
        assert_eq!(queue.buffered(), 0);
        out
    }

    /// RFC 9260 §6.9: without I-DATA the pieces of a message are not torn apart; the streams take turns by messages.
    #[test]
    fn whole_messages_take_turns_without_interleaving() {
        let mut q = queue(&[(1, 250), (1, 100), (2, 250)]);
        assert_eq!(
            drain(&mut q, 100, false),
            [(1, 0, 0), (1, 0, 1), (1, 0, 2), (2, 0, 0), (2, 0, 1), (2, 0, 2), (1, 1, 0)]
        );
    }

    /// RFC 8260 §3.2: with I-DATA a small message passes a large one.
    #[test]
    fn pieces_take_turns_with_interleaving() {
        let mut q = queue(&[(1, 300), (2, 100)]);
        assert_eq!(drain(&mut q, 100, true), [(1, 0, 0), (2, 0, 0), (1, 0, 1), (1, 0, 2)]);
    }

    /// RFC 8260 §3.6: bandwidth follows the weights.
    #[test]
    fn weights_share_the_path() {
        let mut q = queue(&[(1, 100_000), (2, 100_000)]);
        q.set_weight(StreamId(1), 128);
        q.set_weight(StreamId(2), 1024);
        let mut count = [0; 3];
        for _ in 0..180 {
            let Next::Piece(p) = q.next(0, 100, 1, true, |_| 0) else { panic!() };
            count[usize::from(p.stream.0)] += 1;
        }
        assert!((18..=22).contains(&count[1]), "{count:?}");
    }

    /// A stream that was silent does not get the time back that it did not use.
    #[test]
    fn silence_is_not_saved_up() {
        let mut q = queue(&[(1, 1_000_000)]);
        for _ in 0..5000 {
            q.next(0, 100, 1, true, |_| 0);
        }
        q.push(StreamId(2), vec![0; 100_000].into(), 51, false, Reliability::FULL, true);
        let mut twos = 0;
        for _ in 0..100 {
            let Next::Piece(p) = q.next(0, 100, 1, true, |_| 0) else { panic!() };
            twos += usize::from(p.stream.0 == 2);
        }
        assert!((49..=51).contains(&twos), "{twos}");
    }

    #[test]
    fn the_low_water_mark_is_crossed_once() {
        let mut q = queue(&[(1, 300)]);
        q.set_low_water(StreamId(1), 100);
        let low: Vec<bool> = (0..3)
            .map(|_| match q.next(0, 100, 1, true, |_| 0) {
                Next::Piece(p) => p.low,
                _ => panic!(),
            })
            .collect();
        assert_eq!(low, [false, true, false]);
    }

    #[test]
    fn a_held_stream_waits_and_starts_anew() {
        let mut q = queue(&[(1, 100)]);
        assert_eq!(drain(&mut q, 100, true), [(1, 0, 0)]);
        q.hold(StreamId(1));
        q.push(StreamId(1), vec![0; 10].into(), 51, false, Reliability::FULL, true);
        assert!(matches!(q.next(0, 100, 1, true, |_| 0), Next::Empty));
        q.release(StreamId(1), true);
        assert_eq!(drain(&mut q, 100, true), [(1, 0, 0)]);
    }
}
