//! Relayed candidates: allocations on TURN servers, by UDP, TCP and TLS at the same time (RFC 8445 §5.1.1.2,
//! RFC 8656).

use crate::agent::Agent;
use crate::candidate::{Address, Candidate, CandidateKind, Preference, Protocol};
use crate::checklist::is_public;
use crate::config::{ServerAddress, ServerKind};
use crate::event::Event;
use crate::gathering::{Socket, fork};
use crate::policy::TransportPolicy;
use crate::tcp::{Purpose, Stream};
use crate::transport::{Base, Local, RelayId, StreamId, Via};
use parlour_stun::RetransmitPolicy;
use parlour_turn::Transport;
use parlour_turn::client::{self, Client, Failure};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// As for checks: a lost request must cost no half second.
const RETRANSMIT: RetransmitPolicy = RetransmitPolicy {
    initial: Duration::from_millis(100),
    longest: Duration::from_millis(800),
    sends: 10,
    last_wait: Duration::from_millis(1_600),
};

/// A connection that the network swallows would be tried for minutes.
const DEADLINE: Duration = Duration::from_secs(10);

/// A packet that is lost while a connection is made costs a second and more. So another one is tried beside it: if this
/// one is not open, or has brought nothing, after so long.
const SLOW_TO_OPEN: Duration = Duration::from_millis(400);
const SLOW_TO_ALLOCATE: Duration = Duration::from_millis(1_200);
/// Connections to a server that are tried at a time.
const CONNECTIONS: usize = 6;

/// An allocation that ends sooner is not asked for again: its server would only end the next one too.
const SHORT_LIFE: Duration = Duration::from_secs(5);

/// Whether a relay at `own` can serve the candidate at `peer`: a public relay reaches no private address.
pub(crate) fn serves(own: SocketAddr, peer: SocketAddr) -> bool {
    own.is_ipv4() == peer.is_ipv4() && own != peer && (is_public(peer.ip()) || !is_public(own.ip()))
}

/// One allocation, or the wish for one.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) client: Client,
    /// The socket, or the stream, by which the server is spoken to.
    pub(crate) socket: Option<SocketAddr>,
    pub(crate) stream: Option<StreamId>,
    /// The address of the interface below.
    pub(crate) interface: IpAddr,
    pub(crate) server: SocketAddr,
    transport: Transport,
    /// Which server of the configuration it is.
    index: usize,
    pending: bool,
    /// The name in the server's certificate.
    tls: Option<String>,
    /// When to try another connection beside this one.
    beside: Option<Instant>,
    /// When a wish that nobody has fulfilled is given up.
    deadline: Instant,
    /// When it was asked for.
    asked: Instant,
    preference: u16,
    network_id: u16,
    cost: u16,
}

impl Relay {
    /// When it has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.pending.then_some(self.deadline);
        let beside = self.beside.filter(|_| self.pending);
        [self.client.poll_timeout(), deadline, beside].into_iter().flatten().min()
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending
    }

    /// By what the server is reached; `None` before the stream is open.
    pub(crate) fn via(&self, streams: &BTreeMap<StreamId, Stream>) -> Option<Via> {
        match (self.socket, self.stream) {
            (Some(local), _) => Some(Via::Udp { local, remote: self.server }),
            (None, Some(id)) => streams.get(&id).is_some_and(Stream::is_open).then_some(Via::Stream(id)),
            (None, None) => None,
        }
    }
}

impl Agent {
    /// Asks a TURN server for an allocation.
    pub(super) fn start_relay(&mut self, now: Instant, socket: &Socket, server: SocketAddr, index: usize) {
        let Some(configured) = self.config.servers.get(index) else { return };
        let ServerKind::Turn { username, password, transport, challenge, dual } = &configured.kind else { return };
        let mut config = client::Config::new(server, username, password);
        config.transport = *transport;
        config.challenge = challenge.clone();
        config.dual = *dual;
        config.retransmit = RETRANSMIT;
        let tls = match (&configured.address, transport) {
            (ServerAddress::Name(name, _), Transport::Tls) => Some(name.clone()),
            (ServerAddress::Socket(address), Transport::Tls) => Some(address.ip().to_string()),
            _ => None,
        };
        self.begin_relay(now, socket, config, index, tls, now + DEADLINE);
    }

    fn begin_relay(
        &mut self,
        now: Instant,
        socket: &Socket,
        config: client::Config,
        index: usize,
        tls: Option<String>,
        deadline: Instant,
    ) {
        self.gathering.next_relay = self.gathering.next_relay.wrapping_add(1);
        let id = RelayId(self.gathering.next_relay);
        let (server, transport) = (config.server, config.transport);
        let stream = transport.is_stream().then(|| {
            let stream = self.transports.add_stream(Stream::connecting(Purpose::Relay(id), server));
            let local = Some(SocketAddr::new(socket.local.ip(), 0));
            self.events.push_back(Event::OpenStream { stream, local, remote: server, tls: tls.clone() });
            stream
        });
        let rank = u16::try_from(self.transports.relays.len()).unwrap_or(u16::MAX).min(1_000);
        let preference = super::preference(&socket.interface, rank.saturating_mul(8), socket.local.is_ipv4());
        let relay = Relay {
            client: Client::new(now, config, fork(&mut self.rng)),
            socket: stream.is_none().then_some(socket.local),
            stream,
            interface: socket.local.ip(),
            server,
            transport,
            index,
            pending: true,
            tls,
            beside: stream.map(|_| now + SLOW_TO_OPEN),
            deadline,
            asked: now,
            preference,
            network_id: socket.interface.network_id,
            cost: socket.interface.kind.cost(),
        };
        self.transports.relays.insert(id, relay);
    }

    /// The relay that speaks to `server` by the socket `local`.
    pub(crate) fn relay_by_socket(&self, local: SocketAddr, server: SocketAddr) -> Option<RelayId> {
        let here = |(_, relay): &(&RelayId, &Relay)| relay.socket == Some(local) && relay.server == server;
        self.transports.relays.iter().find(here).map(|(id, _)| *id)
    }

    /// Lets the clients do what is due, and takes what has happened to them.
    pub(crate) fn drive_relays(&mut self, now: Instant) {
        let ids: Vec<RelayId> = self.transports.relays.keys().copied().collect();
        for id in ids {
            let Some(relay) = self.transports.relays.get_mut(&id) else { continue };
            if relay.client.poll_timeout().is_some_and(|at| at <= now) {
                relay.client.handle_timeout(now);
            }
            while let Some(event) = self.transports.relays.get_mut(&id).and_then(|relay| relay.client.poll_event()) {
                self.handle_relay_event(now, id, event);
            }
            if self.transports.relays.get(&id).is_some_and(|relay| relay.pending && relay.deadline <= now) {
                self.report(id, &Failure::Timeout);
                self.drop_relay(now, id);
            }
            if self.transports.relays.get(&id).is_some_and(|relay| relay.beside.is_some_and(|at| at <= now)) {
                self.connect_beside(now, id);
            }
        }
    }

    /// A connection is slow to come about: tries another one, unless it is only the server that takes its time.
    fn connect_beside(&mut self, now: Instant, id: RelayId) {
        let tried = self.like(id).count() + 1;
        let Some(relay) = self.transports.relays.get_mut(&id) else { return };
        let open = relay.stream.and_then(|id| self.transports.streams.get(&id)).is_some_and(Stream::is_open);
        let slow = relay.asked + SLOW_TO_ALLOCATE;
        relay.beside = (open && slow > now).then_some(slow);
        if relay.beside.is_some() || !relay.pending || tried >= CONNECTIONS {
            return;
        }
        let (config, index, tls, deadline) =
            (relay.client.config().clone(), relay.index, relay.tls.clone(), relay.deadline);
        let interface = relay.interface;
        if let Some(socket) = self.gathering.sockets.iter().find(|socket| socket.local.ip() == interface).cloned() {
            self.begin_relay(now, &socket, config, index, tls, deadline);
        }
    }

    /// The other connections to the server of a relay, from the same interface.
    fn like(&self, id: RelayId) -> impl Iterator<Item = RelayId> {
        let of = |relay: &Relay| (relay.index, relay.interface, relay.server);
        let this = self.transports.relays.get(&id).map(of);
        self.transports
            .relays
            .iter()
            .filter(move |(other, relay)| **other != id && Some(of(relay)) == this)
            .map(|(id, _)| *id)
    }

    /// Sends what the clients want sent.
    pub(crate) fn flush_relays(&mut self) {
        let transports = &mut self.transports;
        for relay in transports.relays.values_mut() {
            let Some(via) = relay.via(&transports.streams) else { continue };
            while transports.outbox.push(via, |out| relay.client.poll_transmit(out)) {}
        }
    }

    fn handle_relay_event(&mut self, now: Instant, id: RelayId, event: client::Event) {
        match event {
            client::Event::Allocated { relayed, mapped, .. } => self.allocated(now, id, &relayed, mapped),
            client::Event::PermissionRefused(peers, _) => self.unreachable_by_relay(id, &peers),
            client::Event::TryAlternate { server, domain } => self.redirected(now, id, server, domain),
            client::Event::Closed(failure) => {
                self.report(id, &failure);
                self.replace_relay(now, id);
            }
            _ => {}
        }
    }

    fn allocated(&mut self, now: Instant, id: RelayId, relayed: &[SocketAddr], mapped: Option<SocketAddr>) {
        let Some(relay) = self.transports.relays.get_mut(&id) else { return };
        relay.pending = false;
        let (socket, server, transport, interface) = (relay.socket, relay.server, relay.transport, relay.interface);
        let (index, preference, network_id, cost) = (relay.index, relay.preference, relay.network_id, relay.cost);
        if let (Some(base), Some(mapped)) = (socket, mapped) {
            self.add_reflexive(now, base, mapped, server);
        }
        self.permit(now, id);
        self.flush_relays();
        let kind = CandidateKind::Relayed;
        let hides = self.config.hide_addresses || self.config.transport_policy == TransportPolicy::Relay;
        for address in relayed {
            let candidate = Candidate {
                foundation: self.gathering.foundation(kind, interface, Some(server), transport.is_stream()),
                protocol: Protocol::Udp,
                priority: Preference { kind, protocol: Protocol::Udp, relay: Some(transport), local: preference }
                    .priority(),
                address: Address::Socket(*address),
                kind,
                related: if hides { None } else { mapped },
                relay_transport: Some(transport),
                server: Some(server),
            };
            let base = Base::Relay(id, *address);
            let local = Local { candidate, base, pairs: true, removed: false, network_id, cost, preference };
            self.add_local(now, local, true);
        }
        if transport == Transport::Udp {
            self.drop_slower(now, index, server.ip(), interface);
        } else {
            let others: Vec<RelayId> = self.like(id).collect();
            others.into_iter().for_each(|other| self.drop_relay(now, other));
        }
    }

    /// With UDP through, connections to the same server that have not brought anything yet are not needed.
    fn drop_slower(&mut self, now: Instant, index: usize, server: IpAddr, interface: IpAddr) {
        let slower = |(_, relay): &(&RelayId, &Relay)| {
            relay.pending
                && relay.transport.is_stream()
                && relay.index != index
                && relay.server.ip() == server
                && relay.interface == interface
        };
        let ids: Vec<RelayId> = self.transports.relays.iter().filter(slower).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.drop_relay(now, id));
    }

    /// Asks for permission for every remote candidate that this relay can serve, before any check goes.
    pub(crate) fn permit(&mut self, now: Instant, id: RelayId) {
        let Some(relay) = self.transports.relays.get_mut(&id) else { return };
        let relayed: Vec<SocketAddr> = relay.client.relayed().to_vec();
        for generation in &self.generations {
            for remote in &generation.remotes {
                let udp = remote.candidate.protocol == Protocol::Udp;
                if udp && relayed.iter().any(|own| serves(*own, remote.address)) {
                    relay.client.create_permission(now, &[remote.address.ip()]);
                }
            }
        }
    }

    /// A server that will not relay to a peer says nothing about any other peer.
    fn unreachable_by_relay(&mut self, id: RelayId, peers: &[IpAddr]) {
        let locals = &self.transports.locals;
        let of_relay =
            |local: usize| locals.get(local).is_some_and(|l| matches!(l.base, Base::Relay(relay, _) if relay == id));
        for generation in &mut self.generations {
            for pair in &mut generation.pairs {
                if of_relay(pair.local) && peers.contains(&pair.address.ip()) && !pair.valid {
                    pair.fail();
                }
            }
        }
    }

    fn redirected(&mut self, now: Instant, id: RelayId, server: SocketAddr, domain: Option<String>) {
        let Some(relay) = self.transports.relays.get(&id) else { return };
        let (index, interface, socket) = (relay.index, relay.interface, relay.socket);
        let config = relay.client.config().follow(server, domain.as_deref());
        let local = socket
            .or_else(|| self.gathering.sockets.iter().map(|socket| socket.local).find(|local| local.ip() == interface));
        let socket = self.gathering.sockets.iter().find(|socket| Some(socket.local) == local).cloned();
        self.forget_relay(now, id);
        match (config, socket) {
            (Ok(config), Some(socket)) => self.begin_relay(now, &socket, config, index, domain, now + DEADLINE),
            (Err(refused), _) => {
                self.events.push_back(Event::GatheringError { server, code: 300, reason: refused.to_string() })
            }
            _ => {}
        }
    }

    /// Asks all relays whether they still stand: nothing comes by the selected pair any more.
    pub(crate) fn verify_relays(&mut self, now: Instant) {
        self.transports.relays.values_mut().for_each(|relay| relay.client.verify(now));
        self.flush_relays();
    }

    /// A relay is gone. If it has served, as when its server was started anew, another one is asked for.
    fn replace_relay(&mut self, now: Instant, id: RelayId) {
        let served = |relay: &&Relay| !relay.pending && relay.asked + SHORT_LIFE <= now;
        let lost = self.transports.relays.get(&id).filter(served).map(|relay| (relay.index, relay.interface));
        self.forget_relay(now, id);
        if let Some((index, interface)) = lost {
            self.ask_for_relay(now, index, interface);
        }
    }

    /// Asks for what a new generation should have and the last one has lost: relays, and answers of STUN servers.
    pub(crate) fn gather_again(&mut self, now: Instant) {
        self.ask_silent_servers(now);
        let interfaces: Vec<IpAddr> = self.gathering.sockets.iter().map(|socket| socket.local.ip()).collect();
        for index in 0..self.config.servers.len() {
            for interface in &interfaces {
                self.ask_for_relay(now, index, *interface);
            }
        }
    }

    /// Asks a TURN server for an allocation from this interface, unless there is one, or a better one of the same host.
    fn ask_for_relay(&mut self, now: Instant, index: usize, interface: IpAddr) {
        let kind = |index: usize| self.config.servers.get(index).map(|server| &server.kind);
        let Some(ServerKind::Turn { transport, .. }) = kind(index) else { return };
        let servers: Vec<SocketAddr> =
            self.gathering.servers.iter().filter(|(_, of)| *of == index).map(|(server, _)| *server).collect();
        let stands = |relay: &Relay| {
            let serves = relay.index == index
                || (transport.is_stream()
                    && relay.transport == Transport::Udp
                    && !relay.pending
                    && servers.iter().any(|server| server.ip() == relay.server.ip()));
            relay.interface == interface && serves
        };
        if self.transports.relays.values().any(stands) {
            return;
        }
        let Some(socket) = self.gathering.sockets.iter().find(|socket| socket.local.ip() == interface).cloned() else {
            return;
        };
        for server in servers {
            self.ask(now, &socket, server, index);
        }
    }

    fn report(&mut self, id: RelayId, failure: &Failure) {
        // While others are tried, one that fails is no news.
        if self.like(id).next().is_some() {
            return;
        }
        let Some(relay) = self.transports.relays.get(&id) else { return };
        let code = match failure {
            Failure::Released => return,
            Failure::Refused { code, .. } => *code,
            _ => 701,
        };
        let reason = failure.to_string();
        self.events.push_back(Event::GatheringError { server: relay.server, code, reason });
    }

    /// Gives a relay back.
    pub(crate) fn drop_relay(&mut self, now: Instant, id: RelayId) {
        if let Some(relay) = self.transports.relays.get_mut(&id) {
            relay.client.close(now);
        }
        self.flush_relays();
        self.forget_relay(now, id);
    }

    pub(crate) fn forget_relay(&mut self, now: Instant, id: RelayId) {
        let Some(relay) = self.transports.relays.remove(&id) else { return };
        if let Some(stream) = relay.stream {
            self.transports.streams.remove(&stream);
            self.events.push_back(Event::CloseStream(stream));
        }
        self.remove_locals(now, |l| matches!(l.base, Base::Relay(relay, _) if relay == id));
    }

    /// The connection to a TURN server is gone.
    pub(crate) fn relay_stream_closed(&mut self, now: Instant, id: RelayId) {
        let alone = self.like(id).next().is_none();
        if let Some(relay) = self.transports.relays.get(&id).filter(|relay| relay.pending && alone) {
            let (server, reason) = (relay.server, "the TURN server could not be connected to".to_owned());
            self.events.push_back(Event::GatheringError { server, code: 701, reason });
        }
        self.replace_relay(now, id);
    }
}
