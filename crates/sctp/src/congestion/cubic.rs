//! CUBIC (RFC 9438) with HyStart++ (RFC 9406).

use super::{Ack, Controller, initial_window, prr::Prr};
use std::time::Duration;

const BETA: f64 = 0.7;
const C: f64 = 0.4;

/// HyStart++ (RFC 9406 §4.3).
const MIN_RTT_THRESHOLD: Duration = Duration::from_millis(4);
const MAX_RTT_THRESHOLD: Duration = Duration::from_millis(16);
const RTT_SAMPLES: u32 = 8;
const CSS_GROWTH_DIVISOR: u64 = 4;
const CSS_ROUNDS: u32 = 5;

/// The state of RFC 9406: rounds, their smallest round trips, and conservative slow start.
#[derive(Clone, Debug, Default)]
struct HyStart {
    round_end: u64,
    last_min: Option<Duration>,
    current_min: Option<Duration>,
    samples: u32,
    /// In conservative slow start: the round trip at its beginning, and rounds left.
    conservative: Option<(Duration, u32)>,
}

impl HyStart {
    /// Takes a SACK in slow start; returns whether slow start is over.
    fn on_ack(&mut self, ack: &Ack) -> bool {
        if ack.delivered >= self.round_end {
            self.round_end = ack.delivered + ack.in_flight;
            self.last_min = self.current_min.take();
            self.samples = 0;
            if let Some((_, rounds)) = &mut self.conservative {
                *rounds -= 1;
                if *rounds == 0 {
                    return true;
                }
            }
        }
        let Some(rtt) = ack.rtt else { return false };
        self.samples += 1;
        let min = self.current_min.map_or(rtt, |min| min.min(rtt));
        self.current_min = Some(min);
        if self.samples < RTT_SAMPLES {
            return false;
        }
        match self.conservative {
            None => {
                let Some(last) = self.last_min else { return false };
                let threshold = (last / 8).clamp(MIN_RTT_THRESHOLD, MAX_RTT_THRESHOLD);
                if min >= last + threshold {
                    self.conservative = Some((min, CSS_ROUNDS));
                }
            }
            Some((base, _)) if min < base => self.conservative = None,
            Some(_) => {}
        }
        false
    }
}

/// CUBIC. Windows are kept in packets, as the RFC writes its formulas.
#[derive(Clone, Debug)]
pub struct Cubic {
    packet: f64,
    window: f64,
    threshold: f64,
    w_max: f64,
    k: f64,
    w_est: f64,
    epoch: Option<Duration>,
    prr: Option<Prr>,
    recovery_window: u64,
    hystart: HyStart,
    smoothed_rtt: Option<Duration>,
    before: Option<(f64, f64, f64)>,
    /// RFC 9438 §4.1.
    c: f64,
}

impl Cubic {
    /// A controller for packets of `packet` bytes.
    pub fn new(packet: usize) -> Self {
        Cubic {
            packet: packet as f64,
            window: initial_window(packet) as f64 / packet as f64,
            threshold: f64::INFINITY,
            w_max: 0.0,
            k: 0.0,
            w_est: 0.0,
            epoch: None,
            prr: None,
            recovery_window: 0,
            hystart: HyStart::default(),
            smoothed_rtt: None,
            before: None,
            c: C,
        }
    }

    /// A controller past its slow start, with `window` bytes, whose C is `growth` times that of the RFC.
    pub(super) fn at(packet: usize, window: u64, growth: f64) -> Self {
        let window = window as f64 / packet as f64;
        Cubic { window, threshold: window, c: C * growth, ..Cubic::new(packet) }
    }

    /// The window in bytes, whatever is being repaired.
    pub(super) fn limit(&self) -> u64 {
        (self.window * self.packet) as u64
    }

    /// Answers a loss when `used` bytes of the window were on their way.
    pub(super) fn reduce(&mut self, used: u64) {
        self.window = self.window.min(used as f64 / self.packet);
        self.cut();
    }

    /// RFC 9438 §4.6 and §4.7.
    fn cut(&mut self) {
        // Fast convergence.
        self.w_max = if self.window < self.w_max { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * BETA).max(2.0);
        self.window = self.threshold;
        self.epoch = None;
    }

    /// RFC 9438 §4.2 to §4.5.
    pub(super) fn avoid_congestion(&mut self, ack: &Ack) {
        let now = ack.now;
        let epoch = *self.epoch.get_or_insert_with(|| {
            if self.w_max <= self.window {
                self.w_max = self.window;
                self.k = 0.0;
            } else {
                self.k = ((self.w_max - self.window) / self.c).cbrt();
            }
            self.w_est = self.window;
            now
        });
        let t = now.saturating_sub(epoch).as_secs_f64();
        let rtt = ack.smoothed_rtt.unwrap_or_default().as_secs_f64();
        let acked = ack.acked as f64 / self.packet;
        // §4.3: as fast as Reno would be.
        let alpha = if self.w_est < self.w_max { 3.0 * (1.0 - BETA) / (1.0 + BETA) } else { 1.0 };
        self.w_est += alpha * acked / self.window;
        let cubic = |t: f64| self.c * (t - self.k).powi(3) + self.w_max;
        if cubic(t) < self.w_est {
            self.window = self.window.max(self.w_est);
            return;
        }
        let target = cubic(t + rtt).clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) * acked / self.window;
    }
}

impl Controller for Cubic {
    fn window(&self) -> u64 {
        if self.prr.is_some() { self.recovery_window } else { self.limit() }
    }

    /// Twice the window a round trip in slow start, 1.2 times later: the clock of acknowledgements leads, pacing only smooths.
    fn pacing_rate(&self) -> Option<u64> {
        let rtt = self.smoothed_rtt?.as_secs_f64();
        let gain = if self.window < self.threshold { 2.0 } else { 1.2 };
        Some((self.window() as f64 * gain / rtt.max(1e-6)) as u64)
    }

    fn on_ack(&mut self, ack: &Ack) {
        self.smoothed_rtt = ack.smoothed_rtt;
        if let Some(prr) = self.prr.as_mut().filter(|_| ack.in_recovery) {
            let threshold = (self.threshold * self.packet) as u64;
            let packet = self.packet as u64;
            self.recovery_window = prr.window(ack.acked, ack.in_flight, threshold, packet).max(packet);
            return;
        }
        if !ack.window_limited {
            self.epoch = None;
            return;
        }
        if self.window >= self.threshold {
            return self.avoid_congestion(ack);
        }
        let growth = ack.acked as f64 / self.packet;
        let divisor = if self.hystart.conservative.is_some() { CSS_GROWTH_DIVISOR } else { 1 };
        self.window += growth / divisor as f64;
        if self.hystart.on_ack(ack) {
            self.threshold = self.window;
        }
    }

    fn on_sent(&mut self, bytes: u64) {
        if let Some(prr) = &mut self.prr {
            prr.sent(bytes);
        }
    }

    fn on_congestion(&mut self, _now: Duration, in_flight: u64) {
        self.before = Some((self.window, self.threshold, self.w_max));
        self.cut();
        self.recovery_window = in_flight;
        self.prr = Some(Prr::new(in_flight));
    }

    fn on_recovered(&mut self) {
        self.prr = None;
    }

    fn on_timeout(&mut self) {
        self.w_max = self.window;
        self.threshold = (self.window * BETA).max(2.0);
        self.window = 1.0;
        self.prr = None;
        self.epoch = None;
        self.hystart = HyStart::default();
    }

    fn on_spurious(&mut self) {
        if let Some((window, threshold, w_max)) = self.before.take() {
            self.window = self.window.max(window);
            self.threshold = threshold;
            self.w_max = w_max;
            self.prr = None;
            self.epoch = None;
        }
    }

    fn set_packet(&mut self, bytes: usize) {
        let scale = self.packet / bytes as f64;
        self.packet = bytes as f64;
        self.window *= scale;
        self.threshold *= scale;
        self.w_max *= scale;
    }
}
