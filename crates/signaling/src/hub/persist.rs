//! Stopping, starting again, and clients that do not read.

use std::time::Duration;

use super::join::place_of;
use super::refusal::Refusal;
use super::session::{Link, MediaFlags, Place, Ring, Secret, Session, SessionIndex};
use super::{Event, Hub, HubState, Now, RoomState, SessionState};
use crate::bucket::Bucket;
use crate::frame::{ConnId, Tail};
use crate::id::Id;
use crate::message::{ErrorCode, PeerState, ServerMessage};
use crate::timer::Alarm;

/// A client that falls behind again within this time is cut off.
const OVERFLOW_AGAIN: Duration = Duration::from_secs(10);

/// When clients of a server that stops should come back.
const MOVED_RETRY_MS: u32 = 1000;

impl Hub {
    /// The caller could queue no more for a connection and has dropped what it had queued. The client gets a fresh snapshot; if that
    /// happens twice within ten seconds it is cut off, and may resume when it can read again.
    pub fn overflowed(&mut self, now: Now, conn: ConnId) {
        let Some(connection) = self.connections.get(&conn) else { return };
        self.sessions.out.retain(|transmit| transmit.conn != conn);
        let refusal = Refusal::of(ErrorCode::SlowReader);
        let Some(index) = connection.session else { return self.refuse_connection(conn, &refusal) };
        let Some(session) = self.sessions.get_mut(index) else { return };
        let again = session.overflowed.is_some_and(|at| at + OVERFLOW_AGAIN > now.instant);
        session.overflowed = Some(now.instant);
        // What was dropped is in the ring no more than what the client saw; only a snapshot tells the truth.
        session.stale = true;
        match again {
            true => self.disconnect(now, index, &refusal),
            false => self.fresh_start(now, index),
        }
    }

    /// Stops taking anybody in, and tells all clients to come back in a moment. Those who are connected stay connected until the caller closes.
    pub fn drain(&mut self, _now: Now) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let tail = Tail::of(&ServerMessage::Moved { url: None, retry_ms: MOVED_RETRY_MS });
        let connected: Vec<ConnId> = self.sessions.iter().filter_map(|(_, session)| session.conn()).collect();
        for conn in connected {
            self.sessions.plain(conn, tail.clone());
        }
    }

    /// All that must outlive a restart.
    pub fn snapshot(&self) -> HubState {
        let with_chat = |room: &super::Room| RoomState { chat: room.chat.all(), ..room.state() };
        let order = |room: &super::Room| room.members.iter().chain(&room.waiting).copied().collect::<Vec<_>>();
        HubState {
            clean: true,
            rooms: self.rooms.iter().map(|(_, room)| with_chat(room)).collect(),
            sessions: self
                .rooms
                .iter()
                .flat_map(|(_, room)| order(room))
                .filter_map(|index| self.session_state(index, true))
                .collect(),
        }
    }

    /// Goes on from a stored state. All sessions are away; those that were connected have the whole resume window to come back.
    pub fn restore(&mut self, now: Now, state: HubState) {
        for room in state.rooms {
            if !self.room_names.contains_key(&crate::message::RoomId(room.id.clone())) {
                self.make_room(room);
            }
        }
        for session in state.sessions {
            self.restore_session(now, session, state.clean);
        }
        let rooms: Vec<_> = self.rooms.iter().map(|(index, _)| index).collect();
        for index in rooms {
            self.review_room(now, index);
        }
    }

    fn restore_session(&mut self, now: Now, state: SessionState, clean: bool) -> Option<()> {
        let room = *self.room_names.get(&crate::message::RoomId(state.room))?;
        let (sid, peer) = (Id::parse(&state.sid)?, Id::parse(&state.peer)?);
        if self.sessions.by_sid(sid).is_some() || self.sessions.by_peer(peer).is_some() {
            return None;
        }
        // Times of the old process mean nothing to this one's timers; how long somebody had been away is counted by the wall clock.
        let away = state.away_since.map_or(0, |since| now.unix_ms.saturating_sub(since));
        let since = now.instant.checked_sub(Duration::from_millis(away)).unwrap_or(now.instant);
        let [mic, cam, screen] = state.media;
        let place = place_of(state.state);
        let index = self.sessions.insert(Session {
            sid,
            secret: Secret::Hashed(state.secret_sha256),
            peer,
            room,
            place,
            link: Link::Down { since, unix_ms: state.away_since.unwrap_or(now.unix_ms) },
            name: state.name.into(),
            sub: state.sub.map(String::into_boxed_str),
            role: state.role,
            can: state.can,
            media: MediaFlags { mic, cam, screen },
            hand: state.hand,
            joined: state.joined,
            caps: state.caps.into_iter().map(String::into_boxed_str).collect(),
            expires: state.expires,
            received: state.received,
            sent: state.sent,
            ring: Ring::from(state.pending),
            stale: !clean,
            bucket: Bucket::full(now.instant),
            abuse: None,
            overflowed: None,
            alarm: Alarm::default(),
        });
        let room = self.rooms.get_mut(room)?;
        match place {
            Place::Inside => room.members.push(index),
            Place::Waiting => room.waiting.push(index),
        }
        self.arm_session(now, index);
        Some(())
    }

    /// Tells storage that a session has changed.
    pub(super) fn session_changed(&mut self, index: SessionIndex) {
        if let Some(state) = self.session_state(index, false) {
            self.events.push_back(Event::SessionChanged { session: Box::new(state) });
        }
    }

    fn session_state(&self, index: SessionIndex, with_pending: bool) -> Option<SessionState> {
        let session = self.sessions.get(index)?;
        let away_since = match session.link {
            Link::Up { .. } => None,
            Link::Down { unix_ms, .. } => Some(unix_ms),
        };
        let pending = session.ring.iter().filter(|_| with_pending).map(|tail| tail.as_str().to_owned()).collect();
        Some(SessionState {
            sid: session.sid.as_str().to_owned(),
            secret_sha256: session.secret.sha256(),
            peer: session.peer.as_str().to_owned(),
            room: self.rooms.get(session.room)?.id.0.clone(),
            name: session.name.to_string(),
            sub: session.sub.as_deref().map(str::to_owned),
            role: session.role,
            can: session.can,
            state: match session.place {
                Place::Waiting => PeerState::Waiting,
                Place::Inside => PeerState::Joined,
            },
            media: [session.media.mic, session.media.cam, session.media.screen],
            hand: session.hand,
            joined: session.joined,
            away_since,
            expires: session.expires,
            caps: session.caps.iter().map(|cap| cap.to_string()).collect(),
            received: session.received,
            sent: session.sent,
            pending,
        })
    }
}

impl From<Vec<String>> for Ring {
    fn from(pending: Vec<String>) -> Self {
        let mut ring = Self::default();
        for text in pending {
            ring.restore(Tail::from_stored(text));
        }
        ring
    }
}
