//! The TURN relay: the state machine of `parlour-turn` on real sockets, one thread a core.
//!
//! Each shard is a thread with a [`Server`](parlour_turn::server::Server), a UDP socket on every listening address
//! (the kernel deals out clients by their 5-tuple), the sockets of its own range of relay ports, and the TCP and TLS
//! connections that it has accepted or was given. Nothing is shared on the way of a packet. What must reach another
//! shard goes through its [`Inbox`](inbox::Inbox): a packet from one client's relay to another's, a stream or a moved
//! client whose allocation lives there, and questions from outside.

mod inbox;
mod peers;
mod shard;
mod stream;
mod streams;

pub use stream::Accepted;

use crate::udp::{Options, UdpSocket, share_port};
use inbox::{Command, Inbox};
use parlour_turn::server::{
    AllocationId, AllocationInfo, ConfigError, Counters, Credentials, Event, Nonces, RelayAddress, Share,
};
use shard::Shard;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Receive and send buffer of a listener, which all clients share.
const LISTENER_BUFFER: usize = 8 << 20;
/// How long a shard may take to answer a question.
const ANSWER: Duration = Duration::from_secs(5);

/// Called with what happens to allocations, in the thread of the shard: it must not wait.
pub type OnEvent = Arc<dyn Fn(&Event) + Send + Sync>;

/// What a relay is to do.
pub struct RelayConfig {
    /// The rules. Each shard gets its part of [`ports`](parlour_turn::server::Config::ports).
    pub server: parlour_turn::server::Config,
    /// Who may use it.
    pub credentials: Credentials,
    /// The nonces, which whoever hands out credentials may share.
    pub nonces: Nonces,
    /// Where to listen by UDP.
    pub udp: Vec<SocketAddr>,
    /// Where to listen by TCP.
    pub tcp: Vec<SocketAddr>,
    /// Where to listen by TLS.
    pub tls: Vec<SocketAddr>,
    /// The certificate for TLS.
    pub tls_config: Option<Arc<rustls::ServerConfig>>,
    /// Threads; 0 is one a core.
    pub shards: usize,
    /// TCP and TLS connections from one address to one shard.
    pub streams_per_address: u32,
    /// Told what happens.
    pub on_event: Option<OnEvent>,
}

impl std::fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayConfig").field("server", &self.server).finish_non_exhaustive()
    }
}

impl RelayConfig {
    /// A relay by these rules that listens nowhere yet.
    pub fn new(server: parlour_turn::server::Config, credentials: Credentials, nonces: Nonces) -> Self {
        Self {
            server,
            credentials,
            nonces,
            udp: Vec::new(),
            tcp: Vec::new(),
            tls: Vec::new(),
            tls_config: None,
            shards: 0,
            streams_per_address: 256,
            on_event: None,
        }
    }
}

/// Why a relay does not start.
#[derive(Debug, Error)]
pub enum RelayError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} by {protocol}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The relay address is none of this machine's.
    #[error(
        "the relay address {address} cannot be used: {source}; name an address of this machine, and what peers see of it as the external address"
    )]
    RelayAddress {
        /// The address.
        address: IpAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The rules cannot be served safely.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are too few ports to give each thread some.
    #[error("the port range {0}-{1} has too few ports for {2} threads; give at least two ports to each")]
    TooFewPorts(u16, u16, usize),
    /// The system refuses threads or event queues.
    #[error("cannot start the relay: {0}")]
    System(#[from] io::Error),
}

/// How a relay is doing.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What the state machines counted, all shards together.
    pub counters: Counters,
    /// Allocations there are.
    pub allocations: usize,
    /// Client connections by TCP and TLS.
    pub streams: usize,
    /// Datagrams that the kernel dropped because a shard did not keep up.
    pub kernel_drops: u64,
    /// Datagrams that were dropped because a send buffer or a client's stream was full.
    pub send_drops: u64,
    /// Trains of packets that went to another shard in memory.
    pub cross_shard: u64,
}

/// An allocation with the shard that has it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its name for [`Relay::kick`].
    pub id: ListedId,
    /// All about it.
    pub info: AllocationInfo,
    /// How long it lasts unless refreshed.
    pub remaining: Duration,
}

/// Names an allocation among all shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListedId {
    shard: u32,
    allocation: AllocationId,
}

impl std::fmt::Display for ListedId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:x}", self.shard, self.allocation.to_bits())
    }
}

impl std::str::FromStr for ListedId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (shard, bits) = text.split_once('-').ok_or(())?;
        let shard = shard.parse().map_err(|_| ())?;
        let allocation = AllocationId::from_bits(u64::from_str_radix(bits, 16).map_err(|_| ())?);
        Ok(Self { shard, allocation })
    }
}

/// A running relay. It ends when it is dropped.
pub struct Relay {
    inboxes: Arc<[Arc<Inbox>]>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
    nonces: Nonces,
    next: AtomicUsize,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("udp", &self.udp).field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

impl Relay {
    /// Binds all listeners and starts the threads.
    ///
    /// # Errors
    /// An address cannot be listened on, or the rules are unsafe.
    pub fn start(mut config: RelayConfig) -> Result<Self, RelayError> {
        let count = match config.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            some => some,
        };
        for relay in &config.server.relays {
            std::net::UdpSocket::bind(SocketAddr::new(relay.local, 0))
                .map_err(|source| RelayError::RelayAddress { address: relay.local, source })?;
        }
        let (udp, tcp) = listen_twice(&config.udp, &config.tcp, count)?;
        let tls = listen_all(&config.tls, count, "TCP", bind_tcp)?;
        let addresses = |listeners: &[Bound<UdpSocket>]| listeners.iter().map(|l| l.0).collect::<Vec<_>>();
        let stream_addresses =
            |listeners: &[Bound<mio::net::TcpListener>]| listeners.iter().map(|l| l.0).collect::<Vec<_>>();
        let (udp_at, tcp_at, tls_at) = (addresses(&udp), stream_addresses(&tcp), stream_addresses(&tls));
        config.server.listeners.extend(udp_at.iter().chain(&tcp_at).chain(&tls_at).copied());
        let parts = port_parts(&config.server.ports, count)?;
        let home = PortHomes::new(parts.clone(), config.server.relays.clone());
        let polls = (0..count).map(|_| mio::Poll::new()).collect::<io::Result<Vec<_>>>()?;
        let inboxes: Arc<[Arc<Inbox>]> =
            polls.iter().map(|poll| Inbox::new(poll).map(Arc::new)).collect::<io::Result<Vec<_>>>()?.into();
        let mut per_shard = PerShard { udp, tcp, tls };
        let all_ports = config.server.ports.clone();
        let mut nonces = config.nonces.clone();
        let mut shards = Vec::with_capacity(count);
        for (index, (poll, ports)) in polls.into_iter().zip(parts).enumerate() {
            let rules = parlour_turn::server::Config {
                ports,
                all_ports: Some(all_ports.clone()),
                share: Share { index: index as u32, count: count as u32 },
                ..config.server.clone()
            };
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let server = parlour_turn::server::Server::new(
                Instant::now(),
                unix,
                rules,
                config.credentials.clone(),
                config.nonces.clone(),
                Box::new(crate::random),
            )?;
            nonces = server.nonces().clone();
            shards.push(Shard::new(index, server, poll, &inboxes, home.clone(), per_shard.take(), &config)?);
        }
        let threads = shards
            .into_iter()
            .enumerate()
            .map(|(index, shard)| std::thread::Builder::new().name(format!("relay-{index}")).spawn(move || shard.run()))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Self { inboxes, threads: threads.into(), udp: udp_at, tcp: tcp_at, tls: tls_at, nonces, next: 0.into() })
    }

    /// Where it really listens by UDP.
    pub fn udp(&self) -> &[SocketAddr] {
        &self.udp
    }

    /// Where it really listens by TCP.
    pub fn tcp(&self) -> &[SocketAddr] {
        &self.tcp
    }

    /// Where it really listens by TLS.
    pub fn tls(&self) -> &[SocketAddr] {
        &self.tls
    }

    /// The nonces, to hand them out with credentials and spare clients a round trip.
    pub fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    /// Takes over a connection that somebody else has accepted and found to speak TURN.
    pub fn take(&self, stream: Accepted) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        if let Some(inbox) = self.inboxes.get(turn % self.inboxes.len().max(1)) {
            inbox.push(Command::Stream(Box::new(stream)));
        }
    }

    /// How the relay is doing. Takes a moment: every shard is asked.
    pub fn report(&self) -> Report {
        let mut sum = Report::default();
        for part in self.ask(Command::Report) {
            sum.counters.add(&part.counters);
            sum.allocations += part.allocations;
            sum.streams += part.streams;
            sum.kernel_drops += part.kernel_drops;
            sum.send_drops += part.send_drops;
            sum.cross_shard += part.cross_shard;
        }
        sum
    }

    /// All allocations. Takes a moment.
    pub fn allocations(&self) -> Vec<Listed> {
        self.ask(Command::List).into_iter().flatten().collect()
    }

    /// Ends an allocation; `false` if it is gone already.
    pub fn kick(&self, id: ListedId) -> bool {
        let (answer, answers) = mpsc::channel();
        match self.inboxes.get(id.shard as usize) {
            Some(inbox) => inbox.push(Command::Kick(id.allocation, answer)),
            None => return false,
        }
        answers.recv_timeout(ANSWER).unwrap_or(false)
    }

    /// Takes no new allocations from now on; those that exist go on.
    pub fn drain(&self) {
        self.inboxes.iter().for_each(|inbox| inbox.push(Command::Drain));
    }

    fn ask<T>(&self, question: impl Fn(mpsc::Sender<T>) -> Command) -> Vec<T> {
        let (answer, answers) = mpsc::channel();
        self.inboxes.iter().for_each(|inbox| inbox.push(question(answer.clone())));
        drop(answer);
        self.inboxes.iter().filter_map(|_| answers.recv_timeout(ANSWER).ok()).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.inboxes.iter().for_each(|inbox| inbox.push(Command::Stop));
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// One address with a listener for each shard.
struct Bound<L>(SocketAddr, Vec<L>);

/// The listeners that are still to be dealt out.
struct PerShard {
    udp: Vec<Bound<UdpSocket>>,
    tcp: Vec<Bound<mio::net::TcpListener>>,
    tls: Vec<Bound<mio::net::TcpListener>>,
}

/// The listeners of one shard.
struct Listeners {
    udp: Vec<UdpSocket>,
    tcp: Vec<(SocketAddr, mio::net::TcpListener)>,
    tls: Vec<(SocketAddr, mio::net::TcpListener)>,
}

impl PerShard {
    fn take(&mut self) -> Listeners {
        let streams = |all: &mut Vec<Bound<mio::net::TcpListener>>| {
            all.iter_mut().filter_map(|bound| Some((bound.0, bound.1.pop()?))).collect()
        };
        Listeners {
            udp: self.udp.iter_mut().filter_map(|bound| bound.1.pop()).collect(),
            tcp: streams(&mut self.tcp),
            tls: streams(&mut self.tls),
        }
    }
}

/// Which shard has which relay port, and which ports have a relay now: only those are reached in memory.
#[derive(Clone, Debug)]
struct PortHomes {
    parts: Vec<RangeInclusive<u16>>,
    relays: Vec<RelayAddress>,
    /// One bit a port, first those of IPv4, then those of IPv6.
    open: Arc<[AtomicU64]>,
}

/// Words of the bits of one family.
const PORT_WORDS: usize = (1 << 16) / 64;

impl PortHomes {
    fn new(parts: Vec<RangeInclusive<u16>>, relays: Vec<RelayAddress>) -> Self {
        Self { parts, relays, open: (0..2 * PORT_WORDS).map(|_| AtomicU64::new(0)).collect() }
    }

    fn bit(&self, address: SocketAddr) -> Option<(&AtomicU64, u64)> {
        let port = usize::from(address.port());
        let word = port / 64 + if address.is_ipv4() { 0 } else { PORT_WORDS };
        Some((self.open.get(word)?, 1 << (port % 64)))
    }

    /// Notes that there is a relay at this local address, or no more.
    fn set(&self, local: SocketAddr, open: bool) {
        match (self.bit(local), open) {
            (Some((word, bit)), true) => drop(word.fetch_or(bit, Ordering::Relaxed)),
            (Some((word, bit)), false) => drop(word.fetch_and(!bit, Ordering::Relaxed)),
            (None, _) => {}
        }
    }

    /// The shard that has the relay at this address, if there is one.
    fn find(&self, address: SocketAddr) -> Option<usize> {
        let ip = address.ip();
        self.relays.iter().find(|relay| relay.local == ip || relay.advertised() == ip)?;
        self.bit(address).filter(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)?;
        self.parts.iter().position(|part| part.contains(&address.port()))
    }

    /// What peers see of a local relay address.
    fn advertised(&self, local: SocketAddr) -> SocketAddr {
        let relay = self.relays.iter().find(|relay| relay.local == local.ip());
        SocketAddr::new(relay.map_or(local.ip(), RelayAddress::advertised), local.port())
    }
}

/// Cuts a range of ports into even-aligned parts, one a shard.
fn port_parts(all: &RangeInclusive<u16>, count: usize) -> Result<Vec<RangeInclusive<u16>>, RelayError> {
    let (first, last) = (usize::from(*all.start()), usize::from(*all.end()));
    let too_few = || RelayError::TooFewPorts(*all.start(), *all.end(), count);
    let whole = (last + 1).saturating_sub(first);
    let each = if count == 1 { whole } else { whole / count / 2 * 2 };
    if each == 0 || (count > 1 && each < 2) {
        return Err(too_few());
    }
    let port = |number: usize| u16::try_from(number).map_err(|_| too_few());
    (0..count)
        .map(|index| {
            let start = first + index * each;
            let end = if index + 1 == count { last } else { start + each - 1 };
            Ok(port(start)?..=port(end)?)
        })
        .collect()
}

/// Listens by UDP and TCP. Where the system is to choose the port of an address, it is the same for both.
#[allow(clippy::type_complexity)]
fn listen_twice(
    udp: &[SocketAddr],
    tcp: &[SocketAddr],
    count: usize,
) -> Result<(Vec<Bound<UdpSocket>>, Vec<Bound<mio::net::TcpListener>>), RelayError> {
    let mut attempts = 8;
    loop {
        let bound = listen_all(udp, count, "UDP", bind_udp)?;
        let alike = |wanted: &SocketAddr| {
            let twin = bound.iter().find(|bound| wanted.port() == 0 && bound.0.ip() == wanted.ip());
            twin.map_or(*wanted, |twin| twin.0)
        };
        let wanted: Vec<_> = tcp.iter().map(alike).collect();
        attempts -= 1;
        match listen_all(&wanted, count, "TCP", bind_tcp) {
            Err(RelayError::Bind { source, .. })
                if source.kind() == io::ErrorKind::AddrInUse && wanted != tcp && attempts > 0 => {}
            other => return Ok((bound, other?)),
        }
    }
}

fn listen_all<L>(
    addresses: &[SocketAddr],
    count: usize,
    protocol: &'static str,
    bind: impl Fn(SocketAddr, bool) -> io::Result<(SocketAddr, L)>,
) -> Result<Vec<Bound<L>>, RelayError> {
    let mut all: Vec<Bound<L>> = Vec::new();
    for &address in addresses {
        // Both wildcards are wanted at one port, also when the system chooses it.
        let twin = all.iter().find(|bound| address.port() == 0 && bound.0.ip().is_unspecified());
        let port = twin.filter(|_| address.ip().is_unspecified()).map_or(address.port(), |bound| bound.0.port());
        let mut at = SocketAddr::new(address.ip(), port);
        let refuse = |source| RelayError::Bind { address, protocol, source };
        if at.port() != 0 {
            // Sockets that share a port would also share it with another program of the same user that does so.
            drop(bind(at, false).map_err(refuse)?);
        }
        let mut listeners = Vec::with_capacity(count);
        for _ in 0..count {
            let (bound, listener) = bind(at, true).map_err(refuse)?;
            at = bound;
            listeners.push(listener);
        }
        all.push(Bound(at, listeners));
    }
    Ok(all)
}

fn bind_udp(address: SocketAddr, share_port: bool) -> io::Result<(SocketAddr, UdpSocket)> {
    let options = Options { share_port, receive_buffer: LISTENER_BUFFER, send_buffer: LISTENER_BUFFER };
    let socket = UdpSocket::bind(address, options)?;
    Ok((socket.local(), socket))
}

fn bind_tcp(address: SocketAddr, share: bool) -> io::Result<(SocketAddr, mio::net::TcpListener)> {
    let socket = tcp_socket(address, share)?;
    socket.listen(1024)?;
    let listener: std::net::TcpListener = socket.into();
    let local = listener.local_addr()?;
    Ok((local, mio::net::TcpListener::from_std(listener)))
}

/// A bound TCP socket that neither listens nor connects yet.
fn tcp_socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restarted relay gets its port back while old connections linger in TIME-WAIT. On Windows the option means something else.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if share {
        share_port(&socket)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The addresses to listen on for what a person wrote: the IPv6 wildcard is both wildcards.
pub fn wildcards(address: SocketAddr) -> Vec<SocketAddr> {
    if address.is_ipv6() && address.ip().is_unspecified() {
        let ipv6 = std::net::UdpSocket::bind(SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), 0)).is_ok();
        let ipv4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        return [Some(ipv4), ipv6.then_some(address)].into_iter().flatten().collect();
    }
    vec![address]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_gets_ports_of_its_own_that_begin_even() {
        let parts = port_parts(&(49_152..=65_535), 3).unwrap();
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 16_384);
        assert!(parts.iter().all(|part| part.start() % 2 == 0));
        assert!(parts.windows(2).all(|pair| pair[0].end() + 1 == *pair[1].start()));
        assert!(port_parts(&(50_000..=50_003), 3).is_err());
        assert_eq!(port_parts(&(50_000..=50_000), 1).unwrap(), [50_000..=50_000]);
    }

    #[test]
    fn only_ports_with_a_relay_are_reached_in_memory() {
        let relays = vec![RelayAddress { local: [10, 0, 0, 1].into(), external: Some([192, 0, 2, 1].into()) }];
        let homes = PortHomes::new(vec![50_000..=50_999, 51_000..=51_999], relays);
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(homes.find(at("10.0.0.1:51500")), None, "another service may be there");
        homes.set(at("10.0.0.1:51500"), true);
        assert_eq!(homes.find(at("10.0.0.1:51500")), Some(1));
        assert_eq!(homes.find(at("192.0.2.1:51500")), Some(1), "as peers name it");
        assert_eq!(homes.find(at("10.0.0.2:51500")), None);
        homes.set(at("10.0.0.1:51500"), false);
        assert_eq!(homes.find(at("10.0.0.1:51500")), None);
    }

    #[test]
    fn ids_of_allocations_read_as_they_print() {
        let id = ListedId { shard: 3, allocation: AllocationId::from_bits(0x1234_0000_5678) };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "3", "x-1", "1-x", "1-1-1"] {
            assert!(bad.parse::<ListedId>().is_err(), "{bad}");
        }
    }
}
