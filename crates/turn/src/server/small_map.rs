//! A map that is a short list for most allocations and stays O(1) for the few that hold many entries.

use std::collections::HashMap;
use std::hash::Hash;

type Index<K> = HashMap<K, u32, foldhash::quality::SeedableRandomState>;

/// Up to this many entries are found by looking at each.
const SHORT: usize = 8;

#[derive(Debug)]
pub(super) struct SmallMap<K, V> {
    entries: Vec<(K, V)>,
    index: Option<Box<Index<K>>>,
}

impl<K: Copy + Eq + Hash, V> SmallMap<K, V> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), index: None }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.entries.iter()
    }

    fn position(&self, key: &K) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|(k, _)| k == key),
            Some(index) => index.get(key).map(|at| *at as usize),
        }
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.position(key).and_then(|at| self.entries.get(at)).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.position(key).and_then(|at| self.entries.get_mut(at)).map(|(_, value)| value)
    }

    /// Sets the value of `key`. The hasher is used only once the list has grown long.
    pub(super) fn insert(&mut self, key: K, value: V, hasher: &foldhash::quality::SeedableRandomState) {
        if let Some(old) = self.get_mut(&key) {
            *old = value;
            return;
        }
        self.entries.push((key, value));
        let at = self.entries.len() - 1;
        match &mut self.index {
            Some(index) => {
                index.insert(key, at as u32);
            }
            None if self.entries.len() > SHORT => self.rebuild(hasher.clone()),
            None => {}
        }
    }

    /// Keeps the entries that `keep` says.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|(key, value)| keep(key, value));
        if self.entries.len() == before {
            return;
        }
        if let Some(index) = self.index.take()
            && self.entries.len() > SHORT
        {
            self.rebuild(index.hasher().clone());
        }
    }

    fn rebuild(&mut self, hasher: foldhash::quality::SeedableRandomState) {
        let mut index = Index::with_hasher(hasher);
        index.extend(self.entries.iter().enumerate().map(|(at, (key, _))| (*key, at as u32)));
        self.index = Some(Box::new(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_a_hash_map_does(steps in prop::collection::vec((0u8..3, 0u16..40, any::<u32>()), 0..200)) {
            let hasher = foldhash::quality::SeedableRandomState::with_seed(7, foldhash::SharedSeed::global_fixed());
            let mut ours = SmallMap::new();
            let mut model = HashMap::new();
            for (action, key, value) in steps {
                match action {
                    0 | 1 => {
                        ours.insert(key, value, &hasher);
                        model.insert(key, value);
                    }
                    _ => {
                        ours.retain(|k, _| k % 7 != key % 7);
                        model.retain(|k, _| k % 7 != key % 7);
                    }
                }
                prop_assert_eq!(ours.len(), model.len());
                for key in 0..40 {
                    prop_assert_eq!(ours.get(&key), model.get(&key));
                }
            }
        }
    }
}
