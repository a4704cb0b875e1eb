//! UDP in batches and trains: one system call receives what many senders sent, and one sends many datagrams to one
//! receiver (GRO, GSO), with ECN, by `quinn-udp`.
//!
//! A [`UdpSocket`] is little more than a descriptor, so that there may be a hundred thousand of them; what they share,
//! above all the receive buffers, is in one [`UdpIo`] a thread.

use crate::sys;
use parlour_turn::Ecn;
pub use quinn_udp::UdpSockRef;
use quinn_udp::{BATCH_SIZE, EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Room for one train: the longest that GRO makes is one IP packet.
const TRAIN_LEN: usize = 65_536;
/// Buffers begin this far apart. Not a power of two, or they would fight for the same cache lines.
const STRIDE: usize = TRAIN_LEN + 192;

/// How a socket is to be opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Several sockets, one a thread, share the port; the kernel deals out senders among them.
    pub share_port: bool,
    /// Bytes of the receive buffer; 0 leaves what the system gives.
    pub receive_buffer: usize,
    /// Bytes of the send buffer; 0 leaves what the system gives.
    pub send_buffer: usize,
}

/// A bound UDP socket, ready to be registered with `mio`.
#[derive(Debug)]
pub struct UdpSocket {
    io: mio::net::UdpSocket,
    local: SocketAddr,
}

impl UdpSocket {
    /// Opens a socket at exactly `address`. An IPv6 socket takes IPv6 only.
    ///
    /// # Errors
    /// What the system says: above all that the address is in use, or none of this machine's.
    pub fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let socket = open(address, options)?;
        let local = socket.local_addr()?;
        Ok(Self { io: mio::net::UdpSocket::from_std(socket), local })
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// What to register with `mio`.
    pub fn source(&mut self) -> &mut mio::net::UdpSocket {
        &mut self.io
    }

    /// Datagrams that were lost because nobody fetched them in time.
    pub fn dropped(&self) -> u64 {
        sys::dropped(&self.io)
    }

    /// Whether this is the socket for packets from `local`: bound to it, or to every address of its family.
    pub fn serves(&self, local: SocketAddr) -> bool {
        self.local == local
            || (self.local.port() == local.port()
                && self.local.ip().is_unspecified()
                && self.local.is_ipv4() == local.is_ipv4())
    }
}

/// Opens a socket at exactly `address`, for a runtime to watch. It does not block, and takes trains. An IPv6 socket takes
/// IPv6 only.
///
/// # Errors
/// What the system says: above all that the address is in use, or none of this machine's.
pub fn open(address: SocketAddr, options: Options) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if options.share_port {
        share_port(&socket)?;
    }
    socket.bind(&address.into())?;
    sys::set_buffers(&socket, options.receive_buffer, options.send_buffer);
    sys::receive_trains(&socket);
    sys::set_dont_fragment(&socket, address.is_ipv4(), false);
    if address.is_ipv4() {
        // ECN is kept where the system tells it.
        #[cfg(not(any(windows, target_os = "openbsd", target_os = "netbsd")))]
        let _ = socket.set_recv_tos_v4(true);
    } else {
        sys::receive_traffic_class(&socket);
    }
    if address.ip().is_unspecified() {
        sys::receive_destination(&socket, address.is_ipv4());
    }
    Ok(socket.into())
}

/// A socket that [`UdpIo`] can use: a [`UdpSocket`], or one that an async runtime watches.
pub trait DatagramIo {
    /// Where it is bound.
    fn local(&self) -> SocketAddr;

    /// Receives by `receive`, and lets the runtime know if it would block.
    ///
    /// # Errors
    /// Those of `receive`.
    fn try_receive<T>(&self, receive: impl FnOnce(UdpSockRef<'_>) -> io::Result<T>) -> io::Result<T>;

    /// Sends by `send`, and lets the runtime know if it would block.
    ///
    /// # Errors
    /// Those of `send`.
    fn try_send<T>(&self, send: impl FnOnce(UdpSockRef<'_>) -> io::Result<T>) -> io::Result<T>;
}

impl DatagramIo for UdpSocket {
    fn local(&self) -> SocketAddr {
        self.local
    }

    fn try_receive<T>(&self, receive: impl FnOnce(UdpSockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        self.io.try_io(|| receive(UdpSockRef::from(&self.io)))
    }

    fn try_send<T>(&self, send: impl FnOnce(UdpSockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        self.io.try_io(|| send(UdpSockRef::from(&self.io)))
    }
}

/// Lets several sockets of this program share a port.
pub(crate) fn share_port(socket: &Socket) -> io::Result<()> {
    #[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos"))))]
    {
        socket.set_reuse_port(true)
    }
    #[cfg(not(all(unix, not(any(target_os = "solaris", target_os = "illumos")))))]
    {
        let _ = socket;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

/// Datagrams of one size to one receiver, the last of which may be shorter.
#[derive(Clone, Copy, Debug)]
pub struct Train<'a> {
    /// The datagrams, one after the other.
    pub bytes: &'a [u8],
    /// The size of each but the last.
    pub segment_size: usize,
    /// The receiver.
    pub to: SocketAddr,
    /// The address to send from, on a socket that is bound to all.
    pub from: Option<IpAddr>,
    /// What to mark them with.
    pub ecn: Ecn,
    /// Whether routers may not fragment them.
    pub dont_fragment: bool,
}

/// One received train.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// The sender.
    pub from: SocketAddr,
    /// The address that it was sent to, on a socket that is bound to all.
    pub to: Option<IpAddr>,
    /// How it was marked.
    pub ecn: Ecn,
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> Received<'a> {
    /// All datagrams as they came, and the size of each but the last.
    pub fn as_train(&self) -> (&'a [u8], usize) {
        (self.bytes, self.stride)
    }

    /// Each datagram by itself.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let empty: Option<&'a [u8]> = self.bytes.is_empty().then_some(&[]);
        empty.into_iter().chain(self.bytes.chunks(self.stride.max(1)))
    }
}

/// What the sockets of one thread share: receive buffers, and what is known about segmentation offload.
#[derive(Debug)]
pub struct UdpIo {
    ipv4: Option<UdpSocketState>,
    ipv6: Option<UdpSocketState>,
    memory: Box<[u8]>,
    meta: [RecvMeta; BATCH_SIZE],
    /// Trains go out one datagram at a time: the network card cannot cut them.
    single: bool,
}

impl UdpIo {
    /// Two MiB of address space, of which memory is taken as far as datagrams fill it.
    pub fn new() -> Self {
        let (ipv4, ipv6) = (fresh_state(true), fresh_state(false));
        let cuts = |state: &Option<UdpSocketState>| state.as_ref().is_none_or(|state| state.max_gso_segments() > 1);
        Self {
            single: !(cuts(&ipv4) && cuts(&ipv6)),
            ipv4,
            ipv6,
            memory: vec![0; STRIDE * BATCH_SIZE].into_boxed_slice(),
            meta: [RecvMeta::default(); BATCH_SIZE],
        }
    }

    /// Receives what is there, up to `limit` trains (at most 32).
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there. Other errors are about earlier packets: the
    /// socket can be used on.
    pub fn receive<'b, S: DatagramIo>(
        &'b mut self,
        socket: &S,
        limit: usize,
    ) -> io::Result<impl ExactSizeIterator<Item = Received<'b>> + use<'b, S>> {
        let state = if socket.local().is_ipv4() { &self.ipv4 } else { &self.ipv6 };
        let state = state.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let mut buffers: [IoSliceMut<'_>; BATCH_SIZE] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
        let limit = limit.clamp(1, BATCH_SIZE);
        for (buffer, memory) in buffers.iter_mut().zip(self.memory.chunks_exact_mut(STRIDE)).take(limit) {
            *buffer = IoSliceMut::new(memory.get_mut(..TRAIN_LEN).unwrap_or_default());
        }
        let buffers = buffers.get_mut(..limit).unwrap_or_default();
        let meta = &mut self.meta;
        let count = socket.try_receive(|socket| state.recv(socket, buffers, meta))?;
        let trains = self.meta.get(..count).unwrap_or_default().iter().zip(self.memory.chunks_exact(STRIDE));
        Ok(trains.map(|(meta, memory)| Received {
            from: meta.addr,
            to: meta.dst_ip,
            ecn: ecn_of(meta.ecn),
            bytes: memory.get(..meta.len).unwrap_or_default(),
            stride: meta.stride,
        }))
    }

    /// Sends a train, in one system call if the system can cut it.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the send buffer is full: what was not sent is lost, as UDP may
    /// lose it. Other errors are about this receiver only.
    pub fn send(&mut self, socket: &UdpSocket, train: Train<'_>) -> io::Result<()> {
        if train.dont_fragment {
            sys::set_dont_fragment(&socket.io, socket.local.is_ipv4(), true);
            let sent = self.send_train(socket, train);
            sys::set_dont_fragment(&socket.io, socket.local.is_ipv4(), false);
            return sent;
        }
        self.send_train(socket, train)
    }

    /// As [`send`](Self::send), by any socket; whether routers may fragment is left as the socket has it.
    ///
    /// # Errors
    /// As those of [`send`](Self::send).
    pub fn send_train(&mut self, socket: &impl DatagramIo, train: Train<'_>) -> io::Result<()> {
        let several = train.bytes.len() > train.segment_size;
        if several && !self.single {
            match self.send_one(socket, train, true) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // The card cannot do it: never again. Anything else, such as segments beyond the MTU, is this train's trouble.
                Err(error) => self.single |= is_io_error(&error),
            }
        }
        if !several {
            return self.send_one(socket, train, false);
        }
        let mut result = Ok(());
        for bytes in train.bytes.chunks(train.segment_size.max(1)) {
            if let Err(error) = self.send_one(socket, Train { bytes, ..train }, false) {
                let full = error.kind() == io::ErrorKind::WouldBlock;
                result = Err(error);
                if full {
                    break;
                }
            }
        }
        result
    }

    fn send_one(&mut self, socket: &impl DatagramIo, train: Train<'_>, several: bool) -> io::Result<()> {
        let place = if train.to.is_ipv4() { &mut self.ipv4 } else { &mut self.ipv6 };
        let state = place.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let transmit = Transmit {
            destination: train.to,
            ecn: codepoint(train.ecn),
            contents: train.bytes,
            segment_size: several.then_some(train.segment_size),
            src_ip: train.from,
        };
        let result = socket.try_send(|socket| state.try_send(socket, &transmit));
        if let Err(error) = &result
            && (error.kind() == io::ErrorKind::InvalidInput || is_io_error(error))
        {
            // An odd receiver makes quinn-udp give up offload and ECN for good. That must not spread to other receivers.
            *place = fresh_state(train.to.is_ipv4());
        }
        result
    }
}

/// What `quinn-udp` finds out about the system; `None` where the family is missing.
fn fresh_state(ipv4: bool) -> Option<UdpSocketState> {
    let ip: IpAddr = if ipv4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let socket = std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).ok()?;
    UdpSocketState::new(UdpSockRef::from(&socket)).ok()
}

impl Default for UdpIo {
    fn default() -> Self {
        Self::new()
    }
}

fn is_io_error(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        error.raw_os_error() == Some(libc::EIO)
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        true
    }
}

fn ecn_of(codepoint: Option<EcnCodepoint>) -> Ecn {
    match codepoint {
        None => Ecn::NotCapable,
        Some(EcnCodepoint::Ect1) => Ecn::Ect1,
        Some(EcnCodepoint::Ect0) => Ecn::Ect0,
        Some(EcnCodepoint::Ce) => Ecn::CongestionExperienced,
    }
}

fn codepoint(ecn: Ecn) -> Option<EcnCodepoint> {
    match ecn {
        Ecn::NotCapable => None,
        Ecn::Ect1 => Some(EcnCodepoint::Ect1),
        Ecn::Ect0 => Some(EcnCodepoint::Ect0),
        Ecn::CongestionExperienced => Some(EcnCodepoint::Ce),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Interest, Poll, Token};
    use std::time::Duration;

    fn open(address: &str) -> UdpSocket {
        UdpSocket::bind(address.parse().unwrap(), Options::default()).unwrap()
    }

    /// Receives `count` datagrams.
    fn receive(io: &mut UdpIo, socket: &mut UdpSocket, count: usize) -> Vec<(Vec<u8>, Ecn, Option<IpAddr>)> {
        let mut poll = Poll::new().unwrap();
        poll.registry().register(socket.source(), Token(0), Interest::READABLE).unwrap();
        let mut all = Vec::new();
        while all.len() < count {
            match io.receive(socket, 32) {
                Ok(trains) => {
                    for train in trains {
                        all.extend(train.datagrams().map(|bytes| (bytes.to_vec(), train.ecn, train.to)));
                    }
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    let mut events = Events::with_capacity(1);
                    poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                    assert!(!events.is_empty(), "{} of {count} datagrams have come", all.len());
                }
            }
        }
        poll.registry().deregister(socket.source()).unwrap();
        all
    }

    fn train<'a>(bytes: &'a [u8], segment_size: usize, to: SocketAddr) -> Train<'a> {
        Train { bytes, segment_size, to, from: None, ecn: Ecn::NotCapable, dont_fragment: false }
    }

    #[test]
    fn a_train_arrives_as_the_datagrams_that_it_is_made_of() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (mut io, sender, mut receiver) = (UdpIo::new(), open(address), open(address));
            let bytes: Vec<u8> = (0..2_550u32).map(|n| (n / 300) as u8).collect();
            let sent = Train { ecn: Ecn::Ect0, ..train(&bytes, 300, receiver.local()) };
            io.send(&sender, sent).unwrap();
            let got = receive(&mut io, &mut receiver, 9);
            assert_eq!(
                got.iter().map(|(bytes, ..)| bytes.len()).collect::<Vec<_>>(),
                [[300; 8].to_vec(), vec![150]].concat()
            );
            assert_eq!(got.iter().flat_map(|(bytes, ..)| bytes.clone()).collect::<Vec<_>>(), bytes);
            assert!(got.iter().all(|(_, ecn, _)| *ecn == Ecn::Ect0));
        }
    }

    #[test]
    fn a_datagram_without_bytes_is_a_datagram() {
        let (mut io, sender, mut receiver) = (UdpIo::new(), open("127.0.0.1:0"), open("127.0.0.1:0"));
        io.send(&sender, train(&[], 0, receiver.local())).unwrap();
        assert_eq!(receive(&mut io, &mut receiver, 1)[0].0, b"");
    }

    #[test]
    fn a_socket_for_all_addresses_tells_which_one_was_meant_and_answers_from_it() {
        let (mut io, mut sender, mut receiver) = (UdpIo::new(), open("127.0.0.1:0"), open("0.0.0.0:0"));
        let meant = SocketAddr::new("127.0.0.2".parse().unwrap(), receiver.local().port());
        io.send(&sender, train(b"x", 1, meant)).unwrap();
        let (_, _, to) = receive(&mut io, &mut receiver, 1).remove(0);
        assert_eq!(to, Some(meant.ip()));
        assert!(receiver.serves(meant));
        io.send(&receiver, Train { from: to, ..train(b"y", 1, sender.local()) }).unwrap();
        assert_eq!(receive(&mut io, &mut sender, 1)[0].0, b"y");
    }

    #[test]
    fn trouble_with_one_receiver_is_not_trouble_with_the_next() {
        let (mut io, sender, mut receiver) = (UdpIo::new(), open("127.0.0.1:0"), open("127.0.0.1:0"));
        // Not reachable from loopback, and not even an address.
        for nowhere in ["198.51.100.1:9", "255.255.255.255:9", "127.0.0.1:0"] {
            let _ = io.send(&sender, train(&[7; 600], 200, nowhere.parse().unwrap()));
        }
        io.send(&sender, Train { ecn: Ecn::Ect1, ..train(&[8; 600], 200, receiver.local()) }).unwrap();
        let got = receive(&mut io, &mut receiver, 3);
        assert!(got.iter().all(|(bytes, ecn, _)| bytes.as_slice() == [8; 200] && *ecn == Ecn::Ect1));
        assert!(!io.single);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_kernel_drops_is_counted() {
        let receiver =
            UdpSocket::bind("127.0.0.1:0".parse().unwrap(), Options { receive_buffer: 4096, ..Options::default() });
        let (mut io, sender, receiver) = (UdpIo::new(), open("127.0.0.1:0"), receiver.unwrap());
        assert_eq!(receiver.dropped(), 0);
        for _ in 0..100 {
            io.send(&sender, train(&[0; 1200], 1200, receiver.local())).unwrap();
        }
        assert!(receiver.dropped() > 50);
    }
}
