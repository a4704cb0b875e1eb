//! ICE over TCP: connections (RFC 6544).

use crate::transport::RelayId;
use std::net::SocketAddr;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// TURN over TCP or TLS.
    Relay(RelayId),
    /// A pair's: opened from here for the local candidate of this index.
    Check { local: usize },
    /// Accepted at the listener of the local candidate of this index.
    Accepted { local: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamState {
    Connecting,
    Open,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) purpose: Purpose,
    pub(crate) state: StreamState,
    pub(crate) remote: SocketAddr,
    /// The local end, once it is known.
    pub(crate) local: Option<SocketAddr>,
    /// Bytes of a message that is not whole yet.
    pub(crate) buffer: Vec<u8>,
    /// Whether a message with the right password has come.
    pub(crate) authenticated: bool,
}

impl Stream {
    pub(crate) fn connecting(purpose: Purpose, remote: SocketAddr) -> Self {
        Self { purpose, state: StreamState::Connecting, remote, local: None, buffer: Vec::new(), authenticated: false }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == StreamState::Open
    }
}
