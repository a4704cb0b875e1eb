//! The addresses of this host, as an ICE agent wants to know them (RFC 8445 §5.1.1.1), and word when they change.

use if_addrs::IfOperStatus;
use parlour_ice::{Interface, InterfaceKind};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

#[cfg(target_os = "linux")]
use crate::interfaces_linux as system;

/// One address of an interface that is up. Link-local addresses are left out: other hosts can use none of them without
/// knowing which link is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The name of the interface, as the system has it.
    pub name: String,
    /// The system's number of the interface; 0 if it has none.
    pub index: u32,
    /// What [`parlour_ice::Socket`] is given.
    pub interface: Interface,
    /// It changes from time to time, so that nobody can follow this host by it (RFC 8981).
    pub temporary: bool,
}

/// The addresses to gather host candidates from, the best first, loopback addresses last.
///
/// IPv6 addresses that cannot be used yet are left out, and so are those that would tell who this host is where a
/// temporary one of the same interface and network does not (RFC 8445 §5.1.1.1).
///
/// # Errors
/// What the system says.
pub fn addresses() -> io::Result<Vec<Address>> {
    let defaults = [default_source(true), default_source(false)];
    let flags = system::ipv6_flags();
    let mut found = Vec::new();
    for known in if_addrs::get_if_addrs()? {
        let ip = known.ip();
        let down = matches!(
            known.oper_status,
            IfOperStatus::Down | IfOperStatus::NotPresent | IfOperStatus::LowerLayerDown | IfOperStatus::Dormant
        );
        let flags = flags.iter().find(|(address, _)| IpAddr::V6(*address) == ip).map(|(_, flags)| *flags);
        let flags = flags.unwrap_or_default();
        if down || known.is_link_local() || flags.unusable {
            continue;
        }
        let index = known.index.unwrap_or(0);
        let kind = if ip.is_loopback() { InterfaceKind::Loopback } else { system::kind(&known.name) };
        let interface = Interface {
            address: ip,
            network_id: u16::try_from(index).unwrap_or(0),
            kind,
            default_route: false,
            deprecated: flags.deprecated,
        };
        found.push(Address { name: known.name, index, interface, temporary: flags.temporary });
    }
    for source in defaults.into_iter().flatten() {
        let by = found.iter().find(|address| address.interface.address == source).map(|address| address.index);
        let like = |address: &&mut Address| {
            Some(address.index) == by && address.interface.address.is_ipv4() == source.is_ipv4()
        };
        found.iter_mut().filter(like).for_each(|address| address.interface.default_route = true);
    }
    Ok(order(found))
}

/// Drops what a temporary address makes needless, and puts the best first.
fn order(mut found: Vec<Address>) -> Vec<Address> {
    let hidden: Vec<(u32, u64)> = found
        .iter()
        .filter(|address| address.temporary && !address.interface.deprecated)
        .filter_map(|address| Some((address.index, network(address.interface.address)?)))
        .collect();
    found.retain(|address| {
        let network = network(address.interface.address);
        address.temporary || !network.is_some_and(|network| hidden.contains(&(address.index, network)))
    });
    found.sort_by_key(|address| {
        let interface = &address.interface;
        let loopback = interface.address.is_loopback();
        (loopback, interface.deprecated, !interface.default_route, interface.kind.cost(), !interface.address.is_ipv6())
    });
    found
}

/// The upper half of an IPv6 address.
fn network(ip: IpAddr) -> Option<u64> {
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 64).ok(),
    }
}

/// The address that packets to the outside leave from (RFC 8828 §5.2, mode 2). Asks the system for a route; sends nothing.
fn default_source(ipv4: bool) -> Option<IpAddr> {
    // Addresses of root servers: as far outside as can be.
    let (any, outside): (IpAddr, IpAddr) = match ipv4 {
        true => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(198, 41, 0, 4).into()),
        false => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30).into()),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(SocketAddr::new(outside, 53)).ok()?;
    let source = socket.local_addr().ok()?.ip();
    (!source.is_unspecified()).then_some(source)
}

/// What happened to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has come: [`parlour_ice::Agent::add_socket`].
    Added(Address),
    /// It has gone: [`parlour_ice::Agent::remove_socket`].
    Removed(Address),
}

/// Follows the addresses of this host.
///
/// Where the system tells of changes there is a [`source`](Self::source) to wait on; elsewhere call
/// [`changes`](Self::changes) every two seconds or so.
#[derive(Debug)]
pub struct Watch {
    known: Vec<Address>,
    notices: system::Notices,
}

impl Watch {
    /// Begins to listen, and looks at what is there.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        // Listening comes first: a change in between is told twice and not lost.
        let notices = system::Notices::new()?;
        Ok(Self { known: addresses()?, notices })
    }

    /// The addresses as they were when [`changes`](Self::changes) was called last.
    pub fn known(&self) -> &[Address] {
        &self.known
    }

    /// What to register with `mio`: readable when something may have changed. `None` where the system tells nothing.
    pub fn source(&mut self) -> Option<&mut dyn mio::event::Source> {
        self.notices.source()
    }

    /// What has changed since the last call. Costs one failed read if nothing has, where the system tells of changes.
    ///
    /// # Errors
    /// What the system says.
    pub fn changes(&mut self) -> io::Result<Vec<Change>> {
        if !self.notices.drain()? {
            return Ok(Vec::new());
        }
        let before = std::mem::replace(&mut self.known, addresses()?);
        let removed = before.iter().filter(|old| !self.known.contains(old)).cloned().map(Change::Removed);
        let added = self.known.iter().filter(|new| !before.contains(new)).cloned().map(Change::Added);
        // What has come first: a session moves before it loses the ground under it.
        Ok(added.chain(removed).collect())
    }
}

/// What is known of an IPv6 address beyond itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) temporary: bool,
    pub(crate) deprecated: bool,
    /// Tentative, or a duplicate of somebody else's (RFC 4862 §5.4).
    pub(crate) unusable: bool,
}

/// Systems that tell no more than their addresses.
#[cfg(not(target_os = "linux"))]
mod system {
    use super::Flags;
    use parlour_ice::InterfaceKind;
    use std::io;
    use std::net::Ipv6Addr;

    pub(super) fn ipv6_flags() -> Vec<(Ipv6Addr, Flags)> {
        Vec::new()
    }

    pub(super) fn kind(name: &str) -> InterfaceKind {
        match name {
            tunnel if tunnel.starts_with("utun") || tunnel.starts_with("tun") => InterfaceKind::Vpn,
            mobile if mobile.starts_with("pdp_ip") => InterfaceKind::Cellular,
            _ => InterfaceKind::Unknown,
        }
    }

    #[derive(Debug)]
    pub(super) struct Notices;

    impl Notices {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) fn source(&mut self) -> Option<&mut dyn mio::event::Source> {
            None
        }

        pub(super) fn drain(&mut self) -> io::Result<bool> {
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(index: u32, ip: &str, temporary: bool) -> Address {
        Address { name: format!("if{index}"), index, interface: Interface::new(ip.parse().unwrap()), temporary }
    }

    fn ips(addresses: &[Address]) -> Vec<String> {
        addresses.iter().map(|address| address.interface.address.to_string()).collect()
    }

    #[test]
    fn a_temporary_address_hides_the_lasting_one_of_its_network_alone_rfc_8445_5_1_1_1() {
        let found = vec![
            address(2, "2600:1::1", false),
            address(2, "2600:1::aaaa", true),
            address(2, "2600:2::1", false),
            address(3, "2600:1::2", false),
            address(2, "192.168.1.2", false),
        ];
        assert_eq!(ips(&order(found)), ["2600:1::aaaa", "2600:2::1", "2600:1::2", "192.168.1.2"]);
    }

    #[test]
    fn the_way_out_comes_first_and_this_host_itself_last() {
        let mut way_out = address(4, "192.168.1.2", false);
        way_out.interface.default_route = true;
        let mut mobile = address(5, "10.1.1.1", false);
        mobile.interface.kind = InterfaceKind::Cellular;
        let found = vec![address(1, "127.0.0.1", false), mobile, address(3, "10.0.0.1", false), way_out];
        assert_eq!(ips(&order(found)), ["192.168.1.2", "10.0.0.1", "10.1.1.1", "127.0.0.1"]);
    }

    #[test]
    fn this_host_has_a_loopback_address_and_says_so() {
        let found = addresses().unwrap();
        let loopback = found.iter().find(|address| address.interface.address.is_loopback()).expect("127.0.0.1 or ::1");
        assert_eq!(loopback.interface.kind, InterfaceKind::Loopback);
        assert!(!found.iter().any(|address| address.interface.address.is_unspecified()));
    }
}
