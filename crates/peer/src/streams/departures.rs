//! What a transport sent, numbered for congestion control, and what came of it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use parlour_rtp::ExtendedSequenceNumber;
use parlour_rtp::rtcp::TransportFeedback;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that are remembered until feedback comes.
const MAX_REMEMBERED: usize = 8192;

/// What became of a packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// When it was sent.
    pub sent: Instant,
    /// Its size in bytes, from the RTP header on, without encryption.
    pub size: usize,
    /// When it came, on the clock of the other side, which begins anywhere; none if it had not come yet. Steps of 250 µs.
    pub received: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Departures {
    next: u64,
    /// The last one is that of `next - 1`.
    sent: VecDeque<(Instant, usize)>,
    /// The other side's clock wraps.
    reference: Option<i64>,
}

impl Default for Departures {
    /// Begins in turn one, as nothing lies before zero.
    fn default() -> Self {
        Self { next: 0x1_0000, sent: VecDeque::new(), reference: None }
    }
}

impl Departures {
    /// The number for the next packet.
    pub(crate) fn number(&mut self, now: Instant, size: usize) -> u16 {
        let number = self.next as u16;
        self.next += 1;
        if self.sent.len() >= MAX_REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back((now, size));
        number
    }

    /// The last packet turned out to be this long.
    pub(crate) fn set_size(&mut self, size: usize) {
        if let Some((_, last)) = self.sent.back_mut() {
            *last = size;
        }
    }

    /// What the other side says, packet by packet in the order of sending. Packets that are forgotten are left out.
    pub(crate) fn understand(&mut self, feedback: &TransportFeedback<'_>) -> Vec<PacketResult> {
        let first = self.next - self.sent.len() as u64;
        // Times count from a 24-bit number of 64 ms.
        let told = i64::from(feedback.reference_time);
        let reference = match self.reference {
            None => told.rem_euclid(1 << 24) + (1 << 24),
            Some(before) => before + ((told - before) << 40 >> 40),
        };
        self.reference = Some(self.reference.map_or(reference, |before| before.max(reference)));
        let shift = (reference - told) * 256;
        let mut results = Vec::new();
        for (number, time) in feedback.arrivals() {
            let ExtendedSequenceNumber(number) = ExtendedSequenceNumber(self.next).nearest(number);
            let Some(place) = number.checked_sub(first) else { continue };
            let Some((sent, size)) = self.sent.get(place as usize) else { continue };
            let received = time.map(|time| Duration::from_micros((time + shift).max(0) as u64 * 250));
            results.push(PacketResult { sent: *sent, size: *size, received });
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrivals::Arrivals;
    use super::*;
    use parlour_rtp::Ssrc;
    use parlour_rtp::rtcp::{RtcpPacket, packets};

    /// §3.1: what one side tells the other one understands, whatever the clocks show, over a turn of the numbers.
    #[test]
    fn feedback_tells_what_became_of_packets() {
        let (mut departures, mut arrivals, start) = (Departures::default(), Arrivals::default(), Instant::now());
        let ms = Duration::from_millis(1);
        for nth in 0..70_000u32 {
            let number = departures.number(start + nth * ms, 1000);
            if nth % 10 != 3 {
                arrivals.receive(start + (nth + 30) * ms, number);
            }
            if nth % 100 != 99 {
                continue;
            }
            let mut results = Vec::new();
            arrivals.tell(Ssrc(1), Ssrc(2), |packet| {
                let Some(Ok(RtcpPacket::TransportFeedback(feedback))) = packets(packet).next() else { panic!() };
                results.extend(departures.understand(&feedback));
            });
            assert_eq!(results.len(), 100);
            assert_eq!(results.iter().filter(|result| result.received.is_none()).count(), 10);
            let [first, .., last] = results.as_slice() else { panic!() };
            assert_eq!(last.sent - first.sent, 99 * ms);
            assert_eq!(last.received.unwrap() - first.received.unwrap(), 99 * ms);
        }
    }
}
