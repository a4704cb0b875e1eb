//! The state of each SSRC, bounded in number.

use parlour_rtp::Ssrc;

/// A table from SSRC to state: sorted keys, so that no choice of SSRCs makes it slow, and the last one found at hand.
#[derive(Clone, Debug)]
pub(crate) struct Sources<T> {
    limit: usize,
    /// Sorted by SSRC; the number is the place in `states`.
    order: Vec<(Ssrc, u32)>,
    states: Vec<T>,
    last: Option<(Ssrc, u32)>,
}

impl<T> Sources<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, order: Vec::new(), states: Vec::new(), last: None }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.states.len() >= self.limit
    }

    pub(crate) fn get(&self, ssrc: Ssrc) -> Option<&T> {
        let place = self.order.binary_search_by_key(&ssrc, |entry| entry.0).ok()?;
        self.states.get(self.order.get(place)?.1 as usize)
    }

    pub(crate) fn get_mut(&mut self, ssrc: Ssrc) -> Option<&mut T> {
        if let Some((last, slot)) = self.last
            && last == ssrc
        {
            return self.states.get_mut(slot as usize);
        }
        let place = self.order.binary_search_by_key(&ssrc, |entry| entry.0).ok()?;
        let slot = self.order.get(place)?.1;
        self.last = Some((ssrc, slot));
        self.states.get_mut(slot as usize)
    }

    /// The state of `ssrc`, made if there is room and it is new.
    pub(crate) fn get_or_insert_with(&mut self, ssrc: Ssrc, make: impl FnOnce() -> T) -> Option<&mut T> {
        if let Err(place) = self.order.binary_search_by_key(&ssrc, |entry| entry.0) {
            if self.is_full() {
                return None;
            }
            self.order.insert(place, (ssrc, self.states.len() as u32));
            self.states.push(make());
        }
        self.get_mut(ssrc)
    }
}
