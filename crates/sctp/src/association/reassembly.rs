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
