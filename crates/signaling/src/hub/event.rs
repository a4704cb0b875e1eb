//! What the hub tells its owner, for storage, metrics and logs.

use std::net::IpAddr;

use super::state::{RoomState, SessionState};
use crate::message::{ChatMessage, ErrorCode, PairStats, PeerId, Reason, Role, RoomId, SessionId};

/// Something that happened. Nothing waits for an answer; an owner that needs none of them still polls them away.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A participant is in a room (admitted, where there is a waiting room).
    Joined {
        /// The room.
        room: RoomId,
        /// The participant.
        peer: PeerId,
        /// Its name.
        name: String,
        /// Its role.
        role: Role,
        /// When, in milliseconds since the Unix epoch.
        time: u64,
    },
    /// Somebody knocks at a room with a waiting room.
    Waiting {
        /// The room.
        room: RoomId,
        /// Who.
        peer: PeerId,
    },
    /// A participant, or one who waited, is gone for good.
    Left {
        /// The room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Why.
        why: Reason,
        /// When it joined, in milliseconds since the Unix epoch; absent if it only waited.
        joined: Option<u64>,
        /// When it left, in milliseconds since the Unix epoch.
        time: u64,
    },
    /// A session's connection was cut.
    Away {
        /// The room.
        room: RoomId,
        /// Who.
        peer: PeerId,
    },
    /// A session was taken up again.
    Resumed {
        /// The room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// Whether what it missed was replayed; otherwise it got a fresh snapshot.
        replayed: bool,
    },
    /// A chat message that the room keeps.
    ChatSaid {
        /// The room.
        room: RoomId,
        /// The message.
        message: ChatMessage,
        /// The writer's session.
        session: SessionId,
        /// The last number that came from that session: stored with the message, it keeps a message from being said twice after a crash.
        received: u64,
    },
    /// The chat that was kept is to be forgotten.
    ChatForgotten {
        /// The room.
        room: RoomId,
    },
    /// A room is new or changed. The state is without its chat.
    RoomChanged {
        /// The room.
        room: RoomState,
    },
    /// A room is forgotten.
    RoomGone {
        /// The room.
        room: RoomId,
    },
    /// A session is new or changed in what must outlive a crash of the server. The state is without its pending events.
    SessionChanged {
        /// The session.
        session: Box<SessionState>,
    },
    /// A session is over.
    SessionGone {
        /// The session.
        session: SessionId,
    },
    /// A client says how its connections are.
    PairStats {
        /// The room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// One entry a connection.
        pairs: Vec<PairStats>,
    },
    /// Something was refused.
    Refused {
        /// Where it came from.
        addr: Option<IpAddr>,
        /// Why.
        code: ErrorCode,
        /// Whether it cost the connection.
        fatal: bool,
    },
}
