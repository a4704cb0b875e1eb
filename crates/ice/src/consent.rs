//! Consent and death: pairs that stop working, and what takes their place (RFC 7675).

use crate::checklist::{Context, Generation};
use crate::pair::{Pair, PairId};

impl Generation {
    /// Looks whether valid pairs have fallen silent, or consent has ended.
    pub(crate) fn watch(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        let mut died = false;
        for pair in self.pairs.iter_mut().filter(|pair| pair.valid) {
            let selected = Some(pair.id) == self.selected;
            if pair.live.consent_until.is_some_and(|until| until <= now) {
                pair.fail();
                died |= selected;
                continue;
            }
            if cx.config.lite || pair.live.dies_at(now).is_none_or(|at| at > now) {
                continue;
            }
            if selected || pair.nominated.is_some() {
                pair.live.dead = true;
                died |= selected;
            } else {
                pair.fail();
            }
        }
        if died {
            self.disconnected = true;
            self.revive();
        }
    }

    /// Checks everything at once: what works best takes over. Pairs that worked last come first.
    pub(crate) fn revive(&mut self) {
        let mut all: Vec<(bool, u64, PairId)> =
            self.pairs.iter().filter(|pair| !pair.live.dead).map(|pair| (pair.valid, pair.priority, pair.id)).collect();
        all.sort_by(|a, b| b.cmp(a));
        self.pairs.iter_mut().for_each(Pair::wait);
        for (_, _, id) in all {
            self.trigger(id);
        }
    }
}
