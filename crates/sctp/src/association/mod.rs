//! One SCTP association, as a state machine without I/O.

mod cookie;
mod handshake;
mod in_flight;
mod inbound;
mod outbound;
mod packet_size;
mod rack;
mod ranges;
mod reassembly;
mod received;
mod records;
mod reset;
mod rtt;
mod send_queue;
mod shutdown;

pub use send_queue::SendOptions;

use crate::{
    Error, StreamId, Tsn,
    config::Config,
    packet::{self, Abort, Cause, Control, Header, Heartbeat, Support},
    time::{Clock, MILLIS, Nanos, nanos},
};
use bytes::Bytes;
use cookie::Secrets;
use handshake::Attempt;
use inbound::Inbound;
use outbound::Outbound;
use packet_size::PacketSize;
use reset::Resets;
use send_queue::Reliability;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Packets that answer what belongs to no association, and chunks that answer the peer: so many wait at most.
const MOST_REPLIES: usize = 16;

/// A message, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its stream.
    pub stream: StreamId,
    /// Payload protocol identifier: what the bytes mean (RFC 8831 §8 for data channels).
    pub ppid: u32,
    /// It did not wait for other messages of its stream.
    pub unordered: bool,
    /// The bytes.
    pub payload: Bytes,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The association stands. Messages that were sent before are on their way.
    Connected,
    /// A message came.
    Message(Message),
    /// A stream's waiting bytes have fallen to its low-water mark (see [`Association::set_low_water`]).
    BufferedAmountLow(StreamId),
    /// The peer started these streams anew, from its side (RFC 6525 §5.2.2).
    IncomingReset(Vec<StreamId>),
    /// Our request to start these streams anew was done, or refused.
    OutgoingReset {
        /// Which streams.
        streams: Vec<StreamId>,
        /// Whether it was done.
        done: bool,
    },
    /// The peer has lost its state and begun again (RFC 9260 §5.2): messages that were on their way may be lost.
    Restarted,
    /// The peer shuts the association down: what was given so far is still sent, no more is taken.
    ShuttingDown,
    /// The association has ended. Nothing follows.
    Closed(CloseReason),
}

/// Why an association ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both sides agreed ([`Association::shutdown`] here or there); nothing was lost.
    Shutdown,
    /// [`Association::abort`] here.
    Aborted,
    /// The peer aborted, and said why.
    AbortedByPeer(String),
    /// Nobody answered.
    TimedOut,
    /// The peer broke the protocol in this way.
    ProtocolViolation(&'static str),
    /// The peer sent more than the limits of [`Config`] allow.
    OutOfResource,
}

/// One packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Bytes appended to the caller's buffer: one SCTP packet.
    pub len: usize,
    /// The packet repeats a chunk that was cut for a larger path than this one seems to be now. A chunk cannot be cut again, so the packet must be allowed
    /// to be fragmented by IP ("don't fragment" off), or it cannot arrive.
    pub may_fragment: bool,
}

/// Counters since the association was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets received.
    pub packets_received: u64,
    /// Packets that could not be read or did not belong here.
    pub packets_dropped: u64,
    /// Chunks of data sent again.
    pub retransmissions: u64,
    /// Chunks of data that came twice.
    pub doubles: u64,
    /// Chunks of data that were refused: too far ahead, or no room.
    pub refused: u64,
    /// User bytes that messages delivered to the program had.
    pub bytes_received: u64,
    /// The smoothed round trip.
    pub rtt: Option<Duration>,
    /// The congestion window in bytes.
    pub window: u64,
    /// Bytes on their way.
    pub in_flight: u64,
    /// Bytes of a packet, as far as the path is known.
    pub packet_size: usize,
}

/// ```text
///            connect                    INIT ACK                 COOKIE ACK
/// Closed ──────────────▶ CookieWait ──────────────▶ CookieEchoed ──────────────▶ Established
///    │                     COOKIE ECHO, or both sides' INITs by other means (SNAP)    ▲ │
///    └─────────────────────────────────────────────────────────────────────────────────┘ │
///   shutdown here: Established ──▶ ShutdownPending ──▶ ShutdownSent ─────┐               │
///   shutdown there: Established ──▶ ShutdownReceived ──▶ ShutdownAckSent ┴──▶ Ended ◀────┘ abort
/// ```
#[derive(Debug)]
enum State {
    Closed,
    CookieWait(Attempt),
    CookieEchoed(Attempt, Vec<u8>),
    Established,
    ShutdownPending,
    ShutdownSent(Attempt),
    ShutdownReceived,
    ShutdownAckSent(Attempt),
    Ended,
}

/// An SCTP association (RFC 9260) as data channels use it (RFC 8831).
///
/// Drive it with five verbs, in any order: [`Association::handle_datagram`], [`Association::handle_timeout`], [`Association::poll_transmit`],
/// [`Association::poll_event`] and [`Association::poll_timeout`]. After any call, poll until `None`.
#[derive(Debug)]
pub struct Association {
    config: Config,
    clock: Clock,
    secrets: Secrets,
    state: State,
    local_tag: u32,
    local_tsn: Tsn,
    peer_tag: u32,
    /// What both sides support; nothing before the handshake.
    support: Support,
    outgoing_streams: u16,
    inbound: Option<Inbound>,
    outbound: Outbound,
    resets: Resets,
    packet_size: PacketSize,
    /// A probe of the path's size that is to be sent.
    size_probe: Option<usize>,
    /// Whole packets that go out as they are.
    replies: VecDeque<Vec<u8>>,
    /// Chunks that go out with the next packet.
    control: VecDeque<Vec<u8>>,
    heartbeat_at: Option<Nanos>,
    heartbeat_due: bool,
    /// The number in heartbeats that are ours.
    nonce: u64,
    events: VecDeque<Event>,
    /// Bytes of messages among the events.
    unread: usize,
    stats: Stats,
}

impl Association {
    /// An association that waits for the peer, or for [`Association::connect`]. `seed` comes from a cryptographically secure source; all random numbers
    /// follow from it.
    pub fn new(now: Instant, config: Config, seed: [u8; 32]) -> Self {
        let mut secrets = Secrets::new(seed);
        let local_tag = secrets.tag();
        let local_tsn = Tsn(secrets.random_u64() as u32);
        let packet_size = PacketSize::new(config.packet_sizes);
        let outbound = Outbound::new(&config, local_tsn, packet_size.current(), secrets.random_u64());
        Association {
            clock: Clock::new(now),
            state: State::Closed,
            local_tag,
            local_tsn,
            peer_tag: 0,
            support: Support::default(),
            outgoing_streams: config.outgoing_streams,
            inbound: None,
            outbound,
            resets: Resets::new(local_tsn),
            packet_size,
            size_probe: None,
            replies: VecDeque::new(),
            control: VecDeque::new(),
            heartbeat_at: None,
            heartbeat_due: false,
            nonce: secrets.random_u64(),
            events: VecDeque::new(),
            unread: 0,
            stats: Stats::default(),
            secrets,
            config,
        }
    }

    /// Queues a message. It is sent as soon as the association stands and its turn has come.
    pub fn send(
        &mut self,
        now: Instant,
        stream: StreamId,
        ppid: u32,
        payload: Bytes,
        options: SendOptions,
    ) -> Result<(), Error> {
        self.queue_message(now, stream, ppid, payload, options, true)
    }

    /// As [`Association::send`]; a message that does not count is no part of the stream's buffered amount.
    pub(crate) fn queue_message(
        &mut self,
        now: Instant,
        stream: StreamId,
        ppid: u32,
        payload: Bytes,
        options: SendOptions,
        counts: bool,
    ) -> Result<(), Error> {
        let now = self.clock.at(now);
        if !self.takes_messages() {
            return Err(Error::Closed);
        }
        if payload.is_empty() {
            return Err(Error::EmptyMessage);
        }
        if stream.0 >= self.outgoing_streams {
            return Err(Error::NoSuchStream { stream, count: self.outgoing_streams });
        }
        if self.resets.is_pending(stream) {
            return Err(Error::StreamResetting(stream));
        }
        let buffered = self.outbound.queue.buffered();
        if buffered + payload.len() > self.config.send_buffer && buffered > 0 {
            return Err(Error::BufferFull { buffered });
        }
        let mut reliability = Reliability::FULL;
        if self.partial_reliability_possible() {
            if let Some(lifetime) = options.lifetime {
                reliability.expires = now.saturating_add(nanos(lifetime)).min(Nanos::MAX - 1);
            }
            if let Some(most) = options.max_retransmissions {
                reliability.max_retransmissions = most.min(u16::MAX - 1);
            }
        }
        self.outbound.queue.push(stream, payload, ppid, options.unordered, reliability, counts);
        Ok(())
    }

    fn takes_messages(&self) -> bool {
        matches!(self.state, State::Closed | State::CookieWait(_) | State::CookieEchoed(..) | State::Established)
    }

    /// Before the handshake it is not known; a message given then is treated as if the peer could.
    fn partial_reliability_possible(&self) -> bool {
        self.config.partial_reliability && (self.support.forward_tsn || !self.is_connected())
    }

    /// Whether messages flow.
    pub fn is_connected(&self) -> bool {
        !matches!(self.state, State::Closed | State::CookieWait(_) | State::CookieEchoed(..) | State::Ended)
    }

    /// Whether the association has ended for good.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Streams in each direction that both sides allow; known once connected (W3C `maxChannels`).
    pub fn streams(&self) -> u16 {
        self.outgoing_streams.min(self.config.incoming_streams)
    }

    /// Whether messages may be interleaved (RFC 8260); known once connected.
    pub fn interleaves(&self) -> bool {
        self.support.interleaving
    }

    /// Bytes of a stream that have not been sent once.
    pub fn buffered_amount(&self, stream: StreamId) -> usize {
        self.outbound.queue.buffered_on(stream)
    }

    /// Bytes of all streams that have not been sent once.
    pub fn total_buffered_amount(&self) -> usize {
        self.outbound.queue.buffered()
    }

    /// Asks for [`Event::BufferedAmountLow`] each time that a stream's waiting bytes fall from more than `bytes` to `bytes` or less.
    pub fn set_low_water(&mut self, stream: StreamId, bytes: usize) {
        self.outbound.queue.set_low_water(stream, bytes);
    }

    /// The stream's share of the path beside other streams: twice the weight, twice the bytes (RFC 8260 §3.6). Takes effect for what is sent later.
    pub fn set_weight(&mut self, stream: StreamId, weight: u16) {
        self.outbound.queue.set_weight(stream, weight);
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        Stats {
            retransmissions: self.outbound.flight.retransmissions,
            rtt: self.outbound.rtt.smoothed.map(Duration::from_nanos),
            window: self.outbound.controller.window(),
            in_flight: self.outbound.flight.in_flight,
            packet_size: self.packet_size.current(),
            ..self.stats
        }
    }

    /// Uses another congestion controller from now on.
    pub fn set_controller(&mut self, controller: Box<dyn crate::congestion::Controller>) {
        self.outbound.controller = controller;
    }

    /// The path has changed or come back (ICE says so): what waits for a time-out is tried at once, and the path's size is found anew.
    pub fn path_changed(&mut self, now: Instant) {
        let now = self.clock.at(now);
        self.packet_size = PacketSize::new(self.config.packet_sizes);
        self.outbound.controller.set_packet(self.packet_size.current());
        self.outbound.wake(now);
    }

    /// Takes in a packet.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let now = self.clock.at(now);
        self.stats.packets_received += 1;
        if matches!(self.state, State::Ended) {
            return self.receive_late(datagram);
        }
        if self.receive(now, datagram).is_none() {
            self.stats.packets_dropped += 1;
        }
        self.settle(now);
    }

    /// Works off what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock.at(now);
        self.handshake_timeout(now);
        self.shutdown_timeout(now);
        if !self.is_connected() {
            return;
        }
        if let Some(inbound) = &mut self.inbound {
            inbound.on_timeout(now);
        }
        if self.outbound.on_timeout(now)
            && self.outbound.flight.head_size() + packet::HEADER > self.config.packet_sizes.base
            && self.packet_size.black_hole(now)
        {
            self.outbound.controller.set_packet(self.packet_size.current());
        }
        if self.config.max_retransmissions.is_some_and(|most| self.outbound.timeouts > most) {
            return self.end(CloseReason::TimedOut);
        }
        self.resets.on_timeout(now);
        if self.heartbeat_at.is_some_and(|at| at <= now) {
            self.heartbeat_due = true;
            self.rest(now);
        }
        let patience = (2 * self.outbound.rtt.rto()).max(300 * MILLIS);
        if matches!(self.state, State::Established)
            && let Some(size) = self.packet_size.poll(now, patience)
        {
            self.size_probe = Some(size);
        }
        self.settle(now);
    }

    /// When [`Association::handle_timeout`] has something to do next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let mut next = self.handshake_deadline();
        let mut take = |at: Option<Nanos>| {
            if let Some(at) = at {
                next = Some(next.map_or(at, |n: Nanos| n.min(at)));
            }
        };
        take(self.shutdown_deadline());
        if self.is_connected() {
            take(self.inbound.as_ref().and_then(Inbound::timeout));
            take(self.outbound.timeout());
            take(self.resets.timeout());
            take(self.heartbeat_at);
            if matches!(self.state, State::Established) {
                take(self.packet_size.timeout().filter(|at| *at != Nanos::MAX));
            }
        }
        next.map(|at| self.clock.instant(at))
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Message(message) = &event {
            self.unread = self.unread.saturating_sub(message.payload.len() + inbound::EVENT_OVERHEAD);
            self.stats.bytes_received += message.payload.len() as u64;
            if let Some(inbound) = &mut self.inbound {
                inbound.reopened(self.unread, &self.config);
            }
        }
        Some(event)
    }

    /// Appends one packet to `out` if one is to be sent now.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        let now = self.clock.at(now);
        let start = out.len();
        if let Some(reply) = self.replies.pop_front() {
            out.extend_from_slice(&reply);
            return self.sent(out, start, false);
        }
        match self.state {
            State::Closed | State::Ended => return None,
            State::CookieWait(_) => {
                if !self.write_init(out) {
                    return None;
                }
                return self.finish(out, start, true, false);
            }
            _ => {}
        }
        if let Some(size) = self.size_probe.take() {
            self.header(self.peer_tag).write(out);
            self.write_size_probe(now, size, start, out);
            return self.finish(out, start, false, false);
        }
        self.header(self.peer_tag).write(out);
        let end = start + self.packet_size.current();
        let cookie = self.write_cookie_echo(out);
        let mut written = outbound::Written::default();
        if cookie || self.is_connected() {
            self.write_control(now, start, end, out);
            if self.may_send_data() {
                let bare = out.len() == start + packet::HEADER;
                written = self.outbound.write_data(now, out, end, bare);
            }
        }
        if out.len() == start + packet::HEADER {
            out.truncate(start);
            self.collect_low();
            return None;
        }
        if written.any {
            self.rest(now);
        }
        self.collect_low();
        self.finish(out, start, cookie, written.oversized)
    }

    /// DATA flows while the association stands, and until all is sent while it shuts down; a COOKIE ECHO may bring some along (RFC 9260 §5.1).
    fn may_send_data(&self) -> bool {
        matches!(
            self.state,
            State::CookieEchoed(..) | State::Established | State::ShutdownPending | State::ShutdownReceived
        )
    }

    fn header(&self, verification_tag: u32) -> Header {
        Header { source_port: self.config.local_port, destination_port: self.config.remote_port, verification_tag }
    }

    fn finish(&mut self, out: &mut [u8], start: usize, checksum: bool, may_fragment: bool) -> Option<Transmit> {
        // RFC 9653 §5.2: the handshake's packets always have a checksum.
        if checksum || !self.support.zero_checksum {
            packet::seal(out, start);
        }
        self.sent(out, start, may_fragment)
    }

    fn sent(&mut self, out: &[u8], start: usize, may_fragment: bool) -> Option<Transmit> {
        self.stats.packets_sent += 1;
        Some(Transmit { len: out.len() - start, may_fragment })
    }

    /// Everything but data, as far as it fits.
    fn write_control(&mut self, now: Nanos, start: usize, end: usize, out: &mut Vec<u8>) {
        while let Some(chunk) = self.control.front() {
            if out.len() + chunk.len() > end && out.len() > start + packet::HEADER {
                return;
            }
            out.extend_from_slice(chunk);
            self.control.pop_front();
        }
        // An acknowledgement that could wait goes along with data (RFC 9260 §6.2).
        let company = self.may_send_data() && self.outbound.would_send(now);
        let wanted = |i: &&mut Inbound| i.received.sack_now || (company && i.received.sack_pending());
        if let Some(inbound) = self.inbound.as_mut().filter(wanted) {
            inbound.write_sack(self.unread, &self.config, end.saturating_sub(out.len()), out);
        }
        self.write_forward(now, end, out);
        let drained = &self.outbound;
        self.resets.write(now, drained.flight.next(), drained.rtt.rto(), end, out);
        self.write_shutdown(out);
        if std::mem::take(&mut self.heartbeat_due) {
            self.write_heartbeat(now, 0, out);
        }
    }

    fn write_forward(&mut self, now: Nanos, end: usize, out: &mut Vec<u8>) {
        if !self.outbound.forward_due || !self.support.forward_tsn {
            return;
        }
        let interleaved = self.support.interleaving;
        let room = end.saturating_sub(out.len() + 8) / if interleaved { 8 } else { 4 };
        let (point, skipped) = self.outbound.flight.forward_point(interleaved, room);
        packet::ForwardTsn::write(interleaved, Tsn::wire(point), &skipped, out);
        self.outbound.forward_sent(now);
    }

    /// A heartbeat that says when it was sent; and, as a probe of the path's size, how large the packet was.
    fn write_heartbeat(&self, now: Nanos, size: usize, out: &mut Vec<u8>) {
        let mut info = [0; 20];
        let (nonce, rest) = info.split_at_mut(8);
        let (time, bytes) = rest.split_at_mut(8);
        nonce.copy_from_slice(&self.nonce.to_be_bytes());
        time.copy_from_slice(&now.to_be_bytes());
        bytes.copy_from_slice(&(size as u32).to_be_bytes());
        Heartbeat { ack: false, info: &info }.write(out);
    }

    fn write_size_probe(&self, now: Nanos, size: usize, start: usize, out: &mut Vec<u8>) {
        self.write_heartbeat(now, size, out);
        let padding = (start + size).saturating_sub(out.len() + packet::CHUNK_HEADER);
        Control::Pad(padding).write(out);
    }

    fn heartbeat_answered(&mut self, now: Nanos, info: &[u8]) {
        let Some((nonce, rest)) = info.split_first_chunk::<8>() else { return };
        let Some((time, size)) = rest.split_first_chunk::<8>() else { return };
        let (Some(size), true) = (size.first_chunk::<4>(), *nonce == self.nonce.to_be_bytes()) else { return };
        let sent_at = u64::from_be_bytes(*time);
        if sent_at > now {
            return;
        }
        self.outbound.timeouts = 0;
        if self.outbound.flight.is_empty() {
            self.outbound.rtt.update(now - sent_at);
        }
        let size = u32::from_be_bytes(*size) as usize;
        if size > 0 && self.packet_size.confirmed(size) {
            self.outbound.controller.set_packet(self.packet_size.current());
        }
    }

    /// Something was sent: the next heartbeat can wait.
    fn rest(&mut self, now: Nanos) {
        let pause = nanos(self.config.heartbeat_interval);
        self.heartbeat_at = (pause > 0).then(|| now + pause);
    }

    /// A chunk for the next packet; forgotten if the peer asks faster than it can be answered.
    fn queue_control(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.control.len() < MOST_REPLIES {
            let mut chunk = Vec::new();
            write(&mut chunk);
            self.control.push_back(chunk);
        }
    }

    /// A packet of its own, for a peer that knows itself by `tag`.
    fn reply(&mut self, tag: u32, write: impl FnOnce(&mut Vec<u8>)) {
        if self.replies.len() < MOST_REPLIES {
            let mut packet = Vec::new();
            self.header(tag).write(&mut packet);
            write(&mut packet);
            packet::seal(&mut packet, 0);
            self.replies.push_back(packet);
        }
    }

    /// What follows from a change of state: resets that became possible, shutdown that can go on, messages to hand over.
    fn settle(&mut self, now: Nanos) {
        if let Some(inbound) = &mut self.inbound {
            for message in inbound.reassembly.take_complete() {
                self.unread += message.payload.len() + inbound::EVENT_OVERHEAD;
                self.events.push_back(Event::Message(message));
            }
        }
        self.perform_deferred_reset();
        self.request_resets();
        self.advance_shutdown(now);
        self.collect_low();
    }

    fn collect_low(&mut self) {
        for stream in self.outbound.low.drain(..) {
            self.events.push_back(Event::BufferedAmountLow(stream));
        }
        if self.resets.has_waiting() {
            self.request_resets();
        }
    }

    /// Ends the association at once and tells the peer (RFC 9260 §9.1). `reason` is for people.
    pub fn abort(&mut self, reason: &str) {
        self.abort_with(Cause::UserInitiated(reason.as_bytes()), CloseReason::Aborted);
    }

    fn abort_with(&mut self, cause: Cause<'_>, reason: CloseReason) {
        if self.peer_tag != 0 && !matches!(self.state, State::Closed | State::Ended) {
            self.replies.clear();
            self.reply(self.peer_tag, |out| Abort::write(false, &[cause], out));
        }
        self.end(reason);
    }

    fn end(&mut self, reason: CloseReason) {
        if matches!(self.state, State::Ended) {
            return;
        }
        self.state = State::Ended;
        self.control.clear();
        self.inbound = None;
        self.outbound.queue = Default::default();
        self.outbound.flight = in_flight::InFlight::new(self.local_tsn);
        self.events.push_back(Event::Closed(reason));
    }
}
