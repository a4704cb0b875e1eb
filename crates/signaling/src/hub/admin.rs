//! What the server's owner may ask and do.

use serde::{Deserialize, Serialize};

use super::moderate::MAX_PASSWORD_BYTES;
use super::session::{Place, Session, SessionIndex};
use super::{Hub, Now, RoomState};
use crate::id::Id;
use crate::message::{self, Peer, PeerId, RoomId};
use crate::password::PasswordHash;

/// A room and how many are in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoomInfo {
    /// The room.
    #[serde(flatten)]
    pub room: message::Room,
    /// How many are inside.
    pub peers: usize,
    /// How many wait.
    pub waiting: usize,
}

/// What may be set about a room from outside. Absent fields stay, or for a new room are as the configuration says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomOptions {
    /// Nobody new may enter.
    #[serde(default)]
    pub locked: Option<bool>,
    /// Newcomers wait to be admitted.
    #[serde(default)]
    pub waiting_room: Option<bool>,
    /// Chat is kept.
    #[serde(default)]
    pub chat_history: Option<bool>,
    /// Asks this password of newcomers; an empty one asks none.
    #[serde(default)]
    pub password: Option<String>,
}

impl Hub {
    /// All rooms, by name.
    pub fn rooms(&self) -> Vec<RoomInfo> {
        let mut rooms: Vec<_> = self.rooms.iter().map(|(_, room)| self.room_info(room)).collect();
        rooms.sort_by(|one, other| one.room.id.cmp(&other.room.id));
        rooms
    }

    /// One room.
    pub fn room(&self, room: &RoomId) -> Option<RoomInfo> {
        let index = self.room_names.get(room)?;
        self.rooms.get(*index).map(|room| self.room_info(room))
    }

    /// Everybody in a room: those inside, then those who wait. `None` if there is no such room.
    pub fn peers(&self, room: &RoomId) -> Option<Vec<Peer>> {
        let room = self.rooms.get(*self.room_names.get(room)?)?;
        let all = room.members.iter().chain(&room.waiting);
        Some(all.filter_map(|index| self.sessions.get(*index)).map(Session::as_peer).collect())
    }

    /// Makes a room that stays when it is empty, or changes one. False if the password is too long.
    pub fn put_room(&mut self, now: Now, id: &RoomId, options: RoomOptions) -> bool {
        if options.password.as_ref().is_some_and(|password| password.len() > MAX_PASSWORD_BYTES) {
            return false;
        }
        let password = options.password.map(|text| match text.is_empty() {
            true => None,
            false => Some(PasswordHash::new(&text, &mut self.rng)),
        });
        let index = match self.room_names.get(id) {
            Some(index) => *index,
            None => self.make_room(RoomState {
                id: id.0.clone(),
                locked: false,
                waiting_room: self.config.waiting_room,
                chat_history: !self.config.chat_history.is_zero(),
                password: None,
                permanent: true,
                created: now.unix_ms,
                banned: Vec::new(),
                chat: Vec::new(),
            }),
        };
        let Some(room) = self.rooms.get_mut(index) else { return true };
        room.permanent = true;
        room.empty = None;
        room.locked = options.locked.unwrap_or(room.locked);
        room.waiting_room = options.waiting_room.unwrap_or(room.waiting_room);
        room.chat_history = options.chat_history.unwrap_or(room.chat_history);
        room.password = password.unwrap_or(room.password.take());
        if !room.chat_history && room.chat.forget() {
            self.events.push_back(super::Event::ChatForgotten { room: id.clone() });
        }
        self.room_changed(index);
        true
    }

    /// Puts a participant out, or turns one away who waits. False if there is none such.
    pub fn kick(&mut self, now: Now, room: &RoomId, peer: &PeerId, reason: Option<&str>) -> bool {
        let Some(index) = self.find_in(room, peer) else { return false };
        self.put_out(now, index, reason);
        true
    }

    /// Lets one in who waits. False if there is none such.
    pub fn admit(&mut self, now: Now, room: &RoomId, peer: &PeerId) -> bool {
        let waits = |index: &SessionIndex| self.sessions.get(*index).is_some_and(|s| s.place == Place::Waiting);
        let Some(index) = self.find_in(room, peer).filter(waits) else { return false };
        self.let_in(now, index);
        true
    }

    /// Gives a participant a role. False if there is none such.
    pub fn set_role(&mut self, now: Now, room: &RoomId, peer: &PeerId, role: message::Role) -> bool {
        let Some(index) = self.find_in(room, peer) else { return false };
        self.give_role(now, index, role);
        let room = self.sessions.get(index).map(|session| session.room);
        if let Some(room) = room {
            self.review_hosts(now, room);
        }
        true
    }

    /// Ends a room for all who are in it, and forgets it. False if there is none such.
    pub fn end(&mut self, now: Now, room: &RoomId) -> bool {
        let Some(index) = self.room_names.get(room).copied() else { return false };
        self.end_room(now, index, None);
        true
    }

    /// Locks or unlocks a room. False if there is none such.
    pub fn lock(&mut self, _now: Now, room: &RoomId, on: bool) -> bool {
        let Some(index) = self.room_names.get(room).copied() else { return false };
        self.set_lock(index, on);
        true
    }

    fn find_in(&self, room: &RoomId, peer: &PeerId) -> Option<SessionIndex> {
        let room = *self.room_names.get(room)?;
        let index = self.sessions.by_peer(Id::parse(&peer.0)?)?;
        (self.sessions.get(index)?.room == room).then_some(index)
    }

    fn room_info(&self, room: &super::Room) -> RoomInfo {
        RoomInfo {
            room: room.as_message(self.config.max_peers),
            peers: room.members.len(),
            waiting: room.waiting.len(),
        }
    }
}
