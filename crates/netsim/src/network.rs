//! Hosts, segments, routers, and the events between them.

use crate::{
    firewall::Firewall,
    link::{Link, LinkSpec, LinkStats, Offer},
    nat::{Hairpin, Nat, NatSpec},
    packet::{Packet, Protocol, Unreachable},
    rng::Rng,
    tcp::{self, ConnectionId, Kernel, TcpEvent},
    timeline::Change,
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// A host: an end of the network, where the code under test lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub(crate) usize);

/// A router: a NAT, a firewall, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouterId(pub(crate) usize);

/// A segment: everybody on it reaches everybody else on it by address. The Internet is one, each home another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId(pub(crate) usize);

/// Where a node is plugged into a segment: two links, one each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub(crate) usize);

/// One direction of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the node to the segment.
    Up,
    /// From the segment to the node.
    Down,
}

/// What a host gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A UDP packet.
    Udp(Packet),
    /// A packet that this host sent from `from` to `to` could not go on (ICMP).
    Unreachable {
        /// The packet's source.
        from: SocketAddr,
        /// The packet's destination.
        to: SocketAddr,
        /// Why.
        why: Unreachable,
    },
    /// Something about a TCP connection.
    Tcp(ConnectionId, TcpEvent),
    /// The host's addresses changed, by the timeline.
    AddressesChanged,
    /// The host has started anew, by the timeline.
    Restarted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Host(usize),
    Router(usize, Side),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Inside,
    Outside,
}

#[derive(Debug)]
struct Port {
    node: Node,
    segment: usize,
    addresses: Vec<IpAddr>,
    up: Link,
    down: Link,
}

#[derive(Debug, Default)]
struct Segment {
    members: HashMap<IpAddr, usize>,
    gateways: Vec<usize>,
}

#[derive(Debug)]
struct Router {
    nat: Option<Nat>,
    firewall: Firewall,
    inside: Option<usize>,
    outside: Option<usize>,
    /// Without translation: who may answer whom, as a stateful firewall remembers it.
    flows: HashMap<(Protocol, SocketAddr, SocketAddr), Duration>,
    stateful: bool,
}

#[derive(Debug, Default)]
struct Host {
    ports: Vec<usize>,
    /// UDP sockets, if this host tells of closed ports; `None`: all ports are open.
    bound: Option<Vec<SocketAddr>>,
    kernel: Kernel,
}

#[derive(Debug)]
enum Pending {
    AtSegment(usize, Packet),
    AtNode(usize, Packet),
    Serve(usize, Direction),
    Tcp(usize, tcp::Timer),
    Change(Box<Change>),
}

/// Says of a packet whether it may cross a segment.
pub type Filter = Box<dyn FnMut(&Packet) -> bool + Send>;

/// The whole network, in virtual time.
///
/// If a test fails while it is there, it prints its seed.
///
/// Nothing happens by itself: [`Network::poll`] moves time on, at most to the instant given, and returns at each event that a host sees, so that the code under
/// test can answer at that very instant.
pub struct Network {
    seed: u64,
    epoch: Instant,
    now: Duration,
    heap: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    slots: Vec<Option<Pending>>,
    free: Vec<usize>,
    sequence: u64,
    events: u64,
    rng: Rng,
    hosts: Vec<Host>,
    routers: Vec<Router>,
    segments: Vec<Segment>,
    ports: Vec<Port>,
    out: std::collections::VecDeque<(HostId, Event)>,
    filter: Option<Filter>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("now", &self.now).field("events", &self.events).finish_non_exhaustive()
    }
}

impl Drop for Network {
    /// A run that fails says how to see it again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the network had the seed {} and failed after {:?}: the same seed fails again",
                self.seed, self.now
            );
        }
    }
}

impl Network {
    /// An empty network. All that happens in it follows from `seed` and from what is done to it.
    pub fn new(seed: u64) -> Self {
        Network {
            seed,
            epoch: Instant::now(),
            now: Duration::ZERO,
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            events: 0,
            rng: Rng::new(seed),
            hosts: Vec::new(),
            routers: Vec::new(),
            segments: Vec::new(),
            ports: Vec::new(),
            out: std::collections::VecDeque::new(),
            filter: None,
        }
    }

    /// A segment without anybody on it.
    pub fn segment(&mut self) -> SegmentId {
        self.segments.push(Segment::default());
        SegmentId(self.segments.len() - 1)
    }

    /// A host that is plugged in nowhere yet.
    pub fn host(&mut self) -> HostId {
        self.hosts.push(Host::default());
        HostId(self.hosts.len() - 1)
    }

    /// Plugs `host` into `segment` under `addresses`, with the same kind of link both ways.
    pub fn attach(&mut self, host: HostId, segment: SegmentId, addresses: &[IpAddr], link: LinkSpec) -> PortId {
        self.attach_asymmetric(host, segment, addresses, link.clone(), link)
    }

    /// Plugs `host` into `segment`, with one kind of link towards the segment and another from it.
    pub fn attach_asymmetric(
        &mut self,
        host: HostId,
        segment: SegmentId,
        addresses: &[IpAddr],
        up: LinkSpec,
        down: LinkSpec,
    ) -> PortId {
        let port = self.plug(Node::Host(host.0), segment, addresses, up, down);
        self.hosts[host.0].ports.push(port.0);
        port
    }

    /// A NAT between `inside` and `outside`, the gateway of `inside`, with `pool` as its outer addresses.
    pub fn nat(
        &mut self,
        spec: NatSpec,
        firewall: Firewall,
        inside: (SegmentId, IpAddr),
        outside: (SegmentId, &[IpAddr]),
        link: LinkSpec,
    ) -> RouterId {
        let nat = Nat::new(spec, outside.1.to_vec(), self.rng.fork());
        self.router(Some(nat), firewall, inside, outside, link, false)
    }

    /// A router that translates nothing, between `inside` (all of whose hosts stay visible) and `outside`. If `stateful`, only answers come in.
    pub fn plain_router(
        &mut self,
        firewall: Firewall,
        stateful: bool,
        inside: (SegmentId, IpAddr),
        outside: (SegmentId, &[IpAddr]),
        link: LinkSpec,
    ) -> RouterId {
        let router = self.router(None, firewall, inside, outside, link, stateful);
        // The outer segment reaches the inner hosts through this router.
        self.publish_routes(router.0);
        router
    }

    fn router(
        &mut self,
        nat: Option<Nat>,
        firewall: Firewall,
        inside: (SegmentId, IpAddr),
        outside: (SegmentId, &[IpAddr]),
        link: LinkSpec,
        stateful: bool,
    ) -> RouterId {
        let id = self.routers.len();
        let inner =
            self.plug(Node::Router(id, Side::Inside), inside.0, &[inside.1], LinkSpec::default(), LinkSpec::default());
        self.segments[inside.0.0].gateways.push(inner.0);
        let outer = self.plug(Node::Router(id, Side::Outside), outside.0, outside.1, link.clone(), link);
        self.routers.push(Router {
            nat,
            firewall,
            inside: Some(inner.0),
            outside: Some(outer.0),
            flows: HashMap::new(),
            stateful,
        });
        RouterId(id)
    }

    fn plug(&mut self, node: Node, segment: SegmentId, addresses: &[IpAddr], up: LinkSpec, down: LinkSpec) -> PortId {
        let id = self.ports.len();
        let (up, down) = (Link::new(up, self.rng.fork()), Link::new(down, self.rng.fork()));
        self.ports.push(Port { node, segment: segment.0, addresses: addresses.to_vec(), up, down });
        for address in addresses {
            self.segments[segment.0].members.insert(*address, id);
        }
        for router in 0..self.routers.len() {
            self.publish_routes(router);
        }
        PortId(id)
    }

    fn publish_routes(&mut self, router: usize) {
        let router = &self.routers[router];
        let (None, Some(inside), Some(outside)) = (&router.nat, router.inside, router.outside) else { return };
        let inner: Vec<IpAddr> = self.segments[self.ports[inside].segment].members.keys().copied().collect();
        let segment = self.ports[outside].segment;
        for address in inner {
            self.segments[segment].members.entry(address).or_insert(outside);
        }
    }

    /// The current instant.
    pub fn now(&self) -> Instant {
        self.epoch + self.now
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now
    }

    /// How many events have happened in all.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// When something happens next.
    pub fn next_event(&self) -> Option<Instant> {
        if !self.out.is_empty() {
            return Some(self.now());
        }
        self.heap.peek().map(|Reverse((at, _, _))| self.epoch + *at)
    }

    /// Moves time on to the next event that a host sees, and returns it; to `until`, and returns `None`, if there is none up to then.
    pub fn poll(&mut self, until: Instant) -> Option<(HostId, Event)> {
        let until = until.saturating_duration_since(self.epoch);
        loop {
            if let Some(event) = self.out.pop_front() {
                return Some(event);
            }
            match self.heap.peek() {
                Some(Reverse((at, _, _))) if *at <= until => {}
                _ => {
                    self.now = self.now.max(until);
                    return None;
                }
            }
            if let Some(Reverse((at, _, slot))) = self.heap.pop() {
                self.now = self.now.max(at);
                self.events += 1;
                let pending = self.slots[slot].take();
                self.free.push(slot);
                if let Some(pending) = pending {
                    self.happen(pending);
                }
            }
        }
    }

    /// Sends a UDP packet from `host`; its source must be an address of that host.
    pub fn send(&mut self, host: HostId, packet: Packet) {
        let Some(port) = self.port_of(host.0, packet.src.ip()) else {
            let event = Event::Unreachable { from: packet.src, to: packet.dst, why: Unreachable::Host };
            self.out.push_back((host, event));
            return;
        };
        self.transmit(port, Direction::Up, packet);
    }

    /// From now on `host` answers packets to other UDP ports by an ICMP error. Without this, all its ports are open.
    pub fn bind(&mut self, host: HostId, address: SocketAddr) {
        self.hosts[host.0].bound.get_or_insert_default().push(address);
    }

    /// The addresses of `host`, in the order in which it was given them.
    pub fn addresses(&self, host: HostId) -> Vec<IpAddr> {
        self.hosts[host.0].ports.iter().flat_map(|port| self.ports[*port].addresses.clone()).collect()
    }

    /// The wires of `host`, in the order in which they were plugged in.
    pub fn ports_of(&self, host: HostId) -> Vec<PortId> {
        self.hosts[host.0].ports.iter().copied().map(PortId).collect()
    }

    /// The segment that the first wire of `host` leads to.
    ///
    /// # Panics
    /// The host is plugged in nowhere.
    pub fn segment_of(&self, host: HostId) -> SegmentId {
        SegmentId(self.ports[self.hosts[host.0].ports[0]].segment)
    }

    /// The routers, in the order in which they were made.
    pub fn routers(&self) -> Vec<RouterId> {
        (0..self.routers.len()).map(RouterId).collect()
    }

    /// From now on drops packets on any segment of which `filter` says `false`: a path that breaks between some and not
    /// between others. `None` lets all through again.
    pub fn set_filter(&mut self, filter: Option<Filter>) {
        self.filter = filter;
    }

    /// What happened on one direction of a port.
    pub fn link_stats(&self, port: PortId, direction: Direction) -> LinkStats {
        self.link(port.0, direction).stats
    }

    /// How many bytes wait in one direction of a port.
    pub fn queued_bytes(&self, port: PortId, direction: Direction) -> usize {
        self.link(port.0, direction).queued_bytes()
    }

    /// The port by which a router faces the outside.
    pub fn outside_port(&self, router: RouterId) -> PortId {
        PortId(self.routers[router.0].outside.unwrap_or_default())
    }

    /// How many mappings a NAT holds.
    pub fn mappings(&self, router: RouterId) -> usize {
        self.routers[router.0].nat.as_ref().map_or(0, Nat::mappings)
    }

    /// Does `change` after `delay`.
    pub fn schedule(&mut self, delay: Duration, change: Change) {
        self.push(delay, Pending::Change(Box::new(change)));
    }

    /// Does `change` now.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Link { port, direction, up } => self.link_mut(port.0, direction).up = up,
            Change::LinkSpec { port, direction, spec } => self.link_mut(port.0, direction).set_spec(spec),
            Change::Addresses { port, addresses } => self.readdress(port.0, addresses),
            Change::HostRestart { host } => {
                self.hosts[host.0].bound = None;
                self.hosts[host.0].kernel.restart();
                self.out.push_back((host, Event::Restarted));
            }
            Change::NatReboot { router, pool } => self.reboot(router.0, pool),
            Change::NatSpec { router, spec } => {
                if let Some(nat) = &mut self.routers[router.0].nat {
                    nat.spec = spec;
                }
            }
            Change::Firewall { router, firewall } => self.routers[router.0].firewall = firewall,
        }
    }

    /// Listens for TCP connections.
    pub fn tcp_listen(&mut self, host: HostId, address: SocketAddr) {
        self.hosts[host.0].kernel.listen(address);
    }

    /// Opens a TCP connection from `local` to `remote`. If `remote` does the same, both become one connection (simultaneous open).
    pub fn tcp_connect(&mut self, host: HostId, local: SocketAddr, remote: SocketAddr) -> ConnectionId {
        let id = self.hosts[host.0].kernel.connect(self.now, local, remote);
        self.drain_kernel(host.0);
        id
    }

    /// Sends bytes on a TCP connection.
    pub fn tcp_send(&mut self, host: HostId, connection: ConnectionId, bytes: &[u8]) {
        self.hosts[host.0].kernel.send(self.now, connection, bytes);
        self.drain_kernel(host.0);
    }

    /// Closes a TCP connection once all bytes have been sent.
    pub fn tcp_close(&mut self, host: HostId, connection: ConnectionId) {
        self.hosts[host.0].kernel.close(self.now, connection);
        self.drain_kernel(host.0);
    }

    fn push(&mut self, delay: Duration, pending: Pending) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(pending);
        self.sequence += 1;
        self.heap.push(Reverse((self.now + delay, self.sequence, slot)));
    }

    fn happen(&mut self, pending: Pending) {
        match pending {
            Pending::AtSegment(port, packet) => self.route(port, packet),
            Pending::AtNode(port, packet) => match self.ports[port].node {
                Node::Host(host) => self.deliver(host, port, packet),
                Node::Router(router, Side::Inside) => self.outbound(router, packet),
                Node::Router(router, Side::Outside) => self.inbound(router, packet),
            },
            Pending::Serve(port, direction) => {
                let now = self.now;
                let (offer, next) = self.link_mut(port, direction).serve(now);
                self.follow(port, direction, offer);
                if let Some(delay) = next {
                    self.push(delay, Pending::Serve(port, direction));
                }
            }
            Pending::Tcp(host, timer) => {
                self.hosts[host].kernel.expired(self.now, timer);
                self.drain_kernel(host);
            }
            Pending::Change(change) => self.apply(*change),
        }
    }

    fn transmit(&mut self, port: usize, direction: Direction, packet: Packet) {
        let now = self.now;
        let (src, complaint) = (packet.src, packet.error.is_none().then(|| packet.clone_head()));
        let offer = self.link_mut(port, direction).offer(now, packet);
        if let (Offer::TooBig(mtu), Some(head)) = (&offer, complaint) {
            self.complain(port, direction, head.unreachable(src.ip(), Unreachable::TooBig(*mtu)));
            return;
        }
        self.follow(port, direction, offer);
    }

    /// Sends an error back to where the packet came from.
    fn complain(&mut self, port: usize, direction: Direction, error: Packet) {
        match (direction, self.ports[port].node) {
            (Direction::Up, Node::Host(host)) => self.deliver(host, port, error),
            (Direction::Up, Node::Router(router, Side::Outside)) => self.inbound(router, error),
            (Direction::Up, Node::Router(router, Side::Inside)) => self.outbound(router, error),
            (Direction::Down, _) => self.route(port, error),
        }
    }

    fn follow(&mut self, port: usize, direction: Direction, offer: Offer) {
        let arrive = |packet| match direction {
            Direction::Up => Pending::AtSegment(port, packet),
            Direction::Down => Pending::AtNode(port, packet),
        };
        match offer {
            Offer::Arrives(delay, twice, packet) => {
                if let Some(twice) = twice {
                    self.push(twice, arrive(packet.clone()));
                }
                self.push(delay, arrive(packet));
            }
            Offer::Queued(Some(delay)) => self.push(delay, Pending::Serve(port, direction)),
            Offer::Queued(None) | Offer::Gone | Offer::TooBig(_) => {}
        }
    }

    /// A packet stands on the segment that `from` is plugged into.
    fn route(&mut self, from: usize, packet: Packet) {
        if self.filter.as_mut().is_some_and(|passes| !passes(&packet)) {
            return;
        }
        let segment = &self.segments[self.ports[from].segment];
        let to = segment.members.get(&packet.dst.ip()).copied().or_else(|| {
            let family = packet.dst.is_ipv4();
            let speaks = |port: &usize| {
                self.ports[*port].addresses.iter().any(|a| a.is_ipv4() == family) || self.is_nat64(*port)
            };
            segment.gateways.iter().copied().filter(|port| *port != from).find(speaks)
        });
        match to {
            Some(to) => self.transmit(to, Direction::Down, packet),
            None if packet.error.is_none() => {
                let error = packet.unreachable(packet.dst.ip(), Unreachable::Host);
                self.transmit_back(from, error);
            }
            None => {}
        }
    }

    fn is_nat64(&self, port: usize) -> bool {
        let Node::Router(router, Side::Inside) = self.ports[port].node else { return false };
        self.routers[router].nat.as_ref().is_some_and(|nat| nat.spec.nat64.is_some())
    }

    /// An error goes down the port by which the packet came up.
    fn transmit_back(&mut self, port: usize, error: Packet) {
        self.transmit(port, Direction::Down, error);
    }

    fn outbound(&mut self, router: usize, packet: Packet) {
        let (now, r) = (self.now, &mut self.routers[router]);
        let (Some(inside), Some(outside)) = (r.inside, r.outside) else { return };
        if packet.error.is_none() && !r.firewall.passes(&packet) {
            if r.firewall.reject {
                let at = self.ports[inside].addresses.first().copied().unwrap_or(packet.dst.ip());
                let error = packet.unreachable(at, Unreachable::Prohibited);
                self.transmit(inside, Direction::Up, error);
            }
            return;
        }
        let Some(nat) = &mut r.nat else {
            r.flows.insert((packet.protocol, packet.src, packet.dst), now);
            return self.transmit(outside, Direction::Up, packet);
        };
        let inner = packet.src;
        let Some(mut packet) = nat.outbound(now, packet) else { return };
        if !nat.owns(packet.dst.ip()) {
            return self.transmit(outside, Direction::Up, packet);
        }
        match nat.spec.hairpin {
            Hairpin::Off => {}
            Hairpin::ExternalSource => self.inbound(router, packet),
            Hairpin::InternalSource => {
                let Some(mut turned) = nat.inbound(now, packet.clone()) else { return };
                packet.src = inner;
                turned.src = inner;
                self.transmit(inside, Direction::Up, turned);
            }
        }
    }

    fn inbound(&mut self, router: usize, packet: Packet) {
        let (now, r) = (self.now, &mut self.routers[router]);
        let Some(inside) = r.inside else { return };
        let packet = match &mut r.nat {
            Some(nat) => nat.inbound(now, packet),
            None if !r.stateful || packet.error.is_some() => Some(packet),
            None => {
                let flow = (packet.protocol, packet.dst, packet.src);
                let lives = Duration::from_secs(120);
                r.flows.get_mut(&flow).filter(|since| now - **since <= lives).map(|since| {
                    *since = now;
                    packet
                })
            }
        };
        if let Some(packet) = packet {
            self.transmit(inside, Direction::Up, packet);
        }
    }

    fn deliver(&mut self, host: usize, port: usize, packet: Packet) {
        if !self.ports[port].addresses.contains(&packet.dst.ip()) {
            return;
        }
        if let Some(error) = packet.error {
            if packet.protocol == Protocol::Tcp {
                self.hosts[host].kernel.unreachable(packet.dst, error.to, error.why);
                return self.drain_kernel(host);
            }
            let event = Event::Unreachable { from: packet.dst, to: error.to, why: error.why };
            return self.out.push_back((HostId(host), event));
        }
        match packet.protocol {
            Protocol::Tcp => {
                self.hosts[host].kernel.receive(self.now, &packet);
                self.drain_kernel(host);
            }
            Protocol::Udp => {
                let open = self.hosts[host].bound.as_ref().is_none_or(|bound| bound.contains(&packet.dst));
                if open {
                    self.out.push_back((HostId(host), Event::Udp(packet)));
                } else {
                    let error = packet.unreachable(packet.dst.ip(), Unreachable::Port);
                    self.transmit(port, Direction::Up, error);
                }
            }
        }
    }

    /// Sends what a host's TCP wants to send, sets its timers, and tells what happened.
    fn drain_kernel(&mut self, host: usize) {
        while let Some(action) = self.hosts[host].kernel.poll() {
            match action {
                tcp::Action::Send(packet) => {
                    if let Some(port) = self.port_of(host, packet.src.ip()) {
                        self.transmit(port, Direction::Up, packet);
                    }
                }
                tcp::Action::Timer(delay, timer) => self.push(delay, Pending::Tcp(host, timer)),
                tcp::Action::Event(connection, event) => {
                    self.out.push_back((HostId(host), Event::Tcp(connection, event)));
                }
            }
        }
    }

    fn readdress(&mut self, port: usize, addresses: Vec<IpAddr>) {
        let segment = self.ports[port].segment;
        let old = std::mem::replace(&mut self.ports[port].addresses, addresses.clone());
        for address in old {
            self.segments[segment].members.remove(&address);
        }
        for address in addresses {
            self.segments[segment].members.insert(address, port);
        }
        for router in 0..self.routers.len() {
            self.publish_routes(router);
        }
        if let Node::Host(host) = self.ports[port].node {
            self.out.push_back((HostId(host), Event::AddressesChanged));
        }
    }

    fn reboot(&mut self, router: usize, pool: Option<Vec<IpAddr>>) {
        if let (Some(pool), Some(outside)) = (&pool, self.routers[router].outside) {
            self.readdress(outside, pool.clone());
        }
        let router = &mut self.routers[router];
        router.flows.clear();
        if let Some(nat) = &mut router.nat {
            nat.reboot(pool);
        }
    }

    fn port_of(&self, host: usize, ip: IpAddr) -> Option<usize> {
        self.hosts[host].ports.iter().copied().find(|port| self.ports[*port].addresses.contains(&ip))
    }

    fn link(&self, port: usize, direction: Direction) -> &Link {
        match direction {
            Direction::Up => &self.ports[port].up,
            Direction::Down => &self.ports[port].down,
        }
    }

    fn link_mut(&mut self, port: usize, direction: Direction) -> &mut Link {
        match direction {
            Direction::Up => &mut self.ports[port].up,
            Direction::Down => &mut self.ports[port].down,
        }
    }
}
