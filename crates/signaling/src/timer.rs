//! One queue for all timers of a hub.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// What a timer is for. The number is a place in the hub's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A connection without a session.
    Connection(u64),
    /// A session.
    Session(usize),
    /// A room.
    Room(usize),
}

/// Timers in the order in which they are due; O(log n) to arm and to fire.
///
/// Nothing is ever taken out early. Each subject keeps one [`Alarm`], which says which of its entries counts; what is due later is armed
/// when the earlier one has fired. So a timer that is pushed back again and again (a client that keeps talking) costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Subject)>>,
}

/// A subject's only live entry in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alarm(Option<Instant>);

impl Alarm {
    /// Whether the entry that fired at `at` is the live one; it then is live no more.
    pub(crate) fn fired(&mut self, at: Instant) -> bool {
        let live = self.0 == Some(at);
        if live {
            self.0 = None;
        }
        live
    }
}

impl Timers {
    /// Makes sure that `subject` is looked at no later than `at`.
    pub(crate) fn arm(&mut self, alarm: &mut Alarm, subject: Subject, at: Instant) {
        if alarm.0.is_none_or(|armed| at < armed) {
            alarm.0 = Some(at);
            self.heap.push(Reverse((at, subject)));
        }
    }

    /// When the next entry is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out an entry that is due at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, Subject)> {
        if self.next()? > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        if self.heap.len() * 4 < self.heap.capacity() && self.heap.capacity() > 1024 {
            self.heap.shrink_to(self.heap.len() * 2);
        }
        Some(entry)
    }
}
