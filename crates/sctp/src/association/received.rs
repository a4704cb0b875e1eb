//! Which TSNs have come, and when to say so (RFC 9260 §6.2).

use super::ranges::Ranges;
use crate::{
    Tsn,
    packet::{GapBlock, Sack},
    time::Nanos,
};

/// More runs than this are not kept: what would make another one counts as not received.
const MOST_RUNS: usize = 2048;
/// Gap blocks reach so far (RFC 9260 §3.3.4).
const MOST_AHEAD: u64 = 65_535;
const MOST_DOUBLES: usize = 32;

/// What a TSN turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    New,
    Double,
    /// Too far ahead, or one hole too many.
    OutOfRange,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Received {
    /// All up to and including this one have come.
    cumulative: u64,
    /// What came beyond.
    runs: Ranges,
    doubles: Vec<Tsn>,
    /// Packets with data since the last SACK.
    packets: u32,
    /// A SACK is due at once, or at a time.
    pub(crate) sack_now: bool,
    pub(crate) sack_at: Option<Nanos>,
}

impl Received {
    pub(crate) fn new(first: Tsn) -> Self {
        Received {
            cumulative: first.first() - 1,
            runs: Ranges::default(),
            doubles: Vec::new(),
            packets: 0,
            sack_now: false,
            sack_at: None,
        }
    }

    pub(crate) fn cumulative(&self) -> u64 {
        self.cumulative
    }

    pub(crate) fn has_gaps(&self) -> bool {
        !self.runs.is_empty()
    }

    pub(crate) fn unwrap(&self, tsn: Tsn) -> u64 {
        tsn.near(self.cumulative)
    }

    /// What `tsn` would be, without taking it.
    pub(crate) fn look(&self, tsn: u64) -> Arrival {
        if tsn <= self.cumulative || self.runs.contains(tsn) {
            Arrival::Double
        } else if tsn > self.cumulative + MOST_AHEAD
            || (tsn != self.cumulative + 1 && self.runs.len() >= MOST_RUNS && self.runs.would_split(tsn))
        {
            Arrival::OutOfRange
        } else {
            Arrival::New
        }
    }

    /// Takes a TSN that is [`Arrival::New`].
    pub(crate) fn take(&mut self, tsn: u64) {
        if tsn == self.cumulative + 1 {
            self.cumulative = tsn;
            if let Some(end) = self.runs.take_run_at(tsn + 1) {
                self.cumulative = end;
            }
        } else {
            self.runs.insert(tsn, tsn, |_, _| {});
        }
    }

    pub(crate) fn double(&mut self, tsn: Tsn) {
        if self.doubles.len() < MOST_DOUBLES {
            self.doubles.push(tsn);
        }
        self.sack_now = true;
    }

    /// The sender has given up all up to `tsn`; whether that was news.
    pub(crate) fn forward(&mut self, tsn: u64) -> bool {
        if tsn <= self.cumulative || tsn > self.cumulative + MOST_AHEAD {
            return false;
        }
        self.cumulative = tsn;
        self.runs.remove_up_to(tsn);
        if let Some(end) = self.runs.take_run_at(tsn + 1) {
            self.cumulative = end;
        }
        true
    }

    /// A packet with data has been worked through. RFC 9260 §6.2: at least every second packet is acknowledged, a gap at once, the rest after `delay`.
    pub(crate) fn packet_done(&mut self, now: Nanos, delay: Nanos) {
        self.packets += 1;
        if self.packets >= 2 || self.has_gaps() {
            self.sack_now = true;
        } else if self.sack_at.is_none() {
            self.sack_at = Some(now + delay);
        }
    }

    /// Whether a SACK may go along: there is something to say.
    pub(crate) fn sack_pending(&self) -> bool {
        self.sack_now || self.sack_at.is_some()
    }

    /// Appends a SACK of at most `room` bytes.
    pub(crate) fn write_sack(&mut self, window: u32, room: usize, out: &mut Vec<u8>) {
        let room = room.saturating_sub(16);
        let doubles = self.doubles.len().min(room / 4);
        let blocks = ((room - doubles * 4) / 4).min(self.runs.len());
        let cumulative = self.cumulative;
        let offset = |n: u64| u16::try_from(n - cumulative).unwrap_or(u16::MAX);
        let runs = self.runs.iter().take(blocks).map(|r| GapBlock { start: offset(*r.start()), end: offset(*r.end()) });
        Sack::write(out, Tsn::wire(cumulative), window, runs, self.doubles.get(..doubles).unwrap_or(&[]));
        self.doubles.clear();
        self.packets = 0;
        self.sack_now = false;
        self.sack_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// RFC 9260 §6.2: whatever comes in whatever order, it is told what has come.
        #[test]
        fn arrivals_are_told_apart(first: u32, offsets in proptest::collection::vec(0u64..60, 0..120)) {
            let mut received = Received::new(Tsn(first));
            let start = received.cumulative() + 1;
            let mut set = BTreeSet::new();
            for offset in offsets {
                let tsn = received.unwrap(Tsn::wire(start + offset));
                prop_assert_eq!(tsn, start + offset);
                let expected = if set.insert(offset) { Arrival::New } else { Arrival::Double };
                prop_assert_eq!(received.look(tsn), expected);
                if expected == Arrival::New {
                    received.take(tsn);
                }
                let prefix = (0..).take_while(|n| set.contains(n)).count() as u64;
                prop_assert_eq!(received.cumulative() + 1, start + prefix);
            }
        }
    }

    /// RFC 9260 §3.3.4: what lies beyond the reach of gap blocks cannot be acknowledged, so it is not taken.
    #[test]
    fn bogus_tsns_and_too_many_gaps_are_refused() {
        let mut received = Received::new(Tsn(1));
        let next = received.cumulative() + 1;
        assert_eq!(received.look(next + 70_000), Arrival::OutOfRange);
        for n in 0..MOST_RUNS as u64 {
            assert_eq!(received.look(next + 2 + 2 * n), Arrival::New);
            received.take(next + 2 + 2 * n);
        }
        assert_eq!(received.look(next + 2 * MOST_RUNS as u64 + 2), Arrival::OutOfRange);
        assert_eq!(received.look(next + 3), Arrival::New, "it joins two runs");
        assert_eq!(received.look(next), Arrival::New, "the first hole can always be filled");
    }

    /// RFC 9260 §6.2.
    #[test]
    fn every_second_packet_and_every_gap_is_acknowledged_at_once() {
        let mut received = Received::new(Tsn(1));
        let next = received.cumulative() + 1;
        received.take(next);
        received.packet_done(100, 20);
        assert!(!received.sack_now && received.sack_at == Some(120));
        received.take(next + 1);
        received.packet_done(101, 20);
        assert!(received.sack_now);
        received.write_sack(0, 100, &mut Vec::new());
        assert!(!received.sack_pending());
        received.take(next + 3);
        received.packet_done(102, 20);
        assert!(received.sack_now, "a gap");
    }
}
