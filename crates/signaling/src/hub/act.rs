//! What participants do: pass on, show, say.

use super::refusal::{Refusal, body};
use super::session::{Place, Session, SessionIndex};
use super::{Auth, Event, Hub, Now};
use crate::frame::{Tail, TailBuilder};
use crate::id::{Id, clean_name};
use crate::message::{ChatMessage, ErrorCode, PeerOp, Reason, SdpKind, ServerMessage, Source};
use crate::parse::{self, Body, Message, fit_to_pass_on};
use crate::permission::Permission;

/// Longest candidate, in bytes of JSON. Browsers' have about 250.
const MAX_CANDIDATE_BYTES: usize = 4096;

/// Longest topic of application data, in characters.
const MAX_TOPIC_CHARS: usize = 64;

/// Longest reaction, in bytes: one emoji with its modifiers.
const MAX_REACTION_BYTES: usize = 32;

/// Most connections that one `stats` may tell of.
const MAX_PAIRS: usize = 128;

impl Hub {
    /// Carries out one message of a session.
    pub(super) fn act(&mut self, now: Now, index: SessionIndex, message: Message<'_>) -> Result<(), Refusal> {
        let waiting = self.sessions.get(index).is_some_and(|session| session.place == Place::Waiting);
        let (kind, text) = (&*message.head.t, message.text);
        if waiting && !matches!(kind, "ping" | "bye" | "set" | "auth" | "hello") {
            return Err(Refusal::new(ErrorCode::NotPermitted, "You are in the waiting room. Wait to be let in."));
        }
        match kind {
            "ice" => match message.body {
                Body::Ice(ice) => self.on_ice(index, &ice),
                _ => self.on_ice(index, &body(text)?),
            },
            "sdp" => match message.body {
                Body::Sdp(sdp) => self.on_sdp(index, &sdp),
                _ => self.on_sdp(index, &body(text)?),
            },
            "ping" => self.on_ping(now, index, text),
            "restart" => self.on_restart(index, text),
            "msg" => self.on_msg(index, text),
            "set" => self.on_set(index, text),
            "hand" => self.on_hand(now, index, text),
            "reaction" => self.on_reaction(index, text),
            "chat" => self.on_chat(now, index, text),
            "stats" => self.on_stats(index, text),
            "auth" => self.on_auth(now, index, text),
            "bye" => {
                self.end_session(now, index, Reason::Left, None);
                Ok(())
            }
            "hello" => Err(Refusal::of(ErrorCode::OutOfOrder).fatal()),
            _ => self.moderate(now, index, kind, text),
        }
    }

    fn on_ping(&mut self, now: Now, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        let ping: parse::Ping = body(text)?;
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        session.acknowledge(ping.ack);
        let ack = session.received;
        if let Some(conn) = session.conn() {
            let pong = Tail::build("pong", 48).number("ack", ack).number("now", now.unix_ms).end();
            self.sessions.plain(conn, pong);
        }
        Ok(())
    }

    fn on_sdp(&mut self, index: SessionIndex, sdp: &parse::Sdp<'_>) -> Result<(), Refusal> {
        let raw = sdp.sdp.get();
        if !raw.starts_with('"') || !fit_to_pass_on(raw) {
            return Err(Refusal::bad("`sdp` must be a text."));
        }
        let kind = match sdp.kind {
            SdpKind::Offer => "offer",
            SdpKind::Answer => "answer",
            SdpKind::Rollback => "rollback",
        };
        self.pass_on(index, &sdp.pc, "sdp", sdp.r#gen, raw.len(), |tail| tail.plain("kind", "", kind).raw("sdp", raw))
    }

    fn on_ice(&mut self, index: SessionIndex, ice: &parse::Ice<'_>) -> Result<(), Refusal> {
        let raw = ice.cand.get();
        let shape = raw == "null" || raw.starts_with('{');
        if !shape || raw.len() > MAX_CANDIDATE_BYTES || !fit_to_pass_on(raw) {
            return Err(Refusal::bad(format!(
                "`cand` must be null or a candidate of at most {MAX_CANDIDATE_BYTES} bytes."
            )));
        }
        self.pass_on(index, &ice.pc, "ice", ice.r#gen, raw.len(), |tail| tail.raw("cand", raw))
    }

    fn on_restart(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        let restart: parse::Restart<'_> = body(text)?;
        self.pass_on(index, &restart.pc, "restart", restart.r#gen, 0, |tail| tail)
    }

    /// Passes a message on to the other end of a connection, which then sees its origin in place of the destination.
    fn pass_on(
        &mut self,
        index: SessionIndex,
        pc: &str,
        t: &str,
        generation: u32,
        size: usize,
        rest: impl FnOnce(TailBuilder) -> TailBuilder,
    ) -> Result<(), Refusal> {
        let Some(peer) = pc.strip_prefix("p:") else {
            return Err(Refusal::new(ErrorCode::Unsupported, "`pc` must be `p:` and the id of a participant."));
        };
        let session = self.shown(index)?;
        let origin = session.peer;
        let to = self.find_peer(index, peer)?;
        let tail = Tail::build(t, 64 + size).plain("pc", "p:", origin.as_str()).number("gen", u64::from(generation));
        self.sessions.event(to, rest(tail).end());
        Ok(())
    }

    fn on_msg(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Data)?;
        let msg: parse::Msg<'_> = body(text)?;
        if !(1..=MAX_TOPIC_CHARS).contains(&msg.topic.chars().count()) {
            return Err(Refusal::bad(format!("`topic` must have 1 to {MAX_TOPIC_CHARS} characters.")));
        }
        let raw = msg.data.get();
        if !fit_to_pass_on(raw) {
            return Err(Refusal::bad("`data` is nested too deeply, or holds half of a surrogate pair."));
        }
        let origin = self.shown(index)?.peer;
        let tail = Tail::build("msg", 96 + msg.topic.len() + raw.len());
        let tail = tail.plain("from", "", origin.as_str()).value("topic", &msg.topic).raw("data", raw).end();
        match msg.to {
            Some(to) => {
                let to = self.find_peer(index, &to)?;
                self.sessions.event(to, tail);
            }
            None => self.send_to_others(index, &tail),
        }
        Ok(())
    }

    fn on_set(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        let set: parse::Set<'_> = body(text)?;
        let name = match &set.name {
            Some(name) => Some(clean_name(name).ok_or_else(|| Refusal::of(ErrorCode::BadName))?),
            None => None,
        };
        let can = self.sessions.get(index).map(|session| self.permissions(session)).unwrap_or_default();
        for (on, source) in [(set.mic, Source::Mic), (set.cam, Source::Cam), (set.screen, Source::Screen)] {
            if on == Some(true) && !can.may_publish(source) {
                return Err(Refusal::new(ErrorCode::NotPermitted, "You may not send that here."));
            }
        }
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        let before = (session.media, session.name.clone());
        session.name = name.unwrap_or_else(|| session.name.clone());
        session.media.mic = set.mic.unwrap_or(session.media.mic);
        session.media.cam = set.cam.unwrap_or(session.media.cam);
        session.media.screen = set.screen.unwrap_or(session.media.screen);
        if before != (session.media, session.name.clone()) {
            self.peer_changed(index);
        }
        Ok(())
    }

    fn on_hand(&mut self, now: Now, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        let hand: parse::Hand<'_> = body(text)?;
        let own = self.sessions.get(index).map(|session| session.peer);
        let whose = match &hand.peer {
            Some(peer) if Id::parse(peer) != own => {
                self.require(index, Permission::Role)?;
                if hand.on {
                    return Err(Refusal::new(ErrorCode::NotPermitted, "Only they themselves can raise their hand."));
                }
                self.find_peer(index, peer)?
            }
            _ => {
                self.require(index, Permission::Hand)?;
                index
            }
        };
        let Some(session) = self.sessions.get_mut(whose) else { return Ok(()) };
        if session.hand.is_some() != hand.on {
            session.hand = hand.on.then_some(now.unix_ms);
            self.peer_changed(whose);
        }
        Ok(())
    }

    fn on_reaction(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Hand)?;
        let reaction: parse::Reaction<'_> = body(text)?;
        let emoji = &*reaction.emoji;
        if !(1..=MAX_REACTION_BYTES).contains(&emoji.len()) || emoji.chars().any(char::is_control) {
            return Err(Refusal::bad(format!("`emoji` must have 1 to {MAX_REACTION_BYTES} bytes.")));
        }
        let session = self.shown(index)?;
        let (room, from) = (session.room, session.peer.peer());
        let tail = Tail::of(&ServerMessage::Reaction { from, emoji: emoji.to_owned() });
        self.send_to_members(room, &tail, None);
        Ok(())
    }

    fn on_chat(&mut self, now: Now, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        self.require(index, Permission::Chat)?;
        let chat: parse::Chat<'_> = body(text)?;
        let limit = self.config.chat_chars as usize;
        if chat.text.is_empty() || chat.text.chars().count() > limit {
            return Err(Refusal::bad(format!("A chat message has 1 to {limit} characters.")));
        }
        let to = match &chat.to {
            Some(to) => Some(self.find_peer(index, to)?),
            None => None,
        };
        let to_peer = to.and_then(|to| self.sessions.get(to)).map(|session| session.peer.peer());
        let session = self.shown(index)?;
        let (sid, received, room_index) = (session.sid.session(), session.received, session.room);
        let (from, name) = (session.peer.peer(), session.name.to_string());
        let Some(room) = self.rooms.get_mut(room_index) else { return Ok(()) };
        let key = room.chat.next_key(now.unix_ms);
        let message = ChatMessage { key, from, name, text: chat.text.into_owned(), time: now.unix_ms, to: to_peer };
        let tail = Tail::of(&ServerMessage::Chat { message: message.clone() });
        if room.chat_history {
            room.chat.expire(now.unix_ms, self.config.chat_history);
            room.chat.keep(message.clone());
            let room = room.id.clone();
            self.events.push_back(Event::ChatSaid { room, message, session: sid, received });
        }
        match to {
            Some(to) => {
                self.sessions.event(to, tail.clone());
                self.sessions.event(index, tail);
            }
            None => self.send_to_members(room_index, &tail, None),
        }
        Ok(())
    }

    fn on_stats(&mut self, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        let stats: parse::Stats = body(text)?;
        if stats.pairs.len() > MAX_PAIRS {
            return Err(Refusal::bad(format!("`pairs` may have {MAX_PAIRS} entries.")));
        }
        let Some(session) = self.sessions.get(index) else { return Ok(()) };
        let Some(room) = self.rooms.get(session.room) else { return Ok(()) };
        let (room, peer) = (room.id.clone(), session.peer.peer());
        self.events.push_back(Event::PairStats { room, peer, pairs: stats.pairs });
        Ok(())
    }

    /// Takes a newer token of the same person.
    fn on_auth(&mut self, now: Now, index: SessionIndex, text: &str) -> Result<(), Refusal> {
        let auth: parse::Auth<'_> = body(text)?;
        let Auth::Token(keys) = &self.config.auth else {
            return Err(Refusal::new(ErrorCode::Unsupported, "This server uses no tokens."));
        };
        let Some(session) = self.sessions.get_mut(index) else { return Ok(()) };
        let Some(room) = self.rooms.get(session.room) else { return Ok(()) };
        let grant = keys.verify(&auth.token, &room.id.0, now.unix_ms / 1000).map_err(super::join::bad_token)?;
        if grant.sub.as_deref() != session.sub.as_deref() {
            return Err(Refusal::new(ErrorCode::BadToken, "The token is somebody else's: `sub` differs."));
        }
        session.role = grant.role;
        session.can = grant.can;
        session.expires = Some(grant.exp);
        session.media = session.media.allowed(session.permissions(self.config.guest));
        self.arm_session(now, index);
        self.peer_changed(index);
        Ok(())
    }

    /// Tells everybody who sees a participant, itself included, and storage, that it has changed.
    pub(super) fn peer_changed(&mut self, index: SessionIndex) {
        self.announce(index, PeerOp::Set, None);
        self.session_changed(index);
    }

    /// Refuses what a participant may not do.
    pub(super) fn require(&self, index: SessionIndex, permission: Permission) -> Result<(), Refusal> {
        let session = self.sessions.get(index).ok_or_else(|| Refusal::of(ErrorCode::Internal))?;
        match self.permissions(session).has(permission) {
            true => Ok(()),
            false => {
                let message = format!("You may not do that here: it takes the permission `{}`.", permission.name());
                Err(Refusal::new(ErrorCode::NotPermitted, message))
            }
        }
    }

    /// The session, if others may know of it.
    fn shown(&self, index: SessionIndex) -> Result<&Session, Refusal> {
        let session = self.sessions.get(index).ok_or_else(|| Refusal::of(ErrorCode::Internal))?;
        match self.permissions(session).has(Permission::Hidden) {
            false => Ok(session),
            true => Err(Refusal::new(ErrorCode::NotPermitted, "You are hidden, so you can say nothing.")),
        }
    }

    /// Another participant inside the same room, by its id.
    pub(super) fn find_peer(&self, index: SessionIndex, peer: &str) -> Result<SessionIndex, Refusal> {
        let find = || {
            let found = self.sessions.by_peer(Id::parse(peer)?)?;
            let (one, other) = (self.sessions.get(index)?, self.sessions.get(found)?);
            let there = one.room == other.room && other.place == Place::Inside && found != index;
            let hidden = self.permissions(other).has(Permission::Hidden);
            (there && !hidden).then_some(found)
        };
        find().ok_or_else(|| Refusal::of(ErrorCode::NoSuchPeer))
    }

    /// Sends to all others inside the same room.
    pub(super) fn send_to_others(&mut self, index: SessionIndex, tail: &Tail) {
        if let Some(room) = self.sessions.get(index).map(|session| session.room) {
            self.send_to_members(room, tail, Some(index));
        }
    }
}
