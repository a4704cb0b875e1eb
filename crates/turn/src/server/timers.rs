//! One queue of things that end. An entry may be early: then it is put back.

use super::{AllocationId, EndReason, Server, Via};
use crate::Outbox;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Allocation { slot: u32, serial: u32 },
    Reservation(u64),
    Connection(u32),
}

impl From<AllocationId> for Timer {
    fn from(id: AllocationId) -> Self {
        Self::Allocation { slot: id.slot, serial: id.serial }
    }
}

#[derive(Debug, Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Instant, Timer)>>);

impl Timers {
    pub(super) fn push(&mut self, at: Instant, timer: Timer) {
        self.0.push(Reverse((at, timer)));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((at, _))| *at)
    }

    fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        self.next().filter(|at| *at <= now)?;
        self.0.pop().map(|Reverse((_, timer))| timer)
    }
}

impl Server {
    /// Ends what is over at `now`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Outbox<Via>) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Allocation { slot, serial } => self.expire_allocation(now, AllocationId { slot, serial }),
                Timer::Reservation(token) => {
                    if let Some(relay) = self.reservations.remove(&token) {
                        self.close_relay(relay);
                    }
                }
                Timer::Connection(connection) => self.expire_connection(now, connection, out),
            }
        }
    }

    fn expire_allocation(&mut self, now: Instant, id: AllocationId) {
        let strict = self.config.strict_expiry;
        let unix_s = self.unix_s(now);
        let Some(allocation) = self.allocations.get_mut(id.slot as usize).filter(|a| a.id == id) else {
            return;
        };
        let credential_over = strict && allocation.identity.expires.is_some_and(|expires| expires <= unix_s);
        if allocation.expires <= now || credential_over {
            let reason = if allocation.expires <= now { EndReason::Expired } else { EndReason::CredentialExpired };
            return self.remove(id.slot, reason);
        }
        allocation.sweep(now);
        allocation.timer = allocation.expires;
        let due = self.next_check(now, id.slot);
        self.timers.push(due, id.into());
    }

    /// When the allocation must be looked at again: its end, or that of its credential if that is strict.
    pub(super) fn next_check(&mut self, now: Instant, slot: u32) -> Instant {
        let strict = self.config.strict_expiry;
        let unix_s = self.unix_s(now);
        let Some(allocation) = self.allocations.get_mut(slot as usize) else {
            return now;
        };
        let mut due = allocation.expires;
        if let (true, Some(expires)) = (strict, allocation.identity.expires) {
            due = due.min(now + std::time::Duration::from_secs(expires.saturating_sub(unix_s)));
        }
        allocation.timer = due;
        due
    }
}
