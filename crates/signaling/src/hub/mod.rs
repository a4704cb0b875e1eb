//! The room machine.

mod act;
mod admin;
mod config;
mod event;
mod join;
mod leave;
mod moderate;
mod persist;
mod refusal;
mod room;
mod session;
mod state;
mod time;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use slab::Slab;

pub use admin::{RoomInfo, RoomOptions};
pub use config::{Auth, HubConfig, IceServers};
pub use event::Event;
pub use room::CHAT_HISTORY;
pub use state::{HubState, RoomState, SessionState};

use crate::frame::{ConnId, Tail, Transmit};
use crate::message::{ErrorCode, Peer, PeerOp, PeerState, Reason, RoomId, ServerMessage};
use crate::parse::{MAX_NUMBER, Message};
use crate::timer::{Alarm, Subject, Timers};
use leave::Gone;
use refusal::Refusal;
use room::Room;
use session::{Link, RingLimits, RoomIndex, Session, SessionIndex, Sessions};

/// Fills the slice with random bytes that nobody can foretell.
pub type Rng = Box<dyn FnMut(&mut [u8]) + Send>;

/// A moment, on both clocks that the hub needs.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For timers. Never goes back.
    pub instant: Instant,
    /// For people and tokens: milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// The room machine: rooms, their participants and what these say to each other.
///
/// Call the `handle_…` methods in any order, then poll [`Hub::poll_transmit`] and [`Hub::poll_event`] until they are empty, and call
/// [`Hub::handle_timeout`] when [`Hub::poll_timeout`] says so. Whatever clients send is answered or dropped, never an error of the hub's.
///
/// A hub is one shard: all who are in one room must be in the same hub ([`crate::peek_room`] tells the room from the first message).
/// Passing a message on costs the same however many rooms there are.
pub struct Hub {
    config: HubConfig,
    rng: Rng,
    connections: HashMap<ConnId, Connection>,
    sessions: Sessions,
    rooms: Slab<Room>,
    room_names: HashMap<RoomId, RoomIndex>,
    gone: Gone,
    timers: Timers,
    events: VecDeque<Event>,
    draining: bool,
}

/// A socket.
#[derive(Debug)]
struct Connection {
    addr: IpAddr,
    /// None until its `hello` has been accepted.
    session: Option<SessionIndex>,
    alarm: Alarm,
}

impl Hub {
    /// A hub without rooms. `rng` must be cryptographically secure: ids and secrets come from it.
    pub fn new(config: HubConfig, rng: Rng) -> Self {
        let limits = RingLimits { events: config.ring_events, bytes: config.ring_bytes };
        Self {
            config,
            rng,
            connections: HashMap::new(),
            sessions: Sessions::new(limits),
            rooms: Slab::new(),
            room_names: HashMap::new(),
            gone: Gone::default(),
            timers: Timers::default(),
            events: VecDeque::new(),
            draining: false,
        }
    }

    /// A socket has been accepted.
    pub fn open(&mut self, now: Now, conn: ConnId, peer_addr: IpAddr) {
        let mut connection = Connection { addr: peer_addr, session: None, alarm: Alarm::default() };
        let until = now.instant + self.config.hello_timeout;
        self.timers.arm(&mut connection.alarm, Subject::Connection(conn.0), until);
        self.connections.insert(conn, connection);
    }

    /// A text frame has come.
    pub fn handle_message(&mut self, now: Now, conn: ConnId, text: &str) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let too_long = text.len() > self.config.message_bytes as usize;
        let Some(index) = connection.session else {
            match too_long {
                true => self.refuse_connection(conn, &self.too_long()),
                false => self.handle_first(now, conn, text),
            }
            return;
        };
        if let Some(session) = self.sessions.get_mut(index) {
            session.link = Link::Up { conn, heard: now.instant };
        }
        if too_long {
            return self.misbehaved(now, index, &self.too_long());
        }
        let Some(message) = Message::read(text) else {
            return self.misbehaved(
                now,
                index,
                &Refusal::bad("This is not a JSON object with a text `t` and whole numbers `id` and `seq`."),
            );
        };
        let (id, seq) = (message.head.id, message.head.seq);
        match self.within_rate(now, index) {
            Pace::Fine => {}
            Pace::Refused { refusal, told } => {
                if self.is_new(index, seq) && (id.is_some() || !told) {
                    self.refuse(index, id, &refusal);
                }
                return;
            }
            Pace::Abuse(refusal) => return self.misbehaved(now, index, &refusal),
        }
        if !self.is_new(index, seq) {
            return;
        }
        match self.act(now, index, message) {
            Ok(()) => {
                if let Some(re) = id {
                    self.sessions.event(index, Tail::of(&ServerMessage::Ok { re }));
                }
            }
            Err(refusal) if refusal.fatal => self.misbehaved(now, index, &refusal),
            Err(refusal) => self.refuse(index, id, &refusal),
        }
    }

    /// A socket has closed, for whatever reason. Its session lives on for the resume window.
    pub fn handle_close(&mut self, now: Now, conn: ConnId) {
        if let Some(connection) = self.connections.remove(&conn)
            && let Some(index) = connection.session
        {
            self.cut(now, index);
        }
    }

    /// The caller has found something on the socket that the hub cannot see: a frame that is too long or not text, too many connections
    /// from one address, and the like. The client is told `code` and cut off.
    pub fn refuse_and_close(&mut self, now: Now, conn: ConnId, code: ErrorCode) {
        let Some(connection) = self.connections.get(&conn) else { return };
        let refusal = Refusal::of(code);
        match connection.session {
            Some(index) => self.misbehaved(now, index, &refusal),
            None => self.refuse_connection(conn, &refusal),
        }
    }

    /// What to send next.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.sessions.out.pop_front();
        if self.sessions.out.is_empty() && self.sessions.out.capacity() > 4096 {
            self.sessions.out = VecDeque::new();
        }
        transmit
    }

    /// What happened, for storage, metrics and logs.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Hub::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How many sockets there are.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// How many sessions there are, those that are away included.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many rooms there are.
    pub fn room_count(&self) -> usize {
        self.rooms.len()
    }

    /// Takes note of a message's number; false if the message has been here before.
    fn is_new(&mut self, index: SessionIndex, seq: Option<u64>) -> bool {
        let (Some(session), Some(seq)) = (self.sessions.get_mut(index), seq) else { return true };
        let new = seq > session.received && seq <= MAX_NUMBER;
        if new {
            session.received = seq;
        }
        new
    }

    /// Answers a request that cannot be carried out. Without an `id` nobody waits for the answer, but a person at the client's log may.
    fn refuse(&mut self, index: SessionIndex, re: Option<u64>, refusal: &Refusal) {
        self.note_refusal(index, refusal, false);
        if re.is_some() || refusal.code != ErrorCode::NoSuchPeer {
            self.sessions.event(index, refusal.as_tail(re, false));
        }
    }

    /// Ends the session of a client that breaks the rules.
    fn misbehaved(&mut self, now: Now, index: SessionIndex, refusal: &Refusal) {
        self.note_refusal(index, refusal, true);
        if let Some(conn) = self.sessions.get(index).and_then(Session::conn) {
            self.sessions.plain(conn, refusal.as_tail(None, true));
            self.sessions.close(conn, refusal.close_code(), refusal.word());
            self.connections.remove(&conn);
        }
        self.end_session(now, index, Reason::Misbehaved, None);
    }

    /// Cuts off a connection whose session may come back.
    fn disconnect(&mut self, now: Now, index: SessionIndex, refusal: &Refusal) {
        self.note_refusal(index, refusal, true);
        if let Some(conn) = self.sessions.get(index).and_then(Session::conn) {
            self.sessions.plain(conn, refusal.as_tail(None, true));
            self.sessions.close(conn, refusal.close_code(), refusal.word());
            self.connections.remove(&conn);
        }
        self.cut(now, index);
    }

    /// Turns away a connection that has no session yet.
    fn refuse_connection(&mut self, conn: ConnId, refusal: &Refusal) {
        let addr = self.connections.remove(&conn).map(|connection| connection.addr);
        self.events.push_back(Event::Refused { addr, code: refusal.code, fatal: true });
        self.sessions.plain(conn, refusal.as_tail(None, true));
        self.sessions.close(conn, refusal.close_code(), refusal.word());
    }

    fn note_refusal(&mut self, index: SessionIndex, refusal: &Refusal, fatal: bool) {
        let conn = self.sessions.get(index).and_then(Session::conn);
        let addr = conn.and_then(|conn| self.connections.get(&conn)).map(|connection| connection.addr);
        self.events.push_back(Event::Refused { addr, code: refusal.code, fatal });
    }

    fn too_long(&self) -> Refusal {
        let limit = self.config.message_bytes;
        Refusal::new(ErrorCode::TooLarge, format!("A message may have {limit} bytes. Send less at once."))
    }

    /// Sends to all who are inside a room.
    fn send_to_members(&mut self, room: RoomIndex, tail: &Tail, except: Option<SessionIndex>) {
        let Some(room) = self.rooms.get(room) else { return };
        for member in room.members.iter().copied().filter(|member| Some(*member) != except) {
            self.sessions.event(member, tail.clone());
        }
    }

    /// Tells those who may see a participant what became of it. `except`: who needs not be told.
    fn announce(&mut self, index: SessionIndex, op: PeerOp, except: Option<SessionIndex>) {
        let Some(session) = self.sessions.get(index) else { return };
        let (room, place, can) = (session.room, session.place, self.permissions(session));
        let peer = session.as_peer();
        if peer.state == PeerState::Away && except != Some(index) {
            // It reads this when it is back, and then is not away.
            let back = Peer { state: PeerState::Joined, ..peer.clone() };
            self.sessions.event(index, Tail::of(&ServerMessage::Peer { op, peer: back, why: None }));
        }
        let told = if peer.state == PeerState::Away { Some(index) } else { except };
        let tail = Tail::of(&ServerMessage::Peer { op, peer, why: None });
        self.send_to_witnesses(room, place, can, index, &tail, told);
    }
}

/// How fast a client talks.
enum Pace {
    Fine,
    /// Too fast: not carried out. `told`: the client has just heard so.
    Refused {
        refusal: Refusal,
        told: bool,
    },
    /// Too fast for too long.
    Abuse(Refusal),
}

/// The frame that closes a connection after `bye`.
const CLOSE_BYE: u16 = 4001;

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("rooms", &self.rooms.len())
            .field("sessions", &self.sessions.len())
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Hub>();
};
