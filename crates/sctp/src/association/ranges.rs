//! Sets of numbers that come mostly in order, as runs.

use std::ops::RangeInclusive;

/// Runs of numbers, sorted and apart. Adding at the end costs nothing; elsewhere a binary search and a move.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = RangeInclusive<u64>> + '_ {
        self.0.iter().map(|&(a, b)| a..=b)
    }

    /// Where the first run that ends at or after `n` stands.
    fn find(&self, n: u64) -> usize {
        match self.0.last() {
            Some(last) if n > last.1 => self.0.len(),
            _ => self.0.partition_point(|r| r.1 < n),
        }
    }

    pub(crate) fn contains(&self, n: u64) -> bool {
        self.0.get(self.find(n)).is_some_and(|r| r.0 <= n)
    }

    /// Whether adding `n` would make one run more.
    pub(crate) fn would_split(&self, n: u64) -> bool {
        let at = self.find(n.saturating_sub(1));
        self.0.get(at).is_none_or(|r| r.0 > n + 1)
    }

    /// Adds the numbers from `from` to `to`, and calls `new` with each run that was not there.
    pub(crate) fn insert(&mut self, from: u64, to: u64, mut new: impl FnMut(u64, u64)) {
        if let Some(last) = self.0.last_mut().filter(|last| last.1 + 1 == from) {
            new(from, to);
            last.1 = to;
            return;
        }
        let first = self.find(from.saturating_sub(1));
        let (mut start, mut end) = (from, to);
        let mut at = first;
        let mut next_new = from;
        while let Some(&(a, b)) = self.0.get(at).filter(|r| r.0 <= to + 1) {
            if next_new < a {
                new(next_new, to.min(a - 1));
            }
            next_new = next_new.max(b + 1);
            start = start.min(a);
            end = end.max(b);
            at += 1;
        }
        if next_new <= to {
            new(next_new, to);
        }
        if at == first {
            self.0.insert(first, (start, end));
        } else {
            if let Some(run) = self.0.get_mut(first) {
                *run = (start, end);
            }
            self.0.drain(first + 1..at);
        }
    }

    /// Takes away all numbers up to and including `n`.
    pub(crate) fn remove_up_to(&mut self, n: u64) {
        let keep = self.0.partition_point(|r| r.1 <= n);
        if keep > 0 {
            self.0.drain(..keep);
        }
        if let Some(first) = self.0.first_mut().filter(|r| r.0 <= n) {
            first.0 = n + 1;
        }
    }

    /// If the first run begins at `n`: takes it away and says where it ends.
    pub(crate) fn take_run_at(&mut self, n: u64) -> Option<u64> {
        let &(_, end) = self.0.first().filter(|r| r.0 == n)?;
        self.0.remove(0);
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// The same as a set of single numbers, whatever the order.
        #[test]
        fn ranges_are_a_set(adds in proptest::collection::vec((1u64..80, 0u64..9), 0..60), cut in 0u64..90) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (from, len) in adds {
                if len == 0 {
                    let mut probe = ranges.clone();
                    let split = ranges.would_split(from);
                    let before = probe.len();
                    probe.insert(from, from, |_, _| {});
                    prop_assert_eq!(split, probe.len() > before);
                }
                let mut fresh = Vec::new();
                ranges.insert(from, from + len, |a, b| fresh.extend(a..=b));
                let expected: Vec<u64> = (from..=from + len).filter(|n| set.insert(*n)).collect();
                prop_assert_eq!(fresh, expected);
            }
            let flat = |r: &Ranges| r.iter().flatten().collect::<Vec<_>>();
            prop_assert_eq!(flat(&ranges), set.iter().copied().collect::<Vec<_>>());
            for n in 0..95 {
                prop_assert_eq!(ranges.contains(n), set.contains(&n));
            }
            let runs: Vec<_> = ranges.iter().collect();
            prop_assert!(runs.windows(2).all(|w| w[0].end() + 1 < *w[1].start()));
            ranges.remove_up_to(cut);
            prop_assert_eq!(flat(&ranges), set.into_iter().filter(|n| *n > cut).collect::<Vec<_>>());
        }
    }
}
