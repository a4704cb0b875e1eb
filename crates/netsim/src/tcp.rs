//! A small TCP for hosts: enough of RFC 9293 that ICE-TCP, TURN over TCP and TLS meet what they would meet outside: a handshake that takes a
//! round trip, loss that becomes delay, a window, resets, simultaneous open. It is not a model of any particular system's congestion control.

use crate::packet::{Ecn, Packet, Protocol, Unreachable};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

/// Names a TCP connection on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpEvent {
    /// Somebody connected to a listener.
    Accepted {
        /// The listener.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
    },
    /// A connection that was opened from here stands.
    Connected,
    /// Bytes came.
    Data(Vec<u8>),
    /// The other end closed, or has confirmed the close from here.
    Closed,
    /// The other end refused or reset it.
    Reset,
    /// Nobody answered for too long, or the path is forbidden.
    TimedOut,
}

const MSS: usize = 1400;
const MAX_IN_FLIGHT: u64 = 256 * 1024;
const MIN_RTO: Duration = Duration::from_millis(200);
const FIRST_RTO: Duration = Duration::from_secs(1);
/// How often a SYN goes again before the connection is given up, and how often anything later does.
const SYN_RETRIES: u32 = 6;
const DATA_RETRIES: u32 = 15;

const SYN: u8 = 1;
const ACK: u8 = 2;
const FIN: u8 = 4;
const RST: u8 = 8;

/// A retransmission timer; stale if the connection has set another since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    connection: ConnectionId,
    number: u64,
}

#[derive(Debug)]
pub(crate) enum Action {
    Send(Packet),
    Timer(Duration, Timer),
    Event(ConnectionId, TcpEvent),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynSent,
    SynReceived,
    Established,
    Gone,
}

struct Segment<'a> {
    flags: u8,
    seq: u64,
    ack: u64,
    data: &'a [u8],
}

impl<'a> Segment<'a> {
    const HEADER: usize = 17;

    fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEADER + self.data.len());
        out.push(self.flags);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.ack.to_be_bytes());
        out.extend_from_slice(self.data);
        out
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, data) = bytes.split_at_checked(Self::HEADER)?;
        let number = |at: usize| head[at..at + 8].try_into().map(u64::from_be_bytes).ok();
        Some(Segment { flags: head[0], seq: number(1)?, ack: number(9)?, data })
    }
}

#[derive(Debug)]
struct Connection {
    local: SocketAddr,
    remote: SocketAddr,
    state: State,
    passive: bool,
    /// Bytes from `acked` on that the other end has not confirmed, and those not sent yet.
    buffer: VecDeque<u8>,
    /// How many bytes were ever put into the buffer.
    written: u64,
    /// First unconfirmed sequence number; SYN is 0, data starts at 1.
    acked: u64,
    sent: u64,
    highest: u64,
    window: u64,
    duplicates: u32,
    fin_queued: bool,
    fin_received: bool,
    expected: u64,
    early: BTreeMap<u64, Vec<u8>>,
    rtt: Option<Duration>,
    /// A sequence number whose confirmation measures the round trip, and when it was sent (Karn: never a repeated one).
    timing: Option<(u64, Duration)>,
    retries: u32,
    timer: u64,
}

/// The TCP of one host.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    listeners: Vec<SocketAddr>,
    connections: BTreeMap<ConnectionId, Connection>,
    by_ends: HashMap<(SocketAddr, SocketAddr), ConnectionId>,
    next: u64,
    actions: VecDeque<Action>,
}

impl Kernel {
    pub(crate) fn listen(&mut self, address: SocketAddr) {
        self.listeners.push(address);
    }

    /// Forgets everything but which names were used.
    pub(crate) fn restart(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }

    pub(crate) fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    pub(crate) fn connect(&mut self, now: Duration, local: SocketAddr, remote: SocketAddr) -> ConnectionId {
        let id = self.insert(local, remote, State::SynSent, false);
        self.with(id, |c, actions| c.pump(now, id, actions));
        id
    }

    pub(crate) fn send(&mut self, now: Duration, id: ConnectionId, bytes: &[u8]) {
        self.with(id, |c, actions| {
            if !c.fin_queued {
                c.buffer.extend(bytes);
                c.written += bytes.len() as u64;
            }
            c.pump(now, id, actions);
        });
    }

    pub(crate) fn close(&mut self, now: Duration, id: ConnectionId) {
        self.with(id, |c, actions| {
            c.fin_queued = true;
            c.pump(now, id, actions);
        });
    }

    pub(crate) fn expired(&mut self, now: Duration, timer: Timer) {
        let id = timer.connection;
        self.with(id, |c, actions| {
            if c.timer == timer.number && c.state != State::Gone && c.acked < c.highest {
                c.expire(now, id, actions);
            }
        });
        self.bury(id);
    }

    /// An ICMP error: fatal while connecting, of no account later (RFC 5461 §2.1).
    pub(crate) fn unreachable(&mut self, local: SocketAddr, remote: SocketAddr, _why: Unreachable) {
        let Some(id) = self.by_ends.get(&(local, remote)).copied() else { return };
        self.with(id, |c, actions| {
            if c.state == State::SynSent {
                c.state = State::Gone;
                actions.push_back(Action::Event(id, TcpEvent::TimedOut));
            }
        });
        self.bury(id);
    }

    pub(crate) fn receive(&mut self, now: Duration, packet: &Packet) {
        let Some(segment) = Segment::read(&packet.payload) else { return };
        let ends = (packet.dst, packet.src);
        let id = match self.by_ends.get(&ends).copied() {
            Some(id) => id,
            None if segment.flags & (SYN | ACK) == SYN && self.listens(packet.dst) => {
                self.insert(packet.dst, packet.src, State::SynReceived, true)
            }
            None => return self.refuse(packet, &segment),
        };
        self.with(id, |c, actions| c.receive(now, id, &segment, actions));
        self.bury(id);
    }

    fn listens(&self, address: SocketAddr) -> bool {
        self.listeners.iter().any(|l| *l == address || (l.ip().is_unspecified() && l.port() == address.port()))
    }

    fn refuse(&mut self, packet: &Packet, segment: &Segment<'_>) {
        if segment.flags & RST == 0 {
            let answer = Segment { flags: RST | ACK, seq: segment.ack, ack: segment.seq + 1, data: &[] };
            self.actions.push_back(Action::Send(wrap(packet.dst, packet.src, &answer)));
        }
    }

    fn insert(&mut self, local: SocketAddr, remote: SocketAddr, state: State, passive: bool) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        self.by_ends.insert((local, remote), id);
        self.connections.insert(
            id,
            Connection {
                local,
                remote,
                state,
                passive,
                buffer: VecDeque::new(),
                written: 0,
                acked: 0,
                sent: 0,
                highest: 0,
                window: 10 * MSS as u64,
                duplicates: 0,
                fin_queued: false,
                fin_received: false,
                expected: 0,
                early: BTreeMap::new(),
                rtt: None,
                timing: None,
                retries: 0,
                timer: 0,
            },
        );
        id
    }

    fn with(&mut self, id: ConnectionId, act: impl FnOnce(&mut Connection, &mut VecDeque<Action>)) {
        if let Some(connection) = self.connections.get_mut(&id) {
            act(connection, &mut self.actions);
        }
    }

    fn bury(&mut self, id: ConnectionId) {
        if let Some(c) = self.connections.get(&id).filter(|c| c.state == State::Gone) {
            self.by_ends.remove(&(c.local, c.remote));
            self.connections.remove(&id);
        }
    }
}

impl Connection {
    /// One past the last sequence number there is to send: SYN, the buffer, FIN.
    fn end(&self) -> u64 {
        self.fin() + u64::from(self.fin_queued)
    }

    /// The sequence number of FIN.
    fn fin(&self) -> u64 {
        1 + self.written
    }

    /// Sends what the window allows.
    fn pump(&mut self, now: Duration, id: ConnectionId, actions: &mut VecDeque<Action>) {
        let waiting = self.acked == self.highest;
        loop {
            let limit = if self.state == State::Established { self.end() } else { 1 };
            if self.sent >= limit || self.sent - self.acked >= self.window.min(MAX_IN_FLIGHT) {
                break;
            }
            let from = self.sent;
            self.emit(from, actions);
            if from >= self.highest && self.timing.is_none() {
                self.timing = Some((self.sent, now));
            }
            self.highest = self.highest.max(self.sent);
        }
        if waiting && self.acked < self.highest {
            self.arm(id, actions);
        }
    }

    /// Sends the segment that starts at `from`, and moves `sent` behind it.
    fn emit(&mut self, from: u64, actions: &mut VecDeque<Action>) {
        let mut flags = if self.state == State::SynSent { 0 } else { ACK };
        let mut data = Vec::new();
        self.sent = from + 1;
        if from == 0 {
            flags |= SYN;
        } else if from == self.fin() {
            flags |= FIN;
        } else {
            let start = (from - self.acked.max(1)) as usize;
            let len = MSS.min(self.buffer.len() - start);
            data.extend(self.buffer.range(start..start + len));
            self.sent = from + len as u64;
        }
        let segment = Segment { flags, seq: from, ack: self.expected, data: &data };
        actions.push_back(Action::Send(wrap(self.local, self.remote, &segment)));
    }

    fn acknowledge(&self, actions: &mut VecDeque<Action>) {
        let segment = Segment { flags: ACK, seq: self.sent, ack: self.expected, data: &[] };
        actions.push_back(Action::Send(wrap(self.local, self.remote, &segment)));
    }

    fn arm(&mut self, id: ConnectionId, actions: &mut VecDeque<Action>) {
        self.timer += 1;
        let rto = self.rtt.map_or(FIRST_RTO, |rtt| (rtt * 2).max(MIN_RTO)) * 2u32.pow(self.retries.min(6));
        actions.push_back(Action::Timer(rto, Timer { connection: id, number: self.timer }));
    }

    fn expire(&mut self, now: Duration, id: ConnectionId, actions: &mut VecDeque<Action>) {
        self.retries += 1;
        self.timing = None;
        let most = if self.state == State::Established { DATA_RETRIES } else { SYN_RETRIES };
        if self.retries > most {
            self.state = State::Gone;
            actions.push_back(Action::Event(id, TcpEvent::TimedOut));
            return;
        }
        self.window = MSS as u64;
        self.sent = self.acked;
        self.pump(now, id, actions);
        self.arm(id, actions);
    }

    fn receive(&mut self, now: Duration, id: ConnectionId, segment: &Segment<'_>, actions: &mut VecDeque<Action>) {
        if segment.flags & RST != 0 {
            self.state = State::Gone;
            actions.push_back(Action::Event(id, TcpEvent::Reset));
            return;
        }
        if segment.flags & SYN != 0 && self.expected == 0 {
            self.expected = 1;
            if self.state == State::SynSent && segment.flags & ACK == 0 {
                // Simultaneous open (RFC 9293 §3.5): the SYN goes again, now with an acknowledgement.
                self.state = State::SynReceived;
                self.sent = 0;
            }
        }
        if segment.flags & ACK != 0 && segment.ack > 0 {
            self.confirm(now, id, segment, actions);
        }
        self.take(id, segment, actions);
        if segment.flags & (SYN | FIN) != 0 || !segment.data.is_empty() {
            if self.state == State::Established {
                self.acknowledge(actions);
            } else if self.state == State::SynReceived && segment.flags & SYN != 0 {
                self.sent = 0;
            }
        }
        self.pump(now, id, actions);
        let all_sent = self.fin_queued && self.acked == self.end();
        if all_sent && self.fin_received {
            self.state = State::Gone;
        }
    }

    fn confirm(&mut self, now: Duration, id: ConnectionId, segment: &Segment<'_>, actions: &mut VecDeque<Action>) {
        if self.state != State::Established && self.expected > 0 {
            self.state = State::Established;
            let event = if self.passive {
                TcpEvent::Accepted { local: self.local, remote: self.remote }
            } else {
                TcpEvent::Connected
            };
            actions.push_back(Action::Event(id, event));
        }
        let ack = segment.ack.min(self.highest);
        if ack <= self.acked {
            let pure = segment.data.is_empty() && segment.flags & (SYN | FIN) == 0;
            if ack == self.acked && self.acked < self.highest && pure {
                self.duplicates += 1;
                if self.duplicates == 3 {
                    // Fast retransmit (RFC 5681 §3.2).
                    self.window = (self.window / 2).max(2 * MSS as u64);
                    self.timing = None;
                    let sent = self.sent;
                    self.emit(self.acked, actions);
                    self.sent = sent.max(self.sent);
                }
            }
            return;
        }
        let data_before = self.acked.max(1);
        let confirmed = (ack.max(1) - data_before).min(self.buffer.len() as u64);
        self.buffer.drain(..confirmed as usize);
        self.acked = ack;
        self.sent = self.sent.max(ack);
        self.duplicates = 0;
        self.retries = 0;
        self.window = (self.window + confirmed).min(MAX_IN_FLIGHT);
        if let Some((_, at)) = self.timing.take_if(|(seq, _)| *seq <= ack) {
            let sample = now - at;
            self.rtt = Some(self.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
        }
        self.timer += 1;
        if self.acked < self.highest {
            self.arm(id, actions);
        }
    }

    fn take(&mut self, id: ConnectionId, segment: &Segment<'_>, actions: &mut VecDeque<Action>) {
        let mut bytes = segment.data.to_vec();
        if segment.flags & FIN != 0 {
            // FIN takes one number; an empty piece at its place stands for it.
            self.early.entry(segment.seq).or_default();
        } else if !bytes.is_empty() && segment.seq + bytes.len() as u64 > self.expected {
            if segment.seq < self.expected {
                bytes.drain(..(self.expected - segment.seq) as usize);
                self.early.entry(self.expected).or_insert(bytes);
            } else {
                self.early.entry(segment.seq).or_insert(bytes);
            }
        }
        while let Some((seq, _)) = self.early.first_key_value() {
            let seq = *seq;
            if seq > self.expected {
                break;
            }
            let Some(mut piece) = self.early.remove(&seq) else { break };
            if piece.is_empty() {
                if seq == self.expected && !self.fin_received {
                    self.expected += 1;
                    self.fin_received = true;
                    actions.push_back(Action::Event(id, TcpEvent::Closed));
                }
                continue;
            }
            let known = ((self.expected - seq) as usize).min(piece.len());
            piece.drain(..known);
            if !piece.is_empty() {
                self.expected += piece.len() as u64;
                actions.push_back(Action::Event(id, TcpEvent::Data(piece)));
            }
        }
    }
}

fn wrap(src: SocketAddr, dst: SocketAddr, segment: &Segment<'_>) -> Packet {
    Packet { protocol: Protocol::Tcp, src, dst, ecn: Ecn::NotEct, payload: segment.write(), error: None }
}
