//! Our client on real sockets, driven by hand.
#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlour_net::framing::turn_message;
use parlour_turn::Transport;
use parlour_turn::client::{Client, Config, DataConnection, DataConnectionState, Event};
use rustls::pki_types::ServerName;

/// Nothing here takes long; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one read waits before the client's timers are looked at.
const TICK: Duration = Duration::from_millis(10);

/// One way to the server.
pub enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Wire {
    pub fn open(transport: Transport, server: SocketAddr) -> Self {
        let wire = match transport {
            Transport::Udp => {
                let any = if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
                let socket = UdpSocket::bind(any).unwrap();
                socket.connect(server).unwrap();
                Self::Udp(socket)
            }
            Transport::Tcp => Self::Tcp(TcpStream::connect(server).unwrap()),
            Transport::Tls => {
                let session = rustls::ClientConnection::new(tls_config(), ServerName::from(server.ip())).unwrap();
                let stream = TcpStream::connect(server).unwrap();
                Self::Tls(Box::new(rustls::StreamOwned::new(session, stream)))
            }
        };
        wire.set_timeout();
        wire
    }

    fn set_timeout(&self) {
        match self {
            Self::Udp(socket) => socket.set_read_timeout(Some(TICK)).unwrap(),
            Self::Tcp(stream) => stream.set_read_timeout(Some(TICK)).unwrap(),
            Self::Tls(stream) => stream.sock.set_read_timeout(Some(TICK)).unwrap(),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        match self {
            // A port that nobody listens at answers by ICMP, which a later send hears of.
            Self::Udp(socket) => drop(socket.send(bytes)),
            Self::Tcp(stream) => stream.write_all(bytes).unwrap(),
            Self::Tls(stream) => stream.write_all(bytes).unwrap(),
        }
    }

    /// Reads what is there. `None`: nothing yet. `Some(0)`: the stream has ended.
    pub fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let result = match self {
            Self::Udp(socket) => socket.recv(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        };
        match result {
            Ok(length) => Some(length),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => None,
            Err(_) if matches!(self, Self::Udp(_)) => None,
            Err(_) => Some(0),
        }
    }
}

/// Takes every certificate: the tests make theirs themselves, and what is tested is the relay.
fn tls_config() -> Arc<rustls::ClientConfig> {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, UnixTime};
    #[derive(Debug)]
    struct Any(rustls::crypto::CryptoProvider);
    impl ServerCertVerifier for Any {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"stun.turn".to_vec()];
    Arc::new(config)
}

/// A client on its way to the server.
pub struct Driver {
    pub client: Client,
    wire: Wire,
    buffered: Vec<u8>,
    pub received: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Messages sent to the server so far.
    pub sent: usize,
    pub ended: bool,
}

impl Driver {
    pub fn new(config: Config) -> Self {
        let wire = Wire::open(config.transport, config.server);
        let client = Client::new(Instant::now(), config, Box::new(parlour_net::random));
        Self { client, wire, buffered: Vec::new(), received: VecDeque::new(), sent: 0, ended: false }
    }

    /// A client that has its allocation.
    pub fn allocated(config: Config) -> Self {
        let mut driver = Self::new(config);
        driver.until("an allocation", |event| matches!(event, Event::Allocated { .. }));
        driver
    }

    /// Sends what is to be sent, and reads once.
    pub fn turn(&mut self) {
        let mut bytes = Vec::new();
        self.client.handle_timeout(Instant::now());
        while self.client.poll_transmit(&mut bytes) {
            self.wire.send(&bytes);
            bytes.clear();
            self.sent += 1;
        }
        let mut buffer = vec![0; 65_536];
        match self.wire.read(&mut buffer) {
            None => {}
            Some(0) => self.ended = true,
            Some(length) if matches!(self.wire, Wire::Udp(_)) => self.handle(&buffer[..length]),
            Some(length) => {
                self.buffered.extend_from_slice(&buffer[..length]);
                while let Some(message) = turn_message(&self.buffered).unwrap().map(<[u8]>::to_vec) {
                    self.buffered.drain(..message.len());
                    self.handle(&message);
                }
            }
        }
    }

    fn handle(&mut self, message: &[u8]) {
        if let Some(received) = self.client.handle_message(Instant::now(), message) {
            self.received.push_back((received.peer, received.data.to_vec()));
        }
    }

    /// Goes on until something happens that is looked for.
    pub fn until(&mut self, what: &str, mut right: impl FnMut(&Event) -> bool) -> Event {
        let start = Instant::now();
        let mut others = Vec::new();
        while start.elapsed() < PATIENCE {
            while let Some(event) = self.client.poll_event() {
                if right(&event) {
                    return event;
                }
                assert!(!matches!(event, Event::Closed(_)), "waiting for {what}: {event:?}");
                others.push(event);
            }
            self.turn();
        }
        panic!("{what} does not come; {others:?}");
    }

    pub fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let mut bytes = Vec::new();
        self.client.send(peer, data, &mut bytes).unwrap();
        self.wire.send(&bytes);
    }

    /// The next data from a peer.
    pub fn receive(&mut self) -> (SocketAddr, Vec<u8>) {
        let start = Instant::now();
        loop {
            if let Some(received) = self.received.pop_front() {
                return received;
            }
            assert!(start.elapsed() < PATIENCE, "no data comes");
            self.turn();
        }
    }

    /// Goes to the server by another local address, as after a change of network.
    pub fn move_away(&mut self) {
        let config = self.client.config().clone();
        self.wire = Wire::open(config.transport, config.server);
        self.client.network_changed(Instant::now());
    }

    /// Takes a connection up that waits at the server (RFC 6062 §4.4); gives its stream.
    pub fn bind(&mut self, connection: u32) -> Wire {
        let mut data: DataConnection = self.client.data_connection(Instant::now(), connection).unwrap();
        let config = self.client.config().clone();
        let mut wire = Wire::open(config.transport, config.server);
        let (mut buffered, mut buffer) = (Vec::new(), [0; 4096]);
        let start = Instant::now();
        while *data.state() != DataConnectionState::Bound {
            assert!(start.elapsed() < PATIENCE, "{:?}", data.state());
            while let Some(bytes) = data.poll_transmit() {
                wire.send(&bytes);
            }
            if let Some(length) = wire.read(&mut buffer) {
                assert!(length > 0, "the server has closed");
                buffered.extend_from_slice(&buffer[..length]);
                while let Some(message) = turn_message(&buffered).unwrap().map(<[u8]>::to_vec) {
                    buffered.drain(..message.len());
                    data.handle_message(&message);
                }
            }
        }
        assert!(buffered.is_empty(), "the peer has not said anything yet");
        wire
    }
}
