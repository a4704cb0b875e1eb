//! What an agent tells its owner.

use crate::candidate::{Candidate, Unusable};
use crate::config::Role;
use crate::pair::PairId;
use crate::transport::StreamId;
use std::net::{IpAddr, SocketAddr};

/// W3C RTCIceTransportState.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionState {
    /// Nothing is known of the other agent.
    #[default]
    New,
    /// Checks run, none was answered.
    Checking,
    /// Data can flow.
    Connected,
    /// A pair is nominated, and no better one can come.
    Completed,
    /// The path has fallen silent. It may come back, or another one be found.
    Disconnected,
    /// There is no path, or consent to use it has ended. A restart helps, or a late check.
    Failed,
    /// The agent was closed.
    Closed,
}

/// W3C RTCIceGatheringState.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GatheringState {
    /// There is no socket yet.
    #[default]
    New,
    /// Servers are being asked.
    Gathering,
    /// All servers have answered, or will not.
    Complete,
}

/// Something for the owner of an agent to do, to tell the other agent, or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state of the connection.
    State(ConnectionState),
    /// The state of gathering. At [`GatheringState::Complete`] tell the other agent that no candidate will follow
    /// (RFC 8838 §13).
    Gathering(GatheringState),
    /// Tell the other agent of this candidate.
    LocalCandidate(Candidate),
    /// A server could not be used: its address, and a code as of RTCPeerConnectionIceErrorEvent, 701 for silence.
    GatheringError {
        /// The server.
        server: SocketAddr,
        /// A STUN error code, or 701.
        code: u16,
        /// For people.
        reason: String,
    },
    /// A candidate of the other agent was not taken.
    CandidateRefused(Unusable),
    /// Data flows by another pair from now on, or that pair has been nominated.
    SelectedPair {
        /// The pair.
        pair: PairId,
        /// This side's candidate, as the other agent sees it.
        local: Candidate,
        /// The other side's.
        remote: Candidate,
        /// Whether it is nominated: if not, another one may follow soon.
        nominated: bool,
    },
    /// A role conflict was solved by taking this role.
    RoleChanged(Role),
    /// A packet of the DTLS handshake came by a check; hand it to DTLS as if it had come by the path.
    Handshake(Vec<u8>),
    /// Connect, then call [`Agent::handle_stream_open`](crate::Agent::handle_stream_open) or
    /// [`Agent::handle_stream_closed`](crate::Agent::handle_stream_closed).
    OpenStream {
        /// The name to use for it.
        stream: StreamId,
        /// Where to connect from: an address, or a whole socket for simultaneous open. Port 0 is any.
        local: Option<SocketAddr>,
        /// Where to.
        remote: SocketAddr,
        /// Speak TLS on it, and check the certificate against this name.
        tls: Option<String>,
    },
    /// Close the connection.
    CloseStream(StreamId),
    /// Look up this name, then call [`Agent::handle_resolved`](crate::Agent::handle_resolved). A name that ends in
    /// `.local` must be asked for by mDNS alone (RFC 6762 §3).
    Resolve(String),
    /// Answer mDNS queries for this name by this address.
    PublishName {
        /// A random UUID and `.local`.
        name: String,
        /// What it stands for.
        address: IpAddr,
    },
}
