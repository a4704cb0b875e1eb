//! The wall clock of reports and send times, which only runs when the caller tells the time.

use std::time::{Duration, Instant};

/// From 1900, where NTP counts from, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    at_start: Duration,
    start: Option<Instant>,
}

impl WallClock {
    /// A clock that shows this time since 1970 when it is first asked.
    pub(crate) fn new(unix: Duration) -> Self {
        Self { at_start: unix, start: None }
    }

    /// Time since 1970.
    pub(crate) fn unix(&mut self, now: Instant) -> Duration {
        let start = *self.start.get_or_insert(now);
        self.at_start + now.saturating_duration_since(start)
    }

    /// Seconds since 1900 as a 32.32 fixed-point number (RFC 3550 §4).
    pub(crate) fn ntp(&mut self, now: Instant) -> u64 {
        let unix = self.unix(now);
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        (unix.as_secs() + NTP_TO_UNIX) << 32 | fraction
    }
}

/// The middle 32 bits of an NTP time: units of 1/65536 s (RFC 3550 §4).
pub(crate) fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A duration in units of 1/65536 s.
pub(crate) fn short(time: Duration) -> u32 {
    (time.as_secs_f64() * 65_536.0) as u32
}

/// What units of 1/65536 s are.
pub(crate) fn from_short(units: u32) -> Duration {
    Duration::from_secs_f64(f64::from(units) / 65_536.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3550 §4: the middle of the NTP time counts seconds in its upper half.
    #[test]
    fn ntp_time_counts_from_1900() {
        let mut clock = WallClock::new(Duration::from_millis(1_500));
        let start = Instant::now();
        assert_eq!(clock.ntp(start), (NTP_TO_UNIX + 1) << 32 | 1 << 31);
        let later = clock.ntp(start + Duration::from_millis(250));
        assert_eq!(middle(later).wrapping_sub(middle(clock.ntp(start))), 1 << 14);
        assert_eq!(from_short(short(Duration::from_millis(250))), Duration::from_millis(250));
    }
}
