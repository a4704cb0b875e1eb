//! Connections: TURN's over TCP and TLS, and those of ICE-TCP (RFC 6544).

use crate::agent::Agent;
use crate::data::Received;
use crate::event::Event;
use crate::framing::unframe;
use crate::requests::Arrival;
use crate::tcp::{Purpose, Stream, StreamState};
use crate::transport::{Base, Route, StreamId};
use parlour_stun::{FrameLength, Message, frame_length};
use std::net::SocketAddr;
use std::time::Instant;

/// Connections that others may open at a time, and the bytes that each may send before it has proved who it is.
const MAX_ACCEPTED: usize = 32;
const MAX_UNPROVED: usize = 2_048;
/// No message is longer: two bytes of length, and what they can say; or a STUN header and its length.
const MAX_BUFFERED: usize = 65_535 + 20;

impl Agent {
    /// A connection that [`Event::OpenStream`] asked for stands; `local` is its local end.
    pub fn handle_stream_open(&mut self, now: Instant, id: StreamId, local: SocketAddr) {
        let Some(stream) = self.transports.streams.get_mut(&id) else {
            self.events.push_back(Event::CloseStream(id));
            return;
        };
        stream.state = StreamState::Open;
        stream.local = Some(local);
        if let Purpose::Check { .. } = stream.purpose {
            let (generations, mut cx) = self.split(now);
            generations.iter_mut().for_each(|generation| generation.stream_opened(&mut cx, id));
        }
        self.advance(now);
    }

    /// A connection came in at a listener or at a port for simultaneous open. `None`: close it.
    pub fn accept_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr) -> Option<StreamId> {
        let listens = |l: &crate::transport::Local| !l.removed && matches!(l.base, Base::Tcp(own, _) if own == local);
        let index = self.transports.locals.iter().position(listens)?;
        let accepted =
            self.transports.streams.values().filter(|s| matches!(s.purpose, Purpose::Accepted { .. })).count();
        if accepted >= MAX_ACCEPTED {
            return None;
        }
        let mut stream = Stream::connecting(Purpose::Accepted { local: index }, remote);
        stream.state = StreamState::Open;
        stream.local = Some(local);
        let id = self.transports.add_stream(stream);
        self.advance(now);
        Some(id)
    }

    /// Takes bytes of a connection; data of the application that is in them goes to `deliver`.
    pub fn handle_stream_data(
        &mut self,
        now: Instant,
        id: StreamId,
        bytes: &[u8],
        deliver: &mut dyn FnMut(Received<'_>),
    ) {
        let Some(stream) = self.transports.streams.get_mut(&id) else { return };
        let mut buffer = std::mem::take(&mut stream.buffer);
        buffer.extend_from_slice(bytes);
        let purpose = stream.purpose;
        let mut used = 0;
        let intact = match purpose {
            Purpose::Relay(relay) => loop {
                let rest = buffer.get(used..).unwrap_or_default();
                match frame_length(rest) {
                    Ok(FrameLength::Message(length)) if length <= rest.len() => {
                        let message = rest.get(..length).unwrap_or_default();
                        used += length;
                        if let Some(received) = self.handle_relayed(now, relay, message) {
                            deliver(received);
                        }
                    }
                    Ok(_) => break true,
                    Err(_) => break false,
                }
            },
            Purpose::Check { local } | Purpose::Accepted { local } => loop {
                let rest = buffer.get(used..).unwrap_or_default();
                let Some((message, length)) = unframe(rest) else { break true };
                used += length;
                if let Some(received) = self.handle_framed(now, id, local, message) {
                    deliver(received);
                }
            },
        };
        buffer.drain(..used.min(buffer.len()));
        let Some(stream) = self.transports.streams.get_mut(&id) else { return };
        let unproved = matches!(purpose, Purpose::Accepted { .. }) && !stream.authenticated;
        let most = if unproved { MAX_UNPROVED } else { MAX_BUFFERED };
        if !intact || buffer.len() > most {
            self.drop_stream(now, id);
            return;
        }
        stream.buffer = buffer;
    }

    /// One message of ICE-TCP.
    fn handle_framed<'d>(
        &mut self,
        now: Instant,
        id: StreamId,
        local: usize,
        message: &'d [u8],
    ) -> Option<Received<'d>> {
        let from = self.transports.streams.get(&id)?.remote;
        let ours = || Message::parse(message).ok().and_then(|m| crate::requests::ufrags(&m).map(|u| u.0.to_owned()));
        if let Some(ufrag) = ours()
            && self.generations.iter().any(|generation| generation.local.ufrag == ufrag)
            && let Some(stream) = self.transports.streams.get_mut(&id)
        {
            stream.authenticated = true;
        }
        let arrival = Arrival { local, from, stream: Some(id), route: Route::Stream(id) };
        self.handle_packet(now, arrival, message)
    }

    /// A connection could not be opened, or is gone.
    pub fn handle_stream_closed(&mut self, now: Instant, id: StreamId) {
        let Some(stream) = self.transports.streams.remove(&id) else { return };
        match stream.purpose {
            Purpose::Relay(relay) => self.relay_stream_closed(now, relay),
            Purpose::Check { .. } | Purpose::Accepted { .. } => {
                for generation in &mut self.generations {
                    let lost = generation.selected_pair().is_some_and(|pair| pair.stream == Some(id));
                    generation.stream_closed(id);
                    if lost {
                        generation.disconnected = true;
                        generation.revive();
                    }
                }
            }
        }
        self.advance(now);
    }

    fn drop_stream(&mut self, now: Instant, id: StreamId) {
        self.events.push_back(Event::CloseStream(id));
        self.handle_stream_closed(now, id);
    }
}
