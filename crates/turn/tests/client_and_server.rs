//! Our client against our server through a network in memory that loses, delays, repeats and reorders.

mod common;

use common::*;
use parlour_stun::attribute::*;
use parlour_stun::{Class, ErrorCode, FrameLength, Message, MessageWriter, Method, frame_length};
use parlour_turn::client::{
    Challenge, Client, Config, DataConnectionState, Event, Failure, RedirectRefused, SendError,
};
use parlour_turn::server::{Credentials, IoRequest, RelayTransport, Via, time_limited};
use parlour_turn::{Ecn, FiveTuple, Transport};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PEER: &str = "203.0.113.5:4000";

enum Packet {
    ToServer(FiveTuple, Vec<u8>),
    ToClient(SocketAddr, Vec<u8>),
}

/// One client, one server, one peer that sends everything back.
struct World {
    f: Fixture,
    client: Client,
    tuple: FiveTuple,
    queue: BTreeMap<(Instant, u64), Packet>,
    sequence: u64,
    random: parlour_turn::Rng,
    loss_percent: u8,
    jitter_ms: u64,
    echo: bool,
    events: Vec<Event>,
    received: Vec<Vec<u8>>,
    round_trips: u32,
}

impl World {
    fn new(f: Fixture, tuple: FiveTuple, config: Config, seed: u64) -> Self {
        let client = Client::new(f.now, config, rng(seed + 100));
        Self {
            f,
            client,
            tuple,
            queue: BTreeMap::new(),
            sequence: 0,
            random: rng(seed),
            loss_percent: 0,
            jitter_ms: 0,
            echo: true,
            events: Vec::new(),
            received: Vec::new(),
            round_trips: 0,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        u64::from_le_bytes(bytes) % below.max(1)
    }

    fn post(&mut self, packet: impl Fn() -> Packet) {
        if self.random(100) < u64::from(self.loss_percent) {
            return;
        }
        let copies = if self.loss_percent > 0 && self.random(20) == 0 { 2 } else { 1 };
        for _ in 0..copies {
            let delay = Duration::from_millis(20 + self.random(self.jitter_ms + 1));
            self.sequence += 1;
            self.queue.insert((self.f.now + delay, self.sequence), packet());
        }
    }

    fn flush(&mut self) {
        let mut bytes = Vec::new();
        while self.client.poll_transmit(&mut bytes) {
            let message = std::mem::take(&mut bytes);
            let tuple = self.tuple;
            self.round_trips += 1;
            self.post(|| Packet::ToServer(tuple, message.clone()));
        }
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
        for sent in self.f.pump() {
            match sent.via {
                Via::Client(tuple) => self.post(|| Packet::ToClient(tuple.client, sent.bytes.clone())),
                Via::Relay(relay) if self.echo => {
                    self.f.server.handle_peer(
                        self.f.now,
                        relay,
                        sent.to,
                        Ecn::NotCapable,
                        &sent.bytes,
                        &mut self.f.out,
                    );
                    for back in self.f.pump() {
                        let Via::Client(tuple) = back.via else { continue };
                        self.post(|| Packet::ToClient(tuple.client, back.bytes.clone()));
                    }
                }
                Via::Relay(_) => {}
            }
        }
    }

    fn send(&mut self, data: &[u8]) -> Result<(), SendError> {
        let mut bytes = Vec::new();
        self.client.send(addr(PEER), data, &mut bytes)?;
        let tuple = self.tuple;
        self.post(|| Packet::ToServer(tuple, bytes.clone()));
        Ok(())
    }

    fn run(&mut self, time: Duration) {
        let end = self.f.now + time;
        loop {
            self.flush();
            let next =
                [self.queue.keys().next().map(|(at, _)| *at), self.client.poll_timeout(), self.f.server.poll_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                break;
            };
            self.f.now = self.f.now.max(next);
            let now = self.f.now;
            while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
                match entry.remove() {
                    Packet::ToServer(tuple, bytes) => {
                        self.f.server.handle_client(now, tuple, Ecn::NotCapable, &bytes, &mut self.f.out);
                    }
                    Packet::ToClient(to, bytes) if to == self.tuple.client => {
                        if let Some(received) = self.client.handle_message(now, &bytes) {
                            self.received.push(received.data.to_vec());
                        }
                    }
                    Packet::ToClient(..) => {}
                }
            }
            if self.client.poll_timeout().is_some_and(|due| due <= now) {
                self.client.handle_timeout(now);
            }
            if self.f.server.poll_timeout().is_some_and(|due| due <= now) {
                self.f.server.handle_timeout(now, &mut self.f.out);
            }
        }
        self.f.now = end;
        self.flush();
    }

    fn is_allocated(&self) -> bool {
        self.events.iter().any(|event| matches!(event, Event::Allocated { .. }))
    }

    fn closed(&self) -> Option<&Failure> {
        self.events.iter().find_map(|event| match event {
            Event::Closed(failure) => Some(failure),
            _ => None,
        })
    }
}

fn client_config(username: &str, password: &str) -> Config {
    Config::new(addr("198.51.100.1:3478"), username, password)
}

fn world(seed: u64) -> World {
    World::new(Fixture::new(), udp("192.0.2.9:1000"), client_config("ann", "secret"), seed)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_client_allocates_in_two_round_trips_and_data_flows_by_indication_and_channel() {
    let mut w = world(1);
    w.run(SECOND);
    assert!(w.is_allocated());
    assert_eq!(w.round_trips, 2);
    assert!(matches!(w.send(b"x"), Err(SendError::NotPermitted(_))));
    w.client.create_permission(w.f.now, &[addr(PEER).ip()]);
    w.flush();
    w.send(b"rides along with the permission").unwrap();
    w.run(SECOND);
    w.client.bind_channel(w.f.now, addr(PEER));
    w.run(SECOND);
    assert!(w.events.contains(&Event::ChannelBound(addr(PEER))));
    w.send(b"by channel").unwrap();
    w.run(SECOND);
    assert_eq!(w.received, [&b"rides along with the permission"[..], b"by channel"]);
}

#[test]
fn a_nonce_handed_out_beforehand_spares_a_round_trip() {
    let f = Fixture::new();
    let mut config = client_config("ann", "secret");
    config.challenge = Some(Challenge {
        realm: "parlour".into(),
        nonce: f.server.nonces().for_user("ann", UNIX.as_secs()),
        password_algorithms: Some(PasswordAlgorithms::SHA256_MD5.0.to_vec()),
    });
    let mut w = World::new(f, udp("192.0.2.9:1000"), config, 1);
    w.run(SECOND);
    assert!(w.is_allocated());
    assert_eq!(w.round_trips, 1);
}

#[test]
fn modern_authentication_is_used_by_itself() {
    let f = Fixture::with_credentials(common::config(), Credentials::new().user("ann", "secret"));
    let mut w = World::new(f, udp("192.0.2.9:1000"), client_config("ann", "secret"), 1);
    let mut first = Vec::new();
    w.client.poll_transmit(&mut first);
    w.f.client_sends(w.tuple, &first).into_iter().for_each(|sent| {
        w.client.handle_message(w.f.now, &sent.bytes);
    });
    let mut second = Vec::new();
    w.client.poll_transmit(&mut second);
    let message = Message::parse(&second).unwrap();
    assert!(message.has_integrity_sha256() && !message.has_integrity());
    assert!(message.get::<Userhash>().unwrap().is_some() && message.get::<Username<'_>>().unwrap().is_none());
    let answer = w.f.client_sends(w.tuple, &second);
    w.client.handle_message(w.f.now, &answer[0].bytes);
    assert_eq!(w.client.relayed().len(), 1);
}

#[test]
fn a_stripped_algorithm_list_stops_the_client() {
    let mut w = world(1);
    let mut first = Vec::new();
    w.client.poll_transmit(&mut first);
    let request = Message::parse(&first).unwrap();
    let mut forged = Vec::new();
    let mut writer = MessageWriter::response(&mut forged, Class::Error, &request);
    writer.put(&ErrorCode::of(401));
    writer.put(&Realm("parlour"));
    writer.put(&Nonce("obMatJos2AAABxxxxxxxxxxxx"));
    writer.finish().unwrap();
    w.client.handle_message(w.f.now, &forged);
    assert!(matches!(w.client.poll_event(), Some(Event::Closed(Failure::BidDown(_)))));
}

#[test]
fn a_wrong_password_is_told_after_one_try() {
    for (user, password) in [("ann", "guess"), ("nobody", "guess")] {
        let mut w = World::new(Fixture::new(), udp("192.0.2.9:1000"), client_config(user, password), 1);
        w.run(5 * SECOND);
        assert!(matches!(w.closed(), Some(Failure::Refused { code: 401, .. })), "{:?}", w.events);
        assert_eq!(w.round_trips, 2);
    }
}

#[test]
fn time_limited_credentials_work() {
    let (user, password) = time_limited(SECRET, "ann", UNIX.as_secs() + 100);
    let mut w = World::new(Fixture::new(), udp("192.0.2.9:1000"), client_config(&user, &password), 1);
    w.run(SECOND);
    assert!(w.is_allocated());
}

#[test]
fn allocation_permission_and_channel_live_for_hours_through_stale_nonces_and_loss() {
    let mut w = world(3);
    w.loss_percent = 10;
    w.jitter_ms = 60;
    w.run(10 * SECOND);
    w.client.bind_channel(w.f.now, addr(PEER));
    w.run(10 * SECOND);
    w.loss_percent = 5;
    let mut answered = 0;
    for n in 0..300u32 {
        w.run(60 * SECOND);
        w.received.clear();
        let data = n.to_be_bytes();
        for _ in 0..10 {
            w.send(&data).unwrap();
        }
        w.run(SECOND);
        answered += u32::from(w.received.contains(&data.to_vec()));
    }
    assert_eq!((answered, w.closed()), (300, None));
    assert_eq!(w.f.server.len(), 1);
    w.client.close(w.f.now);
    w.run(40 * SECOND);
    assert_eq!(w.closed(), Some(&Failure::Released));
    assert!(w.f.server.is_empty());
}

#[test]
fn a_silent_server_is_given_up() {
    let mut w = world(1);
    w.loss_percent = 100;
    w.run(60 * SECOND);
    assert_eq!(w.closed(), Some(&Failure::Timeout));
    assert_eq!(w.round_trips, 9);
}

/// The server keeps what it has given although the client has not heard of it (RFC 8656 §7.2).
#[test]
fn an_allocation_that_an_earlier_client_of_the_socket_left_behind_makes_room() {
    let mut w = world(1);
    w.run(SECOND);
    assert_eq!((w.is_allocated(), w.f.server.len()), (true, 1));
    w.events.clear();
    w.client = Client::new(w.f.now, client_config("ann", "secret"), rng(7));
    w.loss_percent = 20;
    w.run(20 * SECOND);
    assert!(w.is_allocated(), "{:?}", w.events);
    assert_eq!((w.closed(), w.f.server.len()), (None, 1));
}

#[test]
fn an_allocation_of_another_user_in_the_way_is_left_alone() {
    let mut w = world(1);
    w.run(SECOND);
    let relay = w.client.relayed().to_vec();
    w.events.clear();
    w.client = Client::new(w.f.now, client_config("bob", "hidden"), rng(7));
    w.run(20 * SECOND);
    assert!(matches!(w.closed(), Some(Failure::Refused { code: 437, .. })), "{:?}", w.events);
    assert!(relay.iter().all(|relay| w.f.server.relay_at(*relay).is_some()));
}

#[test]
fn answers_made_without_the_password_are_not_believed() {
    let mut w = world(1);
    w.run(SECOND);
    w.client.create_permission(w.f.now, &[addr(PEER).ip()]);
    let mut request = Vec::new();
    assert!(w.client.poll_transmit(&mut request));
    let request = Message::parse(&request).unwrap();
    for code in [0, 300, 400, 403, 437] {
        let mut forged = Vec::new();
        let class = if code == 0 { Class::Success } else { Class::Error };
        let mut writer = MessageWriter::response(&mut forged, class, &request);
        if code > 0 {
            writer.put(&ErrorCode::of(code));
            writer.put(&AlternateServer(addr("203.0.113.66:1")));
        }
        writer.integrity(&parlour_stun::IntegrityKey::sha1(b"guess"));
        writer.finish().unwrap();
        w.client.handle_message(w.f.now, &forged);
        assert_eq!(w.client.poll_event(), None, "{code}");
    }
    assert!(w.client.poll_timeout().is_some());
    while w.client.poll_event().is_none() {
        let due = w.client.poll_timeout().unwrap();
        w.client.handle_timeout(due);
        w.events.extend(std::iter::from_fn(|| w.client.poll_event()));
        if w.events.iter().any(|e| matches!(e, Event::PermissionRefused(_, Failure::IntegrityViolated))) {
            return;
        }
    }
    panic!("the violation is told once nobody true has answered");
}

#[test]
fn refused_peers_are_told_and_the_allocation_goes_on() {
    let mut w = world(1);
    w.run(SECOND);
    w.client.create_permission(w.f.now, &["127.0.0.1".parse().unwrap()]);
    w.client.bind_channel(w.f.now, addr("10.0.0.1:5"));
    w.run(SECOND);
    let refused = w.events.iter().filter(|event| match event {
        Event::PermissionRefused(_, Failure::Refused { code, .. })
        | Event::ChannelRefused(_, Failure::Refused { code, .. }) => *code == 403,
        _ => false,
    });
    assert_eq!(refused.count(), 2);
    assert_eq!(w.closed(), None);
}

#[test]
fn the_client_follows_a_redirect_a_few_times_and_never_to_less_security() {
    let server = common::config();
    let server = parlour_turn::server::Config { alternate_server: Some(addr("203.0.113.70:3478")), ..server };
    let mut f = Fixture::with(server);
    f.server.drain();
    let mut w = World::new(f, udp("192.0.2.9:1000"), client_config("ann", "secret"), 1);
    w.run(SECOND);
    let alternate = Event::TryAlternate { server: addr("203.0.113.70:3478"), domain: None };
    assert!(w.events.contains(&alternate));
    let mut config = w.client.config().clone();
    for _ in 0..3 {
        config = config.follow(addr("203.0.113.70:3478"), None).unwrap();
    }
    assert_eq!(config.follow(addr("203.0.113.70:3478"), None).unwrap_err(), RedirectRefused::TooMany);
    let tls = Config { transport: Transport::Tls, redirects_left: 1, ..config };
    assert_eq!(tls.follow(addr("203.0.113.70:1"), None).unwrap_err(), RedirectRefused::NoDomain);
    assert_eq!(tls.follow(addr("203.0.113.70:1"), Some("turn.example")).unwrap().transport, Transport::Tls);
}

#[test]
fn the_client_moves_to_another_network_and_data_goes_on() {
    let mut config = client_config("ann", "secret");
    config.mobility = true;
    let mut w = World::new(Fixture::new(), udp("192.0.2.9:1000"), config, 1);
    w.run(SECOND);
    w.client.bind_channel(w.f.now, addr(PEER));
    w.run(SECOND);
    w.tuple = udp("203.0.113.200:5555");
    w.client.network_changed(w.f.now);
    w.run(SECOND);
    assert!(w.events.contains(&Event::Moved));
    w.send(b"from the new network").unwrap();
    w.run(SECOND);
    assert_eq!(w.received, [b"from the new network"]);
    assert_eq!(w.f.server.len(), 1);
}

#[test]
fn tcp_framing_is_what_the_client_and_the_server_write() {
    let mut config = client_config("ann", "secret");
    config.transport = Transport::Tcp;
    let mut w = World::new(Fixture::new(), tcp("192.0.2.9:1000"), config, 1);
    w.run(SECOND);
    w.client.bind_channel(w.f.now, addr(PEER));
    w.run(SECOND);
    let mut stream = Vec::new();
    for data in [&b"a"[..], b"bc", b"def", b"ghij"] {
        w.client.send(addr(PEER), data, &mut stream).unwrap();
    }
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let Ok(FrameLength::Message(length)) = frame_length(rest) else { panic!("in step") };
        w.f.server.handle_client(w.f.now, w.tuple, Ecn::NotCapable, &rest[..length], &mut w.f.out);
        rest = &rest[length..];
    }
    w.run(SECOND);
    assert_eq!(w.received, [&b"a"[..], b"bc", b"def", b"ghij"]);
}

#[test]
fn a_tcp_connection_to_a_peer_is_bound() {
    let mut config = client_config("ann", "secret");
    config.transport = Transport::Tcp;
    config.relay = RelayTransport::Tcp;
    let mut w = World::new(Fixture::new(), tcp("192.0.2.9:1000"), config, 1);
    w.run(SECOND);
    w.client.connect(w.f.now, addr(PEER));
    w.run(SECOND);
    let Some(IoRequest::ConnectPeer { connection, .. }) = w.f.requests.last().copied() else { panic!() };
    w.f.server.handle_peer_connected(w.f.now, connection, true, &mut w.f.out);
    w.run(SECOND);
    assert!(w.events.contains(&Event::PeerConnected { peer: addr(PEER), connection: connection.0 }));
    let mut data = w.client.data_connection(w.f.now, connection.0).unwrap();
    let request = data.poll_transmit().unwrap();
    let answer = w.f.client_sends(tcp("192.0.2.9:1001"), &request);
    data.handle_message(&answer[0].bytes);
    assert_eq!(data.state(), &DataConnectionState::Bound);
    let mut late = w.client.data_connection(w.f.now, 1).unwrap();
    late.handle_timeout(late.poll_timeout().unwrap());
    assert_eq!(late.state(), &DataConnectionState::Failed(Failure::Timeout));
}

#[test]
fn dual_allocations_and_reserved_ports_are_asked_for() {
    let mut config = client_config("ann", "secret");
    config.dual = true;
    config.lifetime = Some(Duration::from_secs(1_200));
    let mut w = World::new(Fixture::new(), udp("192.0.2.9:1000"), config, 1);
    w.run(SECOND);
    assert_eq!(w.client.relayed().len(), 2);
    let mut config = client_config("ann", "secret");
    config.even_port = Some(true);
    let mut w = World::new(w.f, udp("192.0.2.9:1001"), config, 1);
    w.run(SECOND);
    let token = w.events.iter().find_map(|event| match event {
        Event::Allocated { reservation_token, .. } => *reservation_token,
        _ => None,
    });
    let even = w.client.relayed()[0].port();
    let mut config = client_config("ann", "secret");
    config.reservation_token = token;
    let mut w = World::new(w.f, udp("192.0.2.9:1002"), config, 1);
    w.run(SECOND);
    assert_eq!(w.client.relayed()[0].port(), even + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Packets are lost, repeated and late: a client gets through, or says after 40 s that nobody answers. With less
    /// than one in ten lost it gets through.
    #[test]
    fn every_client_gets_through_a_bad_network_or_says_so(seed in 0u64..1_000_000, loss in 0u8..40, jitter in 0u64..200) {
        let mut w = world(seed);
        w.loss_percent = loss;
        w.jitter_ms = jitter;
        w.run(85 * SECOND);
        if !w.is_allocated() {
            prop_assert!(loss >= 10);
            prop_assert_eq!(w.closed(), Some(&Failure::Timeout));
            return Ok(());
        }
        w.client.bind_channel(w.f.now, addr(PEER));
        w.run(45 * SECOND);
        let bound = w.events.contains(&Event::ChannelBound(addr(PEER)));
        let refused = w.events.contains(&Event::ChannelRefused(addr(PEER), Failure::Timeout));
        prop_assert!(bound || (refused && loss >= 10), "{:?}", w.events);
        if bound {
            for _ in 0..60 {
                w.send(b"data").unwrap();
            }
            w.run(SECOND);
            prop_assert!(w.received.contains(&b"data".to_vec()));
        }
        prop_assert_eq!(w.f.server.len(), 1);
    }

    /// Nothing that a server, or somebody in its place, sends makes a client panic.
    #[test]
    fn a_hostile_server_cannot_make_the_client_panic(
        seed in 0u64..1000, noise in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..24)), 0..12),
        class in 0u8..3, change in any::<usize>(),
    ) {
        let mut w = world(seed);
        w.run(SECOND);
        w.client.bind_channel(w.f.now, addr(PEER));
        let mut bytes = Vec::new();
        w.client.poll_transmit(&mut bytes);
        let request = Message::parse(&bytes).unwrap();
        let class = [Class::Success, Class::Error, Class::Indication][usize::from(class)];
        let mut forged = Vec::new();
        let mut writer = MessageWriter::new(&mut forged, class, if class == Class::Indication { Method::DATA } else { request.method() }, request.transaction_id());
        noise.iter().for_each(|(kind, value)| writer.put_raw(parlour_stun::AttributeType(*kind % 0x40), value));
        writer.finish().unwrap();
        w.client.handle_message(w.f.now, &forged);
        let mut bent = bytes.clone();
        let at = change % bent.len();
        bent[at] ^= 1 << (change % 8);
        w.client.handle_message(w.f.now, &bent);
        w.run(60 * SECOND);
    }
}
