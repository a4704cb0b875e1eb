//! What clients are told about STUN and TURN servers: the operator's, and the relay in this process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use parlour_signaling::message::{IceServer, SessionId};
use parlour_signaling::{ConnId, IceServers};

use crate::config::Config;
use crate::lock;
use crate::turn::Turn;

/// The servers of others, our relay, and by which name each client has reached us.
pub(crate) struct Ice {
    named: Vec<IceServer>,
    turn: Option<Turn>,
    https: OnceLock<Option<u16>>,
    /// The relay is told to a client under the name that the client knows already.
    hosts: Mutex<HashMap<ConnId, Box<str>>>,
}

impl Ice {
    pub(crate) fn new(config: &Config, turn: Option<Turn>) -> Self {
        let named = config.ice_servers.iter().map(|server| IceServer {
            urls: server.urls.clone(),
            username: server.username.clone(),
            credential: server.credential.as_ref().map(|secret| secret.expose().to_owned()),
            realm: None,
            nonce: None,
        });
        Self { named: named.collect(), turn, https: OnceLock::new(), hosts: Mutex::default() }
    }

    pub(crate) fn turn(&self) -> Option<&Turn> {
        self.turn.as_ref()
    }

    /// Where HTTPS is really listened for.
    pub(crate) fn set_https(&self, addr: Option<SocketAddr>) {
        let _ = self.https.set(addr.map(|addr| addr.port()));
    }

    /// The hub's way to ask.
    pub(crate) fn for_hub(ice: &Arc<Self>) -> IceServers {
        let ice = Arc::clone(ice);
        Arc::new(move |sid: &SessionId, conn, unix_s| {
            let host = lock(&ice.hosts).get(&conn).cloned().unwrap_or_else(|| "localhost".into());
            ice.servers(&sid.0, &host, unix_s)
        })
    }

    /// All servers, with credentials for `id`.
    pub(crate) fn servers(&self, id: &str, host: &str, unix_s: u64) -> Vec<IceServer> {
        let mut all = self.named.clone();
        if let Some(turn) = &self.turn {
            all.extend(turn.ice_servers(id, host, self.https.get().copied().flatten(), unix_s));
        }
        all
    }

    /// The servers that ask for no credentials, for somebody who has shown none.
    pub(crate) fn without_credentials(&self, host: &str) -> Vec<IceServer> {
        let mut all = self.servers("", host, 0);
        all.retain(|server| server.credential.is_none());
        all
    }

    /// Remembers by which name a client has reached us, until [`Ice::forget`].
    pub(crate) fn remember(&self, conn: ConnId, host: Box<str>) {
        if self.turn.is_some() {
            lock(&self.hosts).insert(conn, host);
        }
    }

    pub(crate) fn forget(&self, conn: ConnId) {
        if self.turn.is_some() {
            lock(&self.hosts).remove(&conn);
        }
    }
}
