//! UDP sockets that tokio watches, and trains sent by them.

use parlour_net::udp::{DatagramIo, Options, Train, UdpIo, UdpSockRef, open};
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use tokio::io::Interest;

/// Bursts of a fast peer must fit until this side is scheduled.
const BUFFER: usize = 2 << 20;
/// As many trains are received at a time.
const BATCH: usize = 16;
/// What the kernel cuts at most, in datagrams and in bytes.
const MAX_SEGMENTS: usize = 64;
const MAX_TRAIN: usize = 60_000;

thread_local! {
    /// Receive buffers, shared by all connections that this thread drives.
    static IO: RefCell<UdpIo> = RefCell::new(UdpIo::new());
}

#[derive(Debug)]
pub(crate) struct Socket {
    io: tokio::net::UdpSocket,
    local: SocketAddr,
}

impl DatagramIo for Socket {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn try_receive<T>(&self, receive: impl FnOnce(UdpSockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        self.io.try_io(Interest::READABLE, || receive(UdpSockRef::from(&self.io)))
    }

    fn try_send<T>(&self, send: impl FnOnce(UdpSockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        self.io.try_io(Interest::WRITABLE, || send(UdpSockRef::from(&self.io)))
    }
}

impl Socket {
    pub(crate) fn bind(ip: IpAddr) -> io::Result<Self> {
        let options = Options { receive_buffer: BUFFER, send_buffer: BUFFER, ..Options::default() };
        let io = tokio::net::UdpSocket::from_std(open(SocketAddr::new(ip, 0), options)?)?;
        let local = io.local_addr()?;
        Ok(Self { io, local })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.io.poll_recv_ready(cx).map(|_| ())
    }

    /// Takes what is there, up to one batch; whether there was any.
    pub(crate) fn receive(&self, buffer: &mut Vec<u8>, mut take: impl FnMut(SocketAddr, &mut [u8])) -> bool {
        IO.with_borrow_mut(|io| {
            // Errors are about packets that were sent before; consent notices what they mean.
            let Ok(trains) = io.receive(self, BATCH) else { return false };
            for train in trains {
                for datagram in train.datagrams() {
                    buffer.clear();
                    buffer.extend_from_slice(datagram);
                    take(train.from, buffer);
                }
            }
            true
        })
    }
}

/// Datagrams that wait to be sent as one train.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    bytes: Vec<u8>,
    segment: usize,
    count: usize,
    /// A shorter one has ended the train.
    ended: bool,
    path: Option<(SocketAddr, SocketAddr)>,
}

impl Outgoing {
    /// Takes a datagram, and sends what cannot go with it.
    pub(crate) fn push(&mut self, sockets: &[Socket], local: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        let fits = self.path == Some((local, to))
            && !self.ended
            && datagram.len() <= self.segment
            && self.count < MAX_SEGMENTS
            && self.bytes.len() + datagram.len() <= MAX_TRAIN;
        if !fits {
            self.flush(sockets);
            self.path = Some((local, to));
            self.segment = datagram.len();
        }
        self.ended = datagram.len() < self.segment;
        self.bytes.extend_from_slice(datagram);
        self.count += 1;
    }

    /// Sends what waits. What the system does not take is lost, as on any path.
    pub(crate) fn flush(&mut self, sockets: &[Socket]) {
        if let Some((local, to)) = self.path.take()
            && let Some(socket) = sockets.iter().find(|socket| socket.local == local)
        {
            let train = Train {
                bytes: &self.bytes,
                segment_size: self.segment,
                to,
                from: None,
                ecn: Default::default(),
                dont_fragment: false,
            };
            let _ = IO.with_borrow_mut(|io| io.send_train(socket, train));
        }
        self.bytes.clear();
        (self.segment, self.count, self.ended) = (0, 0, false);
    }
}
