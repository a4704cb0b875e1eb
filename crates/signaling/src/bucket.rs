//! The limit on how fast a client may talk.

use std::time::{Duration, Instant};

/// A token bucket in virtual time: so many messages a second on average, so many at once.
///
/// Kept as the instant at which the bucket would be full again, which needs no timer and no rounding.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    full_at: Instant,
}

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    per_s: u32,
    burst: u32,
}

impl Rate {
    /// `per_s` a second on average and `burst` at once; each at least 1.
    pub fn new(per_s: u32, burst: u32) -> Self {
        Self { per_s: per_s.max(1), burst: burst.max(1) }
    }

    fn cost(self) -> Duration {
        Duration::from_secs(1) / self.per_s
    }
}

impl Bucket {
    /// A full one.
    pub fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one token; or says how long until there is one.
    ///
    /// # Errors
    ///
    /// The time to wait.
    pub fn take(&mut self, now: Instant, rate: Rate) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + rate.cost();
        let owed = full_at.saturating_duration_since(now);
        let allowed = rate.cost() * rate.burst;
        if owed > allowed {
            return Err(owed - allowed);
        }
        self.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_average_holds() {
        let rate = Rate::new(50, 200);
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        assert_eq!((0..1000).filter(|_| bucket.take(start, rate).is_ok()).count(), 200);
        assert_eq!(bucket.take(start, rate), Err(Duration::from_millis(20)));
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| bucket.take(later, rate).is_ok()).count(), 50);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| bucket.take(much_later, rate).is_ok()).count(), 200);
    }
}
