//! Proportional rate reduction (RFC 6937): how the window shrinks while losses are repaired, without stopping and without bursts.

/// The state of RFC 6937 §3; lives as long as one recovery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prr {
    recover_flight: u64,
    delivered: u64,
    out: u64,
}

impl Prr {
    /// A recovery begins with `in_flight` bytes on their way.
    pub(crate) fn new(in_flight: u64) -> Self {
        Prr { recover_flight: in_flight.max(1), delivered: 0, out: 0 }
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.out += bytes;
    }

    /// The window after an acknowledgement of `acked` bytes (slow-start reduction bound).
    pub(crate) fn window(&mut self, acked: u64, in_flight: u64, threshold: u64, packet: u64) -> u64 {
        self.delivered += acked;
        let send = if in_flight > threshold {
            (self.delivered * threshold).div_ceil(self.recover_flight).saturating_sub(self.out)
        } else {
            let limit = self.delivered.saturating_sub(self.out).max(acked) + packet;
            (threshold - in_flight).min(limit)
        };
        in_flight + send
    }
}
