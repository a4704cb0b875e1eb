//! Checks of the other agent (RFC 8445 §7.3).

use crate::checklist::{Context, Generation};
use crate::checks::NOMINATION2;
use crate::config::Role;
use crate::event::Event;
use crate::transport::{Route, StreamId};
use parlour_stun::attribute::{
    ErrorCode, IceControlled, IceControlling, Nomination, Priority, UnknownAttributes, Username, XorMappedAddress,
};
use parlour_stun::{AttributeType, Class, Integrity, IntegrityKey, Message, MessageWriter};
use std::net::SocketAddr;

/// What must be understood in a request and is.
const KNOWN: &[AttributeType] =
    &[AttributeType::USERNAME, AttributeType::PRIORITY, AttributeType::USE_CANDIDATE, NOMINATION2];

/// How a message came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The local candidate that it came to.
    pub(crate) local: usize,
    pub(crate) from: SocketAddr,
    pub(crate) stream: Option<StreamId>,
    /// How to answer.
    pub(crate) route: Route,
}

/// The two halves of USERNAME; `None` without one.
pub(crate) fn ufrags<'m>(message: &Message<'m>) -> Option<(&'m str, &'m str)> {
    message.get::<Username<'_>>().ok().flatten().and_then(|username| username.0.split_once(':'))
}

impl Generation {
    /// Takes a Binding request whose USERNAME begins with this generation's fragment.
    pub(crate) fn handle_request(&mut self, cx: &mut Context<'_>, arrival: Arrival, message: &Message<'_>) {
        match message.verify(&self.local.key) {
            Integrity::Valid => {}
            Integrity::Missing => return refuse(cx, arrival, message, ErrorCode::BAD_REQUEST, None),
            Integrity::Wrong => return refuse(cx, arrival, message, ErrorCode::UNAUTHENTICATED, None),
        }
        let key = self.local.key.clone();
        if message.unknown_attributes(KNOWN).next().is_some() {
            return refuse(cx, arrival, message, ErrorCode::UNKNOWN_ATTRIBUTE, Some(&key));
        }
        if self.conflicts(cx, message) {
            return refuse(cx, arrival, message, ErrorCode::ROLE_CONFLICT, Some(&key));
        }
        let Ok(Some(Priority(priority))) = message.get::<Priority>() else {
            return refuse(cx, arrival, message, ErrorCode::BAD_REQUEST, Some(&key));
        };
        if let Some(packet) = cx.sped.receive(message) {
            cx.events.push_back(Event::Handshake(packet.to_vec()));
        }
        self.respond(cx, arrival, message);
        let Some(id) = self.pair_of_request(cx, arrival.local, arrival.from, arrival.stream, priority) else {
            return;
        };
        let lite = cx.config.lite;
        let (now, lifetime) = (cx.now, cx.config.consent_lifetime);
        if let Some(pair) = self.pair_mut(id) {
            pair.authenticated = true;
            pair.counters.requests_received += 1;
            pair.counters.responses_sent += 1;
            pair.live.received_at = Some(now);
            if lite {
                // A lite agent checks nothing: that it is checked is its consent (RFC 7675 §5.1).
                pair.live.consent_until = Some(now + lifetime);
            }
        }
        if *cx.role == Role::Controlled && message.has(AttributeType::USE_CANDIDATE) {
            self.accept_nomination(cx, id, nomination_of(message));
        }
        if !lite {
            self.answer_with_check(cx, id);
        }
    }

    /// Whether the other agent must take the other role; takes it itself otherwise (RFC 8445 §7.3.1.1).
    fn conflicts(&mut self, cx: &mut Context<'_>, message: &Message<'_>) -> bool {
        let theirs = match *cx.role {
            Role::Controlling => message.get::<IceControlling>().ok().flatten().map(|their| their.0),
            Role::Controlled => message.get::<IceControlled>().ok().flatten().map(|their| their.0),
        };
        let Some(theirs) = theirs else { return false };
        let we_keep = match *cx.role {
            Role::Controlling => cx.tie_breaker >= theirs,
            Role::Controlled => cx.tie_breaker < theirs,
        };
        if !we_keep && !cx.config.lite {
            self.switch_role(cx);
        }
        we_keep
    }

    fn respond(&mut self, cx: &mut Context<'_>, arrival: Arrival, message: &Message<'_>) {
        cx.scratch.clear();
        let mut writer = MessageWriter::response(cx.scratch, Class::Success, message);
        writer.put(&XorMappedAddress(arrival.from));
        if self.remote.as_ref().is_none_or(|remote| remote.options.sped) {
            cx.sped.attach(&mut writer);
        }
        writer.integrity(&self.local.key);
        writer.fingerprint();
        if writer.finish().is_ok() {
            cx.transports.send(arrival.route, cx.scratch);
        }
    }
}

/// The number of a nomination, of the draft or of libwebrtc.
fn nomination_of(message: &Message<'_>) -> Option<u32> {
    let draft = message.value(NOMINATION2).and_then(|value| value.try_into().ok()).map(u32::from_be_bytes);
    draft.or_else(|| message.get::<Nomination>().ok().flatten().map(|nomination| nomination.0))
}

/// Answers a request by an error.
pub(crate) fn refuse(
    cx: &mut Context<'_>,
    arrival: Arrival,
    message: &Message<'_>,
    code: u16,
    key: Option<&IntegrityKey>,
) {
    if key.is_none() {
        cx.counters.unauthenticated += 1;
    }
    cx.scratch.clear();
    let mut writer = MessageWriter::response(cx.scratch, Class::Error, message);
    writer.put(&ErrorCode::of(code));
    if code == ErrorCode::UNKNOWN_ATTRIBUTE {
        let unknown = UnknownAttributes::value_of(message.unknown_attributes(KNOWN).take(16));
        writer.put_raw(AttributeType::UNKNOWN_ATTRIBUTES, &unknown);
    }
    if let Some(key) = key {
        writer.integrity(key);
    }
    writer.fingerprint();
    if writer.finish().is_ok() {
        cx.transports.send(arrival.route, cx.scratch);
    }
}
