//! TCP relays: Connect, ConnectionAttempt, ConnectionBind (RFC 6062 §5).

use super::allocation::{RelayOwner, RelayTransport};
use super::auth::Identity;
use super::reply::{respond, send};
use super::requests::Request;
use super::timers::Timer;
use super::{AllocationId, EndReason, IoRequest, RelayId, Server, Via};
use crate::{FiveTuple, Outbox};
use parlour_stun::attribute::{
    AddressFamily, ConnectionId, ErrorCode, MobilityTicket, ReservationToken, XorPeerAddress,
};
use parlour_stun::{Class, Message, MessageWriter, Method, TransactionId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a connection may take to be made, and then to be bound (RFC 6062 §5.2, §5.3).
const PATIENCE: Duration = Duration::from_secs(30);

/// A TCP connection to a peer, named by its CONNECTION-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection(pub u32);

/// ```text
/// Connecting ──▶ Waiting ──ConnectionBind──▶ Spliced
///      accepted ────▲
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    /// The I/O layer is connecting; this Connect request waits for the outcome.
    Connecting(TransactionId),
    /// Connected; the client has not bound it yet.
    Waiting,
    /// Bytes flow.
    Spliced,
}

#[derive(Debug)]
pub(super) struct PeerConnection {
    allocation: AllocationId,
    state: State,
    deadline: Instant,
}

impl Server {
    pub(super) fn connect(&mut self, now: Instant, request: &Request<'_, '_>, slot: Option<u32>) -> Result<(), u16> {
        let slot = self.own_slot(request, slot)?;
        let bad = ErrorCode::BAD_REQUEST;
        let XorPeerAddress(peer) = request.message.get().ok().flatten().ok_or(bad)?;
        let allocation = self.allocations.get(slot as usize).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        let (id, open) = (allocation.id, allocation.connections.len());
        let existing = allocation.connections.get(&peer).and_then(|connection| self.connections.get(&connection.0));
        let existing = existing.map(|connection| connection.state);
        if allocation.transport != RelayTransport::Tcp {
            return Err(bad);
        }
        if !self.may_reach(peer, RelayTransport::Tcp) {
            return Err(ErrorCode::FORBIDDEN);
        }
        let relay = self
            .relay_index(slot, AddressFamily::of(peer.ip()))
            .and_then(|index| self.allocations.get(slot as usize)?.relays.get(index).copied().flatten())
            .ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?;
        let transaction = request.message.transaction_id();
        match existing {
            // A retransmission over a broken path through the I/O layer: the answer is under way.
            Some(State::Connecting(first)) if first == transaction => return Ok(()),
            Some(_) => return Err(ErrorCode::CONNECTION_ALREADY_EXISTS),
            None => {}
        }
        if open >= self.config.quotas.connections {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        let connection = self.insert_connection(now, id, peer, State::Connecting(transaction));
        self.requests.push_back(IoRequest::ConnectPeer { connection, relay, peer });
        Ok(())
    }

    fn insert_connection(
        &mut self,
        now: Instant,
        allocation: AllocationId,
        peer: SocketAddr,
        state: State,
    ) -> Connection {
        // The remainder says whose it is.
        let share = self.config.share;
        let random = self.random_u32();
        let mut number = (random - random % share.count).checked_add(share.index).unwrap_or(share.index);
        while number == 0 || self.connections.contains_key(&number) {
            number = number.checked_add(share.count).unwrap_or(share.index);
        }
        let deadline = now + PATIENCE;
        self.connections.insert(number, PeerConnection { allocation, state, deadline });
        if let Some(allocation) = self.allocations.get_mut(allocation.slot as usize) {
            allocation.connections.insert(peer, Connection(number), &self.hasher);
        }
        self.timers.push(deadline, Timer::Connection(number));
        Connection(number)
    }

    fn remove_connection(&mut self, connection: Connection) -> Option<PeerConnection> {
        let gone = self.connections.remove(&connection.0)?;
        if let Some(slot) = self.slot(gone.allocation)
            && let Some(allocation) = self.allocations.get_mut(slot as usize)
        {
            allocation.connections.retain(|_, open| *open != connection);
        }
        Some(gone)
    }

    /// The I/O layer has connected to the peer, or could not.
    pub fn handle_peer_connected(
        &mut self,
        now: Instant,
        connection: Connection,
        connected: bool,
        out: &mut Outbox<Via>,
    ) {
        let Some(entry) = self.connections.get_mut(&connection.0) else {
            if connected {
                self.requests.push_back(IoRequest::ClosePeer { connection });
            }
            return;
        };
        let State::Connecting(transaction) = entry.state else {
            return;
        };
        let allocation = entry.allocation;
        if connected {
            entry.state = State::Waiting;
            entry.deadline = now + PATIENCE;
            self.timers.push(now + PATIENCE, Timer::Connection(connection.0));
        } else {
            self.remove_connection(connection);
        }
        self.answer_connect(allocation, transaction, connected.then_some(connection), out);
    }

    fn answer_connect(
        &mut self,
        allocation: AllocationId,
        transaction: TransactionId,
        connection: Option<Connection>,
        out: &mut Outbox<Via>,
    ) {
        let Some(allocation) = self.slot(allocation).and_then(|slot| self.allocations.get(slot as usize)) else {
            return;
        };
        let identity: &Identity = &allocation.identity;
        let class = if connection.is_some() { Class::Success } else { Class::Error };
        send(out, allocation.tuple, |buffer| {
            let mut writer = MessageWriter::new(buffer, class, Method::CONNECT, transaction);
            match connection {
                Some(connection) => writer.put(&ConnectionId(connection.0)),
                None => writer.put(&ErrorCode::of(ErrorCode::CONNECTION_TIMEOUT_OR_FAILURE)),
            }
            writer.integrity(&identity.key);
            writer.finish().is_ok()
        });
    }

    /// A peer has connected to the listener of a relay. With `None` the I/O layer must close it at once: there is no
    /// permission for that peer, or it is denied (RFC 6062 §5.3).
    pub fn handle_peer_accepted(
        &mut self,
        now: Instant,
        relay: RelayId,
        peer: SocketAddr,
        out: &mut Outbox<Via>,
    ) -> Option<Connection> {
        let entry = self.relays.get(relay.0 as usize).filter(|relay| relay.transport == RelayTransport::Tcp)?;
        let RelayOwner::Allocation(id) = entry.owner else {
            return None;
        };
        let allocation = self.slot(id).and_then(|slot| self.allocations.get(slot as usize))?;
        let allowed = allocation.is_live()
            && allocation.permits(now, peer.ip())
            && self.may_permit(peer.ip())
            && allocation.connections.get(&peer).is_none()
            && allocation.connections.len() < self.config.quotas.connections;
        if !allowed {
            self.counters.dropped_unpermitted += 1;
            return None;
        }
        let tuple = allocation.tuple;
        let connection = self.insert_connection(now, id, peer, State::Waiting);
        let id = TransactionId::random(&mut self.rng);
        send(out, tuple, |buffer| {
            let mut writer = MessageWriter::new(buffer, Class::Indication, Method::CONNECTION_ATTEMPT, id);
            writer.put(&XorPeerAddress(peer));
            writer.put(&ConnectionId(connection.0));
            writer.finish().is_ok()
        });
        Some(connection)
    }

    /// Which of the servers behind one address a message is for, if it names another one than this: a ConnectionBind
    /// by its CONNECTION-ID, a Refresh by a genuine MOBILITY-TICKET, an Allocate by its RESERVATION-TOKEN (RFC 6062
    /// §5.4, RFC 8016 §3.2.2, RFC 8656 §7.2). Ask only about clients that have no allocation here.
    pub fn home_of(&self, bytes: &[u8]) -> Option<u32> {
        let share = self.config.share;
        if share.count == 1 || !matches!(bytes.first(), Some(0..=3)) {
            return None;
        }
        let message = Message::parse(bytes).ok().filter(|message| message.class() == Class::Request)?;
        let home = match message.method() {
            Method::CONNECTION_BIND => message.get::<ConnectionId>().ok()??.0 % share.count,
            Method::ALLOCATE => (message.get::<ReservationToken>().ok()??.0 % u64::from(share.count)) as u32,
            Method::REFRESH => self.home_of_ticket(message.get::<MobilityTicket<'_>>().ok()??.0)?,
            _ => return None,
        };
        (home != share.index && home < share.count).then_some(home)
    }

    pub(super) fn connection_bind(
        &mut self,
        request: &Request<'_, '_>,
        slot: Option<u32>,
        out: &mut Outbox<Via>,
    ) -> Result<(), u16> {
        let bad = ErrorCode::BAD_REQUEST;
        // The control connection itself cannot become a data connection (RFC 6062 §4.4).
        if !request.tuple.transport.is_stream() || slot.is_some() {
            return Err(bad);
        }
        let ConnectionId(number) = request.message.get().ok().flatten().ok_or(bad)?;
        let entry = self.connections.get(&number).filter(|c| matches!(c.state, State::Waiting)).ok_or(bad)?;
        let owner = self.slot(entry.allocation).and_then(|slot| self.allocations.get(slot as usize)).ok_or(bad)?;
        if owner.identity.username != request.identity.username {
            return Err(ErrorCode::WRONG_CREDENTIALS);
        }
        if let Some(entry) = self.connections.get_mut(&number) {
            entry.state = State::Spliced;
        }
        respond(out, request.tuple, request.message, &request.identity, Class::Success, |_| {});
        self.requests.push_back(IoRequest::Splice { connection: Connection(number), client: request.tuple });
        Ok(())
    }

    /// Either side of a connection has closed, or it could not be carried on.
    pub fn handle_connection_closed(&mut self, connection: Connection) {
        self.remove_connection(connection);
    }

    /// The stream of a client has closed. Its allocation ends, unless it may move (RFC 8656 §2.1, RFC 8016 §3.2.2).
    pub fn handle_client_closed(&mut self, tuple: FiveTuple) {
        let Some(slot) = self.clients.get(&tuple).copied() else {
            return;
        };
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return;
        };
        match &mut allocation.mobility {
            None => self.remove(slot, EndReason::ClientClosed),
            Some(mobility) if mobility.pending == Some(tuple) => {
                mobility.pending = None;
                self.clients.remove(&tuple);
            }
            Some(_) => {}
        }
    }

    pub(super) fn expire_connection(&mut self, now: Instant, number: u32, out: &mut Outbox<Via>) {
        let Some(entry) = self.connections.get(&number).filter(|c| c.deadline <= now) else {
            return;
        };
        let (allocation, state) = (entry.allocation, entry.state);
        if matches!(state, State::Spliced) {
            return;
        }
        self.remove_connection(Connection(number));
        self.requests.push_back(IoRequest::ClosePeer { connection: Connection(number) });
        if let State::Connecting(transaction) = state {
            self.answer_connect(allocation, transaction, None, out);
        }
    }
}
