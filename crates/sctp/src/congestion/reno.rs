//! The congestion control of RFC 9260 §7.2.

use super::{Ack, Controller, initial_window, prr::Prr};
use std::time::Duration;

/// Slow start, congestion avoidance, halving (RFC 9260 §7.2), with RFC 6937 while losses are repaired.
#[derive(Clone, Debug)]
pub struct Reno {
    packet: u64,
    window: u64,
    threshold: u64,
    partial: u64,
    prr: Option<Prr>,
    /// Window and threshold before the last reduction, should it have been for nothing.
    before: (u64, u64),
}

impl Reno {
    /// A controller for packets of `packet` bytes.
    pub fn new(packet: usize) -> Self {
        let window = initial_window(packet);
        Reno { packet: packet as u64, window, threshold: u64::MAX, partial: 0, prr: None, before: (0, 0) }
    }
}

impl Controller for Reno {
    fn window(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self) -> Option<u64> {
        None
    }

    fn on_ack(&mut self, ack: &Ack) {
        if ack.in_recovery
            && let Some(prr) = &mut self.prr
        {
            self.window = prr.window(ack.acked, ack.in_flight, self.threshold, self.packet).max(self.packet);
            return;
        }
        if !ack.window_limited {
            return;
        }
        if self.window < self.threshold {
            self.window += ack.acked.min(2 * self.packet);
            return;
        }
        self.partial += ack.acked;
        if self.partial >= self.window {
            self.partial -= self.window;
            self.window += self.packet;
        }
    }

    fn on_sent(&mut self, bytes: u64) {
        if let Some(prr) = &mut self.prr {
            prr.sent(bytes);
        }
    }

    fn on_congestion(&mut self, _now: Duration, in_flight: u64) {
        self.before = (self.window, self.threshold);
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.prr = Some(Prr::new(in_flight));
        self.partial = 0;
    }

    fn on_recovered(&mut self) {
        if self.prr.take().is_some() {
            self.window = self.threshold;
        }
    }

    fn on_timeout(&mut self) {
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.window = self.packet;
        self.partial = 0;
        self.prr = None;
    }

    fn on_spurious(&mut self) {
        self.window = self.window.max(self.before.0);
        self.threshold = self.threshold.max(self.before.1);
        self.prr = None;
    }

    fn set_packet(&mut self, bytes: usize) {
        self.packet = bytes as u64;
    }
}
