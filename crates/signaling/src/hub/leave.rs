//! How sessions are cut, and how they and their rooms end.

use std::collections::{HashMap, VecDeque};

use super::session::{Link, Place, RoomIndex, SessionIndex};
use super::{CLOSE_BYE, Event, Hub, Now};
use crate::frame::Tail;
use crate::id::Id;
use crate::message::{PeerOp, Reason, Role, ServerMessage};
use crate::permission::{Permission, Permissions};

/// Sessions that were ended by somebody else, and why: a client that comes back for one is told, and does not enter as somebody new.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    why: HashMap<Id, Reason>,
    order: VecDeque<Id>,
}

impl Gone {
    const MAX: usize = 4096;

    fn note(&mut self, sid: Id, why: Reason) {
        if self.order.len() >= Self::MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.why.remove(&oldest);
        }
        self.order.push_back(sid);
        self.why.insert(sid, why);
    }

    pub(crate) fn why(&self, sid: Id) -> Option<Reason> {
        self.why.get(&sid).copied()
    }
}

impl Reason {
    /// The usual words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Left => "You have left.",
            Self::Timeout => "The connection was lost for too long. Join again.",
            Self::Kicked => "You were removed from the room.",
            Self::Rejected => "You were not let in.",
            Self::Ended => "The room was closed for everybody.",
            Self::Replaced => "This call goes on in another window or on another connection.",
            Self::Expired => "Your token has expired. Get a new one.",
            Self::Misbehaved => "The connection was closed because of a fault in the client.",
        }
    }

    /// The reason as it stands in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Timeout => "timeout",
            Self::Kicked => "kicked",
            Self::Rejected => "rejected",
            Self::Ended => "ended",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Misbehaved => "misbehaved",
        }
    }
}

impl Hub {
    /// A session has lost its connection.
    pub(super) fn cut(&mut self, now: Now, index: SessionIndex) {
        let Some(session) = self.sessions.get_mut(index) else { return };
        if matches!(session.link, Link::Down { .. }) {
            return;
        }
        session.link = Link::Down { since: now.instant, unix_ms: now.unix_ms };
        let (room, peer, inside) = (session.room, session.peer, session.place == Place::Inside);
        self.arm_session(now, index);
        if let Some(room) = self.rooms.get(room) {
            self.events.push_back(Event::Away { room: room.id.clone(), peer: peer.peer() });
        }
        // One who waits is shown as waiting, connected or not.
        if inside {
            self.announce(index, PeerOp::Set, Some(index));
            self.review_hosts(now, room);
        }
    }

    /// Says goodbye on a session's connection and closes it.
    pub(super) fn say_bye(&mut self, index: SessionIndex, why: Reason, message: Option<&str>) {
        if let Some(conn) = self.sessions.get(index).and_then(|session| session.conn()) {
            let message = message.unwrap_or(why.text()).to_owned();
            self.sessions.plain(conn, Tail::of(&ServerMessage::Bye { why, message }));
            self.sessions.close(conn, CLOSE_BYE, why.word());
            self.connections.remove(&conn);
        }
    }

    /// Ends a session: its client is told `why`, with `message` if there is one, and the others see it go.
    pub(super) fn end_session(&mut self, now: Now, index: SessionIndex, why: Reason, message: Option<&str>) {
        if why != Reason::Misbehaved {
            self.say_bye(index, why, message);
        }
        let Some(session) = self.sessions.remove(index) else { return };
        if matches!(why, Reason::Kicked | Reason::Rejected | Reason::Ended | Reason::Expired) {
            self.gone.note(session.sid, why);
        }
        let Some(room) = self.rooms.get_mut(session.room) else { return };
        room.members.retain(|member| *member != index);
        room.waiting.retain(|waiting| *waiting != index);
        let joined = (session.place == Place::Inside).then_some(session.joined);
        let (id, peer) = (room.id.clone(), session.peer.peer());
        self.events.push_back(Event::Left { room: id, peer, why, joined, time: now.unix_ms });
        self.events.push_back(Event::SessionGone { session: session.sid.session() });
        let tail = Tail::of(&ServerMessage::Peer { op: PeerOp::Del, peer: session.as_peer(), why: Some(why) });
        let can = self.permissions(&session);
        self.send_to_witnesses(session.room, session.place, can, index, &tail, None);
        self.review_room(now, session.room);
    }

    /// Sends to those who may see a participant: all inside, or for one who waits those who may admit; for a hidden one only itself.
    pub(super) fn send_to_witnesses(
        &mut self,
        room: RoomIndex,
        place: Place,
        can: Permissions,
        subject: SessionIndex,
        tail: &Tail,
        except: Option<SessionIndex>,
    ) {
        let Some(room) = self.rooms.get(room) else { return };
        let guest = self.config.guest;
        let itself = std::iter::once(subject).filter(|_| place == Place::Waiting);
        for witness in room.members.iter().copied().chain(itself) {
            let Some(session) = self.sessions.get(witness) else { continue };
            let sees = witness == subject
                || match place {
                    Place::Inside => !can.has(Permission::Hidden),
                    Place::Waiting => session.permissions(guest).has(Permission::Admit),
                };
            if sees && Some(witness) != except {
                self.sessions.event(witness, tail.clone());
            }
        }
    }

    /// After somebody has gone: hosts, those who wait, and the room itself.
    pub(super) fn review_room(&mut self, now: Now, index: RoomIndex) {
        let roles_are_ours = self.roles_are_ours();
        let Some(room) = self.rooms.get_mut(index) else { return };
        let guarded = room.locked || room.waiting_room;
        if room.members.is_empty() && guarded && roles_are_ours {
            // Nobody is left to open it; and whoever comes next must not read what was said behind the door.
            let was_locked = std::mem::take(&mut room.locked);
            let id = room.id.clone();
            if room.chat.forget() {
                self.events.push_back(Event::ChatForgotten { room: id });
            }
            if was_locked {
                self.room_changed(index);
            }
        }
        self.review_hosts(now, index);
        let Some(room) = self.rooms.get_mut(index) else { return };
        if room.population() == 0 && !room.permanent {
            room.empty = Some(now.instant);
            self.arm_room(index);
        }
    }

    /// Whether roles are given by the server; with tokens, the tokens give them.
    pub(super) fn roles_are_ours(&self) -> bool {
        !matches!(self.config.auth, super::Auth::Token(_))
    }

    /// Makes sure that a room with people in it has a host that is there (or was, until a moment ago).
    pub(super) fn review_hosts(&mut self, now: Now, index: RoomIndex) {
        if !self.roles_are_ours() {
            return;
        }
        let Some(room) = self.rooms.get_mut(index) else { return };
        let up = |session: &super::Session| matches!(session.link, Link::Up { .. });
        let member = |index: &SessionIndex| self.sessions.get(*index);
        let mut hosts = room.members.iter().filter_map(member).filter(|session| session.role == Role::Host).peekable();
        let none = hosts.peek().is_none();
        if hosts.any(up) {
            room.hostless = None;
            return;
        }
        let since = *room.hostless.get_or_insert(now.instant);
        if !none && since + self.config.host_absence > now.instant {
            return self.arm_room(index);
        }
        let heirs = || room.members.iter().copied().filter(|index| member(index).is_some_and(up));
        let speaks = |index: &SessionIndex| member(index).is_some_and(|session| session.role != Role::Viewer);
        let heir = heirs().find(speaks).or_else(|| heirs().next());
        let heir = heir.or_else(|| room.members.first().copied().filter(|_| none));
        let knocking = || room.waiting.iter().copied();
        match heir {
            Some(heir) => {
                room.hostless = None;
                self.give_role(now, heir, Role::Host);
            }
            None if room.members.is_empty() => {
                room.hostless = None;
                let first = knocking().find(|index| member(index).is_some_and(up)).or_else(|| knocking().next());
                if let Some(first) = first {
                    if let Some(session) = self.sessions.get_mut(first) {
                        session.role = Role::Host;
                    }
                    self.let_in(now, first);
                }
            }
            // Only the hosts are in the room, and all are away.
            None => {}
        }
    }

    /// Tells everybody inside, and storage, that a room has changed.
    pub(super) fn room_changed(&mut self, index: RoomIndex) {
        let Some(room) = self.rooms.get(index) else { return };
        self.events.push_back(Event::RoomChanged { room: room.state() });
        let tail = Tail::of(&ServerMessage::Room { room: room.as_message(self.config.max_peers) });
        self.send_to_members(index, &tail, None);
    }

    /// Ends a room and all sessions in it.
    pub(super) fn end_room(&mut self, now: Now, index: RoomIndex, message: Option<&str>) {
        let Some(room) = self.rooms.get_mut(index) else { return };
        // Taken out first, so that nobody is told of everybody else's leaving and no new host is chosen.
        let (members, waiting) = (std::mem::take(&mut room.members), std::mem::take(&mut room.waiting));
        room.permanent = false;
        let chat_forgotten = Event::ChatForgotten { room: room.id.clone() };
        self.events.push_back(chat_forgotten);
        for session in members.into_iter().chain(waiting) {
            self.end_session(now, session, Reason::Ended, message);
        }
        self.forget_room(index);
    }

    /// Forgets an empty room.
    pub(super) fn forget_room(&mut self, index: RoomIndex) {
        if let Some(room) = self.rooms.try_remove(index) {
            self.room_names.remove(&room.id);
            self.events.push_back(Event::RoomGone { room: room.id });
        }
    }
}
