//! When the packets of a transport came, for the other side's congestion control
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use parlour_rtp::rtcp::TransportFeedbackToWrite;
use parlour_rtp::{ExtendedSequenceNumber, SequenceNumber, SequenceUnwrapper, Ssrc};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often to tell.
const INTERVAL: Duration = Duration::from_millis(50);
/// A gap that is larger begins anew.
const MAX_TOLD: u64 = 8192;
/// Statuses in one packet of feedback, so that it fits a datagram.
const MAX_IN_PACKET: usize = 400;

/// Packets that were told are remembered for a while, so that what came late can be told among them.
const REMEMBERED: usize = 128;

#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    numbers: SequenceUnwrapper,
    /// The number of the first time.
    base: u64,
    /// In units of 250 µs.
    times: VecDeque<Option<i64>>,
    /// The first number to tell of.
    next: u64,
    start: Option<Instant>,
    due: Option<Instant>,
    count: u8,
}

impl Arrivals {
    pub(crate) fn receive(&mut self, now: Instant, number: u16) {
        let start = *self.start.get_or_insert(now);
        let first = self.numbers.highest().is_none();
        let ExtendedSequenceNumber(number) = self.numbers.unwrap(SequenceNumber(number));
        if first || number.saturating_sub(self.next) > MAX_TOLD {
            (self.base, self.next) = (number, number);
            self.times.clear();
        }
        let Some(place) = number.checked_sub(self.base) else { return };
        while self.times.len() <= place as usize {
            self.times.push_back(None);
        }
        let time = now.saturating_duration_since(start).as_micros() as i64 / 250;
        if let Some(slot) = self.times.get_mut(place as usize) {
            slot.get_or_insert(time);
        }
        self.next = self.next.min(number);
        self.due.get_or_insert(now + INTERVAL);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Tells what came, in as many packets as it takes.
    pub(crate) fn tell(&mut self, sender: Ssrc, media: Ssrc, mut send: impl FnMut(&[u8])) {
        self.due = None;
        let mut packet = Vec::new();
        let end = self.base + self.times.len() as u64;
        while self.next < end {
            let times = self.times.make_contiguous().get((self.next - self.base) as usize..).unwrap_or_default();
            let told = times.get(..MAX_IN_PACKET).unwrap_or(times);
            packet.clear();
            let base = ExtendedSequenceNumber(self.next).sequence_number();
            let header = TransportFeedbackToWrite { sender, media, base, feedback_count: self.count };
            match header.write(&mut packet, told) {
                // Nothing of it came: the next ones may have.
                0 => self.next += told.len() as u64,
                written => {
                    self.count = self.count.wrapping_add(1);
                    self.next += written as u64;
                    send(&packet);
                }
            }
        }
        let old = self.times.len().saturating_sub(REMEMBERED);
        self.times.drain(..old);
        self.base += old as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlour_rtp::rtcp::{RtcpPacket, packets};

    fn told(arrivals: &mut Arrivals) -> Vec<(u16, Option<i64>)> {
        let mut all = Vec::new();
        arrivals.tell(Ssrc(1), Ssrc(2), |packet| {
            assert!(packet.len() < 1200);
            for packet in packets(packet) {
                let RtcpPacket::TransportFeedback(feedback) = packet.unwrap() else { panic!() };
                all.extend(feedback.arrivals().map(|(number, time)| (number.0, time)));
            }
        });
        all
    }

    /// §3.1: every packet is told of once, also that it is missing; what came late is told later.
    #[test]
    fn every_packet_is_told_of() {
        let (mut arrivals, start) = (Arrivals::default(), Instant::now());
        let ms = Duration::from_millis(1);
        assert_eq!(arrivals.due(), None);
        for (number, at) in [(65_535, 0), (1, 2), (2, 3)] {
            arrivals.receive(start + at * ms, number);
        }
        assert_eq!(arrivals.due(), Some(start + INTERVAL));
        assert_eq!(told(&mut arrivals), [(65_535, Some(0)), (0, None), (1, Some(8)), (2, Some(12))]);
        assert_eq!((arrivals.due(), told(&mut arrivals)), (None, vec![]));
        arrivals.receive(start + 60 * ms, 0);
        arrivals.receive(start + 60 * ms, 3);
        assert_eq!(told(&mut arrivals), [(0, Some(240)), (1, Some(8)), (2, Some(12)), (3, Some(240))]);
    }

    #[test]
    fn many_packets_take_several_reports() {
        let (mut arrivals, start) = (Arrivals::default(), Instant::now());
        for number in 0..2000u16 {
            arrivals.receive(start + Duration::from_micros(900) * u32::from(number), number);
        }
        let all = told(&mut arrivals);
        assert_eq!(all.len(), 2000);
        assert!(all.iter().all(|(number, time)| time.unwrap() == i64::from(*number) * 900 / 250));
    }
}
