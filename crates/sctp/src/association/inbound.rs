//! The receiving half: what a packet says, chunk by chunk.

use super::{
    Association, CloseReason, Event, State,
    reassembly::Reassembly,
    received::{Arrival, Received},
};
use crate::{
    Tsn,
    config::Config,
    packet::{
        Abort, Cause, Causes, Control, Data, ErrorChunk, ForwardTsn, Heartbeat, Init, Packet, RawChunk, ReConfig, Sack,
        UnknownAction,
    },
    time::{Nanos, nanos},
};

/// What an event with a message costs beside the message.
pub(super) const EVENT_OVERHEAD: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) received: Received,
    pub(crate) reassembly: Reassembly,
    interleaved: bool,
    /// The window that the peer was told last.
    told: usize,
}

impl Inbound {
    pub(crate) fn new(first: Tsn, interleaved: bool) -> Self {
        Inbound { received: Received::new(first), reassembly: Reassembly::default(), interleaved, told: usize::MAX }
    }

    pub(crate) fn timeout(&self) -> Option<Nanos> {
        self.received.sack_at
    }

    pub(crate) fn on_timeout(&mut self, now: Nanos) {
        if self.received.sack_at.is_some_and(|at| at <= now) {
            self.received.sack_now = true;
        }
    }

    /// Messages whose beginning is here do not count: they may be larger than the window, and only their rest lets them go.
    fn window(&self, unread: usize, config: &Config) -> usize {
        config.receive_buffer.saturating_sub(unread + self.reassembly.waiting())
    }

    /// The program has taken messages: tells the peer if it had been told of little room (RFC 9260 §6.2).
    pub(crate) fn reopened(&mut self, unread: usize, config: &Config) {
        let half = config.receive_buffer / 2;
        if self.told < half && self.window(unread, config) >= half {
            self.received.sack_now = true;
        }
    }

    pub(crate) fn write_sack(&mut self, unread: usize, config: &Config, room: usize, out: &mut Vec<u8>) {
        let window = self.window(unread, config);
        self.told = window;
        self.received.write_sack(u32::try_from(window).unwrap_or(u32::MAX), room, out);
    }
}

/// Whether the rest of a packet counts.
enum Then {
    GoOn,
    Stop,
}

impl Association {
    /// Takes in a packet; `None` if it is not for us.
    pub(super) fn receive(&mut self, now: Nanos, datagram: &[u8]) -> Option<()> {
        let packet = Packet::parse(datagram, self.config.zero_checksum).ok()?;
        if packet.header.destination_port != self.config.local_port {
            return None;
        }
        let first = packet.chunks().next()?.ok()?;
        self.verify(&packet, &first)?;
        let tag = packet.header.verification_tag;
        let mut data = false;
        for chunk in packet.chunks() {
            let Ok(chunk) = chunk else { break };
            match chunk.kind {
                Data::DATA | Data::I_DATA => {
                    if !self.on_data(&chunk) {
                        return Some(());
                    }
                    data = true;
                }
                _ => {
                    if matches!(self.on_chunk(now, tag, &chunk), Then::Stop) {
                        break;
                    }
                }
            }
        }
        if let Some(inbound) = self.inbound.as_mut().filter(|_| data) {
            inbound.received.packet_done(now, nanos(self.config.sack_delay));
        }
        Some(())
    }

    /// After the end: a peer that did not hear that the shutdown is complete is told again (RFC 9260 §8.4 rule 5).
    pub(super) fn receive_late(&mut self, datagram: &[u8]) {
        self.stats.packets_dropped += 1;
        let Ok(packet) = Packet::parse(datagram, self.config.zero_checksum) else { return };
        let first = packet.chunks().next();
        let tag = packet.header.verification_tag;
        if tag == self.local_tag && matches!(first, Some(Ok(RawChunk { kind: 8, .. }))) {
            self.reply(tag, |out| Control::ShutdownComplete { reflected: true }.write(out));
        }
    }

    /// RFC 9260 §8.5: whether the tag is right for such a packet.
    fn verify(&mut self, packet: &Packet<'_>, first: &RawChunk<'_>) -> Option<()> {
        let tag = packet.header.verification_tag;
        let reflected = first.flags & 1 != 0;
        let good = match first.kind {
            // §8.5.1 A: alone, and with tag 0. RFC 9653 §5.2: with a checksum.
            Init::INIT => tag == 0 && packet.chunks().nth(1).is_none() && !packet.zero_checksum,
            Abort::KIND | 14 if reflected => tag == self.peer_tag && tag != 0,
            // §8.5.1 D: the cookie says whether the tag is right.
            10 => true,
            // §8.5.1 E: the peer did not hear that the shutdown is complete.
            8 if matches!(self.state, State::Closed | State::CookieWait(_) | State::CookieEchoed(..)) => {
                self.reply(tag, |out| Control::ShutdownComplete { reflected: true }.write(out));
                false
            }
            _ => tag == self.local_tag && !matches!(self.state, State::Closed),
        };
        good.then_some(())
    }

    fn on_chunk(&mut self, now: Nanos, tag: u32, chunk: &RawChunk<'_>) -> Then {
        match chunk.kind {
            Init::INIT => self.on_init(now, chunk),
            Init::ACK => self.on_init_ack(now, chunk),
            Sack::KIND => {
                if let Ok(sack) = Sack::parse(chunk)
                    && self.is_connected()
                {
                    self.outbound.on_sack(now, &sack);
                }
            }
            Heartbeat::HEARTBEAT | Heartbeat::ACK => self.on_heartbeat(now, chunk),
            Abort::KIND => {
                self.on_abort(chunk);
                return Then::Stop;
            }
            ErrorChunk::KIND => self.on_error(now, chunk),
            ForwardTsn::FORWARD | ForwardTsn::I_FORWARD => self.on_forward(chunk),
            ReConfig::KIND => self.on_reconfig(chunk),
            _ => match Control::parse(chunk) {
                Some(Ok(control)) => return self.on_control(now, tag, control),
                Some(Err(_)) => {}
                None => return self.on_unknown(chunk),
            },
        }
        if matches!(self.state, State::Ended) { Then::Stop } else { Then::GoOn }
    }

    fn on_control(&mut self, now: Nanos, tag: u32, control: Control<'_>) -> Then {
        match control {
            Control::CookieEcho(cookie) => {
                if !self.on_cookie_echo(now, tag, cookie) {
                    return Then::Stop;
                }
            }
            Control::CookieAck => self.on_cookie_ack(now),
            Control::Shutdown(cumulative) => self.on_shutdown(now, cumulative),
            Control::ShutdownAck => self.on_shutdown_ack(),
            Control::ShutdownComplete { .. } => self.on_shutdown_complete(),
            Control::Pad(_) => {}
        }
        if matches!(self.state, State::Ended) { Then::Stop } else { Then::GoOn }
    }

    fn on_heartbeat(&mut self, now: Nanos, chunk: &RawChunk<'_>) {
        let Ok(heartbeat) = Heartbeat::parse(chunk) else { return };
        if heartbeat.ack {
            self.heartbeat_answered(now, heartbeat.info);
        } else if self.is_connected() && heartbeat.info.len() + 32 <= self.packet_size.current() {
            self.queue_control(|out| Heartbeat { ack: true, info: heartbeat.info }.write(out));
        }
    }

    fn on_abort(&mut self, chunk: &RawChunk<'_>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        let causes = Abort::parse(chunk).causes();
        self.end(CloseReason::AbortedByPeer(explain(causes)));
    }

    /// RFC 9260 §3.2: the type of a chunk that is not known says what to do.
    fn on_unknown(&mut self, chunk: &RawChunk<'_>) -> Then {
        let action = chunk.unknown_action();
        let (UnknownAction::Stop { report } | UnknownAction::Skip { report }) = action;
        if report && self.is_connected() {
            let mut copy = Vec::new();
            let value = chunk.value.get(..chunk.value.len().min(64)).unwrap_or_default();
            crate::packet::write_chunk(&mut copy, chunk.kind, chunk.flags, |out| out.extend_from_slice(value));
            self.queue_control(|out| ErrorChunk::write(&[Cause::UnrecognizedChunk(&copy)], out));
        }
        if matches!(action, UnknownAction::Stop { .. }) { Then::Stop } else { Then::GoOn }
    }

    /// DATA or I-DATA (RFC 9260 §6.2); whether the association still stands.
    fn on_data(&mut self, chunk: &RawChunk<'_>) -> bool {
        if !matches!(
            self.state,
            State::CookieEchoed(..) | State::Established | State::ShutdownPending | State::ShutdownSent(_)
        ) {
            return true;
        }
        let Some(inbound) = &mut self.inbound else { return true };
        let data = match Data::parse(chunk) {
            Ok(data) => data,
            Err(_) => {
                // §6.2: without user data the association ends.
                let tsn = Data::tsn_of(chunk).unwrap_or(Tsn(0));
                self.abort_with(
                    Cause::NoUserData(tsn),
                    CloseReason::ProtocolViolation("the peer sent a data chunk without data"),
                );
                return false;
            }
        };
        if (chunk.kind == Data::I_DATA) != inbound.interleaved {
            // RFC 8260 §2.2.1: one kind per association.
            let why = "the peer mixed DATA and I-DATA";
            self.abort_with(Cause::ProtocolViolation(why.as_bytes()), CloseReason::ProtocolViolation(why));
            return false;
        }
        let tsn = inbound.received.unwrap(data.tsn);
        match inbound.received.look(tsn) {
            Arrival::New => {}
            Arrival::Double => {
                self.stats.doubles += 1;
                inbound.received.double(data.tsn);
                return true;
            }
            Arrival::OutOfRange => {
                self.stats.refused += 1;
                inbound.received.sack_now = true;
                return true;
            }
        }
        if data.stream.0 >= self.config.incoming_streams {
            // RFC 9260 §6.5: acknowledged, reported, thrown away.
            inbound.received.take(tsn);
            self.queue_control(|out| ErrorChunk::write(&[Cause::InvalidStream(data.stream)], out));
            return true;
        }
        // No room: what fills the first hole is taken all the same unless it is the program that does not take its messages.
        let next = tsn == inbound.received.cumulative() + 1;
        let held = self.unread + inbound.reassembly.waiting();
        if held + data.payload.len() > self.config.receive_buffer
            && (!next || self.unread >= self.config.receive_buffer)
        {
            self.stats.refused += 1;
            inbound.received.sack_now = true;
            return true;
        }
        let most = self.config.max_message_size;
        let full = inbound.reassembly.waiting() > 2 * self.config.receive_buffer
            || inbound.reassembly.partial() > most.saturating_add(self.config.receive_buffer);
        if full || inbound.reassembly.add(tsn, &data, most).is_err() {
            self.abort_with(Cause::OutOfResource, CloseReason::OutOfResource);
            return false;
        }
        inbound.received.take(tsn);
        inbound.received.sack_now |= data.immediate;
        true
    }

    /// FORWARD TSN, I-FORWARD-TSN.
    fn on_forward(&mut self, chunk: &RawChunk<'_>) {
        let interleaved = chunk.kind == ForwardTsn::I_FORWARD;
        let Some(inbound) = self.inbound.as_mut().filter(|i| i.interleaved == interleaved) else { return };
        let Ok(forward) = ForwardTsn::parse(chunk) else { return };
        if !self.support.forward_tsn {
            return;
        }
        let cumulative = inbound.received.unwrap(forward.cumulative);
        // RFC 3758 §3.6: one that is out of date is answered, for the SACK may have been lost.
        inbound.received.sack_now = true;
        if inbound.received.forward(cumulative) {
            inbound.reassembly.skip(cumulative, forward.skipped());
        }
    }

    /// A peer that shuts down tells in its SHUTDOWN what has come.
    pub(super) fn acknowledge(&mut self, now: Nanos, cumulative: Tsn) {
        let mut value = Vec::new();
        let window = u32::try_from(self.config.receive_buffer).unwrap_or(u32::MAX);
        Sack::write(&mut value, cumulative, window, std::iter::empty(), &[]);
        let chunk = RawChunk { kind: Sack::KIND, flags: 0, value: value.get(4..).unwrap_or_default() };
        if let Ok(sack) = Sack::parse(&chunk) {
            self.outbound.on_sack(now, &sack);
        }
    }

    /// The peer has started streams anew.
    pub(super) fn incoming_reset(&mut self, streams: Vec<crate::StreamId>) {
        let Some(inbound) = &mut self.inbound else { return };
        for message in inbound.reassembly.take_complete() {
            self.unread += message.payload.len() + EVENT_OVERHEAD;
            self.events.push_back(Event::Message(message));
        }
        if streams.is_empty() {
            inbound.reassembly.reset(None);
        }
        streams.iter().for_each(|stream| inbound.reassembly.reset(Some(*stream)));
        self.events.push_back(Event::IncomingReset(streams));
    }
}

/// The causes of an ABORT, for people.
fn explain(causes: Causes<'_>) -> String {
    let text = |bytes: &[u8]| {
        let cut = bytes.get(..bytes.len().min(200)).unwrap_or_default();
        String::from_utf8_lossy(cut).into_owned()
    };
    let parts: Vec<String> = causes
        .take(4)
        .map(|cause| match cause {
            Ok(Cause::UserInitiated([])) => "the peer's program ended it".to_owned(),
            Ok(Cause::UserInitiated(reason)) => text(reason),
            Ok(Cause::ProtocolViolation(why)) => format!("protocol violation: {}", text(why)),
            Ok(Cause::OutOfResource) => "the peer is out of resources".to_owned(),
            Ok(Cause::NoUserData(_)) => "a data chunk had no data".to_owned(),
            Ok(other) => {
                let name = format!("{other:?}");
                name.split(['(', ' ']).next().unwrap_or_default().to_owned()
            }
            Err(_) => "a cause that cannot be read".to_owned(),
        })
        .collect();
    if parts.is_empty() { "the peer gave no reason".to_owned() } else { parts.join("; ") }
}
