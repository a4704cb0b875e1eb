//! The hub's state as it is stored, so that calls outlive a restart of the server.

use serde::{Deserialize, Serialize};

use crate::message::{ChatMessage, PeerState, Role};
use crate::password::PasswordHash;
use crate::permission::Permissions;

/// All that a hub knows and that outlives its connections.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct HubState {
    /// Whether this is the whole state, taken when the hub stopped. False for what was put together after a crash from single events:
    /// then sessions go on, but their clients get fresh snapshots.
    pub clean: bool,
    /// Rooms, with their chat.
    pub rooms: Vec<RoomState>,
    /// Sessions, in the order in which they joined their rooms.
    pub sessions: Vec<SessionState>,
}

/// A room.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoomState {
    /// Its name.
    pub id: String,
    /// Nobody new may enter.
    pub locked: bool,
    /// Newcomers wait to be admitted.
    pub waiting_room: bool,
    /// Chat is kept.
    pub chat_history: bool,
    /// The password asked of newcomers.
    pub password: Option<PasswordHash>,
    /// Whether it stays when it is empty.
    pub permanent: bool,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created: u64,
    /// Tokens' subjects that were put out and may not come back.
    #[serde(default)]
    pub banned: Vec<String>,
    /// The chat that is kept.
    #[serde(default)]
    pub chat: Vec<ChatMessage>,
}

/// A session. Its secret is here only as a hash.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionState {
    /// Its id.
    pub sid: String,
    /// SHA-256 (FIPS 180-4) of its secret.
    pub secret_sha256: [u8; 32],
    /// Its participant's id.
    pub peer: String,
    /// The room.
    pub room: String,
    /// The name that others see.
    pub name: String,
    /// The token's subject.
    pub sub: Option<String>,
    /// Its role.
    pub role: Role,
    /// What it may do, where that is not what the role says.
    pub can: Option<Permissions>,
    /// Where it stood. `Away` and `Joined` are the same to a hub that starts.
    pub state: PeerState,
    /// Microphone, camera, screen: on or off.
    pub media: [bool; 3],
    /// When the hand was raised.
    pub hand: Option<u64>,
    /// When it joined, in milliseconds since the Unix epoch.
    pub joined: u64,
    /// When its connection was cut, in milliseconds since the Unix epoch, if it was.
    pub away_since: Option<u64>,
    /// When its token ends, in seconds since the Unix epoch.
    pub expires: Option<u64>,
    /// Optional features of its client.
    pub caps: Vec<String>,
    /// The last number the client used.
    pub received: u64,
    /// The last number used towards the client.
    pub sent: u64,
    /// The newest of the events sent, as JSON without the opening brace, that the client has not acknowledged.
    #[serde(default)]
    pub pending: Vec<String>,
}
