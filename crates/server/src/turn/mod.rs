//! The TURN relay as a part of the server: what it listens on, whom it lets in, and what clients are told about it.

mod admin;
pub(crate) mod figures;
mod options;
mod standalone;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parlour_net::relay::{Accepted, Relay, RelayConfig, Report, wildcards};
use parlour_signaling::message::IceServer;
use parlour_turn::server::{Event, Nonces, time_limited};

use crate::Error;
use crate::config::{Config, Listen};

pub use parlour_net::relay::RelayError;

pub use admin::{AdminError, Allocation, drain, kick, list};
pub use options::{NamedUser, OptionsError, PortRange, RelayOptions};
pub use standalone::{Ready, Standalone, StandaloneError, run};

/// TURN in the ALPN of TLS (RFC 7443 §4).
pub(crate) const ALPN: &[u8] = b"stun.turn";
/// How long a nonce is good. Our own clients get theirs with the credentials.
const NONCE_LIFETIME: Duration = Duration::from_secs(3_600);
/// Ports that are tried after a default one that is taken.
const SPARE_PORTS: u16 = 20;
/// The socket in the data directory by which `parlour turn ls` and its like reach the server.
const ADMIN_SOCKET: &str = "turn.sock";

/// The relay of `parlour serve`, and what makes credentials for it.
pub(crate) struct Turn {
    relay: Arc<Relay>,
    secret: Vec<u8>,
    realm: String,
    ttl: Duration,
    host: Option<String>,
    _admin: Option<admin::Socket>,
}

impl Turn {
    /// Starts the relay as configured; `None` if it is off.
    pub(crate) fn start(config: &Config) -> Result<Option<Self>, Error> {
        let Some(listen) = config.turn.on() else { return Ok(None) };
        let options = RelayOptions::of_config(config)?;
        let secret = match &config.relay.secret {
            Some(secret) => secret.expose().as_bytes().to_vec(),
            None => {
                let mut secret = vec![0; 32];
                parlour_net::random(&mut secret);
                secret
            }
        };
        let relay = Arc::new(start_at(listen, &options, &secret)?);
        let admin = match admin::Socket::open(&config.data.join(ADMIN_SOCKET), &relay) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "`parlour turn ls` will not work: its socket cannot be made");
                None
            }
        };
        Ok(Some(Self {
            relay,
            secret,
            realm: options.realm,
            ttl: config.relay.credential_ttl,
            host: config.relay.host.clone().or_else(|| config.domain.as_deref().map(str::to_owned)),
            _admin: admin,
        }))
    }

    /// Where it listens by UDP and TCP.
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        // The IPv6 wildcard stands for both.
        self.relay.udp().iter().max_by_key(|addr| addr.is_ipv6()).copied()
    }

    /// Takes over a connection to the HTTPS port that speaks TURN.
    pub(crate) fn take(&self, accepted: Accepted) {
        self.relay.take(accepted);
    }

    pub(crate) fn report(&self) -> Report {
        self.relay.report()
    }

    /// No new allocations: the server stops.
    pub(crate) fn drain(&self) {
        self.relay.drain();
    }

    /// What a client is told: how to reach the relay, with a credential for `id` that ends by itself.
    ///
    /// `host` is the name or address that the client has reached this server by, `https` the port of HTTPS, on which TURN is
    /// spoken too, for networks that let nothing else through.
    pub(crate) fn ice_servers(&self, id: &str, host: &str, https: Option<u16>, unix_s: u64) -> Vec<IceServer> {
        let host = self.host.as_deref().unwrap_or(host);
        let Some(port) = self.addr().map(|addr| addr.port()) else { return Vec::new() };
        let (username, credential) = time_limited(&self.secret, id, unix_s + self.ttl.as_secs());
        let nonce = self.relay.nonces().for_user(&username, unix_s);
        let mut urls = vec![format!("turn:{host}:{port}?transport=udp")];
        match https {
            // Two ways are enough: browsers take longer with every URL.
            Some(https) => {
                urls.push(format!("turn:{host}:{https}?transport=tcp"));
                urls.push(format!("turns:{host}:{https}?transport=tcp"));
            }
            None => urls.push(format!("turn:{host}:{port}?transport=tcp")),
        }
        vec![
            IceServer::stun(format!("stun:{host}:{port}")),
            IceServer {
                urls,
                username: Some(username),
                credential: Some(credential),
                realm: Some(self.realm.clone()),
                nonce: Some(nonce),
            },
        ]
    }
}

/// Starts at the wanted port, or, if it is a default one that is taken, at a free one near it.
fn start_at(listen: &Listen, options: &RelayOptions, secret: &[u8]) -> Result<Relay, Error> {
    let mut result = Err(None);
    for step in 0..=SPARE_PORTS {
        let addr = SocketAddr::new(listen.addr.ip(), listen.addr.port().saturating_add(step));
        let mut config = relay_config(options, &[secret])?;
        config.udp = wildcards(addr);
        config.tcp = config.udp.clone();
        match Relay::start(config) {
            Err(RelayError::Bind { source, .. })
                if !listen.exact && source.kind() == io::ErrorKind::AddrInUse && step < SPARE_PORTS =>
            {
                result = Err(Some(source));
            }
            Err(RelayError::Bind { source, .. }) => result = Err(Some(source)),
            Err(error) => return Err(Error::Turn(error)),
            Ok(relay) => return Ok(relay),
        }
        if listen.exact {
            break;
        }
    }
    result.map_err(|source| Error::Bind {
        setting: "turn",
        addr: listen.addr,
        source: source.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()),
    })
}

/// The relay's rules with time-limited credentials by `secrets`.
fn relay_config(options: &RelayOptions, secrets: &[&[u8]]) -> Result<RelayConfig, OptionsError> {
    let mut key = [0; 32];
    parlour_net::random(&mut key);
    let mut config =
        RelayConfig::new(options.rules()?, options.credentials(secrets), Nonces::new(&key, NONCE_LIFETIME));
    config.shards = options.threads;
    config.on_event = Some(Arc::new(tell));
    Ok(config)
}

/// Logs what happens to allocations. User names are written so that they can neither break lines nor colour them.
fn tell(event: &Event) {
    match event {
        Event::Created { username, client, relayed, .. } => {
            tracing::debug!(?username, client = %client.client, via = ?client.transport, %relayed, "allocation");
        }
        Event::Ended { username, reason, traffic, .. } => tracing::debug!(
            ?username,
            ?reason,
            to_peers = traffic.bytes_to_peers,
            to_client = traffic.bytes_to_client,
            "allocation ended"
        ),
        Event::Moved { client, .. } => tracing::debug!(client = %client.client, "allocation moved"),
        Event::Drained => tracing::info!("a relay thread has no allocation left"),
    }
}

/// The socket of a server with this data directory.
pub fn admin_socket(data: &Path) -> std::path::PathBuf {
    data.join(ADMIN_SOCKET)
}
