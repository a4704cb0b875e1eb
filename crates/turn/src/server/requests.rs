//! Requests: who sends them, and Refresh, CreatePermission and ChannelBind (RFC 8656 §5, §8, §10, §12).

use super::allocation::{CHANNEL_GUARD, Channel, RelayTransport};
use super::auth::{Identity, Verdict};
use super::reply::respond;
use super::{EndReason, Server, Via};
use crate::{Ecn, FiveTuple, Outbox};
use parlour_stun::attribute::{
    AddressFamily, ChannelNumberAttribute, ErrorCode, Lifetime, MobilityTicket, RequestedAddressFamily, XorPeerAddress,
};
use parlour_stun::{AttributeType, ChannelNumber, Class, Message, Method};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a permission lasts (RFC 8656 §9).
pub(super) const PERMISSION: Duration = Duration::from_secs(300);
/// How long a channel lasts (RFC 8656 §12).
const CHANNEL: Duration = Duration::from_secs(600);

/// What the server understands of what must be understood.
const KNOWN: &[AttributeType] = &[
    AttributeType::MAPPED_ADDRESS,
    AttributeType::USERNAME,
    AttributeType::ERROR_CODE,
    AttributeType::UNKNOWN_ATTRIBUTES,
    AttributeType::CHANNEL_NUMBER,
    AttributeType::LIFETIME,
    AttributeType::XOR_PEER_ADDRESS,
    AttributeType::DATA,
    AttributeType::REALM,
    AttributeType::NONCE,
    AttributeType::XOR_RELAYED_ADDRESS,
    AttributeType::REQUESTED_ADDRESS_FAMILY,
    AttributeType::EVEN_PORT,
    AttributeType::REQUESTED_TRANSPORT,
    AttributeType::DONT_FRAGMENT,
    AttributeType::PASSWORD_ALGORITHM,
    AttributeType::USERHASH,
    AttributeType::XOR_MAPPED_ADDRESS,
    AttributeType::RESERVATION_TOKEN,
    AttributeType::CONNECTION_ID,
];

/// An authenticated request and where it came from.
pub(super) struct Request<'a, 'm> {
    pub(super) tuple: FiveTuple,
    pub(super) message: &'a Message<'m>,
    pub(super) identity: Identity,
}

impl Server {
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        tuple: FiveTuple,
        ecn: Ecn,
        message: &Message<'_>,
        out: &mut Outbox<Via>,
    ) {
        if message.fingerprint() == Some(false) {
            self.counters.malformed += 1;
            return;
        }
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => self.relay_send(now, tuple, ecn, message, out),
            // A keep-alive (RFC 8489 §4).
            (Class::Indication, Method::BINDING) => {}
            (Class::Request, Method::BINDING) => self.binding(tuple, message, out),
            (
                Class::Request,
                Method::ALLOCATE
                | Method::REFRESH
                | Method::CREATE_PERMISSION
                | Method::CHANNEL_BIND
                | Method::CONNECT
                | Method::CONNECTION_BIND,
            ) => self.handle_request(now, tuple, message, out),
            _ => self.counters.malformed += 1,
        }
    }

    /// Authenticates a request, refuses what is not understood, and passes the rest on.
    fn handle_request(&mut self, now: Instant, tuple: FiveTuple, message: &Message<'_>, out: &mut Outbox<Via>) {
        let slot = self.clients.get(&tuple).copied();
        let known = slot.and_then(|slot| self.allocations.get(slot as usize)).map(|allocation| &allocation.identity);
        let identity = match self.auth.check(message, &tuple, known, self.unix_s(now)) {
            Verdict::Valid(identity) => identity,
            Verdict::Challenge(code) => return self.challenge(now, out, tuple, message, code),
            Verdict::Malformed => return self.bad_request(now, out, tuple, message),
        };
        let known = |kind: &AttributeType| {
            KNOWN.contains(kind) && (self.config.dont_fragment || *kind != AttributeType::DONT_FRAGMENT)
        };
        let mut unknown = message.unknown_attributes(&[]).filter(|kind| !known(kind)).peekable();
        if unknown.peek().is_some() {
            let unknown: Vec<_> = unknown.collect();
            return self.refuse_unknown(out, tuple, message, &identity, unknown.into_iter());
        }
        let request = Request { tuple, message, identity };
        let done = match message.method() {
            Method::ALLOCATE => self.allocate(now, &request, slot, out),
            Method::REFRESH => self.refresh(now, &request, slot, out),
            Method::CREATE_PERMISSION => self.create_permission(now, &request, slot, out),
            Method::CHANNEL_BIND => self.channel_bind(now, &request, slot, out),
            Method::CONNECT => self.connect(now, &request, slot),
            _ => self.connection_bind(&request, slot, out),
        };
        if let Err(code) = done {
            self.refuse(out, tuple, message, &request.identity, code);
        }
    }

    /// The live allocation that a request is about, if it is its user's (RFC 8656 §5).
    pub(super) fn own_slot(&self, request: &Request<'_, '_>, slot: Option<u32>) -> Result<u32, u16> {
        let slot = slot.ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        let allocation = self
            .allocations
            .get(slot as usize)
            .filter(|allocation| allocation.is_live())
            .ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        if allocation.identity.username != request.identity.username {
            return Err(ErrorCode::WRONG_CREDENTIALS);
        }
        Ok(slot)
    }

    /// The lifetime that is granted (RFC 8656 §7.2, §8.2). Zero stays zero.
    pub(super) fn granted(&self, wanted: Option<Lifetime>) -> u32 {
        let default = self.config.default_lifetime.as_secs() as u32;
        let longest = self.config.max_lifetime.as_secs() as u32;
        match wanted {
            None => default,
            Some(Lifetime(0)) => 0,
            Some(Lifetime(seconds)) => seconds.min(longest).max(default),
        }
    }

    fn refresh(
        &mut self,
        now: Instant,
        request: &Request<'_, '_>,
        slot: Option<u32>,
        out: &mut Outbox<Via>,
    ) -> Result<(), u16> {
        let message = request.message;
        let lifetime = message.get::<Lifetime>().map_err(|_| ErrorCode::BAD_REQUEST)?;
        let ticket = message.get::<MobilityTicket<'_>>().map_err(|_| ErrorCode::BAD_REQUEST)?;
        let slot = match ticket {
            Some(ticket) => self.resume(now, request, ticket.0)?,
            None => self.own_slot(request, slot)?,
        };
        let family = message.get::<RequestedAddressFamily>().map_err(|_| ErrorCode::BAD_REQUEST)?;
        let seconds = self.granted(lifetime);
        if let Some(RequestedAddressFamily(family)) = family {
            let family = family.map_err(|_| ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?;
            let index = self.relay_index(slot, family).ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?;
            if seconds == 0 && self.drop_half(slot, index) {
                respond(out, request.tuple, message, &request.identity, Class::Success, |w| w.put(&Lifetime(0)));
                return Ok(());
            }
        }
        let new_ticket = ticket.and_then(|_| self.ticket(slot));
        respond(out, request.tuple, message, &request.identity, Class::Success, |writer| {
            writer.put(&Lifetime(seconds));
            if let Some(ticket) = &new_ticket {
                writer.put(&MobilityTicket(ticket));
            }
        });
        if seconds == 0 {
            self.remove(slot, EndReason::Deleted);
        } else {
            self.set_expiry(now, slot, seconds);
        }
        Ok(())
    }

    fn set_expiry(&mut self, now: Instant, slot: u32, seconds: u32) {
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return;
        };
        allocation.lifetime = seconds;
        allocation.expires = now + Duration::from_secs(seconds.into());
        if allocation.expires < allocation.timer {
            let id = allocation.id;
            let due = self.next_check(now, slot);
            self.timers.push(due, id.into());
        }
    }

    /// Which relay of an allocation is of `family`.
    pub(super) fn relay_index(&self, slot: u32, family: AddressFamily) -> Option<usize> {
        let allocation = self.allocations.get(slot as usize)?;
        allocation.relays.iter().position(|relay| {
            relay
                .and_then(|id| self.relays.get(id.0 as usize))
                .is_some_and(|relay| AddressFamily::of(relay.address.ip()) == family)
        })
    }

    /// Gives up one address of a dual allocation; `false` if it is the only one.
    fn drop_half(&mut self, slot: u32, index: usize) -> bool {
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return false;
        };
        if allocation.relays.iter().flatten().count() < 2 {
            return false;
        }
        if let Some(relay) = allocation.relays.get_mut(index).and_then(Option::take) {
            self.close_relay(relay);
        }
        true
    }

    fn create_permission(
        &mut self,
        now: Instant,
        request: &Request<'_, '_>,
        slot: Option<u32>,
        out: &mut Outbox<Via>,
    ) -> Result<(), u16> {
        let slot = self.own_slot(request, slot)?;
        let peers: Result<Vec<XorPeerAddress>, _> = request.message.get_all().collect();
        let peers = peers.map_err(|_| ErrorCode::BAD_REQUEST)?;
        if peers.is_empty() {
            return Err(ErrorCode::BAD_REQUEST);
        }
        for XorPeerAddress(peer) in &peers {
            if !self.may_permit(peer.ip()) {
                return Err(ErrorCode::FORBIDDEN);
            }
            self.relay_index(slot, AddressFamily::of(peer.ip())).ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?;
        }
        let limit = self.config.quotas.permissions;
        let allocation = self.allocations.get_mut(slot as usize).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        let wanted = |allocation: &super::Allocation| {
            let mut new: Vec<_> =
                peers.iter().map(|peer| peer.0.ip()).filter(|ip| allocation.permissions.get(ip).is_none()).collect();
            new.sort_unstable();
            new.dedup();
            allocation.permissions.len() + new.len()
        };
        if wanted(allocation) > limit {
            allocation.sweep(now);
            if wanted(allocation) > limit {
                return Err(ErrorCode::INSUFFICIENT_CAPACITY);
            }
        }
        for XorPeerAddress(peer) in peers {
            allocation.permissions.insert(peer.ip(), now + PERMISSION, &self.hasher);
        }
        respond(out, request.tuple, request.message, &request.identity, Class::Success, |_| {});
        Ok(())
    }

    fn channel_bind(
        &mut self,
        now: Instant,
        request: &Request<'_, '_>,
        slot: Option<u32>,
        out: &mut Outbox<Via>,
    ) -> Result<(), u16> {
        let slot = self.own_slot(request, slot)?;
        let bad = ErrorCode::BAD_REQUEST;
        let number = request.message.get::<ChannelNumberAttribute>().ok().flatten().ok_or(bad)?;
        let number = match self.config.legacy_channels {
            true => ChannelNumber::legacy(number.0).ok_or(bad)?,
            false => ChannelNumber::try_from(number.0).map_err(|_| bad)?,
        };
        let XorPeerAddress(peer) = request.message.get().ok().flatten().ok_or(bad)?;
        if !self.may_reach(peer, RelayTransport::Udp) {
            return Err(ErrorCode::FORBIDDEN);
        }
        self.relay_index(slot, AddressFamily::of(peer.ip())).ok_or(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH)?;
        let quotas = self.config.quotas;
        let allocation = self.allocations.get_mut(slot as usize).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        if allocation.transport != RelayTransport::Udp {
            return Err(bad);
        }
        let new_permission = |a: &super::Allocation| usize::from(a.permissions.get(&peer.ip()).is_none());
        let new_channel = |a: &super::Allocation| usize::from(a.channels.get(&number).is_none());
        if allocation.permissions.len() + new_permission(allocation) > quotas.permissions
            || allocation.channels.len() + new_channel(allocation) > quotas.channels
            || !fits(allocation, number, peer)
        {
            allocation.sweep(now);
        }
        if !fits(allocation, number, peer) {
            return Err(bad);
        }
        if allocation.permissions.len() + new_permission(allocation) > quotas.permissions
            || allocation.channels.len() + new_channel(allocation) > quotas.channels
        {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        allocation.channels.insert(number, Channel { peer, expires: now + CHANNEL }, &self.hasher);
        allocation.by_peer.insert(peer, number, &self.hasher);
        allocation.permissions.insert(peer.ip(), now + PERMISSION, &self.hasher);
        respond(out, request.tuple, request.message, &request.identity, Class::Success, |_| {});
        Ok(())
    }
}

/// Whether channel and peer are free, or bound to each other. A binding blocks both for five minutes after its end,
/// until [`Allocation::sweep`](super::Allocation::sweep) takes it away.
fn fits(allocation: &super::Allocation, number: ChannelNumber, peer: SocketAddr) -> bool {
    const { assert!(CHANNEL_GUARD.as_secs() == 300) };
    allocation.channels.get(&number).is_none_or(|channel| channel.peer == peer)
        && allocation.by_peer.get(&peer).is_none_or(|bound| *bound == number)
}
