//! Two ends with a path between them, in virtual time.

use parlour_netsim::{Change, Direction, Event, HostId, LinkSpec, Network, Packet, PortId};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Something that sends and receives SCTP packets.
pub(crate) trait Peer {
    /// Takes in a packet.
    fn datagram(&mut self, now: Instant, datagram: &[u8]);
    /// Appends a packet; says whether it may be fragmented.
    fn transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<bool>;
    /// When `on_timeout` is due.
    fn timeout(&self) -> Option<Instant>;
    /// Time has come.
    fn on_timeout(&mut self, now: Instant);
}

macro_rules! peer {
    ($name:ty) => {
        impl Peer for $name {
            fn datagram(&mut self, now: Instant, datagram: &[u8]) {
                self.handle_datagram(now, datagram);
            }
            fn transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<bool> {
                self.poll_transmit(now, out).map(|t| t.may_fragment)
            }
            fn timeout(&self) -> Option<Instant> {
                self.poll_timeout()
            }
            fn on_timeout(&mut self, now: Instant) {
                self.handle_timeout(now);
            }
        }
    };
}
peer!(parlour_sctp::Association);
peer!(parlour_sctp::DataChannels);

const A: &str = "203.0.113.1:1000";
const B: &str = "203.0.113.2:1000";

/// Two peers on two hosts. The link of each host towards the other is the one given; the way from there to the other host is perfect.
pub(crate) struct Pair<X, Y> {
    pub(crate) a: X,
    pub(crate) b: Y,
    pub(crate) net: Network,
    hosts: [HostId; 2],
    pub(crate) ports: [PortId; 2],
    addresses: [SocketAddr; 2],
    fragment: [Vec<u8>; 2],
    /// Packets handed to the network by each side.
    pub(crate) sent: [u64; 2],
}

impl<X: Peer, Y: Peer> Pair<X, Y> {
    pub(crate) fn new(seed: u64, there: LinkSpec, back: LinkSpec, make: impl FnOnce(Instant) -> (X, Y)) -> Self {
        let mut net = Network::new(seed);
        let segment = net.segment();
        let hosts = [net.host(), net.host()];
        let addresses: [SocketAddr; 2] = [A.parse().unwrap(), B.parse().unwrap()];
        let open = || LinkSpec { mtu: 65535, ..LinkSpec::default() };
        let ports = [
            net.attach_asymmetric(hosts[0], segment, &[addresses[0].ip()], there, open()),
            net.attach_asymmetric(hosts[1], segment, &[addresses[1].ip()], back, open()),
        ];
        let (a, b) = make(net.now());
        Pair { a, b, net, hosts, ports, addresses, fragment: Default::default(), sent: [0; 2] }
    }

    pub(crate) fn now(&self) -> Instant {
        self.net.now()
    }

    /// Changes the link of side `side`.
    pub(crate) fn set_link(&mut self, side: usize, spec: LinkSpec) {
        self.net.apply(Change::LinkSpec { port: self.ports[side], direction: Direction::Up, spec });
    }

    /// Cuts or mends both directions.
    pub(crate) fn set_up(&mut self, up: bool) {
        for port in self.ports {
            self.net.apply(Change::Link { port, direction: Direction::Up, up });
        }
    }

    fn flush(&mut self) {
        let now = self.net.now();
        let mut out = Vec::new();
        for side in 0..2 {
            loop {
                out.clear();
                let peer: &mut dyn Peer = if side == 0 { &mut self.a } else { &mut self.b };
                let Some(may_fragment) = peer.transmit(now, &mut out) else { break };
                self.sent[side] += 1;
                let (from, to) = (self.addresses[side], self.addresses[1 - side]);
                if may_fragment {
                    // Two fragments, known by their ports; the second completes the first.
                    let (first, second) = out.split_at(out.len() / 2);
                    for (port, part) in [(1001, first), (1002, second)] {
                        self.net.send(self.hosts[side], Packet::udp(from, (to.ip(), port).into(), part));
                    }
                } else {
                    self.net.send(self.hosts[side], Packet::udp(from, to, out.as_slice()));
                }
            }
        }
    }

    /// Hands a packet to side `side`, as if from the other.
    pub(crate) fn inject(&mut self, side: usize, datagram: &[u8]) {
        let now = self.net.now();
        if side == 0 { self.a.datagram(now, datagram) } else { self.b.datagram(now, datagram) }
    }

    /// Lets one thing happen, up to `until`; whether there was one.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        self.flush();
        let timeouts = [self.a.timeout(), self.b.timeout()];
        let next = timeouts.into_iter().flatten().min().unwrap_or(until).min(until);
        if let Some((host, event)) = self.net.poll(next) {
            let Event::Udp(packet) = event else { return true };
            let side = usize::from(host == self.hosts[1]);
            match packet.dst.port() {
                1000 => self.inject(side, &packet.payload),
                1001 => self.fragment[side] = packet.payload,
                _ => {
                    let mut whole = std::mem::take(&mut self.fragment[side]);
                    whole.extend(packet.payload);
                    self.inject(side, &whole);
                }
            }
            return true;
        }
        let now = self.net.now();
        let mut any = false;
        if timeouts[0].is_some_and(|at| at <= now) {
            self.a.on_timeout(now);
            any = true;
        }
        if timeouts[1].is_some_and(|at| at <= now) {
            self.b.on_timeout(now);
            any = true;
        }
        self.flush();
        any || now < until
    }

    /// Runs for `time`.
    pub(crate) fn run(&mut self, time: Duration) {
        self.run_until(time, |_, _| false);
    }

    /// Runs until `done` says so, for `time` at most; whether it was done.
    pub(crate) fn run_until(&mut self, time: Duration, mut done: impl FnMut(&mut X, &mut Y) -> bool) -> bool {
        let until = self.net.now() + time;
        let mut steps = 0u64;
        loop {
            if done(&mut self.a, &mut self.b) {
                return true;
            }
            if !self.step(until) && self.net.now() >= until {
                return done(&mut self.a, &mut self.b);
            }
            steps += 1;
            assert!(steps < 5_000_000, "time stands still at {:?}", self.net.elapsed());
        }
    }
}
