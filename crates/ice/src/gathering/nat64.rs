//! Finding the prefix by which an IPv6-only network reaches IPv4 (RFC 7050, RFC 6052).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The name whose addresses show the prefix (RFC 7050 §3).
pub(crate) const NAME: &str = "ipv4only.arpa";
/// What the name stands for without a translator.
const WELL_KNOWN: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)];

/// The search for a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Discovery {
    #[default]
    Idle,
    Pending,
    Done(Option<Ipv6Addr>),
}

impl Discovery {
    /// Whether the name must be asked for now.
    pub(crate) fn begin(&mut self) -> bool {
        let begins = *self == Self::Idle;
        if begins {
            *self = Self::Pending;
        }
        begins
    }

    pub(crate) fn is_pending(self) -> bool {
        self == Self::Pending
    }

    pub(crate) fn prefix(self) -> Option<Ipv6Addr> {
        match self {
            Self::Done(prefix) => prefix,
            _ => None,
        }
    }

    /// Takes the addresses of the name. Whether a prefix has become known.
    pub(crate) fn resolved(&mut self, addresses: &[IpAddr]) -> bool {
        if *self != Self::Pending {
            return false;
        }
        let prefix = addresses.iter().find_map(|ip| match ip {
            IpAddr::V6(v6) => prefix_of(*v6),
            IpAddr::V4(_) => None,
        });
        *self = Self::Done(prefix);
        prefix.is_some()
    }
}

/// The /96 prefix of a synthesised address of the well-known name.
fn prefix_of(address: Ipv6Addr) -> Option<Ipv6Addr> {
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    WELL_KNOWN.contains(&low).then(|| Ipv6Addr::from_bits(bits >> 32 << 32))
}

/// The IPv6 address that stands for `v4` under a /96 prefix (RFC 6052 §2.2).
pub(crate) fn embed(prefix: Ipv6Addr, v4: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix.to_bits() >> 32 << 32 | u128::from(v4.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_what_stands_before_a_well_known_address_rfc_7050_3() {
        let mut discovery = Discovery::default();
        assert!(discovery.begin() && !discovery.begin());
        let addresses = ["192.0.0.170", "64:ff9b::c000:aa"].map(|text| text.parse().unwrap());
        assert!(discovery.resolved(&addresses));
        let prefix = discovery.prefix().unwrap();
        assert_eq!(embed(prefix, Ipv4Addr::new(192, 0, 2, 33)), "64:ff9b::c000:221".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn without_a_translator_there_is_no_prefix() {
        let mut discovery = Discovery::Pending;
        assert!(!discovery.resolved(&["192.0.0.170".parse().unwrap(), "2001:db8::1".parse().unwrap()]));
        assert_eq!(discovery, Discovery::Done(None));
    }
}
