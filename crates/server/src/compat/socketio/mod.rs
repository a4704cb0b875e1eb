//! The server that Socket.IO clients of every tutorial expect, at `/socket.io/`.
//!
//! A client is a [`Session`]. It comes over single requests ([`requests`]), over a WebSocket ([`connection`]), or over the one and then the
//! other. Either way what it says ends up in [`relay`], which knows what becomes of an event. Sessions behave as those of Socket.IO's own
//! server do; its documents are named in `parlour_signaling::socketio`, which reads and writes the packets.

mod connection;
mod event;
mod heartbeat;
mod relay;
mod requests;
mod rooms;
mod session;
mod sid;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, Response};
use axum::routing::any;
use parlour_signaling::Text;
use parlour_signaling::socketio::Handshake;

use self::heartbeat::{PING_INTERVAL, PING_TIMEOUT};
use self::relay::Relay;
use self::session::{Beginning, Session};
use self::sid::Sid;
use super::{closed, origin};
use crate::config::Config;
use crate::{App, lock};

/// All Socket.IO clients of this server.
pub(crate) struct Handle {
    relay: Relay,
    /// By the clients' ids. One lock for all: it is held for a look-up.
    sessions: Mutex<HashMap<Sid, Arc<Session>>>,
    /// Those that began with requests, by the names that these bear.
    names: Mutex<HashMap<Sid, Arc<Session>>>,
    /// When to look at whom: each session once, and once more when it is cut off.
    due: Mutex<BinaryHeap<Reverse<(Instant, Sid)>>>,
}

impl Handle {
    pub(super) fn new(config: &Config) -> Self {
        Self { relay: Relay::new(config), sessions: Mutex::default(), names: Mutex::default(), due: Mutex::default() }
    }

    /// Looks at all whose time has come.
    pub(super) fn tick(&self, app: &App, now: Instant) {
        loop {
            let mut due = lock(&self.due);
            let Some(Reverse((_, id))) = due.peek().filter(|Reverse((at, _))| *at <= now).copied() else { return };
            due.pop();
            drop(due);
            let Some(session) = self.session(id) else { continue };
            match session.check(now) {
                Some(at) => self.look_at(id, at),
                None => self.give_up(app, &session),
            }
        }
    }

    fn look_at(&self, id: Sid, at: Instant) {
        lock(&self.due).push(Reverse((at, id)));
    }

    fn session(&self, id: Sid) -> Option<Arc<Session>> {
        lock(&self.sessions).get(&id).cloned()
    }

    /// The session of this name.
    fn named(&self, name: Sid) -> Option<Arc<Session>> {
        lock(&self.names).get(&name).cloned()
    }

    /// How many there are.
    fn count(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Opens a session and tells its client so.
    fn open(&self, app: &App, beginning: Beginning) -> Arc<Session> {
        let now = Instant::now();
        let session = Arc::new(Session::new(beginning, now));
        lock(&self.sessions).insert(session.id, Arc::clone(&session));
        if let Some(name) = session.name {
            lock(&self.names).insert(name, Arc::clone(&session));
        }
        app.metrics.socketio_clients.increment(1.0);
        if let Some(at) = session.check(now) {
            self.look_at(session.id, at);
        }
        let name = session.name.unwrap_or(session.id);
        let handshake = Handshake {
            sid: name.as_str(),
            upgradable: session.name.is_some(),
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
            max_payload: app.message_bytes(),
        };
        session.send(Text::from_whole(handshake.to_string()));
        self.opened(&session);
        session
    }

    /// Ends a session: at once if requests carry it, else its task will.
    fn give_up(&self, app: &App, session: &Session) {
        // In this order: who is over cannot enter again, so nobody is left behind in a room.
        let has_task = session.hang_up();
        self.depart(app, session);
        if !has_task {
            self.end(app, session);
        }
    }

    /// Forgets a session.
    fn end(&self, app: &App, session: &Session) {
        if let Some(name) = session.name {
            lock(&self.names).remove(&name);
        }
        let there = lock(&self.sessions).remove(&session.id);
        // Who is told that there is one less may come as the next one.
        session.release();
        if there.is_some() {
            tracing::debug!(client = %session.id, "Socket.IO client left");
            app.metrics.socketio_clients.decrement(1.0);
        }
    }

    /// Closes all connections. Clients take that for a cut and come back by themselves.
    pub(super) fn stop(&self, app: &App) {
        let all: Vec<_> = lock(&self.sessions).values().cloned().collect();
        for session in all {
            self.give_up(app, &session);
        }
    }
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/socket.io", any(serve)).route("/socket.io/", any(serve))
}

async fn serve(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let cors = match origin(&app, &request) {
        Ok(cors) => cors,
        Err(refusal) => return *refusal,
    };
    if *request.method() == Method::OPTIONS {
        return cors.preflight(request.headers(), "GET,POST");
    }
    if let Some(refusal) = closed(&app, app.config.compat.socketio, "compat.socketio") {
        return cors.allow(refusal);
    }
    cors.allow(requests::answer(&app, request).await.unwrap_or_else(|refusal| *refusal))
}
