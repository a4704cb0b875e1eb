//! Clients by TCP and TLS: messages are framed by their own lengths (RFC 8656 §3.1), and a data connection becomes raw
//! bytes (RFC 6062 §5.4).

use super::inbox::Command;
use super::shard::{STREAM_ECN, Shard, Source};
use super::stream::{Accepted, Link};
use crate::framing::turn_message;
use mio::Interest;
use mio::net::TcpStream;
use parlour_turn::server::Connection;
use parlour_turn::{FiveTuple, Transport};
use slab::Slab;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a client may take to say the first thing.
const FIRST: Duration = Duration::from_secs(10);
/// How long a client without an allocation may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes of an unfinished message of somebody without an allocation.
const UNPROVED: usize = 16 << 10;
/// Bytes that may wait for a client that does not read; relayed packets beyond are dropped, as UDP would.
const BACKLOG: usize = 256 << 10;
/// Bytes after which even answers are too many, and the client is given up.
const HOPELESS: usize = 1 << 20;
/// Reads from one stream in its turn.
const TURNS: usize = 16;
const READ: usize = 64 << 10;

/// A client's connection.
pub(super) struct ClientStream {
    pub(super) link: Link,
    tuple: FiveTuple,
    serial: u64,
    /// The start of a message whose end has not come.
    unfinished: Vec<u8>,
    /// From now on the bytes of this connection to a peer.
    pub(super) spliced: Option<Connection>,
    used: Instant,
    spoke: bool,
    /// To be closed once everything is sent.
    closing: bool,
    dirty: bool,
}

/// All client connections of a shard.
pub(super) struct Streams {
    pub(super) all: Slab<Box<ClientStream>>,
    by_tuple: HashMap<FiveTuple, usize>,
    by_address: HashMap<IpAddr, u32>,
    per_address: u32,
    deadlines: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    serial: u64,
    /// Connections with something to send.
    dirty: Vec<usize>,
    buffer: Vec<u8>,
    dropped: u64,
}

impl Streams {
    pub(super) fn new(per_address: u32) -> Self {
        Self {
            all: Slab::new(),
            by_tuple: HashMap::new(),
            by_address: HashMap::new(),
            per_address,
            deadlines: BinaryHeap::new(),
            serial: 0,
            dirty: Vec::new(),
            buffer: Vec::new(),
            dropped: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Packets that were dropped because a client did not read.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn index_of(&self, tuple: &FiveTuple) -> Option<usize> {
        self.by_tuple.get(tuple).copied()
    }
}

impl Shard {
    pub(super) fn accept_clients(&mut self, now: Instant, index: usize, tls: bool) {
        loop {
            let listeners = if tls { &self.tls } else { &self.tcp };
            let Some((local, listener)) = listeners.get(index) else { return };
            let local = *local;
            match listener.accept() {
                Ok((stream, client)) => {
                    let session = match (tls, &self.tls_config) {
                        (false, _) => None,
                        (true, Some(config)) => match rustls::ServerConnection::new(Arc::clone(config)) {
                            Ok(session) => Some(Box::new(session)),
                            Err(_) => continue,
                        },
                        (true, None) => continue,
                    };
                    let server = stream.local_addr().unwrap_or(local);
                    self.open_stream(now, Link::new(stream, session), client, server);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Mostly: no file descriptor is left. Those that close make room again.
                    tracing::warn!(%error, "cannot accept a TURN connection; if this goes on, raise the limit of open files");
                    return self.again.push(if tls { Source::Tls(index) } else { Source::Tcp(index) });
                }
            }
        }
    }

    /// Takes over a connection that was accepted elsewhere.
    pub(super) fn take_stream(&mut self, now: Instant, accepted: Accepted) {
        let link = Link::new(TcpStream::from_std(accepted.stream), accepted.session);
        let Some(index) = self.open_stream(now, link, accepted.client, accepted.server) else { return };
        let alive = self.handle_bytes(now, index, &accepted.received);
        self.flush(now);
        if alive {
            // What came before it was registered gives no event.
            self.drive_stream(now, index);
        } else {
            self.drop_stream(index);
        }
    }

    fn open_stream(&mut self, now: Instant, link: Link, client: SocketAddr, server: SocketAddr) -> Option<usize> {
        let transport = if link.session.is_some() { Transport::Tls } else { Transport::Tcp };
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let tuple = FiveTuple { transport, client: canonical(client), server: canonical(server) };
        let streams = &mut self.streams;
        let count = streams.by_address.entry(tuple.client.ip()).or_insert(0);
        if *count >= streams.per_address || streams.by_tuple.contains_key(&tuple) {
            return None;
        }
        streams.serial += 1;
        let serial = streams.serial;
        let stream = ClientStream {
            link,
            tuple,
            serial,
            unfinished: Vec::new(),
            spliced: None,
            used: now,
            spoke: false,
            closing: false,
            dirty: false,
        };
        let entry = streams.all.vacant_entry();
        let index = entry.key();
        let stream = entry.insert(Box::new(stream));
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Source::Stream(index).token();
        if let Err(error) = self.poll.registry().register(&mut stream.link.stream, token, interest) {
            tracing::warn!(%error, "a TURN connection cannot be watched");
            streams.all.remove(index);
            return None;
        }
        *count += 1;
        streams.by_tuple.insert(tuple, index);
        streams.deadlines.push(Reverse((now + FIRST, index, serial)));
        Some(index)
    }

    /// Reads from and writes to a client's connection as far as it goes.
    pub(super) fn drive_stream(&mut self, now: Instant, index: usize) {
        if let Some(connection) = self.streams.all.get(index).and_then(|stream| stream.spliced) {
            return self.pump(now, connection);
        }
        let mut buffer = std::mem::take(&mut self.streams.buffer);
        buffer.resize(READ, 0);
        let alive = self.read_stream(now, index, &mut buffer);
        self.streams.buffer = buffer;
        self.flush(now);
        if !alive || !self.write_stream(index) {
            self.drop_stream(index);
            self.flush(now);
        }
    }

    /// `false` if the connection is over.
    fn read_stream(&mut self, now: Instant, index: usize, buffer: &mut [u8]) -> bool {
        for _ in 0..TURNS {
            let Some(stream) = self.streams.all.get_mut(index) else { return true };
            if stream.closing {
                return true;
            }
            match stream.link.read(buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    stream.used = now;
                    if !self.handle_bytes(now, index, buffer.get(..length).unwrap_or_default()) {
                        return false;
                    }
                    if let Some(connection) = self.streams.all.get(index).and_then(|stream| stream.spliced) {
                        self.pump(now, connection);
                        return true;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
        self.again.push(Source::Stream(index));
        true
    }

    /// Takes received bytes apart; `false` if they are no TURN.
    fn handle_bytes(&mut self, now: Instant, index: usize, bytes: &[u8]) -> bool {
        let Some(stream) = self.streams.all.get_mut(index) else { return true };
        if stream.unfinished.is_empty() {
            return match self.handle_messages(now, index, bytes) {
                Some(taken) => self.keep_rest(index, bytes.get(taken..).unwrap_or_default()),
                None => false,
            };
        }
        let mut all = std::mem::take(&mut stream.unfinished);
        all.extend_from_slice(bytes);
        match self.handle_messages(now, index, &all) {
            Some(taken) => {
                all.drain(..taken.min(all.len()));
                self.keep_rest(index, &all)
            }
            None => false,
        }
    }

    fn keep_rest(&mut self, index: usize, rest: &[u8]) -> bool {
        let Some(stream) = self.streams.all.get_mut(index) else { return true };
        if rest.is_empty() {
            return true;
        }
        if rest.len() > UNPROVED && !self.server.has_allocation(&stream.tuple) {
            return false;
        }
        stream.unfinished.extend_from_slice(rest);
        true
    }

    /// Passes whole messages on; gives how many bytes they took, `None` if the stream carries something else.
    fn handle_messages(&mut self, now: Instant, index: usize, bytes: &[u8]) -> Option<usize> {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let Some(stream) = self.streams.all.get_mut(index) else { return Some(bytes.len()) };
            if let Some(connection) = stream.spliced {
                self.send_spliced(connection, rest);
                return Some(bytes.len());
            }
            let message = match turn_message(rest) {
                Ok(Some(message)) => message,
                Ok(None) => return Some(taken),
                Err(_) => return None,
            };
            stream.spoke = true;
            let tuple = stream.tuple;
            let stun = matches!(message.first(), Some(0..=3));
            if stun
                && self.inboxes.len() > 1
                && !self.server.has_allocation(&tuple)
                && let Some(home) = self.server.home_of(message)
            {
                self.hand_over(index, home as usize, rest);
                return Some(bytes.len());
            }
            taken += message.len();
            self.server.handle_client(now, tuple, STREAM_ECN, message, &mut self.out);
            if stun {
                // A request may have turned this connection into one of data.
                self.flush(now);
            }
        }
    }

    /// Gives a connection to the shard that it belongs to, with what it has said.
    fn hand_over(&mut self, index: usize, home: usize, received: &[u8]) {
        let Some(mut stream) = self.remove_stream(index) else { return };
        let _ = self.poll.registry().deregister(&mut stream.link.stream);
        let accepted = Accepted {
            stream: stream.link.stream.into(),
            session: stream.link.session,
            received: received.to_vec(),
            client: stream.tuple.client,
            server: stream.tuple.server,
        };
        if let Some(inbox) = self.inboxes.get(home) {
            inbox.push(Command::Stream(Box::new(accepted)));
        }
    }

    /// Queues a message for a client's stream.
    pub(super) fn send_to_stream(&mut self, _now: Instant, tuple: FiveTuple, bytes: &[u8]) {
        let Some(index) = self.streams.index_of(&tuple) else { return };
        let Some(stream) = self.streams.all.get_mut(index) else { return };
        let relayed = !matches!(bytes.first(), Some(1));
        if stream.link.backlog() + bytes.len() > BACKLOG && relayed {
            self.streams.dropped += 1;
            return;
        }
        stream.link.queue(bytes);
        if !stream.dirty {
            stream.dirty = true;
            self.streams.dirty.push(index);
        }
    }

    /// Writes what was queued.
    pub(super) fn flush_streams(&mut self, now: Instant) {
        while let Some(index) = self.streams.dirty.pop() {
            if let Some(stream) = self.streams.all.get_mut(index) {
                stream.dirty = false;
                if !self.write_stream(index) {
                    self.drop_stream(index);
                }
            }
        }
        let _ = now;
    }

    /// `false` if the connection is over.
    fn write_stream(&mut self, index: usize) -> bool {
        let Some(stream) = self.streams.all.get_mut(index) else { return true };
        match stream.link.flush() {
            Ok(true) if stream.closing => {
                stream.link.finish();
                false
            }
            Ok(_) => stream.link.backlog() < HOPELESS,
            Err(_) => false,
        }
    }

    /// Closes a client's stream after what is queued for it.
    pub(super) fn close_client(&mut self, _now: Instant, tuple: FiveTuple) {
        let Some(index) = self.streams.index_of(&tuple) else { return };
        if let Some(stream) = self.streams.all.get_mut(index) {
            stream.closing = true;
        }
        if !self.write_stream(index) {
            self.drop_stream(index);
        }
    }

    /// Forgets a connection and tells the state machine.
    pub(super) fn drop_stream(&mut self, index: usize) {
        let Some(stream) = self.remove_stream(index) else { return };
        match stream.spliced {
            Some(connection) => self.end_connection(connection),
            None => self.server.handle_client_closed(stream.tuple),
        }
    }

    pub(super) fn remove_stream(&mut self, index: usize) -> Option<Box<ClientStream>> {
        let stream = self.streams.all.try_remove(index)?;
        let ip = stream.tuple.client.ip();
        self.streams.by_tuple.remove(&stream.tuple);
        if let Some(count) = self.streams.by_address.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.streams.by_address.remove(&ip);
            }
        }
        Some(stream)
    }

    /// Closes connections of clients that have nothing here and say nothing.
    pub(super) fn end_silent_streams(&mut self, now: Instant) {
        while let Some(&Reverse((at, index, serial))) = self.streams.deadlines.peek() {
            if at > now {
                break;
            }
            self.streams.deadlines.pop();
            let Some(stream) = self.streams.all.get(index).filter(|stream| stream.serial == serial) else { continue };
            let busy = stream.spliced.is_some() || self.server.has_allocation(&stream.tuple);
            let silent = !stream.spoke || now.duration_since(stream.used) >= SILENCE;
            if !busy && silent {
                self.drop_stream(index);
            } else {
                self.streams.deadlines.push(Reverse((now + SILENCE, index, serial)));
            }
        }
        self.flush(now);
    }
}
