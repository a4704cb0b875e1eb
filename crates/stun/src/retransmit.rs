//! When to send a request again, as data: the caller owns the clock (RFC 8489 §6.2.1).

use std::time::{Duration, Instant};

/// How often and how patiently a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetransmitPolicy {
    /// RTO: the wait after the first send; doubled after each.
    pub initial: Duration,
    /// No wait between sends is longer than this.
    pub longest: Duration,
    /// Rc: how often the request is sent in all.
    pub sends: u32,
    /// The wait after the last send.
    pub last_wait: Duration,
}

impl RetransmitPolicy {
    /// RFC 8489 §6.2.1: RTO 500 ms, Rc 7, Rm 16; gives up after 39.5 s.
    pub const UDP: Self = Self::rfc(Duration::from_millis(500));

    /// RFC 8489 §6.2.2 over TCP and TLS: sent once, Ti 39.5 s.
    pub const STREAM: Self = Self {
        initial: Duration::from_millis(39_500),
        longest: Duration::from_millis(39_500),
        sends: 1,
        last_wait: Duration::from_millis(39_500),
    };

    /// As browsers do: RTO 250 ms, nine sends, no wait longer than 8 s.
    pub const BROWSER: Self = Self {
        initial: Duration::from_millis(250),
        longest: Duration::from_secs(8),
        sends: 9,
        last_wait: Duration::from_secs(8),
    };

    /// The policy of RFC 8489 §6.2.1 with a known RTO.
    pub const fn rfc(rto: Duration) -> Self {
        Self { initial: rto, longest: Duration::MAX, sends: 7, last_wait: rto.saturating_mul(16) }
    }
}

/// What a due timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerAction {
    /// Not due yet.
    Wait,
    /// Send the same bytes again.
    Resend,
    /// Nobody answered.
    GiveUp,
}

/// The timer of one request.
#[derive(Clone, Copy, Debug)]
pub struct RetransmitTimer {
    policy: RetransmitPolicy,
    sends: u32,
    wait: Duration,
    due: Instant,
}

impl RetransmitTimer {
    /// The request was sent for the first time at `now`.
    pub fn start(now: Instant, policy: RetransmitPolicy) -> Self {
        let wait = if policy.sends <= 1 { policy.last_wait } else { policy.initial };
        Self { policy, sends: 1, wait, due: now + wait }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn due(&self) -> Instant {
        self.due
    }

    /// How often the request was sent. By Karn's rule only a request sent once measures a round trip.
    pub fn sends(&self) -> u32 {
        self.sends
    }

    /// What to do at `now`. A [`TimerAction::Resend`] is counted as sent.
    pub fn handle_timeout(&mut self, now: Instant) -> TimerAction {
        if now < self.due {
            return TimerAction::Wait;
        }
        if self.sends >= self.policy.sends {
            return TimerAction::GiveUp;
        }
        self.sends += 1;
        self.wait = if self.sends == self.policy.sends {
            self.policy.last_wait
        } else {
            self.wait.saturating_mul(2).min(self.policy.longest)
        };
        self.due = now + self.wait;
        TimerAction::Resend
    }
}

/// Round-trip time and the RTO that follows from it (RFC 6298 §2, RFC 8489 §6.2.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct RttEstimator {
    smoothed: Option<(Duration, Duration)>,
}

impl RttEstimator {
    /// A request that was sent once was answered after `rtt`.
    pub fn sample(&mut self, rtt: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (rtt, rtt / 2),
            Some((srtt, var)) => ((srtt * 7 + rtt) / 8, (var * 3 + srtt.abs_diff(rtt)) / 4),
        });
    }

    /// The smoothed round trip, once there was a sample.
    pub fn rtt(&self) -> Option<Duration> {
        self.smoothed.map(|(srtt, _)| srtt)
    }

    /// The RTO: `otherwise` before the first sample, and never below `least`.
    pub fn rto(&self, otherwise: Duration, least: Duration) -> Duration {
        self.smoothed.map_or(otherwise, |(srtt, var)| (srtt + var * 4).max(least))
    }
}
