//! How a stream is received: extended numbers, loss and jitter (RFC 3550 §A.1, §A.3, §A.8).

use parlour_rtp::rtcp::ReportBlock;
use parlour_rtp::{ExtendedSequenceNumber, RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc};
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Reception {
    numbers: SequenceUnwrapper,
    /// The lowest number so far.
    base: Option<ExtendedSequenceNumber>,
    received: u64,
    expected_before: u64,
    received_before: u64,
    /// In ticks of the clock.
    jitter: f64,
    /// When the last packet came and what its timestamp was.
    last: Option<(Instant, RtpTimestamp)>,
}

impl Reception {
    /// Takes note of a packet that came as it was sent, not one that was sent again.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        timestamp: RtpTimestamp,
        clock_rate: u32,
    ) -> ExtendedSequenceNumber {
        let number = self.numbers.unwrap(number);
        self.base = Some(self.base.map_or(number, |base| base.min(number)));
        self.received += 1;
        if let Some((before, its)) = self.last {
            let elapsed = now.saturating_duration_since(before).as_secs_f64() * f64::from(clock_rate);
            let difference = elapsed - f64::from(timestamp.distance_from(its));
            // A timestamp that jumps, as of another source behind a mixer, says nothing of the path.
            if difference.abs() < 10.0 * f64::from(clock_rate) {
                self.jitter += (difference.abs() - self.jitter) / 16.0;
            }
        }
        self.last = Some((now, timestamp));
        number
    }

    /// The place of a packet that was sent again.
    pub(crate) fn place(&self, number: SequenceNumber) -> Option<ExtendedSequenceNumber> {
        self.numbers.highest().map(|highest| highest.nearest(number))
    }

    fn expected(&self) -> u64 {
        match (self.numbers.highest(), self.base) {
            (Some(highest), Some(base)) => highest.0.saturating_sub(base.0) + 1,
            _ => 0,
        }
    }

    /// Packets that did not come, less those that came twice.
    pub(crate) fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Variation of the transit time in ticks of the clock.
    pub(crate) fn jitter(&self) -> f64 {
        self.jitter
    }

    /// What a report says, but for the sender reports. The fraction is of what was expected since the last call.
    pub(crate) fn report(&mut self, ssrc: u32) -> ReportBlock {
        let expected = self.expected();
        let expected_since = expected.saturating_sub(std::mem::replace(&mut self.expected_before, expected));
        let received_since = self.received - std::mem::replace(&mut self.received_before, self.received);
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction_lost = (lost_since << 8).checked_div(expected_since).unwrap_or(0).min(255) as u8;
        // Numbers begin in turn one here, which a report does not count.
        let highest = self.numbers.highest().unwrap_or_default().0.saturating_sub(0x1_0000);
        ReportBlock {
            ssrc: Ssrc(ssrc),
            fraction_lost,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence_number: highest as u32,
            jitter: self.jitter as u32,
            ..ReportBlock::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn feed(reception: &mut Reception, start: Instant, numbers: impl IntoIterator<Item = u16>) {
        for number in numbers {
            let at = start + Duration::from_millis(20) * u32::from(number.wrapping_sub(65_530));
            let timestamp = RtpTimestamp(160 * u32::from(number.wrapping_sub(65_530)));
            reception.receive(at, SequenceNumber(number), timestamp, 8000);
        }
    }

    /// RFC 3550 §A.3, over a turn of the numbers.
    #[test]
    fn loss_is_what_was_expected_and_did_not_come() {
        let (mut reception, start) = (Reception::default(), Instant::now());
        feed(&mut reception, start, [65_530, 65_531, 65_533, 65_535]);
        let report = reception.report(7);
        assert_eq!((report.fraction_lost, report.cumulative_lost), (85, 2), "2 of 6, in 1/256");
        assert_eq!(report.highest_sequence_number, 65_535);
        feed(&mut reception, start, [0, 1, 2, 3, 3]);
        let report = reception.report(7);
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 1), "one came twice");
        assert_eq!(report.highest_sequence_number, 0x1_0003);
        assert_eq!(reception.report(7).fraction_lost, 0, "nothing came since");
    }

    /// RFC 3550 §A.8: a sixteenth of each difference.
    #[test]
    fn jitter_grows_with_uneven_arrivals() {
        let (mut reception, start) = (Reception::default(), Instant::now());
        feed(&mut reception, start, 65_530..65_535);
        assert!(reception.jitter() < 1e-6, "as regular as they were sent: {}", reception.jitter());
        // 10 ms late, which is 80 ticks.
        let late = start + Duration::from_millis(110);
        reception.receive(late, SequenceNumber(65_535), RtpTimestamp(800), 8000);
        assert!((reception.jitter() - 5.0).abs() < 1e-6);
    }
}
