//! What hosts do.

use super::refusal::{Refusal, body};
use super::session::{Place, RoomIndex, Session, SessionIndex};
use super::{Event, Hub, Now};
use crate::frame::Tail;
use crate::id::Id;
use crate::message::{ErrorCode, PeerOp, Reason, Role, ServerMessage};
use crate::parse;
use crate::password::PasswordHash;
use crate::permission::Permission;

/// Longest password, in bytes.
pub(super) const MAX_PASSWORD_BYTES: usize = 128;

/// Longest reason for putting somebody out, in characters.
const MAX_REASON_CHARS: usize = 200;

impl Hub {
    pub(super) fn moderate(&mut self, now: Now, index: SessionIndex, kind: &str, text: &str) -> Result<(), Refusal> {
        match kind {
            "admit" => self.on_admit(now, index, text),
            "lock" => self.on_lock(index, text),
            "settings" => self.on_settings(index, text),
            "role" => self.on_role(now, index, text),
            "kick" => self.on_kick(now, index, text),
            "ask_mute" => self.on_ask_mute(index, text),
            "end" => {
                self.require(index, Permission::End)?;
                let room = self.room_of(index)?;
                self.end_room(now, room, None);
                Ok(())
            }
            _ => Err(Refusal::new(ErrorCode::Unsupported, "This server does not know that kind of message.")),
        }
    }

    fn on_admit(&mut self, now: Now, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Admit)?;
        let admit: parse::Admit<'_> = body(text)?;
        let room = self.room_of(index)?;
        let knocking = Id::parse(&admit.peer).and_then(|peer| self.sessions.by_peer(peer)).filter(|found| {
            self.sessions.get(*found).is_some_and(|session| session.room == room && session.place == Place::Waiting)
        });
        let knocking = knocking.ok_or_else(|| Refusal::of(ErrorCode::NoSuchPeer))?;
        match admit.ok {
            true => self.let_in(now, knocking),
            false => self.end_session(now, knocking, Reason::Rejected, None),
        }
        Ok(())
    }

    fn on_lock(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Lock)?;
        let lock: parse::Lock = body(text)?;
        let room = self.room_of(index)?;
        self.set_lock(room, lock.on);
        Ok(())
    }

    pub(super) fn set_lock(&mut self, index: RoomIndex, on: bool) {
        if let Some(room) = self.rooms.get_mut(index)
            && room.locked != on
        {
            room.locked = on;
            self.room_changed(index);
        }
    }

    fn on_settings(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Settings)?;
        let settings: parse::Settings<'_> = body(text)?;
        let room_index = self.room_of(index)?;
        let password = match settings.password.as_deref() {
            None => None,
            Some("") => Some(None),
            Some(long) if long.len() > MAX_PASSWORD_BYTES => {
                return Err(Refusal::bad(format!("A password may have {MAX_PASSWORD_BYTES} bytes.")));
            }
            Some(password) => Some(Some(PasswordHash::new(password, &mut self.rng))),
        };
        let Some(room) = self.rooms.get_mut(room_index) else { return Ok(()) };
        room.waiting_room = settings.waiting_room.unwrap_or(room.waiting_room);
        room.chat_history = settings.chat_history.unwrap_or(room.chat_history);
        room.password = password.unwrap_or(room.password.take());
        if !room.chat_history && room.chat.forget() {
            let room = room.id.clone();
            self.events.push_back(Event::ChatForgotten { room });
        }
        self.room_changed(room_index);
        Ok(())
    }

    fn on_role(&mut self, now: Now, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Role)?;
        let role: parse::GiveRole<'_> = body(text)?;
        let own = self.sessions.get(index).map(|session| session.peer);
        let whom = match Id::parse(&role.peer) == own {
            true => index,
            false => self.find_peer(index, &role.peer)?,
        };
        let room = self.room_of(index)?;
        let is_host = |session: &Session| session.role == Role::Host;
        let hosts = self.rooms.get(room).map_or(0, |room| {
            room.members.iter().filter(|member| self.sessions.get(**member).is_some_and(is_host)).count()
        });
        let steps_down = role.role != Role::Host && self.sessions.get(whom).is_some_and(is_host);
        if steps_down && hosts == 1 && self.roles_are_ours() {
            return Err(Refusal::new(ErrorCode::NotPermitted, "A room needs a host. Make somebody else host first."));
        }
        self.give_role(now, whom, role.role);
        Ok(())
    }

    /// Gives a participant a role, and what goes with it.
    pub(super) fn give_role(&mut self, _now: Now, index: SessionIndex, role: Role) {
        let guest = self.config.guest;
        let Some(session) = self.sessions.get_mut(index) else { return };
        let saw_waiting = session.permissions(guest).has(Permission::Admit);
        session.role = role;
        session.can = None;
        let can = session.permissions(guest);
        session.media = session.media.allowed(can);
        let room = session.room;
        self.peer_changed(index);
        if saw_waiting == can.has(Permission::Admit) {
            return;
        }
        // Those who wait come into its sight, or go out of it.
        let (op, why) = if saw_waiting { (PeerOp::Del, Some(Reason::Left)) } else { (PeerOp::Add, None) };
        let waiting = self.rooms.get(room).map(|room| room.waiting.clone()).unwrap_or_default();
        for knocking in waiting {
            if let Some(peer) = self.sessions.get(knocking).map(Session::as_peer) {
                self.sessions.event(index, Tail::of(&ServerMessage::Peer { op, peer, why }));
            }
        }
    }

    fn on_kick(&mut self, now: Now, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Kick)?;
        let kick: parse::Kick<'_> = body(text)?;
        let whom = self.find_peer(index, &kick.peer)?;
        let reason: Option<String> = kick.reason.map(|reason| reason.chars().take(MAX_REASON_CHARS).collect());
        self.put_out(now, whom, reason.as_deref());
        Ok(())
    }

    /// Puts a participant out, for as long as the room lives if it can be recognised.
    pub(super) fn put_out(&mut self, now: Now, index: SessionIndex, reason: Option<&str>) {
        if let Some(session) = self.sessions.get(index)
            && let (Some(sub), Some(room)) = (&session.sub, self.rooms.get_mut(session.room))
        {
            room.ban(sub);
            self.events.push_back(Event::RoomChanged { room: room.state() });
        }
        self.end_session(now, index, Reason::Kicked, reason.filter(|reason| !reason.is_empty()));
    }

    fn on_ask_mute(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::MuteOthers)?;
        let ask: parse::AskMute<'_> = body(text)?;
        let Some(from) = self.sessions.get(index).map(|session| session.peer.peer()) else { return Ok(()) };
        let tail = Tail::of(&ServerMessage::AskMute { from, source: ask.source });
        match ask.peer {
            Some(peer) => {
                let whom = self.find_peer(index, &peer)?;
                self.sessions.event(whom, tail);
            }
            None => self.send_to_others(index, &tail),
        }
        Ok(())
    }

    fn room_of(&self, index: SessionIndex) -> Result<RoomIndex, Refusal> {
        self.sessions.get(index).map(|session| session.room).ok_or_else(|| Refusal::of(ErrorCode::Internal))
    }
}
