//! How large packets may be: packetization layer path MTU discovery (RFC 8899 §6.2) with HEARTBEAT and PAD.

use crate::{
    config::PacketSizes,
    time::{Nanos, SECOND},
};

/// Probes of one size before it counts as too large (RFC 8899 §5.1.2: MAX_PROBES).
const MOST_PROBES: u32 = 3;
/// The search ends when a step would be smaller than this.
const STEP: usize = 32;
/// How long a size that failed is left alone (PMTU_RAISE_TIMER).
const RAISE: Nanos = 600 * SECOND;
/// After packets vanished, the search waits so long.
const CALM: Nanos = 30 * SECOND;

/// The search.
#[derive(Debug)]
pub(crate) struct PacketSize {
    sizes: PacketSizes,
    current: usize,
    /// The smallest size that has failed.
    ceiling: usize,
    probe: Option<Probe>,
    /// When to look again.
    next: Nanos,
    tries: u32,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    size: usize,
    deadline: Nanos,
}

impl PacketSize {
    pub(crate) fn new(sizes: PacketSizes) -> Self {
        let base = sizes.base.max(512) & !3;
        let max = sizes.max.max(base) & !3;
        PacketSize { sizes: PacketSizes { base, max }, current: base, ceiling: max + 4, probe: None, next: 0, tries: 0 }
    }

    /// Bytes of a packet.
    pub(crate) fn current(&self) -> usize {
        self.current
    }

    fn candidate(&self) -> Option<usize> {
        if self.ceiling > self.sizes.max {
            return (self.current < self.sizes.max).then_some(self.sizes.max);
        }
        let middle = ((self.current + self.ceiling) / 2) & !3;
        (middle >= self.current + STEP).then_some(middle)
    }

    /// When [`PacketSize::poll`] has something to do.
    pub(crate) fn timeout(&self) -> Option<Nanos> {
        match self.probe {
            Some(probe) => Some(probe.deadline),
            None if self.sizes.max > self.sizes.base => Some(self.next),
            None => None,
        }
    }

    /// A probe that is to be sent now, by its size; its answer is awaited for `patience`.
    pub(crate) fn poll(&mut self, now: Nanos, patience: Nanos) -> Option<usize> {
        if let Some(probe) = self.probe {
            if now < probe.deadline {
                return None;
            }
            self.probe = None;
            if self.tries >= MOST_PROBES {
                self.ceiling = probe.size;
                self.tries = 0;
            }
        }
        if now < self.next {
            return None;
        }
        let Some(size) = self.candidate() else {
            self.ceiling = self.sizes.max + 4;
            self.next = if self.current == self.sizes.max { Nanos::MAX } else { now + RAISE };
            return None;
        };
        self.tries += 1;
        self.probe = Some(Probe { size, deadline: now + patience });
        Some(size)
    }

    /// The answer to a probe of `size` bytes; whether packets may be larger from now on.
    pub(crate) fn confirmed(&mut self, size: usize) -> bool {
        if self.probe.take_if(|p| p.size == size).is_none() {
            return false;
        }
        self.tries = 0;
        let larger = size > self.current;
        self.current = self.current.max(size);
        larger
    }

    /// Packets of more than the base size vanish (RFC 8899 §4.3); whether that changes anything.
    pub(crate) fn black_hole(&mut self, now: Nanos) -> bool {
        let changed = self.current > self.sizes.base;
        if changed {
            self.ceiling = self.current;
            self.current = self.sizes.base;
            self.probe = None;
            self.tries = 0;
            self.next = now + CALM;
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(path: usize) -> PacketSize {
        let mut size = PacketSize::new(PacketSizes { base: 1200, max: 1472 });
        let mut now = 0;
        for _ in 0..100 {
            if let Some(probe) = size.poll(now, SECOND)
                && probe <= path
            {
                assert!(size.confirmed(probe));
            }
            now += SECOND;
        }
        size
    }

    /// RFC 8899 §5.3: the largest size at once if it passes, else a search.
    #[test]
    fn the_search_finds_what_the_path_carries() {
        assert_eq!(search(1500).current(), 1472);
        for path in [1210, 1300, 1400, 1470] {
            let found = search(path).current();
            assert!(found <= path && found + STEP + 4 > path, "{path}: {found}");
        }
        assert_eq!(search(1100).current(), 1200, "the base is always used");
    }

    /// RFC 8899 §4.3.
    #[test]
    fn a_black_hole_sends_back_to_the_base_and_is_searched_again_later() {
        let mut size = search(1500);
        assert!(size.black_hole(0));
        assert_eq!(size.current(), 1200);
        assert_eq!(size.poll(CALM - 1, SECOND), None);
        let probe = size.poll(CALM, SECOND).unwrap();
        assert!((1200..1472).contains(&probe));
    }

    #[test]
    fn nothing_is_probed_if_there_is_nothing_to_find() {
        let mut size = PacketSize::new(PacketSizes { base: 1200, max: 1200 });
        assert_eq!((size.timeout(), size.poll(0, 1)), (None, None));
    }
}
