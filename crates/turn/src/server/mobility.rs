//! Mobility: an allocation follows its client to another address (RFC 8016 §3.2).

use super::requests::Request;
use super::{AllocationId, Server};
use parlour_stun::attribute::ErrorCode;
use std::time::{Duration, Instant};

/// How long the ticket before the current one is good for a retransmission (RFC 8016 §3.2.2: at least 30 s).
const PREVIOUS: Duration = Duration::from_secs(30);
const TICKET_LEN: usize = 32;

impl Server {
    /// The ticket of an allocation that was made with mobility. It names the server, the allocation and the number of
    /// moves, and a MAC protects it; the server remembers nothing more.
    pub(super) fn ticket(&self, slot: u32) -> Option<[u8; TICKET_LEN]> {
        let allocation = self.allocations.get(slot as usize)?;
        let generation = allocation.mobility.as_ref()?.generation;
        Some(self.sign_ticket(allocation.id, generation))
    }

    fn sign_ticket(&self, id: AllocationId, generation: u32) -> [u8; TICKET_LEN] {
        self.sign_words([self.config.share.index, id.slot, id.serial, generation])
    }

    fn sign_words(&self, words: [u32; 4]) -> [u8; TICKET_LEN] {
        let mut ticket = [0; TICKET_LEN];
        for (place, word) in ticket.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        let mac = self.ticket_key.sign(&ticket[..16]);
        ticket[16..].copy_from_slice(mac.first_chunk::<16>().unwrap_or(&[0; 16]));
        ticket
    }

    /// What a genuine ticket says: server, slot, serial, generation.
    fn read_ticket(&self, ticket: &[u8]) -> Option<[u32; 4]> {
        let ticket = <&[u8; TICKET_LEN]>::try_from(ticket).ok()?;
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(ticket.chunks_exact(4)) {
            *word = bytes.try_into().map_or(0, u32::from_be_bytes);
        }
        let genuine = self.sign_words(words);
        let different = genuine.iter().zip(ticket).fold(0, |difference, (a, b)| difference | (a ^ b));
        (different == 0).then_some(words)
    }

    pub(super) fn home_of_ticket(&self, ticket: &[u8]) -> Option<u32> {
        self.read_ticket(ticket).map(|[home, ..]| home)
    }

    /// Takes a Refresh with a ticket from a new address; gives the allocation, which keeps sending to the old address
    /// until the client has used the new one.
    pub(super) fn resume(&mut self, now: Instant, request: &Request<'_, '_>, ticket: &[u8]) -> Result<u32, u16> {
        if !self.config.mobility {
            return Err(ErrorCode::MOBILITY_FORBIDDEN);
        }
        let bad = ErrorCode::BAD_REQUEST;
        let [_, slot, serial, generation] =
            self.read_ticket(ticket).filter(|[home, ..]| *home == self.config.share.index).ok_or(bad)?;
        let id = AllocationId { slot, serial };
        let slot = self.slot(id).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        let slot = self.own_slot(request, Some(slot))?;
        let tuple = request.tuple;
        let taken = self.clients.get(&tuple).is_some_and(|other| *other != slot);
        let allocation = self.allocations.get_mut(slot as usize).ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        if tuple == allocation.tuple || taken {
            return Err(bad);
        }
        let mobility = allocation.mobility.as_mut().ok_or(bad)?;
        if generation == mobility.generation {
            if let Some(unused) = mobility.pending.replace(tuple) {
                self.clients.remove(&unused);
            }
            mobility.generation = mobility.generation.wrapping_add(1);
            mobility.previous_until = Some(now + PREVIOUS);
            self.clients.insert(tuple, slot);
            return Ok(slot);
        }
        let retransmitted = generation.wrapping_add(1) == mobility.generation
            && mobility.pending == Some(tuple)
            && mobility.previous_until.is_some_and(|until| until > now);
        if retransmitted { Ok(slot) } else { Err(bad) }
    }
}
