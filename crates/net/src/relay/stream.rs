//! One TCP connection, with or without TLS in it, without waiting.

use mio::net::TcpStream;
use rustls::ServerConnection;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};

/// A connection that was accepted elsewhere and turned out to speak TURN.
pub struct Accepted {
    /// The connection; set to non-blocking.
    pub stream: std::net::TcpStream,
    /// The TLS session, its handshake done.
    pub session: Option<Box<ServerConnection>>,
    /// What has been received and decrypted already.
    pub received: Vec<u8>,
    /// The client.
    pub client: SocketAddr,
    /// The address that it connected to.
    pub server: SocketAddr,
}

impl std::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accepted").field("client", &self.client).finish_non_exhaustive()
    }
}

/// A connection with its encryption and what waits to be sent.
pub(super) struct Link {
    pub(super) stream: TcpStream,
    pub(super) session: Option<Box<ServerConnection>>,
    /// Bytes that the stream, or the TLS session, has not taken yet; those before `sent` it has.
    outgoing: Vec<u8>,
    sent: usize,
}

impl Link {
    pub(super) fn new(stream: TcpStream, session: Option<Box<ServerConnection>>) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, session, outgoing: Vec::new(), sent: 0 }
    }

    /// Reads decrypted bytes. Ok(0) is the end; [`WouldBlock`](io::ErrorKind::WouldBlock) is nothing for now.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else {
            return retry(|| self.stream.read(buffer));
        };
        loop {
            match session.reader().read(buffer) {
                // An end without close_notify is the end as well: messages carry their own lengths.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let read = retry(|| session.read_tls(&mut self.stream))?;
            let processed = session.process_new_packets();
            // Alerts and handshake messages want to go out.
            let _ = flush_session(session, &mut self.stream);
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if read == 0 && !session.is_handshaking() {
                continue;
            }
            if read == 0 {
                return Ok(0);
            }
        }
    }

    /// How many bytes wait to be sent.
    pub(super) fn backlog(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Leaves bytes to be sent by [`flush`](Self::flush).
    pub(super) fn queue(&mut self, bytes: &[u8]) {
        if self.sent > 0 && self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
        self.outgoing.extend_from_slice(bytes);
    }

    /// Sends what it can; `true` if nothing is left.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        loop {
            let waiting = self.outgoing.get(self.sent..).unwrap_or_default();
            if waiting.is_empty() {
                break;
            }
            let result = match &mut self.session {
                None => retry(|| self.stream.write(waiting)),
                Some(session) => {
                    let taken = session.writer().write(waiting)?;
                    match flush_session(session, &mut self.stream) {
                        Ok(_) if taken == 0 => return Ok(false),
                        Ok(_) => Ok(taken),
                        Err(error) => Err(error),
                    }
                }
            };
            match result {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.outgoing.drain(..self.sent);
                    self.sent = 0;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        if self.outgoing.capacity() > 1 << 16 {
            self.outgoing.shrink_to(0);
        }
        match &mut self.session {
            Some(session) => flush_session(session, &mut self.stream),
            None => Ok(true),
        }
    }

    /// Says that nothing more will be sent.
    pub(super) fn finish(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            let _ = flush_session(session, &mut self.stream);
        }
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// Sends what the TLS session has ready; `true` if nothing is left.
fn flush_session(session: &mut ServerConnection, stream: &mut TcpStream) -> io::Result<bool> {
    while session.wants_write() {
        match retry(|| session.write_tls(stream)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
