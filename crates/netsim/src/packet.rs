//! What travels.

use std::net::{IpAddr, SocketAddr};

/// The explicit congestion notification bits of the IP header (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// Not capable of ECN.
    #[default]
    NotEct,
    /// Capable, codepoint 1: L4S (RFC 9331).
    Ect1,
    /// Capable, codepoint 0.
    Ect0,
    /// Congestion experienced.
    Ce,
}

/// The transport of a packet, as NATs and firewalls tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP, as [`crate::tcp`] models it.
    Tcp,
}

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its transport.
    pub protocol: Protocol,
    /// From where, as seen at this point of the path.
    pub src: SocketAddr,
    /// To where, as seen at this point of the path.
    pub dst: SocketAddr,
    /// Its ECN bits.
    pub ecn: Ecn,
    /// What it carries.
    pub payload: Vec<u8>,
    /// Set in an ICMP error (RFC 792, RFC 4443): `dst` sent a packet that could not go on. `protocol` is that packet's.
    pub error: Option<IcmpError>,
}

/// Why a packet could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unreachable {
    /// No route to that address, or nobody has it.
    Host,
    /// Nothing listens there.
    Port,
    /// A firewall forbids it.
    Prohibited,
    /// The packet is larger than this many bytes allow.
    TooBig(usize),
}

/// The contents of an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Why.
    pub why: Unreachable,
    /// Where the packet was to go, as its sender named it.
    pub to: SocketAddr,
}

impl Packet {
    /// A UDP packet that is not capable of ECN.
    pub fn udp(src: SocketAddr, dst: SocketAddr, payload: impl Into<Vec<u8>>) -> Self {
        Packet { protocol: Protocol::Udp, src, dst, ecn: Ecn::NotEct, payload: payload.into(), error: None }
    }

    /// The error that tells the sender of this packet why it could not go on, from the router or host at `at`.
    pub(crate) fn unreachable(&self, at: IpAddr, why: Unreachable) -> Packet {
        Packet {
            protocol: self.protocol,
            src: SocketAddr::new(at, 0),
            dst: self.src,
            ecn: Ecn::NotEct,
            payload: Vec::new(),
            error: Some(IcmpError { why, to: self.dst }),
        }
    }

    /// The packet without its payload, to complain about.
    pub(crate) fn clone_head(&self) -> Packet {
        Packet { payload: Vec::new(), ..*self }
    }

    /// Its length on the wire in bytes: payload, UDP or TCP header, IP header.
    pub fn wire_len(&self) -> usize {
        let transport = match self.protocol {
            Protocol::Udp => 8,
            Protocol::Tcp => 20,
        };
        let ip = if self.dst.is_ipv4() { 20 } else { 40 };
        self.payload.len() + transport + ip
    }
}
