//! What a router lets through from inside to outside.

use crate::packet::{Packet, Protocol};

/// Rules for what starts inside. What starts outside is the business of [`crate::NatSpec::filtering`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    /// No UDP at all.
    pub block_udp: bool,
    /// TCP to these destination ports only; `None` for all.
    pub tcp_ports: Option<Vec<u16>>,
    /// Tells the sender by ICMP; otherwise drops without a word.
    pub reject: bool,
}

impl Firewall {
    /// Lets all through.
    pub fn open() -> Self {
        Self::default()
    }

    /// Drops UDP without a word; TCP is free.
    pub fn udp_blocked() -> Self {
        Firewall { block_udp: true, ..Self::default() }
    }

    /// Nothing but TCP to port 443.
    pub fn tcp_443_only() -> Self {
        Firewall { block_udp: true, tcp_ports: Some(vec![443]), reject: false }
    }

    pub(crate) fn passes(&self, packet: &Packet) -> bool {
        match packet.protocol {
            Protocol::Udp => !self.block_udp,
            Protocol::Tcp => self.tcp_ports.as_ref().is_none_or(|ports| ports.contains(&packet.dst.port())),
        }
    }
}
