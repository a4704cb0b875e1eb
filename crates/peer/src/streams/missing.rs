//! Packets that are missing, and when to ask for them (RFC 4585 §6.2.1).
//!
//! ```text
//! a gap is seen ──▶ waits, as packets may only have been overtaken ──▶ asked for ──▶ asked again each round trip
//! ```

use parlour_rtp::{ExtendedSequenceNumber, SequenceNumber};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// More than this are not repaired one by one.
const MAX_MISSING: u64 = 1000;
const MAX_TRIES: u8 = 10;
/// How long a packet may be overtaken at first, before anything is known of the path.
const FIRST_DELAY: Duration = Duration::from_millis(4);
const MAX_DELAY: Duration = Duration::from_millis(40);
/// How soon a request is repeated at least and at most.
const MIN_RETRY: Duration = Duration::from_millis(20);
const MAX_RETRY: Duration = Duration::from_millis(500);
/// How much later than usual an answer may come.
const RETRY_MARGIN: Duration = Duration::from_millis(10);
/// The round trip before one was measured.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
struct Gap {
    number: ExtendedSequenceNumber,
    seen: Instant,
    asked: Option<Instant>,
    tries: u8,
}

#[derive(Debug)]
pub(crate) struct Missing {
    /// In ascending order.
    gaps: VecDeque<Gap>,
    highest: Option<ExtendedSequenceNumber>,
    /// How long packets are overtaken on this path.
    delay: Duration,
    round_trip: Option<Duration>,
}

impl Default for Missing {
    fn default() -> Self {
        Self { gaps: VecDeque::new(), highest: None, delay: FIRST_DELAY, round_trip: None }
    }
}

/// What a packet that came means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It was not there yet.
    New,
    /// It is there, or was given up.
    Known,
    /// So much is missing before it that nothing is asked for.
    Jump,
}

impl Missing {
    /// Takes note of a packet; `again` if it was sent again because of us.
    pub(crate) fn receive(&mut self, now: Instant, number: ExtendedSequenceNumber, again: bool) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = (!again).then_some(number);
            return if again { Arrival::Known } else { Arrival::New };
        };
        if number <= highest {
            let Ok(place) = self.gaps.binary_search_by_key(&number, |gap| gap.number) else { return Arrival::Known };
            if let Some(gap) = self.gaps.remove(place) {
                self.learn(now, gap, again);
            }
            return Arrival::New;
        }
        if again {
            // Nobody asked for what was not missed yet.
            return Arrival::Known;
        }
        self.highest = Some(number);
        if number.0 - highest.0 > MAX_MISSING {
            self.gaps.clear();
            return Arrival::Jump;
        }
        for missing in highest.0 + 1..number.0 {
            let number = ExtendedSequenceNumber(missing);
            self.gaps.push_back(Gap { number, seen: now, asked: None, tries: 0 });
        }
        while self.gaps.len() as u64 > MAX_MISSING {
            self.gaps.pop_front();
        }
        Arrival::New
    }

    fn learn(&mut self, now: Instant, gap: Gap, again: bool) {
        match gap.asked {
            // With several requests it is not known which one was answered.
            Some(asked) if again && gap.tries == 1 => {
                let sample = now.saturating_duration_since(asked);
                self.round_trip = Some(self.round_trip.map_or(sample, |known| (known * 7 + sample) / 8));
            }
            None if !again => {
                let late = now.saturating_duration_since(gap.seen);
                self.delay = self.delay.max(late + late / 4).min(MAX_DELAY);
            }
            _ => {}
        }
    }

    /// Time from a request to its answer, as measured.
    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(FIRST_ROUND_TRIP)
    }

    /// What is below this is not wanted any more.
    pub(crate) fn forget_before(&mut self, number: ExtendedSequenceNumber) {
        while self.gaps.front().is_some_and(|gap| gap.number < number) {
            self.gaps.pop_front();
        }
    }

    fn due_of(&self, gap: &Gap) -> Instant {
        match gap.asked {
            None => gap.seen + self.delay,
            Some(asked) => {
                let round_trip = self.round_trip();
                asked + (round_trip + (round_trip / 8).max(RETRY_MARGIN)).clamp(MIN_RETRY, MAX_RETRY)
            }
        }
    }

    /// When to ask.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.gaps.iter().map(|gap| self.due_of(gap)).min()
    }

    /// Appends what to ask for now. What was asked for often enough is given up.
    pub(crate) fn ask(&mut self, now: Instant, out: &mut Vec<SequenceNumber>) {
        self.gaps.retain(|gap| gap.tries < MAX_TRIES);
        for place in 0..self.gaps.len() {
            let is_due = self.gaps.get(place).is_some_and(|gap| self.due_of(gap) <= now);
            let Some(gap) = self.gaps.get_mut(place).filter(|_| is_due) else { continue };
            (gap.asked, gap.tries) = (Some(now), gap.tries + 1);
            out.push(gap.number.sequence_number());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn number(number: u64) -> ExtendedSequenceNumber {
        ExtendedSequenceNumber(0x1_0000 + number)
    }

    fn asked(missing: &mut Missing, now: Instant) -> Vec<u16> {
        let mut out = Vec::new();
        missing.ask(now, &mut out);
        out.iter().map(|number| number.0).collect()
    }

    /// RFC 4585 §6.2.1: what is missing is asked for once it cannot have been overtaken, and again when no answer came.
    #[test]
    fn gaps_are_asked_for_and_asked_for_again() {
        let (mut missing, start) = (Missing::default(), Instant::now());
        assert_eq!(missing.receive(start, number(1), false), Arrival::New);
        assert_eq!(missing.due(), None);
        missing.receive(start, number(5), false);
        assert_eq!(asked(&mut missing, start), []);
        assert_eq!(missing.due(), Some(start + FIRST_DELAY));
        assert_eq!(missing.receive(start + MS, number(3), false), Arrival::New);
        assert_eq!(asked(&mut missing, start + FIRST_DELAY), [2, 4]);
        assert_eq!(asked(&mut missing, start + FIRST_DELAY + MS), []);
        let answered = start + FIRST_DELAY + 40 * MS;
        assert_eq!(missing.receive(answered, number(2), true), Arrival::New);
        assert_eq!(missing.receive(answered, number(2), true), Arrival::Known, "nothing comes twice");
        assert_eq!(missing.round_trip(), 40 * MS);
        let again = start + FIRST_DELAY + 50 * MS;
        assert_eq!(missing.due(), Some(again));
        assert_eq!(asked(&mut missing, again), [4]);
        for _ in 2..MAX_TRIES {
            let due = missing.due().unwrap();
            assert_eq!(asked(&mut missing, due), [4]);
        }
        assert_eq!(asked(&mut missing, again + 1000 * MS), [], "given up");
        assert_eq!(missing.due(), None);
    }

    /// A path that changes the order is given the time that it takes.
    #[test]
    fn requests_wait_for_what_is_only_overtaken() {
        let (mut missing, start) = (Missing::default(), Instant::now());
        missing.receive(start, number(1), false);
        missing.receive(start, number(3), false);
        missing.receive(start + 16 * MS, number(2), false);
        missing.receive(start + 20 * MS, number(5), false);
        assert_eq!(missing.due(), Some(start + 40 * MS));
    }

    #[test]
    fn a_jump_is_not_repaired() {
        let (mut missing, start) = (Missing::default(), Instant::now());
        missing.receive(start, number(1), false);
        assert_eq!(missing.receive(start, number(5000), false), Arrival::Jump);
        assert_eq!(missing.due(), None);
        missing.receive(start, number(5990), false);
        assert_eq!(missing.receive(start, number(6100), false), Arrival::New);
        assert_eq!(missing.gaps.len() as u64, MAX_MISSING, "bounded");
        missing.forget_before(number(6099));
        assert_eq!(asked(&mut missing, start + FIRST_DELAY), [(6099 + 0x1_0000 - 0x1_0000) as u16]);
    }
}
