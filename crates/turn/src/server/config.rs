//! What an operator decides.

use super::accounts::Accounts;
use crate::address::PeerPolicy;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;
use thiserror::Error;

/// An address that relays listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// The local address that sockets are bound to.
    pub local: IpAddr,
    /// What clients are told, behind a one-to-one NAT; otherwise the local address.
    pub external: Option<IpAddr>,
}

impl RelayAddress {
    /// The address that peers see.
    pub fn advertised(&self) -> IpAddr {
        self.external.unwrap_or(self.local)
    }
}

/// The server's two addresses for NAT behaviour discovery (RFC 5780 §6): it listens on all four pairs of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatDiscovery {
    /// Da, Dp of the RFC.
    pub primary: SocketAddr,
    /// Ca, Cp of the RFC: another IP address and another port.
    pub alternate: SocketAddr,
}

/// Which of several servers behind the same addresses this one is: one a core.
///
/// What clients carry from one server to another (CONNECTION-ID, MOBILITY-TICKET) says by itself whose it is, see
/// [`Server::home_of`](super::Server::home_of).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which one, from 0.
    pub index: u32,
    /// How many there are; at least 1.
    pub count: u32,
}

impl Default for Share {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

/// How much of everything one may have. `None` is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Allocations in all.
    pub allocations: usize,
    /// Allocations of one user.
    pub allocations_per_user: u32,
    /// Allocations of one client address; an IPv6 /64 counts as one.
    pub allocations_per_address: u32,
    /// Permissions of one allocation.
    pub permissions: usize,
    /// Channels of one allocation.
    pub channels: usize,
    /// TCP connections of one allocation (RFC 6062).
    pub connections: usize,
    /// Bytes per second of one allocation, each way.
    pub allocation_rate: Option<u64>,
    /// Bytes per second of one user, all allocations and both ways together.
    pub user_rate: Option<u64>,
    /// Bytes per second of everybody, both ways together.
    pub total_rate: Option<u64>,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            allocations: 100_000,
            allocations_per_user: 12,
            allocations_per_address: 256,
            permissions: 128,
            channels: 128,
            connections: 16,
            allocation_rate: None,
            user_rate: None,
            total_rate: None,
        }
    }
}

/// The configuration of a [`Server`](super::Server).
#[derive(Clone, Debug)]
pub struct Config {
    /// The realm of the credentials. With at most eight bytes the challenge to the shortest Allocate request stays
    /// within twice its size.
    pub realm: String,
    /// Where relays listen: at most one address of each family is used, the first.
    pub relays: Vec<RelayAddress>,
    /// The ports that relays of this server use.
    pub ports: RangeInclusive<u16>,
    /// The ports that relays of all servers at these addresses use, if there are more than this one: clients may reach
    /// each other's relays. Holds `ports`.
    pub all_ports: Option<RangeInclusive<u16>>,
    /// Which of several servers this is.
    pub share: Share,
    /// The server's own listeners, which no client may reach through it.
    pub listeners: Vec<SocketAddr>,
    /// Which peers clients may reach.
    pub peers: PeerPolicy,
    /// The limits.
    pub quotas: Quotas,
    /// What counts against the limits, shared with the other servers of this relay.
    pub accounts: Accounts,
    /// The lifetime that an allocation gets if none is asked for (RFC 8656 §3.2), and the least that it gets.
    pub default_lifetime: Duration,
    /// The longest lifetime.
    pub max_lifetime: Duration,
    /// Challenges per second to one network (IPv4 /24, IPv6 /48) after a burst of four times as many.
    pub challenges_per_second: u32,
    /// Whether a REST credential that expires ends its allocations.
    pub strict_expiry: bool,
    /// Whether SHA-256 and USERHASH are offered (RFC 8489 §9.2).
    pub modern_authentication: bool,
    /// Whether the I/O layer can set DF (RFC 8656 §15).
    pub dont_fragment: bool,
    /// Whether TCP relays may be had (RFC 6062).
    pub tcp_relay: bool,
    /// Whether TCP relays may reach ports below 1024.
    pub tcp_low_ports: bool,
    /// Whether allocations may move to another client address (RFC 8016).
    pub mobility: bool,
    /// Whether channel numbers from 0x5000 to 0x7FFF are taken, which clients of RFC 5766 choose.
    pub legacy_channels: bool,
    /// Where clients are sent while this server drains (RFC 8489 §10).
    pub alternate_server: Option<SocketAddr>,
    /// NAT behaviour discovery, where two addresses exist.
    pub nat_discovery: Option<NatDiscovery>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            realm: "parlour".to_owned(),
            relays: Vec::new(),
            ports: 49_152..=65_535,
            all_ports: None,
            share: Share::default(),
            listeners: Vec::new(),
            peers: PeerPolicy::default(),
            quotas: Quotas::default(),
            accounts: Accounts::default(),
            default_lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3_600),
            challenges_per_second: 64,
            strict_expiry: false,
            modern_authentication: true,
            dont_fragment: true,
            tcp_relay: false,
            tcp_low_ports: false,
            mobility: false,
            legacy_channels: false,
            alternate_server: None,
            nat_discovery: None,
        }
    }
}

/// A configuration that cannot be served safely. It is refused, never bent into something else.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Nobody could ever authenticate.
    #[error("no user and no secret is set; give a user with a password, or a secret for time-limited credentials")]
    NoCredentials,
    /// A secret that can be guessed.
    #[error("a secret has {0} bytes; use at least 16 random bytes")]
    ShortSecret(usize),
    /// The realm is empty, too long, or has characters that cannot be.
    #[error("the realm {0:?} must have 1 to 127 printable characters")]
    Realm(String),
    /// A user name or password that cannot be used.
    #[error("the user {0:?} cannot be used: {1}")]
    User(String, parlour_stun::CredentialError),
    /// No relay address.
    #[error("no relay address is set; name the address that peers can reach this server at")]
    NoRelay,
    /// A relay cannot listen on a wildcard: clients must be told where it is.
    #[error("the relay address {0} is no address that peers can send to")]
    RelayUnspecified(IpAddr),
    /// The local and external addresses are of different families.
    #[error("the external address {1} is of another family than the relay address {0}")]
    RelayFamilies(IpAddr, IpAddr),
    /// No port, or well-known ones.
    #[error("the port range {0}-{1} must not be empty nor reach below 1024")]
    Ports(u16, u16),
    /// A share that is none.
    #[error("server {0} of {1} cannot be: count from 0")]
    Share(u32, u32),
    /// A lifetime of zero, or a default above the maximum.
    #[error("the default lifetime of {0:?} must be between 1 s and the longest of {1:?}")]
    Lifetimes(Duration, Duration),
    /// A nonce must live long enough to be used, and not for ever.
    #[error("the nonce lifetime of {0:?} must be between 10 s and one day")]
    NonceLifetime(Duration),
    /// Two addresses are needed that differ in both IP address and port.
    #[error("NAT behaviour discovery needs two addresses of one family with different IP addresses and ports")]
    NatDiscovery,
}

impl Config {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let characters = self.realm.chars().count();
        if characters == 0 || characters > 127 || self.realm.chars().any(|c| c.is_control() || c == '"') {
            return Err(ConfigError::Realm(self.realm.clone()));
        }
        if self.relays.is_empty() {
            return Err(ConfigError::NoRelay);
        }
        for relay in &self.relays {
            for ip in [relay.local, relay.advertised()] {
                if ip.is_unspecified() || ip.is_multicast() {
                    return Err(ConfigError::RelayUnspecified(ip));
                }
            }
            if relay.local.is_ipv4() != relay.advertised().is_ipv4() {
                return Err(ConfigError::RelayFamilies(relay.local, relay.advertised()));
            }
        }
        if self.ports.is_empty() || *self.ports.start() < 1024 {
            return Err(ConfigError::Ports(*self.ports.start(), *self.ports.end()));
        }
        if self.share.index >= self.share.count {
            return Err(ConfigError::Share(self.share.index, self.share.count));
        }
        if self.default_lifetime < Duration::from_secs(1) || self.default_lifetime > self.max_lifetime {
            return Err(ConfigError::Lifetimes(self.default_lifetime, self.max_lifetime));
        }
        if let Some(NatDiscovery { primary, alternate }) = self.nat_discovery {
            let same_family = primary.is_ipv4() == alternate.is_ipv4();
            if !same_family || primary.ip() == alternate.ip() || primary.port() == alternate.port() {
                return Err(ConfigError::NatDiscovery);
            }
        }
        Ok(())
    }
}
