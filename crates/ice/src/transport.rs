//! How bytes leave and enter: sockets, relays, streams, and the outbox that they share.

use crate::candidate::{Candidate, Protocol, TcpType};
use crate::gathering::Relay;
use crate::tcp::Stream;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Names a TCP or TLS connection that the agent has asked for or has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What to send by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// A datagram.
    Udp {
        /// The local socket.
        local: SocketAddr,
        /// Where to.
        remote: SocketAddr,
    },
    /// Bytes of a stream, to be written as they are.
    Stream(StreamId),
}

/// Something to send; its bytes are in the buffer that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// By what.
    pub via: Via,
    /// How many bytes were appended.
    pub len: usize,
}

/// Names a relay of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RelayId(pub(crate) u32);

/// What a local candidate sends by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Base {
    Udp(SocketAddr),
    /// The relay, and the relayed address.
    Relay(RelayId, SocketAddr),
    /// Connects from this address.
    TcpActive(IpAddr),
    /// Listens, or connects from a port of its own.
    Tcp(SocketAddr, TcpType),
}

impl Base {
    pub(crate) fn is_ipv4(&self) -> bool {
        match self {
            Self::Udp(address) | Self::Relay(_, address) | Self::Tcp(address, _) => address.is_ipv4(),
            Self::TcpActive(ip) => ip.is_ipv4(),
        }
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Udp(_) | Self::Relay(..) => Protocol::Udp,
            Self::TcpActive(_) => Protocol::Tcp(TcpType::Active),
            Self::Tcp(_, kind) => Protocol::Tcp(*kind),
        }
    }
}

/// A candidate of this agent, and what is behind it.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) candidate: Candidate,
    pub(crate) base: Base,
    /// Whether pairs may be made of it: reflexive ones are represented by their base (RFC 8445 §6.1.2.4).
    pub(crate) pairs: bool,
    /// Gone, with its socket, interface or allocation.
    pub(crate) removed: bool,
    pub(crate) network_id: u16,
    pub(crate) cost: u16,
    /// The part of the priority that tells it from others of its kind.
    pub(crate) preference: u16,
}

/// A way for one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Route {
    Udp {
        local: SocketAddr,
        remote: SocketAddr,
    },
    Relay {
        relay: RelayId,
        peer: SocketAddr,
    },
    /// ICE-TCP, framed.
    Stream(StreamId),
}

/// Messages that wait for [`Agent::poll_transmit`](crate::Agent::poll_transmit), in one buffer that is used again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    waiting: VecDeque<(Via, Range<usize>)>,
}

/// More than this is never waiting in a caller that polls; what comes then is dropped as a full queue drops it.
const MAX_WAITING: usize = 4_096;

impl Outbox {
    /// Queues what `write` appends, unless it says `false`.
    pub(crate) fn push(&mut self, via: Via, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let start = self.bytes.len();
        if self.waiting.len() >= MAX_WAITING || !write(&mut self.bytes) {
            self.bytes.truncate(start);
            return false;
        }
        self.waiting.push_back((via, start..self.bytes.len()));
        true
    }

    pub(crate) fn pop(&mut self, out: &mut Vec<u8>) -> Option<Transmit> {
        let (via, range) = self.waiting.pop_front()?;
        let bytes = self.bytes.get(range).unwrap_or_default();
        out.extend_from_slice(bytes);
        let len = bytes.len();
        if self.waiting.is_empty() {
            self.bytes.clear();
        }
        Some(Transmit { via, len })
    }
}

/// All that an agent can send by.
#[derive(Debug, Default)]
pub(crate) struct Transports {
    pub(crate) locals: Vec<Local>,
    pub(crate) relays: BTreeMap<RelayId, Relay>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) outbox: Outbox,
    next_stream: u32,
}

impl Transports {
    pub(crate) fn local(&self, index: usize) -> Option<&Local> {
        self.locals.get(index)
    }

    /// The candidate to pair by that stands for `base`.
    pub(crate) fn find_base(&self, base: Base) -> Option<usize> {
        self.locals.iter().position(|local| local.pairs && !local.removed && local.base == base)
    }

    pub(crate) fn add_stream(&mut self, stream: Stream) -> StreamId {
        self.next_stream = self.next_stream.wrapping_add(1);
        let id = StreamId(self.next_stream);
        self.streams.insert(id, stream);
        id
    }

    /// Sends one message. What cannot be sent is gone, as on any network.
    pub(crate) fn send(&mut self, route: Route, message: &[u8]) -> bool {
        match route {
            Route::Udp { local, remote } => self.outbox.push(Via::Udp { local, remote }, |out| {
                out.extend_from_slice(message);
                true
            }),
            Route::Relay { relay, peer } => {
                let Some(relay) = self.relays.get_mut(&relay) else { return false };
                let Some(via) = relay.via(&self.streams) else { return false };
                self.outbox.push(via, |out| relay.client.send(peer, message, out).is_ok())
            }
            Route::Stream(id) => {
                let open = self.streams.get(&id).is_some_and(Stream::is_open);
                open && self.outbox.push(Via::Stream(id), |out| crate::framing::frame(message, out))
            }
        }
    }

    /// Writes one message into `out`, for a caller that sends it itself.
    pub(crate) fn write(&mut self, route: Route, message: &[u8], out: &mut Vec<u8>) -> Option<Via> {
        match route {
            Route::Udp { local, remote } => {
                out.extend_from_slice(message);
                Some(Via::Udp { local, remote })
            }
            Route::Relay { relay, peer } => {
                let relay = self.relays.get_mut(&relay)?;
                let via = relay.via(&self.streams)?;
                relay.client.send(peer, message, out).ok().map(|()| via)
            }
            Route::Stream(id) => {
                let open = self.streams.get(&id).is_some_and(Stream::is_open);
                (open && crate::framing::frame(message, out)).then_some(Via::Stream(id))
            }
        }
    }
}
