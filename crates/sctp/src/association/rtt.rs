//! Round trips and the time-outs that follow from them (RFC 9260 §6.3.1).

use crate::time::{MILLIS, Nanos};

/// What is known of the round trip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    pub(crate) smoothed: Option<Nanos>,
    variance: Nanos,
    /// The shortest ever seen on this path.
    pub(crate) min: Nanos,
    rto_initial: Nanos,
    rto_min: Nanos,
    rto_max: Nanos,
}

impl Rtt {
    pub(crate) fn new(rto_initial: Nanos, rto_min: Nanos, rto_max: Nanos) -> Self {
        Rtt { smoothed: None, variance: 0, min: Nanos::MAX, rto_initial, rto_min, rto_max }
    }

    pub(crate) fn update(&mut self, sample: Nanos) {
        self.min = self.min.min(sample);
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variance = sample / 2;
            }
            Some(smoothed) => {
                self.variance = (3 * self.variance + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((7 * smoothed + sample) / 8);
            }
        }
    }

    /// The retransmission time-out, before any backing off.
    pub(crate) fn rto(&self) -> Nanos {
        let rto = self.smoothed.map_or(self.rto_initial, |s| s + (4 * self.variance).max(10 * MILLIS));
        rto.clamp(self.rto_min, self.rto_max)
    }

    /// How long the last packet of a flight may stay unanswered before it is probed (RFC 8985 §7.2).
    pub(crate) fn probe_timeout(&self) -> Nanos {
        self.smoothed.map_or(self.rto_initial, |s| (2 * s).max(s + 4 * self.variance).max(10 * MILLIS).min(self.rto()))
    }

    pub(crate) fn rto_max(&self) -> Nanos {
        self.rto_max
    }
}
