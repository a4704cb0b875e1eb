//! SCTP stacks behind one face: ours and those of others.

use crate::net::Peer;
use bytes::Bytes;
use dcsctp::api::{DcSctpSocket, SocketEvent, SocketState, SocketTime};
use parlour_sctp::{Association, Config, Event, SendOptions, StreamId};
use std::{collections::VecDeque, sync::Arc, time::Instant};

/// What every stack can do.
pub(crate) trait Stack: Peer {
    /// Begins the handshake.
    fn connect(&mut self, now: Instant);
    /// Whether messages flow.
    fn is_connected(&self) -> bool;
    /// Sends a message; false if there is no room.
    fn send(&mut self, now: Instant, stream: u16, payload: &Bytes, unordered: bool) -> bool;
    /// Bytes that wait for being sent or acknowledged, as far as the stack tells.
    fn buffered(&mut self, stream: u16) -> usize;
    /// Takes a message: its stream and bytes.
    fn receive(&mut self) -> Option<(u16, Bytes)>;
    /// Asks for a reset of a stream.
    fn reset(&mut self, stream: u16);
}

/// The payload protocol identifier of bytes (RFC 8831 §8).
const BINARY: u32 = 53;

/// Ours.
pub(crate) struct Ours(pub Association);

impl Ours {
    pub(crate) fn new(now: Instant, config: Config, seed: u8) -> Self {
        Ours(Association::new(now, config, [seed; 32]))
    }
}

impl Peer for Ours {
    fn datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.0.handle_datagram(now, datagram);
    }
    fn transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<bool> {
        self.0.poll_transmit(now, out).map(|t| t.may_fragment)
    }
    fn timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }
    fn on_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }
}

impl Stack for Ours {
    fn connect(&mut self, now: Instant) {
        self.0.connect(now).unwrap();
    }
    fn is_connected(&self) -> bool {
        self.0.is_connected()
    }
    fn send(&mut self, now: Instant, stream: u16, payload: &Bytes, unordered: bool) -> bool {
        let options = SendOptions { unordered, ..SendOptions::default() };
        self.0.send(now, StreamId(stream), BINARY, payload.clone(), options).is_ok()
    }
    fn buffered(&mut self, _stream: u16) -> usize {
        self.0.total_buffered_amount() + self.0.stats().in_flight as usize
    }
    fn receive(&mut self) -> Option<(u16, Bytes)> {
        loop {
            if let Event::Message(message) = self.0.poll_event()? {
                return Some((message.stream.0, message.payload));
            }
        }
    }
    fn reset(&mut self, stream: u16) {
        self.0.reset_streams(&[StreamId(stream)]).unwrap();
    }
}

/// `dcsctp`, the stack of libwebrtc in Rust.
pub(crate) struct Dcsctp {
    socket: Box<dyn DcSctpSocket>,
    epoch: Instant,
    out: VecDeque<Vec<u8>>,
}

impl Dcsctp {
    pub(crate) fn new(now: Instant, options: &dcsctp::api::Options) -> Self {
        Dcsctp { socket: dcsctp::new_socket("oracle", options), epoch: now, out: VecDeque::new() }
    }

    fn advance(&mut self, now: Instant) {
        self.socket.advance_time(SocketTime::zero() + (now - self.epoch));
    }

    fn drain(&mut self) {
        while let Some(event) = self.socket.poll_event() {
            match event {
                SocketEvent::SendPacket(packet) => self.out.push_back(packet),
                SocketEvent::OnAborted(kind, why) => panic!("dcsctp gave up: {kind:?} {why}"),
                _ => {}
            }
        }
    }
}

impl Peer for Dcsctp {
    fn datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.advance(now);
        self.socket.handle_input(datagram);
    }
    fn transmit(&mut self, _now: Instant, out: &mut Vec<u8>) -> Option<bool> {
        self.drain();
        out.extend(self.out.pop_front()?);
        Some(false)
    }
    fn timeout(&self) -> Option<Instant> {
        let at = self.socket.poll_timeout();
        (at < SocketTime::infinite_future()).then(|| self.epoch + (at - SocketTime::zero()))
    }
    fn on_timeout(&mut self, now: Instant) {
        self.advance(now);
    }
}

impl Stack for Dcsctp {
    fn connect(&mut self, now: Instant) {
        self.advance(now);
        self.socket.connect();
    }
    fn is_connected(&self) -> bool {
        self.socket.state() == SocketState::Connected
    }
    fn send(&mut self, now: Instant, stream: u16, payload: &Bytes, unordered: bool) -> bool {
        self.advance(now);
        let message =
            dcsctp::api::Message::new(dcsctp::api::StreamId(stream), dcsctp::api::PpId(BINARY), payload.to_vec());
        let options = dcsctp::api::SendOptions { unordered, ..Default::default() };
        self.socket.send(message, &options).is_ok()
    }
    fn buffered(&mut self, stream: u16) -> usize {
        self.socket.buffered_amount(dcsctp::api::StreamId(stream))
    }
    fn receive(&mut self) -> Option<(u16, Bytes)> {
        let message = self.socket.get_next_message()?;
        Some((message.stream_id.0, message.payload.into()))
    }
    fn reset(&mut self, stream: u16) {
        self.socket.reset_streams(&[dcsctp::api::StreamId(stream)]).unwrap();
    }
}

/// `sctp-proto` and other stacks that descend from Pion's share its face, up to small things that the arguments name: how to make an endpoint, connect, take in
/// a packet, get at the packets of a transmit, write, and end a stream.
macro_rules! pion_like {
    ($name:ident, $krate:ident, $endpoint:expr, $connect:expr, $handle:expr, $packets:expr, $write:expr, $stop:expr) => {
        /// A stack that descends from Pion's.
        pub(crate) struct $name {
            endpoint: $krate::Endpoint,
            association: Option<($krate::AssociationHandle, $krate::Association)>,
            out: VecDeque<Bytes>,
            readable: VecDeque<u16>,
            connected: bool,
            latest: Instant,
        }

        impl $name {
            pub(crate) fn new(now: Instant) -> Self {
                let endpoint = $endpoint;
                $name {
                    endpoint,
                    association: None,
                    out: VecDeque::new(),
                    readable: VecDeque::new(),
                    connected: false,
                    latest: now,
                }
            }

            fn pump(&mut self, now: Instant) {
                self.latest = now;
                let Some((handle, association)) = &mut self.association else { return };
                while let Some(event) = association.poll() {
                    match event {
                        $krate::Event::Connected => self.connected = true,
                        $krate::Event::Stream($krate::StreamEvent::Readable { id }) if !self.readable.contains(&id) => {
                            self.readable.push_back(id);
                        }
                        _ => {}
                    }
                }
                while association.accept_stream().is_some() {}
                while let Some(event) = association.poll_endpoint_event() {
                    let _ = self.endpoint.handle_event(*handle, event);
                }
            }
        }

        impl Peer for $name {
            fn datagram(&mut self, now: Instant, datagram: &[u8]) {
                let data = Bytes::copy_from_slice(datagram);
                match $handle(&mut self.endpoint, now, data) {
                    Some((handle, $krate::DatagramEvent::NewAssociation(association))) => {
                        self.association = Some((handle, association));
                    }
                    Some((_, $krate::DatagramEvent::AssociationEvent(event))) => {
                        if let Some((_, association)) = &mut self.association {
                            association.handle_event(event);
                        }
                    }
                    _ => {}
                }
                self.pump(now);
            }
            fn transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<bool> {
                if self.out.is_empty() {
                    let (_, association) = self.association.as_mut()?;
                    let transmit = association.poll_transmit(now);
                    self.pump(now);
                    self.out.extend($packets(transmit?));
                }
                out.extend_from_slice(&self.out.pop_front()?);
                Some(false)
            }
            fn timeout(&self) -> Option<Instant> {
                self.association.as_ref()?.1.poll_timeout()
            }
            fn on_timeout(&mut self, now: Instant) {
                if let Some((_, association)) = &mut self.association {
                    association.handle_timeout(now);
                }
                self.pump(now);
            }
        }

        impl Stack for $name {
            fn connect(&mut self, now: Instant) {
                self.association = Some($connect(&mut self.endpoint, now));
            }
            fn is_connected(&self) -> bool {
                self.connected
            }
            fn send(&mut self, now: Instant, stream: u16, payload: &Bytes, unordered: bool) -> bool {
                let Some((_, association)) = &mut self.association else { return false };
                let binary = $krate::PayloadProtocolIdentifier::Binary;
                if association.stream(stream).is_err() && association.open_stream(stream, binary).is_err() {
                    return false;
                }
                let mut stream = association.stream(stream).unwrap();
                stream.set_reliability_params(unordered, $krate::ReliabilityType::Reliable, 0).unwrap();
                $write(&mut stream, now, payload)
            }
            fn buffered(&mut self, stream: u16) -> usize {
                let Some((_, association)) = &mut self.association else { return 0 };
                association.stream(stream).ok().and_then(|s| s.buffered_amount().ok()).unwrap_or(0)
            }
            fn receive(&mut self) -> Option<(u16, Bytes)> {
                while let Some(&id) = self.readable.front() {
                    let (_, association) = self.association.as_mut()?;
                    if let Ok(mut stream) = association.stream(id) {
                        if let Ok(Some(chunks)) = stream.read_sctp() {
                            let mut buffer = vec![0; chunks.len()];
                            chunks.read(&mut buffer).unwrap();
                            return Some((id, buffer.into()));
                        }
                    }
                    self.readable.pop_front();
                }
                None
            }
            fn reset(&mut self, stream: u16) {
                let now = self.latest;
                let (_, association) = self.association.as_mut().unwrap();
                let mut stream = association.stream(stream).unwrap();
                $stop(&mut stream, now);
            }
        }
    };
}

pub(crate) fn remote() -> std::net::SocketAddr {
    "203.0.113.9:5000".parse().unwrap()
}

/// With messages of up to 1 MiB, as its users set it; the default is 64 KiB.
fn sctp_proto_transport() -> Arc<sctp_proto::TransportConfig> {
    let config = sctp_proto::TransportConfig::default();
    Arc::new(config.with_max_send_message_size(1 << 20).with_max_receive_message_size(1 << 20))
}

pion_like!(
    SctpProto,
    sctp_proto,
    sctp_proto::Endpoint::new(
        Arc::new(sctp_proto::EndpointConfig::new()),
        Some({
            let mut config = sctp_proto::ServerConfig::new();
            config.transport = sctp_proto_transport();
            Arc::new(config)
        }),
    ),
    |endpoint: &mut sctp_proto::Endpoint, _now| {
        let mut config = sctp_proto::ClientConfig::new();
        config.transport = sctp_proto_transport();
        endpoint.connect(config, remote()).unwrap()
    },
    |endpoint: &mut sctp_proto::Endpoint, now, data| endpoint.handle(now, remote(), None, None, data),
    |transmit: sctp_proto::Transmit| match transmit.payload {
        sctp_proto::Payload::RawEncode(packets) => packets,
        _ => Vec::new(),
    },
    |stream: &mut sctp_proto::Stream<'_>, _now, payload: &Bytes| { stream.write_chunk(payload).is_ok() },
    |stream: &mut sctp_proto::Stream<'_>, _now| {
        stream.stop().unwrap();
        stream.finish().unwrap();
    }
);
