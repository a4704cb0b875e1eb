//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::Waker;

use parlour_signaling::Frame;

use crate::lock;

/// Most bytes that wait for one client.
const CAPACITY: usize = 1 << 20;

/// What a frame counts beside its text: its place in the queue and its header.
const FRAME_COST: usize = 64;

/// The queue between the room machine, which must never wait, and the task that writes to a client, which may have to.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Frame>,
    bytes: usize,
    waker: Option<Waker>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// It is the first in the queue: the writer must be woken.
    First,
    /// It stands behind others.
    Queued,
    /// There was no room: it and all before it are gone.
    Overflow,
}

impl Outbox {
    /// Puts a frame at the end of the queue.
    pub(crate) fn push(&self, frame: Frame) -> Push {
        let cost = cost(&frame);
        let mut queue = lock(&self.0);
        // A close always fits: it is the last one and it is small. So does a frame that finds the queue empty, be it ever so long.
        if queue.bytes + cost > CAPACITY && queue.bytes > 0 && matches!(frame, Frame::Text(_)) {
            queue.frames = VecDeque::new();
            queue.bytes = 0;
            return Push::Overflow;
        }
        queue.bytes += cost;
        queue.frames.push_back(frame);
        if queue.frames.len() == 1 { Push::First } else { Push::Queued }
    }

    /// Takes the first frame; if there is none, `waker` is woken by the next [`Outbox::wake`].
    pub(crate) fn pop(&self, waker: &Waker) -> Option<Frame> {
        let mut queue = lock(&self.0);
        match queue.frames.pop_front() {
            Some(frame) => {
                queue.bytes -= cost(&frame).min(queue.bytes);
                Some(frame)
            }
            None => {
                // An idle connection keeps no buffer.
                queue.frames = VecDeque::new();
                match &mut queue.waker {
                    Some(old) => old.clone_from(waker),
                    none => *none = Some(waker.clone()),
                }
                None
            }
        }
    }

    /// Wakes the writer.
    pub(crate) fn wake(&self) {
        let waker = lock(&self.0).waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn cost(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len() + FRAME_COST,
        Frame::Close { .. } => FRAME_COST,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const CLOSE: Frame = Frame::Close { code: 4000, reason: "x" };

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_writer_that_found_nothing_is_woken_once() {
        let (outbox, count) = (Outbox::default(), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        assert_eq!(outbox.pop(&waker), None);
        assert_eq!(outbox.push(CLOSE), Push::First);
        assert_eq!(outbox.push(CLOSE), Push::Queued);
        outbox.wake();
        outbox.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!((outbox.pop(&waker), outbox.pop(&waker), outbox.pop(&waker)), (Some(CLOSE), Some(CLOSE), None));
    }
}
