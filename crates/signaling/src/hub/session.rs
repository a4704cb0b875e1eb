//! Sessions and what is kept for each.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use aws_lc_rs::digest;
use slab::Slab;
use subtle::ConstantTimeEq;

use crate::bucket::Bucket;
use crate::frame::{ConnId, Frame, Tail, Text, Transmit};
use crate::id::Id;
use crate::message::{Peer, PeerState, Role, Source};
use crate::permission::Permissions;
use crate::timer::Alarm;

/// A place in the table of sessions. Used again after the session is gone, so it is never kept across one.
pub(crate) type SessionIndex = usize;

/// A place in the table of rooms.
pub(crate) type RoomIndex = usize;

/// What proves that a session is one's own.
#[derive(Clone)]
pub(crate) enum Secret {
    /// As told to the client.
    Plain([u8; 32]),
    /// SHA-256 of it, after a restart; plain again when the client comes back with it.
    Hashed([u8; 32]),
}

impl Secret {
    /// Whether `offered` is the secret. Constant time.
    pub(crate) fn matches(&self, offered: &str) -> bool {
        self.sha256().ct_eq(&sha256(offered.as_bytes())).into()
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Plain(letters) => sha256(letters),
            Self::Hashed(hash) => *hash,
        }
    }

    /// The secret itself, if it is known.
    pub(crate) fn plain(&self) -> String {
        match self {
            Self::Plain(letters) => String::from_utf8_lossy(letters).into_owned(),
            Self::Hashed(_) => String::new(),
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// A session's tie to its client.
///
/// `Up` → `Down` (cut, silent, or does not read) → `Up` (resumed), or the session ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    /// Connected; `heard` is when the client last said something.
    Up { conn: ConnId, heard: Instant },
    /// Cut, and may come back until the resume window closes.
    Down { since: Instant, unix_ms: u64 },
}

/// Where in the room a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the room.
    Inside,
    /// In the waiting room.
    Waiting,
}

/// Events that the client may have missed, oldest first. They are the numbers up to `Session::sent` without a gap.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    events: VecDeque<Tail>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, tail: Tail, limits: RingLimits) {
        self.bytes += tail.len();
        self.events.push_back(tail);
        while self.events.len() > limits.events || self.bytes > limits.bytes {
            self.drop_oldest();
        }
    }

    pub(crate) fn restore(&mut self, tail: Tail) {
        self.bytes += tail.len();
        self.events.push_back(tail);
    }

    fn drop_oldest(&mut self) {
        if let Some(tail) = self.events.pop_front() {
            self.bytes -= tail.len();
        }
    }

    /// Keeps the newest `count` only.
    fn keep(&mut self, count: usize) {
        while self.events.len() > count {
            self.drop_oldest();
        }
        // An idle session holds no memory for events.
        if self.events.is_empty() && self.events.capacity() > 0 {
            self.events = VecDeque::new();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tail> {
        self.events.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }
}

/// How much a [`Ring`] may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingLimits {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// A client that talks too fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abuse {
    /// The first of its refused messages.
    pub(crate) since: Instant,
    /// The last of them.
    pub(crate) last: Instant,
    /// When it was last told.
    pub(crate) told: Instant,
    /// How many were refused.
    pub(crate) refused: u32,
}

/// One participant's session.
pub(crate) struct Session {
    pub(crate) sid: Id,
    pub(crate) secret: Secret,
    pub(crate) peer: Id,
    pub(crate) room: RoomIndex,
    pub(crate) place: Place,
    pub(crate) link: Link,
    pub(crate) name: Box<str>,
    pub(crate) sub: Option<Box<str>>,
    pub(crate) role: Role,
    /// What it may do, where a token says so one by one.
    pub(crate) can: Option<Permissions>,
    pub(crate) media: MediaFlags,
    pub(crate) hand: Option<u64>,
    pub(crate) joined: u64,
    pub(crate) caps: Box<[Box<str>]>,
    /// When its token ends, in seconds since the Unix epoch.
    pub(crate) expires: Option<u64>,
    /// The last number that came from the client.
    pub(crate) received: u64,
    /// The last number that went to the client.
    pub(crate) sent: u64,
    pub(crate) ring: Ring,
    /// The events in the ring do not lead to the present state; only a snapshot does.
    pub(crate) stale: bool,
    pub(crate) bucket: Bucket,
    pub(crate) abuse: Option<Box<Abuse>>,
    /// When it last got a snapshot because it did not read fast enough.
    pub(crate) overflowed: Option<Instant>,
    pub(crate) alarm: Alarm,
}

/// What a participant says it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MediaFlags {
    pub(crate) mic: bool,
    pub(crate) cam: bool,
    pub(crate) screen: bool,
}

impl MediaFlags {
    /// Without what `can` does not allow.
    pub(crate) fn allowed(self, can: Permissions) -> Self {
        Self {
            mic: self.mic && can.may_publish(Source::Mic),
            cam: self.cam && can.may_publish(Source::Cam),
            screen: self.screen && can.may_publish(Source::Screen),
        }
    }
}

impl Session {
    /// The participant as others see it.
    pub(crate) fn as_peer(&self) -> Peer {
        let state = match (self.place, self.link) {
            (Place::Waiting, _) => PeerState::Waiting,
            (Place::Inside, Link::Up { .. }) => PeerState::Joined,
            (Place::Inside, Link::Down { .. }) => PeerState::Away,
        };
        Peer {
            id: self.peer.peer(),
            name: self.name.to_string(),
            role: self.role,
            state,
            mic: self.media.mic,
            cam: self.media.cam,
            screen: self.media.screen,
            hand: self.hand,
            joined: self.joined,
            caps: self.caps.iter().map(|cap| cap.to_string()).collect(),
        }
    }

    pub(crate) fn permissions(&self, guest: Permissions) -> Permissions {
        self.can.unwrap_or(Permissions::of_role(self.role, guest))
    }

    pub(crate) fn conn(&self) -> Option<ConnId> {
        match self.link {
            Link::Up { conn, .. } => Some(conn),
            Link::Down { .. } => None,
        }
    }

    /// Forgets what the client says it has seen.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        let unseen = self.sent.saturating_sub(seq);
        self.ring.keep(usize::try_from(unseen).unwrap_or(usize::MAX));
    }

    /// Whether the events after `last` are all there.
    pub(crate) fn can_replay(&self, last: u64) -> bool {
        !self.stale && self.sent.checked_sub(last).is_some_and(|unseen| unseen <= self.ring.len() as u64)
    }

    /// Begins anew with a snapshot, which takes a number of its own: a client that has missed the snapshot then cannot pass for one that has seen it.
    pub(crate) fn restart_numbers(&mut self, client_last: u64) {
        // After a crash the client may know higher numbers than the server.
        self.sent = self.sent.max(client_last.min(1 << 52)) + 1;
        self.ring.keep(0);
        self.stale = false;
    }
}

/// All sessions, and the way out to their clients.
pub(crate) struct Sessions {
    slab: Slab<Session>,
    by_sid: HashMap<Id, SessionIndex>,
    by_peer: HashMap<Id, SessionIndex>,
    limits: RingLimits,
    pub(crate) out: VecDeque<Transmit>,
}

impl Sessions {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self { slab: Slab::new(), by_sid: HashMap::new(), by_peer: HashMap::new(), limits, out: VecDeque::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn get(&self, index: SessionIndex) -> Option<&Session> {
        self.slab.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: SessionIndex) -> Option<&mut Session> {
        self.slab.get_mut(index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionIndex, &Session)> {
        self.slab.iter()
    }

    pub(crate) fn by_sid(&self, sid: Id) -> Option<SessionIndex> {
        self.by_sid.get(&sid).copied()
    }

    pub(crate) fn by_peer(&self, peer: Id) -> Option<SessionIndex> {
        self.by_peer.get(&peer).copied()
    }

    pub(crate) fn insert(&mut self, session: Session) -> SessionIndex {
        let (sid, peer) = (session.sid, session.peer);
        let index = self.slab.insert(session);
        self.by_sid.insert(sid, index);
        self.by_peer.insert(peer, index);
        index
    }

    pub(crate) fn remove(&mut self, index: SessionIndex) -> Option<Session> {
        let session = self.slab.try_remove(index)?;
        self.by_sid.remove(&session.sid);
        self.by_peer.remove(&session.peer);
        Some(session)
    }

    /// Sends a numbered event, now or when the client is back.
    pub(crate) fn event(&mut self, index: SessionIndex, tail: Tail) {
        let Some(session) = self.slab.get_mut(index) else { return };
        session.sent += 1;
        session.ring.push(tail.clone(), self.limits);
        if let Link::Up { conn, .. } = session.link {
            let text = Text::new(Some(session.sent), tail);
            self.out.push_back(Transmit { conn, frame: Frame::Text(text) });
        }
    }

    /// Sends again what came after `last`.
    pub(crate) fn replay(&mut self, index: SessionIndex, last: u64) {
        let Some(session) = self.slab.get_mut(index) else { return };
        let Link::Up { conn, .. } = session.link else { return };
        session.acknowledge(last);
        let first = session.sent - session.ring.len() as u64 + 1;
        for (seq, tail) in (first..).zip(session.ring.iter()) {
            let text = Text::new(Some(seq), tail.clone());
            self.out.push_back(Transmit { conn, frame: Frame::Text(text) });
        }
    }

    /// Sends something without a number.
    pub(crate) fn plain(&mut self, conn: ConnId, tail: Tail) {
        self.out.push_back(Transmit { conn, frame: Frame::Text(Text::new(None, tail)) });
    }

    pub(crate) fn close(&mut self, conn: ConnId, code: u16, reason: &'static str) {
        self.out.push_back(Transmit { conn, frame: Frame::Close { code, reason } });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_session_is_small() {
        // Ten thousand of them must not show beside their sockets.
        assert!(size_of::<Session>() <= 448, "{} bytes", size_of::<Session>());
        assert_eq!(Ring::default().events.capacity(), 0);
    }

    #[test]
    fn a_ring_that_is_read_holds_no_memory() {
        let mut ring = Ring::default();
        let limits = RingLimits { events: 3, bytes: 100 };
        for _ in 0..5 {
            ring.push(Tail::build("x", 0).end(), limits);
        }
        assert_eq!(ring.len(), 3);
        ring.push(Tail::build("x", 0).plain("y", "", &"z".repeat(80)).end(), limits);
        assert_eq!(ring.len(), 1, "bytes count, too");
        ring.keep(0);
        assert_eq!((ring.bytes, ring.events.capacity()), (0, 0));
    }
}
