//! What the handles and the driver of a connection share.
//!
//! The calls of the W3C are synchronous: their results and errors must be there when they return. So the state machine is
//! behind a lock, which is held for the length of a call and never across an await. Handles hold the lock's place and not
//! each other, and nothing in here holds a handle, so that no circle can keep a connection alive.

use crate::channel::Message;
use crate::event::Told;
use crate::inbox::{ChannelInbox, TrackInbox};
use crate::socket::{Outgoing, Socket};
use crate::tcp::Streams;
use crate::transceiver::RtpPacket;
use crate::wakers::Wakers;
use parlour_peer::{ChannelId, Error, Event, OperationId, Outcome, PeerConnection, TransceiverId, Via};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, mpsc, oneshot};

/// Bytes of messages that may wait for the program before the other side is slowed down.
const MAX_HELD: usize = 1 << 20;

pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Wakes the driver.
    pub(crate) wake: Notify,
    pub(crate) sockets: Vec<Socket>,
}

pub(crate) struct Core {
    pub(crate) pc: PeerConnection,
    pub(crate) waiting: HashMap<OperationId, oneshot::Sender<Result<Outcome, Error>>>,
    /// None once nothing more will be told.
    told: Option<mpsc::UnboundedSender<Told>>,
    pub(crate) channels: HashMap<ChannelId, ChannelInbox>,
    pub(crate) tracks: HashMap<TransceiverId, TrackInbox>,
    /// Wait for a change of a state of the connection.
    pub(crate) watchers: Wakers,
    /// Wait until a frame can be sent.
    pub(crate) senders: Wakers,
    pub(crate) streams: Streams,
    held: usize,
    is_held: bool,
    outgoing: Outgoing,
    buffer: Vec<u8>,
}

/// The time of the runtime, which tests may stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Shared {
    pub(crate) fn new(pc: PeerConnection, sockets: Vec<Socket>, told: mpsc::UnboundedSender<Told>) -> Arc<Self> {
        let core = Core {
            pc,
            waiting: HashMap::new(),
            told: Some(told),
            channels: HashMap::new(),
            tracks: HashMap::new(),
            watchers: Wakers::default(),
            senders: Wakers::default(),
            streams: Streams::default(),
            held: 0,
            is_held: false,
            outgoing: Outgoing::default(),
            buffer: Vec::new(),
        };
        Arc::new(Self { core: Mutex::new(core), wake: Notify::new(), sockets })
    }

    /// To look, or to change what the driver need not know.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        // Nothing panics while it holds the lock; if something did, the other handles go on as they can.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change something: the driver sends and tells what comes of it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Core) -> T) -> T {
        let result = change(&mut self.lock());
        self.wake.notify_one();
        result
    }
}

impl Core {
    /// Sends and tells everything that there is.
    pub(crate) fn drive(&mut self, shared: &Arc<Shared>) {
        let now = now();
        loop {
            let mut moved = false;
            let mut buffer = std::mem::take(&mut self.buffer);
            while let Some(transmit) = self.pc.poll_transmit(now, &mut buffer) {
                moved = true;
                match transmit.via {
                    Via::Udp { local, remote } => self.outgoing.push(&shared.sockets, local, remote, &buffer),
                    Via::Stream(stream) => self.streams.send(transmit.transport, stream, &buffer),
                }
                buffer.clear();
            }
            self.buffer = buffer;
            self.outgoing.flush(&shared.sockets);
            self.senders.wake();
            while let Some(event) = self.pc.poll_event() {
                moved = true;
                self.tell(shared, event);
            }
            while let Some(packet) = self.pc.poll_media() {
                let arrived = RtpPacket { bytes: packet.bytes.into(), rid: packet.rid };
                self.tracks.entry(packet.transceiver).or_default().push(arrived);
            }
            while let Some((id, frame)) = self.pc.poll_frame() {
                let rid = frame.metadata.rid.clone();
                if self.tracks.entry(id).or_default().push_frame(frame) {
                    moved |= self.pc.request_key_frame(now, id, rid.as_deref());
                }
            }
            // Nobody here chooses a rate yet.
            while self.pc.poll_media_feedback().is_some() {}
            if !moved {
                break;
            }
        }
        if self.pc.is_closed() {
            self.end();
            self.told = None;
        }
    }

    /// Nothing comes any more: whoever waits learns it.
    pub(crate) fn end(&mut self) {
        self.waiting.clear();
        self.channels.values_mut().for_each(ChannelInbox::wake);
        self.tracks.values_mut().for_each(TrackInbox::end);
        self.senders.wake();
        self.watchers.wake();
    }

    fn tell(&mut self, shared: &Arc<Shared>, event: Event) {
        match event {
            Event::Settled { operation, result } => {
                if let Some(waiting) = self.waiting.remove(&operation) {
                    // Nobody may wait any more.
                    let _ = waiting.send(result);
                }
            }
            Event::IceRequest(transport, request) => crate::tcp::serve(self, shared, transport, *request),
            Event::DataChannel(id) => {
                self.channels.entry(id).or_default();
                if !self.send(Event::DataChannel(id)) {
                    // Nobody will ever take it.
                    self.pc.close_data_channel(id);
                }
            }
            Event::ChannelMessage(id, payload) => {
                // Without a handle there never was anybody to read, or there will be soon.
                let Some(inbox) = self.channels.get_mut(&id) else { return };
                let message = Message::from_payload(payload);
                let size = message.len();
                inbox.held += size;
                inbox.messages.push_back(message);
                inbox.readers.wake();
                self.held += size;
                self.throttle();
            }
            Event::ChannelOpen(id) | Event::ChannelClosing(id) | Event::ChannelBufferedAmountLow(id) => {
                if let Some(inbox) = self.channels.get_mut(&id) {
                    inbox.writers.wake();
                }
            }
            Event::ChannelError { channel, error } => {
                if let Some(inbox) = self.channels.get_mut(&channel) {
                    inbox.error = Some(error);
                }
            }
            Event::ChannelClosed(id) => match self.channels.get_mut(&id) {
                Some(inbox) => inbox.wake(),
                None => self.pc.forget_data_channel(id),
            },
            Event::TrackEnded(id) => {
                self.tracks.entry(id).or_default().end();
                self.send(Event::TrackEnded(id));
            }
            Event::KeyFrameRequested { transceiver, rid } => {
                self.tracks.entry(transceiver).or_default().want_key_frame(rid);
            }
            event => {
                self.send(event);
                self.watchers.wake();
                self.senders.wake();
            }
        }
    }

    /// Whether somebody listens.
    fn send(&self, event: Event) -> bool {
        self.told.as_ref().is_some_and(|told| told.send(Told(event)).is_ok())
    }

    fn throttle(&mut self) {
        let is_held = self.held > MAX_HELD;
        if is_held != self.is_held {
            self.is_held = is_held;
            self.pc.hold_messages(is_held);
        }
    }

    /// The next message of a channel. Tells whether the driver has to be woken.
    pub(crate) fn take_message(&mut self, id: ChannelId) -> (Option<Message>, bool) {
        let Some(inbox) = self.channels.get_mut(&id) else { return (None, false) };
        let Some(message) = inbox.messages.pop_front() else { return (None, false) };
        inbox.held -= message.len();
        self.held -= message.len();
        let was_held = self.is_held;
        self.throttle();
        (Some(message), was_held && !self.is_held)
    }

    /// One handle of a channel less. With the last one it is closed.
    pub(crate) fn release(&mut self, id: ChannelId) {
        let Some(inbox) = self.channels.get_mut(&id) else { return };
        inbox.handles = inbox.handles.saturating_sub(1);
        if inbox.handles > 0 {
            return;
        }
        let held = inbox.held;
        self.channels.remove(&id);
        self.held -= held;
        self.throttle();
        self.pc.close_data_channel(id);
        self.pc.forget_data_channel(id);
    }
}
