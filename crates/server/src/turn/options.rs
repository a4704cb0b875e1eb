//! What an operator may decide about the relay, from the configuration of `parlour serve` or the flags of `parlour turn`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::str::FromStr;

use parlour_turn::Cidr;
use parlour_turn::PeerPolicy;
use parlour_turn::server::{self, Credentials, NatDiscovery, Quotas, RelayAddress};
use thiserror::Error;

use crate::config::Config;

/// The rules of a relay.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Addresses of this machine that relays are bound to, one of each family; none: found out.
    pub relay_addresses: Vec<IpAddr>,
    /// What peers see of them, if a router translates addresses one to one.
    pub external_addresses: Vec<IpAddr>,
    /// Ports of relays.
    pub ports: PortRange,
    /// The realm of credentials.
    pub realm: String,
    /// Users with passwords.
    pub users: Vec<NamedUser>,
    /// Peers to be reached although the default list refuses them.
    pub allow_peer: Vec<Cidr>,
    /// Peers never to be reached.
    pub deny_peer: Vec<Cidr>,
    /// TCP relays (RFC 6062).
    pub tcp_relay: bool,
    /// Allocations that follow their client (RFC 8016).
    pub mobility: bool,
    /// Channel numbers of RFC 5766, which coturn's clients before 4.16 use.
    pub legacy_channels: bool,
    /// A credential that expires ends its allocations.
    pub strict_expiry: bool,
    /// The limits.
    pub quotas: Quotas,
    /// Where clients are sent while this relay drains.
    pub alternate_server: Option<SocketAddr>,
    /// The second address for NAT behaviour discovery (RFC 5780).
    pub nat_discovery: Option<NatDiscovery>,
    /// Threads; 0 is one a core.
    pub threads: usize,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            relay_addresses: Vec::new(),
            external_addresses: Vec::new(),
            ports: PortRange(49_152..=65_535),
            realm: "parlour".to_owned(),
            users: Vec::new(),
            allow_peer: Vec::new(),
            deny_peer: Vec::new(),
            tcp_relay: false,
            mobility: false,
            legacy_channels: false,
            strict_expiry: false,
            quotas: Quotas::default(),
            alternate_server: None,
            nat_discovery: None,
            threads: 0,
        }
    }
}

/// Rules that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// An external address without a relay address of its family.
    #[error(
        "the external address {0} has no relay address of its family; name one of this machine as the relay address"
    )]
    ExternalWithoutRelay(IpAddr),
    /// Two addresses of one family.
    #[error("{0} and {1} are of one family; name one address for IPv4 and one for IPv6")]
    TwoOfAFamily(IpAddr, IpAddr),
    /// This machine has no address.
    #[error("this machine has no network address; name the relay address")]
    NoAddress,
}

/// Ports from the first to the last, as in `49152-65535`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortRange(pub RangeInclusive<u16>);

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |part: &str| part.trim().parse::<u16>().map_err(|_| format!("\"{part}\" is not a port"));
        let (first, last) = text.split_once('-').ok_or("write it as FIRST-LAST, such as 49152-65535")?;
        let range = read(first)?..=read(last)?;
        if range.is_empty() || *range.start() < 1024 {
            return Err("the first port must be 1024 or higher and not above the last".to_owned());
        }
        Ok(Self(range))
    }
}

impl std::fmt::Display for PortRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0.start(), self.0.end())
    }
}

/// A user with a password, as in `ann:secret`. The password does not show in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl FromStr for NamedUser {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                Ok(Self { name: name.to_owned(), password: password.to_owned() })
            }
            _ => Err("write it as NAME:PASSWORD".to_owned()),
        }
    }
}

impl std::fmt::Debug for NamedUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}:…", self.name)
    }
}

impl RelayOptions {
    /// The rules in the server's configuration.
    pub(super) fn of_config(config: &Config) -> Result<Self, OptionsError> {
        let relay = &config.relay;
        let kilobytes = |kbit: Option<u32>| kbit.map(|kbit| u64::from(kbit) * 1000 / 8);
        let mut relay_addresses = relay.address.clone();
        if relay_addresses.is_empty()
            && let Some(listen) = config.turn.on()
            && !listen.addr.ip().is_unspecified()
        {
            relay_addresses.push(listen.addr.ip());
        }
        Ok(Self {
            relay_addresses,
            external_addresses: relay.external_address.clone(),
            ports: relay.port_range.clone(),
            realm: relay.realm.clone(),
            allow_peer: relay.allow_peer.clone(),
            deny_peer: relay.deny_peer.clone(),
            tcp_relay: relay.tcp,
            mobility: relay.mobility,
            quotas: Quotas {
                allocations: relay.max_allocations as usize,
                allocations_per_user: relay.allocations_per_user,
                allocations_per_address: relay.allocations_per_address,
                allocation_rate: kilobytes(relay.kbps_per_allocation),
                user_rate: kilobytes(relay.kbps_per_user),
                total_rate: kilobytes(relay.kbps_total),
                ..Quotas::default()
            },
            ..Self::default()
        })
    }

    /// Who may come in.
    pub(super) fn credentials(&self, secrets: &[&[u8]]) -> Credentials {
        let users = self.users.iter().fold(Credentials::new(), |all, user| all.user(&user.name, &user.password));
        secrets.iter().fold(users, |all, secret| all.secret(secret))
    }

    /// The rules as the state machine takes them.
    pub(super) fn rules(&self) -> Result<server::Config, OptionsError> {
        let relays = self.relays()?;
        let mut peers =
            PeerPolicy { allow: self.allow_peer.clone(), deny: self.deny_peer.clone(), ..PeerPolicy::default() };
        // This machine's other addresses are nobody's peers, unless the operator says so.
        let ours = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
        let named = |ip: IpAddr| self.allow_peer.iter().any(|range| range.contains(ip));
        let relay = |ip: IpAddr| relays.iter().any(|relay| relay.local == ip);
        let others = ours.filter(|ip| !named(*ip) && !relay(*ip)).filter_map(|ip| ip.to_string().parse::<Cidr>().ok());
        peers.deny.extend(others);
        Ok(server::Config {
            realm: self.realm.clone(),
            relays,
            ports: self.ports.0.clone(),
            peers,
            quotas: self.quotas,
            strict_expiry: self.strict_expiry,
            tcp_relay: self.tcp_relay,
            mobility: self.mobility,
            legacy_channels: self.legacy_channels,
            alternate_server: self.alternate_server,
            nat_discovery: self.nat_discovery,
            dont_fragment: cfg!(target_os = "linux"),
            ..server::Config::default()
        })
    }

    fn relays(&self) -> Result<Vec<RelayAddress>, OptionsError> {
        let locals = if self.relay_addresses.is_empty() { own_addresses() } else { self.relay_addresses.clone() };
        for (n, first) in locals.iter().enumerate() {
            if let Some(second) = locals.iter().skip(n + 1).find(|second| second.is_ipv4() == first.is_ipv4()) {
                return Err(OptionsError::TwoOfAFamily(*first, *second));
            }
        }
        let external =
            |local: IpAddr| self.external_addresses.iter().find(|ip| ip.is_ipv4() == local.is_ipv4()).copied();
        let relays: Vec<_> =
            locals.into_iter().map(|local| RelayAddress { local, external: external(local) }).collect();
        if let Some(lost) =
            self.external_addresses.iter().find(|ip| !relays.iter().any(|r| r.local.is_ipv4() == ip.is_ipv4()))
        {
            return Err(OptionsError::ExternalWithoutRelay(*lost));
        }
        if relays.is_empty() { Err(OptionsError::NoAddress) } else { Ok(relays) }
    }
}

/// The address of each family by which this machine reaches the world; without a way there, any of its own; loopback at last.
fn own_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    // Nothing is sent: connecting a UDP socket only asks the routing table. The addresses are of the documentation ranges.
    let routed = |bind: IpAddr, far: &str| {
        let socket = UdpSocket::bind(SocketAddr::new(bind, 0)).ok()?;
        socket.connect((far, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
    };
    let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let any = |ipv4: bool, loopback: bool| {
        interfaces
            .iter()
            .map(|interface| interface.ip())
            .find(|ip| ip.is_ipv4() == ipv4 && ip.is_loopback() == loopback && !link_local(ip))
    };
    let ipv4 = routed(Ipv4Addr::UNSPECIFIED.into(), "192.0.2.1").or_else(|| any(true, false));
    let ipv6 = routed(Ipv6Addr::UNSPECIFIED.into(), "2001:db8::1").or_else(|| any(false, false));
    match (ipv4, ipv6) {
        (None, None) => [any(true, true), any(false, true)].into_iter().flatten().collect(),
        found => [found.0, found.1].into_iter().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_users_are_read_strictly() {
        assert_eq!("49152-65535".parse(), Ok(PortRange(49_152..=65_535)));
        for bad in ["", "5000", "80-90", "6000-5000", "5000-70000", "-"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
        let user: NamedUser = "ann:a:b".parse().unwrap();
        assert_eq!((user.name.as_str(), user.password.as_str()), ("ann", "a:b"));
        assert!(!format!("{user:?}").contains("a:b"), "the password stays out of logs");
        for bad in ["", "ann", ":x", "ann:"] {
            assert!(bad.parse::<NamedUser>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_must_fit_each_other() {
        let options = |relay: &[&str], external: &[&str]| {
            let read = |all: &[&str]| all.iter().map(|ip| ip.parse().unwrap()).collect();
            RelayOptions { relay_addresses: read(relay), external_addresses: read(external), ..RelayOptions::default() }
                .relays()
        };
        let both = options(&["10.0.0.1", "fd00::1"], &["192.0.2.1"]).unwrap();
        assert_eq!(both[0].advertised(), "192.0.2.1".parse::<IpAddr>().unwrap());
        assert_eq!(both[1].external, None);
        assert!(options(&["10.0.0.1", "10.0.0.2"], &[]).is_err());
        assert!(options(&["fd00::1"], &["192.0.2.1"]).is_err());
        assert!(!options(&[], &[]).unwrap().is_empty(), "this machine has an address");
    }

    #[test]
    fn the_machines_own_addresses_are_no_peers_unless_allowed() {
        let mut options =
            RelayOptions { relay_addresses: vec!["127.0.0.9".parse().unwrap()], ..RelayOptions::default() };
        let loopback: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(!options.rules().unwrap().peers.permits(loopback));
        options.allow_peer = vec!["127.0.0.0/8".parse().unwrap()];
        assert!(options.rules().unwrap().peers.permits(loopback));
    }
}
