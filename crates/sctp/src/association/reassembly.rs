//! Pieces become messages (RFC 9260 §6.9, RFC 8260 §2.2.3), and messages come out in the order of their stream.
//!
//! Pieces that follow each other are a run. A run that begins a message is one buffer, which grows in place; other runs keep their pieces until the beginning
//! comes. So each byte is copied once when it comes in order, and at most twice otherwise.

use super::Message;
use crate::{
    StreamId,
    packet::{Data, Placement, Skipped},
    serial::near,
};
use bytes::{Bytes, BytesMut};
use std::collections::{BTreeMap, VecDeque};

/// Names the place of a piece so that the next piece of the same message has the next number.
///
/// I-DATA: stream, order, message, piece. DATA: the TSN.
type Key = u128;

/// Small messages are cut from blocks of so many bytes, so that they need no allocation each.
const BLOCK: usize = 16 * 1024;
/// So much is reserved for a message at once when the one before it was as large.
const MOST_RESERVED: usize = 1 << 20;

/// What a piece or message that waits costs beside its bytes, so that many small ones do not cost more memory than the window says.
const OVERHEAD: usize = 64;
/// More unfinished messages than this at once are an attack.
const MOST_RUNS: usize = 10_000;

#[derive(Debug)]
struct Run {
    /// The key of the last piece.
    last: Key,
    begins: bool,
    ends: bool,
    ppid: u32,
    stream: StreamId,
    unordered: bool,
    /// Number in the stream, without wrapping.
    message: u64,
    /// The beginning of a message, contiguous.
    head: BytesMut,
    /// Pieces of a run that does not begin its message.
    pieces: VecDeque<Bytes>,
    len: usize,
    /// What it was counted for in [`Reassembly::waiting`].
    waiting: usize,
}

#[derive(Debug, Default)]
struct Stream {
    /// The next ordered message; and the highest unordered message that was skipped.
    next: u64,
    next_unordered: u64,
    /// Complete messages that wait for those before them.
    ready: BTreeMap<u64, (u32, Bytes)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    runs: BTreeMap<Key, Run>,
    streams: BTreeMap<u16, Stream>,
    /// Messages in order, for the program.
    complete: Vec<Message>,
    /// Bytes in messages of which the beginning is here: they wait for their rest only.
    partial: usize,
    /// Bytes that wait for something that came earlier.
    waiting: usize,
    block: BytesMut,
    last_len: usize,
}

/// A piece or a message breaks the limits; the association must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl Reassembly {
    /// Bytes of messages that have begun.
    pub(crate) fn partial(&self) -> usize {
        self.partial
    }

    /// Bytes that cannot be used before something else comes.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether there are complete messages.
    pub(crate) fn take_complete(&mut self) -> std::vec::Drain<'_, Message> {
        self.complete.drain(..)
    }

    /// Takes a piece that has not come before; `tsn` is its number without wrapping.
    pub(crate) fn add(&mut self, tsn: u64, data: &Data<'_>, limit: usize) -> Result<(), TooLarge> {
        if data.begin && data.end {
            let message = self.number(data);
            let payload = self.copy(data.payload);
            self.deliver(data.stream, data.unordered, message, data.ppid, payload);
            return Ok(());
        }
        let (key, message) = self.key(tsn, data);
        // The run that this piece continues.
        if !data.begin
            && let Some((&start, run)) = self.runs.range_mut(..key).next_back()
            && run.last + 1 == key
            && !run.ends
            && run.stream == data.stream
        {
            run.append(key, data);
            if run.begins {
                self.partial += data.payload.len();
            } else {
                self.waiting += data.payload.len() + OVERHEAD;
                run.waiting += data.payload.len() + OVERHEAD;
            }
            return self.grown(start, limit);
        }
        let mut run = Run {
            last: key,
            begins: data.begin,
            ends: data.end,
            ppid: data.ppid,
            stream: data.stream,
            unordered: data.unordered,
            message,
            head: BytesMut::new(),
            pieces: VecDeque::new(),
            len: data.payload.len(),
            waiting: 0,
        };
        if self.runs.len() >= MOST_RUNS {
            return Err(TooLarge);
        }
        if data.begin {
            let few = self.runs.len() < 64;
            run.head.reserve(if few { self.last_len.min(MOST_RESERVED) } else { 0 }.max(data.payload.len()));
            run.head.extend_from_slice(data.payload);
            self.partial += run.len;
        } else {
            run.pieces.push_back(Bytes::copy_from_slice(data.payload));
            run.waiting = run.len + OVERHEAD;
            self.waiting += run.waiting;
        }
        self.runs.insert(key, run);
        self.grown(key, limit)
    }

    /// The run that starts at `start` has got longer at its end: joins it with the next one, and delivers it if it is complete.
    fn grown(&mut self, start: Key, limit: usize) -> Result<(), TooLarge> {
        let Some(run) = self.runs.get(&start) else { return Ok(()) };
        let follows = run.last + 1;
        let joins = !run.ends && self.runs.len() > 1;
        if joins
            && self.runs.get(&follows).is_some_and(|next| !next.begins && next.stream == run.stream)
            && let Some(next) = self.runs.remove(&follows)
            && let Some(run) = self.runs.get_mut(&start)
        {
            if run.begins {
                self.waiting = self.waiting.saturating_sub(next.waiting);
                self.partial += next.len;
            } else {
                run.waiting += next.waiting;
            }
            run.join(next);
        }
        let Some(run) = self.runs.get(&start) else { return Ok(()) };
        if run.len > limit {
            return Err(TooLarge);
        }
        if !(run.begins && run.ends) {
            return Ok(());
        }
        if let Some(run) = self.runs.remove(&start) {
            self.partial = self.partial.saturating_sub(run.len);
            self.last_len = run.len;
            self.deliver(run.stream, run.unordered, run.message, run.ppid, run.head.freeze());
        }
        Ok(())
    }

    fn copy(&mut self, payload: &[u8]) -> Bytes {
        if payload.len() > BLOCK / 16 {
            return Bytes::copy_from_slice(payload);
        }
        if self.block.capacity() - self.block.len() < payload.len() {
            self.block = BytesMut::with_capacity(BLOCK);
        }
        self.block.extend_from_slice(payload);
        self.block.split().freeze()
    }

    /// A message's number in its stream, without wrapping.
    fn number(&self, data: &Data<'_>) -> u64 {
        let stream = self.streams.get(&data.stream.0);
        let (next, next_unordered) = stream.map_or((0, 0), |s| (s.next, s.next_unordered));
        match data.placement {
            Placement::Stream { ssn } => near(next.max(1 << 16), u32::from(ssn), 16),
            Placement::Message { mid, .. } => {
                near(if data.unordered { next_unordered } else { next }.max(1 << 32), mid, 32)
            }
        }
    }

    fn key(&self, tsn: u64, data: &Data<'_>) -> (Key, u64) {
        let message = self.number(data);
        match data.placement {
            Placement::Stream { .. } => (Key::from(tsn), message),
            Placement::Message { fsn, .. } => {
                (message_key(data.stream, data.unordered, message) | Key::from(fsn), message)
            }
        }
    }

    fn deliver(&mut self, stream: StreamId, unordered: bool, message: u64, ppid: u32, payload: Bytes) {
        if unordered {
            self.complete.push(Message { stream, ppid, unordered, payload });
            return;
        }
        let s = self.streams.entry(stream.0).or_default();
        let turn = 1 << if message >= 1 << 32 { 32 } else { 16 };
        if s.next == 0 {
            s.next = turn;
        }
        if message != s.next {
            // One that was skipped and comes all the same counts for nothing.
            if message > s.next {
                self.waiting += payload.len() + OVERHEAD;
                s.ready.insert(message, (ppid, payload));
            }
            return;
        }
        s.next += 1;
        self.complete.push(Message { stream, ppid, unordered, payload });
        self.release(stream);
    }

    /// Delivers what was waiting for its turn.
    fn release(&mut self, stream: StreamId) {
        let Some(s) = self.streams.get_mut(&stream.0).filter(|s| !s.ready.is_empty()) else { return };
        while let Some((ppid, payload)) = s.ready.remove(&s.next) {
            s.next += 1;
            self.waiting = self.waiting.saturating_sub(payload.len() + OVERHEAD);
            self.complete.push(Message { stream, ppid, unordered: false, payload });
        }
    }

    /// The sender has given up all up to `cumulative`, and these messages (RFC 3758 §3.6, RFC 8260 §2.3.1).
    pub(crate) fn skip(&mut self, cumulative: u64, skipped: impl Iterator<Item = Skipped>) {
        for entry in skipped {
            match entry {
                Skipped::Stream { stream, ssn } => {
                    let s = self.streams.entry(stream.0).or_default();
                    s.next = s.next.max(1 << 16);
                    let last = near(s.next, u32::from(ssn), 16);
                    self.skip_ordered(stream, last);
                }
                Skipped::Message { stream, unordered, mid } => {
                    let s = self.streams.entry(stream.0).or_default();
                    let from = if unordered { s.next_unordered } else { s.next }.max(1 << 32);
                    let last = near(from, mid, 32);
                    if unordered {
                        s.next_unordered = from.max(last + 1);
                    } else {
                        s.next = from;
                    }
                    let keys = message_key(stream, unordered, 0)..message_key(stream, unordered, last + 1);
                    self.remove_runs(keys);
                    if !unordered {
                        self.skip_ordered(stream, last);
                    }
                }
            }
        }
        // DATA: the pieces up to the cumulative TSN will never be whole. Keys of I-DATA lie far above.
        self.remove_runs(0..Key::from(cumulative) + 1);
    }

    /// Ordered messages up to `last` will not come, but for those that have.
    fn skip_ordered(&mut self, stream: StreamId, last: u64) {
        let Some(s) = self.streams.get_mut(&stream.0) else { return };
        if last < s.next {
            return;
        }
        let later = s.ready.split_off(&(last + 1));
        for (_, (ppid, payload)) in std::mem::replace(&mut s.ready, later) {
            self.waiting = self.waiting.saturating_sub(payload.len() + OVERHEAD);
            self.complete.push(Message { stream, ppid, unordered: false, payload });
        }
        s.next = last + 1;
        self.release(stream);
    }

    fn remove_runs(&mut self, keys: std::ops::Range<Key>) {
        while let Some((&key, _)) = self.runs.range(keys.clone()).next() {
            if let Some(run) = self.runs.remove(&key) {
                if run.begins {
                    self.partial = self.partial.saturating_sub(run.len);
                } else {
                    self.waiting = self.waiting.saturating_sub(run.waiting);
                }
            }
        }
    }

    /// The peer starts these streams anew (RFC 6525 §5.2.2), all of them if `streams` is `None`.
    pub(crate) fn reset(&mut self, stream: Option<StreamId>) {
        let ids: Vec<u16> = match stream {
            Some(stream) => vec![stream.0],
            None => self.streams.keys().copied().collect(),
        };
        for id in ids {
            for unordered in [false, true] {
                let keys = message_key(StreamId(id), unordered, 0)..message_key(StreamId(id), unordered, u64::MAX);
                self.remove_runs(keys);
            }
            if let Some(s) = self.streams.remove(&id) {
                let waited: usize = s.ready.values().map(|(_, payload)| payload.len() + OVERHEAD).sum();
                self.waiting = self.waiting.saturating_sub(waited);
            }
        }
    }
}

/// Keys of I-DATA: above all TSNs.
fn message_key(stream: StreamId, unordered: bool, message: u64) -> Key {
    1 << 127 | Key::from(stream.0) << 97 | Key::from(unordered) << 96 | Key::from(message) << 32
}

impl Run {
    fn append(&mut self, key: Key, data: &Data<'_>) {
        self.last = key;
        self.ends = data.end;
        self.len += data.payload.len();
        if self.begins {
            self.head.extend_from_slice(data.payload);
        } else {
            self.pieces.push_back(Bytes::copy_from_slice(data.payload));
        }
    }

    /// Takes the run that follows this one.
    fn join(&mut self, mut next: Run) {
        self.last = next.last;
        self.ends = next.ends;
        self.len += next.len;
        if self.begins {
            self.head.reserve(next.len);
            next.pieces.iter().for_each(|piece| self.head.extend_from_slice(piece));
        } else if self.pieces.len() < next.pieces.len() {
            // The smaller list moves, so that pieces that come backwards cost no more than others.
            while let Some(piece) = self.pieces.pop_back() {
                next.pieces.push_front(piece);
            }
            self.pieces = next.pieces;
        } else {
            self.pieces.append(&mut next.pieces);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tsn;
    use proptest::prelude::*;

    fn piece(stream: u16, placement: Placement, flags: &str, payload: &[u8]) -> Data<'static> {
        Data {
            tsn: Tsn(0),
            stream: StreamId(stream),
            placement,
            ppid: 51,
            begin: flags.contains('B'),
            end: flags.contains('E'),
            unordered: flags.contains('U'),
            immediate: false,
            payload: payload.to_vec().leak(),
        }
    }

    fn ssn(ssn: u16) -> Placement {
        Placement::Stream { ssn }
    }

    fn mid(mid: u32, fsn: u32) -> Placement {
        Placement::Message { mid, fsn }
    }

    fn take(r: &mut Reassembly) -> Vec<(u16, String)> {
        r.take_complete().map(|m| (m.stream.0, String::from_utf8(m.payload.to_vec()).unwrap())).collect()
    }

    #[track_caller]
    fn add(r: &mut Reassembly, tsn: u64, data: Data<'_>) {
        r.add(tsn, &data, 1000).unwrap();
    }

    fn idle(r: &Reassembly) -> bool {
        r.partial() == 0 && r.waiting() == 0 && r.runs.is_empty()
    }

    /// RFC 9260 §6.9: any order of arrival, one message.
    #[test]
    fn pieces_in_any_order_become_a_message() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            for interleaved in [false, true] {
                let mut r = Reassembly::default();
                for at in order {
                    let flags = ["B", "", "", "E"][at];
                    let place = if interleaved { mid(0, at as u32) } else { ssn(0) };
                    add(&mut r, 10 + at as u64, piece(1, place, flags, &b"abcd"[at..=at]));
                }
                assert_eq!(take(&mut r), [(1, "abcd".into())], "{order:?}");
                assert!(idle(&r));
            }
        }
    }

    /// RFC 8260 §2.2.3: pieces of messages on different streams, and of ordered and unordered ones, mix.
    #[test]
    fn interleaved_messages_stay_apart() {
        let mut r = Reassembly::default();
        add(&mut r, 1, piece(1, mid(0, 0), "B", b"a"));
        add(&mut r, 2, piece(2, mid(0, 0), "B", b"x"));
        add(&mut r, 3, piece(1, mid(0, 0), "UB", b"u"));
        add(&mut r, 4, piece(1, mid(0, 1), "E", b"b"));
        add(&mut r, 5, piece(1, mid(0, 1), "UE", b"v"));
        add(&mut r, 6, piece(2, mid(0, 1), "E", b"y"));
        assert_eq!(take(&mut r), [(1, "ab".into()), (1, "uv".into()), (2, "xy".into())]);
        assert!(idle(&r));
    }

    /// RFC 9260 §6.5, §6.6: ordered messages wait for those before them, unordered ones do not.
    #[test]
    fn ordered_messages_wait_for_their_turn() {
        let mut r = Reassembly::default();
        add(&mut r, 3, piece(1, ssn(2), "BE", b"three"));
        add(&mut r, 2, piece(1, ssn(1), "BE", b"two"));
        add(&mut r, 4, piece(1, ssn(0), "UBE", b"now"));
        add(&mut r, 5, piece(2, ssn(0), "BE", b"else"));
        assert_eq!(take(&mut r), [(1, "now".into()), (2, "else".into())]);
        assert_eq!(r.waiting(), 8 + 2 * OVERHEAD);
        add(&mut r, 1, piece(1, ssn(0), "BE", b"one"));
        assert_eq!(take(&mut r), [(1, "one".into()), (1, "two".into()), (1, "three".into())]);
        assert!(idle(&r));
    }

    /// RFC 9260 §3.3.1: stream sequence numbers wrap after 65,535.
    #[test]
    fn numbers_wrap() {
        let mut r = Reassembly::default();
        for n in 0..70_000u64 {
            add(&mut r, n, piece(1, ssn(n as u16), "BE", b"x"));
        }
        assert_eq!(r.take_complete().count(), 70_000);
        let mut r = Reassembly::default();
        r.skip(0, [Skipped::Message { stream: StreamId(1), unordered: false, mid: 0x7fff_ffff }].into_iter());
        r.skip(0, [Skipped::Message { stream: StreamId(1), unordered: false, mid: u32::MAX - 1 }].into_iter());
        add(&mut r, 2, piece(1, mid(0, 0), "BE", b"b"));
        add(&mut r, 1, piece(1, mid(u32::MAX, 0), "BE", b"a"));
        assert_eq!(take(&mut r), [(1, "a".into()), (1, "b".into())]);
    }

    /// RFC 3758 §3.6: what was given up is skipped, what had come is delivered, what waited goes on.
    #[test]
    fn skipped_messages_let_the_next_ones_pass() {
        for interleaved in [false, true] {
            let place = |n: u32, f: u32| if interleaved { mid(n, f) } else { ssn(n as u16) };
            let mut r = Reassembly::default();
            add(&mut r, 1, piece(1, place(0, 0), "B", b"half"));
            add(&mut r, 3, piece(1, place(1, 0), "BE", b"came"));
            add(&mut r, 5, piece(1, place(3, 0), "BE", b"next"));
            let entry = if interleaved {
                Skipped::Message { stream: StreamId(1), unordered: false, mid: 2 }
            } else {
                Skipped::Stream { stream: StreamId(1), ssn: 2 }
            };
            r.skip(4, [entry].into_iter());
            assert_eq!(take(&mut r), [(1, "came".into()), (1, "next".into())], "interleaved: {interleaved}");
            assert!(idle(&r));
        }
    }

    /// RFC 6525 §5.2.2.
    #[test]
    fn a_reset_stream_counts_from_zero() {
        let mut r = Reassembly::default();
        add(&mut r, 1, piece(1, mid(0, 0), "BE", b"old"));
        add(&mut r, 2, piece(1, mid(5, 0), "BE", b"never"));
        add(&mut r, 3, piece(1, mid(6, 3), "", b"nor"));
        r.reset(Some(StreamId(1)));
        add(&mut r, 4, piece(1, mid(0, 0), "BE", b"new"));
        assert_eq!(take(&mut r), [(1, "old".into()), (1, "new".into())]);
        assert!(idle(&r));
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused() {
        let mut r = Reassembly::default();
        add(&mut r, 1, piece(1, mid(0, 0), "B", &[0; 600]));
        assert_eq!(r.add(2, &piece(1, mid(0, 1), "", &[0; 600]), 1000), Err(TooLarge));
    }

    proptest! {
        /// Messages of all kinds, cut at random, in random order: each comes out once, whole, in the order of its stream.
        #[test]
        fn any_order_gives_every_message_back(
            lens in proptest::collection::vec((0u16..3, 1usize..6, any::<bool>()), 1..20),
            interleaved: bool,
            shuffle in proptest::collection::vec(any::<u32>(), 120),
        ) {
            let mut pieces = Vec::new();
            let mut counters = BTreeMap::<(u16, bool), u32>::new();
            let mut expected = BTreeMap::<(u16, bool), Vec<Vec<u8>>>::new();
            for (n, (stream, len, unordered)) in lens.into_iter().enumerate() {
                let number = counters.entry((stream, unordered)).or_default();
                let payload: Vec<u8> = (0..len as u8).map(|i| n as u8 * 8 + i).collect();
                for (i, byte) in payload.iter().enumerate() {
                    let flags = format!(
                        "{}{}{}",
                        if i == 0 { "B" } else { "" },
                        if i + 1 == len { "E" } else { "" },
                        if unordered { "U" } else { "" }
                    );
                    let place = if interleaved { mid(*number, i as u32) } else { ssn(*number as u16) };
                    pieces.push(piece(stream, place, &flags, &[*byte]));
                }
                *number += 1;
                expected.entry((stream, unordered)).or_default().push(payload);
            }
            let mut order: Vec<usize> = (0..pieces.len()).collect();
            order.sort_by_key(|i| shuffle[*i % 120]);
            let mut r = Reassembly::default();
            for i in order {
                r.add(1000 + i as u64, &pieces[i], 1000).unwrap();
            }
            let mut got = BTreeMap::<(u16, bool), Vec<Vec<u8>>>::new();
            for m in r.take_complete() {
                got.entry((m.stream.0, m.unordered)).or_default().push(m.payload.to_vec());
            }
            got.iter_mut().chain(expected.iter_mut()).filter(|(k, _)| k.1).for_each(|(_, v)| v.sort());
            prop_assert_eq!(got, expected);
            prop_assert!(r.partial() == 0 && r.waiting() == 0);
        }
    }
}
