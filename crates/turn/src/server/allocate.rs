//! Allocate: what is wanted, and the binding of its ports (RFC 8656 §7.2).

use super::accounts::Account;
use super::allocation::{Allocation, Phase, Relay, RelayOwner, RelayTransport, Wish};
use super::limiter::TokenBucket;
use super::reply::{respond, send};
use super::requests::Request;
use super::small_map::SmallMap;
use super::timers::Timer;
use super::{AllocationId, EndReason, Event, IoRequest, RelayId, Server, Via};
use crate::Outbox;
use crate::server::auth::quota_holder;
use parlour_stun::attribute::{
    AdditionalAddressFamily, AddressErrorCode, AddressFamily, AlternateServer, DontFragment, ErrorCode, EvenPort,
    Lifetime, MobilityTicket, RequestedAddressFamily, RequestedTransport, ReservationToken, XorMappedAddress,
    XorRelayedAddress,
};
use parlour_stun::{Class, MessageWriter, Method};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often another port is tried when the system says that one is taken.
const BIND_ATTEMPTS: u8 = 64;
/// How long a reserved port waits (RFC 8656 §7.2: at least 30 s).
const RESERVATION: Duration = Duration::from_secs(30);

/// What an Allocate request asks for, its contradictions sorted out.
struct Wanted {
    transport: RelayTransport,
    wish: Wish,
    token: Option<u64>,
    lifetime: u32,
}

impl Server {
    pub(super) fn allocate(
        &mut self,
        now: Instant,
        request: &Request<'_, '_>,
        slot: Option<u32>,
        out: &mut Outbox<Via>,
    ) -> Result<(), u16> {
        if let Some(allocation) = slot.and_then(|slot| self.allocations.get(slot as usize)) {
            let again = allocation.allocate == request.message.transaction_id()
                && allocation.identity.username == request.identity.username;
            return match (again, &allocation.phase) {
                (true, Phase::Live) => {
                    self.answer_allocate(allocation.id.slot, request.message.fingerprint().is_some(), out);
                    Ok(())
                }
                (true, Phase::Binding(_)) => Ok(()),
                (false, _) => Err(ErrorCode::ALLOCATION_MISMATCH),
            };
        }
        let wanted = self.read_allocate(request)?;
        if self.draining {
            return self.turn_away(request, out);
        }
        let account = self.config.accounts.open(
            now,
            &self.config.quotas,
            quota_holder(&request.identity),
            request.tuple.client.ip(),
        )?;
        let token = wanted.token;
        let slot = self.insert_allocation(now, request, wanted, account);
        match token.and_then(|token| self.reservations.remove(&token)) {
            Some(relay) => self.adopt_reservation(slot, relay),
            None => self.request_binds(slot),
        }
        self.finish_binding(now, slot, out);
        Ok(())
    }

    fn turn_away(&mut self, request: &Request<'_, '_>, out: &mut Outbox<Via>) -> Result<(), u16> {
        let alternate = self.config.alternate_server.ok_or(ErrorCode::INSUFFICIENT_CAPACITY)?;
        self.counters.refused += 1;
        respond(out, request.tuple, request.message, &request.identity, Class::Error, |writer| {
            writer.put(&ErrorCode::of(ErrorCode::TRY_ALTERNATE));
            writer.put(&AlternateServer(alternate));
        });
        Ok(())
    }

    fn read_allocate(&self, request: &Request<'_, '_>) -> Result<Wanted, u16> {
        let message = request.message;
        let bad = ErrorCode::BAD_REQUEST;
        let transport = match message.get::<RequestedTransport>().map_err(|_| bad)?.ok_or(bad)? {
            RequestedTransport::UDP => RelayTransport::Udp,
            RequestedTransport::TCP if self.config.tcp_relay => RelayTransport::Tcp,
            _ => return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL),
        };
        let even = message.get::<EvenPort>().map_err(|_| bad)?;
        let token = message.get::<ReservationToken>().map_err(|_| bad)?;
        let dont_fragment = message.get::<DontFragment>().map_err(|_| bad)?;
        let requested = message.get::<RequestedAddressFamily>().map_err(|_| bad)?;
        let additional = message.get::<AdditionalAddressFamily>().map_err(|_| bad)?;
        let lifetime = message.get::<Lifetime>().map_err(|_| bad)?;
        let ticket = message.get::<MobilityTicket<'_>>().map_err(|_| bad)?;
        let reserve = even.is_some_and(|even| even.reserve_next);
        let tcp_contradicts =
            !request.tuple.transport.is_stream() || even.is_some() || token.is_some() || dont_fragment.is_some();
        if (transport == RelayTransport::Tcp && tcp_contradicts)
            || (token.is_some() && (even.is_some() || requested.is_some() || additional.is_some()))
            || (requested.is_some() && additional.is_some())
            || (reserve && additional.is_some())
            || additional.is_some_and(|additional| additional.0 != Ok(AddressFamily::Ipv6))
            || ticket.is_some_and(|ticket| !ticket.0.is_empty())
        {
            return Err(bad);
        }
        if ticket.is_some() && !self.config.mobility {
            return Err(ErrorCode::MOBILITY_FORBIDDEN);
        }
        let token = match token {
            None => None,
            Some(ReservationToken(token)) if self.reservations.contains_key(&token) => Some(token),
            Some(_) => return Err(ErrorCode::INSUFFICIENT_CAPACITY),
        };
        let (families, refused) = self.families(requested, additional)?;
        let wish = Wish {
            families,
            even: even.is_some(),
            reserve,
            refused,
            attempts: 0,
            outstanding: 0,
            mobility: ticket.is_some(),
            fingerprint: message.fingerprint().is_some(),
        };
        let lifetime = self.granted(lifetime.filter(|lifetime| lifetime.0 > 0));
        Ok(Wanted { transport, wish, token, lifetime })
    }

    /// Which families to allocate, and which half of a dual allocation cannot be had.
    #[allow(clippy::type_complexity)]
    fn families(
        &self,
        requested: Option<RequestedAddressFamily>,
        additional: Option<AdditionalAddressFamily>,
    ) -> Result<([Option<AddressFamily>; 2], Option<(AddressFamily, u16)>), u16> {
        use AddressFamily::{Ipv4, Ipv6};
        let unsupported = ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED;
        if additional.is_some() {
            return match (self.ports.has_family(Ipv4), self.ports.has_family(Ipv6)) {
                (true, true) => Ok(([Some(Ipv4), Some(Ipv6)], None)),
                (true, false) => Ok(([Some(Ipv4), None], Some((Ipv6, unsupported)))),
                (false, true) => Ok(([Some(Ipv6), None], Some((Ipv4, unsupported)))),
                (false, false) => Err(unsupported),
            };
        }
        let family = requested.map_or(Ok(Ipv4), |requested| requested.0).map_err(|_| unsupported)?;
        if self.ports.has_family(family) { Ok(([Some(family), None], None)) } else { Err(unsupported) }
    }

    fn insert_allocation(
        &mut self,
        now: Instant,
        request: &Request<'_, '_>,
        wanted: Wanted,
        account: Arc<Account>,
    ) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        let entry = self.allocations.vacant_entry();
        let id = AllocationId { slot: entry.key() as u32, serial: self.serial };
        let expires = now + Duration::from_secs(wanted.lifetime.into());
        let bandwidth = self.config.quotas.allocation_rate.map(|rate| Box::new([TokenBucket::new(now, rate); 2]));
        entry.insert(Box::new(Allocation {
            id,
            tuple: request.tuple,
            identity: request.identity.clone(),
            account,
            quota_address: request.tuple.client.ip(),
            transport: wanted.transport,
            relays: [None; 2],
            refused: wanted.wish.refused,
            mobility: wanted.wish.mobility.then(Box::default),
            phase: Phase::Binding(Box::new(wanted.wish)),
            allocate: request.message.transaction_id(),
            lifetime: wanted.lifetime,
            expires,
            timer: expires,
            permissions: SmallMap::new(),
            channels: SmallMap::new(),
            by_peer: SmallMap::new(),
            reservation: None,
            connections: SmallMap::new(),
            bandwidth,
            traffic: Default::default(),
        }));
        self.clients.insert(request.tuple, id.slot);
        id.slot
    }

    /// Gives the port that EVEN-PORT kept back to a new allocation.
    fn adopt_reservation(&mut self, slot: u32, relay: RelayId) {
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return;
        };
        if let Some(entry) = self.relays.get_mut(relay.0 as usize) {
            entry.owner = RelayOwner::Allocation(allocation.id);
            allocation.relays[0] = Some(relay);
            if let Phase::Binding(wish) = &mut allocation.phase {
                wish.families = [Some(AddressFamily::of(entry.address.ip())), None];
            }
        }
    }

    /// Asks the I/O layer for the ports that are still missing.
    fn request_binds(&mut self, slot: u32) {
        let Some(allocation) = self.allocations.get(slot as usize) else {
            return;
        };
        let Phase::Binding(wish) = &allocation.phase else {
            return;
        };
        let (id, transport, wish) = (allocation.id, allocation.transport, wish.clone());
        let missing: Vec<_> = (0..2)
            .filter(|&index| allocation.relays.get(index) == Some(&None))
            .filter_map(|index| Some((index, (*wish.families.get(index)?)?)))
            .collect();
        for (index, family) in missing {
            let random = self.random_u32();
            let Some(address) = self.ports.choose(family, random, wish.even, wish.reserve) else {
                continue;
            };
            let relay = self.open_relay(address, transport, RelayOwner::Allocation(id));
            if let Some(place) = self.allocations.get_mut(slot as usize).and_then(|a| a.relays.get_mut(index)) {
                *place = Some(relay);
            }
            if wish.reserve {
                let mut token = [0; 8];
                (self.rng)(&mut token);
                // The remainder says which server keeps the port.
                let (token, share) = (u64::from_ne_bytes(token), self.config.share);
                let token = (token - token % u64::from(share.count)).saturating_add(share.index.into());
                let next = std::net::SocketAddr::new(address.ip(), address.port() + 1);
                let sibling = self.open_relay(next, transport, RelayOwner::Reservation { token, by: id });
                self.reservations.insert(token, sibling);
                if let Some(allocation) = self.allocations.get_mut(slot as usize) {
                    allocation.reservation = Some(token);
                }
            }
        }
    }

    fn open_relay(&mut self, address: std::net::SocketAddr, transport: RelayTransport, owner: RelayOwner) -> RelayId {
        let relay = RelayId(self.relays.insert(Relay { address, transport, owner, bound: false }) as u32);
        self.ports.take(address, relay);
        self.requests.push_back(IoRequest::BindRelay { relay, address, transport });
        let (RelayOwner::Allocation(by) | RelayOwner::Reservation { by, .. }) = owner else {
            return relay;
        };
        if let Some(Phase::Binding(wish)) = self.allocations.get_mut(by.slot as usize).map(|a| &mut a.phase) {
            wish.outstanding += 1;
        }
        relay
    }

    /// The I/O layer has carried out [`IoRequest::BindRelay`], or could not.
    pub fn handle_relay_bound(&mut self, now: Instant, relay: RelayId, bound: bool, out: &mut Outbox<Via>) {
        let Some(entry) = self.relays.get_mut(relay.0 as usize).filter(|entry| !entry.bound) else {
            return;
        };
        let owner = entry.owner;
        entry.bound = bound;
        if owner == RelayOwner::Nobody || !bound {
            let address = entry.address;
            self.relays.remove(relay.0 as usize);
            self.ports.release(address);
            if bound {
                self.requests.push_back(IoRequest::CloseRelay { relay });
            }
        }
        let by = match owner {
            RelayOwner::Nobody => return,
            RelayOwner::Allocation(by) => by,
            RelayOwner::Reservation { token, by } => {
                if !bound {
                    self.reservations.remove(&token);
                }
                by
            }
        };
        let Some(allocation) = self.allocations.get_mut(by.slot as usize).filter(|a| a.id == by) else {
            return;
        };
        if !bound {
            allocation.relays.iter_mut().filter(|place| **place == Some(relay)).for_each(|place| *place = None);
        }
        if let Phase::Binding(wish) = &mut allocation.phase {
            wish.outstanding = wish.outstanding.saturating_sub(1);
        }
        self.finish_binding(now, by.slot, out);
    }

    /// Once every bind is answered: makes the allocation live, tries other ports, or gives up.
    fn finish_binding(&mut self, now: Instant, slot: u32, out: &mut Outbox<Via>) {
        loop {
            let Some(allocation) = self.allocations.get_mut(slot as usize) else {
                return;
            };
            let Phase::Binding(wish) = &mut allocation.phase else {
                return;
            };
            if wish.outstanding > 0 {
                return;
            }
            let reserved = allocation.reservation.is_some_and(|token| self.reservations.contains_key(&token));
            let missing = (0..2).find(|&index| {
                wish.families.get(index).is_some_and(Option::is_some) && allocation.relays.get(index) == Some(&None)
            });
            if missing.is_none() && reserved == wish.reserve {
                return self.go_live(now, slot, out);
            }
            wish.attempts += 1;
            if wish.attempts < BIND_ATTEMPTS {
                if wish.reserve {
                    self.give_up_pair(slot);
                }
                self.request_binds(slot);
                continue;
            }
            let any = allocation.relays.iter().any(Option::is_some);
            let lost = missing.and_then(|index| wish.families.get(index).copied().flatten());
            match lost {
                // Half of a dual allocation is better than none (RFC 8656 §7.2 step 9).
                Some(family) if any && !wish.reserve => {
                    allocation.refused = Some((family, ErrorCode::INSUFFICIENT_CAPACITY));
                    return self.go_live(now, slot, out);
                }
                _ => {
                    self.give_up_pair(slot);
                    return self.fail_allocate(slot, out);
                }
            }
        }
    }

    /// Closes what was bound of an even port and its reserved neighbour.
    fn give_up_pair(&mut self, slot: u32) {
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return;
        };
        let relays = std::mem::take(&mut allocation.relays);
        let sibling = allocation.reservation.take().and_then(|token| self.reservations.remove(&token));
        for relay in relays.into_iter().flatten().chain(sibling) {
            self.close_relay(relay);
        }
    }

    fn fail_allocate(&mut self, slot: u32, out: &mut Outbox<Via>) {
        let Some(allocation) = self.allocations.get(slot as usize) else {
            return;
        };
        self.counters.refused += 1;
        send(out, allocation.tuple, |buffer| {
            let mut writer = MessageWriter::new(buffer, Class::Error, Method::ALLOCATE, allocation.allocate);
            writer.put(&ErrorCode::of(ErrorCode::INSUFFICIENT_CAPACITY));
            writer.integrity(&allocation.identity.key);
            writer.finish().is_ok()
        });
        self.remove(slot, EndReason::Deleted);
    }

    fn go_live(&mut self, now: Instant, slot: u32, out: &mut Outbox<Via>) {
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return;
        };
        let Phase::Binding(wish) = std::mem::replace(&mut allocation.phase, Phase::Live) else {
            return;
        };
        let id = allocation.id;
        allocation.expires = now + Duration::from_secs(allocation.lifetime.into());
        let username = allocation.identity.username.clone();
        let client = allocation.tuple;
        if let Some(token) = allocation.reservation {
            self.timers.push(now + RESERVATION, Timer::Reservation(token));
        }
        let due = self.next_check(now, slot);
        self.timers.push(due, id.into());
        self.counters.allocations_created += 1;
        let relayed = self.allocations.get(slot as usize).and_then(|a| self.relayed_addresses(a).next());
        if let Some(relayed) = relayed {
            self.events.push_back(Event::Created { allocation: id, username, client, relayed });
        }
        self.answer_allocate(slot, wish.fingerprint, out);
    }

    /// Sends the success response, again if need be: it follows from the state alone.
    fn answer_allocate(&self, slot: u32, fingerprint: bool, out: &mut Outbox<Via>) {
        let Some(allocation) = self.allocations.get(slot as usize) else {
            return;
        };
        let ticket = self.ticket(slot);
        send(out, allocation.tuple, |buffer| {
            let mut writer = MessageWriter::new(buffer, Class::Success, Method::ALLOCATE, allocation.allocate);
            for relayed in self.relayed_addresses(allocation) {
                writer.put(&XorRelayedAddress(relayed));
            }
            writer.put(&Lifetime(allocation.lifetime));
            if let Some(token) = allocation.reservation {
                writer.put(&ReservationToken(token));
            }
            writer.put(&XorMappedAddress(allocation.tuple.client));
            if let Some((family, code)) = allocation.refused {
                writer.put(&AddressErrorCode { family, error: ErrorCode::of(code) });
            }
            if let Some(ticket) = &ticket {
                writer.put(&MobilityTicket(ticket));
            }
            writer.integrity(&allocation.identity.key);
            if fingerprint {
                writer.fingerprint();
            }
            writer.finish().is_ok()
        });
    }
}
