//! Which of the chunks on their way are late: RACK (RFC 8985), by the times at which they were sent.

use super::rtt::Rtt;
use crate::time::{MILLIS, Nanos};

/// RACK's state (RFC 8985 §5).
#[derive(Debug)]
pub(crate) struct Rack {
    /// When the most recently sent of all acknowledged chunks was sent, and which it was.
    pub(crate) sent_at: Nanos,
    pub(crate) seq: u64,
    pub(crate) rtt: Nanos,
    /// The last round trip that is certain, and when it was measured.
    pub(crate) certain: (Nanos, Nanos),
    pub(crate) reordering_seen: bool,
    /// The reordering window in quarters of the shortest round trip; grows when retransmissions turn out not to have been needed.
    window: u32,
    /// One step a round.
    window_round: u64,
    /// Recoveries without such a retransmission left before the window shrinks again (§6.2 step 4).
    persist: u32,
}

impl Rack {
    /// An answer to a retransmission that comes sooner than this is one to an earlier transmission (RFC 8985 §6.2 step 2).
    ///
    /// The RFC takes the shortest round trip. While there is a queue no answer comes as soon as that, and a late original would pass for an early answer.
    pub(crate) fn soonest(&self, now: Nanos, rtt: &Rtt) -> Nanos {
        let (sample, at) = self.certain;
        let shortest = if now - at < sample { sample.max(rtt.min) } else { rtt.min };
        // A lone packet is answered a little sooner than those that follow others.
        shortest - shortest / 8
    }

    /// What is acknowledged later than this after it was sent came long before, when there was no SACK to tell, or no room in it: as much as all that tells
    /// nothing of the path's rate.
    pub(crate) fn late(&self) -> Nanos {
        let (sample, _) = self.certain;
        if sample == 0 { Nanos::MAX } else { sample + sample / 2 + 10 * MILLIS }
    }

    /// How much later than its fellows a chunk may be (§6.2 step 4). `strict` if there is no reason for patience unless reordering has been seen.
    pub(crate) fn reordering_window(&self, strict: bool, rtt: &Rtt) -> Nanos {
        if !self.reordering_seen && strict {
            return 0;
        }
        let quarter = if rtt.min == Nanos::MAX { 0 } else { rtt.min / 4 };
        (quarter * u64::from(self.window)).min(rtt.smoothed.unwrap_or(quarter))
    }

    /// Something was sent again for nothing, in this round.
    pub(crate) fn widen(&mut self, round: u64) {
        if round > self.window_round {
            self.window_round = round;
            self.window = (self.window + 1).min(16);
            self.persist = 16;
        }
    }

    /// A recovery has ended.
    pub(crate) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.window = 1;
        }
    }
}

impl Default for Rack {
    fn default() -> Self {
        Rack {
            sent_at: 0,
            seq: 0,
            rtt: 0,
            certain: (0, 0),
            reordering_seen: false,
            window: 1,
            window_round: 0,
            persist: 0,
        }
    }
}
