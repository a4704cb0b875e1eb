//! Which peers may be reached: addresses in their true form, and the deny list (RFC 8656 §21.1.3 and what attacks on
//! relays have taught).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use thiserror::Error;

/// A range of addresses, as in `192.168.0.0/16` or `fd00::/8`; an address without `/` is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    prefix: u8,
}

/// A range cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CidrError {
    /// The part before `/` is not an address.
    #[error("\"{0}\" is not an IP address range; write it as 192.168.0.0/16 or fd00::/8")]
    NotAnAddress(String),
    /// The part behind `/` is not a length that fits.
    #[error("the prefix length in \"{0}\" must be 0 to 32 for IPv4 or 0 to 128 for IPv6")]
    BadPrefix(String),
    /// Bits behind the prefix are set: likely a slip.
    #[error("\"{0}\" has bits set behind its prefix; did you mean {1}?")]
    HostBits(String, String),
}

impl Cidr {
    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Self {
        Self { base: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix }
    }

    /// Whether `address` is in the range. A range of one family holds no address of the other.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (base.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (base.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let base: IpAddr = address.trim().parse().map_err(|_| CidrError::NotAnAddress(text.to_owned()))?;
        let widest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|p| *p <= widest).ok_or_else(|| CidrError::BadPrefix(text.to_owned()))?
            }
            Some(_) => return Err(CidrError::BadPrefix(text.to_owned())),
        };
        let clean: IpAddr = match base {
            IpAddr::V4(ip) => {
                Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)).into()
            }
            IpAddr::V6(ip) => {
                Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)).into()
            }
        };
        if clean != base {
            return Err(CidrError::HostBits(text.to_owned(), format!("{clean}/{prefix}")));
        }
        Ok(Self { base, prefix })
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// The IPv4 address that an IPv6 address stands for, if any: IPv4-mapped, IPv4-compatible, 6to4, NAT64 with the
/// well-known prefixes (RFC 6052, RFC 8215) or one of `nat64`, and ISATAP.
fn embedded(address: Ipv6Addr, nat64: &[Cidr]) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = Ipv4Addr::from_bits(bits as u32);
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0xFFFF, ..] => Some(low),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, ..] => Some(low),
        [0x2002, high, next, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(next))),
        [0x0064, 0xFF9B, 0, 0, 0, 0, ..] | [0x0064, 0xFF9B, 1, ..] => Some(low),
        [_, _, _, _, 0 | 0x0200, 0x5EFE, ..] => Some(low),
        _ if nat64.iter().any(|prefix| prefix.contains(address.into())) => Some(low),
        _ => None,
    }
}

/// `address` in its true form: an IPv4-mapped one becomes the IPv4 address that packets would go to.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Ranges that no relay should reach unless told to: special purposes, private networks, this host.
const DENIED: &[Cidr] = &[
    Cidr::v4(0, 0, 0, 0, 8),
    Cidr::v4(10, 0, 0, 0, 8),
    Cidr::v4(100, 64, 0, 0, 10),
    Cidr::v4(127, 0, 0, 0, 8),
    Cidr::v4(169, 254, 0, 0, 16),
    Cidr::v4(172, 16, 0, 0, 12),
    Cidr::v4(192, 0, 0, 0, 24),
    Cidr::v4(192, 0, 2, 0, 24),
    Cidr::v4(192, 88, 99, 0, 24),
    Cidr::v4(192, 168, 0, 0, 16),
    Cidr::v4(198, 18, 0, 0, 15),
    Cidr::v4(198, 51, 100, 0, 24),
    Cidr::v4(203, 0, 113, 0, 24),
    Cidr::v4(224, 0, 0, 0, 4),
    Cidr::v4(240, 0, 0, 0, 4),
    // ::/96 without an embedded IPv4 address: unspecified and loopback.
    Cidr::v6(0, 0, 0, 96),
    Cidr::v6(0x0064, 0xFF9B, 1, 48),
    Cidr::v6(0x0100, 0, 0, 64),
    // Teredo and the other protocol assignments.
    Cidr::v6(0x2001, 0, 0, 23),
    Cidr::v6(0x2001, 0x0DB8, 0, 32),
    Cidr::v6(0x3FFF, 0, 0, 20),
    Cidr::v6(0x5F00, 0, 0, 16),
    Cidr::v6(0xFC00, 0, 0, 7),
    Cidr::v6(0xFE80, 0, 0, 10),
    Cidr::v6(0xFEC0, 0, 0, 10),
    Cidr::v6(0xFF00, 0, 0, 8),
];

/// Which peer addresses clients may reach.
///
/// An address is looked at as it stands and as the IPv4 address that hides in it. What `deny` holds is refused; then
/// what `allow` holds is let through; then the default list refuses; the rest is let through, unless `only_allowed`.
#[derive(Clone, Debug, Default)]
pub struct PeerPolicy {
    /// Lets these through although the default list refuses them.
    pub allow: Vec<Cidr>,
    /// Refuses these whatever `allow` says: the host's other addresses, its databases, its neighbours.
    pub deny: Vec<Cidr>,
    /// Refuses everything that `allow` does not hold.
    pub only_allowed: bool,
    /// NAT64 prefixes of this network, of length 96, beside the well-known ones.
    pub nat64: Vec<Cidr>,
}

impl PeerPolicy {
    /// Whether a client may reach `address`.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = canonical(address);
        let hidden = match address {
            IpAddr::V6(v6) => embedded(v6, &self.nat64).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        self.permits_form(address) && hidden.is_none_or(|v4| self.permits_form(v4))
    }

    /// Whether `allow` holds `address`.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|range| range.contains(canonical(address)))
    }

    /// Whether `deny` holds `address`.
    pub(crate) fn denies(&self, address: IpAddr) -> bool {
        self.deny.iter().any(|range| range.contains(canonical(address)))
    }

    fn permits_form(&self, address: IpAddr) -> bool {
        let within = |list: &[Cidr]| list.iter().any(|range| range.contains(address));
        if within(&self.deny) {
            return false;
        }
        within(&self.allow) || (!self.only_allowed && !within(DENIED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        assert!("10.0.0.0/8".parse::<Cidr>().unwrap().contains("10.255.0.1".parse().unwrap()));
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!("::/0".parse::<Cidr>().unwrap().contains("2001::1".parse().unwrap()));
        assert!(!"::/0".parse::<Cidr>().unwrap().contains("8.8.8.8".parse().unwrap()));
        for bad in [
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "",
            "a/8",
            "10.1.0.0/8",
            "fe80::1%eth0/64",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        assert!("10.1.0.0/8".parse::<Cidr>().unwrap_err().to_string().contains("10.0.0.0/8"));
    }

    #[test]
    fn ipv6_ranges_compare_bits_and_not_bytes() {
        let range: Cidr = "fe80::/10".parse().unwrap();
        for (address, inside) in [("fe80::1", true), ("febf::1", true), ("fec0::1", false), ("fe7f::1", false)] {
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{address}");
        }
    }
}
