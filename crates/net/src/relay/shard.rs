//! One shard: the event loop that moves packets between sockets and the state machine.

use super::inbox::{Command, Inbox, Packets};
use super::peers::Peers;
use super::streams::Streams;
use super::{Listed, ListedId, Listeners, OnEvent, PortHomes, RelayConfig, Report};
use crate::udp::{Options, Train, UdpIo, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use parlour_turn::server::{IoRequest, RelayId, RelayTransport, Server, Via};
use parlour_turn::{Ecn, FiveTuple, Outbox, Transport};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Trains that are taken from one socket before the others get their turn.
const BATCH: usize = 32;
/// Batches from one socket in its turn.
const TURNS: usize = 4;
/// Buffers of a relay's socket, which belongs to one client.
const RELAY_BUFFER: usize = 1 << 20;
/// How often the wall clock is looked at, in case somebody has set it.
const CLOCK: Duration = Duration::from_secs(60);

/// What a readiness event is about. The kind is in the low bits of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Waker,
    Udp(usize),
    Tcp(usize),
    Tls(usize),
    Relay(usize),
    Stream(usize),
    Peer(usize),
}

pub(super) const WAKER: Token = Token(0);
const KINDS: usize = 8;

impl Source {
    pub(super) fn token(self) -> Token {
        let (kind, index) = match self {
            Self::Waker => (0, 0),
            Self::Udp(index) => (1, index),
            Self::Tcp(index) => (2, index),
            Self::Tls(index) => (3, index),
            Self::Relay(index) => (4, index),
            Self::Stream(index) => (5, index),
            Self::Peer(index) => (6, index),
        };
        Token(index * KINDS + kind)
    }

    fn of(token: Token) -> Self {
        let index = token.0 / KINDS;
        match token.0 % KINDS {
            1 => Self::Udp(index),
            2 => Self::Tcp(index),
            3 => Self::Tls(index),
            4 => Self::Relay(index),
            5 => Self::Stream(index),
            6 => Self::Peer(index),
            _ => Self::Waker,
        }
    }
}

/// The socket of a relay.
pub(super) enum RelaySocket {
    Udp(UdpSocket),
    /// A listener for peers' connections (RFC 6062), at this address.
    Tcp(SocketAddr, mio::net::TcpListener),
}

/// One thread's part of the relay.
pub(super) struct Shard {
    pub(super) index: usize,
    pub(super) server: Server,
    pub(super) poll: Poll,
    pub(super) inboxes: Arc<[Arc<Inbox>]>,
    homes: PortHomes,
    pub(super) out: Outbox<Via>,
    spare: Outbox<Via>,
    io: UdpIo,
    udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<(SocketAddr, mio::net::TcpListener)>,
    pub(super) tls: Vec<(SocketAddr, mio::net::TcpListener)>,
    pub(super) tls_config: Option<Arc<rustls::ServerConfig>>,
    pub(super) relays: Vec<Option<RelaySocket>>,
    pub(super) streams: Streams,
    pub(super) peers: Peers,
    /// Sources that may have more than they were given time for.
    pub(super) again: Vec<Source>,
    /// Clients whose allocation is in another shard.
    guests: Guests,
    cross: Packets,
    on_event: Option<OnEvent>,
    clock_checked: Instant,
    drops_of_closed: u64,
    send_drops: u64,
    cross_shard: u64,
    stop: bool,
}

impl Shard {
    pub(super) fn new(
        index: usize,
        server: Server,
        poll: Poll,
        inboxes: &Arc<[Arc<Inbox>]>,
        homes: PortHomes,
        listeners: Listeners,
        config: &RelayConfig,
    ) -> io::Result<Self> {
        let Listeners { mut udp, mut tcp, mut tls } = listeners;
        let registry = poll.registry();
        for (n, socket) in udp.iter_mut().enumerate() {
            registry.register(socket.source(), Source::Udp(n).token(), Interest::READABLE)?;
        }
        for (n, (_, listener)) in tcp.iter_mut().enumerate() {
            registry.register(listener, Source::Tcp(n).token(), Interest::READABLE)?;
        }
        for (n, (_, listener)) in tls.iter_mut().enumerate() {
            registry.register(listener, Source::Tls(n).token(), Interest::READABLE)?;
        }
        Ok(Self {
            index,
            server,
            inboxes: Arc::clone(inboxes),
            homes,
            out: Outbox::default(),
            spare: Outbox::default(),
            io: UdpIo::new(),
            udp,
            tcp,
            tls,
            tls_config: config.tls_config.clone(),
            relays: Vec::new(),
            streams: Streams::new(config.streams_per_address),
            peers: Peers::default(),
            again: Vec::new(),
            guests: Guests::default(),
            cross: Packets::default(),
            on_event: config.on_event.clone(),
            clock_checked: Instant::now(),
            drops_of_closed: 0,
            send_drops: 0,
            cross_shard: 0,
            stop: false,
            poll,
        })
    }

    /// Serves until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut turn = Vec::new();
        while !self.stop {
            let timeout = if self.again.is_empty() { self.until_next() } else { Some(Duration::ZERO) };
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the relay cannot wait for packets and ends");
                return;
            }
            let now = Instant::now();
            std::mem::swap(&mut turn, &mut self.again);
            let left_over = turn.len();
            // What other shards have to say comes first: they say where a client belongs before that client can answer.
            if events.iter().any(|event| event.token() == WAKER) {
                self.open_mail(now);
            }
            for event in &events {
                let source = Source::of(event.token());
                if source != Source::Waker && !turn.iter().take(left_over).any(|other| *other == source) {
                    turn.push(source);
                }
            }
            for source in turn.drain(..) {
                self.serve(now, source);
            }
            self.end_what_is_over(now);
        }
    }

    fn until_next(&self) -> Option<Duration> {
        let next = [self.server.poll_timeout(), self.streams.next_timeout()].into_iter().flatten().min();
        let now = Instant::now();
        let clock = self.clock_checked + CLOCK;
        Some(next.map_or(clock, |next| next.min(clock)).saturating_duration_since(now))
    }

    fn end_what_is_over(&mut self, now: Instant) {
        if self.server.poll_timeout().is_some_and(|at| at <= now) {
            self.server.handle_timeout(now, &mut self.out);
            self.flush(now);
        }
        if self.streams.next_timeout().is_some_and(|at| at <= now) {
            self.end_silent_streams(now);
        }
        if now.duration_since(self.clock_checked) >= CLOCK {
            self.clock_checked = now;
            self.server.set_unix_time(now, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        }
    }

    fn serve(&mut self, now: Instant, source: Source) {
        match source {
            Source::Waker => self.open_mail(now),
            Source::Udp(index) => self.receive_clients(now, index),
            Source::Relay(index) => self.receive_relay(now, index),
            Source::Tcp(index) => self.accept_clients(now, index, false),
            Source::Tls(index) => self.accept_clients(now, index, true),
            Source::Stream(index) => self.drive_stream(now, index),
            Source::Peer(index) => self.drive_peer(now, index),
        }
    }

    /// Datagrams of clients.
    fn receive_clients(&mut self, now: Instant, index: usize) {
        for _ in 0..TURNS {
            let Some(socket) = self.udp.get(index) else { return };
            let local = socket.local();
            let trains = match self.io.receive(socket, BATCH) {
                Ok(trains) => trains,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let whole = trains.len() == BATCH;
            for train in trains {
                let server = SocketAddr::new(train.to.unwrap_or(local.ip()), local.port());
                let tuple = FiveTuple { transport: Transport::Udp, client: train.from, server };
                for bytes in train.datagrams() {
                    if self.inboxes.len() > 1
                        && let Some(home) = self.guests.home_of(&self.server, tuple, bytes)
                    {
                        let foreign =
                            Command::Foreign { tuple, ecn: train.ecn, bytes: bytes.to_vec(), from: self.index };
                        self.inboxes.get(home).inspect(|inbox| inbox.push(foreign));
                        continue;
                    }
                    self.server.handle_client(now, tuple, train.ecn, bytes, &mut self.out);
                }
            }
            self.flush(now);
            if !whole {
                return;
            }
        }
        self.again.push(Source::Udp(index));
    }

    /// Datagrams, or connections, of peers.
    fn receive_relay(&mut self, now: Instant, index: usize) {
        for _ in 0..TURNS {
            let socket = match self.relays.get(index) {
                Some(Some(RelaySocket::Udp(socket))) => socket,
                Some(Some(RelaySocket::Tcp(..))) => return self.accept_peers(now, index),
                _ => return,
            };
            let trains = match self.io.receive(socket, BATCH) {
                Ok(trains) => trains,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let whole = trains.len() == BATCH;
            let relay = RelayId(index as u32);
            for train in trains {
                for bytes in train.datagrams() {
                    self.server.handle_peer(now, relay, train.from, train.ecn, bytes, &mut self.out);
                }
            }
            self.flush(now);
            if !whole {
                return;
            }
        }
        self.again.push(Source::Relay(index));
    }

    /// Sends what the state machine has written, and does what it asks for, until nothing is left.
    pub(super) fn flush(&mut self, now: Instant) {
        loop {
            if !self.out.is_empty() {
                let mut out = std::mem::replace(&mut self.out, std::mem::take(&mut self.spare));
                self.send(now, &out);
                out.clear();
                self.spare = out;
            }
            while let Some(request) = self.server.poll_request() {
                self.carry_out(now, request);
            }
            while let Some(event) = self.server.poll_event() {
                if let Some(on_event) = &self.on_event {
                    on_event(&event);
                }
            }
            if self.out.is_empty() {
                return;
            }
        }
    }

    fn send(&mut self, now: Instant, out: &Outbox<Via>) {
        for transmit in out.transmits() {
            let bytes = out.bytes().get(transmit.range.clone()).unwrap_or_default();
            let train = Train {
                bytes,
                segment_size: transmit.segment_size,
                to: transmit.to,
                from: None,
                ecn: transmit.ecn,
                dont_fragment: transmit.dont_fragment,
            };
            match transmit.via {
                Via::Client(tuple) if tuple.transport == Transport::Udp => self.send_to_client(tuple, train),
                Via::Client(tuple) => self.send_to_stream(now, tuple, bytes),
                Via::Relay(relay) => self.send_to_peer(now, relay, train),
            }
        }
        self.flush_streams(now);
    }

    fn send_to_client(&mut self, tuple: FiveTuple, train: Train<'_>) {
        let Some(socket) = self.udp.iter().find(|socket| socket.serves(tuple.server)) else { return };
        let wildcard = socket.local().ip().is_unspecified();
        let train = Train { from: wildcard.then_some(tuple.server.ip()), ..train };
        if self.io.send(socket, train).is_err() {
            self.send_drops += 1;
        }
    }

    fn send_to_peer(&mut self, now: Instant, relay: RelayId, train: Train<'_>) {
        let Some(Some(RelaySocket::Udp(socket))) = self.relays.get(relay.0 as usize) else { return };
        if self.inboxes.len() > 1
            && let Some(home) = self.homes.find(train.to).filter(|home| *home != self.index)
        {
            let from = self.homes.advertised(socket.local());
            self.cross_shard += 1;
            let left = self
                .inboxes
                .get(home)
                .is_some_and(|inbox| inbox.push_train(from, train.to, train.ecn, train.segment_size, train.bytes));
            self.send_drops += u64::from(!left);
            return;
        }
        match self.io.send(socket, train) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.send_drops += 1,
            Err(_) => self.server.handle_peer_error(now, relay, train.to, None, &mut self.out),
        }
    }

    fn carry_out(&mut self, now: Instant, request: IoRequest) {
        match request {
            IoRequest::BindRelay { relay, address, transport } => {
                let bound = self.bind_relay(relay, address, transport);
                self.server.handle_relay_bound(now, relay, bound, &mut self.out);
            }
            IoRequest::CloseRelay { relay } => self.close_relay(relay),
            IoRequest::ConnectPeer { connection, relay, peer } => self.connect_peer(now, connection, relay, peer),
            IoRequest::Splice { connection, client } => self.splice(now, connection, client),
            IoRequest::ClosePeer { connection } => self.close_peer(connection),
            IoRequest::CloseClient { client } => self.close_client(now, client),
        }
    }

    fn bind_relay(&mut self, relay: RelayId, address: SocketAddr, transport: RelayTransport) -> bool {
        let index = relay.0 as usize;
        let opened = match transport {
            RelayTransport::Udp => {
                let options = Options { share_port: false, receive_buffer: RELAY_BUFFER, send_buffer: 0 };
                UdpSocket::bind(address, options).map(RelaySocket::Udp)
            }
            RelayTransport::Tcp => {
                super::bind_tcp(address, true).map(|(local, listener)| RelaySocket::Tcp(local, listener))
            }
        };
        let Ok(mut socket) = opened else { return false };
        let token = Source::Relay(index).token();
        let registered = match &mut socket {
            RelaySocket::Udp(socket) => self.poll.registry().register(socket.source(), token, Interest::READABLE),
            RelaySocket::Tcp(_, listener) => self.poll.registry().register(listener, token, Interest::READABLE),
        };
        if let Err(error) = registered {
            tracing::warn!(%error, "a relay's socket cannot be watched");
            return false;
        }
        if self.relays.len() <= index {
            self.relays.resize_with(index + 1, || None);
        }
        if transport == RelayTransport::Udp {
            self.homes.set(address, true);
        }
        if let Some(place) = self.relays.get_mut(index) {
            *place = Some(socket);
        }
        true
    }

    fn close_relay(&mut self, relay: RelayId) {
        match self.relays.get_mut(relay.0 as usize).and_then(Option::take) {
            // The event queue forgets a descriptor that is closed.
            Some(RelaySocket::Udp(socket)) => {
                self.homes.set(socket.local(), false);
                self.drops_of_closed += socket.dropped();
            }
            Some(RelaySocket::Tcp(..)) | None => {}
        }
    }

    fn open_mail(&mut self, now: Instant) {
        let Some(inbox) = self.inboxes.get(self.index).cloned() else { return };
        let mut packets = std::mem::take(&mut self.cross);
        inbox.swap_packets(&mut packets);
        for (train, datagrams) in packets.iter() {
            let Some(relay) = self.server.relay_at(train.to) else { continue };
            for bytes in datagrams {
                self.server.handle_peer(now, relay, train.from, train.ecn, bytes, &mut self.out);
            }
        }
        packets.clear();
        self.cross = packets;
        self.flush(now);
        for command in inbox.take_commands() {
            self.obey(now, command);
        }
    }

    fn obey(&mut self, now: Instant, command: Command) {
        match command {
            Command::Stream(accepted) => self.take_stream(now, *accepted),
            Command::Foreign { tuple, ecn, bytes, from } => {
                self.server.handle_client(now, tuple, ecn, &bytes, &mut self.out);
                let known = self.server.has_allocation(&tuple);
                if !known || matches!(bytes.first(), Some(0..=3)) {
                    let home = self.index;
                    self.inboxes.get(from).inspect(|inbox| inbox.push(Command::Guest { tuple, home, known }));
                }
                // Only now, so that the client's answer finds its way.
                self.flush(now);
            }
            Command::Guest { tuple, home, known: true } => drop(self.guests.0.insert(tuple, home)),
            Command::Guest { tuple, home, known: false } => {
                if self.guests.0.get(&tuple) == Some(&home) {
                    self.guests.0.remove(&tuple);
                }
            }
            // Who asked may have gone.
            Command::Report(answer) => drop(answer.send(self.report())),
            Command::List(answer) => drop(answer.send(self.list(now))),
            Command::Kick(allocation, answer) => {
                let _ = answer.send(self.server.kick(allocation));
                self.flush(now);
            }
            Command::Drain => {
                self.server.drain();
                self.flush(now);
            }
            Command::Stop => self.stop = true,
        }
    }

    fn report(&self) -> Report {
        let relay_drops: u64 = self
            .relays
            .iter()
            .flatten()
            .map(|relay| if let RelaySocket::Udp(socket) = relay { socket.dropped() } else { 0 })
            .sum();
        Report {
            counters: *self.server.counters(),
            allocations: self.server.len(),
            streams: self.streams.len(),
            kernel_drops: self.udp.iter().map(UdpSocket::dropped).sum::<u64>() + relay_drops + self.drops_of_closed,
            send_drops: self.send_drops + self.streams.dropped(),
            cross_shard: self.cross_shard,
        }
    }

    fn list(&self, now: Instant) -> Vec<Listed> {
        let shard = self.index as u32;
        self.server
            .allocations()
            .map(|info| Listed {
                id: ListedId { shard, allocation: info.allocation },
                remaining: info.expires.saturating_duration_since(now),
                info,
            })
            .collect()
    }
}

/// Clients whom the kernel deals to this shard although their allocation is in another one: they have moved (RFC 8016),
/// or taken a port that was kept for them there. Only who has an allocation is remembered.
#[derive(Default)]
struct Guests(HashMap<FiveTuple, usize>);

impl Guests {
    /// Where a datagram belongs, if not here.
    fn home_of(&self, server: &Server, tuple: FiveTuple, bytes: &[u8]) -> Option<usize> {
        if let Some(home) = self.0.get(&tuple) {
            return Some(*home);
        }
        if !matches!(bytes.first(), Some(0..=3)) || server.has_allocation(&tuple) {
            return None;
        }
        server.home_of(bytes).map(|home| home as usize)
    }
}

/// How something was marked that came on a stream: not at all.
pub(super) const STREAM_ECN: Ecn = Ecn::NotCapable;
