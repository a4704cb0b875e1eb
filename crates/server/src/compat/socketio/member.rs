//! What the server keeps of one Socket.IO client, beside what the library keeps.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Instant;

use socketioxide::socket::Socket;

use super::guard::FrameGuard;
use crate::App;
use crate::compat::BACKLOG;
use crate::compat::pace::{Limits, Pace, Verdict};
use crate::lifecycle::Alive;
use crate::limits::Slot;
use crate::lock;

/// One client, from its first request to the end of its session. The library keeps it with that request.
pub(super) struct Member {
    app: Arc<App>,
    pace: Mutex<Pace>,
    /// Bytes that were given to the library to be sent, and bytes that it has sent.
    queued: AtomicU64,
    sent: AtomicU64,
    connected: AtomicBool,
    cut: AtomicBool,
    socket: Mutex<Weak<Socket>>,
    guard: OnceLock<Weak<FrameGuard>>,
    /// Under what name its polling requests come.
    session: OnceLock<String>,
    _slot: Slot,
    /// Has a stopping server wait for it.
    alive: Mutex<Option<Alive>>,
}

impl Member {
    pub(super) fn new(app: &Arc<App>, slot: Slot) -> Self {
        app.compat.socketio.count.fetch_add(1, Ordering::Relaxed);
        app.metrics.socketio_clients.increment(1.0);
        Self {
            app: Arc::clone(app),
            pace: Mutex::new(Pace::new(Instant::now())),
            queued: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            connected: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            socket: Mutex::default(),
            guard: OnceLock::new(),
            session: OnceLock::new(),
            _slot: slot,
            alive: Mutex::new(Some(app.enter())),
        }
    }

    /// The member to whom a socket belongs.
    pub(super) fn of(socket: &Socket) -> Option<&Arc<Self>> {
        socket.req_parts().extensions.get::<Arc<Self>>()
    }

    /// Counts a message from the client.
    pub(super) fn count(&self, limits: &Limits) -> Verdict {
        lock(&self.pace).count(Instant::now(), limits)
    }

    /// Counts what is to be sent. False: too much waits already.
    pub(super) fn queue(&self, bytes: usize) -> bool {
        // What goes out has frames around it and pings between; when all is out, both counts begin anew at the same number.
        let sent = self.sent.load(Ordering::Relaxed);
        let queued = self.queued.fetch_max(sent, Ordering::Relaxed).max(sent);
        let fits = queued - sent + bytes as u64 <= BACKLOG || queued == sent;
        if fits {
            self.queued.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        fits
    }

    /// Counts what was sent.
    pub(super) fn wrote(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The client has entered. False if it was in already.
    pub(super) fn enter(&self, socket: &Arc<Socket>) -> bool {
        if self.connected.swap(true, Ordering::AcqRel) {
            return false;
        }
        *lock(&self.socket) = Arc::downgrade(socket);
        true
    }

    /// The client has left, and may enter again.
    pub(super) fn left(&self) {
        self.connected.store(false, Ordering::Release);
    }

    pub(super) fn socket(&self) -> Option<Arc<Socket>> {
        lock(&self.socket).upgrade()
    }

    pub(super) fn set_guard(&self, guard: &Arc<FrameGuard>) {
        let _ = self.guard.set(Arc::downgrade(guard));
    }

    pub(super) fn set_session(&self, name: String) {
        let _ = self.session.set(name);
    }

    /// Marks the client as cut off. False if it was already.
    pub(super) fn cut(&self) -> bool {
        !self.cut.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// The server stops: closes the client's socket at once, if it has one. Clients take that for a cut and come back by themselves.
    pub(super) fn hang_up(&self) {
        drop(lock(&self.alive).take());
        if let Some(guard) = self.guard.get().and_then(Weak::upgrade) {
            guard.hang_up();
        }
    }

    /// Closes its socket in a moment, if it has one.
    pub(super) fn close(&self) {
        if let Some(guard) = self.guard.get().and_then(Weak::upgrade) {
            guard.cut();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let handle = &self.app.compat.socketio;
        handle.count.fetch_sub(1, Ordering::Relaxed);
        self.app.metrics.socketio_clients.decrement(1.0);
        if let Some(name) = self.session.get() {
            lock(&handle.sessions).remove(name);
        }
    }
}
