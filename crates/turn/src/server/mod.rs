//! The TURN server (RFC 8656) with TCP relays (RFC 6062), mobility (RFC 8016) and NAT behaviour discovery (RFC 5780).
//!
//! [`Server`] holds the state; the caller holds the sockets. Datagrams and framed stream messages go in by
//! [`Server::handle_client`] and [`Server::handle_peer`]; what is to be sent comes out in the caller's
//! [`Outbox`](crate::Outbox) at once. What only the I/O layer can do comes out of [`Server::poll_request`], above all
//! binding the port of a relay; [`Server::handle_relay_bound`] brings the result back.
//!
//! Before a request has proved who it is from, nothing is remembered about it.

mod accounts;
mod allocate;
mod allocation;
mod auth;
mod binding;
mod config;
mod connections;
mod limiter;
mod mobility;
mod peers;
mod ports;
mod relay;
mod reply;
mod requests;
mod small_map;
mod timers;

pub use accounts::Accounts;
pub use allocation::{RelayTransport, Traffic};
pub use auth::{Credentials, Nonces, time_limited};
pub use config::{Config, ConfigError, NatDiscovery, Quotas, RelayAddress, Share};
pub use connections::Connection;

use crate::{Ecn, FiveTuple, Outbox, Rng};
use allocation::{Allocation, Relay, RelayOwner};
use auth::Authenticator;
use connections::PeerConnection;
use limiter::ChallengeLimiter;
use parlour_stun::{HmacSha256, Message};
use ports::Ports;
use slab::Slab;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::Timers;

type Map<K, V> = HashMap<K, V, foldhash::quality::SeedableRandomState>;

/// Names an allocation for as long as the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AllocationId {
    slot: u32,
    serial: u32,
}

impl AllocationId {
    /// The id as one number, for people and programs to name it by.
    pub fn to_bits(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.serial)
    }

    /// The id that [`to_bits`](Self::to_bits) gave.
    pub fn from_bits(bits: u64) -> Self {
        Self { slot: (bits >> 32) as u32, serial: bits as u32 }
    }
}

/// Names a relay: a small number, given again only after [`IoRequest::CloseRelay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub u32);

/// What to send by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// To a client: by the listener at `server` of the 5-tuple, or by the stream that it names.
    Client(FiveTuple),
    /// To a peer, by the socket of a relay.
    Relay(RelayId),
}

/// Something that only the I/O layer can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoRequest {
    /// Bind a UDP socket, or listen by TCP, at exactly this address; then call [`Server::handle_relay_bound`].
    BindRelay {
        /// The relay.
        relay: RelayId,
        /// The local address.
        address: SocketAddr,
        /// UDP, or a TCP listener.
        transport: RelayTransport,
    },
    /// Close the socket of a relay.
    CloseRelay {
        /// The relay.
        relay: RelayId,
    },
    /// Connect to a peer by TCP from the address of the relay; then call [`Server::handle_peer_connected`].
    ConnectPeer {
        /// The connection.
        connection: Connection,
        /// Where to connect from.
        relay: RelayId,
        /// Where to.
        peer: SocketAddr,
    },
    /// From now on the client's stream carries raw bytes of the connection, both ways; bytes that the peer has sent
    /// before come first. When one side closes, pass that on and call [`Server::handle_connection_closed`].
    Splice {
        /// The connection.
        connection: Connection,
        /// The client's stream.
        client: FiveTuple,
    },
    /// Close the connection to a peer, and the client's stream if they are spliced.
    ClosePeer {
        /// The connection.
        connection: Connection,
    },
    /// Close a client's stream.
    CloseClient {
        /// The stream.
        client: FiveTuple,
    },
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The client asked for it.
    Deleted,
    /// The client did not refresh it.
    Expired,
    /// Its time-limited credential ran out, and the server is strict.
    CredentialExpired,
    /// The client's stream closed.
    ClientClosed,
    /// An administrator ended it.
    Kicked,
}

/// Something for logs and accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An allocation is ready.
    Created {
        /// Which one.
        allocation: AllocationId,
        /// Whose.
        username: Arc<str>,
        /// From where.
        client: FiveTuple,
        /// Its address as peers see it; the second one of a dual allocation is in [`Server::allocations`].
        relayed: SocketAddr,
    },
    /// An allocation has ended.
    Ended {
        /// Which one.
        allocation: AllocationId,
        /// Whose.
        username: Arc<str>,
        /// Why.
        reason: EndReason,
        /// What it carried.
        traffic: Traffic,
    },
    /// An allocation has moved to another client address (RFC 8016).
    Moved {
        /// Which one.
        allocation: AllocationId,
        /// Where it is now.
        client: FiveTuple,
    },
    /// The last allocation of a draining server is gone.
    Drained,
}

/// An allocation as an administrator sees it.
#[derive(Clone, Debug)]
pub struct AllocationInfo {
    /// Its id, for [`Server::kick`].
    pub allocation: AllocationId,
    /// Whose it is.
    pub username: Arc<str>,
    /// From where.
    pub client: FiveTuple,
    /// Its addresses as peers see them.
    pub relayed: Vec<SocketAddr>,
    /// When it ends unless refreshed.
    pub expires: Instant,
    /// How many permissions it has.
    pub permissions: usize,
    /// How many channels it has.
    pub channels: usize,
    /// What it carried.
    pub traffic: Traffic,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the server has counted since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Names and values, for metrics.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }

            /// Adds what another server has counted.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Inputs that are neither STUN nor ChannelData, or break their rules.
    malformed,
    /// Binding requests answered.
    bindings,
    /// 401 and 438 challenges sent.
    challenges,
    /// Answers withheld by the limit on challenges.
    limited,
    /// Requests refused with an error, challenges excluded.
    refused,
    /// Allocations made.
    allocations_created,
    /// Allocations that ended.
    allocations_ended,
    /// Packets from clients to peers.
    packets_to_peers,
    /// Bytes from clients to peers.
    bytes_to_peers,
    /// Packets from peers to clients.
    packets_to_clients,
    /// Bytes from peers to clients.
    bytes_to_clients,
    /// Packets that went from client to client in memory.
    short_cuts,
    /// Packets dropped for want of an allocation, channel or permission.
    dropped_unpermitted,
    /// Packets dropped by a bandwidth limit.
    dropped_bandwidth,
    /// Packets to or from peers that the policy refuses.
    dropped_denied,
    /// ICMP errors and failed sends of relays.
    peer_errors,
}

/// A TURN server. One per core: give each its own ports.
pub struct Server {
    config: Config,
    auth: Authenticator,
    rng: Rng,
    /// Unix time in seconds at an instant.
    wall: (Instant, Duration),
    hasher: foldhash::quality::SeedableRandomState,
    limiter: ChallengeLimiter,
    ticket_key: HmacSha256,
    allocations: Slab<Box<Allocation>>,
    serial: u32,
    clients: Map<FiveTuple, u32>,
    relays: Slab<Relay>,
    ports: Ports,
    reservations: Map<u64, RelayId>,
    connections: Map<u32, PeerConnection>,
    timers: Timers,
    requests: VecDeque<IoRequest>,
    events: VecDeque<Event>,
    indications: u64,
    draining: bool,
    counters: Counters,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("allocations", &self.allocations.len()).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server. `unix_time` is the time since 1970 at `now`; `nonces` may be shared with whoever hands out
    /// nonces beforehand, and by all servers of one process.
    ///
    /// # Errors
    /// The configuration would be unsafe, or contradicts itself.
    pub fn new(
        now: Instant,
        unix_time: Duration,
        config: Config,
        credentials: Credentials,
        nonces: Nonces,
        mut rng: Rng,
    ) -> Result<Self, ConfigError> {
        config.check()?;
        credentials.check()?;
        let auth = Authenticator::new(&config.realm, credentials, nonces, config.modern_authentication);
        if !(Duration::from_secs(10)..=Duration::from_secs(86_400)).contains(&auth.nonce_lifetime()) {
            return Err(ConfigError::NonceLifetime(auth.nonce_lifetime()));
        }
        let mut seed = [0; 8];
        rng(&mut seed);
        let hasher = foldhash::quality::SeedableRandomState::with_seed(
            u64::from_ne_bytes(seed),
            foldhash::SharedSeed::global_fixed(),
        );
        let ticket_key = auth.nonces.ticket_key();
        Ok(Self {
            auth,
            ticket_key,
            limiter: ChallengeLimiter::new(now, config.challenges_per_second, hasher.clone()),
            ports: Ports::new(&config.relays, config.ports.clone(), config.all_ports.clone()),
            wall: (now, unix_time),
            allocations: Slab::new(),
            serial: 0,
            clients: Map::with_hasher(hasher.clone()),
            relays: Slab::new(),
            reservations: Map::with_hasher(hasher.clone()),
            connections: Map::with_hasher(hasher.clone()),
            timers: Timers::default(),
            requests: VecDeque::new(),
            events: VecDeque::new(),
            indications: 0,
            draining: false,
            counters: Counters::default(),
            hasher,
            rng,
            config,
        })
    }

    /// Sets the wall clock again, after the system's has been set. Nonces and time-limited credentials follow it.
    pub fn set_unix_time(&mut self, now: Instant, unix_time: Duration) {
        self.wall = (now, unix_time);
    }

    fn unix_s(&self, now: Instant) -> u64 {
        (self.wall.1 + now.saturating_duration_since(self.wall.0)).as_secs()
    }

    /// Takes one datagram, or one message framed from a stream, of a client. Costs no allocation for ChannelData.
    pub fn handle_client(&mut self, now: Instant, tuple: FiveTuple, ecn: Ecn, bytes: &[u8], out: &mut Outbox<Via>) {
        match bytes.first() {
            Some(0x40..=0x7F) => self.relay_channel(now, tuple, ecn, bytes, out),
            Some(0..=3) => match Message::parse(bytes) {
                Ok(message) => self.handle_message(now, tuple, ecn, &message, out),
                Err(_) => self.counters.malformed += 1,
            },
            _ => self.counters.malformed += 1,
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// What the I/O layer should do next.
    pub fn poll_request(&mut self) -> Option<IoRequest> {
        self.requests.pop_front()
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The counts so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many allocations there are.
    pub fn len(&self) -> usize {
        self.allocations.len()
    }

    /// Whether there is no allocation.
    pub fn is_empty(&self) -> bool {
        self.allocations.is_empty()
    }

    /// The nonces, to hand them out beforehand.
    pub fn nonces(&self) -> &Nonces {
        &self.auth.nonces
    }

    /// The relay that listens at `address`, as we or as peers name it. Constant time.
    pub fn relay_at(&self, address: SocketAddr) -> Option<RelayId> {
        self.ports.find(address)
    }

    /// Whether this client has an allocation, so that it has proved who it is.
    pub fn has_allocation(&self, client: &FiveTuple) -> bool {
        self.clients.contains_key(client)
    }

    /// All allocations, for an administrator.
    pub fn allocations(&self) -> impl Iterator<Item = AllocationInfo> + '_ {
        self.allocations.iter().map(|(_, allocation)| AllocationInfo {
            allocation: allocation.id,
            username: allocation.identity.username.clone(),
            client: allocation.tuple,
            relayed: self.relayed_addresses(allocation).collect(),
            expires: allocation.expires,
            permissions: allocation.permissions.len(),
            channels: allocation.channels.len(),
            traffic: allocation.traffic,
        })
    }

    /// Ends an allocation. `false` if it is gone already.
    pub fn kick(&mut self, allocation: AllocationId) -> bool {
        match self.slot(allocation) {
            Some(slot) => {
                self.remove(slot, EndReason::Kicked);
                true
            }
            None => false,
        }
    }

    /// Takes no new allocations. Those that exist go on; [`Event::Drained`] tells when the last one is gone.
    pub fn drain(&mut self) {
        self.draining = true;
        if self.allocations.is_empty() {
            self.events.push_back(Event::Drained);
        }
    }

    fn slot(&self, id: AllocationId) -> Option<u32> {
        self.allocations.get(id.slot as usize).filter(|allocation| allocation.id == id).map(|_| id.slot)
    }

    fn relayed_addresses<'s>(&'s self, allocation: &'s Allocation) -> impl Iterator<Item = SocketAddr> + 's {
        allocation
            .relays
            .iter()
            .flatten()
            .filter_map(|id| self.relays.get(id.0 as usize))
            .map(|relay| self.ports.advertised(relay.address))
    }

    fn random_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.rng)(&mut bytes);
        u32::from_ne_bytes(bytes)
    }

    /// Ends an allocation and gives everything back that it holds.
    fn remove(&mut self, slot: u32, reason: EndReason) {
        let Some(allocation) = self.allocations.try_remove(slot as usize) else {
            return;
        };
        self.clients.remove(&allocation.tuple);
        if let Some(pending) = allocation.mobility.as_ref().and_then(|mobility| mobility.pending) {
            self.clients.remove(&pending);
        }
        for relay in allocation.relays.into_iter().flatten() {
            self.close_relay(relay);
        }
        for (_, connection) in allocation.connections.iter() {
            self.connections.remove(&connection.0);
            self.requests.push_back(IoRequest::ClosePeer { connection: *connection });
        }
        // Mobility may have changed the 5-tuple; the quota stays with the address that took it.
        self.config.accounts.close(&allocation.account, allocation.quota_address);
        if allocation.is_live() {
            self.counters.allocations_ended += 1;
            self.events.push_back(Event::Ended {
                allocation: allocation.id,
                username: allocation.identity.username.clone(),
                reason,
                traffic: allocation.traffic,
            });
        }
        if self.draining && self.allocations.is_empty() {
            self.events.push_back(Event::Drained);
        }
    }

    fn close_relay(&mut self, relay: RelayId) {
        match self.relays.get_mut(relay.0 as usize) {
            // Its number must not be given again before the answer to the bind has come.
            Some(entry) if !entry.bound => entry.owner = RelayOwner::Nobody,
            Some(entry) => {
                self.ports.release(entry.address);
                self.relays.remove(relay.0 as usize);
                self.requests.push_back(IoRequest::CloseRelay { relay });
            }
            None => {}
        }
    }
}
