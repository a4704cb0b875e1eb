//! The relay that Socket.IO tutorials write: who is there, which events go to whom.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use parlour_signaling::Text;
use parlour_signaling::message::ErrorCode;
use parlour_signaling::socketio::{Kind, Message, Packet, Revision};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Handle;
use super::event::{Incoming, Object, Stamped};
use super::rooms::{Membership, Refusal, Rooms};
use super::session::Session;
use super::sid::Sid;
use crate::compat::pace::{Limits, Verdict};
use crate::config::Config;
use crate::{App, lock, word};

/// What all clients share.
pub(super) struct Relay {
    rooms: Mutex<Rooms<Sid>>,
    limits: Limits,
    relay_any: bool,
}

impl Relay {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            rooms: Mutex::new(Rooms::new(config.limits.max_rooms as usize, config.room.max_peers as usize)),
            limits: Limits::new(config),
            relay_any: config.compat.relay_any,
        }
    }
}

/// The text of a packet that carries a message.
fn packet(kind: Kind, namespace: &str, id: Option<u64>, data: &impl Serialize) -> Text {
    let data = serde_json::to_string(data).unwrap_or_default();
    let message = Message { kind, namespace, id, data: &data }.to_string();
    Text::from_whole(Packet::Message(&message).to_string())
}

/// How an event in the namespace `/` begins.
const EVENT: &str = "42";

/// The text of an event: its name and its arguments, as a tuple. The many are of this kind, so it is written in one go.
fn event(name_and_arguments: &impl Serialize, length: usize) -> Text {
    let mut text = Vec::with_capacity(length);
    text.extend_from_slice(EVENT.as_bytes());
    // What came from texts can be written to texts; if it could not, an event without a name would be the least harm.
    let written = serde_json::to_writer(&mut text, name_and_arguments).ok().and_then(|()| String::from_utf8(text).ok());
    Text::from_whole(written.unwrap_or_else(|| "42[\"\"]".to_owned()))
}

/// What an event has around it, about: an id, names, punctuation.
const AROUND: usize = 64;

/// Hears a packet. `Err`: the client was cut off for it.
pub(super) fn hear(app: &App, session: &Arc<Session>, text: &str) -> Result<(), ErrorCode> {
    let handle = &app.compat.socketio;
    handle.listen(app, session, text).inspect_err(|code| handle.cut(app, session, *code))
}

impl Handle {
    /// What follows at once when a session is open: clients of the protocol before are in without asking.
    pub(super) fn opened(&self, session: &Session) {
        if session.revision == Revision::V3 {
            self.enter(session);
        }
    }

    fn listen(&self, app: &App, session: &Arc<Session>, text: &str) -> Result<(), ErrorCode> {
        let now = Instant::now();
        match session.count(now, &self.relay.limits) {
            Some(Verdict::Fine) => {}
            // No client has to say so much else than events.
            Some(Verdict::Refuse { .. }) if !text.starts_with(EVENT) => return Err(ErrorCode::Rate),
            Some(Verdict::Refuse { tell, wait }) => {
                app.metrics.refused("rate");
                if tell {
                    let (per_s, wait) = (self.relay.limits.per_s, wait.as_millis() + 1);
                    let message = format!("At most {per_s} messages a second. Wait {wait} ms.");
                    let problem = Problem { code: "rate", message: &message, event: None };
                    self.deliver(app, session, event(&("error", problem), 2 * AROUND));
                }
                return Ok(());
            }
            Some(Verdict::Abuse) => return Err(ErrorCode::Rate),
            None => return Ok(()),
        }
        match Packet::parse(text).map_err(|_| ErrorCode::BadMessage)? {
            Packet::Message(text) => {
                return self.message(app, session, Message::parse(text).map_err(|_| ErrorCode::BadMessage)?);
            }
            Packet::Ping(_) if session.heard(now, false) => {
                session.send(Text::from_whole(Packet::Pong("").to_string()));
            }
            Packet::Pong(_) if session.heard(now, true) => {}
            Packet::Close => self.give_up(app, session),
            Packet::Upgrade | Packet::Noop => {}
            Packet::Open(_) | Packet::Ping(_) | Packet::Pong(_) => return Err(ErrorCode::BadMessage),
        }
        Ok(())
    }

    fn message(&self, app: &App, session: &Arc<Session>, message: Message<'_>) -> Result<(), ErrorCode> {
        // In the protocol before, a namespace may have a query.
        let here = message.namespace.split('?').next() == Some("/");
        match message.kind {
            Kind::Connect if here => self.enter(session),
            Kind::Connect => {
                let refusal = NoEntry { message: "Invalid namespace" };
                session.send(packet(Kind::ConnectError, message.namespace, None, &refusal));
            }
            Kind::Disconnect if here => self.depart(app, session),
            Kind::Event if here && session.is_inside() => {
                let event = Incoming::parse(message.data).ok_or(ErrorCode::BadMessage)?;
                self.event(app, session, &event, message);
            }
            Kind::Ack => {}
            _ => return Err(ErrorCode::BadMessage),
        }
        Ok(())
    }

    fn enter(&self, session: &Session) {
        if !session.enter() {
            let refusal = NoEntry { message: "This connection has entered already." };
            session.send(packet(Kind::ConnectError, "/", None, &refusal));
            return;
        }
        tracing::debug!(client = %session.id, "Socket.IO client connected");
        let id = session.id.as_str();
        session.send(match session.revision {
            Revision::V3 => Text::from_whole("40".to_owned()),
            Revision::V4 => packet(Kind::Connect, "/", None, &Entered { sid: id }),
        });
        session.send(event(&("me", id), AROUND));
    }

    /// Takes a client out of the reach of others, who are told.
    pub(super) fn depart(&self, app: &App, session: &Session) {
        session.leave(Instant::now());
        let left = lock(&self.relay.rooms).gone(session.id);
        for (membership, others) in left {
            self.farewell(app, session.id, &membership, &others);
        }
    }

    /// Ends a client's connection for what it did, and tells it so.
    pub(super) fn cut(&self, app: &App, session: &Session, code: ErrorCode) {
        let problem = Problem { code: &word(&code), message: advice(code), event: None };
        let farewell = Text::from_whole(Packet::Message("1").to_string());
        let last_words = [event(&("error", problem), 2 * AROUND), farewell];
        if let Some(until) = session.cut(Instant::now(), last_words) {
            app.metrics.refused(&word(&code));
            tracing::debug!(client = %session.id, ?code, "Socket.IO client cut off");
            self.look_at(session.id, until);
            self.depart(app, session);
        }
    }

    fn event(&self, app: &App, session: &Arc<Session>, event: &Incoming<'_>, message: Message<'_>) {
        let answer = |answer: Text| self.deliver(app, session, answer);
        let talk = Talk { app, handle: self, session, length: message.data.len() };
        match talk.handle(event) {
            Ok(done) => {
                if message.id.is_some() {
                    answer(packet(Kind::Ack, "/", message.id, &(done,)));
                }
            }
            Err(Why { code, message: why }) => {
                app.metrics.refused(code);
                if message.id.is_some() {
                    answer(packet(Kind::Ack, "/", message.id, &(NotDone { ok: false, code, message: &why },)));
                }
                let problem = Problem { code, message: &why, event: Some(&event.name) };
                answer(self::event(&("error", problem), 2 * AROUND));
            }
        }
    }
}

/// What a client gets to know when it enters.
#[derive(Serialize)]
struct Entered<'a> {
    sid: &'a str,
}

/// Why a client may not enter.
#[derive(Serialize)]
struct NoEntry<'a> {
    message: &'a str,
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
    One(Arc<Session>),
    These(Vec<Sid>),
}

/// An event of one client at work.
struct Talk<'a> {
    app: &'a App,
    handle: &'a Handle,
    session: &'a Arc<Session>,
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
            _ if self.handle.relay.relay_any => self.pass_on(event, true),
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
            lock(&self.handle.relay.rooms).join(self.session.id, &room, user).map_err(|refusal| match refusal {
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
            tracing::debug!(client = %self.session.id, "Socket.IO client joined a room");
            self.handle.tell_all(self.app, self.session.id, user, "user-connected", &others);
        }
        // Somebody else may have cut this client off just now.
        if !self.session.is_inside() {
            self.handle.depart(self.app, self.session);
        }
        let peers = Some(others.iter().map(ToString::to_string).collect());
        Ok(Done { ok: true, room: Some(room.into_owned()), peers })
    }

    /// `leave ROOM`: the others hear `user-disconnected USER ID`.
    fn leave(&self, event: &Incoming<'_>) -> Result<Done, Why> {
        let object = event.object(0);
        let left = match room_of(event, object.as_ref()) {
            Some(room) => lock(&self.handle.relay.rooms).leave(self.session.id, &room).into_iter().collect(),
            None => lock(&self.handle.relay.rooms).gone(self.session.id),
        };
        if left.is_empty() {
            return Err(Why::new("bad_room", "You are not in this room."));
        }
        for (membership, others) in left {
            self.handle.farewell(self.app, self.session.id, &membership, &others);
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
            None if to_neighbours => Whom::These(lock(&self.handle.relay.rooms).neighbours(self.session.id)),
            None => return Err(Why::new("no_such_peer", "Say to whom: { to: id, … }.")),
        };
        let from = self.session.id.as_str();
        let name = event.name.as_ref();
        match (&object, event.raw(0)) {
            (Some(object), _) => self.send(&whom, &(name, Stamped { object, from })),
            (None, Some(data)) => self.send(&whom, &(name, data, from)),
            (None, None) => self.send(&whom, &(name, from)),
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
        let call = Call { signal: object.raw("signalData"), from: self.session.id.as_str(), name: object.raw("name") };
        self.send(&self.find(&to)?, &("callUser", call))
    }

    /// `answerCall { to, signal }` reaches `to` as `callAccepted SIGNAL, from`.
    fn answer_call(&self, event: &Incoming<'_>) -> Result<Done, Why> {
        let object = event.object(0);
        let to = object.as_ref().and_then(|object| object.text("to"));
        let (Some(object), Some(to)) = (&object, to) else {
            return Err(Why::new("no_such_peer", "Say whom to answer: { to: id, signal }."));
        };
        self.send(&self.find(&to)?, &("callAccepted", object.raw("signal"), self.session.id.as_str()))
    }

    fn find(&self, to: &str) -> Result<Whom, Why> {
        if let Some(one) = to.parse().ok().and_then(|id| self.handle.session(id)).filter(|one| one.is_inside()) {
            return Ok(Whom::One(one));
        }
        let others = lock(&self.handle.relay.rooms).others(self.session.id, to).map(Whom::These);
        others.ok_or_else(|| {
            Why::new("no_such_peer", "Nobody is there under this id, and you are in no room of this name.")
        })
    }

    /// Sends an event, its name and its arguments as a tuple.
    fn send(&self, whom: &Whom, name_and_arguments: &impl Serialize) -> Result<Done, Why> {
        let text = event(name_and_arguments, self.length + AROUND);
        let there = match whom {
            Whom::One(one) => self.handle.deliver(self.app, one, text),
            Whom::These(others) => {
                self.handle.deliver_all(self.app, others, &text);
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

impl Handle {
    /// Tells those who stay that one has left.
    fn farewell(&self, app: &App, id: Sid, membership: &Membership, others: &[Sid]) {
        self.tell_all(app, id, membership.known_as.as_deref(), "user-disconnected", others);
    }

    /// Tells others about one, by the name that it gave itself and by its id.
    fn tell_all(&self, app: &App, id: Sid, known_as: Option<&str>, name: &str, others: &[Sid]) {
        let known_as = known_as.and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        let text = match known_as {
            Some(known_as) => event(&(name, known_as, id.as_str()), known_as.get().len() + AROUND),
            None => event(&(name, id.as_str(), id.as_str()), 2 * AROUND),
        };
        self.deliver_all(app, others, &text);
    }

    fn deliver_all(&self, app: &App, others: &[Sid], text: &Text) {
        for other in others.iter().filter_map(|other| self.session(*other)) {
            self.deliver(app, &other, text.clone());
        }
    }

    /// Queues a packet for a client. False if it is as good as gone.
    fn deliver(&self, app: &App, to: &Session, text: Text) -> bool {
        if !to.is_inside() {
            return false;
        }
        let queued = to.send(text);
        if !queued {
            app.metrics.overflows.increment(1);
            self.cut(app, to, ErrorCode::SlowReader);
        }
        queued
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
pub(super) fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TooLarge => "The message is too long. The operator can raise `limits.message_kib`.",
        ErrorCode::Rate => "Too many messages for too long. Send fewer.",
        ErrorCode::SlowReader => "You did not read what was sent to you. Connect again.",
        _ => "This is no event of signaling. Send texts and JSON; binary attachments go between browsers.",
    }
}
