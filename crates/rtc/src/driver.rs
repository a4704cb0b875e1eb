//! The task that serves the sockets and the timer of a connection.

use crate::core::{Shared, now};
use parlour_peer::Meta;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// A timer that far away is none.
const NEVER: Duration = Duration::from_secs(24 * 3600);

pub(crate) async fn run(shared: Arc<Shared>) {
    let timer = tokio::time::sleep(NEVER);
    tokio::pin!(timer);
    let mut buffer = Vec::with_capacity(2048);
    loop {
        let due = {
            let mut core = shared.lock();
            core.drive(&shared);
            if core.pc.is_finished() {
                core.streams.clear();
                return;
            }
            core.pc.poll_timeout()
        };
        let due = tokio::time::Instant::from_std(due.unwrap_or_else(|| now() + NEVER));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        let readable = poll_fn(|cx| {
            let mut any = Poll::Pending;
            // Each of them must know the waker.
            for socket in &shared.sockets {
                if socket.poll_readable(cx).is_ready() {
                    any = Poll::Ready(());
                }
            }
            any
        });
        tokio::select! {
            biased;
            () = readable => receive(&shared, &mut buffer),
            () = timer.as_mut() => {
                let mut core = shared.lock();
                core.pc.handle_timeout(now());
            }
            () = shared.wake.notified() => {}
        }
    }
}

fn receive(shared: &Shared, buffer: &mut Vec<u8>) {
    let mut core = shared.lock();
    let now: Instant = now();
    for socket in &shared.sockets {
        let local = socket.local();
        socket.receive(buffer, |remote, datagram| {
            core.pc.handle_datagram(now, Meta { local, remote }, datagram);
        });
    }
}
