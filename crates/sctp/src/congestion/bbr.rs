//! A model of the path: the highest delivery rate of late and the shortest round trip of late, in the manner of BBR
//! (draft-cardwell-iccrg-bbr-congestion-control).
//!
//! ```text
//! Startup ──rate stops growing──▶ Drain ──queue is gone──▶ ProbeRate ⇄ ProbeRtt
//! ```
//!
//! Packets that get lost do not by themselves say that the path is full, so they do not slow it down; a queue that grows does.
//! Where a queue overflows that is never empty, somebody else fills it too: from then on the window is no larger than one that
//! answers losses as CUBIC does.

use super::{Ack, Controller, Cubic, initial_window};
use std::time::Duration;

const STARTUP_GAIN: f64 = 2.77;
/// Losses above this share of a round end the startup if there is a queue as well: then it has overflowed.
const STARTUP_LOSS: f64 = 0.02;
/// The pacing gains of one cycle of probing; each lasts about one round trip.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// Slightly less than the estimate goes out, because a maximum is an optimistic estimate and what it is too high by would queue.
const PACING_MARGIN: f64 = 0.99;
const WINDOW_GAIN: f64 = 2.0;
/// A queue that is never shorter than this, or an eighth of the round trip, is not ours alone.
const STANDING: Duration = Duration::from_millis(3);
/// How much faster than CUBIC's the fair window grows, so that a newcomer gets its share within a minute.
const FAIR_GROWTH: f64 = 2.0;
const RATE_ROUNDS: u64 = 10;
const MIN_RTT_LIFE: Duration = Duration::from_secs(10);
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);
/// A round trip that is longer than the shortest by so much and a thirty-second has met no queue to speak of.
const CLOSE: Duration = Duration::from_micros(500);
/// Room for what the end systems hold back: delayed acknowledgements, timers, batches.
const SLACK: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Startup,
    Drain,
    ProbeRate { phase: usize, since: Duration },
    ProbeRtt { done: Option<Duration>, round: u64 },
}

/// The maximum over the last [`RATE_ROUNDS`] rounds, from the best three samples (Kathleen Nichols' algorithm).
#[derive(Clone, Copy, Debug, Default)]
struct MaxFilter([(u64, f64); 3]);

impl MaxFilter {
    fn get(&self) -> f64 {
        self.0[0].1
    }

    fn update(&mut self, round: u64, value: f64) {
        let s = &mut self.0;
        let new = (round, value);
        if value >= s[0].1 || round - s[2].0 > RATE_ROUNDS {
            *s = [new; 3];
            return;
        }
        if value >= s[1].1 {
            s[1] = new;
            s[2] = new;
        } else if value >= s[2].1 {
            s[2] = new;
        }
        let age = round - s[0].0;
        if age > RATE_ROUNDS {
            *s = [s[1], s[2], new];
            if round - s[0].0 > RATE_ROUNDS {
                *s = [s[1], s[2], new];
            }
        } else if s[1].0 == s[0].0 && age > RATE_ROUNDS / 4 {
            s[1] = new;
            s[2] = new;
        } else if s[2].0 == s[1].0 && age > RATE_ROUNDS / 2 {
            s[2] = new;
        }
    }
}

/// The controller.
#[derive(Clone, Debug)]
pub struct Bbr {
    packet: u64,
    mode: Mode,
    /// Bytes a second.
    rate: MaxFilter,
    min_rtt: Option<(Duration, Duration)>,
    smoothed_rtt: Option<Duration>,
    round: u64,
    round_end: u64,
    round_start: bool,
    /// What this round has seen.
    seen: Round,
    /// The shortest round trip of the round before.
    rtt_before: Option<Duration>,
    full: FullPipe,
    /// The most that may be on its way since others were seen to fill the queue with us.
    fair: Option<Cubic>,
    pacing_gain: f64,
    window: u64,
    /// The window before it was cut for a moment.
    saved_window: u64,
    salt: u64,
    idle_restart: bool,
}

/// What happened since a round began.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    acked: u64,
    lost: u64,
    rtt: Option<Duration>,
    most_in_flight: u64,
}

/// Whether the pipe is full: the rate has stopped growing for three rounds, or the queue has overflowed.
#[derive(Clone, Copy, Debug, Default)]
struct FullPipe {
    reached: bool,
    best: f64,
    rounds: u32,
}

impl Bbr {
    /// A controller for packets of `packet` bytes; `salt` varies where in the cycle probing begins.
    pub fn new(packet: usize, salt: u64) -> Self {
        Bbr {
            packet: packet as u64,
            mode: Mode::Startup,
            rate: MaxFilter::default(),
            min_rtt: None,
            smoothed_rtt: None,
            round: 0,
            round_end: 0,
            round_start: false,
            seen: Round::default(),
            rtt_before: None,
            full: FullPipe::default(),
            fair: None,
            pacing_gain: STARTUP_GAIN,
            window: initial_window(packet),
            saved_window: 0,
            salt,
            idle_restart: false,
        }
    }

    /// Bytes on the path at `gain` times what just fills it.
    fn flight(&self, gain: f64) -> u64 {
        let Some((min_rtt, _)) = self.min_rtt else { return initial_window(self.packet as usize) };
        let product = self.rate.get() * min_rtt.as_secs_f64();
        let slack = self.rate.get() * SLACK.as_secs_f64();
        (product * gain + slack) as u64 + 3 * self.packet
    }

    /// Half of what fills the path lets its queue drain, and does not stop the program's data.
    fn probe_rtt_flight(&self) -> u64 {
        self.flight(0.5).max(self.min_window())
    }

    fn min_window(&self) -> u64 {
        4 * self.packet
    }

    fn update_round(&mut self, ack: &Ack) {
        self.round_start = false;
        self.seen.acked += ack.acked;
        self.seen.lost += ack.lost;
        self.seen.most_in_flight = self.seen.most_in_flight.max(ack.prior_in_flight);
        self.seen.rtt = [self.seen.rtt, ack.rtt].into_iter().flatten().min();
        if ack.rate.is_some_and(|rate| rate.prior_delivered >= self.round_end) {
            self.round_end = ack.delivered;
            self.round += 1;
            self.round_start = true;
            if !self.full.reached && self.has_overflowed() {
                self.full.reached = true;
            } else if self.full.reached && self.is_contended() {
                let used = self.seen.most_in_flight;
                self.fair.get_or_insert_with(|| Cubic::at(self.packet as usize, used, FAIR_GROWTH)).reduce(used);
            }
            self.rtt_before = std::mem::take(&mut self.seen).rtt;
        }
    }

    /// Whether more was lost in this round than the path loses at random, with a queue to see.
    fn has_overflowed(&self) -> bool {
        let (Some(rtt), Some((min_rtt, _))) = (self.seen.rtt, self.min_rtt) else { return false };
        self.seen.lost as f64 > (self.seen.acked + self.seen.lost) as f64 * STARTUP_LOSS && rtt > min_rtt + min_rtt / 4
    }

    /// Whether something was lost while we used the path and its queue was not empty for two rounds. Alone on it, we leave it empty
    /// in each round but those of probing.
    fn is_contended(&self) -> bool {
        let (Some(rtt), Some((min_rtt, _))) = (self.seen.rtt.min(self.rtt_before), self.min_rtt) else { return false };
        self.seen.lost > 0
            && self.seen.most_in_flight >= self.flight(0.5)
            && rtt > min_rtt + (min_rtt / 8).min(STANDING) + CLOSE
    }

    fn update_rate(&mut self, ack: &Ack) {
        let Some(rate) = ack.rate.filter(|rate| !rate.interval.is_zero()) else { return };
        let mut value = rate.delivered as f64 / rate.interval.as_secs_f64();
        if rate.uncertain {
            value = value.min(self.rate.get());
        }
        if !rate.app_limited || value >= self.rate.get() {
            self.rate.update(self.round, value);
        }
        if !self.full.reached && self.round_start && !rate.app_limited {
            if self.rate.get() >= self.full.best * 1.25 {
                self.full = FullPipe { reached: false, best: self.rate.get(), rounds: 0 };
            } else {
                self.full.rounds += 1;
                self.full.reached = self.full.rounds >= 3;
            }
        }
    }

    fn enter_probe_rate(&mut self, now: Duration) {
        // Anywhere but in the draining phase.
        let phase = 2 + (self.salt % 6) as usize;
        self.mode = Mode::ProbeRate { phase, since: now };
        self.pacing_gain = gain_of(phase);
    }

    fn advance_cycle(&mut self, ack: &Ack) {
        let Mode::ProbeRate { phase, since } = self.mode else { return };
        let min_rtt = self.min_rtt.map_or(Duration::ZERO, |m| m.0);
        let elapsed = ack.now.saturating_sub(since) > min_rtt;
        let next = match phase {
            // Probing lasts until the path had a chance to show more, or a queue has come of it.
            0 => elapsed && (ack.lost > 0 || ack.prior_in_flight >= self.flight(1.25)),
            // Draining lasts until the queue is gone.
            1 => ack.in_flight <= self.flight(1.0) || ack.now.saturating_sub(since) > 4 * min_rtt,
            _ => elapsed,
        };
        if next {
            let phase = (phase + 1) % CYCLE.len();
            self.mode = Mode::ProbeRate { phase, since: ack.now };
            self.pacing_gain = gain_of(phase);
        }
    }

    fn update_min_rtt(&mut self, ack: &Ack) {
        let expired = self.min_rtt.is_some_and(|(_, at)| ack.now.saturating_sub(at) > MIN_RTT_LIFE);
        if let Some(rtt) = ack.rtt {
            // As good as the minimum counts as the minimum: a path whose queue drains now and then needs no probe of its own.
            let close = self.min_rtt.is_none_or(|(min, _)| rtt <= min + min / 32 + CLOSE);
            if close && self.min_rtt.is_some_and(|(min, _)| rtt > min) {
                self.min_rtt = self.min_rtt.map(|(min, _)| (min, ack.now));
            } else if close || expired {
                self.min_rtt = Some((rtt, ack.now));
            }
        }
        if expired && !self.idle_restart && !matches!(self.mode, Mode::ProbeRtt { .. } | Mode::Startup) {
            self.mode = Mode::ProbeRtt { done: None, round: 0 };
            self.saved_window = self.window;
            self.pacing_gain = 1.0;
        }
        self.idle_restart = false;
        let probe_flight = self.probe_rtt_flight();
        let Mode::ProbeRtt { done, round } = &mut self.mode else { return };
        match done {
            None if ack.in_flight <= probe_flight => {
                *done = Some(ack.now + PROBE_RTT_TIME);
                *round = self.round + 1;
            }
            Some(at) if ack.now >= *at && self.round > *round => {
                self.min_rtt = self.min_rtt.map(|(min, _)| (min, ack.now));
                self.window = self.window.max(self.saved_window);
                if self.full.reached {
                    self.enter_probe_rate(ack.now);
                } else {
                    self.mode = Mode::Startup;
                    self.pacing_gain = STARTUP_GAIN;
                }
            }
            _ => {}
        }
    }

    fn update_window(&mut self, ack: &Ack) {
        let mut target = self.flight(WINDOW_GAIN);
        if let Some(fair) = &mut self.fair {
            if self.window + self.packet >= fair.limit() {
                fair.avoid_congestion(ack);
            }
            target = target.min(fair.limit());
        }
        if self.full.reached {
            self.window = (self.window + ack.acked).min(target);
        } else if self.window < target || ack.delivered < 2 * initial_window(self.packet as usize) {
            self.window += ack.acked;
        }
        self.window = self.window.max(self.min_window());
    }
}

impl Controller for Bbr {
    fn window(&self) -> u64 {
        match self.mode {
            Mode::ProbeRtt { .. } => self.window.min(self.probe_rtt_flight()),
            _ => self.window,
        }
    }

    fn pacing_rate(&self) -> Option<u64> {
        let rate = self.rate.get() * self.pacing_gain * PACING_MARGIN;
        if self.full.reached && rate > 0.0 {
            return Some(rate as u64);
        }
        // Before the pipe was ever full, little traffic says nothing of its rate.
        let first =
            initial_window(self.packet as usize) as f64 * STARTUP_GAIN / self.smoothed_rtt?.as_secs_f64().max(1e-6);
        Some(rate.max(first) as u64)
    }

    fn on_ack(&mut self, ack: &Ack) {
        self.smoothed_rtt = ack.smoothed_rtt;
        self.update_round(ack);
        self.update_rate(ack);
        if self.mode == Mode::Startup && self.full.reached {
            self.mode = Mode::Drain;
            self.pacing_gain = 1.0 / STARTUP_GAIN;
        }
        if self.mode == Mode::Drain && ack.in_flight <= self.flight(1.0) {
            self.enter_probe_rate(ack.now);
        }
        self.advance_cycle(ack);
        self.update_min_rtt(ack);
        self.update_window(ack);
    }

    fn on_congestion(&mut self, _now: Duration, _in_flight: u64) {}

    fn on_timeout(&mut self) {}

    fn on_idle_restart(&mut self, _now: Duration) {
        self.idle_restart = true;
        if matches!(self.mode, Mode::ProbeRate { .. }) {
            self.pacing_gain = 1.0;
        }
    }

    fn set_packet(&mut self, bytes: usize) {
        self.packet = bytes as u64;
        if let Some(fair) = &mut self.fair {
            fair.set_packet(bytes);
        }
    }
}

fn gain_of(phase: usize) -> f64 {
    CYCLE.get(phase).copied().unwrap_or(1.0)
}
