//! A server with its I/O layer in memory, and a client that writes its requests by hand.
#![allow(dead_code, unreachable_pub)]

use parlour_stun::attribute::*;
use parlour_stun::{
    AttributeType, Class, Integrity, IntegrityKey, LongTermKey, Message, MessageWriter, Method, PasswordAlgorithm,
    TransactionId,
};
use parlour_turn::server::*;
use parlour_turn::{Cidr, Ecn, FiveTuple, Outbox, Rng, Transport};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub const UNIX: Duration = Duration::from_secs(1_800_000_000);
pub const SECRET: &[u8] = b"a secret of enough bytes";

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub fn rng(seed: u64) -> Rng {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    Box::new(move |bytes: &mut [u8]| {
        for byte in bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = (state >> 32) as u8;
        }
    })
}

pub fn udp(client: &str) -> FiveTuple {
    FiveTuple { transport: Transport::Udp, client: addr(client), server: addr("198.51.100.1:3478") }
}

pub fn tcp(client: &str) -> FiveTuple {
    FiveTuple { transport: Transport::Tcp, ..udp(client) }
}

/// Peers at 203.0.113.0/24, 192.0.2.0/24 and 2001:db8::/32 may be reached; the relay is 198.51.100.1.
pub fn config() -> Config {
    let mut config = Config {
        relays: vec![
            RelayAddress { local: "198.51.100.1".parse().unwrap(), external: None },
            RelayAddress { local: "2001:db8:1::1".parse().unwrap(), external: None },
        ],
        listeners: vec![addr("198.51.100.1:3478")],
        tcp_relay: true,
        mobility: true,
        ..Config::default()
    };
    config.peers.allow =
        ["203.0.113.0/24", "192.0.2.0/24", "2001:db8::/32"].map(|range| range.parse::<Cidr>().unwrap()).to_vec();
    config
}

pub fn credentials() -> Credentials {
    Credentials::new().user("ann", "secret").user("bob", "hidden").secret(SECRET)
}

/// One message that the server sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub via: Via,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
    pub ecn: Ecn,
    pub dont_fragment: bool,
}

pub struct Fixture {
    pub server: Server,
    pub now: Instant,
    pub out: Outbox<Via>,
    pub requests: Vec<IoRequest>,
    pub bind_fails: Box<dyn FnMut(SocketAddr) -> bool>,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: Config) -> Self {
        Self::with_credentials(config, credentials())
    }

    pub fn with_credentials(config: Config, credentials: Credentials) -> Self {
        let now = Instant::now();
        let nonces = Nonces::new(&[7; 32], Duration::from_secs(3_600));
        let server = Server::new(now, UNIX, config, credentials, nonces, rng(1)).unwrap();
        Self { server, now, out: Outbox::default(), requests: Vec::new(), bind_fails: Box::new(|_| false) }
    }

    /// Carries out what the server asks of the I/O layer, and takes what it wants sent.
    pub fn pump(&mut self) -> Vec<Sent> {
        while let Some(request) = self.server.poll_request() {
            self.requests.push(request);
            if let IoRequest::BindRelay { relay, address, .. } = request {
                let bound = !(self.bind_fails)(address);
                self.server.handle_relay_bound(self.now, relay, bound, &mut self.out);
            }
        }
        let sent = self
            .out
            .datagrams()
            .map(|(transmit, bytes)| Sent {
                via: transmit.via,
                to: transmit.to,
                bytes: bytes.to_vec(),
                ecn: transmit.ecn,
                dont_fragment: transmit.dont_fragment,
            })
            .collect();
        self.out.clear();
        sent
    }

    pub fn client_sends(&mut self, tuple: FiveTuple, bytes: &[u8]) -> Vec<Sent> {
        self.server.handle_client(self.now, tuple, Ecn::NotCapable, bytes, &mut self.out);
        self.pump()
    }

    pub fn peer_sends(&mut self, relayed: SocketAddr, peer: SocketAddr, data: &[u8]) -> Vec<Sent> {
        let relay = self.server.relay_at(relayed).expect("a relay of ours");
        self.server.handle_peer(self.now, relay, peer, Ecn::NotCapable, data, &mut self.out);
        self.pump()
    }

    pub fn advance(&mut self, seconds: u64) -> Vec<Sent> {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now, &mut self.out);
        }
        self.now = until;
        self.pump()
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.server.poll_event()).collect()
    }

    /// The single answer to a request.
    pub fn ask(&mut self, tuple: FiveTuple, bytes: &[u8]) -> Answer {
        let mut sent = self.client_sends(tuple, bytes);
        assert_eq!(sent.len(), 1, "one answer");
        Answer(sent.remove(0).bytes)
    }
}

pub struct Answer(pub Vec<u8>);

impl Answer {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    /// 0 for success, else ERROR-CODE.
    pub fn code(&self) -> u16 {
        let message = self.message();
        match message.class() {
            Class::Success => 0,
            _ => message.get::<ErrorCode<'_>>().unwrap().unwrap().code,
        }
    }

    pub fn relayed(&self) -> Vec<SocketAddr> {
        self.message().get_all::<XorRelayedAddress>().map(|address| address.unwrap().0).collect()
    }

    pub fn lifetime(&self) -> u32 {
        self.message().get::<Lifetime>().unwrap().unwrap().0
    }
}

/// A client that writes requests by hand.
#[derive(Clone)]
pub struct Hand {
    pub tuple: FiveTuple,
    pub username: String,
    pub password: String,
    pub realm: String,
    pub nonce: String,
    pub next: u64,
}

impl Hand {
    pub fn new(fixture: &Fixture, tuple: FiveTuple) -> Self {
        Self::of(fixture, tuple, "ann", "secret")
    }

    pub fn of(fixture: &Fixture, tuple: FiveTuple, username: &str, password: &str) -> Self {
        let unix = UNIX.as_secs();
        let nonce = fixture.server.nonces().for_user(username, unix);
        Self {
            tuple,
            username: username.into(),
            password: password.into(),
            realm: "parlour".into(),
            nonce,
            next: u64::from(tuple.client.port()) << 32,
        }
    }

    pub fn key(&self) -> IntegrityKey {
        let key = LongTermKey::new(PasswordAlgorithm::Md5, &self.username, &self.realm, &self.password);
        IntegrityKey::sha1(key.as_bytes())
    }

    pub fn id(&mut self) -> TransactionId {
        self.next += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.next.to_be_bytes());
        TransactionId(id)
    }

    pub fn request(&mut self, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        let id = self.id();
        self.request_with(id, method, fill)
    }

    pub fn request_with(
        &mut self,
        id: TransactionId,
        method: Method,
        fill: impl FnOnce(&mut MessageWriter<'_>),
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = MessageWriter::new(&mut bytes, Class::Request, method, id);
        fill(&mut writer);
        writer.put(&Username(&self.username));
        writer.put(&Realm(&self.realm));
        writer.put(&Nonce(&self.nonce));
        writer.integrity(&self.key());
        writer.finish().unwrap();
        bytes
    }

    /// Asks and checks that the answer is the server's.
    pub fn ask(&mut self, f: &mut Fixture, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Answer {
        let bytes = self.request(method, fill);
        let answer = f.ask(self.tuple, &bytes);
        let code = answer.code();
        if ![400, 401, 438].contains(&code) {
            assert_eq!(answer.message().verify(&self.key()), Integrity::Valid, "the answer {code} proves the server");
        }
        answer
    }

    pub fn allocate(&mut self, f: &mut Fixture) -> SocketAddr {
        let answer = self.ask(f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
        assert_eq!(answer.code(), 0);
        answer.relayed()[0]
    }

    pub fn permit(&mut self, f: &mut Fixture, peer: &str) -> u16 {
        let peer = addr(peer);
        self.ask(f, Method::CREATE_PERMISSION, |w| w.put(&XorPeerAddress(peer))).code()
    }

    pub fn bind(&mut self, f: &mut Fixture, channel: u16, peer: &str) -> u16 {
        let peer = addr(peer);
        self.ask(f, Method::CHANNEL_BIND, |w| {
            w.put(&ChannelNumberAttribute(channel));
            w.put(&XorPeerAddress(peer));
        })
        .code()
    }

    pub fn refresh(&mut self, f: &mut Fixture, seconds: u32) -> Answer {
        self.ask(f, Method::REFRESH, |w| w.put(&Lifetime(seconds)))
    }
}

pub fn send_indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::new(&mut bytes, Class::Indication, Method::SEND, TransactionId([3; 12]));
    writer.put(&XorPeerAddress(peer));
    writer.put(&Data(data));
    writer.finish().unwrap();
    bytes
}

pub fn bare(method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::new(&mut bytes, Class::Request, method, TransactionId([5; 12]));
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

pub fn data_of(bytes: &[u8]) -> (SocketAddr, Vec<u8>) {
    let message = Message::parse(bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    let peer = message.get::<XorPeerAddress>().unwrap().unwrap().0;
    (peer, message.value(AttributeType::DATA).unwrap().to_vec())
}
