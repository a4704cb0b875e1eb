//! What two people's networks may look like.

use parlour_ice::{Config, Role, Server, Transport};
use parlour_netsim::{Firewall, Hairpin, HostId, LinkSpec, Loss, NatSpec, Network, SegmentId};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How one side is connected.
#[derive(Clone, Debug)]
pub enum Access {
    /// A public address.
    Open,
    /// A public address behind a firewall that lets only answers in.
    Stateful,
    /// Behind a NAT.
    Nat(NatSpec),
    /// Behind a NAT behind a NAT: inner, outer.
    Double(NatSpec, NatSpec),
    /// Behind a NAT that lets no UDP out.
    UdpBlocked,
    /// Behind a NAT that lets nothing out but TCP to port 443.
    Tcp443,
    /// IPv6 alone, with NAT64.
    Ipv6Only,
}

/// Both sides and what is between them.
#[derive(Clone, Debug)]
pub struct Topology {
    pub sides: [Access; 2],
    /// Both homes are behind this carrier's NAT.
    pub carrier: Option<NatSpec>,
    /// Both are on one home's network.
    pub same_lan: bool,
    /// Round trip between the sides; that to the server is half of it.
    pub rtt: Duration,
    /// Loss from side to side, one way.
    pub loss: f64,
}

pub struct Built {
    pub sides: [HostId; 2],
    pub server: HostId,
}

pub const SERVER: &str = "192.0.2.10";

impl Topology {
    pub fn new(left: Access, right: Access) -> Self {
        Topology { sides: [left, right], carrier: None, same_lan: false, rtt: Duration::from_millis(20), loss: 0.0 }
    }

    pub fn nats(left: NatSpec, right: NatSpec) -> Self {
        Self::new(Access::Nat(left), Access::Nat(right))
    }

    /// One side's wire: a quarter of the round trip each way, and half of the loss.
    fn link(&self) -> LinkSpec {
        let loss = if self.loss > 0.0 { Loss::Random(1.0 - (1.0 - self.loss).sqrt()) } else { Loss::None };
        LinkSpec::delay(self.rtt / 4).with_loss(loss)
    }

    pub fn build(&self, net: &mut Network) -> Built {
        let internet = net.segment();
        let server = net.host();
        net.attach(server, internet, &[ip(SERVER)], LinkSpec::default());
        net.tcp_listen(server, SocketAddr::new(ip(SERVER), 3478));
        net.tcp_listen(server, SocketAddr::new(ip(SERVER), 443));
        let around = match &self.carrier {
            Some(spec) => {
                let inner = net.segment();
                let gateway = (inner, ip("100.64.0.1"));
                // The wires of the homes lose what is to be lost between two ends, whichever way.
                let link = LinkSpec::delay(self.rtt / 4);
                net.nat(spec.clone(), Firewall::open(), gateway, (internet, &[ip("203.0.113.99")]), link);
                inner
            }
            None => internet,
        };
        if self.same_lan {
            let lan = net.segment();
            let spec = match &self.sides[0] {
                Access::Nat(spec) => spec.clone(),
                _ => NatSpec::port_restricted(),
            };
            net.nat(spec, Firewall::open(), (lan, ip("192.168.1.1")), (around, &[ip("203.0.113.1")]), self.link());
            let sides = ["192.168.1.2", "192.168.1.3"].map(|address| {
                let host = net.host();
                net.attach(host, lan, &[ip(address)], self.link());
                host
            });
            return Built { sides, server };
        }
        let sides = [0, 1].map(|side| self.side(net, around, side));
        Built { sides, server }
    }

    fn side(&self, net: &mut Network, internet: SegmentId, side: usize) -> HostId {
        let host = net.host();
        let n = side + 1;
        let outer = if self.carrier.is_some() { format!("100.64.0.1{n}") } else { format!("203.0.113.{n}") };
        let outer = [ip(&outer)];
        // Private networks look alike everywhere: both sides have the same addresses.
        let home = ip("192.168.1.1");
        let own = ip(&format!("192.168.1.{}", if side == 0 { 2 } else { 7 }));
        let nat = |net: &mut Network, spec: &NatSpec, firewall: Firewall| {
            let lan = net.segment();
            net.nat(spec.clone(), firewall, (lan, home), (internet, &outer), self.link());
            net.attach(host, lan, &[own], LinkSpec::default());
        };
        match &self.sides[side] {
            Access::Open => {
                net.attach(host, internet, &outer, self.link());
            }
            Access::Nat(spec) => nat(net, spec, Firewall::open()),
            Access::UdpBlocked => nat(net, &NatSpec::port_restricted(), Firewall::udp_blocked()),
            Access::Tcp443 => nat(net, &NatSpec::port_restricted(), Firewall::tcp_443_only()),
            Access::Double(inner, outside) => {
                let middle = net.segment();
                let lan = net.segment();
                net.nat(outside.clone(), Firewall::open(), (middle, ip("10.0.0.1")), (internet, &outer), self.link());
                let within = ip(&format!("10.0.0.{}", n + 1));
                net.nat(inner.clone(), Firewall::open(), (lan, home), (middle, &[within]), LinkSpec::default());
                net.attach(host, lan, &[own], LinkSpec::default());
            }
            Access::Stateful => {
                let lan = net.segment();
                net.attach(host, lan, &[ip(&format!("198.51.{n}.7"))], LinkSpec::default());
                let inside = (lan, ip(&format!("198.51.{n}.1")));
                net.plain_router(Firewall::open(), true, inside, (internet, &outer), self.link());
            }
            Access::Ipv6Only => {
                let lan = net.segment();
                let inside = (lan, ip(&format!("2600:{n}::1")));
                net.nat(NatSpec::nat64(), Firewall::open(), inside, (internet, &outer), self.link());
                net.attach(host, lan, &[ip(&format!("2600:{n}::7"))], LinkSpec::default());
            }
        }
        host
    }
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Which servers an agent knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servers {
    None,
    Stun,
    /// STUN, and TURN over UDP.
    TurnUdp,
    /// STUN, and TURN over UDP, TCP and TLS.
    All,
}

pub fn config(role: Role, servers: Servers) -> Config {
    let at = |port| SocketAddr::new(ip(SERVER), port);
    let (user, password) = super::server::USER;
    let turn = |port, transport| Server::turn(at(port), transport, user, password);
    let all =
        [Server::stun(at(3478)), turn(3478, Transport::Udp), turn(3478, Transport::Tcp), turn(443, Transport::Tls)];
    let count = match servers {
        Servers::None => 0,
        Servers::Stun => 1,
        Servers::TurnUdp => 2,
        Servers::All => 4,
    };
    Config { role, servers: all[..count].to_vec(), ..Config::default() }
}

pub fn configs(servers: Servers) -> [Config; 2] {
    [config(Role::Controlling, servers), config(Role::Controlled, servers)]
}

/// A NAT without hairpinning, as most homes have.
pub fn no_hairpin(spec: NatSpec) -> NatSpec {
    NatSpec { hairpin: Hairpin::Off, ..spec }
}
