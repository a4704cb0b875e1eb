//! Packet indices and the window of those that were seen (RFC 3711 §3.3.1 and §3.3.2).

/// Indices back from the highest that are remembered one by one.
pub(crate) const WINDOW: u64 = 64 * (WORDS as u64 - 1);
const WORDS: usize = 17;

/// What a window says of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Not seen yet.
    No,
    /// Seen.
    Yes,
    /// So far back that it is not known.
    Unknown,
}

/// Which of the newest packet indices were seen: a ring of bits, cleared a word at a time (the scheme of RFC 6479).
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplayWindow {
    highest: Option<u64>,
    words: [u64; WORDS],
}

impl ReplayWindow {
    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Starts anew as if only `index` were the highest, without having been seen.
    pub(crate) fn restart_at(&mut self, index: u64) {
        *self = Self { highest: Some(index), words: [0; WORDS] };
    }

    pub(crate) fn seen(&self, index: u64) -> Seen {
        match self.highest {
            Some(highest) if index <= highest => {
                if highest - index >= WINDOW {
                    Seen::Unknown
                } else if self.words.get(word_of(index)).is_some_and(|word| word & bit_of(index) != 0) {
                    Seen::Yes
                } else {
                    Seen::No
                }
            }
            _ => Seen::No,
        }
    }

    /// Remembers `index`, which [`seen`](Self::seen) said `No` of.
    pub(crate) fn insert(&mut self, index: u64) {
        let highest = self.highest.unwrap_or(index);
        if index > highest {
            let steps = (index / 64 - highest / 64).min(WORDS as u64);
            for step in 1..=steps {
                if let Some(word) = self.words.get_mut(word_of((highest / 64 + step) * 64)) {
                    *word = 0;
                }
            }
        }
        self.highest = Some(highest.max(index));
        if let Some(word) = self.words.get_mut(word_of(index)) {
            *word |= bit_of(index);
        }
    }
}

fn word_of(index: u64) -> usize {
    (index / 64 % WORDS as u64) as usize
}

fn bit_of(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_jump_over_the_whole_window_forgets_all() {
        let mut window = ReplayWindow::default();
        for index in 0..2000 {
            window.insert(index);
        }
        window.insert(1_000_000);
        assert_eq!(window.seen(1_000_000 - WINDOW + 1), Seen::No);
        assert_eq!(window.seen(1_000_000 - WINDOW), Seen::Unknown);
        assert_eq!(window.seen(1_000_000), Seen::Yes);
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_set(start in 0u64..100_000, steps in prop::collection::vec(-1500i64..1500, 1..300)) {
            let mut window = ReplayWindow::default();
            let mut set = HashSet::new();
            let (mut at, mut highest) = (start, start);
            for step in steps {
                at = at.saturating_add_signed(step);
                let wanted = match () {
                    () if !set.is_empty() && at + WINDOW <= highest => Seen::Unknown,
                    () if set.contains(&at) => Seen::Yes,
                    () => Seen::No,
                };
                prop_assert_eq!(window.seen(at), wanted);
                if wanted == Seen::No {
                    window.insert(at);
                    highest = if set.is_empty() { at } else { highest.max(at) };
                    set.insert(at);
                }
            }
        }
    }
}
