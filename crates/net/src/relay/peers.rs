//! TCP connections to peers, and their joining with clients' data connections (RFC 6062 §5).

use super::shard::{RelaySocket, Shard, Source};
use super::stream::Link;
use mio::Interest;
use mio::net::TcpStream;
use parlour_turn::FiveTuple;
use parlour_turn::server::{Connection, RelayId};
use slab::Slab;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

/// Bytes that may wait for one side before the other is read no more.
const HIGH: usize = 256 << 10;
/// Reads from each side in its turn.
const TURNS: usize = 16;
const READ: usize = 64 << 10;

/// A connection to a peer.
pub(super) struct Peer {
    link: Link,
    connection: Connection,
    connected: bool,
    /// The client's data connection, once it is bound.
    client: Option<usize>,
    /// Each side has ended, and the other one was told.
    client_ended: Ended,
    peer_ended: Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    No,
    /// Nothing more comes from there.
    Heard,
    /// The other side knows it.
    Told,
}

/// All connections to peers of a shard.
#[derive(Default)]
pub(super) struct Peers {
    all: Slab<Box<Peer>>,
    by_connection: HashMap<u32, usize>,
    buffer: Vec<u8>,
}

impl Shard {
    pub(super) fn connect_peer(&mut self, now: Instant, connection: Connection, relay: RelayId, peer: SocketAddr) {
        let Some(Some(RelaySocket::Tcp(local, _))) = self.relays.get(relay.0 as usize) else {
            return self.server.handle_peer_connected(now, connection, false, &mut self.out);
        };
        let started = super::tcp_socket(*local, true).and_then(|socket| match socket.connect(&peer.into()) {
            Ok(()) => Ok(socket),
            Err(error) if in_progress(&error) => Ok(socket),
            Err(error) => Err(error),
        });
        let opened = started.and_then(|socket| self.watch_peer(TcpStream::from_std(socket.into()), connection, false));
        if opened.is_err() {
            self.server.handle_peer_connected(now, connection, false, &mut self.out);
        }
    }

    fn watch_peer(&mut self, stream: TcpStream, connection: Connection, connected: bool) -> io::Result<()> {
        let entry = self.peers.all.vacant_entry();
        let index = entry.key();
        let mut peer = Peer {
            link: Link::new(stream, None),
            connection,
            connected,
            client: None,
            client_ended: Ended::No,
            peer_ended: Ended::No,
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut peer.link.stream, Source::Peer(index).token(), interest)?;
        entry.insert(Box::new(peer));
        self.peers.by_connection.insert(connection.0, index);
        Ok(())
    }

    /// Peers that connect to the listener of a relay.
    pub(super) fn accept_peers(&mut self, now: Instant, index: usize) {
        loop {
            let Some(Some(RelaySocket::Tcp(_, listener))) = self.relays.get(index) else { return };
            match listener.accept() {
                Ok((stream, peer)) => {
                    let relay = RelayId(index as u32);
                    let connection = self.server.handle_peer_accepted(now, relay, peer, &mut self.out);
                    if let Some(connection) = connection
                        && self.watch_peer(stream, connection, true).is_err()
                    {
                        self.server.handle_connection_closed(connection);
                    }
                    self.flush(now);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }

    pub(super) fn drive_peer(&mut self, now: Instant, index: usize) {
        let Some(peer) = self.peers.all.get_mut(index) else { return };
        let connection = peer.connection;
        if !peer.connected {
            let failed = peer.link.stream.take_error().ok().flatten().is_some();
            // Writable without an error, and with a peer: the handshake is done.
            let connected = !failed && peer.link.stream.peer_addr().is_ok();
            if !connected && !failed {
                return;
            }
            peer.connected = connected;
            if failed {
                self.forget_peer(connection);
            }
            self.server.handle_peer_connected(now, connection, connected, &mut self.out);
            self.flush(now);
        }
        // Until it is bound the peer's bytes stay in the kernel.
        if self.peers.all.get(index).is_some_and(|peer| peer.client.is_some()) {
            self.pump(now, connection);
        }
    }

    /// Joins a client's data connection with the connection to the peer.
    pub(super) fn splice(&mut self, now: Instant, connection: Connection, client: FiveTuple) {
        let stream = self.streams.index_of(&client);
        let peer = self.peers.by_connection.get(&connection.0).copied();
        match (stream, peer.and_then(|index| self.peers.all.get_mut(index))) {
            (Some(index), Some(peer)) => {
                peer.client = Some(index);
                if let Some(stream) = self.streams.all.get_mut(index) {
                    stream.spliced = Some(connection);
                }
                let _ = now;
                if let Some(peer) = peer_index(&self.peers, connection) {
                    self.again.push(Source::Peer(peer));
                }
            }
            _ => self.server.handle_connection_closed(connection),
        }
    }

    /// Bytes of the client that came together with its ConnectionBind.
    pub(super) fn send_spliced(&mut self, connection: Connection, bytes: &[u8]) {
        if let Some(peer) = peer_index(&self.peers, connection).and_then(|index| self.peers.all.get_mut(index)) {
            peer.link.queue(bytes);
        }
    }

    /// Moves bytes both ways as far as it goes, and passes on the end of either side.
    pub(super) fn pump(&mut self, now: Instant, connection: Connection) {
        let Some(index) = peer_index(&self.peers, connection) else { return };
        let Some(peer) = self.peers.all.get_mut(index) else { return };
        let Some(client_index) = peer.client else { return };
        let Some(client) = self.streams.all.get_mut(client_index) else {
            return self.end_connection(connection);
        };
        let mut buffer = std::mem::take(&mut self.peers.buffer);
        buffer.resize(READ, 0);
        let outward = carry(&mut client.link, &mut peer.link, &mut peer.client_ended, &mut buffer);
        let inward = carry(&mut peer.link, &mut client.link, &mut peer.peer_ended, &mut buffer);
        self.peers.buffer = buffer;
        let over = peer.client_ended == Ended::Told && peer.peer_ended == Ended::Told;
        match (outward, inward) {
            (Ok(a), Ok(b)) if !over => {
                if a || b {
                    self.again.push(Source::Peer(index));
                }
            }
            _ => {
                // The client's end goes with it.
                self.remove_stream(client_index);
                self.end_connection(connection);
                self.flush(now);
            }
        }
    }

    /// The connection is over on our side: both sockets close, and the state machine is told.
    pub(super) fn end_connection(&mut self, connection: Connection) {
        self.close_peer(connection);
        self.server.handle_connection_closed(connection);
    }

    /// The state machine wants a connection closed, and the client's stream if they are joined.
    pub(super) fn close_peer(&mut self, connection: Connection) {
        if let Some(peer) = self.forget_peer(connection)
            && let Some(client) = peer.client
            && self.streams.all.get(client).is_some_and(|stream| stream.spliced == Some(connection))
        {
            self.remove_stream(client);
        }
    }

    fn forget_peer(&mut self, connection: Connection) -> Option<Box<Peer>> {
        let index = self.peers.by_connection.remove(&connection.0)?;
        self.peers.all.try_remove(index)
    }
}

fn peer_index(peers: &Peers, connection: Connection) -> Option<usize> {
    peers.by_connection.get(&connection.0).copied()
}

/// Moves bytes one way. `true` if there may be more at once.
fn carry(from: &mut Link, to: &mut Link, ended: &mut Ended, buffer: &mut [u8]) -> io::Result<bool> {
    let mut more = true;
    for _ in 0..TURNS {
        let flushed = to.flush()?;
        if *ended != Ended::No || to.backlog() > HIGH {
            // Writability of the other side brings us back.
            more = false;
            if flushed && *ended == Ended::Heard {
                *ended = Ended::Told;
                to.finish();
            }
            break;
        }
        match from.read(buffer) {
            Ok(0) => *ended = Ended::Heard,
            Ok(length) => to.queue(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                more = false;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    to.flush()?;
    Ok(more)
}

fn in_progress(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        error.raw_os_error() == Some(libc::EINPROGRESS)
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::WouldBlock
    }
}
