//! What an agent must know of a network interface.

use std::net::IpAddr;

/// What carries an interface's packets, for the cost that is put on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InterfaceKind {
    /// Nobody knows.
    #[default]
    Unknown,
    /// A wire.
    Ethernet,
    /// Wi-Fi.
    Wifi,
    /// A mobile network.
    Cellular,
    /// A tunnel.
    Vpn,
    /// This host itself.
    Loopback,
}

impl InterfaceKind {
    /// The cost of libwebrtc's GOOG-NETWORK-INFO: 0 is best, 999 is worst.
    pub fn cost(self) -> u16 {
        match self {
            Self::Ethernet | Self::Loopback => 0,
            Self::Wifi => 10,
            Self::Unknown => 50,
            Self::Vpn => 60,
            Self::Cellular => 900,
        }
    }
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// The number that the other agent is told for this network.
    pub network_id: u16,
    /// What carries it.
    pub kind: InterfaceKind,
    /// Whether the default route of this family leaves by it.
    pub default_route: bool,
    /// Whether it is about to go away (RFC 4862 §5.5.4).
    pub deprecated: bool,
}

impl Interface {
    /// An interface of which only the address is known.
    pub fn new(address: IpAddr) -> Self {
        Self {
            address,
            network_id: 0,
            kind: if address.is_loopback() { InterfaceKind::Loopback } else { InterfaceKind::Unknown },
            default_route: false,
            deprecated: false,
        }
    }
}
