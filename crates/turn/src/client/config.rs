//! What a client needs to know, and how it answers a challenge.

use super::Session;
use crate::Transport;
use crate::server::RelayTransport;
use parlour_stun::attribute::{AddressFamily, PasswordAlgorithms};
use parlour_stun::{
    BidDown, IntegrityKey, LongTermKey, PasswordAlgorithm, RetransmitPolicy, SecurityFeatures, opaque_string,
};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Realm and nonce, from a 401 or handed out beforehand together with the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// REALM.
    pub realm: String,
    /// NONCE.
    pub nonce: String,
    /// PASSWORD-ALGORITHMS, as the server sent it.
    pub password_algorithms: Option<Vec<u8>>,
}

/// The configuration of a [`Client`](super::Client).
#[derive(Clone, Debug)]
pub struct Config {
    /// The TURN server.
    pub server: SocketAddr,
    /// How it is spoken to.
    pub transport: Transport,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
    /// Spares the round trip of a 401.
    pub challenge: Option<Challenge>,
    /// UDP, or TCP by RFC 6062.
    pub relay: RelayTransport,
    /// The family of the relayed address; IPv4 if not said.
    pub family: Option<AddressFamily>,
    /// Asks for IPv6 beside IPv4; then `family` must not be set.
    pub dual: bool,
    /// The lifetime to ask for.
    pub lifetime: Option<Duration>,
    /// Asks for an even port, with the next one kept back if `true`.
    pub even_port: Option<bool>,
    /// Takes the port that an earlier allocation kept back.
    pub reservation_token: Option<u64>,
    /// Asks whether the server can set DF.
    pub dont_fragment: bool,
    /// Asks to be followed to another address (RFC 8016).
    pub mobility: bool,
    /// When requests are sent again.
    pub retransmit: RetransmitPolicy,
    /// How many redirects may still be followed.
    pub redirects_left: u8,
}

/// A redirect must not be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RedirectRefused {
    /// Servers send us in circles.
    #[error("too many redirects from TURN server to TURN server")]
    TooMany,
    /// Without a name the certificate of the other server cannot be checked (RFC 8489 §10).
    #[error("the TURN server redirects a TLS client without naming the other server")]
    NoDomain,
}

impl Config {
    /// A client of `server` by UDP, with everything else as is usual.
    pub fn new(server: SocketAddr, username: &str, password: &str) -> Self {
        Self {
            server,
            transport: Transport::Udp,
            username: username.to_owned(),
            password: password.to_owned(),
            challenge: None,
            relay: RelayTransport::Udp,
            family: None,
            dual: false,
            lifetime: None,
            even_port: None,
            reservation_token: None,
            dont_fragment: false,
            mobility: false,
            retransmit: RetransmitPolicy::BROWSER,
            redirects_left: 3,
        }
    }

    /// The configuration for the server that [`TryAlternate`](super::Event::TryAlternate) names. The transport stays:
    /// a redirect never lowers its security.
    pub fn follow(&self, server: SocketAddr, domain: Option<&str>) -> Result<Self, RedirectRefused> {
        let redirects_left = self.redirects_left.checked_sub(1).ok_or(RedirectRefused::TooMany)?;
        if self.transport == Transport::Tls && domain.is_none() {
            return Err(RedirectRefused::NoDomain);
        }
        Ok(Self { server, redirects_left, challenge: None, ..self.clone() })
    }

    pub(super) fn policy(&self) -> RetransmitPolicy {
        if self.transport.is_stream() { RetransmitPolicy::STREAM } else { self.retransmit }
    }
}

impl Session {
    /// Derives the key that a challenge asks for (RFC 8489 §9.2.5).
    pub(super) fn new(config: &Config, challenge: &Challenge) -> Result<Self, BidDown> {
        let algorithms = challenge.password_algorithms.as_deref();
        let chosen = SecurityFeatures::choose(&challenge.nonce, algorithms.map(PasswordAlgorithms))?;
        let prepared = |text| opaque_string(text).unwrap_or(Cow::Borrowed(text)).into_owned();
        let raw = LongTermKey::new(
            chosen.unwrap_or(PasswordAlgorithm::Md5),
            &config.username,
            &prepared(&challenge.realm),
            &prepared(&config.password),
        );
        let key = match chosen {
            Some(_) => IntegrityKey::sha256(raw.as_bytes()),
            None => IntegrityKey::sha1(raw.as_bytes()),
        };
        Ok(Self {
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            algorithms: challenge.password_algorithms.clone(),
            chosen,
            userhash: SecurityFeatures::of_nonce(&challenge.nonce).username_anonymity,
            key,
        })
    }
}
