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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6937 §3: half of what is delivered is sent, until half of the flight is left.
    #[test]
    fn the_window_shrinks_in_proportion() {
        let mut prr = Prr::new(100_000);
        let mut in_flight = 90_000;
        let (mut delivered, mut sent) = (0u64, 0u64);
        while in_flight > 50_000 {
            in_flight -= 1000;
            delivered += 1000;
            let window = prr.window(1000, in_flight, 50_000, 1000);
            while in_flight + 1000 <= window {
                in_flight += 1000;
                sent += 1000;
                prr.sent(1000);
            }
        }
        assert!((delivered / 2).abs_diff(sent) <= 1000, "{sent} of {delivered}");
        assert_eq!(prr.window(1000, 49_000, 50_000, 1000), 50_000);
    }

    /// RFC 6937 §3.1: after heavy loss it grows by one packet more than is delivered.
    #[test]
    fn after_heavy_loss_it_grows_as_slow_start_does() {
        let mut prr = Prr::new(100_000);
        assert_eq!(prr.window(1000, 10_000, 50_000, 1000), 12_000);
    }
}
