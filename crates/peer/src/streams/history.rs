//! What was sent, for those who miss it (RFC 4585 §6.2.1, RFC 4588).

use parlour_rtp::{ExtendedSequenceNumber, SequenceNumber, SequenceUnwrapper};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Nobody wants what is older.
const MAX_AGE: Duration = Duration::from_millis(1500);
/// Bytes that are kept at most: a second and a half of 20 Mbit/s.
const MAX_BYTES: usize = 4 << 20;
/// Buffers that are kept for the next packets.
const MAX_SPARE: usize = 64;

#[derive(Debug)]
struct Sent {
    number: ExtendedSequenceNumber,
    at: Instant,
    again: Option<Instant>,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    numbers: SequenceUnwrapper,
    /// In ascending order.
    sent: VecDeque<Sent>,
    bytes: usize,
    spare: Vec<Vec<u8>>,
}

impl History {
    /// Keeps a copy of a packet. One that is not newer than the last is not kept.
    pub(crate) fn push(&mut self, now: Instant, number: SequenceNumber, packet: &[u8]) {
        let before = self.numbers.highest();
        let number = self.numbers.unwrap(number);
        if before.is_some_and(|before| number <= before) {
            return;
        }
        while self.sent.front().is_some_and(|first| {
            now.saturating_duration_since(first.at) > MAX_AGE || self.bytes + packet.len() > MAX_BYTES
        }) {
            let Some(old) = self.sent.pop_front() else { break };
            self.bytes -= old.bytes.len();
            if self.spare.len() < MAX_SPARE {
                self.spare.push(old.bytes);
            }
        }
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(packet);
        self.bytes += bytes.len();
        self.sent.push_back(Sent { number, at: now, again: None, bytes });
    }

    /// A packet to send again; none if it is too old, or was sent again so shortly before that it may still come.
    pub(crate) fn again(&mut self, now: Instant, number: SequenceNumber, round_trip: Duration) -> Option<&[u8]> {
        let number = self.numbers.highest()?.nearest(number);
        let place = self.sent.binary_search_by_key(&number, |sent| sent.number).ok()?;
        let sent = self.sent.get_mut(place)?;
        let waits = sent.again.is_some_and(|again| now.saturating_duration_since(again) < round_trip);
        if waits || now.saturating_duration_since(sent.at) > MAX_AGE {
            return None;
        }
        sent.again = Some(now);
        Some(&sent.bytes)
    }

    pub(crate) fn clear(&mut self) {
        self.sent.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// RFC 4588 §6.3: at most one retransmission of a packet in a round trip.
    #[test]
    fn packets_are_given_again_once_in_a_round_trip() {
        let (mut history, start) = (History::default(), Instant::now());
        for number in 65_534..65_540u32 {
            history.push(start, SequenceNumber(number as u16), &number.to_be_bytes());
        }
        assert_eq!(history.again(start, SequenceNumber(65_535), 50 * MS), Some(&65_535u32.to_be_bytes()[..]));
        assert_eq!(history.again(start + 49 * MS, SequenceNumber(65_535), 50 * MS), None);
        assert!(history.again(start + 50 * MS, SequenceNumber(65_535), 50 * MS).is_some());
        assert_eq!(history.again(start, SequenceNumber(3), 50 * MS), Some(&65_539u32.to_be_bytes()[..]));
        assert_eq!(history.again(start, SequenceNumber(4), 50 * MS), None, "never sent");
        assert_eq!(history.again(start + 2 * MAX_AGE, SequenceNumber(2), 50 * MS), None, "too old");
    }

    #[test]
    fn memory_is_bounded_and_used_again() {
        let (mut history, start) = (History::default(), Instant::now());
        for number in 0..10_000u16 {
            history.push(start, SequenceNumber(number), &[0; 1200]);
        }
        assert!(history.bytes <= MAX_BYTES);
        assert_eq!(history.bytes, history.sent.len() * 1200);
        assert!(history.again(start, SequenceNumber(9_999), MS).is_some());
        assert!(history.again(start, SequenceNumber(0), MS).is_none());
        history.push(start + 2 * MAX_AGE, SequenceNumber(10_000), &[0; 1200]);
        assert_eq!((history.sent.len(), history.spare.len()), (1, MAX_SPARE - 1));
    }
}
