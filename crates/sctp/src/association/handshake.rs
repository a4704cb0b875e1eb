//! How an association comes to be: four packets (RFC 9260 §5.1), both sides at once (§5.2.1), a restart (§5.2.2), or parameters that were exchanged in
//! session descriptions (draft-hancke-tsvwg-snap).

use super::{
    Association, CloseReason, Event, State, cookie::Cookie, in_flight::InFlight, inbound::Inbound, outbound::Outbound,
    reset::Resets,
};
use crate::{
    Error, Tsn,
    packet::{Abort, Cause, Chunks, Control, ErrorChunk, Init, InitKind, Parameter, ParseError, RawChunk, Support},
    time::{Nanos, nanos},
};
use std::time::Instant;

/// Something that is sent again until it is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(super) due: bool,
    tries: u32,
    deadline: Nanos,
}

impl Attempt {
    pub(super) fn new(now: Nanos, rto: Nanos) -> Self {
        Attempt { due: true, tries: 0, deadline: now + rto }
    }

    pub(super) fn deadline(&self) -> Nanos {
        self.deadline
    }

    /// If the time is up: sends again, later each time; whether `most` tries were in vain.
    pub(super) fn expired(&mut self, now: Nanos, rto: Nanos, rto_max: Nanos, most: Option<u32>) -> bool {
        if now < self.deadline {
            return false;
        }
        self.tries += 1;
        self.due = true;
        self.deadline = now + (rto << self.tries.min(10)).min(rto_max);
        most.is_some_and(|most| self.tries > most)
    }
}

impl Association {
    /// Begins the handshake. Both sides may do so: they meet.
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        let now = self.clock.at(now);
        if !matches!(self.state, State::Closed) {
            return Err(Error::Started);
        }
        self.state = State::CookieWait(Attempt::new(now, nanos(self.config.rto_initial)));
        Ok(())
    }

    /// Our INIT chunk, for the attribute `a=sctp-init` of our description. Always the same bytes; changes nothing.
    pub fn local_init(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.init(InitKind::Init, self.local_tag, self.local_tsn, None).write(&[], &mut out);
        out
    }

    /// Both descriptions had `a=sctp-init`, and DTLS is done: the association stands at once. `peer` is the peer's INIT chunk.
    pub fn connect_with(&mut self, now: Instant, peer: &[u8]) -> Result<(), Error> {
        let now = self.clock.at(now);
        if !matches!(self.state, State::Closed) {
            return Err(Error::Started);
        }
        let chunk =
            Chunks::new(peer).next().unwrap_or(Err(ParseError::Truncated("the chunk"))).map_err(Error::BadInit)?;
        if chunk.kind != Init::INIT {
            return Err(Error::BadInit(ParseError::Value("the chunk type", u32::from(chunk.kind))));
        }
        let init = Init::parse(&chunk, |_| {}).map_err(Error::BadInit)?;
        self.establish(now, &Cookie::new(&init, self.local_tag, self.local_tsn, (0, 0), now));
        Ok(())
    }

    fn init<'a>(&self, kind: InitKind, tag: u32, tsn: Tsn, cookie: Option<&'a [u8]>) -> Init<'a> {
        Init {
            kind,
            tag,
            window: u32::try_from(self.config.receive_buffer).unwrap_or(u32::MAX),
            outgoing: self.config.outgoing_streams.max(1),
            incoming: self.config.incoming_streams.max(1),
            tsn,
            support: Support {
                forward_tsn: self.config.partial_reliability,
                reconfig: true,
                interleaving: self.config.interleaving,
                zero_checksum: self.config.zero_checksum,
            },
            cookie,
        }
    }

    /// The whole packet with INIT, if it is due.
    pub(super) fn write_init(&mut self, out: &mut Vec<u8>) -> bool {
        let State::CookieWait(attempt) = &mut self.state else { return false };
        if !std::mem::take(&mut attempt.due) {
            return false;
        }
        self.header(0).write(out);
        self.init(InitKind::Init, self.local_tag, self.local_tsn, None).write(&[], out);
        true
    }

    pub(super) fn write_cookie_echo(&mut self, out: &mut Vec<u8>) -> bool {
        let State::CookieEchoed(attempt, cookie) = &mut self.state else { return false };
        if !std::mem::take(&mut attempt.due) {
            return false;
        }
        Control::CookieEcho(cookie).write(out);
        true
    }

    pub(super) fn handshake_deadline(&self) -> Option<Nanos> {
        match &self.state {
            State::CookieWait(attempt) | State::CookieEchoed(attempt, _) => Some(attempt.deadline),
            _ => None,
        }
    }

    pub(super) fn handshake_timeout(&mut self, now: Nanos) {
        let (rto, rto_max) = (nanos(self.config.rto_initial), nanos(self.config.rto_max));
        let most = self.config.max_init_retransmissions;
        let (State::CookieWait(attempt) | State::CookieEchoed(attempt, _)) = &mut self.state else { return };
        if attempt.expired(now, rto, rto_max, most) {
            self.end(CloseReason::TimedOut);
        }
    }

    /// INIT: answered with a cookie, and nothing is kept (RFC 9260 §5.1 B, §5.2.1, §5.2.2).
    pub(super) fn on_init(&mut self, now: Nanos, chunk: &RawChunk<'_>) {
        let mut unknown: Vec<Parameter<'_>> = Vec::new();
        let parsed = Init::parse(chunk, |p| {
            if unknown.len() < 4 && p.value.len() < 64 {
                unknown.push(p);
            }
        });
        let init = match parsed {
            Ok(init) => init,
            Err(_) => {
                // §5.1: a mandatory field is missing or wrong. The tag, if there is one, says where the ABORT goes.
                let tag = chunk.value.first_chunk().map_or(0, |b| u32::from_be_bytes(*b));
                if tag != 0 {
                    self.reply(tag, |out| Abort::write(false, &[Cause::InvalidParameter], out));
                }
                return;
            }
        };
        if matches!(self.state, State::ShutdownAckSent(_)) {
            // §9.2: the association is going down; the SHUTDOWN ACK goes again.
            return self.repeat_shutdown_ack();
        }
        let (tag, tsn, tie_tags) = match self.state {
            State::Closed | State::CookieWait(_) => (self.local_tag, self.local_tsn, (0, 0)),
            State::CookieEchoed(..) => (self.local_tag, self.local_tsn, (self.local_tag, self.peer_tag)),
            _ => (self.secrets.tag(), Tsn(self.secrets.random_u64() as u32), (self.local_tag, self.peer_tag)),
        };
        let cookie = Cookie::new(&init, tag, tsn, tie_tags, now).seal(&self.secrets);
        let mut ack = Vec::new();
        self.init(InitKind::Ack, tag, tsn, Some(&cookie)).write(&unknown, &mut ack);
        self.reply(init.tag, |out| out.extend_from_slice(&ack));
    }

    /// INIT ACK (RFC 9260 §5.1 C); means nothing in other states (§5.2.3).
    pub(super) fn on_init_ack(&mut self, now: Nanos, chunk: &RawChunk<'_>) {
        if !matches!(self.state, State::CookieWait(_)) {
            return;
        }
        let mut unknown = Vec::new();
        let Ok(init) = Init::parse(chunk, |p| unknown.push(p)) else {
            return self.end(CloseReason::ProtocolViolation("the peer's INIT ACK cannot be read"));
        };
        let Some(cookie) = init.cookie else {
            self.peer_tag = init.tag;
            // §5.1: number of missing parameters, and the type of the state cookie.
            return self.abort_with(
                Cause::MissingParameters(&[0, 0, 0, 1, 0, 7]),
                CloseReason::ProtocolViolation("the peer's INIT ACK has no cookie"),
            );
        };
        let mut report = Vec::new();
        unknown.iter().filter(|p| p.value.len() < 64).take(4).for_each(|p| {
            Parameter::write(&mut report, p.kind, |out| out.extend_from_slice(p.value));
        });
        self.agree(&Cookie::new(&init, self.local_tag, self.local_tsn, (0, 0), now));
        self.state = State::CookieEchoed(Attempt::new(now, nanos(self.config.rto_initial)), cookie.to_vec());
        if !report.is_empty() {
            self.queue_control(|out| ErrorChunk::write(&[Cause::UnrecognizedParameters(&report)], out));
        }
    }

    /// Takes over what the peer said of itself.
    fn agree(&mut self, cookie: &Cookie) {
        self.peer_tag = cookie.peer_tag;
        let (ours, theirs) = (&self.config, cookie.peer_support);
        self.support = Support {
            forward_tsn: ours.partial_reliability && theirs.forward_tsn,
            reconfig: theirs.reconfig,
            interleaving: ours.interleaving && theirs.interleaving,
            zero_checksum: ours.zero_checksum && theirs.zero_checksum,
        };
        self.outgoing_streams = self.config.outgoing_streams.min(cookie.peer_incoming);
        self.outbound.interleaved = self.support.interleaving;
        if !self.support.forward_tsn {
            self.outbound.queue.make_reliable();
        }
        self.outbound.set_peer_window(cookie.peer_window);
        self.inbound = Some(Inbound::new(cookie.peer_tsn, self.support.interleaving));
        self.resets.set_peer(cookie.peer_tsn);
    }

    pub(super) fn establish(&mut self, now: Nanos, cookie: &Cookie) {
        self.agree(cookie);
        self.established(now);
    }

    fn established(&mut self, now: Nanos) {
        self.state = State::Established;
        self.events.push_back(Event::Connected);
        self.rest(now);
        self.size_probe = self.packet_size.poll(now, (2 * self.outbound.rtt.rto()).max(nanos(self.config.rto_initial)));
    }

    /// COOKIE ECHO (RFC 9260 §5.1 D, §5.2.4); whether what follows in the packet counts.
    pub(super) fn on_cookie_echo(&mut self, now: Nanos, tag: u32, bytes: &[u8]) -> bool {
        let Some(cookie) = Cookie::open(bytes, &self.secrets).filter(|c| c.local_tag == tag) else { return false };
        let life = nanos(self.config.cookie_life);
        let age = now.saturating_sub(cookie.created);
        let same_tags = cookie.local_tag == self.local_tag && cookie.peer_tag == self.peer_tag;
        if age > life && !same_tags {
            // §3.3.10.3: by how many microseconds it is too late.
            let late = u32::try_from((age - life) / 1000).unwrap_or(u32::MAX);
            self.reply(cookie.peer_tag, |out| ErrorChunk::write(&[Cause::StaleCookie(late)], out));
            return false;
        }
        if matches!(self.state, State::Closed | State::CookieWait(_)) {
            if cookie.local_tag != self.local_tag {
                return false;
            }
            self.establish(now, &cookie);
        } else if cookie.local_tag != self.local_tag {
            // §5.2.4 A: the peer restarted, if the cookie knows the old tags. C: else it is an old cookie.
            if cookie.peer_tag == self.peer_tag || cookie.tie_tags != (self.local_tag, self.peer_tag) {
                return false;
            }
            if matches!(self.state, State::ShutdownAckSent(_)) {
                self.repeat_shutdown_ack();
                let causes = [Cause::CookieWhileShuttingDown];
                self.queue_control(|out| ErrorChunk::write(&causes, out));
                return false;
            }
            self.restart(now, &cookie);
        } else if cookie.peer_tag != self.peer_tag {
            // §5.2.4 B: both sides began at the same time.
            if !matches!(self.state, State::CookieEchoed(..)) {
                return false;
            }
            self.establish(now, &cookie);
        } else if matches!(self.state, State::CookieEchoed(..)) {
            // §5.2.4 D.
            self.established(now);
        }
        self.queue_control(|out| Control::CookieAck.write(out));
        true
    }

    /// RFC 9260 §5.2.4.1: as a new association, with the messages that nothing was sent of.
    fn restart(&mut self, now: Nanos, cookie: &Cookie) {
        self.local_tag = cookie.local_tag;
        self.local_tsn = cookie.local_tsn;
        let mut queue = std::mem::take(&mut self.outbound.queue);
        queue.restart();
        let salt = self.secrets.random_u64();
        self.outbound = Outbound::new(&self.config, self.local_tsn, self.packet_size.current(), salt);
        self.outbound.queue = queue;
        self.outbound.flight = InFlight::new(self.local_tsn);
        self.resets = Resets::new(self.local_tsn);
        self.control.clear();
        self.agree(cookie);
        self.state = State::Established;
        self.rest(now);
        self.events.push_back(Event::Restarted);
    }

    /// COOKIE ACK (RFC 9260 §5.1 E).
    pub(super) fn on_cookie_ack(&mut self, now: Nanos) {
        if matches!(self.state, State::CookieEchoed(..)) {
            self.established(now);
        }
    }

    /// ERROR: only a stale cookie asks for something, to begin again (RFC 9260 §5.2.6).
    pub(super) fn on_error(&mut self, now: Nanos, chunk: &RawChunk<'_>) {
        let stale = ErrorChunk::parse(chunk).causes().any(|c| matches!(c, Ok(Cause::StaleCookie(_))));
        if stale && matches!(self.state, State::CookieEchoed(..)) {
            self.state = State::CookieWait(Attempt::new(now, nanos(self.config.rto_initial)));
            self.peer_tag = 0;
            self.inbound = None;
        }
    }
}
