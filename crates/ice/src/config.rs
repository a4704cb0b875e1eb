//! What an application decides.

use crate::policy::{AddressPolicy, TransportPolicy};
use parlour_turn::Transport;
use parlour_turn::client::Challenge;
use std::net::SocketAddr;
use std::time::Duration;

/// Who nominates (RFC 8445 §6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Nominates: the side that offered first.
    Controlling,
    /// Takes what is nominated.
    Controlled,
}

impl Role {
    /// The other one.
    pub fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    /// By address.
    Socket(SocketAddr),
    /// By name, which [`Event::Resolve`](crate::Event::Resolve) asks for.
    Name(String, u16),
}

/// What a server is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// Its view of our address, over UDP (RFC 8489).
    Stun,
    /// A relayed address (RFC 8656).
    Turn {
        /// The user name.
        username: String,
        /// The password.
        password: String,
        /// UDP, TCP or TLS.
        transport: Transport,
        /// Realm and nonce known beforehand, which save a round trip.
        challenge: Option<Challenge>,
        /// Ask for an IPv6 address beside the IPv4 one.
        dual: bool,
    },
}

/// A STUN or TURN server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where it is.
    pub address: ServerAddress,
    /// What for.
    pub kind: ServerKind,
}

impl Server {
    /// A STUN server.
    pub fn stun(address: SocketAddr) -> Self {
        Self { address: ServerAddress::Socket(address), kind: ServerKind::Stun }
    }

    /// A TURN server.
    pub fn turn(address: SocketAddr, transport: Transport, username: &str, password: &str) -> Self {
        let kind = ServerKind::Turn {
            username: username.to_owned(),
            password: password.to_owned(),
            transport,
            challenge: None,
            dual: false,
        };
        Self { address: ServerAddress::Socket(address), kind }
    }
}

/// The configuration of an [`Agent`](crate::Agent).
#[derive(Clone, Debug)]
pub struct Config {
    /// The role to begin with; a conflict may change it.
    pub role: Role,
    /// Answers only, never checks (RFC 8445 §2.5). Such an agent is controlled.
    pub lite: bool,
    /// The servers.
    pub servers: Vec<Server>,
    /// Which candidates may be used.
    pub transport_policy: TransportPolicy,
    /// Which addresses may be shown (RFC 8828).
    pub address_policy: AddressPolicy,
    /// Shows mDNS names in place of host addresses.
    pub hide_addresses: bool,
    /// Offers active ICE-TCP candidates.
    pub tcp: bool,
    /// Looks up host names of remote candidates by DNS; mDNS names are always looked up.
    pub resolve_names: bool,
    /// Moves to a better pair after the first nomination, if the other agent can follow.
    pub renomination: bool,
    /// Lets DTLS ride on checks, if the other agent can read it.
    pub sped: bool,
    /// Ta of RFC 8445 §14.2: 50 ms between new checks even if there are few.
    pub strict_pacing: bool,
    /// How long to wait for the other agent's checks when all of ours have failed (RFC 8863 §4).
    pub patience: Duration,
    /// Time between consent checks, before it is varied by a fifth (RFC 7675 §5.1).
    pub consent_interval: Duration,
    /// How long consent lasts (RFC 7675 §5.1).
    pub consent_lifetime: Duration,
    /// How many pairs a generation may have.
    pub max_pairs: usize,
    /// How many candidates the other agent may name in a generation.
    pub max_remote_candidates: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            role: Role::Controlling,
            lite: false,
            servers: Vec::new(),
            transport_policy: TransportPolicy::All,
            address_policy: AddressPolicy::AllInterfaces,
            hide_addresses: false,
            tcp: false,
            resolve_names: true,
            renomination: true,
            sped: false,
            strict_pacing: false,
            patience: Duration::from_millis(39_500),
            consent_interval: Duration::from_secs(5),
            consent_lifetime: Duration::from_secs(30),
            max_pairs: 100,
            max_remote_candidates: 64,
        }
    }
}
