//! Messages that may be given up (RFC 3758): what is known of each while pieces of it are on their way.

use super::send_queue::Reliability;
use std::collections::BTreeMap;

/// Messages that may be given up, of which pieces are on their way.
#[derive(Debug, Default)]
pub(crate) struct Records {
    next: u32,
    pub(crate) all: BTreeMap<u32, Record>,
}

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) reliability: Reliability,
    pub(crate) abandoned: bool,
    pub(crate) chunks: u32,
    pub(crate) complete: bool,
}

impl Records {
    pub(crate) fn add(&mut self, reliability: Reliability) -> u32 {
        loop {
            self.next = self.next.wrapping_add(1).max(1);
            if !self.all.contains_key(&self.next) {
                break;
            }
        }
        self.all.insert(self.next, Record { reliability, abandoned: false, chunks: 0, complete: false });
        self.next
    }

    pub(crate) fn is_abandoned(&self, record: u32) -> bool {
        record != 0 && self.all.get(&record).is_some_and(|r| r.abandoned)
    }

    pub(crate) fn release(&mut self, record: u32) {
        if record == 0 {
            return;
        }
        if let Some(r) = self.all.get_mut(&record) {
            r.chunks = r.chunks.saturating_sub(1);
            if r.chunks == 0 && (r.complete || r.abandoned) {
                self.all.remove(&record);
            }
        }
    }
}
