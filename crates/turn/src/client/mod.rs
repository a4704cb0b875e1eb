//! The TURN client: one allocation on one server (RFC 8656), by UDP, TCP or TLS.
//!
//! A [`Client`] asks for its allocation at once, keeps it, its permissions and its channels alive, and answers
//! challenges. The caller moves messages: over a stream it cuts them with [`parlour_stun::frame_length`].
//!
//! ```text
//! poll_transmit ─▶ server ─▶ handle_message ─▶ data of peers, or poll_event
//! ```

mod config;
mod data_connection;
mod response;
mod transaction;

pub use config::{Challenge, Config, RedirectRefused};
pub use data_connection::{DataConnection, DataConnectionState};

use crate::Rng;
use parlour_stun::attribute::{Data, DontFragment, ErrorCode, XorPeerAddress};
use parlour_stun::{
    AttributeType, ChannelData, ChannelNumber, Class, IntegrityKey, Message, MessageWriter, Method, PasswordAlgorithm,
    TransactionId,
};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use thiserror::Error;
use transaction::{Kind, Transaction};

/// Refresh this long before the end (as browsers do).
const REFRESH_AHEAD: Duration = Duration::from_secs(60);
/// A permission lasts 300 s.
const PERMISSION_REFRESH: Duration = Duration::from_secs(240);
/// A channel lasts 600 s.
const CHANNEL_REFRESH: Duration = Duration::from_secs(540);

/// What has happened to the allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The allocation is there.
    Allocated {
        /// Its addresses as peers see them: one, or two of a dual allocation.
        relayed: Vec<SocketAddr>,
        /// This client's address as the server sees it.
        mapped: Option<SocketAddr>,
        /// How long it lasts without a refresh.
        lifetime: Duration,
        /// Names the port above, if EVEN-PORT asked for it.
        reservation_token: Option<u64>,
    },
    /// The peers may send, and be sent to.
    Permitted(Vec<IpAddr>),
    /// The server refuses these peers.
    PermissionRefused(Vec<IpAddr>, Failure),
    /// Data to this peer goes by four bytes of header from now on.
    ChannelBound(SocketAddr),
    /// The server refuses this channel; Send indications still work.
    ChannelRefused(SocketAddr, Failure),
    /// A connection to the peer waits at the server; take it up by [`Client::data_connection`] (RFC 6062).
    PeerConnected {
        /// The peer.
        peer: SocketAddr,
        /// Its CONNECTION-ID.
        connection: u32,
    },
    /// The server could not connect to the peer.
    ConnectRefused(SocketAddr, Failure),
    /// The allocation has followed to this client's new address (RFC 8016).
    Moved,
    /// The server says that another one should be asked; see [`Config::follow`]. This client is over.
    TryAlternate {
        /// Where to go.
        server: SocketAddr,
        /// The name that its certificate must have.
        domain: Option<String>,
    },
    /// A packet to the peer came back as an ICMP error (RFC 8656 §11.6).
    PeerError {
        /// The peer.
        peer: SocketAddr,
        /// What came back.
        icmp: parlour_stun::attribute::Icmp,
    },
    /// There is no allocation any more, or there never was one. This client is over.
    Closed(Failure),
}

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The server refused.
    #[error("the TURN server answered {code} {reason}")]
    Refused {
        /// ERROR-CODE. 401 here means that the credentials are wrong; 437 that another local port should be tried.
        code: u16,
        /// The server's words.
        reason: String,
    },
    /// Nobody answered.
    #[error("the TURN server did not answer; check its address and that the network lets this traffic through")]
    Timeout,
    /// Answers came, but somebody without the password made or changed them (RFC 8489 §9.2.5).
    #[error("answers came that were not made with the password: the path to the TURN server is not to be trusted")]
    IntegrityViolated,
    /// Somebody has taken security features out of a challenge (RFC 8489 §9.2.1).
    #[error("{0}; the path to the TURN server is not to be trusted")]
    BidDown(#[from] parlour_stun::BidDown),
    /// The answer lacks what it must have, or has something that must be understood and is not.
    #[error("the TURN server's answer cannot be understood")]
    Incomprehensible,
    /// This client has given the allocation back.
    #[error("the allocation was given back")]
    Released,
}

/// Data cannot be sent to that peer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// There is no allocation yet, or no more.
    #[error("there is no allocation")]
    NotAllocated,
    /// The peer was never permitted; ask for it first.
    #[error("there is no permission for {0}; call create_permission or bind_channel first")]
    NotPermitted(SocketAddr),
    /// More bytes than a message can hold.
    #[error("{0} bytes do not fit in one message")]
    TooLong(usize),
}

/// Data that a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Who.
    pub peer: SocketAddr,
    /// What.
    pub data: &'a [u8],
}

/// What a client knows of the challenge it must answer, and the key that follows.
#[derive(Clone, Debug)]
struct Session {
    realm: String,
    nonce: String,
    algorithms: Option<Vec<u8>>,
    chosen: Option<PasswordAlgorithm>,
    userhash: bool,
    key: IntegrityKey,
}

#[derive(Clone, Debug)]
struct Allocation {
    relayed: Vec<SocketAddr>,
    lifetime: Duration,
    ticket: Option<Vec<u8>>,
}

/// The life of the allocation:
///
/// ```text
/// Allocating ──success──▶ Allocated ──close──▶ Releasing
///      └── refused, timeout ──┴─────────────────────┴──▶ Closed
/// ```
#[derive(Clone, Debug)]
enum State {
    Allocating,
    Allocated(Allocation),
    Releasing,
    Closed,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    channel: Option<ChannelNumber>,
    bound: bool,
}

/// When something must be asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Allocation,
    Permission(IpAddr),
    Channel(SocketAddr),
}

/// A TURN client; see the [module](self).
pub struct Client {
    config: Config,
    rng: Rng,
    state: State,
    session: Option<Session>,
    transactions: Vec<Transaction>,
    outgoing: VecDeque<TransactionId>,
    permissions: HashMap<IpAddr, bool>,
    peers: HashMap<SocketAddr, Peer>,
    channels: HashMap<ChannelNumber, SocketAddr>,
    next_channel: u16,
    schedule: Vec<(Instant, Due)>,
    events: VecDeque<Event>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.config.server)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Starts to ask for an allocation.
    pub fn new(now: Instant, config: Config, rng: Rng) -> Self {
        let session = config.challenge.as_ref().and_then(|challenge| Session::new(&config, challenge).ok());
        let mut client = Self {
            config,
            rng,
            state: State::Allocating,
            session,
            transactions: Vec::new(),
            outgoing: VecDeque::new(),
            permissions: HashMap::new(),
            peers: HashMap::new(),
            channels: HashMap::new(),
            next_channel: ChannelNumber::MIN.get(),
            schedule: Vec::new(),
            events: VecDeque::new(),
        };
        client.start(now, Kind::Allocate);
        client
    }

    /// The configuration that it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The relayed addresses; empty unless there is an allocation.
    pub fn relayed(&self) -> &[SocketAddr] {
        match &self.state {
            State::Allocated(allocation) => &allocation.relayed,
            _ => &[],
        }
    }

    /// Asks that these peers may send. They are kept permitted until the allocation ends.
    pub fn create_permission(&mut self, now: Instant, peers: &[IpAddr]) {
        let new: Vec<IpAddr> = peers.iter().copied().filter(|peer| !self.permissions.contains_key(peer)).collect();
        if new.is_empty() {
            return;
        }
        self.permissions.extend(new.iter().map(|peer| (*peer, false)));
        self.start(now, Kind::Permission(new));
    }

    /// Asks for a channel to `peer`, which permits it too. Without a free channel number it only permits.
    pub fn bind_channel(&mut self, now: Instant, peer: SocketAddr) {
        if self.peers.get(&peer).is_some_and(|known| known.channel.is_some()) {
            return;
        }
        let Ok(number) = ChannelNumber::try_from(self.next_channel) else {
            return self.create_permission(now, &[peer.ip()]);
        };
        self.next_channel += 1;
        self.permissions.entry(peer.ip()).or_insert(false);
        self.peers.insert(peer, Peer { channel: Some(number), bound: false });
        self.channels.insert(number, peer);
        self.start(now, Kind::Channel(number, peer));
    }

    /// Asks the server to connect to `peer` by TCP (RFC 6062 §4.3).
    pub fn connect(&mut self, now: Instant, peer: SocketAddr) {
        self.start(now, Kind::Connect(peer));
    }

    /// Takes up a connection to a peer on a new stream to the same server (RFC 6062 §4.4); `None` before there is an
    /// allocation.
    pub fn data_connection(&mut self, now: Instant, connection: u32) -> Option<DataConnection> {
        let session = self.session.as_ref()?;
        let id = TransactionId::random(&mut self.rng);
        Some(DataConnection::new(now, &self.config, session, id, connection))
    }

    /// Tells that packets now leave from another local address: asks the server to follow (RFC 8016 §3.2.1).
    pub fn network_changed(&mut self, now: Instant) {
        if let State::Allocated(Allocation { ticket: Some(_), .. }) = self.state {
            self.start(now, Kind::Move);
        }
    }

    /// Asks the server at once whether the allocation still stands, by refreshing it: for when nothing comes through any
    /// more. A server that has forgotten it refuses (437), which [`Event::Closed`] tells.
    pub fn verify(&mut self, now: Instant) {
        let asked = self.transactions.iter().any(|transaction| transaction.kind == Kind::Refresh);
        if matches!(self.state, State::Allocated(_)) && !asked {
            self.start(now, Kind::Refresh);
        }
    }

    /// Gives the allocation back.
    pub fn close(&mut self, now: Instant) {
        if matches!(self.state, State::Allocated(_)) {
            self.state = State::Releasing;
            self.schedule.clear();
            self.transactions.clear();
            self.outgoing.clear();
            self.start(now, Kind::Release);
        } else {
            self.finish(Failure::Released);
        }
    }

    /// Appends to `out` the message that carries `data` to `peer`: ChannelData once a channel is bound, before that a
    /// Send indication. It may be sent right after asking for a permission: the server handles both in order.
    pub fn send(&mut self, peer: SocketAddr, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.write_data(peer, data, false, out)
    }

    /// As [`send`](Self::send), with DF set between server and peer (RFC 8656 §15).
    pub fn send_unfragmented(&mut self, peer: SocketAddr, data: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.write_data(peer, data, true, out)
    }

    fn write_data(
        &mut self,
        peer: SocketAddr,
        data: &[u8],
        dont_fragment: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if !matches!(self.state, State::Allocated(_)) {
            return Err(SendError::NotAllocated);
        }
        let too_long = SendError::TooLong(data.len());
        if let (Some(Peer { channel: Some(channel), bound: true }), false) = (self.peers.get(&peer), dont_fragment) {
            let written = ChannelData { channel: *channel, data }.write(self.config.transport.is_stream(), out);
            return if written { Ok(()) } else { Err(too_long) };
        }
        if !self.permissions.contains_key(&peer.ip()) {
            return Err(SendError::NotPermitted(peer));
        }
        let id = TransactionId::random(&mut self.rng);
        let mut writer = MessageWriter::new(out, Class::Indication, Method::SEND, id);
        writer.put(&XorPeerAddress(peer));
        if dont_fragment {
            writer.put(&DontFragment);
        }
        writer.put(&Data(data));
        writer.finish().map(|_| ()).map_err(|_| too_long)
    }

    /// Takes one message of the server. Gives the data of a peer, if it carries some.
    pub fn handle_message<'m>(&mut self, now: Instant, bytes: &'m [u8]) -> Option<Received<'m>> {
        if bytes.first().is_some_and(|first| (0x40..=0x4F).contains(first)) {
            let message = ChannelData::parse(bytes)?;
            let peer = *self.channels.get(&message.channel)?;
            return Some(Received { peer, data: message.data });
        }
        let message = Message::parse(bytes).ok()?;
        if message.fingerprint() == Some(false) {
            return None;
        }
        match (message.class(), message.method()) {
            (Class::Indication, Method::DATA) => self.handle_data(&message),
            (Class::Indication, Method::CONNECTION_ATTEMPT) => {
                self.handle_attempt(&message);
                None
            }
            (Class::Success | Class::Error, _) => {
                self.handle_response(now, &message);
                None
            }
            _ => None,
        }
    }

    fn handle_data<'m>(&mut self, message: &Message<'m>) -> Option<Received<'m>> {
        const KNOWN: &[AttributeType] = &[AttributeType::XOR_PEER_ADDRESS, AttributeType::DATA];
        let XorPeerAddress(peer) = message.get().ok()??;
        if message.unknown_attributes(KNOWN).next().is_some() || !self.permissions.contains_key(&peer.ip()) {
            return None;
        }
        if let Ok(Some(icmp)) = message.get() {
            self.events.push_back(Event::PeerError { peer, icmp });
        }
        message.value(AttributeType::DATA).map(|data| Received { peer, data })
    }

    fn handle_attempt(&mut self, message: &Message<'_>) {
        if let (Ok(Some(XorPeerAddress(peer))), Ok(Some(parlour_stun::attribute::ConnectionId(connection)))) =
            (message.get(), message.get())
        {
            self.events.push_back(Event::PeerConnected { peer, connection });
        }
    }

    /// Appends the next message to send to the server; `false` if there is none.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        while let Some(id) = self.outgoing.pop_front() {
            if let Some(transaction) = self.transactions.iter().find(|transaction| transaction.id == id) {
                out.extend_from_slice(&transaction.bytes);
                return true;
            }
        }
        false
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let scheduled = self.schedule.iter().map(|(at, _)| *at);
        scheduled.chain(self.transactions.iter().map(|transaction| transaction.timer.due())).min()
    }

    /// Sends again what was not answered, and refreshes what is about to end.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.retransmit(now);
        let due: Vec<Due> = self.schedule.extract_if(.., |(at, _)| *at <= now).map(|(_, due)| due).collect();
        let mut peers = Vec::new();
        for due in due {
            match due {
                Due::Allocation => self.start(now, Kind::Refresh),
                Due::Permission(peer) => peers.push(peer),
                Due::Channel(peer) => {
                    if let Some(channel) = self.peers.get(&peer).and_then(|peer| peer.channel) {
                        self.start(now, Kind::Channel(channel, peer));
                    }
                }
            }
        }
        if !peers.is_empty() {
            self.start(now, Kind::Permission(peers));
        }
    }

    fn schedule(&mut self, at: Instant, due: Due) {
        self.schedule.retain(|(_, scheduled)| *scheduled != due);
        self.schedule.push((at, due));
    }

    fn finish(&mut self, failure: Failure) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.over();
        self.events.push_back(Event::Closed(failure));
    }

    fn over(&mut self) {
        self.state = State::Closed;
        self.transactions.clear();
        self.outgoing.clear();
        self.schedule.clear();
    }
}

impl Failure {
    fn refused(error: &ErrorCode<'_>) -> Self {
        Self::Refused { code: error.code, reason: error.reason.to_owned() }
    }
}
