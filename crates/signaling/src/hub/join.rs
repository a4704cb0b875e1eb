//! How clients come in: `hello`, `welcome`, the waiting room and taking a session up again.

use super::refusal::{Refusal, body};
use super::room::Room;
use super::session::{Link, MediaFlags, Place, Ring, RoomIndex, Secret, Session, SessionIndex};
use super::{Auth, Event, Hub, Now, RoomState};
use crate::bucket::Bucket;
use crate::frame::{ConnId, Tail};
use crate::id::{Id, clean_name, random_letters};
use crate::message::{
    ErrorCode, Media, PeerOp, PeerState, Reason, Role, RoomId, ServerMessage, Snapshot, Topology, VERSION,
};
use crate::parse::{Hello, Message, Resume};
use crate::permission::{Permission, Permissions};
use crate::timer::Alarm;

/// The name of somebody who gives none.
const NAMELESS: &str = "Guest";

/// Most optional features that a client may name, and the longest name of one.
const MAX_CAPS: usize = 32;
const MAX_CAP_BYTES: usize = 32;

/// Who comes in, as far as the room need not be known for it.
struct Newcomer {
    sub: Option<Box<str>>,
    name: Box<str>,
    /// From a token; otherwise the room decides.
    role: Option<Role>,
    can: Option<Permissions>,
    expires: Option<u64>,
    caps: Box<[Box<str>]>,
    media: Media,
}

impl Hub {
    /// The first message of a connection: a `hello` that is accepted, or the end of the connection.
    pub(super) fn handle_first(&mut self, now: Now, conn: ConnId, text: &str) {
        if let Err(refusal) = self.hello(now, conn, text) {
            self.refuse_connection(conn, &refusal);
        }
    }

    fn hello(&mut self, now: Now, conn: ConnId, text: &str) -> Result<(), Refusal> {
        let message = Message::read(text).ok_or_else(|| Refusal::of(ErrorCode::BadMessage))?;
        if message.head.t != "hello" {
            return Err(Refusal::of(ErrorCode::OutOfOrder));
        }
        let hello: Hello<'_> = body(text)?;
        if hello.v != u64::from(VERSION) {
            return Err(Refusal::of(ErrorCode::UnknownVersion));
        }
        let room = RoomId::parse(&hello.room).ok_or_else(|| Refusal::of(ErrorCode::BadRoom))?;
        if self.draining {
            return Err(Refusal::of(ErrorCode::Draining).retry_ms(1000));
        }
        if let Some(resume) = &hello.resume {
            if let Some(index) = self.find_session(&room, resume) {
                self.resume(now, conn, index, resume);
                return Ok(());
            }
            if let Some(why) = Id::parse(&resume.sid).and_then(|sid| self.gone.why(sid)) {
                self.turn_away(conn, why);
                return Ok(());
            }
        }
        let newcomer = self.identify(now, &hello, &room)?;
        let index = self.find_or_make_room(now, &room)?;
        let place = self.admission(index, &hello, &newcomer);
        match place {
            Ok(place) => self.seat(now, conn, index, place, newcomer),
            Err(refusal) => {
                // A room that was made for somebody who then did not get in.
                self.review_room(now, index);
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Who it is and what it may do, from its token, or from the password of the server.
    fn identify(&self, now: Now, hello: &Hello<'_>, room: &RoomId) -> Result<Newcomer, Refusal> {
        let mut newcomer = Newcomer {
            sub: None,
            name: NAMELESS.into(),
            role: None,
            can: None,
            expires: None,
            caps: caps(&hello.caps),
            media: hello.media.unwrap_or_default(),
        };
        let mut name = hello.name.as_deref().map(str::to_owned);
        match &self.config.auth {
            Auth::Open => {}
            Auth::Password(hash) => check_password(Some(hash), hello.password.as_deref())?,
            Auth::Token(keys) => {
                let token = hello.token.as_deref().ok_or_else(|| Refusal::of(ErrorCode::TokenRequired))?;
                let grant = keys.verify(token, &room.0, now.unix_ms / 1000).map_err(bad_token)?;
                newcomer.sub = grant.sub.map(String::into_boxed_str);
                newcomer.role = Some(grant.role);
                newcomer.can = grant.can;
                newcomer.expires = Some(grant.exp);
                name = grant.name.or(name);
            }
        }
        if let Some(name) = name {
            newcomer.name = clean_name(&name).ok_or_else(|| Refusal::of(ErrorCode::BadName))?;
        }
        Ok(newcomer)
    }

    fn find_or_make_room(&mut self, now: Now, id: &RoomId) -> Result<RoomIndex, Refusal> {
        if let Some(index) = self.room_names.get(id) {
            return Ok(*index);
        }
        if !self.config.auto_create {
            return Err(Refusal::of(ErrorCode::RoomUnknown));
        }
        if self.sessions.len() >= self.config.max_sessions {
            return Err(Refusal::of(ErrorCode::ServerFull));
        }
        Ok(self.make_room(RoomState {
            id: id.0.clone(),
            locked: false,
            waiting_room: self.config.waiting_room,
            chat_history: !self.config.chat_history.is_zero(),
            password: None,
            permanent: false,
            created: now.unix_ms,
            banned: Vec::new(),
            chat: Vec::new(),
        }))
    }

    pub(super) fn make_room(&mut self, state: RoomState) -> RoomIndex {
        let room = Room::new(state);
        self.events.push_back(Event::RoomChanged { room: room.state() });
        let id = room.id.clone();
        let index = self.rooms.insert(room);
        self.room_names.insert(id, index);
        index
    }

    /// Whether the newcomer may enter, and how far.
    fn admission(&self, index: RoomIndex, hello: &Hello<'_>, newcomer: &Newcomer) -> Result<Place, Refusal> {
        let room = self.rooms.get(index).ok_or_else(|| Refusal::of(ErrorCode::RoomUnknown))?;
        let role = newcomer.role.unwrap_or(Role::Guest);
        let can = newcomer.can.unwrap_or(Permissions::of_role(role, self.config.guest));
        if room.is_banned(newcomer.sub.as_deref()) {
            return Err(Refusal::new(
                ErrorCode::NotPermitted,
                "You were removed from this room and may not come back.",
            ));
        }
        if room.locked && !can.has(Permission::Lock) {
            return Err(Refusal::of(ErrorCode::RoomLocked));
        }
        if !can.has(Permission::Settings) {
            check_password(room.password.as_ref(), hello.password.as_deref())?;
        }
        if room.population() >= self.config.max_peers as usize {
            return Err(Refusal::of(ErrorCode::RoomFull));
        }
        if self.sessions.len() >= self.config.max_sessions {
            return Err(Refusal::of(ErrorCode::ServerFull));
        }
        let first = self.roles_are_ours() && room.members.is_empty();
        let waits = room.waiting_room && !first && !can.has(Permission::Admit);
        Ok(if waits { Place::Waiting } else { Place::Inside })
    }

    /// Makes the newcomer's session.
    fn seat(&mut self, now: Now, conn: ConnId, room: RoomIndex, place: Place, newcomer: Newcomer) {
        let first = self.roles_are_ours() && self.rooms.get(room).is_some_and(|room| room.members.is_empty());
        let role = if first { Role::Host } else { newcomer.role.unwrap_or(Role::Guest) };
        let media = MediaFlags { mic: newcomer.media.mic, cam: newcomer.media.cam, screen: false };
        let index = self.sessions.insert(Session {
            sid: Id::random(&mut self.rng),
            secret: Secret::Plain(random_letters(&mut self.rng)),
            peer: Id::random(&mut self.rng),
            room,
            place,
            link: Link::Up { conn, heard: now.instant },
            name: newcomer.name,
            sub: newcomer.sub,
            role,
            can: newcomer.can,
            media: media.allowed(newcomer.can.unwrap_or(Permissions::of_role(role, self.config.guest))),
            hand: None,
            joined: now.unix_ms,
            caps: newcomer.caps,
            expires: newcomer.expires,
            received: 0,
            sent: 0,
            ring: Ring::default(),
            stale: false,
            bucket: Bucket::full(now.instant),
            abuse: None,
            overflowed: None,
            alarm: Alarm::default(),
        });
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.session = Some(index);
        }
        if let Some(room) = self.rooms.get_mut(room) {
            room.empty = None;
            match place {
                Place::Inside => room.members.push(index),
                Place::Waiting => room.waiting.push(index),
            }
        }
        self.arm_session(now, index);
        self.welcome(now, index);
        self.arrived(now, index);
    }

    /// Tells the others, and storage, that somebody has come in or knocks.
    fn arrived(&mut self, now: Now, index: SessionIndex) {
        let Some(session) = self.sessions.get(index) else { return };
        let Some(room) = self.rooms.get(session.room) else { return };
        let (room, peer) = (room.id.clone(), session.peer.peer());
        let (name, role) = (session.name.to_string(), session.role);
        self.events.push_back(match session.place {
            Place::Inside => Event::Joined { room, peer, name, role, time: now.unix_ms },
            Place::Waiting => Event::Waiting { room, peer },
        });
        self.session_changed(index);
        self.announce(index, PeerOp::Add, Some(index));
    }

    /// Lets one who waits come inside.
    pub(super) fn let_in(&mut self, now: Now, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(index) else { return };
        let Some(room) = self.rooms.get_mut(session.room) else { return };
        room.waiting.retain(|waiting| *waiting != index);
        room.members.push(index);
        session.place = Place::Inside;
        session.joined = now.unix_ms;
        self.fresh_start(now, index);
        self.arrived(now, index);
    }

    /// Gives a session's client the whole state anew, now or when it comes back.
    pub(super) fn fresh_start(&mut self, now: Now, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(index) else { return };
        match session.link {
            Link::Up { .. } => {
                session.restart_numbers(0);
                self.welcome(now, index);
            }
            Link::Down { .. } => session.stale = true,
        }
    }

    /// The session that a client wants to take up, if it is in that room and the secret is right. A wrong secret gets no other answer
    /// than an unknown session.
    fn find_session(&self, room: &RoomId, resume: &Resume<'_>) -> Option<SessionIndex> {
        let index = self.sessions.by_sid(Id::parse(&resume.sid)?)?;
        let session = self.sessions.get(index)?;
        let same_room = self.rooms.get(session.room).is_some_and(|its| its.id == *room);
        (same_room && session.secret.matches(&resume.secret)).then_some(index)
    }

    fn resume(&mut self, now: Now, conn: ConnId, index: SessionIndex, resume: &Resume<'_>) {
        self.say_bye(index, Reason::Replaced, None);
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.session = Some(index);
        }
        let Some(session) = self.sessions.get_mut(index) else { return };
        if let (Secret::Hashed(_), Ok(plain)) = (&session.secret, resume.secret.as_bytes().try_into()) {
            session.secret = Secret::Plain(plain);
        }
        let was_away = matches!(session.link, Link::Down { .. });
        session.link = Link::Up { conn, heard: now.instant };
        let replayed = session.can_replay(resume.last);
        if replayed {
            self.welcome_back(now, index, resume.last);
            self.sessions.replay(index, resume.last);
        } else {
            session.restart_numbers(resume.last);
            self.welcome(now, index);
        }
        self.arm_session(now, index);
        let Some(session) = self.sessions.get(index) else { return };
        let (room, peer) = (session.room, session.peer.peer());
        if let Some(room) = self.rooms.get(room) {
            self.events.push_back(Event::Resumed { room: room.id.clone(), peer, replayed });
        }
        if was_away && session.place == Place::Inside {
            self.announce(index, PeerOp::Set, Some(index));
            self.review_hosts(now, room);
        }
    }

    /// Tells a client that comes back to a session that somebody else has ended.
    fn turn_away(&mut self, conn: ConnId, why: Reason) {
        self.connections.remove(&conn);
        self.sessions.plain(conn, Tail::of(&ServerMessage::Bye { why, message: why.text().to_owned() }));
        self.sessions.close(conn, super::CLOSE_BYE, why.word());
    }

    fn welcome_back(&mut self, now: Now, index: SessionIndex, last: u64) {
        self.send_welcome(now, index, Some(last));
    }

    fn welcome(&mut self, now: Now, index: SessionIndex) {
        self.send_welcome(now, index, None);
    }

    /// Sends `welcome`: with a snapshot, or for a session that goes on after `resumed_from` without.
    fn send_welcome(&mut self, now: Now, index: SessionIndex, resumed_from: Option<u64>) {
        let snapshot = match resumed_from {
            None => self.snapshot_for(now, index).map(Box::new),
            Some(_) => None,
        };
        let Some(session) = self.sessions.get(index) else { return };
        let Some(conn) = session.conn() else { return };
        let sid = session.sid.session();
        let ice_servers = (self.config.ice_servers)(&sid, conn, now.unix_ms / 1000);
        let tail = Tail::of(&ServerMessage::Welcome {
            sid,
            secret: session.secret.plain(),
            resume_ms: u32::try_from(self.config.resume.as_millis()).unwrap_or(u32::MAX),
            resumed: resumed_from.is_some(),
            ack: session.received,
            last: resumed_from.unwrap_or(session.sent),
            snapshot,
            ice_servers,
            topo: Topology::P2p,
            limits: self.config.limits(),
            caps: self.config.caps.clone(),
            node: self.config.node.clone(),
            now: now.unix_ms,
        });
        self.sessions.plain(conn, tail);
    }

    /// The room as one participant sees it.
    fn snapshot_for(&mut self, now: Now, index: SessionIndex) -> Option<Snapshot> {
        let session = self.sessions.get(index)?;
        let can = self.permissions(session);
        let room = self.rooms.get_mut(session.room)?;
        room.chat.expire(now.unix_ms, self.config.chat_history);
        let inside = session.place == Place::Inside;
        let sees_waiting = inside && can.has(Permission::Admit);
        let others = room.members.iter().filter(|_| inside).chain(room.waiting.iter().filter(|_| sees_waiting));
        let peers = others
            .filter(|other| **other != index)
            .filter_map(|other| self.sessions.get(*other))
            .filter(|other| !other.permissions(self.config.guest).has(Permission::Hidden))
            .map(Session::as_peer)
            .collect();
        Some(Snapshot {
            you: session.as_peer(),
            room: room.as_message(self.config.max_peers),
            peers,
            chat: if inside { room.chat.visible_to(session.peer) } else { Vec::new() },
        })
    }

    pub(super) fn permissions(&self, session: &Session) -> Permissions {
        session.permissions(self.config.guest)
    }
}

/// Whether `offered` is the password, where one is asked for.
fn check_password(asked: Option<&crate::PasswordHash>, offered: Option<&str>) -> Result<(), Refusal> {
    match (asked, offered) {
        (None, _) => Ok(()),
        (Some(_), None | Some("")) => Err(Refusal::of(ErrorCode::PasswordRequired)),
        (Some(hash), Some(offered)) if offered.len() <= 1024 && hash.matches(offered) => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::of(ErrorCode::BadPassword)),
    }
}

pub(super) fn bad_token(error: crate::token::TokenError) -> Refusal {
    Refusal::new(ErrorCode::BadToken, format!("The token is not valid: {error}."))
}

fn caps(named: &[std::borrow::Cow<'_, str>]) -> Box<[Box<str>]> {
    let fits = |cap: &&std::borrow::Cow<'_, str>| (1..=MAX_CAP_BYTES).contains(&cap.len());
    named.iter().filter(fits).take(MAX_CAPS).map(|cap| Box::from(&**cap)).collect()
}

/// Where a stored session stood.
pub(super) fn place_of(state: PeerState) -> Place {
    match state {
        PeerState::Waiting => Place::Waiting,
        PeerState::Joined | PeerState::Away => Place::Inside,
    }
}
