//! Whether a valid pair still works: consent (RFC 7675), silence, and round-trip times.

use parlour_stun::RttEstimator;
use std::time::{Duration, Instant};

/// An idle pair is dead after so long without an answer.
const IDLE_DEATH: Duration = Duration::from_millis(2_500);
/// Media flows if there was some within this time.
const FLOWING: Duration = Duration::from_secs(2);
/// Packets further apart are not of one stream of media.
const PAUSE: Duration = Duration::from_millis(500);
/// Packets closer together are of one burst, as the packets of a picture are.
const BURST: Duration = Duration::from_millis(5);
/// The selected pair is left behind if something came by another one so much later.
const LEFT_BEHIND: Duration = Duration::from_millis(150);
/// How soon silence is looked into while only this side sends.
const QUIET_SENDING: Duration = Duration::from_millis(500);
/// The bounds of three expected intervals between packets.
const QUIET_LEAST: Duration = Duration::from_millis(300);
const QUIET_MOST: Duration = Duration::from_millis(700);
/// With media flowing: how long unanswered checks and silence make a pair dead.
const FLOWING_DEATH: Duration = Duration::from_millis(650);

/// What tells whether a pair works.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    /// Round trips of checks.
    pub(crate) rtt: RttEstimator,
    pub(crate) last_rtt: Option<Duration>,
    pub(crate) total_rtt: Duration,
    pub(crate) samples: u32,
    /// Since when the pair is valid.
    pub(crate) valid_since: Option<Instant>,
    /// When anything came.
    pub(crate) received_at: Option<Instant>,
    pub(crate) data_received_at: Option<Instant>,
    pub(crate) data_sent_at: Option<Instant>,
    /// Smoothed time between bursts of the other side, and when the last burst began.
    interval: Option<Duration>,
    burst_at: Option<Instant>,
    pub(crate) last_check: Option<Instant>,
    /// Since when checks are unanswered, and how many.
    pub(crate) probing: Option<Instant>,
    unanswered: u32,
    /// The next check for consent, or to keep a backup.
    pub(crate) next_check: Option<Instant>,
    /// Until when the other side has agreed to be sent to.
    pub(crate) consent_until: Option<Instant>,
    /// Silent where it should not be. May come back.
    pub(crate) dead: bool,
}

impl Liveness {
    /// A packet of the application came.
    pub(crate) fn received_data(&mut self, now: Instant) {
        let gap = self.burst_at.map(|before| now.saturating_duration_since(before));
        if gap.is_none_or(|gap| gap > BURST) {
            self.burst_at = Some(now);
            // A longer one is a pause, and says nothing about the pace of media.
            if let Some(gap) = gap.filter(|gap| *gap <= PAUSE) {
                self.interval = Some(self.interval.map_or(gap, |mean| (mean * 7 + gap) / 8));
            }
        }
        self.data_received_at = Some(now);
        self.received_at = Some(now);
    }

    /// A check was answered after `rtt`.
    pub(crate) fn answered(&mut self, now: Instant, rtt: Duration, consent: Duration) {
        self.rtt.sample(rtt);
        self.last_rtt = Some(rtt);
        self.total_rtt += rtt;
        self.samples = self.samples.saturating_add(1);
        self.received_at = Some(now);
        self.probing = None;
        self.unanswered = 0;
        self.dead = false;
        self.consent_until = Some(now + consent);
    }

    /// A check was sent.
    pub(crate) fn checked(&mut self, now: Instant) {
        self.last_check = Some(now);
        self.probing = self.probing.or(Some(now));
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// Nothing is asked of the pair any more.
    pub(crate) fn stop(&mut self) {
        self.probing = None;
        self.unanswered = 0;
        self.next_check = None;
        self.consent_until = None;
        self.dead = false;
    }

    fn rtt_or(&self, otherwise: Duration) -> Duration {
        self.rtt.rtt().unwrap_or(otherwise)
    }

    /// Time between unanswered checks. Nobody can answer the first one sooner than in a round trip; when that is over,
    /// only several more in quick succession tell loss from death.
    pub(crate) fn probe_interval(&self) -> Duration {
        let ms = Duration::from_millis;
        let rtt = self.rtt_or(ms(100));
        match self.unanswered {
            _ if self.dead => ms(500),
            0..=1 => (rtt * 3 / 2).clamp(ms(50), ms(500)),
            2..=8 => (rtt / 2).clamp(ms(50), ms(150)),
            _ => ms(500),
        }
    }

    fn is_flowing(&self, now: Instant) -> bool {
        let lately = |at: Option<Instant>| at.is_some_and(|at| at + FLOWING >= now);
        lately(self.data_sent_at) || lately(self.data_received_at)
    }

    /// When silence is long enough to be looked into, while media flows.
    fn quiet_at(&self, now: Instant) -> Option<Instant> {
        let since = self.received_at?;
        let sent_since = self.data_sent_at.is_some_and(|at| at > since).then_some(since + QUIET_SENDING);
        let flows = self.data_received_at.is_some_and(|at| at + FLOWING >= now);
        let receiving = self.expects_within().filter(|_| flows).map(|quiet| since + quiet);
        [sent_since, receiving].into_iter().flatten().min()
    }

    /// Whether media came by this pair, and is missing at `later` when something came by another one.
    pub(crate) fn is_left_behind(&self, later: Instant) -> bool {
        match (self.received_at, self.interval) {
            (Some(last), Some(interval)) => later > last + LEFT_BEHIND.max(interval * 3),
            _ => false,
        }
    }

    /// How soon after a packet of media silence means something; `None` if none is expected.
    pub(crate) fn expects_within(&self) -> Option<Duration> {
        self.interval.map(|mean| (mean * 3).max(QUIET_LEAST)).filter(|quiet| *quiet <= QUIET_MOST)
    }

    /// When the next check of a valid pair is due.
    pub(crate) fn due(&self, now: Instant, selected: bool) -> Option<Instant> {
        let again = self.last_check.map(|at| at + self.probe_interval());
        let unanswered = self.probing.and(again);
        let quiet = if selected { self.quiet_at(now) } else { None };
        let quiet = quiet.map(|at| again.map_or(at, |again| at.max(again)));
        [self.next_check, unanswered, quiet].into_iter().flatten().min()
    }

    /// When the pair is dead unless something comes.
    pub(crate) fn dies_at(&self, now: Instant) -> Option<Instant> {
        let since = self.probing?;
        let patience = if self.is_flowing(now) {
            FLOWING_DEATH.max(self.rtt_or(Duration::ZERO) * 3)
        } else {
            IDLE_DEATH.max(self.rtt_or(Duration::ZERO) * 3)
        };
        let by_silence = self.received_at.map_or(since, |at| at.max(since));
        (!self.dead).then_some(by_silence + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_idle_pair_wants_nothing_between_consent_checks() {
        let now = Instant::now();
        let mut live = Liveness::default();
        live.checked(now);
        live.answered(now + 20 * MS, 20 * MS, Duration::from_secs(30));
        live.next_check = Some(now + Duration::from_secs(5));
        assert_eq!(live.due(now + 30 * MS, true), Some(now + Duration::from_secs(5)));
        assert_eq!(live.dies_at(now + 30 * MS), None);
    }

    #[test]
    fn a_single_burst_promises_nothing_and_pictures_promise_the_next_one() {
        let mut now = Instant::now();
        let mut live = Liveness::default();
        (0..10).for_each(|n| live.received_data(now + MS * n / 10));
        assert!(!live.is_left_behind(now + 10_000 * MS), "nothing says that more was to come");
        for _ in 0..20 {
            now += 33 * MS;
            (0..10).for_each(|n| live.received_data(now + MS * n / 10));
        }
        assert_eq!(live.expects_within(), Some(QUIET_LEAST));
        assert!(live.is_left_behind(now + 200 * MS));
    }

    #[test]
    fn with_media_flowing_a_silent_pair_is_dead_within_a_second_and_a_half() {
        for rtt in [MS, 50 * MS, 300 * MS] {
            let start = Instant::now();
            let mut live = Liveness::default();
            live.checked(start);
            live.answered(start + rtt, rtt, Duration::from_secs(30));
            let mut now = start + rtt;
            for _ in 0..100 {
                now += 20 * MS;
                live.received_data(now);
            }
            let silent = now;
            while live.dies_at(now).is_none_or(|at| at > now) {
                if live.due(now, true).is_some_and(|at| at <= now) {
                    live.checked(now);
                }
                now += MS;
            }
            let took = now - silent;
            assert!((900 * MS..=1_500 * MS).contains(&took), "rtt {rtt:?}: {took:?}");
        }
    }
}
