//! One client's session: what it has said, what waits for it, and over what it comes.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parlour_signaling::socketio::{Packet, Revision, append};
use parlour_signaling::{Frame, Text};

use super::heartbeat::{Beat, Heartbeat};
use super::sid::Sid;
use crate::compat::pace::{Limits, Pace, Verdict};
use crate::lifecycle::Alive;
use crate::limits::Slot;
use crate::lock;
use crate::metrics::Metrics;
use crate::ws::outbox::{Outbox, Push};
use crate::ws::talk::NO_CODE;

/// How long a client may take to enter, once it is connected.
const ENTER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client that was cut off gets to read why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A client, from its first request or the beginning of its WebSocket to the end of its session.
pub(super) struct Session {
    /// The client's id, which others get to know.
    pub(super) id: Sid,
    /// What the client calls its session in requests. In revision 4 nobody else knows it; in revision 3 it is the id. A session that began on a
    /// WebSocket has none.
    pub(super) name: Option<Sid>,
    pub(super) revision: Revision,
    /// Where its first request came from.
    pub(super) client: IpAddr,
    pub(super) outbox: Arc<Outbox>,
    state: Mutex<State>,
    /// Wakes the task of the WebSocket even if that waits for a client that does not read.
    task: AtomicWaker,
}

struct State {
    stage: Stage,
    transport: Transport,
    heartbeat: Heartbeat,
    pace: Pace,
    /// Counts among the connections of the client's address.
    slot: Option<Slot>,
    /// Has a stopping server wait. A WebSocket's task has one of its own.
    alive: Option<Alive>,
}

/// `Outside` → `Inside` → `Outside` …; from each of them → `Cut` → `Over`, or at once → `Over`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Has until then to enter.
    Outside { until: Instant },
    /// Has entered: others can reach it.
    Inside,
    /// Broke a rule, and has until then to read which.
    Cut { until: Instant },
    /// Hears and says nothing any more.
    Over,
}

/// What carries the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    /// Single requests, at most one of each kind at a time.
    Requests {
        polling: bool,
        posting: bool,
        upgrade: Upgrade,
    },
    WebSocket,
}

/// How far a client is on its way from requests to a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    No,
    /// There is a WebSocket.
    Begun,
    /// It works; the client waits for its polling request to be answered.
    Probed,
}

/// What a session begins with.
pub(super) struct Beginning {
    pub(super) revision: Revision,
    pub(super) client: IpAddr,
    pub(super) slot: Slot,
    /// `None`: it begins on a WebSocket.
    pub(super) alive: Option<Alive>,
}

/// One of the two kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Poll,
    Post,
}

/// The answer to a polling request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: String,
    /// The session ends with it.
    pub(super) last: bool,
}

impl Session {
    pub(super) fn new(beginning: Beginning, now: Instant) -> Self {
        let Beginning { revision, client, slot, alive } = beginning;
        let id = Sid::new();
        let (name, transport) = match (&alive, revision) {
            (None, _) => (None, Transport::WebSocket),
            (Some(_), Revision::V3) => (Some(id), Transport::REQUESTS),
            (Some(_), Revision::V4) => (Some(Sid::new()), Transport::REQUESTS),
        };
        let state = State {
            stage: Stage::Outside { until: now + ENTER_TIMEOUT },
            transport,
            heartbeat: Heartbeat::new(revision, now),
            pace: Pace::new(now),
            slot: Some(slot),
            alive,
        };
        let outbox = Arc::new(Outbox::default());
        Self { id, name, revision, client, outbox, state: Mutex::new(state), task: AtomicWaker::new() }
    }

    /// Queues a packet. False: the client has not read for too long, and its queue is lost.
    pub(super) fn send(&self, text: Text) -> bool {
        let push = self.outbox.push(Frame::Text(text));
        if push == Push::First {
            self.outbox.wake();
        }
        push != Push::Overflow
    }

    fn send_close(&self) {
        self.outbox.push(Frame::Close { code: NO_CODE, reason: "" });
        self.outbox.wake();
    }

    /// Counts a packet from the client. `None`: it is not listened to any more.
    pub(super) fn count(&self, now: Instant, limits: &Limits) -> Option<Verdict> {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Outside { .. } | Stage::Inside => Some(state.pace.count(now, limits)),
            Stage::Cut { .. } | Stage::Over => None,
        }
    }

    /// The client asks whether the server is there, or answers (`pong`). False if that was not its turn.
    pub(super) fn heard(&self, now: Instant, pong: bool) -> bool {
        lock(&self.state).heartbeat.heard(now, pong)
    }

    /// Others can reach the client from now on. False if they could already.
    pub(super) fn enter(&self) -> bool {
        let mut state = lock(&self.state);
        let outside = matches!(state.stage, Stage::Outside { .. });
        if outside {
            state.stage = Stage::Inside;
        }
        outside
    }

    /// Others can no longer reach the client, which may enter again.
    pub(super) fn leave(&self, now: Instant) {
        let mut state = lock(&self.state);
        if state.stage == Stage::Inside {
            state.stage = Stage::Outside { until: now + ENTER_TIMEOUT };
        }
    }

    pub(super) fn is_inside(&self) -> bool {
        lock(&self.state).stage == Stage::Inside
    }

    /// Listens to the client no longer, and closes behind `last_words`, which only who is inside can hear. Gives when that must have happened;
    /// `None` if it was cut off already.
    pub(super) fn cut(&self, now: Instant, last_words: impl IntoIterator<Item = Text>) -> Option<Instant> {
        let until = now + LAST_WORDS;
        {
            let mut state = lock(&self.state);
            let inside = match state.stage {
                Stage::Inside => true,
                Stage::Outside { .. } => false,
                Stage::Cut { .. } | Stage::Over => return None,
            };
            state.stage = Stage::Cut { until };
            if inside {
                last_words.into_iter().for_each(|text| {
                    self.outbox.push(Frame::Text(text));
                });
            }
        }
        self.send_close();
        Some(until)
    }

    /// Ends the session at once. True if a task is there that must see to the rest.
    pub(super) fn hang_up(&self) -> bool {
        let transport = {
            let mut state = lock(&self.state);
            state.stage = Stage::Over;
            state.transport
        };
        self.send_close();
        self.task.wake();
        transport == Transport::WebSocket
    }

    /// Whether it is over; if not, the task is woken when it is.
    pub(super) fn poll_over(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.task.register(cx.waker());
        if lock(&self.state).stage == Stage::Over { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Gives back what it took from others.
    pub(super) fn release(&self) {
        let (slot, alive) = {
            let mut state = lock(&self.state);
            (state.slot.take(), state.alive.take())
        };
        drop((slot, alive));
    }

    /// Does what is due. Gives when to look again, or `None` if the client is to be given up.
    pub(super) fn check(&self, now: Instant) -> Option<Instant> {
        let mut state = lock(&self.state);
        let enter_by = match state.stage {
            Stage::Outside { until } => Some(until),
            Stage::Inside => None,
            Stage::Cut { until } => return (until > now).then_some(until),
            Stage::Over => return None,
        };
        let there = match state.heartbeat.beat(now) {
            Beat::Nothing => true,
            Beat::Ask => self.send(Text::from_whole(Packet::Ping("").to_string())),
            Beat::Gone => false,
        };
        let due = state.heartbeat.due();
        let due = enter_by.map_or(due, |enter_by| due.min(enter_by));
        (there && due > now).then_some(due)
    }
}

/// Over requests.
impl Session {
    /// A request begins. False if that must not be: another one of its kind is there, or the session has a WebSocket.
    pub(super) fn begin(&self, verb: Verb) -> bool {
        let mut state = lock(&self.state);
        let Transport::Requests { polling, posting, .. } = &mut state.transport else { return false };
        let busy = match verb {
            Verb::Poll => polling,
            Verb::Post => posting,
        };
        !std::mem::replace(busy, true)
    }

    /// A request has ended.
    pub(super) fn finish(&self, verb: Verb) {
        let mut state = lock(&self.state);
        if let Transport::Requests { polling, posting, .. } = &mut state.transport {
            match verb {
                Verb::Poll => *polling = false,
                Verb::Post => *posting = false,
            }
        }
    }

    /// Whether requests carry the session now.
    pub(super) fn takes_requests(&self) -> bool {
        matches!(lock(&self.state).transport, Transport::Requests { .. })
    }

    /// What a polling request is to be answered; pending until there is something.
    pub(super) fn poll_answer(&self, cx: &mut Context<'_>, metrics: &Metrics) -> Poll<Answer> {
        // Locked all the time, so that nothing is taken here that belongs to the WebSocket already.
        let state = lock(&self.state);
        if state.transport == Transport::WebSocket {
            return Poll::Ready(self.noop());
        }
        let mut answer = Answer { body: String::new(), last: false };
        while let Some(frame) = self.outbox.pop(cx.waker()) {
            match frame {
                Frame::Text(text) => {
                    metrics.messages_out.increment(1);
                    append(self.revision, std::str::from_utf8(&text.to_bytes()).unwrap_or_default(), &mut answer.body);
                }
                Frame::Close { .. } => {
                    append(self.revision, &Packet::Close.to_string(), &mut answer.body);
                    answer.last = true;
                    break;
                }
            }
        }
        match answer.body.is_empty() {
            false => Poll::Ready(answer),
            true if state.stage == Stage::Over => Poll::Ready(self.noop()),
            true => Poll::Pending,
        }
    }

    /// An answer that says nothing.
    pub(super) fn noop(&self) -> Answer {
        let mut body = String::new();
        append(self.revision, &Packet::Noop.to_string(), &mut body);
        Answer { body, last: false }
    }

    /// Whether the client waits for an answer to change to its WebSocket.
    pub(super) fn is_probed(&self) -> bool {
        matches!(lock(&self.state).transport, Transport::Requests { upgrade: Upgrade::Probed, .. })
    }

    /// A WebSocket is there for the session. False if there is one already.
    pub(super) fn begin_upgrade(&self) -> bool {
        self.upgrade(Upgrade::No, Upgrade::Begun)
    }

    /// The client has tried its WebSocket. A polling request that waits is to be answered.
    pub(super) fn probed(&self) -> bool {
        let probed = self.upgrade(Upgrade::Begun, Upgrade::Probed);
        self.outbox.wake();
        probed
    }

    /// It came to nothing.
    pub(super) fn abandon_upgrade(&self) {
        let _ = self.upgrade(Upgrade::Begun, Upgrade::No) || self.upgrade(Upgrade::Probed, Upgrade::No);
    }

    fn upgrade(&self, from: Upgrade, to: Upgrade) -> bool {
        match &mut lock(&self.state).transport {
            Transport::Requests { upgrade, .. } if *upgrade == from => {
                *upgrade = to;
                true
            }
            _ => false,
        }
    }

    /// The WebSocket carries the session from now on, whose task sees to the rest. `None` if the session is over.
    pub(super) fn finish_upgrade(&self) -> Option<Alive> {
        let alive = {
            let mut state = lock(&self.state);
            let alive = state.alive.take().filter(|_| state.stage != Stage::Over)?;
            state.transport = Transport::WebSocket;
            alive
        };
        self.outbox.wake();
        Some(alive)
    }
}

impl Transport {
    const REQUESTS: Self = Self::Requests { polling: false, posting: false, upgrade: Upgrade::No };
}
