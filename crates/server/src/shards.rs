//! The room machines, one a shard, and what stands between them and the connections.
//!
//! A room lives in the shard that its name hashes to. Whoever brings something for a room (a connection's task, the shard's timer, the
//! admin API) locks the shard, calls the hub, hands what comes out to the outboxes of the connections, and wakes their tasks after it has
//! let go of the lock. Nothing in between waits: frames go to bounded queues, events to storage by a bounded channel.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ::metrics::Counter;
use parlour_signaling::message::{ErrorCode, RoomId};
use parlour_signaling::{ConnId, Event, Frame, Hub, HubConfig, HubState, Now, RoomState, Transmit};
use tokio::sync::Notify;

use crate::lock;
use crate::metrics::Census;
use crate::ws::outbox::{Outbox, Push};

/// Service restart (the IANA registry of RFC 6455 §11.7): connect again.
const CLOSE_RESTART: u16 = 1012;

/// Takes the events of a shard. Called with the shard locked: it must not wait.
pub(crate) type OnEvent = dyn Fn(Event) + Send + Sync;

/// All shards.
pub(crate) struct Shards {
    shards: Vec<Arc<Shard>>,
    next_conn: AtomicU64,
}

/// One room machine with its connections.
pub(crate) struct Shard {
    state: Mutex<State>,
    /// Wakes the timer when something falls due earlier than it sleeps.
    timer: Notify,
    on_event: Arc<OnEvent>,
}

struct State {
    hub: Hub,
    outboxes: HashMap<ConnId, Arc<Outbox>>,
    overflows: Counter,
    /// When the timer wakes.
    armed: Option<Instant>,
    /// The state has been saved: what comes now would be lost, so it is not taken, and the client sends it again after the restart.
    stopped: bool,
}

/// The present moment on both clocks.
pub(crate) fn now() -> Now {
    let unix_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    Now { instant: Instant::now(), unix_ms }
}

impl Shards {
    /// Makes `count` shards, each with the rooms of `state` that belong to it.
    pub(crate) fn new(
        count: usize,
        config: &HubConfig,
        state: HubState,
        overflows: &Counter,
        on_event: Arc<OnEvent>,
    ) -> Self {
        let count = count.max(1);
        let shards = split(state, count)
            .into_iter()
            .map(|state| {
                let mut hub = Hub::new(config.clone(), Box::new(random));
                hub.restore(now(), state);
                let state =
                    State { hub, outboxes: HashMap::new(), overflows: overflows.clone(), armed: None, stopped: false };
                Arc::new(Shard { state: Mutex::new(state), timer: Notify::new(), on_event: Arc::clone(&on_event) })
            })
            .collect();
        Self { shards, next_conn: AtomicU64::new(1) }
    }

    /// Starts each shard's timer. They end with the runtime.
    pub(crate) fn spawn_timers(&self) {
        for shard in &self.shards {
            // What a restored hub has to say and to wait for.
            shard.with(|_, _| {});
            tokio::spawn(Arc::clone(shard).run_timer());
        }
    }

    /// The shard of a room.
    pub(crate) fn of_room(&self, room: &RoomId) -> &Arc<Shard> {
        self.at(shard_index(&room.0, self.shards.len()))
    }

    /// Whether a room is there, or may still be made when there are to be `max` at most. Each shard may have its part of them.
    pub(crate) fn has_room_for(&self, room: &RoomId, max: usize) -> bool {
        let state = lock(&self.of_room(room).state);
        state.hub.room_count() < max.div_ceil(self.shards.len()) || state.hub.room(room).is_some()
    }

    /// The shard for connections that name no room; it only tells them so.
    pub(crate) fn of_nobody(&self) -> &Arc<Shard> {
        self.at(0)
    }

    fn at(&self, index: usize) -> &Arc<Shard> {
        // `new` makes at least one shard and `shard_index` stays below their number.
        #[allow(clippy::indexing_slicing)]
        &self.shards[index]
    }

    /// How many there are of what.
    pub(crate) fn census(&self) -> Census {
        let mut sum = Census::default();
        for shard in &self.shards {
            let state = lock(&shard.state);
            sum.rooms += state.hub.room_count();
            sum.sessions += state.hub.session_count();
            sum.connections += state.hub.connection_count();
            sum.waiting += state.hub.rooms().iter().map(|room| room.waiting).sum::<usize>();
        }
        sum
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.shards.iter()
    }

    /// A number for a new connection.
    pub(crate) fn next_conn(&self) -> ConnId {
        ConnId(self.next_conn.fetch_add(1, Ordering::Relaxed))
    }

    /// Stops all shards, and gives their state as one.
    pub(crate) fn stop(&self) -> HubState {
        let mut whole = HubState { clean: true, ..HubState::default() };
        for shard in &self.shards {
            let part = shard.stop();
            whole.clean &= part.clean;
            whole.rooms.extend(part.rooms);
            whole.sessions.extend(part.sessions);
        }
        whole
    }
}

impl Shard {
    /// Lets `act` call the hub, then hands out what it has to send and to tell, and sees to its timer.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Hub, Now) -> T) -> T {
        self.with_from(None, act)
    }

    /// The same for the task of connection `caller`, which looks into its own outbox afterwards and needs no waking.
    fn with_from<T>(&self, caller: Option<ConnId>, act: impl FnOnce(&mut Hub, Now) -> T) -> T {
        let now = now();
        let mut woken: Woken = Woken::default();
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let result = act(&mut state.hub, now);
        if state.stopped {
            return result;
        }
        state.deliver(now, caller, &mut woken);
        while let Some(event) = state.hub.poll_event() {
            (self.on_event)(event);
        }
        let due = state.hub.poll_timeout();
        let earlier = match (due, state.armed) {
            (Some(due), Some(armed)) => due < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            state.armed = due;
        }
        drop(guard);
        if earlier {
            self.timer.notify_one();
        }
        woken.wake();
        result
    }

    /// Takes a connection in.
    pub(crate) fn open(&self, conn: ConnId, addr: IpAddr, outbox: Arc<Outbox>) {
        lock(&self.state).outboxes.insert(conn, outbox);
        self.with(|hub, now| hub.open(now, conn, addr));
    }

    /// The first message of a connection, and its room if that was forgotten and is to be there again. True if it took up a session that was
    /// there before.
    pub(crate) fn first_message(&self, conn: ConnId, text: &str, room: Option<RoomState>) -> bool {
        self.with_from(Some(conn), |hub, now| {
            // Somebody else may have brought it back meanwhile.
            if let Some(room) = room
                && hub.room(&RoomId(room.id.clone())).is_none()
            {
                hub.restore(now, HubState { clean: true, rooms: vec![room], sessions: Vec::new() });
            }
            hub.handle_message(now, conn, text);
            let mut resumed = false;
            while let Some(event) = hub.poll_event() {
                resumed |= matches!(event, Event::Resumed { .. });
                (self.on_event)(event);
            }
            resumed
        })
    }

    /// A message of a connection.
    pub(crate) fn message(&self, conn: ConnId, text: &str) {
        self.with_from(Some(conn), |hub, now| hub.handle_message(now, conn, text));
    }

    /// Something is wrong with a connection: it is told `code` and closed.
    pub(crate) fn refuse(&self, conn: ConnId, code: ErrorCode) {
        self.with(|hub, now| hub.refuse_and_close(now, conn, code));
    }

    /// A connection has closed.
    pub(crate) fn close(&self, conn: ConnId) {
        lock(&self.state).outboxes.remove(&conn);
        self.with(|hub, now| hub.handle_close(now, conn));
    }

    /// Tells all clients to come back in a moment, and closes their connections. Gives the state as it was then; nothing changes it any more.
    fn stop(&self) -> HubState {
        let mut woken = Woken::default();
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        let now = now();
        state.hub.drain(now);
        state.deliver(now, None, &mut woken);
        while let Some(event) = state.hub.poll_event() {
            (self.on_event)(event);
        }
        let saved = state.hub.snapshot();
        state.stopped = true;
        for outbox in state.outboxes.values() {
            outbox.push(Frame::Close { code: CLOSE_RESTART, reason: "draining" });
            woken.add(outbox);
        }
        drop(guard);
        woken.wake();
        saved
    }

    async fn run_timer(self: Arc<Self>) {
        loop {
            let due = {
                let mut state = lock(&self.state);
                state.armed = state.hub.poll_timeout();
                state.armed
            };
            match due {
                Some(due) if due <= Instant::now() => self.with(|hub, now| hub.handle_timeout(now)),
                Some(due) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(due.into()) => {}
                        () = self.timer.notified() => {}
                    }
                }
                None => self.timer.notified().await,
            }
        }
    }
}

impl State {
    /// Moves what the hub wants to send to the outboxes.
    fn deliver(&mut self, now: Now, caller: Option<ConnId>, woken: &mut Woken) {
        while let Some(Transmit { conn, frame }) = self.hub.poll_transmit() {
            let Some(outbox) = self.outboxes.get(&conn) else { continue };
            match outbox.push(frame) {
                Push::First if caller != Some(conn) => woken.add(outbox),
                Push::First | Push::Queued => {}
                Push::Overflow => {
                    self.overflows.increment(1);
                    woken.add(outbox);
                    self.hub.overflowed(now, conn);
                }
            }
        }
    }
}

/// The connections whose tasks have something new to write. Mostly one, so that one needs no allocation.
#[derive(Default)]
struct Woken {
    first: Option<Arc<Outbox>>,
    more: Vec<Arc<Outbox>>,
}

impl Woken {
    fn add(&mut self, outbox: &Arc<Outbox>) {
        match self.first {
            None => self.first = Some(Arc::clone(outbox)),
            Some(_) => self.more.push(Arc::clone(outbox)),
        }
    }

    fn wake(self) {
        self.first.iter().chain(&self.more).for_each(|outbox| outbox.wake());
    }
}

/// Bytes from the operating system's generator.
pub(crate) fn random(bytes: &mut [u8]) {
    // The generator fails only before the machine has gathered its first entropy, and ids that can be guessed must not leave the server.
    while getrandom::fill(bytes).is_err() {
        std::thread::yield_now();
    }
}

fn shard_index(room: &str, count: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    (hasher.finish() % count as u64) as usize
}

/// Deals a state out to `count` shards.
fn split(state: HubState, count: usize) -> Vec<HubState> {
    let mut parts: Vec<HubState> =
        std::iter::repeat_with(|| HubState { clean: state.clean, ..HubState::default() }).take(count).collect();
    for room in state.rooms {
        if let Some(part) = parts.get_mut(shard_index(&room.id, count)) {
            part.rooms.push(room);
        }
    }
    for session in state.sessions {
        if let Some(part) = parts.get_mut(shard_index(&session.room, count)) {
            part.sessions.push(session);
        }
    }
    parts
}
