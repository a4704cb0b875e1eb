//! The names and addresses under which other devices reach this machine.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The ranges that the built-in authority may certify: those that are never reachable from the Internet
/// (IANA special-purpose address registries, RFC 6890), so that its key is worth nothing out there.
pub(crate) const PRIVATE_RANGES: &[(IpAddr, u8)] = &[
    (v4(10, 0, 0, 0), 8),
    (v4(172, 16, 0, 0), 12),
    (v4(192, 168, 0, 0), 16),
    (v4(127, 0, 0, 0), 8),
    (v4(169, 254, 0, 0), 16),
    (v4(100, 64, 0, 0), 10),
    (v4(192, 0, 2, 0), 24),
    (v4(198, 51, 100, 0), 24),
    (v4(203, 0, 113, 0), 24),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// What a certificate is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) dns: BTreeSet<String>,
    pub(crate) ips: BTreeSet<IpAddr>,
}

impl Names {
    /// This machine's names and addresses now.
    pub(crate) fn current() -> Self {
        let mut names = Names { dns: host_names(), ips: interface_addresses().into_iter().collect() };
        names.dns.insert("localhost".into());
        names.ips.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        names
    }

    /// Whether every name of `other` is among these.
    pub(crate) fn contains(&self, other: &Names) -> bool {
        self.dns.is_superset(&other.dns) && self.ips.is_superset(&other.ips)
    }

    pub(crate) fn len(&self) -> usize {
        self.dns.len() + self.ips.len()
    }
}

/// This machine's host name, in lower case, if it has a usable one.
pub fn host_name() -> Option<String> {
    let name = gethostname::gethostname().to_str()?.trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    (name.len() <= 253 && name.split('.').all(label) && name != "localhost").then_some(name)
}

/// The name of this machine in multicast DNS (RFC 6762 §3): `host.local`.
pub fn mdns_name() -> Option<String> {
    let name = host_name()?;
    Some(format!("{}.local", name.split('.').next()?))
}

fn host_names() -> BTreeSet<String> {
    host_name().into_iter().filter(|name| !is_public_suffix(name)).chain(mdns_name()).collect()
}

/// Whether a name is a top-level domain of the public DNS: an authority for it would be one for all domains below.
pub(crate) fn is_public_suffix(name: &str) -> bool {
    include_str!("tlds.txt").split_ascii_whitespace().any(|tld| tld == name) || name.starts_with("xn--")
}

fn interface_addresses() -> Vec<IpAddr> {
    lan_interfaces().into_iter().map(|(_, ip)| ip).collect()
}

/// The addresses under which other devices may reach this machine, the likeliest first.
///
/// Bridges of containers and virtual machines come last, and IPv4 before IPv6, whose URLs are hard to type.
pub fn lan_addresses() -> Vec<IpAddr> {
    let mut addresses = lan_interfaces();
    let inside = |name: &str| {
        ["docker", "br-", "virbr", "veth", "vmnet", "vboxnet", "cni", "lxc"].iter().any(|p| name.starts_with(p))
    };
    addresses.sort_by_key(|(name, ip)| (inside(name), ip.is_ipv6(), *ip));
    addresses.into_iter().map(|(_, ip)| ip).collect()
}

fn lan_interfaces() -> Vec<(String, IpAddr)> {
    if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .filter(|interface| !interface.is_loopback() && interface.is_oper_up())
        .map(|interface| (interface.name.clone(), interface.ip()))
        // A link-local IPv6 address needs a zone, which URLs in browsers cannot have.
        .filter(|(_, ip)| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_top_level_domain_is_no_host_name_to_certify() {
        assert!(is_public_suffix("dev") && is_public_suffix("app") && is_public_suffix("com"));
        assert!(!is_public_suffix("raspberrypi") && !is_public_suffix("local") && !is_public_suffix("localhost"));
    }

    #[test]
    fn this_machine_is_reached_by_loopback_at_least() {
        let names = Names::current();
        assert!(names.dns.contains("localhost"));
        assert!(names.ips.contains(&"127.0.0.1".parse().unwrap()) && names.ips.contains(&"::1".parse().unwrap()));
    }
}
