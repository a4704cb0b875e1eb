//! Time as the association keeps it: nanoseconds since it was made.

use std::time::{Duration, Instant};

/// Nanoseconds since the association was made.
pub(crate) type Nanos = u64;

pub(crate) const MILLIS: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000_000_000;

/// `duration` in nanoseconds; what does not fit (584 years) is cut.
pub(crate) fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Turns the program's instants into the association's time and back. Time never goes backwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    latest: Nanos,
}

impl Clock {
    pub(crate) fn new(epoch: Instant) -> Self {
        Clock { epoch, latest: 0 }
    }

    pub(crate) fn at(&mut self, now: Instant) -> Nanos {
        self.latest = self.latest.max(nanos(now.saturating_duration_since(self.epoch)));
        self.latest
    }

    pub(crate) fn instant(&self, at: Nanos) -> Instant {
        self.epoch + Duration::from_nanos(at)
    }
}
