//! Which interfaces and candidates may be used and shown (RFC 8828 §5.2, W3C RTCIceTransportPolicy).

use crate::interface::Interface;

/// Which candidates may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransportPolicy {
    /// All.
    #[default]
    All,
    /// Relayed ones only: the other agent learns no address of this host.
    Relay,
}

/// Which addresses may be shown: the modes of RFC 8828 §5.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AddressPolicy {
    /// Mode 1: every interface. Wants the user's consent.
    #[default]
    AllInterfaces,
    /// Mode 2: the interface of the default route, with its host candidate.
    DefaultRoute,
    /// Mode 3: the default route, without its host candidate.
    PublicOnly,
    /// Mode 4: no UDP but through a proxy; here: relayed candidates over TCP or TLS alone.
    ForceProxy,
}

impl AddressPolicy {
    /// Whether sockets on this interface may be used.
    pub fn allows(self, interface: &Interface) -> bool {
        let ip = interface.address;
        let fits = !ip.is_unspecified() && !ip.is_multicast() && !interface.deprecated;
        fits && (self == Self::AllInterfaces || interface.default_route)
    }

    /// Whether host candidates are shown.
    pub fn shows_host(self) -> bool {
        matches!(self, Self::AllInterfaces | Self::DefaultRoute)
    }

    /// Whether UDP may be sent.
    pub fn allows_udp(self) -> bool {
        self != Self::ForceProxy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_modes_of_rfc_8828_show_less_and_less() {
        let default = Interface { default_route: true, ..Interface::new("192.168.0.2".parse().unwrap()) };
        let other = Interface::new("10.8.0.2".parse().unwrap());
        let modes = [
            AddressPolicy::AllInterfaces,
            AddressPolicy::DefaultRoute,
            AddressPolicy::PublicOnly,
            AddressPolicy::ForceProxy,
        ];
        let shown = modes.map(|m| (m.allows(&default), m.allows(&other), m.shows_host(), m.allows_udp()));
        assert_eq!(
            shown,
            [
                (true, true, true, true),
                (true, false, true, true),
                (true, false, false, true),
                (true, false, false, false)
            ]
        );
        assert!(!AddressPolicy::AllInterfaces.allows(&Interface { deprecated: true, ..default }));
    }
}
