//! Tasks that wait for something.

use std::task::{Context, Waker};

/// More tasks than wait by themselves are woken all the same, only sooner.
const MAX_WAITING: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Wakers(Vec<Waker>);

impl Wakers {
    pub(crate) fn register(&mut self, cx: &Context<'_>) {
        if self.0.iter().any(|known| known.will_wake(cx.waker())) {
            return;
        }
        if self.0.len() >= MAX_WAITING {
            self.wake();
        }
        self.0.push(cx.waker().clone());
    }

    pub(crate) fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}
