//! How fast a client of another system may talk: the rule of the signaling protocol (docs/signaling.md), told in virtual time.

use std::time::{Duration, Instant};

use parlour_signaling::{Bucket, Rate};

use crate::config::Config;

/// How long a client may go on talking too fast.
const ABUSE: Duration = Duration::from_secs(10);

/// How long a client must keep within the rate until what it did before is forgotten.
const FORGIVEN: Duration = Duration::from_secs(2);

/// How many refused messages in a row are too many, however short the time: ten bursts.
const ABUSE_BURSTS: u32 = 10;

/// How often a client that talks too fast is told so.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The limits of one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    rate: Rate,
    most_refused: u32,
    /// Messages a second.
    pub(crate) per_s: u32,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        let (per_s, burst) = (config.limits.messages_per_s, config.limits.burst);
        Self { rate: Rate::new(per_s, burst), most_refused: burst.saturating_mul(ABUSE_BURSTS), per_s }
    }
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Take it.
    Fine,
    /// Drop it, and tell the client if `tell`; it may talk again after `wait`.
    Refuse { tell: bool, wait: Duration },
    /// End the connection.
    Abuse,
}

/// How one client keeps to the limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    bucket: Bucket,
    offence: Option<Offence>,
}

#[derive(Clone, Copy, Debug)]
struct Offence {
    since: Instant,
    last: Instant,
    told: Instant,
    refused: u32,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { bucket: Bucket::full(now), offence: None }
    }

    /// Counts a message.
    pub(crate) fn count(&mut self, now: Instant, limits: &Limits) -> Verdict {
        let forgiven = |offence: &Offence| offence.last + FORGIVEN <= now;
        let Err(wait) = self.bucket.take(now, limits.rate) else {
            self.offence = self.offence.filter(|offence| !forgiven(offence));
            return Verdict::Fine;
        };
        let first = Offence { since: now, last: now, told: now, refused: 0 };
        let mut offence = self.offence.filter(|offence| !forgiven(offence)).unwrap_or(first);
        offence.last = now;
        offence.refused += 1;
        let tell = offence.refused == 1 || offence.told + TELL_EVERY <= now;
        if tell {
            offence.told = now;
        }
        self.offence = Some(offence);
        if offence.since + ABUSE <= now || offence.refused > limits.most_refused {
            return Verdict::Abuse;
        }
        Verdict::Refuse { tell, wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_s: u32, burst: u32) -> Limits {
        let mut config = Config::default();
        config.limits.messages_per_s = per_s;
        config.limits.burst = burst;
        Limits::new(&config)
    }

    #[test]
    fn a_flood_is_told_once_a_second_and_ended_after_ten() {
        let limits = limits(50, 200);
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut told = 0;
        // 60 a second: little too much, so the number of refused messages does not end it.
        for n in 0_u32.. {
            let now = start + Duration::from_secs(1) * n / 60;
            match pace.count(now, &limits) {
                Verdict::Fine => {}
                Verdict::Refuse { tell, wait } => {
                    told += u32::from(tell);
                    assert!(wait <= Duration::from_millis(20));
                }
                Verdict::Abuse => {
                    let seconds = (now - start).as_secs();
                    // 200 at once, 10 a second too many: 20 s until the first refusal, and 10 s of them.
                    assert!((28..=32).contains(&seconds), "{seconds}");
                    break;
                }
            }
        }
        assert!((9..=11).contains(&told), "{told}");
    }

    #[test]
    fn a_burst_a_minute_is_forgiven() {
        let limits = limits(50, 200);
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for minute in 0..60 {
            let now = start + Duration::from_secs(60) * minute;
            let verdicts: Vec<_> = (0..300).map(|_| pace.count(now, &limits)).collect();
            assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Fine).count(), 200);
            assert!(!verdicts.contains(&Verdict::Abuse), "minute {minute}");
        }
    }

    #[test]
    fn ten_bursts_at_once_are_the_end() {
        let limits = limits(50, 200);
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let taken = (0..).take_while(|_| pace.count(start, &limits) != Verdict::Abuse).count();
        assert_eq!(taken, 200 + 2000);
    }
}
