//! One direction of a wire: rate, queue, delay and everything that goes wrong on it.

use crate::{packet::Packet, queue::Queue, queue::QueueSpec, rng::Rng};
use std::time::Duration;

/// How packets get lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Not at all.
    #[default]
    None,
    /// Each with this probability, on its own.
    Random(f64),
    /// In bursts: a two-state Markov chain that moves once a packet (Gilbert 1960, Elliott 1963).
    GilbertElliott {
        /// Probability to go from good to bad.
        enter: f64,
        /// Probability to go from bad to good; a burst lasts `1 / leave` packets on average.
        leave: f64,
        /// Loss while good.
        good: f64,
        /// Loss while bad.
        bad: f64,
    },
}

impl Loss {
    /// Bursts of `burst` packets on average that add up to the share `mean` of all packets (both > 0, `mean` < 1).
    pub fn bursts(mean: f64, burst: f64) -> Self {
        let leave = 1.0 / burst.max(1.0);
        Loss::GilbertElliott { enter: leave * mean / (1.0 - mean), leave, good: 0.0, bad: 1.0 }
    }
}

/// What a direction of a wire is like. The default is perfect: no delay, no limit, no fault.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkSpec {
    /// Bits a second; `None` for no limit (then nothing ever queues).
    pub rate: Option<u64>,
    /// What waits when packets come faster than `rate`.
    pub queue: QueueSpec,
    /// Propagation delay, one way.
    pub delay: Duration,
    /// Up to so much more delay, drawn evenly for each packet. Keeps the order unless `reorder` says otherwise.
    pub jitter: Duration,
    /// Loss.
    pub loss: Loss,
    /// Share of packets that are overtaken: they take `reorder_by` longer.
    pub reorder: f64,
    /// How much longer.
    pub reorder_by: Duration,
    /// Share of packets that come twice.
    pub duplicate: f64,
    /// Largest IP packet in bytes; larger ones are dropped, and the sender is told (RFC 1191, RFC 8201) if routers tell at all.
    pub mtu: usize,
}

impl Default for LinkSpec {
    fn default() -> Self {
        LinkSpec {
            rate: None,
            queue: QueueSpec::default(),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: Loss::None,
            reorder: 0.0,
            reorder_by: Duration::ZERO,
            duplicate: 0.0,
            mtu: 1500,
        }
    }
}

impl LinkSpec {
    /// Perfect but for `delay`.
    pub fn delay(delay: Duration) -> Self {
        LinkSpec { delay, ..Self::default() }
    }

    /// `mbit_per_s` with a drop-tail queue that holds `queue_ms` milliseconds.
    pub fn bottleneck(mbit_per_s: u64, delay: Duration, queue_ms: u64) -> Self {
        let rate = mbit_per_s * 1_000_000;
        let queue = QueueSpec::DropTail { bytes: (rate / 8 * queue_ms / 1000) as usize };
        LinkSpec { rate: Some(rate), queue, delay, ..Self::default() }
    }

    /// The same, with this loss.
    #[must_use]
    pub fn with_loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }
}

/// What happened on a link, counted in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Came in.
    pub offered: u64,
    /// Went out at the far end (a duplicate counts).
    pub delivered: u64,
    /// Bytes that went out, IP headers included.
    pub delivered_bytes: u64,
    /// Lost at random.
    pub lost: u64,
    /// Dropped by the queue.
    pub queue_drops: u64,
    /// Marked by the queue (ECN).
    pub marked: u64,
    /// Too big.
    pub too_big: u64,
    /// Sent while the link was down.
    pub down: u64,
}

/// What becomes of a packet that is handed to a link.
pub(crate) enum Offer {
    /// It arrives after this time, perhaps twice.
    Arrives(Duration, Option<Duration>, Packet),
    /// It waits in the queue; the link is busy or must be served after this time.
    Queued(Option<Duration>),
    /// It is gone.
    Gone,
    /// It is gone because it was larger than this.
    TooBig(usize),
}

/// A direction of a wire and its state.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) spec: LinkSpec,
    pub(crate) up: bool,
    pub(crate) stats: LinkStats,
    queue: Queue,
    serving: bool,
    bad: bool,
    /// The latest arrival promised, so that jitter alone does not reorder.
    last_arrival: Duration,
    rng: Rng,
}

impl Link {
    pub(crate) fn new(spec: LinkSpec, rng: Rng) -> Self {
        let queue = Queue::new(spec.queue);
        Link {
            spec,
            up: true,
            stats: LinkStats::default(),
            queue,
            serving: false,
            bad: false,
            last_arrival: Duration::ZERO,
            rng,
        }
    }

    pub(crate) fn set_spec(&mut self, spec: LinkSpec) {
        if spec.queue != self.spec.queue {
            self.queue.set_spec(spec.queue);
        }
        self.spec = spec;
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// Takes a packet at `now` (since the start).
    pub(crate) fn offer(&mut self, now: Duration, packet: Packet) -> Offer {
        self.stats.offered += 1;
        if !self.up {
            self.stats.down += 1;
            return Offer::Gone;
        }
        if packet.wire_len() > self.spec.mtu {
            self.stats.too_big += 1;
            return Offer::TooBig(self.spec.mtu);
        }
        if self.spec.rate.is_none() {
            return self.launch(now, packet);
        }
        if !self.queue.push(now, packet) {
            self.stats.queue_drops += 1;
            return Offer::Gone;
        }
        if self.serving {
            return Offer::Queued(None);
        }
        self.serving = true;
        Offer::Queued(self.head_time())
    }

    /// The head of the queue has been sent whole: starts it on its way, and says when the next one will have been.
    pub(crate) fn serve(&mut self, now: Duration) -> (Offer, Option<Duration>) {
        let (packet, drops, marked) = self.queue.pop(now);
        self.stats.queue_drops += drops;
        self.stats.marked += u64::from(marked);
        let offer = match packet {
            Some(packet) if self.up => self.launch(now, packet),
            Some(_) => {
                self.stats.down += 1;
                Offer::Gone
            }
            None => Offer::Gone,
        };
        let next = self.head_time();
        self.serving = next.is_some();
        (offer, next)
    }

    /// How long the packet at the head of the queue takes to send.
    fn head_time(&self) -> Option<Duration> {
        let bits = self.queue.head_len()? as u64 * 8;
        let rate = self.spec.rate.unwrap_or(u64::MAX).max(1);
        Some(Duration::from_nanos((u128::from(bits) * 1_000_000_000 / u128::from(rate)) as u64))
    }

    fn launch(&mut self, now: Duration, packet: Packet) -> Offer {
        if self.lose() {
            self.stats.lost += 1;
            return Offer::Gone;
        }
        let mut arrival = now + self.spec.delay + self.jitter();
        if self.rng.chance(self.spec.reorder) {
            arrival += self.spec.reorder_by;
        } else {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        let twice = self.rng.chance(self.spec.duplicate).then(|| arrival + self.jitter());
        let copies = 1 + u64::from(twice.is_some());
        self.stats.delivered += copies;
        self.stats.delivered_bytes += packet.wire_len() as u64 * copies;
        Offer::Arrives(arrival - now, twice.map(|t| t - now), packet)
    }

    fn jitter(&mut self) -> Duration {
        let most = self.spec.jitter.as_nanos() as u64;
        if most == 0 { Duration::ZERO } else { Duration::from_nanos(self.rng.below(most)) }
    }

    fn lose(&mut self) -> bool {
        match self.spec.loss {
            Loss::None => false,
            Loss::Random(p) => self.rng.chance(p),
            Loss::GilbertElliott { enter, leave, good, bad } => {
                let flip = if self.bad { leave } else { enter };
                self.bad ^= self.rng.chance(flip);
                self.rng.chance(if self.bad { bad } else { good })
            }
        }
    }
}
