//! A STUN and TURN server on a host of the simulated network: UDP and TCP at 3478, TLS (pretended) at 443.

use parlour_netsim::{ConnectionId, Event, HostId, Network, Packet, Rng as SimRng, TcpEvent};
use parlour_stun::{FrameLength, frame_length};
use parlour_turn::server::{Config, Credentials, IoRequest, Nonces, RelayAddress, RelayId, Server, Via};
use parlour_turn::{Ecn, FiveTuple, Outbox, PeerPolicy, Transport};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

pub const USER: (&str, &str) = ("ann", "secret");

struct Stream {
    connection: ConnectionId,
    tuple: FiveTuple,
    buffer: Vec<u8>,
    /// The first bytes of a pretended TLS handshake are still to come.
    hello: usize,
}

pub struct TurnHost {
    pub host: HostId,
    pub ip: IpAddr,
    pub server: Server,
    out: Outbox<Via>,
    relays: HashMap<RelayId, SocketAddr>,
    streams: Vec<Stream>,
    /// Switched off: a server that is silent.
    pub dead: bool,
}

impl TurnHost {
    pub fn new(net: &Network, host: HostId, mut rng: SimRng) -> Self {
        let ip = net.addresses(host)[0];
        let config = Config {
            realm: "sim".to_owned(),
            relays: vec![RelayAddress { local: ip, external: None }],
            ports: 50_000..=50_100,
            listeners: vec![SocketAddr::new(ip, 3478), SocketAddr::new(ip, 443)],
            challenges_per_second: 10_000,
            // The simulated Internet is made of addresses for documentation, which a real server refuses.
            peers: PeerPolicy {
                allow: ["203.0.113.0/24", "192.0.2.0/24", "198.51.0.0/16"].map(|range| range.parse().unwrap()).to_vec(),
                ..PeerPolicy::default()
            },
            ..Config::default()
        };
        let credentials = Credentials::new().user(USER.0, USER.1);
        let nonces = Nonces::new(&[7; 32], Duration::from_secs(3_600));
        let unix = Duration::from_secs(1_800_000_000);
        let rng = Box::new(move |bytes: &mut [u8]| rng.fill(bytes));
        let server = Server::new(net.now(), unix, config, credentials, nonces, rng).unwrap();
        TurnHost { host, ip, server, out: Outbox::default(), relays: HashMap::new(), streams: Vec::new(), dead: false }
    }

    /// Opens the TCP ports.
    pub fn listen(&self, net: &mut Network) {
        net.tcp_listen(self.host, SocketAddr::new(self.ip, 3478));
        net.tcp_listen(self.host, SocketAddr::new(self.ip, 443));
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    pub fn handle_timeout(&mut self, net: &mut Network) {
        if self.server.poll_timeout().is_some_and(|at| at <= net.now()) {
            self.server.handle_timeout(net.now(), &mut self.out);
            self.flush(net);
        }
    }

    pub fn handle(&mut self, net: &mut Network, event: Event) {
        if self.dead {
            return;
        }
        let now = net.now();
        match event {
            Event::Udp(packet) if packet.dst.port() == 3478 => {
                let tuple = FiveTuple { transport: Transport::Udp, client: packet.src, server: packet.dst };
                self.server.handle_client(now, tuple, Ecn::NotCapable, &packet.payload, &mut self.out);
            }
            Event::Udp(packet) => {
                if let Some(relay) = self.server.relay_at(packet.dst) {
                    self.server.handle_peer(now, relay, packet.src, Ecn::NotCapable, &packet.payload, &mut self.out);
                }
            }
            Event::Tcp(connection, event) => self.tcp(net, connection, event),
            _ => {}
        }
        self.flush(net);
    }

    fn tcp(&mut self, net: &mut Network, connection: ConnectionId, event: TcpEvent) {
        let now = net.now();
        match event {
            TcpEvent::Accepted { local, remote } => {
                let tls = local.port() == 443;
                let transport = if tls { Transport::Tls } else { Transport::Tcp };
                let tuple = FiveTuple { transport, client: remote, server: local };
                let hello = if tls { 300 } else { 0 };
                self.streams.push(Stream { connection, tuple, buffer: Vec::new(), hello });
            }
            TcpEvent::Data(bytes) => {
                let Some(stream) = self.streams.iter_mut().find(|s| s.connection == connection) else { return };
                let skip = stream.hello.min(bytes.len());
                if skip > 0 {
                    stream.hello -= skip;
                    if stream.hello == 0 {
                        net.tcp_send(self.host, connection, &[22; 1_000]);
                    }
                }
                stream.buffer.extend_from_slice(&bytes[skip..]);
                let tuple = stream.tuple;
                let mut buffer = std::mem::take(&mut stream.buffer);
                while let Ok(FrameLength::Message(length)) = frame_length(&buffer) {
                    if buffer.len() < length {
                        break;
                    }
                    let message: Vec<u8> = buffer.drain(..length).collect();
                    self.server.handle_client(now, tuple, Ecn::NotCapable, &message, &mut self.out);
                }
                if let Some(stream) = self.streams.iter_mut().find(|s| s.connection == connection) {
                    stream.buffer = buffer;
                }
            }
            TcpEvent::Closed | TcpEvent::Reset | TcpEvent::TimedOut => {
                self.streams.retain(|stream| stream.connection != connection);
            }
            TcpEvent::Connected => {}
        }
    }

    fn flush(&mut self, net: &mut Network) {
        while let Some(request) = self.server.poll_request() {
            match request {
                IoRequest::BindRelay { relay, address, .. } => {
                    self.relays.insert(relay, address);
                    self.server.handle_relay_bound(net.now(), relay, true, &mut self.out);
                }
                IoRequest::CloseRelay { relay } => {
                    self.relays.remove(&relay);
                }
                _ => {}
            }
        }
        let sent: Vec<(Via, SocketAddr, Vec<u8>)> =
            self.out.datagrams().map(|(transmit, bytes)| (transmit.via, transmit.to, bytes.to_vec())).collect();
        self.out.clear();
        for (via, to, bytes) in sent {
            match via {
                Via::Client(tuple) if tuple.transport == Transport::Udp => {
                    net.send(self.host, Packet::udp(tuple.server, tuple.client, bytes));
                }
                Via::Client(tuple) => {
                    if let Some(stream) = self.streams.iter().find(|stream| stream.tuple == tuple) {
                        net.tcp_send(self.host, stream.connection, &bytes);
                    }
                }
                Via::Relay(relay) => {
                    if let Some(from) = self.relays.get(&relay).copied() {
                        net.send(self.host, Packet::udp(from, to, bytes));
                    }
                }
            }
        }
    }
}
