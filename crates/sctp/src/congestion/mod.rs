//! How much may be on its way: congestion control behind one trait.
//!
//! Three ways are here. [`Reno`] is what RFC 9260 §7 describes. [`Cubic`] is RFC 9438 with the slow start of RFC 9406. [`Bbr`], the default, models the
//! path's rate and round trip and keeps its rate when packets are lost at random. `docs/performance.md` has the figures that chose it.

mod bbr;
mod cubic;
mod prr;
mod reno;

pub use bbr::Bbr;
pub use cubic::Cubic;
pub use reno::Reno;

use std::{fmt, time::Duration};

/// Which congestion control an association uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Model of the path: [`Bbr`].
    #[default]
    Bbr,
    /// [`Cubic`].
    Cubic,
    /// [`Reno`].
    Reno,
}

impl Algorithm {
    /// A controller for a new path with packets of `packet` bytes; `salt` keeps two flows from probing in step.
    pub fn controller(self, packet: usize, salt: u64) -> Box<dyn Controller> {
        match self {
            Algorithm::Bbr => Box::new(Bbr::new(packet, salt)),
            Algorithm::Cubic => Box::new(Cubic::new(packet)),
            Algorithm::Reno => Box::new(Reno::new(packet)),
        }
    }
}

/// How fast data arrived at the peer, measured over one acknowledgement (draft-ietf-ccwg-bbr, "delivery rate samples").
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateSample {
    /// Bytes that arrived while the newest acknowledged packet was on its way.
    pub delivered: u64,
    /// In this time.
    pub interval: Duration,
    /// What had arrived in all when that packet was sent.
    pub prior_delivered: u64,
    /// The program had not enough to send: the path may be faster.
    pub app_limited: bool,
    /// Some of it may have arrived before, and was told late: the path may be slower.
    pub uncertain: bool,
}

/// What one SACK told. Bytes are those of chunks, headers included.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// When, since the association was made.
    pub now: Duration,
    /// Bytes newly acknowledged.
    pub acked: u64,
    /// Bytes newly known to be lost.
    pub lost: u64,
    /// Bytes on their way before and after this SACK.
    pub prior_in_flight: u64,
    /// See `prior_in_flight`.
    pub in_flight: u64,
    /// Bytes that ever arrived.
    pub delivered: u64,
    /// This SACK's round trip.
    pub rtt: Option<Duration>,
    /// The smoothed round trip (RFC 9260 §6.3.1).
    pub smoothed_rtt: Option<Duration>,
    /// The delivery rate.
    pub rate: Option<RateSample>,
    /// Lost data is being repaired.
    pub in_recovery: bool,
    /// The window was in use, rather than the program short of data.
    pub window_limited: bool,
}

/// A congestion controller. The association tells what happens; the controller says how much may be on its way, and how fast.
///
/// For each SACK: first [`Controller::on_congestion`] if it began a recovery, then [`Controller::on_ack`].
pub trait Controller: fmt::Debug + Send {
    /// Bytes that may be on their way.
    fn window(&self) -> u64;

    /// Bytes a second; `None` to send as the window allows.
    fn pacing_rate(&self) -> Option<u64>;

    /// A SACK came.
    fn on_ack(&mut self, ack: &Ack);

    /// `bytes` go out.
    fn on_sent(&mut self, _bytes: u64) {}

    /// Loss was found, for the first time in this window of data. `in_flight` counts what was on its way before.
    fn on_congestion(&mut self, now: Duration, in_flight: u64);

    /// All that was on its way when the recovery began has been acknowledged.
    fn on_recovered(&mut self) {}

    /// Nothing was acknowledged for a whole retransmission time-out.
    fn on_timeout(&mut self);

    /// All retransmissions since the last [`Controller::on_congestion`] turned out not to have been needed.
    fn on_spurious(&mut self) {}

    /// Sending starts again after a pause with nothing on its way.
    fn on_idle_restart(&mut self, _now: Duration) {}

    /// The size of packets changed.
    fn set_packet(&mut self, bytes: usize);
}

/// The first window: ten packets, as in TCP (RFC 6928); RFC 9260 §7.2.1 would start with three.
pub(crate) fn initial_window(packet: usize) -> u64 {
    10 * packet as u64
}
