//! Our client against `parlour turn` and against coturn's server (Debian package `coturn`): the same must work with both.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "relay/client.rs"]
mod client;
mod relay;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use client::Driver;
use parlour_stun::attribute::PasswordAlgorithms;
use parlour_turn::Transport;
use parlour_turn::client::{Challenge, Config, Event, Failure};
use parlour_turn::server::RelayTransport;
use relay::{Coturn, Relay, SECRET};

const COUNT: usize = 50;

fn config(server: SocketAddr, transport: Transport) -> Config {
    Config { transport, ..Config::new(server, "ann", "secret") }
}

fn peer() -> UdpSocket {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    peer
}

/// Sends packets to a peer that sends them back, first by Send indications, then by a channel.
fn there_and_back(driver: &mut Driver) {
    let peer = peer();
    let at = peer.local_addr().unwrap();
    let relayed = driver.client.relayed()[0];
    driver.client.create_permission(std::time::Instant::now(), &[at.ip()]);
    driver.until("a permission", |event| matches!(event, Event::Permitted(_)));
    let exchange = |driver: &mut Driver, size: usize| {
        for n in 0..COUNT {
            let data = vec![n as u8; size + n];
            driver.send(at, &data);
            let mut buffer = [0; 2048];
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], from), (&data[..], relayed));
            peer.send_to(&buffer[..length], from).unwrap();
            assert_eq!(driver.receive(), (at, data));
        }
    };
    exchange(driver, 160);
    driver.client.bind_channel(std::time::Instant::now(), at);
    driver.until("a channel", |event| matches!(event, Event::ChannelBound(_)));
    exchange(driver, 1200);
}

#[test]
fn data_goes_there_and_back_by_udp_tcp_and_tls() {
    let (ours, theirs) = (Relay::start(&[]), Coturn::start());
    for (server, transport) in [
        (ours.udp(), Transport::Udp),
        (ours.tcp(), Transport::Tcp),
        (ours.tls(), Transport::Tls),
        (theirs.udp, Transport::Udp),
        (theirs.udp, Transport::Tcp),
        (theirs.tls, Transport::Tls),
    ] {
        there_and_back(&mut Driver::allocated(config(server, transport)));
    }
}

#[test]
fn a_wrong_password_is_told() {
    let (ours, theirs) = (Relay::start(&[]), Coturn::start());
    for server in [ours.udp(), theirs.udp] {
        let mut driver = Driver::new(Config::new(server, "ann", "guessed"));
        let event = loop {
            driver.turn();
            if let Some(event) = driver.client.poll_event() {
                break event;
            }
        };
        assert!(matches!(event, Event::Closed(Failure::Refused { code: 401, .. })), "{event:?}");
    }
}

#[test]
fn an_even_port_keeps_its_neighbour() {
    let (ours, theirs) = (Relay::start(&[]), Coturn::start());
    for server in [ours.udp(), theirs.udp] {
        let mut first = Driver::new(Config { even_port: Some(true), ..Config::new(server, "ann", "secret") });
        let mut token = None;
        first.until("an allocation", |event| match event {
            Event::Allocated { reservation_token, .. } => {
                token = *reservation_token;
                true
            }
            _ => false,
        });
        // Wherever the kernel deals this client: the port is found.
        let second = Driver::allocated(Config { reservation_token: token, ..Config::new(server, "ann", "secret") });
        let (even, odd) = (first.client.relayed()[0], second.client.relayed()[0]);
        assert_eq!((even.port() % 2, odd.port()), (0, even.port() + 1));
    }
}

#[test]
fn a_client_that_moves_keeps_its_allocation() {
    let (ours, theirs) = (Relay::start(&["--mobility"]), Coturn::start());
    for (what, server) in [("ours", ours.udp()), ("coturn", theirs.udp)] {
        // Often enough that every thread of the server sees somebody who comes from another one.
        for _ in 0..6 {
            let mut driver = Driver::allocated(Config { mobility: true, ..Config::new(server, "ann", "secret") });
            let relayed = driver.client.relayed().to_vec();
            driver.move_away();
            driver.until(what, |event| matches!(event, Event::Moved));
            assert_eq!(driver.client.relayed(), relayed);
            there_and_back(&mut driver);
        }
    }
}

#[test]
fn a_tcp_relay_joins_two_streams_and_passes_their_ends_on() {
    let (ours, theirs) = (Relay::start(&["--allow-tcp-relay"]), Coturn::start());
    for (what, server, transport) in [
        ("ours by TCP", ours.tcp(), Transport::Tcp),
        ("ours by TLS", ours.tls(), Transport::Tls),
        ("coturn", theirs.udp, Transport::Tcp),
    ] {
        // Often enough that connections meet every thread.
        for _ in 0..4 {
            let mut driver = Driver::allocated(Config { relay: RelayTransport::Tcp, ..config(server, transport) });
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            driver.client.connect(std::time::Instant::now(), listener.local_addr().unwrap());
            let event = driver.until(what, |event| matches!(event, Event::PeerConnected { .. }));
            let Event::PeerConnected { connection, .. } = event else { unreachable!() };
            let (mut peer, _) = listener.accept().unwrap();
            let mut wire = driver.bind(connection);
            let data: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
            let sent = data.clone();
            let echo = std::thread::spawn(move || {
                let mut got = vec![0; sent.len()];
                peer.read_exact(&mut got).unwrap();
                assert_eq!(got, sent);
                peer.write_all(&got).unwrap();
                // The end of this side is the end of the stream at the other.
            });
            wire.send(&data);
            let (mut got, mut buffer) = (Vec::new(), vec![0; 65_536]);
            loop {
                match wire.read(&mut buffer) {
                    Some(0) => break,
                    Some(length) => got.extend_from_slice(&buffer[..length]),
                    None => {}
                }
            }
            echo.join().unwrap();
            // coturn's server may drop what it has not passed on when the peer closes.
            let length = if what == "coturn" { got.len() } else { data.len() };
            assert!(got == data[..length], "{what}: {} of {} bytes", got.len(), data.len());
        }
    }
}

#[test]
fn the_nonce_handed_out_with_credentials_spares_the_round_trip_of_a_401() {
    let relay = Relay::start(&[]);
    let plain = Driver::allocated(Config::new(relay.udp(), "ann", "secret"));
    assert_eq!(plain.sent, 2);
    // `parlour serve` hands credentials out with a nonce; the same rule makes both.
    let dir = tempfile::tempdir().unwrap();
    let (ready, _server) = relay::serve(dir.path(), &["--relay-secret", SECRET]);
    let servers = relay::ice_servers(&ready);
    let turn = servers.iter().find(|server| server["credential"].is_string()).unwrap();
    let text = |name: &str| turn[name].as_str().unwrap().to_owned();
    let config = Config {
        challenge: Some(Challenge {
            realm: text("realm"),
            nonce: text("nonce"),
            password_algorithms: Some(PasswordAlgorithms::SHA256_MD5.0.to_vec()),
        }),
        ..Config::new(ready["turn"].as_str().unwrap().parse().unwrap(), &text("username"), &text("credential"))
    };
    assert_eq!(Driver::allocated(config).sent, 1);
}

#[test]
fn the_https_port_speaks_turn_with_and_without_tls() {
    let dir = tempfile::tempdir().unwrap();
    let (ready, _server) = relay::serve(dir.path(), &["--relay-allow-peer", "127.0.0.0/8"]);
    let https: SocketAddr = ready["https"].as_str().unwrap().strip_prefix("https://").unwrap().parse().unwrap();
    let servers = relay::ice_servers(&ready);
    let turn = servers.iter().find(|server| server["credential"].is_string()).unwrap();
    let (user, password) = (turn["username"].as_str().unwrap(), turn["credential"].as_str().unwrap());
    let urls = turn["urls"].to_string();
    assert!(urls.contains(&format!("turns:127.0.0.1:{}?transport=tcp", https.port())), "{urls}");
    for transport in [Transport::Tcp, Transport::Tls] {
        there_and_back(&mut Driver::allocated(Config { transport, ..Config::new(https, user, password) }));
    }
    // And still HTTPS.
    assert!(relay::get(&ready, "/healthz").contains("ok"));
}
