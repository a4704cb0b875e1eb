//! Streams that start anew (RFC 6525), by which data channels close (RFC 8831 §6.7).

use super::{Association, Event};
use crate::{
    Error, StreamId, Tsn,
    packet::{RawChunk, ReConfig, Reset, ResetResult, StreamList},
    time::Nanos,
};
use std::collections::{BTreeSet, VecDeque};

/// Streams in one request: what fits a small packet.
const MOST_STREAMS: usize = 400;

#[derive(Debug)]
struct Request {
    number: u32,
    last: u64,
    streams: Vec<StreamId>,
    due: bool,
    deadline: Nanos,
    tries: u32,
}

/// A request of the peer's that waits for data.
#[derive(Debug)]
struct Deferred {
    number: u32,
    last: u64,
    streams: Vec<StreamId>,
}

/// Requests of both sides; each has one under way at most (RFC 6525 §5.1.1).
#[derive(Debug)]
pub(crate) struct Resets {
    next_number: u32,
    /// Streams whose messages are not all sent yet.
    draining: BTreeSet<u16>,
    /// Streams that are ready to be reset.
    ready: Vec<StreamId>,
    request: Option<Request>,
    peer_next: u32,
    last_result: Option<(u32, ResetResult)>,
    deferred: Option<Deferred>,
    responses: VecDeque<(u32, ResetResult)>,
}

impl Resets {
    pub(crate) fn new(first: Tsn) -> Self {
        Resets {
            next_number: first.0,
            draining: BTreeSet::new(),
            ready: Vec::new(),
            request: None,
            peer_next: 0,
            last_result: None,
            deferred: None,
            responses: VecDeque::new(),
        }
    }

    pub(crate) fn set_peer(&mut self, first: Tsn) {
        self.peer_next = first.0;
    }

    /// Whether a stream is on its way to being reset, so that it takes no messages.
    pub(crate) fn is_pending(&self, stream: StreamId) -> bool {
        self.draining.contains(&stream.0)
            || self.ready.contains(&stream)
            || self.request.as_ref().is_some_and(|r| r.streams.contains(&stream))
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.draining.is_empty()
    }

    pub(crate) fn timeout(&self) -> Option<Nanos> {
        self.request.as_ref().map(|r| r.deadline).filter(|at| *at != Nanos::MAX)
    }

    pub(crate) fn on_timeout(&mut self, now: Nanos) {
        if let Some(request) = self.request.as_mut().filter(|r| r.deadline <= now) {
            request.due = true;
            request.tries += 1;
            // Written at the next packet, which sets the deadline; until then no more.
            request.deadline = Nanos::MAX;
        }
    }

    /// Appends what is due.
    pub(crate) fn write(&mut self, now: Nanos, next_tsn: u64, rto: Nanos, end: usize, out: &mut Vec<u8>) {
        while let Some((response, result)) = self.responses.pop_front() {
            ReConfig::write(&[Reset::Response { response, result }], out);
        }
        if self.request.is_none() && !self.ready.is_empty() {
            let count = self.ready.len().min(MOST_STREAMS);
            let number = self.next_number;
            self.next_number = number.wrapping_add(1);
            let streams = self.ready.drain(..count).collect();
            self.request = Some(Request { number, last: next_tsn - 1, streams, due: true, deadline: 0, tries: 0 });
        }
        let peer_next = self.peer_next;
        let Some(request) = self.request.as_mut().filter(|r| r.due) else { return };
        if out.len() + 24 + 2 * request.streams.len() > end {
            return;
        }
        request.due = false;
        request.deadline = now + (rto << request.tries.min(4));
        let list: Vec<u8> = request.streams.iter().flat_map(|s| s.0.to_be_bytes()).collect();
        let reset = Reset::Outgoing {
            request: request.number,
            response: peer_next.wrapping_sub(1),
            last_tsn: Tsn::wire(request.last),
            streams: StreamList::new(&list),
        };
        ReConfig::write(&[reset], out);
    }

    fn answer(&mut self, number: u32, result: ResetResult) {
        self.last_result = Some((number, result));
        self.responses.retain(|(n, _)| *n != number);
        if self.responses.len() < 4 {
            self.responses.push_back((number, result));
        }
    }
}

impl Association {
    /// Starts these streams anew once all of their messages are sent. They take no messages until [`Event::OutgoingReset`].
    pub fn reset_streams(&mut self, streams: &[StreamId]) -> Result<(), Error> {
        if let Some(&stream) = streams.iter().find(|s| s.0 >= self.outgoing_streams) {
            return Err(Error::NoSuchStream { stream, count: self.outgoing_streams });
        }
        for stream in streams {
            if !self.resets.is_pending(*stream) {
                self.resets.draining.insert(stream.0);
            }
        }
        self.request_resets();
        Ok(())
    }

    /// Streams whose last message has been sent become ready.
    pub(super) fn request_resets(&mut self) {
        if self.resets.draining.is_empty() || !self.is_connected() {
            return;
        }
        let queue = &mut self.outbound.queue;
        let ready: Vec<u16> =
            self.resets.draining.iter().copied().filter(|id| !queue.has_messages(StreamId(*id))).collect();
        for id in ready {
            self.resets.draining.remove(&id);
            if self.support.reconfig {
                queue.hold(StreamId(id));
                self.resets.ready.push(StreamId(id));
            } else {
                self.events.push_back(Event::OutgoingReset { streams: vec![StreamId(id)], done: false });
            }
        }
    }

    pub(super) fn on_reconfig(&mut self, chunk: &RawChunk<'_>) {
        if !self.is_connected() {
            return;
        }
        for parameter in ReConfig::parse(chunk).parameters().take(2) {
            let Ok(parameter) = parameter else { return };
            match parameter {
                Reset::Outgoing { request, last_tsn, streams, .. } => {
                    self.on_outgoing_reset(request, last_tsn, streams);
                }
                Reset::Response { response, result } => self.on_reset_response(response, result),
                // Data channels use none of these (RFC 8831 §6.1).
                Reset::Incoming { request, .. } | Reset::All { request } | Reset::AddStreams { request, .. } => {
                    if self.is_next_request(request) {
                        self.resets.peer_next = request.wrapping_add(1);
                        self.resets.answer(request, ResetResult::Denied);
                    }
                }
                Reset::Unknown(_) => {}
            }
        }
    }

    /// Whether a request is a new one; one that was answered before is answered again (RFC 6525 §5.2.1).
    fn is_next_request(&mut self, number: u32) -> bool {
        if number == self.resets.peer_next {
            return true;
        }
        let result = match self.resets.last_result {
            Some((last, result)) if last == number => result,
            _ => ResetResult::BadSequence,
        };
        let last = self.resets.last_result;
        self.resets.answer(number, result);
        self.resets.last_result = last;
        false
    }

    fn on_outgoing_reset(&mut self, number: u32, last_tsn: Tsn, streams: StreamList<'_>) {
        if !self.is_next_request(number) {
            return;
        }
        self.resets.peer_next = number.wrapping_add(1);
        let Some(inbound) = &self.inbound else { return };
        let last = inbound.received.unwrap(last_tsn);
        let streams: Vec<StreamId> = streams.iter().collect();
        if streams.iter().any(|s| s.0 >= self.config.incoming_streams) {
            return self.resets.answer(number, ResetResult::WrongStream);
        }
        if last > inbound.received.cumulative() {
            self.resets.deferred = Some(Deferred { number, last, streams });
            return self.resets.answer(number, ResetResult::InProgress);
        }
        self.incoming_reset(streams);
        self.resets.answer(number, ResetResult::Performed);
    }

    /// The data that a request of the peer's waited for has come.
    pub(super) fn perform_deferred_reset(&mut self) {
        let Some(inbound) = &self.inbound else { return };
        let cumulative = inbound.received.cumulative();
        if let Some(deferred) = self.resets.deferred.take_if(|d| d.last <= cumulative) {
            self.incoming_reset(deferred.streams);
            self.resets.answer(deferred.number, ResetResult::Performed);
        }
    }

    fn on_reset_response(&mut self, number: u32, result: ResetResult) {
        let Some(request) = self.resets.request.as_mut().filter(|r| r.number == number) else { return };
        if matches!(result, ResetResult::InProgress | ResetResult::InProgressAlready) {
            // Asked again when the time is up (RFC 6525 §5.2.7).
            request.tries = 0;
            return;
        }
        let Some(request) = self.resets.request.take() else { return };
        let done = matches!(result, ResetResult::Performed | ResetResult::NothingToDo);
        for stream in &request.streams {
            self.outbound.queue.release(*stream, done);
        }
        self.events.push_back(Event::OutgoingReset { streams: request.streams, done });
    }
}
