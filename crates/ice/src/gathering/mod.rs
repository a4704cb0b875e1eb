//! Gathering: sockets become host candidates, and servers are asked for the others, all at the same time
//! (RFC 8445 §5.1.1).

mod binding;
pub(crate) mod nat64;
mod relay;

pub(crate) use relay::{Relay, serves};

use crate::agent::Agent;
use crate::candidate::{Address, Candidate, CandidateKind, Preference, Protocol, TcpType};
use crate::config::{ServerAddress, ServerKind};
use crate::event::{Event, GatheringState};
use crate::interface::Interface;
use crate::policy::TransportPolicy;
use crate::transport::{Base, Local, RelayId};
use binding::Binding;
use parlour_turn::{Rng, Transport};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Instant;

/// A socket that the owner has bound for the agent, or shares with it.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Its local address: not a wildcard.
    pub local: SocketAddr,
    /// The interface that it is on.
    pub interface: Interface,
    /// The address to tell the other agent in place of the local one: that of a one-to-one NAT before this host.
    pub advertised: Option<IpAddr>,
}

impl Socket {
    /// A socket of which only the address is known.
    pub fn new(local: SocketAddr) -> Self {
        Self { local, interface: Interface::new(local.ip()), advertised: None }
    }
}

/// What gathering knows.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    pub(crate) state: GatheringState,
    sockets: Vec<Socket>,
    pub(crate) bindings: Vec<Binding>,
    /// The servers' addresses; those of names as far as they are known.
    servers: Vec<(SocketAddr, usize)>,
    /// Names of servers that are being looked up, and the index of their server.
    names: Vec<(String, u16, usize)>,
    started: bool,
    foundations: Vec<(CandidateKind, IpAddr, Option<SocketAddr>, bool)>,
    nat64: nat64::Discovery,
    next_relay: u32,
    /// The next rank among sockets of IPv4 and of IPv6: both families take turns (RFC 8421 §4).
    next_rank: [u16; 2],
}

impl Gathering {
    /// Whether a candidate would be a server that is used here (it would only talk to itself).
    pub(crate) fn is_server(&self, address: SocketAddr) -> bool {
        self.servers.iter().any(|(server, _)| *server == address)
    }

    pub(crate) fn prefix(&self) -> Option<Ipv6Addr> {
        self.nat64.prefix()
    }

    pub(crate) fn has_loopback(&self) -> bool {
        self.sockets.iter().any(|socket| socket.local.ip().is_loopback())
    }

    fn take_rank(&mut self, local: SocketAddr) -> u16 {
        let [v4, v6] = &mut self.next_rank;
        let next = if local.is_ipv4() { v4 } else { v6 };
        let rank = *next;
        *next = rank.saturating_add(2);
        rank
    }

    /// One number for each combination that RFC 8445 §5.1.1.3 tells apart; it says nothing about addresses.
    fn foundation(&mut self, kind: CandidateKind, base: IpAddr, server: Option<SocketAddr>, tcp: bool) -> String {
        let key = (kind, base, server, tcp);
        let index = self.foundations.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.foundations.push(key);
            self.foundations.len() - 1
        });
        (index + 1).to_string()
    }
}

impl Agent {
    /// Gives the agent a UDP socket; from now on it sends by it, and what comes to it belongs to
    /// [`handle_datagram`](Self::handle_datagram). At any time: a session moves to a new network this way. `false` if
    /// the policy has no use for it.
    pub fn add_socket(&mut self, now: Instant, socket: Socket) -> bool {
        let known = self.gathering.sockets.iter().any(|other| other.local == socket.local);
        if known || !self.config.address_policy.allows(&socket.interface) {
            return known;
        }
        self.gathering.sockets.push(socket.clone());
        let rank = self.gathering.take_rank(socket.local);
        let preference = preference(&socket.interface, rank, socket.local.is_ipv4());
        if self.config.address_policy.allows_udp() {
            self.add_host(now, &socket, Base::Udp(socket.local), preference);
        }
        if self.config.tcp {
            self.add_host(now, &socket, Base::TcpActive(socket.local.ip()), preference);
        }
        self.discover_nat64();
        self.look_up_servers();
        for (server, index) in self.gathering.servers.clone() {
            self.ask(now, &socket, server, index);
        }
        self.gathering.started = true;
        self.advance(now);
        true
    }

    /// Tells that a TCP listener is there: connections that it accepts go to
    /// [`accept_stream`](Self::accept_stream).
    pub fn add_listener(&mut self, now: Instant, socket: Socket) {
        let rank = self.gathering.take_rank(socket.local);
        let preference = preference(&socket.interface, rank, socket.local.is_ipv4());
        self.add_host(now, &socket, Base::Tcp(socket.local, TcpType::Passive), preference);
        self.advance(now);
    }

    /// Offers a port from which connections are opened while the other side opens one to it (RFC 6544 §4.1).
    pub fn add_simultaneous_open(&mut self, now: Instant, socket: Socket) {
        let rank = self.gathering.take_rank(socket.local);
        let preference = preference(&socket.interface, rank, socket.local.is_ipv4());
        self.add_host(now, &socket, Base::Tcp(socket.local, TcpType::SimultaneousOpen), preference);
        self.advance(now);
    }

    /// Takes a socket back: its interface has lost the address. Data moves to the best other pair at once.
    pub fn remove_socket(&mut self, now: Instant, local: SocketAddr) {
        self.gathering.sockets.retain(|socket| socket.local != local);
        self.gathering.bindings.retain(|binding| binding.local != local);
        let relays: Vec<RelayId> = self
            .transports
            .relays
            .iter()
            .filter(|(_, relay)| relay.socket == Some(local) || relay.interface == local.ip())
            .map(|(id, _)| *id)
            .collect();
        relays.into_iter().for_each(|id| self.drop_relay(now, id));
        let ip = local.ip();
        let still = self.gathering.sockets.iter().any(|socket| socket.local.ip() == ip);
        self.remove_locals(now, |l| match l.base {
            Base::Udp(address) | Base::Tcp(address, _) => address == local,
            Base::TcpActive(address) => address == ip && !still,
            Base::Relay(..) => false,
        });
        self.advance(now);
    }

    /// Removes candidates and all that hangs on them.
    pub(crate) fn remove_locals(&mut self, now: Instant, gone: impl Fn(&Local) -> bool) {
        let mut lost = false;
        for index in 0..self.transports.locals.len() {
            let Some(local) = self.transports.locals.get_mut(index).filter(|l| !l.removed && gone(l)) else { continue };
            local.removed = true;
            for generation in &mut self.generations {
                if generation.remove_local(index) {
                    generation.disconnected = true;
                    generation.began = Some(now);
                    lost = true;
                }
            }
        }
        if lost {
            self.generations.iter_mut().for_each(|generation| generation.revive());
        }
    }

    fn add_host(&mut self, now: Instant, socket: &Socket, base: Base, preference: u16) {
        let protocol = base.protocol();
        let ip = socket.local.ip();
        let tcp = protocol != Protocol::Udp;
        let shown = socket.advertised.unwrap_or(ip);
        let port = if protocol == Protocol::Tcp(TcpType::Active) { 9 } else { socket.local.port() };
        let hides = self.config.hide_addresses && !ip.is_loopback();
        let address = if hides {
            let name = crate::mdns::random_name(&mut self.rng);
            self.events.push_back(Event::PublishName { name: name.clone(), address: ip });
            Address::Name(name, port)
        } else {
            Address::Socket(SocketAddr::new(shown, port))
        };
        let candidate = Candidate {
            foundation: self.gathering.foundation(CandidateKind::Host, ip, None, tcp),
            protocol,
            priority: Preference { kind: CandidateKind::Host, protocol, relay: None, local: preference }.priority(),
            address,
            kind: CandidateKind::Host,
            related: None,
            relay_transport: None,
            server: None,
        };
        let direct = self.config.transport_policy == TransportPolicy::All;
        let show = direct && self.config.address_policy.shows_host();
        let local = Local {
            candidate,
            base,
            pairs: direct,
            removed: false,
            network_id: socket.interface.network_id,
            cost: socket.interface.kind.cost(),
            preference,
        };
        self.add_local(now, local, show);
    }

    /// Adds a candidate, tells it, and pairs it.
    pub(crate) fn add_local(&mut self, now: Instant, local: Local, show: bool) {
        if show {
            self.events.push_back(Event::LocalCandidate(local.candidate.clone()));
            self.shown.push(self.transports.locals.len());
        }
        let pairs = local.pairs;
        self.transports.locals.push(local);
        let index = self.transports.locals.len() - 1;
        if pairs {
            let (generations, mut cx) = self.split(now);
            generations.iter_mut().for_each(|generation| generation.add_local(&mut cx, index));
        }
    }

    /// A candidate that a server has seen, unless it is known already (RFC 8445 §5.1.3).
    pub(crate) fn add_reflexive(&mut self, now: Instant, base: SocketAddr, mapped: SocketAddr, server: SocketAddr) {
        let direct = self.config.transport_policy == TransportPolicy::All;
        let known = |l: &Local| {
            !l.removed
                && l.base == Base::Udp(base)
                && l.candidate.address.socket() == Some(mapped)
                && l.candidate.kind != CandidateKind::PeerReflexive
        };
        let Some(host) = self.transports.locals.iter().find(|l| l.base == Base::Udp(base) && !l.removed) else {
            return;
        };
        if !direct || mapped == base || self.transports.locals.iter().any(known) {
            return;
        }
        let preference = host.preference;
        let hidden = self.config.hide_addresses || !self.config.address_policy.shows_host();
        let unspecified: IpAddr =
            if base.is_ipv4() { std::net::Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let kind = CandidateKind::ServerReflexive;
        let candidate = Candidate {
            foundation: self.gathering.foundation(kind, base.ip(), Some(server), false),
            protocol: Protocol::Udp,
            priority: Preference { kind, protocol: Protocol::Udp, relay: None, local: preference }.priority(),
            address: Address::Socket(mapped),
            kind,
            related: Some(if hidden { SocketAddr::new(unspecified, 0) } else { base }),
            relay_transport: None,
            server: Some(server),
        };
        let local = Local { candidate, pairs: false, ..host.clone() };
        self.add_local(now, local, true);
    }

    /// Asks one server by one socket.
    fn ask(&mut self, now: Instant, socket: &Socket, server: SocketAddr, index: usize) {
        let Some(kind) = self.config.servers.get(index).map(|server| server.kind.clone()) else { return };
        let Some(address) = self.reachable(socket.local.ip(), server) else { return };
        match kind {
            ServerKind::Stun if self.config.transport_policy == TransportPolicy::Relay => {}
            ServerKind::Stun if !self.config.address_policy.allows_udp() => {}
            ServerKind::Stun => self.gathering.bindings.push(Binding::new(now, socket.local, address)),
            ServerKind::Turn { transport: Transport::Udp, .. } if !self.config.address_policy.allows_udp() => {}
            ServerKind::Turn { .. } => self.start_relay(now, socket, address, index),
        }
    }

    /// The address by which a socket reaches a server: of its family, or its NAT64 form.
    fn reachable(&self, from: IpAddr, server: SocketAddr) -> Option<SocketAddr> {
        match (from, server.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Some(server),
            (IpAddr::V6(_), IpAddr::V4(v4)) => {
                self.gathering.prefix().map(|prefix| SocketAddr::new(nat64::embed(prefix, v4).into(), server.port()))
            }
            _ => None,
        }
    }

    /// Asks for the addresses of servers that are named, once.
    fn look_up_servers(&mut self) {
        if self.gathering.started {
            return;
        }
        for (index, server) in self.config.servers.iter().enumerate() {
            match &server.address {
                ServerAddress::Socket(address) => self.gathering.servers.push((*address, index)),
                ServerAddress::Name(name, port) => {
                    if !self.gathering.names.iter().any(|(known, ..)| known == name) {
                        self.events.push_back(Event::Resolve(name.clone()));
                    }
                    self.gathering.names.push((name.clone(), *port, index));
                }
            }
        }
    }

    /// The addresses of a server's name came: the first of each family is asked (RFC 8305 §4).
    pub(crate) fn server_resolved(&mut self, now: Instant, name: &str, addresses: &[IpAddr]) {
        let found: Vec<(u16, usize)> = self
            .gathering
            .names
            .iter()
            .filter(|(known, ..)| known == name)
            .map(|(_, port, index)| (*port, *index))
            .collect();
        self.gathering.names.retain(|(known, ..)| known != name);
        let firsts = [addresses.iter().find(|ip| ip.is_ipv6()), addresses.iter().find(|ip| ip.is_ipv4())];
        for (port, index) in found {
            for ip in firsts.into_iter().flatten() {
                let server = SocketAddr::new(*ip, port);
                self.gathering.servers.push((server, index));
                for socket in self.gathering.sockets.clone() {
                    self.ask(now, &socket, server, index);
                }
            }
        }
    }

    /// IPv6 without IPv4 looks for NAT64 (RFC 7050).
    fn discover_nat64(&mut self) {
        let only_v6 = !self.gathering.sockets.is_empty() && self.gathering.sockets.iter().all(|s| s.local.is_ipv6());
        if only_v6 && self.gathering.nat64.begin() {
            self.events.push_back(Event::Resolve(nat64::NAME.to_owned()));
        }
    }

    /// The answer of [`discover_nat64`](Self::discover_nat64): IPv4 servers and candidates can be reached now.
    pub(crate) fn nat64_resolved(&mut self, now: Instant, addresses: &[IpAddr]) {
        if !self.gathering.nat64.resolved(addresses) {
            return;
        }
        for socket in self.gathering.sockets.clone() {
            for (server, index) in self.gathering.servers.clone() {
                if socket.local.is_ipv6() && server.is_ipv4() {
                    self.ask(now, &socket, server, index);
                }
            }
        }
        let bases: Vec<usize> = self
            .transports
            .locals
            .iter()
            .enumerate()
            .filter(|(_, l)| l.pairs && !l.removed && matches!(l.base, Base::Udp(address) if address.is_ipv6()))
            .map(|(index, _)| index)
            .collect();
        let (generations, mut cx) = self.split(now);
        for generation in generations {
            for local in &bases {
                generation.add_translated(&mut cx, *local);
            }
        }
    }

    /// Whether servers still have to answer.
    fn is_gathering(&self) -> bool {
        !self.gathering.names.is_empty()
            || self.gathering.nat64.is_pending()
            || self.gathering.bindings.iter().any(Binding::is_pending)
            || self.transports.relays.values().any(Relay::is_pending)
    }

    /// Follows the state of gathering, and tells of changes.
    pub(crate) fn update_gathering(&mut self) {
        let state = match (self.gathering.started, self.is_gathering()) {
            (false, _) => GatheringState::New,
            (true, true) => GatheringState::Gathering,
            (true, false) => GatheringState::Complete,
        };
        if state != self.gathering.state {
            if self.gathering.state == GatheringState::New && state == GatheringState::Complete {
                self.events.push_back(Event::Gathering(GatheringState::Gathering));
            }
            self.gathering.state = state;
            self.events.push_back(Event::Gathering(state));
        }
    }
}

/// Cheaper networks first, then the order in which sockets came; IPv6 before IPv4 of the same rank (RFC 8421 §4).
fn preference(interface: &Interface, rank: u16, v4: bool) -> u16 {
    let cost = interface.kind.cost().min(999).saturating_mul(32);
    65_535u16.saturating_sub(cost).saturating_sub(rank.min(30_000)).saturating_sub(u16::from(v4))
}

/// A generator of its own, keyed by this one: HMAC-SHA-256 in counter mode.
pub(crate) fn fork(rng: &mut Rng) -> Rng {
    let mut key = [0; 32];
    rng(&mut key);
    let mac = parlour_stun::HmacSha256::new(&key);
    let mut counter = 0u64;
    Box::new(move |bytes| {
        for chunk in bytes.chunks_mut(32) {
            let block = mac.sign(&counter.to_be_bytes());
            counter = counter.wrapping_add(1);
            chunk.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        }
    })
}
