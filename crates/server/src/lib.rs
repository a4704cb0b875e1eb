//! Parlour's server: the web app over HTTP and HTTPS, signaling over WebSocket, storage, administration, metrics.
//!
//! A connection is accepted ([`listen`](self), `http/serve.rs`), becomes HTTP, and on `/v1/ws` a WebSocket with a task of its own
//! (`ws/connection.rs`). Its first message names a room; the room's shard (`shards.rs`) holds the room machine of `parlour-signaling`,
//! which knows no sockets and no clocks. What the machine wants sent goes to the outboxes of the connections, what happened goes to
//! storage, metrics and the log. `lifecycle.rs` starts all this and stops it without losing a call.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod compat;
pub mod config;
mod http;
mod ice;
mod lifecycle;
mod limits;
mod listen;
mod metrics;
mod secret;
mod shards;
mod storage;
mod stream;
pub mod tls;
pub mod token_keys;
pub mod turn;
mod ws;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};

use serde::Serialize;

pub use config::Config;
pub use lifecycle::Server;
pub use storage::StorageError;

/// Why the server does not start, or did not stop as it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {addr} ({source}): is another program using that port? Choose another address with --{setting}"
    )]
    Bind {
        /// The setting that names the address.
        setting: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The data directory cannot be made or used.
    #[error("cannot use the data directory {} ({source}): check that it may be written, or choose another one with --data", path.display())]
    DataDirectory {
        /// The directory, or a file in it.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The keys of tokens cannot be used.
    #[error(transparent)]
    TokenKeys(#[from] token_keys::TokenKeyError),
    /// The relay does not start.
    #[error("cannot start the TURN relay: {0}")]
    Turn(parlour_net::relay::RelayError),
    /// The rules of the relay contradict each other.
    #[error("cannot start the TURN relay: {0}")]
    TurnOptions(#[from] turn::OptionsError),
    /// The system refuses threads or signals.
    #[error("cannot start ({0})")]
    Runtime(io::Error),
    /// A second signal came while the server was stopping.
    #[error("stopped at once, without saving everything")]
    Interrupted,
}

/// What a started server tells.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where plain HTTP is really listened for.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is really listened for.
    pub https: Option<SocketAddr>,
    /// Where HTTP for clients of other systems is really listened for.
    pub compat: Option<SocketAddr>,
    /// Where STUN and TURN are really listened for.
    pub turn: Option<SocketAddr>,
    /// The address for a browser on this machine.
    pub local_url: String,
    /// Addresses for other devices on the network.
    pub lan_urls: Vec<String>,
    /// The SHA-256 fingerprint of the certificate.
    pub fingerprint: Option<String>,
    /// The SHA-256 fingerprint of the local authority's certificate, which other devices may be asked to trust.
    pub ca_fingerprint: Option<String>,
}

/// Runs a server until it is told to stop by a signal: SIGTERM, SIGINT or Ctrl-C. A second signal stops it at once.
///
/// `on_ready` is called when it listens.
pub fn run(config: Config, on_ready: impl FnOnce(&Ready)) -> Result<(), Error> {
    lifecycle::raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(lifecycle::cores())
        .enable_all()
        .build()
        .map_err(Error::Runtime)?;
    let result = runtime.block_on(async {
        let mut signals = lifecycle::Signals::new().map_err(Error::Runtime)?;
        let server = Server::start(config).await?;
        on_ready(server.ready());
        signals.next().await;
        tokio::select! {
            () = server.stop() => Ok(()),
            () = signals.next() => Err(Error::Interrupted),
        }
    });
    // Idle HTTP connections need no farewell.
    runtime.shutdown_background();
    result
}

/// What all parts of the server share.
pub(crate) struct App {
    config: Config,
    assets: http::assets::Assets,
    proxies: limits::TrustedProxies,
    limits: limits::Limits,
    shards: shards::Shards,
    metrics: metrics::Metrics,
    recorder: storage::Recorder,
    admin_token: String,
    compat: compat::Compat,
    ice: Arc<ice::Ice>,
    auth: parlour_signaling::Auth,
    draining: AtomicBool,
    live: lifecycle::Live,
    /// Where HTTPS and HTTP are really listened for.
    bound: OnceLock<(Option<SocketAddr>, Option<SocketAddr>)>,
    warned_of_proxy: Once,
}

impl App {
    /// The port of HTTPS, if it is on.
    fn https_port(&self) -> Option<u16> {
        self.bound.get().and_then(|(https, _)| *https).map(|addr| addr.port())
    }

    /// Addresses for other devices on the network. HTTPS, as cameras need it; without, plain HTTP where it is open to them.
    fn lan_urls(&self) -> Vec<String> {
        let (https, http) = self.bound.get().copied().unwrap_or_default();
        let open = |addr: Option<SocketAddr>| addr.filter(|addr| !addr.ip().to_canonical().is_loopback());
        let (scheme, default, addr) = match (open(https), open(http)) {
            (Some(https), _) => ("https", 443, https),
            (None, Some(http)) => ("http", 80, http),
            (None, None) => return Vec::new(),
        };
        if let Some(domain) = &self.config.domain {
            return vec![format!("{scheme}://{}", at_port(domain, addr.port(), default))];
        }
        let hosts = if addr.ip().is_unspecified() { tls::lan_addresses() } else { vec![addr.ip()] };
        let reached = |ip: &IpAddr| !ip.is_ipv6() || addr.is_ipv6();
        let url = |ip: IpAddr| format!("{scheme}://{}", at_port(&in_url(ip), addr.port(), default));
        hosts.into_iter().filter(reached).map(url).collect()
    }

    /// Longest signaling message, in bytes.
    fn message_bytes(&self) -> usize {
        self.config.limits.message_kib as usize * 1024
    }

    /// Takes one of `peer`'s TCP connections; a trusted proxy may have any number.
    fn socket_slot(&self, peer: IpAddr) -> Option<limits::Slot> {
        if self.proxies.contains(peer) { Some(limits::Slot::free()) } else { self.limits.socket(peer) }
    }

    fn warn_of_proxy(&self, peer: IpAddr) {
        self.warned_of_proxy.call_once(|| {
            tracing::warn!(
                %peer,
                "a request came with X-Forwarded-For from an address that is not trusted; if that is your reverse proxy, name it in the \
                 setting trust_proxy, or all its clients share the limits of one address"
            );
        });
    }
}

/// An address as it stands in a URL (RFC 3986 §3.2.2).
fn in_url(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    }
}

/// A host with its port, unless that is the scheme's own.
fn at_port(host: &str, port: u16, default: u16) -> String {
    if port == default { host.to_owned() } else { format!("{host}:{port}") }
}

/// Locks a mutex. What it protects stays usable when another thread has panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value of an enumeration as it stands in messages.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
