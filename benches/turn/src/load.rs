//! What the load is made of: cores, clients with allocations, sockets that count.

use crate::Error;
use parlour_net::udp::{Options, Train, UdpIo, UdpSocket};
use parlour_turn::Ecn;
use parlour_turn::client::{Client, Config, Event};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// The core of the server.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of the load.
pub(crate) const LOAD_CORE: usize = 1;

/// Pins all threads of a process to a core, where there is more than one.
pub(crate) fn pin(pid: u32, core: usize) {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) || core == SERVER_CORE {
        let _ = Command::new("taskset").args(["-a", "-c", "-p", &core.to_string(), &pid.to_string()]).output();
    }
}

/// Pins this process.
pub(crate) fn pin_to(core: usize) {
    pin(std::process::id(), core);
}

/// Lets this process have as many sockets as the system allows it.
pub(crate) fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// A socket of the load.
pub(crate) fn open(port: u16) -> Result<UdpSocket, Error> {
    let options = Options { share_port: false, receive_buffer: 8 << 20, send_buffer: 8 << 20 };
    Ok(UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], port)), options)?)
}

/// Counts what has arrived at a socket, and shows each datagram to `look`.
pub(crate) fn drain(io: &mut UdpIo, socket: &UdpSocket, mut look: impl FnMut(SocketAddr, &[u8])) -> u64 {
    let mut count = 0;
    while let Ok(trains) = io.receive(socket, 32) {
        let whole = trains.len() == 32;
        for train in trains {
            for datagram in train.datagrams() {
                count += 1;
                look(train.from, datagram);
            }
        }
        if !whole {
            break;
        }
    }
    count
}

/// Sends `bytes`, cut into datagrams of `size`, in one go.
pub(crate) fn send(io: &mut UdpIo, socket: &UdpSocket, to: SocketAddr, bytes: &[u8], size: usize) {
    let train = Train { bytes, segment_size: size, to, from: None, ecn: Ecn::NotCapable, dont_fragment: false };
    let _ = io.send(socket, train);
}

/// A client of a TURN server.
pub(crate) struct TurnClient {
    pub(crate) socket: UdpSocket,
    pub(crate) client: Client,
    server: SocketAddr,
}

impl TurnClient {
    /// A client that has begun to ask for an allocation.
    pub(crate) fn begin(server: SocketAddr) -> Result<Self, Error> {
        let client = Client::new(Instant::now(), Config::new(server, "ann", "secret"), Box::new(parlour_net::random));
        Ok(Self { socket: open(0)?, client, server })
    }

    /// A client with an allocation.
    pub(crate) fn allocate(io: &mut UdpIo, server: SocketAddr) -> Result<Self, Error> {
        let mut this = Self::begin(server)?;
        this.until(io, |event| matches!(event, Event::Allocated { .. }))?;
        Ok(this)
    }

    /// Binds a channel to `peer`; gives the start of a ChannelData message for it, without its length.
    pub(crate) fn bind(&mut self, io: &mut UdpIo, peer: SocketAddr) -> Result<(), Error> {
        self.client.bind_channel(Instant::now(), peer);
        self.until(io, |event| matches!(event, Event::ChannelBound(_)))
    }

    /// Sends what the state machine has to say, and passes on what has come; data from peers is counted.
    pub(crate) fn turn(&mut self, io: &mut UdpIo) -> u64 {
        let mut bytes = Vec::new();
        self.client.handle_timeout(Instant::now());
        while self.client.poll_transmit(&mut bytes) {
            send(io, &self.socket, self.server, &bytes, bytes.len());
            bytes.clear();
        }
        let (mut data, client, now) = (0, &mut self.client, Instant::now());
        drain(io, &self.socket, |_, datagram| data += u64::from(client.handle_message(now, datagram).is_some()));
        data
    }

    pub(crate) fn until(&mut self, io: &mut UdpIo, right: impl Fn(&Event) -> bool) -> Result<(), Error> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            self.turn(io);
            while let Some(event) = self.client.poll_event() {
                if right(&event) {
                    return Ok(());
                }
                if let Event::Closed(failure) = event {
                    return Err(failure.into());
                }
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Err("the server does not answer".into())
    }
}

pub(crate) mod clients {
    use parlour_stun::{Class, MessageWriter, Method, TransactionId};

    /// A bare binding request.
    pub(crate) fn binding_request(n: u64) -> Vec<u8> {
        let mut id = [0; 12];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let mut bytes = Vec::new();
        let writer = MessageWriter::new(&mut bytes, Class::Request, Method::BINDING, TransactionId(id));
        let _ = writer.finish();
        bytes
    }
}
