//! What the server holds for one client: kept small, since there may be a hundred thousand of them.

use super::accounts::Account;
use super::auth::Identity;
use super::limiter::TokenBucket;
use super::small_map::SmallMap;
use super::{AllocationId, Connection, RelayId};
use crate::FiveTuple;
use parlour_stun::attribute::AddressFamily;
use parlour_stun::{ChannelNumber, TransactionId};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// The protocol between server and peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelayTransport {
    /// Datagrams (RFC 8656).
    Udp,
    /// Connections (RFC 6062).
    Tcp,
}

/// A port of the server that belongs to an allocation, or waits for one.
#[derive(Debug)]
pub(super) struct Relay {
    /// The local address.
    pub(super) address: SocketAddr,
    pub(super) transport: RelayTransport,
    pub(super) owner: RelayOwner,
    pub(super) bound: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelayOwner {
    Allocation(AllocationId),
    /// Kept back by EVEN-PORT, under this token (RFC 8656 §7.2).
    Reservation {
        token: u64,
        by: AllocationId,
    },
    /// Given up before the I/O layer has answered the bind.
    Nobody,
}

/// What an Allocate request asked for, kept until its ports are bound.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// The families still to be bound.
    pub(super) families: [Option<AddressFamily>; 2],
    pub(super) even: bool,
    /// EVEN-PORT with the R bit: the next port too.
    pub(super) reserve: bool,
    /// ADDITIONAL-ADDRESS-FAMILY could not be served for this reason.
    pub(super) refused: Option<(AddressFamily, u16)>,
    pub(super) attempts: u8,
    /// How many binds the I/O layer has not answered.
    pub(super) outstanding: u8,
    /// Whether to hand out a mobility ticket.
    pub(super) mobility: bool,
    /// Whether the request had a FINGERPRINT.
    pub(super) fingerprint: bool,
}

/// The life of an allocation:
///
/// ```text
/// Binding ──all ports bound──▶ Live ──Refresh(0), expiry, kick──▶ (gone)
///    └──────no port to be had──▶ (gone, 508)
/// ```
#[derive(Debug)]
pub(super) enum Phase {
    Binding(Box<Wish>),
    Live,
}

/// One channel binding (RFC 8656 §12).
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    pub(super) peer: SocketAddr,
    pub(super) expires: Instant,
}

/// Mobility of one allocation (RFC 8016).
#[derive(Debug, Default)]
pub(super) struct Mobility {
    /// The number of the ticket that is good now.
    pub(super) generation: u32,
    /// A move that the client has asked for but not yet used: data still goes to the old 5-tuple.
    pub(super) pending: Option<FiveTuple>,
    /// Until when the ticket before is good for a retransmission.
    pub(super) previous_until: Option<Instant>,
}

/// Bytes and packets of one allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets from the client to peers.
    pub packets_to_peers: u64,
    /// Bytes from the client to peers.
    pub bytes_to_peers: u64,
    /// Packets from peers to the client.
    pub packets_to_client: u64,
    /// Bytes from peers to the client.
    pub bytes_to_client: u64,
}

/// An allocation (RFC 8656 §2.2).
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) id: AllocationId,
    pub(super) tuple: FiveTuple,
    pub(super) identity: Identity,
    /// Whose quotas it counts against.
    pub(super) account: Arc<Account>,
    /// The client address that the quota was taken for.
    pub(super) quota_address: IpAddr,
    pub(super) transport: RelayTransport,
    pub(super) relays: [Option<RelayId>; 2],
    pub(super) phase: Phase,
    /// The Allocate request that made it, so that a retransmission is answered again (RFC 8656 §7.2).
    pub(super) allocate: TransactionId,
    pub(super) lifetime: u32,
    pub(super) expires: Instant,
    /// When its entry in the timer queue is due, which may be before `expires`.
    pub(super) timer: Instant,
    pub(super) permissions: SmallMap<IpAddr, Instant>,
    pub(super) channels: SmallMap<ChannelNumber, Channel>,
    pub(super) by_peer: SmallMap<SocketAddr, ChannelNumber>,
    pub(super) reservation: Option<u64>,
    pub(super) refused: Option<(AddressFamily, u16)>,
    pub(super) mobility: Option<Box<Mobility>>,
    /// TCP connections by the peer's address (RFC 6062).
    pub(super) connections: SmallMap<SocketAddr, Connection>,
    pub(super) bandwidth: Option<Box<[TokenBucket; 2]>>,
    pub(super) traffic: Traffic,
}

/// How long after its end a channel may not be bound to something else (RFC 8656 §12).
pub(super) const CHANNEL_GUARD: std::time::Duration = std::time::Duration::from_secs(300);

impl Allocation {
    pub(super) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    /// Whether the peer may send to this client, and the client to the peer (RFC 8656 §9).
    pub(super) fn permits(&self, now: Instant, peer: IpAddr) -> bool {
        self.permissions.get(&peer).is_some_and(|expires| *expires > now)
    }

    /// Forgets what has been over for so long that nobody can mind.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.permissions.retain(|_, expires| *expires > now);
        self.channels.retain(|_, channel| channel.expires + CHANNEL_GUARD > now);
        let channels = &self.channels;
        self.by_peer.retain(|peer, number| channels.get(number).is_some_and(|channel| channel.peer == *peer));
    }
}
