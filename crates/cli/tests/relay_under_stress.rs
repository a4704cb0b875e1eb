//! The relay under load that nobody should make: spoofed floods, unreachable peers, clients that do not read, streams that say
//! nothing useful.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "relay/client.rs"]
mod client;
mod relay;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use client::Driver;
use parlour_net::udp::{Options, Train, UdpIo};
use parlour_stun::attribute::{RequestedTransport, Software, Username};
use parlour_stun::{Class, MessageWriter, Method, TransactionId};
use parlour_turn::client::{Config, Event};
use parlour_turn::{Ecn, Transport};
use relay::Relay;

fn request(method: Method, n: u64, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut id = [0; 12];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::new(&mut bytes, Class::Request, method, TransactionId(id));
    fill(&mut writer);
    writer.finish().unwrap();
    bytes
}

/// RFC 8656 §21.1 and what reflection attacks look for: a million requests from as many addresses.
#[test]
fn a_million_spoofed_requests_cost_no_memory_and_return_at_most_twice_their_bytes() {
    const COUNT: u64 = 1_000_000;
    let relay = Relay::start(&["--metrics", "127.0.0.1:0"]);
    let server = relay.udp();
    let kinds = [
        request(Method::ALLOCATE, 1, |writer| writer.put(&RequestedTransport::UDP)),
        request(Method::BINDING, 2, |_| {}),
        request(Method::ALLOCATE, 3, |writer| {
            writer.put(&RequestedTransport::UDP);
            writer.put(&Software("a browser of some length"));
        }),
        request(Method::REFRESH, 4, |writer| writer.put(&Username("nobody"))),
        vec![0x40, 0, 0, 4, 1, 2, 3, 4],
        vec![0xFF; 40],
    ];
    let mut io = UdpIo::new();
    let options = Options { receive_buffer: 8 << 20, ..Options::default() };
    let socket = parlour_net::udp::UdpSocket::bind("0.0.0.0:0".parse().unwrap(), options).unwrap();
    let (mut sent, mut got) = (0u64, 0u64);
    let mut before = 0;
    for n in 0..COUNT {
        // After the first thousand, what the process needs anyway is there.
        if n == 1_000 {
            before = relay.memory();
        }
        let bytes = &kinds[(n % kinds.len() as u64) as usize];
        let from = Ipv4Addr::from_bits(0x7F00_0000 | (n as u32).wrapping_mul(2_654_435_761) >> 9 | 1 << 23);
        let train = Train {
            bytes,
            segment_size: bytes.len(),
            to: server,
            from: Some(IpAddr::V4(from)),
            ecn: Ecn::NotCapable,
            dont_fragment: false,
        };
        // The relay is slower than this loop; what its socket cannot hold is lost, which is how floods go.
        if io.send(&socket, train).is_ok() {
            sent += bytes.len() as u64;
        }
        if n % 64 == 0 {
            got += receive(&mut io, &socket);
        }
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        got += receive(&mut io, &socket);
    }
    let grown = relay.memory().saturating_sub(before);
    assert!(grown < 10 << 20, "memory grew by {grown} bytes");
    assert!(got > 0 && got <= 2 * sent, "{got} bytes came back for {sent}");
    assert!(relay.metric("parlour_turn_challenges_total") > 0.0);
    assert_eq!(relay.metric("parlour_turn_allocations"), 0.0);
    // And it still serves.
    Driver::allocated(Config::new(server, "ann", "secret"));
}

fn receive(io: &mut UdpIo, socket: &parlour_net::udp::UdpSocket) -> u64 {
    let mut bytes = 0;
    while let Ok(trains) = io.receive(socket, 32) {
        for train in trains {
            bytes += train.datagrams().map(|datagram| datagram.len() as u64).sum::<u64>();
        }
    }
    bytes
}

fn permitted(relay: &Relay, peers: &[IpAddr]) -> Driver {
    let mut driver = Driver::allocated(Config::new(relay.udp(), "ann", "secret"));
    driver.client.create_permission(Instant::now(), peers);
    driver.until("a permission", |event| matches!(event, Event::Permitted(_)));
    driver
}

#[test]
fn a_peer_that_cannot_be_reached_disturbs_nobody() {
    let relay = Relay::start(&["--allow-peer", "198.51.100.0/24", "--metrics", "127.0.0.1:0"]);
    let good = UdpSocket::bind("127.0.0.1:0").unwrap();
    good.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let at = good.local_addr().unwrap();
    // Nobody listens at the first, and from loopback there is no way to the second.
    let closed = SocketAddr::new(at.ip(), relay::free_port("127.0.0.1"));
    let nowhere: SocketAddr = "198.51.100.1:9".parse().unwrap();
    let mut ann = permitted(&relay, &[at.ip(), nowhere.ip()]);
    let mut bob = permitted(&relay, &[at.ip(), nowhere.ip()]);
    let mut buffer = [0; 2048];
    for n in 0..200u8 {
        for driver in [&mut ann, &mut bob] {
            driver.send(nowhere, &[n; 300]);
            driver.send(closed, &[n; 300]);
            driver.send(at, &[n; 300]);
            let (length, from) = good.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..length], [n; 300]);
            good.send_to(&buffer[..length], from).unwrap();
            assert_eq!(driver.receive(), (at, vec![n; 300]));
        }
    }
    assert!(relay.metric("parlour_turn_peer_errors_total") >= 200.0, "failed sends are counted");
}

#[test]
fn streams_that_say_nothing_useful_are_closed_and_others_go_on() {
    let relay = Relay::start(&[]);
    let mut ann = Driver::allocated(Config { transport: Transport::Tcp, ..Config::new(relay.tcp(), "ann", "secret") });
    let closes = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(relay.tcp()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let _ = stream.write_all(bytes);
        let mut rest = Vec::new();
        // A reset is a close as well.
        let _ = stream.read_to_end(&mut rest);
        rest
    };
    assert_eq!(
        closes(b"GET / HTTP/1.1\r\n\r\n\xFF\xFF\xFF\xFF").len(),
        0,
        "after 10 s: HTTP reads as unfinished ChannelData"
    );
    assert_eq!(closes(b"\x16\x03\x01\x02\x00\x01").len(), 0, "TLS where there is none");
    assert_eq!(closes(&[0xFF; 64]).len(), 0);
    assert_eq!(closes(&[0, 1, 0xFF, 0xFC, 0, 0, 0, 0, 0, 0]).len(), 0, "a wrong cookie");
    // ChannelData of 65,535 bytes that nobody has proved a right to.
    assert_eq!(closes(&[&[0x40, 0, 0xFF, 0xFF][..], &[0; 40_000]].concat()).len(), 0);
    // Byte by byte, and two messages at once.
    let (one, two) = (request(Method::BINDING, 1, |_| {}), request(Method::BINDING, 2, |_| {}));
    let mut stream = TcpStream::connect(relay.tcp()).unwrap();
    stream.set_nodelay(true).unwrap();
    one.iter().for_each(|byte| stream.write_all(&[*byte]).unwrap());
    stream.write_all(&[two.clone(), one].concat()).unwrap();
    let mut answers = [0; 96];
    stream.read_exact(&mut answers).unwrap();
    assert_eq!(answers.chunks(32).map(|answer| answer[15]).collect::<Vec<_>>(), [1, 2, 1]);
    let _ = ann.client.relayed()[0];
    ann.turn();
    assert!(!ann.ended);
}

#[test]
fn a_client_that_does_not_read_costs_a_bounded_amount() {
    let relay = Relay::start(&[]);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut ann = Driver::allocated(Config { transport: Transport::Tcp, ..Config::new(relay.tcp(), "ann", "secret") });
    ann.client.bind_channel(Instant::now(), peer.local_addr().unwrap());
    ann.until("a channel", |event| matches!(event, Event::ChannelBound(_)));
    let relayed = ann.client.relayed()[0];
    let before = relay.memory();
    for n in 0..100_000u32 {
        peer.send_to(&[n as u8; 1200], relayed).unwrap();
    }
    let grown = relay.memory().saturating_sub(before);
    assert!(grown < 8 << 20, "120 MB that nobody reads took {grown} bytes");
    // What is read comes in order, with holes.
    assert_eq!(ann.receive().1.len(), 1200);
    let mut bob = Driver::allocated(Config::new(relay.udp(), "ann", "secret"));
    bob.turn();
}

#[test]
fn many_clients_are_served_at_once() {
    const CLIENTS: usize = 500;
    let quotas = ["--max-allocations-per-user", "500", "--max-allocations-per-address", "500"];
    let relay = Relay::start(&[&["--metrics", "127.0.0.1:0"][..], &quotas].concat());
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut clients: Vec<Driver> = (0..CLIENTS).map(|_| permitted(&relay, &["127.0.0.1".parse().unwrap()])).collect();
    assert_eq!(relay.metric("parlour_turn_allocations"), CLIENTS as f64);
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(peer.local_addr().unwrap(), &(n as u32).to_be_bytes());
        let mut buffer = [0; 16];
        let (length, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!(from, client.client.relayed()[0]);
        peer.send_to(&buffer[..length], from).unwrap();
        assert_eq!(client.receive().1, (n as u32).to_be_bytes());
    }
    let mut ports: Vec<u16> = clients.iter().map(|client| client.client.relayed()[0].port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), CLIENTS);
}
