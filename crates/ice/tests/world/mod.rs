//! Two agents, the networks that they are on, a STUN and TURN server, and the signaling between them, all in virtual
//! time from one seed.
#![allow(dead_code, unreachable_pub)]

pub mod oracle;
pub mod server;
pub mod topology;

use parlour_ice::*;
use parlour_netsim::{ConnectionId, Event as NetEvent, HostId, Network, Packet, Rng as SimRng, TcpEvent};
use server::TurnHost;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
pub use topology::*;

/// What each side sends to find out whether both use the same pair.
pub const PINGS: u64 = 8;

pub const MS: Duration = Duration::from_millis(1);

/// How candidates get to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trickle {
    /// Each as it is found.
    Full,
    /// The offerer waits until it has all of them.
    Half,
    /// Each comes 300 ms late.
    Late,
}

/// What goes by signaling.
#[derive(Clone, Debug)]
pub enum Signal {
    /// The fragment, if any, names the offer that these answer.
    Parameters(Parameters, Option<String>),
    Candidate(Candidate, String),
    End(String),
}

/// One side.
pub struct Peer {
    pub host: HostId,
    pub agent: Agent,
    pub sockets: Vec<SocketAddr>,
    pub streams: HashMap<ConnectionId, StreamId>,
    pub connections: HashMap<StreamId, ConnectionId>,
    /// Connections that pretend to do a TLS handshake first.
    tls: HashMap<ConnectionId, StreamId>,
    locals: HashMap<StreamId, SocketAddr>,
    /// All events, with the time at which they came.
    pub events: Vec<(Duration, Event)>,
    /// Data that came, and by which pair.
    pub received: Vec<(Duration, PairId, Vec<u8>)>,
    /// Held-back signals, until gathering is complete.
    hold: bool,
    held: Vec<Signal>,
    pub wakes: u64,
    pub sent_packets: u64,
    next_port: u16,
}

impl Peer {
    pub fn selected_at(&self) -> Option<Duration> {
        self.events.iter().find(|(_, event)| matches!(event, Event::SelectedPair { .. })).map(|(at, _)| *at)
    }

    /// The pair in use, as the last event told it.
    pub fn selected(&self) -> Option<(&Candidate, &Candidate, bool)> {
        self.events.iter().rev().find_map(|(_, event)| match event {
            Event::SelectedPair { local, remote, nominated, .. } => Some((local, remote, *nominated)),
            _ => None,
        })
    }

    /// The last event about it is never behind.
    fn knows_its_pair(&self) {
        let Some(selected) = self.agent.selected_pair() else { return };
        let told = self.events.iter().rev().find_map(|(_, event)| match event {
            Event::SelectedPair { pair, .. } => Some(*pair),
            _ => None,
        });
        assert_eq!(told, Some(selected));
    }

    pub fn is_relayed(&self) -> bool {
        // What is known now: the other side's relay may have been met before it was told of.
        self.agent
            .stats()
            .pairs
            .iter()
            .filter(|pair| pair.selected)
            .any(|pair| pair.local.kind == CandidateKind::Relayed || pair.remote.kind == CandidateKind::Relayed)
    }

    pub fn states(&self) -> Vec<(Duration, ConnectionState)> {
        let state = |(at, event): &(Duration, Event)| match event {
            Event::State(state) => Some((*at, *state)),
            _ => None,
        };
        self.events.iter().filter_map(state).collect()
    }
}

/// Everything.
pub struct World {
    pub net: Network,
    pub peers: Vec<Peer>,
    pub turn: TurnHost,
    pub rng: SimRng,
    pub trickle: Trickle,
    /// One way, by signaling.
    pub signal_delay: Duration,
    /// Signals wait here for [`World::release`].
    pub hold_all: bool,
    withheld: Vec<(usize, Signal)>,
    signals: Vec<(Instant, u64, usize, Signal)>,
    sequence: u64,
    pub dns: HashMap<String, Vec<IpAddr>>,
    /// Meddles with each datagram on its way in: `false` drops it.
    #[allow(clippy::type_complexity)]
    pub attacker: Option<Box<dyn FnMut(usize, &mut Vec<u8>) -> bool>>,
}

pub fn secure(rng: &mut SimRng) -> Rng {
    let mut fork = rng.fork();
    Box::new(move |bytes| fork.fill(bytes))
}

impl World {
    pub fn new(seed: u64, topology: &Topology, configs: [Config; 2]) -> Self {
        let mut rng = SimRng::new(seed ^ 0x1CE);
        let mut net = Network::new(seed);
        let built = topology.build(&mut net);
        let turn = TurnHost::new(&net, built.server, rng.fork());
        let mut peers = Vec::new();
        for (side, config) in built.sides.into_iter().zip(configs) {
            let agent = Agent::new(config, secure(&mut rng));
            peers.push(Peer {
                host: side,
                agent,
                sockets: Vec::new(),
                streams: HashMap::new(),
                connections: HashMap::new(),
                tls: HashMap::new(),
                locals: HashMap::new(),
                events: Vec::new(),
                received: Vec::new(),
                hold: false,
                held: Vec::new(),
                wakes: 0,
                sent_packets: 0,
                next_port: 40_000 + rng.below(10_000) as u16,
            });
        }
        let dns = HashMap::from([(
            "ipv4only.arpa".to_owned(),
            vec!["192.0.0.170".parse().unwrap(), "64:ff9b::c000:aa".parse().unwrap()],
        )]);
        World {
            net,
            peers,
            turn,
            rng,
            trickle: Trickle::Full,
            signal_delay: Duration::ZERO,
            hold_all: false,
            withheld: Vec::new(),
            signals: Vec::new(),
            sequence: 0,
            dns,
            attacker: None,
        }
    }

    pub fn now(&self) -> Instant {
        self.net.now()
    }

    /// Gives a side its sockets, and tells the other one about it.
    pub fn start(&mut self, side: usize) {
        let now = self.now();
        self.peers[side].hold = self.trickle == Trickle::Half && side == 0;
        let parameters = Signal::Parameters(self.peers[side].agent.local_parameters(), None);
        self.signal(side, parameters);
        for ip in self.net.addresses(self.peers[side].host) {
            self.bind(now, side, ip);
        }
        self.flush(side);
    }

    pub fn bind(&mut self, now: Instant, side: usize, ip: IpAddr) -> SocketAddr {
        let peer = &mut self.peers[side];
        peer.next_port += 1;
        let local = SocketAddr::new(ip, peer.next_port);
        peer.sockets.push(local);
        peer.agent.add_socket(now, Socket::new(local));
        local
    }

    fn signal(&mut self, from: usize, signal: Signal) {
        if self.hold_all {
            return self.withheld.push((from, signal));
        }
        if self.peers[from].hold {
            return self.peers[from].held.push(signal);
        }
        let late = if self.trickle == Trickle::Late && !matches!(signal, Signal::Parameters(..)) {
            300 * MS
        } else {
            Duration::ZERO
        };
        self.sequence += 1;
        self.signals.push((self.net.now() + self.signal_delay + late, self.sequence, 1 - from, signal));
    }

    /// Lets all withheld signals arrive now: both sides know everything at this instant.
    pub fn release(&mut self) {
        self.hold_all = false;
        let now = self.now();
        for side in [0, 1] {
            for (_, signal) in self.withheld.extract_if(.., |(from, _)| *from == 1 - side).collect::<Vec<_>>() {
                self.deliver_signal(now, side, signal);
            }
        }
        for side in [0, 1] {
            self.flush(side);
        }
    }

    /// What has been withheld for `side` arrives now.
    pub fn release_to(&mut self, side: usize) {
        let now = self.now();
        for (_, signal) in self.withheld.extract_if(.., |(from, _)| *from == 1 - side).collect::<Vec<_>>() {
            self.deliver_signal(now, side, signal);
        }
        self.flush(side);
    }

    fn deliver_signal(&mut self, now: Instant, side: usize, signal: Signal) {
        let agent = &mut self.peers[side].agent;
        match signal {
            Signal::Parameters(parameters, answered) => {
                if answered.as_ref().is_some_and(|offer| *offer != agent.local_parameters().ufrag) {
                    return; // It answers an offer that another one has overtaken.
                }
                if agent.set_remote_parameters(now, &parameters).is_err() {
                    // The other side has restarted: so does this one, and answers. An answer that does not fit any more
                    // is met by another offer.
                    let own = agent.restart(now);
                    let answers = if answered.is_none() {
                        agent.set_remote_parameters(now, &parameters).unwrap();
                        Some(parameters.ufrag)
                    } else {
                        None
                    };
                    self.signal(side, Signal::Parameters(own, answers));
                }
            }
            Signal::Candidate(candidate, ufrag) => agent.add_remote_candidate(now, candidate, Some(&ufrag)),
            Signal::End(ufrag) => agent.end_of_remote_candidates(now, Some(&ufrag)),
        }
    }

    pub fn restart(&mut self, side: usize) {
        let now = self.now();
        let parameters = self.peers[side].agent.restart(now);
        self.signal(side, Signal::Parameters(parameters, None));
        self.flush(side);
    }

    /// Sends what a side wants sent, and does what its events say.
    pub fn flush(&mut self, side: usize) {
        let now = self.net.now();
        let mut buffer = Vec::new();
        loop {
            let mut idle = true;
            while let Some(transmit) = self.peers[side].agent.poll_transmit(now, &mut buffer) {
                idle = false;
                self.transmit(side, transmit, std::mem::take(&mut buffer));
            }
            while let Some(event) = self.peers[side].agent.poll_event() {
                idle = false;
                self.handle_event(now, side, event);
            }
            if idle {
                self.peers[side].knows_its_pair();
                return;
            }
        }
    }

    pub fn transmit(&mut self, side: usize, transmit: Transmit, bytes: Vec<u8>) {
        let peer = &mut self.peers[side];
        peer.sent_packets += 1;
        match transmit.via {
            Via::Udp { local, remote } => self.net.send(peer.host, Packet::udp(local, remote, bytes)),
            Via::Stream(id) => {
                if let Some(connection) = peer.connections.get(&id) {
                    self.net.tcp_send(peer.host, *connection, &bytes);
                }
            }
        }
    }

    fn handle_event(&mut self, now: Instant, side: usize, event: Event) {
        let elapsed = self.net.elapsed();
        self.peers[side].events.push((elapsed, event.clone()));
        let ufrag = self.peers[side].agent.local_parameters().ufrag;
        match event {
            Event::LocalCandidate(candidate) => self.signal(side, Signal::Candidate(candidate, ufrag)),
            Event::Gathering(GatheringState::Complete) => {
                self.signal(side, Signal::End(ufrag));
                self.peers[side].hold = false;
                let held = std::mem::take(&mut self.peers[side].held);
                held.into_iter().for_each(|signal| self.signal(side, signal));
            }
            Event::OpenStream { stream, local, remote, tls } => {
                let peer = &mut self.peers[side];
                peer.next_port += 1;
                let mut from = local.unwrap_or(SocketAddr::new(self.net.addresses(peer.host)[0], 0));
                if from.port() == 0 {
                    from.set_port(peer.next_port);
                }
                let connection = self.net.tcp_connect(peer.host, from, remote);
                peer.streams.insert(connection, stream);
                peer.connections.insert(stream, connection);
                peer.locals.insert(stream, from);
                if tls.is_some() {
                    peer.tls.insert(connection, stream);
                }
            }
            Event::CloseStream(stream) => {
                let peer = &mut self.peers[side];
                if let Some(connection) = peer.connections.remove(&stream) {
                    peer.streams.remove(&connection);
                    self.net.tcp_close(peer.host, connection);
                }
            }
            Event::Resolve(name) => {
                let addresses = self.dns.get(&name).cloned().unwrap_or_default();
                self.peers[side].agent.handle_resolved(now, &name, &addresses);
            }
            Event::PublishName { name, address } => {
                self.dns.insert(name, vec![address]);
            }
            _ => {}
        }
    }

    fn next_signal(&self) -> Option<(Instant, u64)> {
        self.signals.iter().map(|(at, sequence, ..)| (*at, *sequence)).min()
    }

    /// Runs until `until`, or until `done` says so after something has happened.
    pub fn run_until(&mut self, until: Instant, mut done: impl FnMut(&World) -> bool) -> bool {
        if done(self) {
            return true;
        }
        loop {
            let timers = self.peers.iter().filter_map(|peer| peer.agent.poll_timeout());
            let next = timers
                .chain(self.turn.poll_timeout())
                .chain(self.next_signal().map(|(at, _)| at))
                .min()
                .map_or(until, |at| at.min(until));
            match self.net.poll(next.max(self.net.now())) {
                Some((host, event)) => self.dispatch(host, event),
                None => {
                    let now = self.net.now();
                    self.fire(now);
                    if now >= until {
                        return done(self);
                    }
                }
            }
            if done(self) {
                return true;
            }
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let until = self.now() + time;
        self.run_until(until, |_| false);
    }

    /// Timers and signals that are due.
    fn fire(&mut self, now: Instant) {
        while let Some((at, sequence)) = self.next_signal().filter(|(at, _)| *at <= now) {
            let due = |s: &mut (Instant, u64, usize, Signal)| s.0 == at && s.1 == sequence;
            for (_, _, side, signal) in self.signals.extract_if(.., due).collect::<Vec<_>>() {
                self.deliver_signal(now, side, signal);
                self.flush(side);
            }
        }
        for side in 0..self.peers.len() {
            let peer = &mut self.peers[side];
            if peer.agent.poll_timeout().is_some_and(|at| at <= now) {
                peer.wakes += 1;
                peer.agent.handle_timeout(now);
                let next = peer.agent.poll_timeout();
                assert!(
                    next.is_none_or(|at| at > now),
                    "side {side} at {:?}: the timer is due after it was handled",
                    self.net.elapsed()
                );
                self.flush(side);
            }
        }
        self.turn.handle_timeout(&mut self.net);
    }

    fn dispatch(&mut self, host: HostId, event: NetEvent) {
        if host == self.turn.host {
            if event == NetEvent::Restarted {
                // It has forgotten all allocations.
                self.turn = TurnHost::new(&self.net, host, self.rng.fork());
                return self.turn.listen(&mut self.net);
            }
            return self.turn.handle(&mut self.net, event);
        }
        let Some(side) = self.peers.iter().position(|peer| peer.host == host) else { return };
        let now = self.net.now();
        let elapsed = self.net.elapsed();
        match event {
            NetEvent::Udp(packet) => {
                let meta = Meta { local: packet.dst, remote: packet.src };
                let mut bytes = packet.payload;
                if let Some(attacker) = &mut self.attacker
                    && !attacker(side, &mut bytes)
                {
                    return;
                }
                self.inject(side, meta, &mut bytes);
            }
            NetEvent::Unreachable { to, .. } => self.peers[side].agent.handle_unreachable(to),
            NetEvent::Tcp(connection, event) => self.tcp(now, elapsed, side, connection, event),
            NetEvent::AddressesChanged | NetEvent::Restarted => {}
        }
        self.flush(side);
    }

    /// Hands a datagram to a side, wherever it comes from.
    pub fn inject(&mut self, side: usize, meta: Meta, bytes: &mut [u8]) {
        let (now, elapsed) = (self.net.now(), self.net.elapsed());
        let peer = &mut self.peers[side];
        if let Some(received) = peer.agent.handle_datagram(now, meta, bytes) {
            peer.received.push((elapsed, received.pair, received.data.to_vec()));
        }
    }

    fn tcp(&mut self, now: Instant, elapsed: Duration, side: usize, connection: ConnectionId, event: TcpEvent) {
        let peer = &mut self.peers[side];
        match event {
            TcpEvent::Accepted { local, remote } => match peer.agent.accept_stream(now, local, remote) {
                Some(stream) => {
                    peer.streams.insert(connection, stream);
                    peer.connections.insert(stream, connection);
                }
                None => self.net.tcp_close(peer.host, connection),
            },
            TcpEvent::Connected => {
                let Some(stream) = peer.streams.get(&connection).copied() else { return };
                if peer.tls.contains_key(&connection) {
                    self.net.tcp_send(peer.host, connection, &[22; 300]);
                } else {
                    let local = peer.locals[&stream];
                    peer.agent.handle_stream_open(now, stream, local);
                }
            }
            TcpEvent::Data(bytes) => {
                let Some(stream) = peer.streams.get(&connection).copied() else { return };
                if peer.tls.remove(&connection).is_some() {
                    let local = peer.locals[&stream];
                    return peer.agent.handle_stream_open(now, stream, local);
                }
                let received = &mut peer.received;
                peer.agent.handle_stream_data(now, stream, &bytes, &mut |got| {
                    received.push((elapsed, got.pair, got.data.to_vec()));
                });
            }
            TcpEvent::Closed | TcpEvent::Reset | TcpEvent::TimedOut => {
                if let Some(stream) = peer.streams.remove(&connection) {
                    peer.connections.remove(&stream);
                    peer.agent.handle_stream_closed(now, stream);
                }
            }
        }
    }

    /// Sends data by the selected pair; whether it could.
    pub fn send_data(&mut self, side: usize, data: &[u8]) -> bool {
        let now = self.now();
        let mut buffer = Vec::new();
        let Ok(transmit) = self.peers[side].agent.send(now, data, &mut buffer) else { return false };
        self.transmit(side, transmit, buffer);
        true
    }

    /// Whether both sides have a pair.
    pub fn both_selected(&self) -> bool {
        self.peers.iter().all(|peer| peer.agent.selected_pair().is_some())
    }

    /// Whether both sides are done, with a nominated pair.
    pub fn both_nominated(&self) -> bool {
        self.peers.iter().all(|peer| {
            peer.agent.selected_pair().is_some() && peer.selected().is_some_and(|(_, _, nominated)| nominated)
        })
    }

    /// Whether both send by the pair that the other one sends by: data of each must come by the other's selected pair.
    pub fn agreed(&mut self) -> bool {
        self.agreed_within(400 * MS)
    }

    /// The same on paths that may take so long.
    pub fn agreed_within(&mut self, window: Duration) -> bool {
        let before = [self.peers[0].received.len(), self.peers[1].received.len()];
        for _ in 0..PINGS {
            self.send_data(0, b"\x80ping of the left side");
            self.send_data(1, b"\x80ping of the right side");
        }
        self.run_for(window);
        (0..2).all(|side| {
            let peer = &self.peers[side];
            let got = &peer.received[before[side]..];
            !got.is_empty() && got.iter().all(|(_, pair, _)| Some(*pair) == peer.agent.selected_pair())
        })
    }
}
