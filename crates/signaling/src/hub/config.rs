//! How a hub is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Rate;
use crate::frame::ConnId;
use crate::message::{IceServer, Limits, SessionId};
use crate::password::PasswordHash;
use crate::permission::Permissions;
use crate::token::KeySet;

/// Makes the STUN and TURN servers for one session on this connection, with credentials of its own. The last argument is the time in seconds
/// since the Unix epoch.
pub type IceServers = Arc<dyn Fn(&SessionId, ConnId, u64) -> Vec<IceServer> + Send + Sync>;

/// Who may come in.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Everybody. The first in a room is its host.
    #[default]
    Open,
    /// Everybody who knows the server's password. The first in a room is its host.
    Password(PasswordHash),
    /// Those with a signed token, which names their role.
    Token(KeySet),
}

/// The settings of a [`crate::Hub`]. [`HubConfig::default`] holds the protocol's defaults.
#[derive(Clone)]
pub struct HubConfig {
    /// The name of this server, told to clients.
    pub node: String,
    /// Who may come in.
    pub auth: Auth,
    /// Whether joining an unknown room makes it.
    pub auto_create: bool,
    /// Most participants in a room, those who wait included.
    pub max_peers: u32,
    /// Most sessions in this hub.
    pub max_sessions: usize,
    /// Most participants whose media goes peer to peer, told to clients.
    pub p2p_max: u32,
    /// Whether a new room has a waiting room.
    pub waiting_room: bool,
    /// How long chat is kept for those who come later; zero makes new rooms keep none.
    pub chat_history: Duration,
    /// What guests may do.
    pub guest: Permissions,
    /// How long a room outlives its last session.
    pub empty_timeout: Duration,
    /// How long a session outlives its connection.
    pub resume: Duration,
    /// How long a connection may take for its `hello`.
    pub hello_timeout: Duration,
    /// How long a client may be silent.
    pub idle_timeout: Duration,
    /// How long a room's hosts may all be away before another participant becomes host. Not used with tokens.
    pub host_absence: Duration,
    /// Most events kept for a session to see after a cut.
    pub ring_events: usize,
    /// Most bytes of events kept for a session to see after a cut.
    pub ring_bytes: usize,
    /// Longest message, in bytes.
    pub message_bytes: u32,
    /// Messages a second that a client may send on average.
    pub messages_per_s: u32,
    /// Messages that a client may send at once.
    pub burst: u32,
    /// Longest chat text, in characters.
    pub chat_chars: u32,
    /// Optional features, told to clients.
    pub caps: Vec<String>,
    /// Makes the STUN and TURN servers for a session.
    pub ice_servers: IceServers,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            node: "local".to_owned(),
            auth: Auth::Open,
            auto_create: true,
            max_peers: 100,
            max_sessions: 1_000_000,
            p2p_max: 6,
            waiting_room: false,
            chat_history: Duration::from_secs(4 * 3600),
            guest: Permissions::GUEST,
            empty_timeout: Duration::from_secs(300),
            resume: Duration::from_secs(30),
            hello_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(25),
            host_absence: Duration::from_secs(30),
            ring_events: 1024,
            ring_bytes: 1 << 20,
            message_bytes: 64 << 10,
            messages_per_s: 50,
            burst: 200,
            chat_chars: 4000,
            caps: Vec::new(),
            ice_servers: Arc::new(|_, _, _| Vec::new()),
        }
    }
}

impl HubConfig {
    pub(crate) fn rate(&self) -> Rate {
        Rate::new(self.messages_per_s, self.burst)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            message_bytes: self.message_bytes,
            messages_per_s: self.messages_per_s,
            burst: self.burst,
            chat_chars: self.chat_chars,
            p2p_max: self.p2p_max,
        }
    }
}

impl fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConfig").field("node", &self.node).field("auth", &self.auth).finish_non_exhaustive()
    }
}
