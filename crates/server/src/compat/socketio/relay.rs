//! The relay that Socket.IO tutorials write: who is there, which events go to whom.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use parlour_signaling::message::ErrorCode;
use serde::Serialize;
use serde_json::value::RawValue;
use socketioxide::adapter::LocalAdapter;
use socketioxide::extract::{AckSender, SocketRef};
use socketioxide::handler::{
    ConnectHandler, DisconnectHandler, FromDisconnectParts, FromMessageParts, MessageHandler, Value,
};
use socketioxide::socket::{DisconnectReason, Sid, Socket};
use socketioxide::{SendError, SocketError, SocketIo};

use super::event::{Incoming, Object, Stamped};
use super::member::Member;
use super::rooms::{Membership, Refusal, Rooms};
use crate::compat::pace::{Limits, Verdict};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::{lock, word};

/// What all clients share.
pub(super) struct Relay {
    rooms: Mutex<Rooms<Sid>>,
    limits: Limits,
    metrics: Metrics,
    relay_any: bool,
}

impl Relay {
    pub(super) fn new(config: &Config, metrics: &Metrics) -> Self {
        Self {
            rooms: Mutex::new(Rooms::new(config.limits.max_rooms as usize, config.room.max_peers as usize)),
            limits: Limits::new(config),
            metrics: metrics.clone(),
            relay_any: config.compat.relay_any,
        }
    }

    /// Ends a client's connection for what it did, and tells it so.
    pub(super) fn cut(&self, socket: Arc<Socket>, code: ErrorCode) {
        let Some(member) = Member::of(&socket).cloned() else { return };
        if !member.cut() {
            return;
        }
        self.metrics.refused(&word(&code));
        let _ = socket.emit("error", &Problem { code: &word(&code), message: advice(code), event: None });
        tracing::debug!(client = %socket.id, ?code, "Socket.IO client cut off");
        let _ = socket.disconnect();
        member.close();
    }
}

/// Marks the handlers here, which are called at once and in order; the library's own run each event in a task of its own, in any order.
pub(super) enum InOrder {}

/// Receives newcomers.
#[derive(Clone)]
pub(super) struct Door(pub(super) Arc<Relay>);

type Admitted<'a> = Pin<Box<dyn Future<Output = Result<(), Box<dyn Display + Send>>> + Send + 'a>>;

impl ConnectHandler<LocalAdapter, InOrder> for Door {
    fn call_middleware<'a>(&'a self, socket: Arc<Socket>, _: &'a Option<Value>) -> Admitted<'a> {
        let entered = Member::of(&socket).is_some_and(|member| !member.is_cut() && member.enter(&socket));
        if !entered {
            let refusal: Box<dyn Display + Send> = Box::new("This connection has entered already.");
            return Box::pin(ready(Err(refusal)));
        }
        // Before the client hears that it is in: what it says next must find a listener.
        socket.on_fallback(Ear(Arc::clone(&self.0)));
        socket.on_disconnect(Exit(Arc::clone(&self.0)));
        Box::pin(ready(Ok(())))
    }

    fn call(&self, socket: Arc<Socket>, _: Option<Value>) {
        tracing::debug!(client = %socket.id, "Socket.IO client connected");
        if socket.emit("me", &socket.id).is_ok() {
            self.0.metrics.messages_out.increment(1);
        }
    }
}

/// Sees those off who leave.
struct Exit(Arc<Relay>);

impl DisconnectHandler<LocalAdapter, InOrder> for Exit {
    fn call_with_defer(&self, socket: Arc<Socket>, reason: DisconnectReason, defer: fn(Arc<Socket>)) {
        if let Some(member) = Member::of(&socket) {
            member.left();
        }
        tracing::debug!(client = %socket.id, ?reason, "Socket.IO client left");
        if reason == DisconnectReason::PacketParsingError {
            self.0.metrics.refused("bad_message");
        }
        let left = lock(&self.0.rooms).gone(socket.id);
        if let (false, Ok(io)) = (left.is_empty(), SocketIo::from_disconnect_parts(&socket, reason)) {
            for (membership, others) in left {
                self.0.farewell(&io, socket.id, &membership, &others);
            }
        }
        defer(socket);
    }
}

/// Hears what clients say.
struct Ear(Arc<Relay>);

impl MessageHandler<LocalAdapter, InOrder> for Ear {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack: Option<i64>) {
        let Some(member) = Member::of(&socket) else { return };
        if member.is_cut() {
            return;
        }
        let relay = &self.0;
        relay.metrics.messages_in.increment(1);
        match member.count(&relay.limits) {
            Verdict::Fine => {}
            Verdict::Refuse { tell, wait } => {
                relay.metrics.refused("rate");
                if tell {
                    let message =
                        format!("At most {} messages a second. Wait {} ms.", relay.limits.per_s, wait.as_millis() + 1);
                    let _ = socket.emit("error", &Problem { code: "rate", message: &message, event: None });
                }
                return;
            }
            Verdict::Abuse => return relay.cut(socket, ErrorCode::Rate),
        }
        let (Ok(io), Ok(answer)) = (
            SocketIo::from_message_parts(&socket, &mut value, &ack),
            AckSender::from_message_parts(&socket, &mut value, &ack),
        );
        let Some(event) = value.as_str().and_then(|text| Incoming::parse(text)) else {
            return relay.cut(socket, ErrorCode::BadMessage);
        };
        let talk = Talk { relay, io: &io, socket: &socket, length: value.as_str().map_or(0, |text| text.len()) };
        match talk.handle(&event) {
            Ok(done) => {
                let _ = answer.send(&done);
            }
            Err(why) => {
                relay.metrics.refused(why.code);
                let message = why.message.as_ref();
                let _ = answer.send(&NotDone { ok: false, code: why.code, message });
                let _ = socket.emit("error", &Problem { code: why.code, message, event: Some(&event.name) });
            }
        }
    }
}

/// Why something was not done, as the event `error` tells it.
#[derive(Serialize)]
struct Problem<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
}

/// The same as an acknowledgement.
#[derive(Serialize)]
struct NotDone<'a> {
    ok: bool,
    code: &'a str,
    message: &'a str,
}

/// What an acknowledgement says of an event that was handled.
#[derive(Debug, Default, Serialize)]
struct Done {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    /// Who else is in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    peers: Option<Vec<String>>,
}

/// Why an event is refused.
struct Why {
    code: &'static str,
    message: Cow<'static, str>,
}

impl Why {
    fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }
}

/// Whom an event is for.
enum Whom {
    One(SocketRef),
    These(Vec<Sid>),
}

/// An event of one client at work.
struct Talk<'a> {
    relay: &'a Relay,
    io: &'a SocketIo,
    socket: &'a Arc<Socket>,
    /// Of the event's text, which is about what will be delivered.
    length: usize,
}

impl Talk<'_> {
    fn handle(&self, event: &Incoming<'_>) -> Result<Done, Why> {
        match event.name.as_ref() {
            "join" | "join-room" | "join_room" | "joinRoom" => self.join(event),
            "leave" | "leave-room" | "leave_room" | "leaveRoom" => self.leave(event),
            "offer" | "answer" | "ice-candidate" | "candidate" | "signal" => self.pass_on(event, false),
            "callUser" => self.call_user(event),
            "answerCall" => self.answer_call(event),
            _ if self.relay.relay_any => self.pass_on(event, true),
            _ => Err(Why::new(
                "unsupported",
                "This server does not know the event. It relays such ones, too, with the setting `compat.relay_any`.",
            )),
        }
    }

    /// `join ROOM [USER]`, or `join { room | roomId, userId }`: the others hear `user-connected USER ID`.
    fn join(&self, event: &Incoming<'_>) -> Result<Done, Why> {
        let object = event.object(0);
        let room = room_of(event, object.as_ref())
            .ok_or_else(|| Why::new("bad_room", "Name the room: join(\"blue-otter\")."))?;
        let user = match &object {
            Some(object) => ["userId", "userID", "user"].iter().find_map(|name| object.raw(name)),
            None => event.raw(1),
        };
        let user = user.filter(|user| user.get() != "null" && user.get().len() <= 1024).map(RawValue::get);
        let (new, others) =
            lock(&self.relay.rooms).join(self.socket.id, &room, user).map_err(|refusal| match refusal {
                Refusal::BadName => Why::new("bad_room", "The name of a room has 1 to 256 bytes."),
                Refusal::RoomFull => {
                    Why::new("room_full", "The room is full. The operator can raise `room.max_peers`.")
                }
                Refusal::TooManyRooms => Why::new("too_many_rooms", "You are in 32 rooms. Leave one first."),
                Refusal::ServerFull => Why::new(
                    "server_full",
                    "This server has as many rooms as it may have. The operator can raise `max_rooms`.",
                ),
            })?;
        if new {
            tracing::debug!(client = %self.socket.id, "Socket.IO client joined a room");
            self.relay.tell_all(self.io, self.socket.id, user, "user-connected", &others);
        }
        let peers = Some(others.iter().map(ToString::to_string).collect());
        Ok(Done { ok: true, room: Some(room.into_owned()), peers })
    }

    /// `leave ROOM`: the others hear `user-disconnected USER ID`.
    fn leave(&self, event: &Incoming<'_>) -> Result<Done, Why> {
        let object = event.object(0);
        let left = match room_of(event, object.as_ref()) {
            Some(room) => lock(&self.relay.rooms).leave(self.socket.id, &room).into_iter().collect(),
            None => lock(&self.relay.rooms).gone(self.socket.id),
        };
        if left.is_empty() {
            return Err(Why::new("bad_room", "You are not in this room."));
        }
        for (membership, others) in left {
            self.relay.farewell(self.io, self.socket.id, &membership, &others);
        }
        Ok(Done { ok: true, ..Done::default() })
    }

    /// `EVENT { to, … }` reaches `to` as `EVENT { from, … }`; `EVENT DATA, to` as `EVENT DATA, from`. `to` is a client, or a room of the
    /// sender's own.
    fn pass_on(&self, event: &Incoming<'_>, to_neighbours: bool) -> Result<Done, Why> {
        let object = event.object(0);
        let to = object
            .as_ref()
            .and_then(|object| ["to", "target", "room", "roomId", "roomID"].iter().find_map(|name| object.text(name)))
            .or_else(|| event.text(1));
        let whom = match to {
            Some(to) => self.find(&to)?,
            None if to_neighbours => Whom::These(lock(&self.relay.rooms).neighbours(self.socket.id)),
            None => return Err(Why::new("no_such_peer", "Say to whom: { to: id, … }.")),
        };
        let from = self.socket.id.as_str();
        match (&object, event.raw(0)) {
            (Some(object), _) => self.send(&whom, &event.name, &(Stamped { object, from },)),
            (None, Some(data)) => self.send(&whom, &event.name, &(data, from)),
            (None, None) => self.send(&whom, &event.name, &(from,)),
        }
    }

    /// `callUser { userToCall, signalData, name }` reaches them as `callUser { signal, from, name }`.
    fn call_user(&self, event: &Incoming<'_>) -> Result<Done, Why> {
        #[derive(Serialize)]
        struct Call<'a> {
            signal: Option<&'a RawValue>,
            from: &'a str,
            name: Option<&'a RawValue>,
        }
        let object = event.object(0);
        let to = object.as_ref().and_then(|object| object.text("userToCall"));
        let (Some(object), Some(to)) = (&object, to) else {
            return Err(Why::new("no_such_peer", "Say whom to call: { userToCall: id, signalData }."));
        };
        let call = Call { signal: object.raw("signalData"), from: self.socket.id.as_str(), name: object.raw("name") };
        self.send(&self.find(&to)?, "callUser", &(call,))
    }

    /// `answerCall { to, signal }` reaches `to` as `callAccepted SIGNAL, from`.
    fn answer_call(&self, event: &Incoming<'_>) -> Result<Done, Why> {
        let object = event.object(0);
        let to = object.as_ref().and_then(|object| object.text("to"));
        let (Some(object), Some(to)) = (&object, to) else {
            return Err(Why::new("no_such_peer", "Say whom to answer: { to: id, signal }."));
        };
        self.send(&self.find(&to)?, "callAccepted", &(object.raw("signal"), self.socket.id.as_str()))
    }

    fn find(&self, to: &str) -> Result<Whom, Why> {
        if let Some(one) = to.parse().ok().and_then(|id| self.io.get_socket(id)) {
            return Ok(Whom::One(one));
        }
        let others = lock(&self.relay.rooms).others(self.socket.id, to).map(Whom::These);
        others.ok_or_else(|| {
            Why::new("no_such_peer", "Nobody is there under this id, and you are in no room of this name.")
        })
    }

    fn send(&self, whom: &Whom, name: &str, data: &impl Serialize) -> Result<Done, Why> {
        let there = match whom {
            Whom::One(one) => self.relay.deliver(one.clone(), name, data, self.length),
            Whom::These(others) => {
                for one in others.iter().filter_map(|other| self.io.get_socket(*other)) {
                    self.relay.deliver(one, name, data, self.length);
                }
                true
            }
        };
        if there {
            Ok(Done { ok: true, ..Done::default() })
        } else {
            Err(Why::new("no_such_peer", "They have just left."))
        }
    }
}

impl Relay {
    /// Tells those who stay that one has left.
    fn farewell(&self, io: &SocketIo, id: Sid, membership: &Membership, others: &[Sid]) {
        self.tell_all(io, id, membership.known_as.as_deref(), "user-disconnected", others);
    }

    /// Tells others about one, by the name that it gave itself and by its id.
    fn tell_all(&self, io: &SocketIo, id: Sid, known_as: Option<&str>, event: &str, others: &[Sid]) {
        let known_as = known_as.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        for other in others.iter().filter_map(|other| io.get_socket(*other)) {
            let length = known_as.map_or(0, |known_as| known_as.get().len()) + 64;
            match known_as {
                Some(known_as) => self.deliver(other, event, &(known_as, id.as_str()), length),
                None => self.deliver(other, event, &(id.as_str(), id.as_str()), length),
            };
        }
    }

    /// Queues an event for a client. False if it is as good as gone.
    fn deliver(&self, to: SocketRef, name: &str, data: &impl Serialize, length: usize) -> bool {
        let Some(member) = Member::of(&to) else { return false };
        if member.is_cut() {
            return false;
        }
        let sent = if member.queue(length) {
            to.emit(name, data)
        } else {
            Err(SendError::Socket(SocketError::InternalChannelFull))
        };
        match sent {
            Ok(()) => {
                self.metrics.messages_out.increment(1);
                true
            }
            Err(SendError::Socket(SocketError::InternalChannelFull)) => {
                self.metrics.overflows.increment(1);
                if let Some(socket) = member.socket() {
                    self.cut(socket, ErrorCode::SlowReader);
                }
                false
            }
            Err(_) => false,
        }
    }
}

/// The room that an event names.
fn room_of<'a>(event: &Incoming<'a>, object: Option<&Object<'a>>) -> Option<Cow<'a, str>> {
    match object {
        Some(object) => ["room", "roomId", "roomID", "room_id"].iter().find_map(|name| object.text(name)),
        // Some number their rooms.
        None => event.text(0).or_else(|| {
            let raw = event.raw(0)?.get();
            raw.parse::<i64>().is_ok().then_some(Cow::Borrowed(raw))
        }),
    }
}

/// What a client that was cut off can do.
fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TooLarge => "The message is too long. The operator can raise `limits.message_kib`.",
        ErrorCode::Rate => "Too many messages for too long. Send fewer.",
        ErrorCode::SlowReader => "You did not read what was sent to you. Connect again.",
        _ => "This is no event of signaling. Send texts and JSON; binary attachments go between browsers.",
    }
}
