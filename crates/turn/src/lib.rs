//! TURN without I/O: a server and a client state machine (RFC 8656, 6062, 8016), and STUN binding with NAT behaviour
//! discovery (RFC 8489, 5780).
//!
//! Both machines take the time and a random generator from the caller and never touch a socket. What they want sent
//! goes into an [`Outbox`], the caller's buffer, in which datagrams of one size to one destination become one train
//! for generic segmentation offload. Nothing is allocated per relayed packet once the buffers have grown.
//!
//! Input from the network is never an error: it is answered, or counted and dropped.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod address;
pub mod client;
mod outbox;
pub mod server;

pub use address::{Cidr, CidrError, PeerPolicy, canonical};
pub use outbox::{Ecn, Outbox, Transmit};

/// Fills a slice with bytes of a cryptographic generator.
pub type Rng = Box<dyn FnMut(&mut [u8]) + Send>;

/// How client and server talk (RFC 8656 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One message a datagram.
    Udp,
    /// Messages framed by their own lengths.
    Tcp,
    /// The same inside TLS.
    Tls,
}

impl Transport {
    /// Whether messages follow each other on a stream, where ChannelData must be padded.
    pub fn is_stream(self) -> bool {
        self != Self::Udp
    }
}

/// Client, server and the protocol between them (RFC 8656 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    /// UDP, TCP or TLS.
    pub transport: Transport,
    /// The client as the server sees it.
    pub client: std::net::SocketAddr,
    /// The server's address that the client sent to.
    pub server: std::net::SocketAddr,
}
