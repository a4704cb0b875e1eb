//! The messages of signaling protocol version 1, as Rust types.
//!
//! These types are the single source of the protocol: the JSON Schema, the TypeScript types and the tables in `docs/signaling.md` follow
//! from them. Each WebSocket text frame carries one message, a JSON object whose `t` names its kind.
//!
//! Rules that hold for every message:
//! - An unknown field is ignored. An unknown `t` with an `id` is answered by [`ErrorCode::Unsupported`]; without, it is ignored.
//! - `id` (client) asks for exactly one reply, [`ServerMessage::Ok`] or [`ServerMessage::Error`], that carries it as `re`.
//! - `seq` numbers what each side sends in a session, from 1, without gaps. The receiver ignores a number it has seen. `hello`, `ping`,
//!   `welcome`, `pong`, `moved`, `bye` and fatal errors carry none. After a cut, each side sends again what the other has not seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The protocol's major version, the number in the WebSocket subprotocol [`SUBPROTOCOL`].
pub const VERSION: u32 = 1;

/// The WebSocket subprotocol (RFC 6455 §1.9) that both sides name in the upgrade.
pub const SUBPROTOCOL: &str = "parlour.v1";

/// Names one participant in a room, for as long as its session lives. Lower-case base32, chosen by the server, unique over all servers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PeerId(pub String);

/// Names a session. Known to its client and the server only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SessionId(pub String);

/// Names a room: what stands behind `/r/` in its link. 1 to 128 characters; letters, digits, `-`, `_`, `.`; compared in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RoomId(pub String);

/// A connection between two ends: `p:<peer id>` for the direct one to that peer, later `sfu` for the one to the server.
///
/// Towards the server it names the destination, from the server the origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ConnectionId(pub String);

/// What a participant may do; a set of permissions with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, and moderation: mute requests, kick, lock, admit, roles, end.
    Host,
    /// Publishes and may ask others to mute.
    Speaker,
    /// Publishes, chats, sends files.
    Guest,
    /// Sees, hears and chats; publishes nothing.
    Viewer,
}

/// Where a participant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PeerState {
    /// In the room.
    Joined,
    /// Its connection to the server is cut; its session may still resume. Media between peers may well go on.
    Away,
    /// In the waiting room: seen only by those who may admit it.
    Waiting,
}

/// A participant, whole. Always sent whole, so that applying it twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Its id.
    pub id: PeerId,
    /// The name it shows: 1 to 64 characters.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// Where it stands.
    pub state: PeerState,
    /// Whether it sends sound from a microphone (not muted).
    pub mic: bool,
    /// Whether it sends a camera's picture.
    pub cam: bool,
    /// Whether it shares a screen.
    pub screen: bool,
    /// Whether its hand is raised: the time when it was, in milliseconds since the Unix epoch, so that hands have an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hand: Option<u64>,
    /// When it joined, in milliseconds since the Unix epoch.
    pub joined: u64,
    /// Optional features of its client, from its `hello`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caps: Vec<String>,
}

/// A room, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Room {
    /// Its id.
    pub id: RoomId,
    /// Nobody new may enter.
    pub locked: bool,
    /// Those who come wait until a host admits them.
    pub waiting_room: bool,
    /// Chat is kept for those who come later.
    pub chat_history: bool,
    /// A password is asked of those who come.
    pub password: bool,
    /// How many may be in it.
    pub max_peers: u32,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created: u64,
}

/// A chat message as everybody sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatMessage {
    /// Names this message in its room; grows with time.
    pub key: u64,
    /// Who wrote it.
    pub from: PeerId,
    /// The writer's name at that time.
    pub name: String,
    /// The text, as written: at most 4,000 characters.
    pub text: String,
    /// When the server got it, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The only one to see it beside the writer; absent for a message to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<PeerId>,
}

/// A STUN or TURN server, in the shape of W3C `RTCIceServer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URIs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// User name, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password, for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Realm of the TURN server. With `nonce` it spares a client the round trip of a 401 (RFC 8489 §9.2). Browsers pass over both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// A nonce for this user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

impl IceServer {
    /// A STUN server, which asks for no credentials.
    pub fn stun(url: String) -> Self {
        Self { urls: vec![url], username: None, credential: None, realm: None, nonce: None }
    }
}

/// How media flows in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// Each pair of participants has a connection of its own.
    P2p,
    /// Each participant has one connection, to the server. Not sent by this version.
    Sfu,
}

/// The limits that the server holds this session to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limits {
    /// Longest message, in bytes of UTF-8.
    pub message_bytes: u32,
    /// Messages a second, on average.
    pub messages_per_s: u32,
    /// Messages at once.
    pub burst: u32,
    /// Longest chat text, in characters.
    pub chat_chars: u32,
    /// Most participants whose media goes peer to peer.
    pub p2p_max: u32,
}

/// Takes up a session again after a cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resume {
    /// From the `welcome`.
    pub sid: SessionId,
    /// From the `welcome`.
    pub secret: String,
    /// The last `seq` from the server that this client has seen; 0 for none.
    pub last: u64,
}

/// The whole state of a room as one participant sees it. Replaces all that it knew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// This participant.
    pub you: Peer,
    /// The room.
    pub room: Room,
    /// All others, in the order in which they came. Waiting ones only for those who may admit.
    pub peers: Vec<Peer>,
    /// The last chat messages, oldest first.
    pub chat: Vec<ChatMessage>,
}

/// The kind of a session description (W3C `RTCSdpType`; provisional answers are not used).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SdpKind {
    /// An offer (RFC 9429).
    Offer,
    /// An answer.
    Answer,
    /// Takes back an offer.
    Rollback,
}

/// What kind of source is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A microphone.
    Mic,
    /// A camera.
    Cam,
    /// A shared screen.
    Screen,
}

/// The type of a candidate (RFC 8445 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CandidateType {
    /// An address of the machine itself.
    Host,
    /// The address that a STUN server saw.
    Srflx,
    /// The address that the other end saw.
    Prflx,
    /// An address on a TURN server.
    Relay,
}

/// What carries a connection's packets; for a relayed one, on the way to the TURN server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PairProtocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// How a peer-to-peer connection came about, for the call record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairStats {
    /// The other end.
    pub peer: PeerId,
    /// The local candidate's type.
    pub path: CandidateType,
    /// What carries it.
    pub proto: PairProtocol,
    /// Round-trip time in milliseconds.
    pub rtt_ms: u32,
    /// Packets lost of those this client should have received, in percent.
    pub loss: f32,
    /// 0 (lost) to 100 (perfect).
    pub quality: u8,
}

/// What a client says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message: who comes, to which room, and perhaps in which session.
    Hello {
        /// The protocol's major version: 1.
        v: u32,
        /// The room.
        room: RoomId,
        /// The name to show. A token's name wins over it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// A signed token (JWT), where the server asks for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// The room's password, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String>,
        /// Optional features that this client knows.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        caps: Vec<String>,
        /// Takes up this session again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
        /// What is on from the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media: Option<Media>,
    },
    /// A session description for the other end of a connection.
    Sdp {
        /// Which connection.
        pc: ConnectionId,
        /// Which generation of that connection: grows by one when a side gives up its `RTCPeerConnection` and starts another.
        r#gen: u32,
        /// What kind of description.
        kind: SdpKind,
        /// The description (RFC 8866), passed on unread. Empty for a rollback.
        sdp: String,
    },
    /// A candidate for the other end of a connection; `null` for the end of candidates (RFC 8838).
    Ice {
        /// Which connection.
        pc: ConnectionId,
        /// Which generation of it.
        r#gen: u32,
        /// W3C `RTCIceCandidateInit`, passed on unread.
        cand: Option<Map<String, Value>>,
    },
    /// Asks the other end for an ICE restart.
    Restart {
        /// Which connection.
        pc: ConnectionId,
        /// Which generation of it.
        r#gen: u32,
    },
    /// Changes what others see of this participant. Absent fields stay.
    Set {
        /// Another name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// Sound on or off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mic: Option<bool>,
        /// Camera on or off.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cam: Option<bool>,
        /// Screen shared or not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        screen: Option<bool>,
    },
    /// Raises or lowers a hand: one's own, or (host) lowers another's.
    Hand {
        /// Up or down.
        on: bool,
        /// Whose; absent for one's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<PeerId>,
    },
    /// A reaction that all see for a moment.
    Reaction {
        /// One emoji: at most 32 bytes.
        emoji: String,
    },
    /// Says something to all, or to one.
    Chat {
        /// The text: 1 to `limits.chat_chars` characters.
        text: String,
        /// To whom; absent for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<PeerId>,
    },
    /// Passes application data on, to one or to all others.
    Msg {
        /// To whom; absent for all others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<PeerId>,
        /// What it is about; 1 to 64 characters, chosen by the application.
        topic: String,
        /// Any JSON, passed on unread.
        data: Value,
    },
    /// Lets a waiting participant in, or turns it away. Hosts only.
    Admit {
        /// Who waits.
        peer: PeerId,
        /// In, or away.
        ok: bool,
    },
    /// Closes the room to newcomers, or opens it. Hosts only.
    Lock {
        /// Closed or open.
        on: bool,
    },
    /// Changes the room. Absent fields stay. Hosts only.
    Settings {
        /// Newcomers wait to be admitted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waiting_room: Option<bool>,
        /// Chat is kept for those who come later. Off also forgets what was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chat_history: Option<bool>,
        /// Asks this password of newcomers; an empty one asks none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<String>,
    },
    /// Gives a participant another role. Hosts only.
    Role {
        /// To whom.
        peer: PeerId,
        /// Which.
        role: Role,
    },
    /// Puts a participant out. It may not come back in this session. Hosts only.
    Kick {
        /// Whom.
        peer: PeerId,
        /// Why, shown to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Asks a participant, or all others, to switch a source off.
    AskMute {
        /// Whom; absent for all others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<PeerId>,
        /// What to switch off.
        source: Source,
    },
    /// Ends the room for all. Hosts only.
    End {},
    /// Leaves for good; the session ends at once.
    Bye {},
    /// Exchanges the token for a newer one: other permissions, later expiry.
    Auth {
        /// The new token.
        token: String,
    },
    /// How the connections are, about every 10 s, for the call record.
    Stats {
        /// One entry a connection.
        pairs: Vec<PairStats>,
    },
    /// Asks for a `pong`; keeps the connection alive. Every 10 s, and at once when the network or the page's visibility changes.
    Ping {
        /// The last `seq` seen from the server, which may now forget it.
        ack: u64,
    },
}

/// What a participant sends from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    /// Microphone on.
    #[serde(default)]
    pub mic: bool,
    /// Camera on.
    #[serde(default)]
    pub cam: bool,
}

/// What happened to a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PeerOp {
    /// It is new.
    Add,
    /// Something about it changed.
    Set,
    /// It is gone.
    Del,
}

/// Why a participant is gone, or why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It left.
    Left,
    /// It was cut off and did not come back in time.
    Timeout,
    /// A host put it out.
    Kicked,
    /// A host turned it away from the waiting room.
    Rejected,
    /// The room was ended.
    Ended,
    /// Another connection took up this session.
    Replaced,
    /// Its token is no longer valid.
    Expired,
    /// It broke the rules of the protocol; an `error` went before.
    Misbehaved,
}

/// What the server says.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Answers `hello`; sent again, with a snapshot, when a waiting participant is admitted or when events could not be kept. With a
    /// snapshot it replaces all that the client knew of the room.
    Welcome {
        /// The session.
        sid: SessionId,
        /// What proves that the session is one's own.
        secret: String,
        /// How long after a cut it may be taken up again, in milliseconds.
        resume_ms: u32,
        /// Whether the session went on: what was missed follows as events, and there is no snapshot.
        resumed: bool,
        /// The last `seq` of the client that the server has. What came after it must be sent again.
        ack: u64,
        /// The last `seq` that the snapshot contains; the next event has the number after it. When resumed, the client's own `last`.
        last: u64,
        /// The room; absent when resumed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<Box<Snapshot>>,
        /// STUN and TURN servers for this session.
        ice_servers: Vec<IceServer>,
        /// How media flows.
        topo: Topology,
        /// What the server holds this session to.
        limits: Limits,
        /// Optional features that the server knows.
        caps: Vec<String>,
        /// Which server this is.
        node: String,
        /// The server's clock, in milliseconds since the Unix epoch.
        now: u64,
    },
    /// A session description; `pc` names its origin.
    Sdp {
        /// Which connection: `p:` and the id of the one who sent it.
        pc: ConnectionId,
        /// Which generation of it.
        r#gen: u32,
        /// What kind of description.
        kind: SdpKind,
        /// The description (RFC 8866). Empty for a rollback.
        sdp: String,
    },
    /// A candidate; `pc` names its origin.
    Ice {
        /// Which connection: `p:` and the id of the one who sent it.
        pc: ConnectionId,
        /// Which generation of it.
        r#gen: u32,
        /// W3C `RTCIceCandidateInit`; `null` for the end of candidates.
        cand: Option<Map<String, Value>>,
    },
    /// The other end asks for an ICE restart.
    Restart {
        /// Which connection: `p:` and the id of the one who sent it.
        pc: ConnectionId,
        /// Which generation of it.
        r#gen: u32,
    },
    /// A participant came, changed or went. Those whose own name, media, hand or role changed get it, too.
    Peer {
        /// What happened.
        op: PeerOp,
        /// It, whole.
        peer: Peer,
        /// With `del`: why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Reason>,
    },
    /// The room changed.
    Room {
        /// It, whole.
        room: Room,
    },
    /// Somebody reacts; the one who does gets it too.
    Reaction {
        /// Who.
        from: PeerId,
        /// How.
        emoji: String,
    },
    /// Somebody said something; the writer gets it too.
    Chat {
        /// The message.
        message: ChatMessage,
    },
    /// Application data.
    Msg {
        /// From whom.
        from: PeerId,
        /// What it is about.
        topic: String,
        /// Any JSON.
        data: Value,
    },
    /// A request to switch a source off. The client decides, or its person does.
    AskMute {
        /// Who asks.
        from: PeerId,
        /// What to switch off.
        source: Source,
    },
    /// The request was carried out.
    Ok {
        /// Its `id`.
        re: u64,
    },
    /// Something was refused.
    Error {
        /// The `id` of the request that was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        re: Option<u64>,
        /// What is wrong.
        code: ErrorCode,
        /// The same in English, with what to do.
        message: String,
        /// When to try again, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_ms: Option<u32>,
        /// Whether the server closes the connection after this.
        fatal: bool,
    },
    /// The session is over; the server closes the connection after this.
    Bye {
        /// Why.
        why: Reason,
        /// The same in English.
        message: String,
    },
    /// The server stops or moves: connect again, with the session's `resume`.
    Moved {
        /// Where; absent for the same address.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// When, in milliseconds from now.
        retry_ms: u32,
    },
    /// Answers `ping`.
    Pong {
        /// The last `seq` of the client that the server has; the client may now forget it.
        ack: u64,
        /// The server's clock, in milliseconds since the Unix epoch.
        now: u64,
    },
}

/// What was wrong, in a word that stays the same over versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// Not JSON, not an object, or a field is missing or of the wrong type.
    BadMessage,
    /// This server does not know that kind of message.
    Unsupported,
    /// Another major version of the protocol.
    UnknownVersion,
    /// The first message was not `hello`, or a second `hello` came.
    OutOfOrder,
    /// A token is needed.
    TokenRequired,
    /// The token is not valid; the message says why.
    BadToken,
    /// The room asks for a password.
    PasswordRequired,
    /// The password is wrong.
    BadPassword,
    /// The room's name is not valid.
    BadRoom,
    /// The participant's name is not valid.
    BadName,
    /// The room does not exist and may not be made.
    RoomUnknown,
    /// The room is full.
    RoomFull,
    /// The room is locked.
    RoomLocked,
    /// The server is full.
    ServerFull,
    /// Too many connections from this address.
    TooManyConnections,
    /// Too many joins from this address; wait.
    TooManyJoins,
    /// Too many messages; wait.
    Rate,
    /// The message is too long.
    TooLarge,
    /// This participant may not do that.
    NotPermitted,
    /// No such participant.
    NoSuchPeer,
    /// This client does not read what is sent to it.
    SlowReader,
    /// The client sent nothing for too long.
    IdleTimeout,
    /// The server is stopping and takes no new sessions.
    Draining,
    /// Something broke in the server; it is logged.
    Internal,
}

impl ErrorCode {
    /// The code as it stands in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BadMessage => "bad_message",
            Self::Unsupported => "unsupported",
            Self::UnknownVersion => "unknown_version",
            Self::OutOfOrder => "out_of_order",
            Self::TokenRequired => "token_required",
            Self::BadToken => "bad_token",
            Self::PasswordRequired => "password_required",
            Self::BadPassword => "bad_password",
            Self::BadRoom => "bad_room",
            Self::BadName => "bad_name",
            Self::RoomUnknown => "room_unknown",
            Self::RoomFull => "room_full",
            Self::RoomLocked => "room_locked",
            Self::ServerFull => "server_full",
            Self::TooManyConnections => "too_many_connections",
            Self::TooManyJoins => "too_many_joins",
            Self::Rate => "rate",
            Self::TooLarge => "too_large",
            Self::NotPermitted => "not_permitted",
            Self::NoSuchPeer => "no_such_peer",
            Self::SlowReader => "slow_reader",
            Self::IdleTimeout => "idle_timeout",
            Self::Draining => "draining",
            Self::Internal => "internal",
        }
    }
}
