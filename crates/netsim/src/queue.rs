//! What waits before a link.

use crate::packet::{Ecn, Packet};
use std::{collections::VecDeque, time::Duration};

/// How a queue treats what does not fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QueueSpec {
    /// Holds so many bytes and drops what comes on top.
    DropTail {
        /// Bytes, IP headers included.
        bytes: usize,
    },
    /// Controlled delay (RFC 8289): drops, or marks what is capable of ECN, when packets have waited too long for too long.
    CoDel {
        /// Bytes that fit at all.
        bytes: usize,
        /// Waiting time that is fine; 5 ms in the RFC.
        target: Duration,
        /// How long the waiting time may exceed the target; 100 ms in the RFC.
        interval: Duration,
    },
    /// Marks every ECT(1) packet that waited longer than `threshold` (RFC 9331 §5.2), drops at the tail.
    L4s {
        /// Bytes that fit at all.
        bytes: usize,
        /// Waiting time above which packets are marked; about 1 ms.
        threshold: Duration,
    },
}

impl Default for QueueSpec {
    fn default() -> Self {
        QueueSpec::DropTail { bytes: 1 << 20 }
    }
}

impl QueueSpec {
    fn bytes(self) -> usize {
        match self {
            QueueSpec::DropTail { bytes } | QueueSpec::CoDel { bytes, .. } | QueueSpec::L4s { bytes, .. } => bytes,
        }
    }
}

/// The state of RFC 8289 §5.
#[derive(Debug, Default)]
struct CoDel {
    first_above: Option<Duration>,
    drop_next: Duration,
    count: u32,
    last_count: u32,
    dropping: bool,
}

#[derive(Debug)]
pub(crate) struct Queue {
    spec: QueueSpec,
    packets: VecDeque<(Duration, Packet)>,
    bytes: usize,
    codel: CoDel,
}

impl Queue {
    pub(crate) fn new(spec: QueueSpec) -> Self {
        Queue { spec, packets: VecDeque::new(), bytes: 0, codel: CoDel::default() }
    }

    pub(crate) fn set_spec(&mut self, spec: QueueSpec) {
        self.spec = spec;
        self.codel = CoDel::default();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn head_len(&self) -> Option<usize> {
        self.packets.front().map(|(_, packet)| packet.wire_len())
    }

    /// Whether the packet found room.
    pub(crate) fn push(&mut self, now: Duration, packet: Packet) -> bool {
        let len = packet.wire_len();
        // An empty queue takes any packet: the one being sent is not waiting.
        if self.bytes + len > self.spec.bytes() && !self.packets.is_empty() {
            return false;
        }
        self.bytes += len;
        self.packets.push_back((now, packet));
        true
    }

    /// The next packet to go, how many were dropped before it, and whether it was marked.
    pub(crate) fn pop(&mut self, now: Duration) -> (Option<Packet>, u64, bool) {
        match self.spec {
            QueueSpec::DropTail { .. } => (self.take().map(|(_, packet)| packet), 0, false),
            QueueSpec::L4s { threshold, .. } => {
                let Some((since, mut packet)) = self.take() else { return (None, 0, false) };
                let mark = packet.ecn == Ecn::Ect1 && now.saturating_sub(since) > threshold;
                if mark {
                    packet.ecn = Ecn::Ce;
                }
                (Some(packet), 0, mark)
            }
            QueueSpec::CoDel { target, interval, .. } => self.pop_codel(now, target, interval),
        }
    }

    fn take(&mut self) -> Option<(Duration, Packet)> {
        let (since, packet) = self.packets.pop_front()?;
        self.bytes -= packet.wire_len();
        Some((since, packet))
    }

    /// RFC 8289 §5.5: whether the packet at the head has been above target for an interval.
    fn take_judged(&mut self, now: Duration, target: Duration, interval: Duration) -> (Option<Packet>, bool) {
        let Some((since, packet)) = self.take() else {
            self.codel.first_above = None;
            return (None, false);
        };
        if now.saturating_sub(since) < target || self.bytes <= 1500 {
            self.codel.first_above = None;
            return (Some(packet), false);
        }
        match self.codel.first_above {
            None => {
                self.codel.first_above = Some(now + interval);
                (Some(packet), false)
            }
            Some(at) => (Some(packet), now >= at),
        }
    }

    /// RFC 8289 §5.6: the dequeue routine.
    fn pop_codel(&mut self, now: Duration, target: Duration, interval: Duration) -> (Option<Packet>, u64, bool) {
        let (mut packet, mut late) = self.take_judged(now, target, interval);
        let mut drops = 0;
        if self.codel.dropping {
            if !late {
                self.codel.dropping = false;
            }
            while self.codel.dropping && now >= self.codel.drop_next {
                self.codel.count += 1;
                if let Some(p) = packet.as_mut().filter(|p| p.ecn != Ecn::NotEct) {
                    p.ecn = Ecn::Ce;
                    self.codel.drop_next = control_law(self.codel.drop_next, interval, self.codel.count);
                    return (packet, drops, true);
                }
                drops += 1;
                (packet, late) = self.take_judged(now, target, interval);
                if late {
                    self.codel.drop_next = control_law(self.codel.drop_next, interval, self.codel.count);
                } else {
                    self.codel.dropping = false;
                }
            }
        } else if late {
            self.codel.dropping = true;
            let delta = self.codel.count.saturating_sub(self.codel.last_count);
            let recently = now.saturating_sub(self.codel.drop_next) < interval * 16;
            self.codel.count = if delta > 1 && recently { delta } else { 1 };
            self.codel.last_count = self.codel.count;
            self.codel.drop_next = control_law(now, interval, self.codel.count);
            if let Some(p) = packet.as_mut().filter(|p| p.ecn != Ecn::NotEct) {
                p.ecn = Ecn::Ce;
                return (packet, drops, true);
            }
            drops += 1;
            (packet, _) = self.take_judged(now, target, interval);
        }
        (packet, drops, false)
    }
}

fn control_law(t: Duration, interval: Duration, count: u32) -> Duration {
    t + interval.div_f64(f64::from(count.max(1)).sqrt())
}
