//! Data channels over one association (RFC 8831), with the life that W3C webrtc-pc §6 gives them.

mod dcep;

use crate::{Association, CloseReason, Config, Error, Event, Message, SendOptions, StreamId, Transmit};
use bytes::Bytes;
use dcep::Dcep;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// Payload protocol identifiers (RFC 8831 §8).
const PPID_DCEP: u32 = 50;
const PPID_TEXT: u32 = 51;
const PPID_BINARY: u32 = 53;
const PPID_TEXT_EMPTY: u32 = 56;
const PPID_BINARY_EMPTY: u32 = 57;

/// Streams that data channels may use: 65,535 is reserved (RFC 8832 §6).
const MOST_CHANNELS: u16 = 65535;
/// Without `a=max-message-size` in its description a peer takes messages of this size (RFC 8841 §6.1).
const DEFAULT_MAX_MESSAGE: usize = 65536;

/// Messages beyond this are left with the association until the program has taken some.
const MOST_HELD: usize = 1 << 20;
/// Labels and protocols of the peer's channels together; a channel beyond this is closed at once.
const MOST_NAMES: usize = 4 << 20;

/// Names a channel on its side, from before it has an id until after it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(u32);

/// The side in the DTLS handshake: it decides who uses which ids (RFC 8832 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Uses even ids.
    Client,
    /// Uses odd ids.
    Server,
}

/// When a message may be given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Never.
    #[default]
    Reliable,
    /// After so many retransmissions.
    Retransmissions(u16),
    /// After this time, in whole milliseconds.
    Lifetime(Duration),
}

/// How a channel shares the path with others (RFC 8831 §6.4): each step gets twice the bytes of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// 128.
    VeryLow,
    /// 256, the default.
    #[default]
    Low,
    /// 512.
    Medium,
    /// 1024.
    High,
}

impl Priority {
    fn weight(self) -> u16 {
        match self {
            Priority::VeryLow => 128,
            Priority::Low => 256,
            Priority::Medium => 512,
            Priority::High => 1024,
        }
    }

    fn from_wire(value: u16) -> Self {
        match value {
            0..=128 => Priority::VeryLow,
            129..=256 => Priority::Low,
            257..=512 => Priority::Medium,
            _ => Priority::High,
        }
    }
}

/// What a channel is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// A name for the program; at most 65,535 bytes.
    pub label: String,
    /// A subprotocol for the program; at most 65,535 bytes.
    pub protocol: String,
    /// Messages come in the order in which they were sent.
    pub ordered: bool,
    /// Whether messages may be given up.
    pub reliability: Reliability,
    /// Its share of the path.
    pub priority: Priority,
    /// Both programs have agreed on this id by themselves; nothing is announced.
    pub negotiated: Option<u16>,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        ChannelOptions {
            label: String::new(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::default(),
            priority: Priority::default(),
            negotiated: None,
        }
    }
}

/// What a message is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// UTF-8.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Payload {
    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Payload::Text(bytes) | Payload::Binary(bytes) => bytes,
        }
    }
}

/// The state of a channel (W3C `RTCDataChannelState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadyState {
    /// The association does not stand yet.
    Connecting,
    /// Messages flow.
    Open,
    /// It is being closed; what was given is still sent.
    Closing,
    /// It is gone.
    Closed,
}

/// What happened, in the order in which the W3C has it seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// The association stands. The channels that waited for it follow, each with [`ChannelEvent::Open`].
    Connected,
    /// The peer has made a channel (W3C event `datachannel`). [`ChannelEvent::Open`] follows.
    Announced(Channel),
    /// Messages may be sent.
    Open(Channel),
    /// A message came.
    Message(Channel, Payload),
    /// The waiting bytes have fallen to the low-water mark.
    BufferedAmountLow(Channel),
    /// The peer closes the channel. [`ChannelEvent::Closed`] follows.
    Closing(Channel),
    /// Something went wrong (W3C event `error`). [`ChannelEvent::Closed`] follows.
    Error(Channel),
    /// The channel is gone, and its handle with it.
    Closed(Channel),
    /// The association has ended; its channels have been closed before.
    Ended(CloseReason),
}

#[derive(Debug)]
struct State {
    options: ChannelOptions,
    id: Option<u16>,
    ready: ReadyState,
    /// The peer knows the channel: messages may go out of order (RFC 8832 §6).
    acknowledged: bool,
    /// Our side and the peer's side have been reset.
    reset: (bool, bool),
    low_water: usize,
    /// What it counts for in [`DataChannels::names`].
    named: usize,
}

/// All data channels of a peer, and the association below them.
///
/// Driven by the same five verbs as [`Association`].
#[derive(Debug)]
pub struct DataChannels {
    association: Association,
    role: Option<Role>,
    channels: BTreeMap<Channel, State>,
    by_id: BTreeMap<u16, Channel>,
    next: u32,
    max_message_size: usize,
    events: VecDeque<ChannelEvent>,
    /// Bytes of messages among the events.
    held: usize,
    /// Bytes of names that the peer chose.
    names: usize,
    latest: Instant,
}

impl DataChannels {
    /// Channels over an association that is made with these arguments (see [`Association::new`]).
    pub fn new(now: Instant, config: Config, seed: [u8; 32]) -> Self {
        DataChannels {
            association: Association::new(now, config, seed),
            role: None,
            channels: BTreeMap::new(),
            by_id: BTreeMap::new(),
            next: 0,
            max_message_size: DEFAULT_MAX_MESSAGE,
            events: VecDeque::new(),
            held: 0,
            names: 0,
            latest: now,
        }
    }

    /// The largest message that the peer takes (`a=max-message-size`); 0 for any size (RFC 8841 §6.1).
    pub fn set_max_message_size(&mut self, bytes: usize) {
        self.max_message_size = if bytes == 0 { usize::MAX } else { bytes };
    }

    /// The association, to look at.
    pub fn association(&self) -> &Association {
        &self.association
    }

    /// DTLS is done, with us in this role: begins the handshake of SCTP.
    pub fn connect(&mut self, now: Instant, role: Role) -> Result<(), Error> {
        self.association.connect(now)?;
        self.set_role(role);
        Ok(())
    }

    /// DTLS is done, and both descriptions had `a=sctp-init`: no handshake is needed (see [`Association::connect_with`]).
    pub fn connect_with(&mut self, now: Instant, role: Role, peer_init: &[u8]) -> Result<(), Error> {
        self.association.connect_with(now, peer_init)?;
        self.set_role(role);
        self.drain(now);
        Ok(())
    }

    /// Gives ids to the channels that wait for one.
    fn set_role(&mut self, role: Role) {
        self.role = Some(role);
        let waiting: Vec<Channel> = self.channels.iter().filter(|(_, c)| c.id.is_none()).map(|(key, _)| *key).collect();
        for channel in waiting {
            if self.assign(channel).is_none() {
                self.fail(channel);
            }
        }
    }

    fn assign(&mut self, channel: Channel) -> Option<u16> {
        let first = match self.role? {
            Role::Client => 0,
            Role::Server => 1,
        };
        let most = if self.association.is_connected() { self.association.streams() } else { MOST_CHANNELS };
        let id = (first..most).step_by(2).find(|id| !self.by_id.contains_key(id))?;
        self.channels.get_mut(&channel)?.id = Some(id);
        self.by_id.insert(id, channel);
        Some(id)
    }

    /// Makes a channel. It opens once the association stands.
    pub fn open(&mut self, now: Instant, options: ChannelOptions) -> Result<Channel, Error> {
        for name in [&options.label, &options.protocol] {
            if name.len() > 65535 {
                return Err(Error::NameTooLong(name.len()));
            }
        }
        if self.association.is_closed() {
            return Err(Error::Closed);
        }
        if let Some(id) = options.negotiated {
            let most = if self.association.is_connected() { self.association.streams() } else { MOST_CHANNELS };
            if id >= most || self.by_id.contains_key(&id) {
                return Err(Error::ChannelId(id));
            }
        }
        let channel = self.insert(options, ReadyState::Connecting);
        if self.role.is_some()
            && self.channels.get(&channel).is_some_and(|c| c.id.is_none())
            && self.assign(channel).is_none()
        {
            self.channels.remove(&channel);
            return Err(Error::NoFreeId);
        }
        if self.association.is_connected() {
            self.start(now, channel);
        }
        Ok(channel)
    }

    fn insert(&mut self, options: ChannelOptions, ready: ReadyState) -> Channel {
        let channel = Channel(self.next);
        self.next += 1;
        let id = options.negotiated;
        if let Some(id) = id {
            self.by_id.insert(id, channel);
        }
        let acknowledged = id.is_some();
        let state = State { options, id, ready, acknowledged, reset: (false, false), low_water: 0, named: 0 };
        self.channels.insert(channel, state);
        channel
    }

    /// The association stands: announces the channel to the peer and opens it.
    fn start(&mut self, now: Instant, channel: Channel) {
        let Some(state) = self.channels.get_mut(&channel).filter(|c| c.ready == ReadyState::Connecting) else { return };
        let Some(id) = state.id.filter(|id| *id < self.association.streams()) else { return self.fail(channel) };
        let stream = StreamId(id);
        self.association.set_weight(stream, state.options.priority.weight());
        self.association.set_low_water(stream, state.low_water);
        if state.options.negotiated.is_none() {
            let open = Dcep::Open(state.options.clone()).write();
            if self
                .association
                .queue_message(now, stream, PPID_DCEP, open.into(), SendOptions::default(), false)
                .is_err()
            {
                return self.fail(channel);
            }
        }
        state.ready = ReadyState::Open;
        self.events.push_back(ChannelEvent::Open(channel));
    }

    /// Sends a message.
    pub fn send(&mut self, now: Instant, channel: Channel, payload: Payload) -> Result<(), Error> {
        let state = self.channels.get(&channel).ok_or(Error::NoSuchChannel)?;
        let Some(id) = state.id.filter(|_| state.ready == ReadyState::Open) else { return Err(Error::ChannelNotOpen) };
        let size = payload.bytes().len();
        if size > self.max_message_size {
            return Err(Error::MessageTooLarge { size, limit: self.max_message_size });
        }
        let mut options =
            SendOptions { unordered: !state.options.ordered && state.acknowledged, ..SendOptions::default() };
        match state.options.reliability {
            Reliability::Reliable => {}
            Reliability::Retransmissions(most) => options.max_retransmissions = Some(most),
            Reliability::Lifetime(time) => options.lifetime = Some(time),
        }
        // SCTP has no empty messages: one byte that is not looked at stands for it (RFC 8831 §6.6).
        let empty = || Bytes::from_static(&[0]);
        let (ppid, bytes) = match payload {
            Payload::Text(bytes) if bytes.is_empty() => (PPID_TEXT_EMPTY, empty()),
            Payload::Binary(bytes) if bytes.is_empty() => (PPID_BINARY_EMPTY, empty()),
            Payload::Text(bytes) => (PPID_TEXT, bytes),
            Payload::Binary(bytes) => (PPID_BINARY, bytes),
        };
        self.association.queue_message(now, StreamId(id), ppid, bytes, options, size > 0)
    }

    /// Closes a channel: what was given is still sent, then both sides reset their stream (RFC 8831 §6.7). [`ChannelEvent::Closed`] follows.
    pub fn close(&mut self, channel: Channel) -> Result<(), Error> {
        let state = self.channels.get_mut(&channel).ok_or(Error::NoSuchChannel)?;
        match state.ready {
            ReadyState::Connecting => self.forget(channel),
            ReadyState::Open => {
                state.ready = ReadyState::Closing;
                self.reset(channel);
            }
            ReadyState::Closing | ReadyState::Closed => {}
        }
        Ok(())
    }

    fn reset(&mut self, channel: Channel) {
        let Some(id) = self.channels.get(&channel).and_then(|c| c.id) else { return };
        if self.association.reset_streams(&[StreamId(id)]).is_err() {
            self.forget(channel);
        }
    }

    /// Ends everything at once: the peer's channels see an error, ours see nothing more.
    pub fn abort(&mut self, reason: &str) {
        self.channels.clear();
        self.by_id.clear();
        self.events.clear();
        self.association.abort(reason);
        while self.association.poll_event().is_some() {}
    }

    /// See [`ReadyState`]; a channel that is gone is closed.
    pub fn ready_state(&self, channel: Channel) -> ReadyState {
        self.channels.get(&channel).map_or(ReadyState::Closed, |c| c.ready)
    }

    /// What the channel is like.
    pub fn options(&self, channel: Channel) -> Option<&ChannelOptions> {
        self.channels.get(&channel).map(|c| &c.options)
    }

    /// The channel's id, once the DTLS role is known.
    pub fn id(&self, channel: Channel) -> Option<u16> {
        self.channels.get(&channel)?.id
    }

    /// Bytes of messages that have not been sent once.
    pub fn buffered_amount(&self, channel: Channel) -> usize {
        self.id(channel).map_or(0, |id| self.association.buffered_amount(StreamId(id)))
    }

    /// Asks for [`ChannelEvent::BufferedAmountLow`] each time that the waiting bytes fall to `bytes` or less.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: Channel, bytes: usize) -> Result<(), Error> {
        let state = self.channels.get_mut(&channel).ok_or(Error::NoSuchChannel)?;
        state.low_water = bytes;
        if let Some(id) = state.id {
            self.association.set_low_water(StreamId(id), bytes);
        }
        Ok(())
    }

    /// Our INIT chunk (see [`Association::local_init`]).
    pub fn local_init(&self) -> Vec<u8> {
        self.association.local_init()
    }

    /// The path has changed (see [`Association::path_changed`]).
    pub fn path_changed(&mut self, now: Instant) {
        self.association.path_changed(now);
    }

    /// Takes in a packet.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.association.handle_datagram(now, datagram);
        self.drain(now);
    }

    /// Works off what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.drain(now);
    }

    /// Appends one packet to `out` if one is to be sent now.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<Transmit> {
        let transmit = self.association.poll_transmit(now, out);
        self.drain(now);
        transmit
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        let event = self.events.pop_front()?;
        if let ChannelEvent::Message(_, payload) = &event {
            self.held = self.held.saturating_sub(payload.bytes().len() + 1);
            self.drain(self.latest);
        }
        Some(event)
    }

    /// When [`DataChannels::handle_timeout`] has something to do next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association.poll_timeout()
    }

    /// Takes in what the association tells, unless the program does not take what is there: then the peer's window closes.
    fn drain(&mut self, now: Instant) {
        self.latest = now;
        while self.held < MOST_HELD {
            let Some(event) = self.association.poll_event() else { return };
            match event {
                Event::Message(message) => self.on_message(now, message),
                Event::Connected => {
                    self.events.push_back(ChannelEvent::Connected);
                    let all: Vec<Channel> = self.channels.keys().copied().collect();
                    all.into_iter().for_each(|channel| self.start(now, channel));
                }
                Event::BufferedAmountLow(stream) => {
                    if let Some(channel) = self.by_id.get(&stream.0) {
                        self.events.push_back(ChannelEvent::BufferedAmountLow(*channel));
                    }
                }
                Event::IncomingReset(streams) => self.on_incoming_reset(&streams),
                Event::OutgoingReset { streams, .. } => {
                    for stream in streams {
                        self.on_half_reset(stream, |reset| reset.0 = true);
                    }
                }
                Event::Restarted => self.fail_all(),
                Event::ShuttingDown => {}
                Event::Closed(reason) => {
                    if reason == CloseReason::Shutdown {
                        let all: Vec<Channel> = self.channels.keys().copied().collect();
                        all.into_iter().for_each(|channel| self.forget(channel));
                    } else {
                        self.fail_all();
                    }
                    self.events.push_back(ChannelEvent::Ended(reason));
                }
            }
        }
    }

    fn on_message(&mut self, now: Instant, message: Message) {
        let channel = self.by_id.get(&message.stream.0).copied();
        if message.ppid == PPID_DCEP {
            match (Dcep::parse(&message.payload), channel) {
                (Some(Dcep::Open(options)), None) => self.on_open(now, message.stream, options),
                (Some(Dcep::Ack), Some(channel)) => {
                    if let Some(state) = self.channels.get_mut(&channel) {
                        state.acknowledged = true;
                    }
                }
                _ => {}
            }
            return;
        }
        let Some(channel) = channel else { return };
        let Some(state) = self.channels.get_mut(&channel).filter(|c| c.ready == ReadyState::Open) else { return };
        // Any message says that the peer knows the channel.
        state.acknowledged = true;
        let payload = match message.ppid {
            PPID_TEXT => Payload::Text(message.payload),
            PPID_TEXT_EMPTY => Payload::Text(Bytes::new()),
            PPID_BINARY_EMPTY => Payload::Binary(Bytes::new()),
            _ => Payload::Binary(message.payload),
        };
        self.held += payload.bytes().len() + 1;
        self.events.push_back(ChannelEvent::Message(channel, payload));
    }

    /// The peer has made a channel (RFC 8832 §6).
    fn on_open(&mut self, now: Instant, stream: StreamId, options: ChannelOptions) {
        if stream.0 >= self.association.streams() {
            return;
        }
        let names = options.label.len() + options.protocol.len();
        if self.names + names > MOST_NAMES {
            // Refused, as if closed by our program at once.
            let _ = self.association.reset_streams(&[stream]);
            return;
        }
        self.names += names;
        let channel = self.insert(options, ReadyState::Open);
        if let Some(state) = self.channels.get_mut(&channel) {
            state.named = names;
        }
        self.by_id.insert(stream.0, channel);
        if let Some(state) = self.channels.get_mut(&channel) {
            state.id = Some(stream.0);
            state.acknowledged = true;
            self.association.set_weight(stream, state.options.priority.weight());
        }
        let ack = Dcep::Ack.write().into();
        let sent = self.association.queue_message(now, stream, PPID_DCEP, ack, SendOptions::default(), false);
        self.events.push_back(ChannelEvent::Announced(channel));
        self.events.push_back(ChannelEvent::Open(channel));
        if sent.is_err() {
            self.fail(channel);
        }
    }

    fn on_incoming_reset(&mut self, streams: &[StreamId]) {
        let streams: Vec<StreamId> = match streams {
            // None means all.
            [] => self.by_id.keys().map(|id| StreamId(*id)).collect(),
            some => some.to_vec(),
        };
        for stream in streams {
            let Some(&channel) = self.by_id.get(&stream.0) else { continue };
            let Some(state) = self.channels.get_mut(&channel) else { continue };
            if state.ready == ReadyState::Open {
                state.ready = ReadyState::Closing;
                self.events.push_back(ChannelEvent::Closing(channel));
                self.reset(channel);
            }
            self.on_half_reset(stream, |reset| reset.1 = true);
        }
    }

    /// One side of a stream has been reset; the channel is gone when both have.
    fn on_half_reset(&mut self, stream: StreamId, mark: impl FnOnce(&mut (bool, bool))) {
        let Some(&channel) = self.by_id.get(&stream.0) else { return };
        let Some(state) = self.channels.get_mut(&channel) else { return };
        mark(&mut state.reset);
        if state.reset == (true, true) {
            self.forget(channel);
        }
    }

    fn forget(&mut self, channel: Channel) {
        if let Some(state) = self.channels.remove(&channel) {
            if let Some(id) = state.id {
                self.by_id.remove(&id);
            }
            self.names -= state.named;
            self.events.push_back(ChannelEvent::Closed(channel));
        }
    }

    fn fail(&mut self, channel: Channel) {
        if self.channels.contains_key(&channel) {
            self.events.push_back(ChannelEvent::Error(channel));
            self.forget(channel);
        }
    }

    fn fail_all(&mut self) {
        let all: Vec<Channel> = self.channels.keys().copied().collect();
        all.into_iter().for_each(|channel| self.fail(channel));
    }
}
