//! Candidates: where an agent may be reached (RFC 8445 §5.1, RFC 6544 §4).

use parlour_turn::Transport;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// How a candidate was found, best first (RFC 8445 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CandidateKind {
    /// An address of an interface.
    Host,
    /// Seen by the other agent in a check.
    PeerReflexive,
    /// Seen by a STUN or TURN server.
    ServerReflexive,
    /// An address of a TURN server.
    Relayed,
}

impl CandidateKind {
    /// The word of `a=candidate` (RFC 8839 §5.1).
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::PeerReflexive => "prflx",
            Self::ServerReflexive => "srflx",
            Self::Relayed => "relay",
        }
    }
}

/// Who opens a TCP connection (RFC 6544 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TcpType {
    /// This candidate connects.
    Active,
    /// This candidate listens.
    Passive,
    /// Both do, at the same time.
    SimultaneousOpen,
}

impl TcpType {
    /// What a candidate of this type may be paired with (RFC 6544 §6.2).
    pub fn opposite(self) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
            Self::SimultaneousOpen => Self::SimultaneousOpen,
        }
    }

    /// The word of the `tcptype` extension (RFC 6544 §4.5).
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }
}

/// The transport between the agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// A stream with the framing of RFC 4571.
    Tcp(TcpType),
}

/// Where a candidate is: an address, or a name that stands for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port.
    Socket(SocketAddr),
    /// A name and a port: an mDNS name that hides an address, or the name of a host.
    Name(String, u16),
}

impl Address {
    /// The address, if it is one.
    pub fn socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(address) => Some(*address),
            Self::Name(..) => None,
        }
    }

    /// The port, or 9 for an active TCP candidate, which has none (RFC 6544 §4.5).
    pub fn port(&self) -> u16 {
        match self {
            Self::Socket(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// A candidate, as it is told to the other agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Equal for candidates of one kind, base, protocol and server (RFC 8445 §5.1.1.3).
    pub foundation: String,
    /// The transport.
    pub protocol: Protocol,
    /// The higher the better, and different for each candidate of an agent.
    pub priority: u32,
    /// Where it is.
    pub address: Address,
    /// How it was found.
    pub kind: CandidateKind,
    /// The base of a reflexive candidate, the mapped address of a relayed one; for diagnosis.
    pub related: Option<SocketAddr>,
    /// How the TURN server of a relayed candidate is spoken to.
    pub relay_transport: Option<Transport>,
    /// The server that told of it.
    pub server: Option<SocketAddr>,
}

impl Candidate {
    /// A UDP host candidate, as a remote one that is known by address alone.
    pub fn host(address: SocketAddr) -> Self {
        Self {
            foundation: "host".to_owned(),
            protocol: Protocol::Udp,
            priority: Preference { kind: CandidateKind::Host, protocol: Protocol::Udp, relay: None, local: 65_535 }
                .priority(),
            address: Address::Socket(address),
            kind: CandidateKind::Host,
            related: None,
            relay_transport: None,
            server: None,
        }
    }
}

/// What a priority is made of (RFC 8445 §5.1.2.1, RFC 6544 §4.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preference {
    pub(crate) kind: CandidateKind,
    pub(crate) protocol: Protocol,
    pub(crate) relay: Option<Transport>,
    /// Among candidates of the same kind: 0 to 65535.
    pub(crate) local: u16,
}

impl Preference {
    fn of_type(&self) -> u32 {
        let tcp = matches!(self.protocol, Protocol::Tcp(_));
        match (self.kind, self.relay) {
            (CandidateKind::Host, _) if tcp => 90,
            (CandidateKind::PeerReflexive, _) if tcp => 80,
            (CandidateKind::Host, _) => 126,
            (CandidateKind::PeerReflexive, _) => 110,
            (CandidateKind::ServerReflexive, _) => 100,
            (CandidateKind::Relayed, Some(Transport::Tcp)) => 1,
            (CandidateKind::Relayed, Some(Transport::Tls)) => 0,
            (CandidateKind::Relayed, _) => 2,
        }
    }

    fn of_local(&self) -> u32 {
        match self.protocol {
            Protocol::Udp => u32::from(self.local),
            // Three bits for the direction, thirteen for the rest.
            Protocol::Tcp(kind) => {
                let direction = match kind {
                    TcpType::Active => 6,
                    TcpType::Passive => 4,
                    TcpType::SimultaneousOpen => 2,
                };
                direction << 13 | u32::from(self.local >> 3)
            }
        }
    }

    /// The priority of a candidate of component 1.
    pub(crate) fn priority(&self) -> u32 {
        self.of_type() << 24 | self.of_local() << 8 | 255
    }
}

/// The priority of a pair (RFC 8445 §6.1.2.3).
pub(crate) fn pair_priority(controlling: u32, controlled: u32) -> u64 {
    let (g, d) = (u64::from(controlling), u64::from(controlled));
    // Saturates for priorities that no agent may have (RFC 8445 §5.1.2).
    (g.min(d) << 32).saturating_add(2 * g.max(d) + u64::from(g > d))
}

/// Why a remote candidate is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unusable {
    /// Port 0, or port 9 where it does not stand for an active TCP candidate.
    Port,
    /// An address that nobody can send to: unspecified, multicast, broadcast.
    Address,
    /// A loopback address, while this agent has none itself.
    Loopback,
    /// The address of a server that this agent uses.
    Server,
    /// A name that must not be looked up.
    Name,
    /// As many candidates as may be are there.
    TooMany,
    /// It belongs to a generation that is over.
    Generation,
}

/// Whether packets may be sent there at all (checked for what a peer names).
pub(crate) fn usable(address: SocketAddr, protocol: Protocol, loopback: bool) -> Result<(), Unusable> {
    let active = protocol == Protocol::Tcp(TcpType::Active);
    if !active && matches!(address.port(), 0 | 9) {
        return Err(Unusable::Port);
    }
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err(Unusable::Address);
    }
    if ip.is_loopback() && !loopback {
        return Err(Unusable::Loopback);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priority(kind: CandidateKind, protocol: Protocol, relay: Option<Transport>) -> u32 {
        Preference { kind, protocol, relay, local: 65_535 }.priority()
    }

    #[test]
    fn priorities_order_kinds_and_transports_as_rfc_8445_5_1_2_and_rfc_6544_4_2_say() {
        use CandidateKind::*;
        let tcp = Protocol::Tcp(TcpType::Active);
        let order = [
            priority(Host, Protocol::Udp, None),
            priority(PeerReflexive, Protocol::Udp, None),
            priority(ServerReflexive, Protocol::Udp, None),
            priority(Host, tcp, None),
            priority(PeerReflexive, tcp, None),
            priority(Relayed, Protocol::Udp, Some(Transport::Udp)),
            priority(Relayed, Protocol::Udp, Some(Transport::Tcp)),
            priority(Relayed, Protocol::Udp, Some(Transport::Tls)),
        ];
        assert!(order.is_sorted_by(|a, b| a > b), "{order:?}");
        assert_eq!(order[0], 2_130_706_431, "the example of every browser");
    }

    #[test]
    fn pair_priorities_are_the_formula_of_rfc_8445_6_1_2_3() {
        assert_eq!(pair_priority(3, 2), (2 << 32) + 7);
        assert_eq!(pair_priority(2, 3), (2 << 32) + 6);
        assert_eq!(pair_priority(u32::MAX, u32::MAX), u64::MAX);
    }

    #[test]
    fn addresses_that_nobody_can_send_to_are_refused() {
        let check = |text: &str| usable(text.parse().unwrap(), Protocol::Udp, false);
        for bad in ["192.0.2.1:0", "192.0.2.1:9"] {
            assert_eq!(check(bad), Err(Unusable::Port), "{bad}");
        }
        for bad in ["0.0.0.0:5000", "0.1.2.3:5000", "224.0.0.251:5353", "255.255.255.255:5", "[::]:5", "[ff02::1]:5"] {
            assert_eq!(check(bad), Err(Unusable::Address), "{bad}");
        }
        assert_eq!(check("127.0.0.1:5000"), Err(Unusable::Loopback));
        assert_eq!(check("[::ffff:127.0.0.1]:5000"), Err(Unusable::Loopback));
        assert_eq!(check("192.0.2.1:5000"), Ok(()));
        assert_eq!(usable("192.0.2.1:9".parse().unwrap(), Protocol::Tcp(TcpType::Active), false), Ok(()));
    }
}
