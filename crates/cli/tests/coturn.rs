//! coturn's own clients against `parlour turn`: nothing may be lost, and what must be refused is refused.
//!
//! They need the Debian package `coturn`, which `cargo xtask test rust` installs.
#![allow(clippy::unwrap_used, missing_docs)]

mod relay;

use std::net::SocketAddr;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use relay::{Peer, Relay, SECRET, uclient};

const ANN: [&str; 4] = ["-u", "ann", "-w", "secret"];
/// Few enough messages to be quick, enough to see a loss; the pace leaves room for a busy machine.
const LOAD: [&str; 8] = ["-m", "2", "-n", "60", "-z", "10", "-l", "400"];

fn args<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

fn to<'a>(peer: &Peer, port: &'a str) -> Vec<&'a str> {
    vec!["-e", peer.ip, "-r", port]
}

/// Runs the client to an echoing peer by each of `flags`.
fn through_a_peer(server: SocketAddr, peer: &Peer, cases: &[(&str, &[&str])]) {
    let port = peer.port.to_string();
    for (what, flags) in cases {
        uclient(server, &args(&[&ANN, &LOAD, &to(peer, &port), flags])).assert_nothing_lost(what);
    }
}

#[test]
fn udp_clients_reach_a_peer_by_channels_and_by_send_indications() {
    let (relay, peer) = (Relay::start(&[]), Peer::start("127.0.0.1"));
    through_a_peer(
        relay.udp(),
        &peer,
        &[
            ("channels, with EVEN-PORT and RESERVATION-TOKEN for RTCP", &[]),
            ("Send indications", &["-s"]),
            ("without RTCP", &["-c"]),
            ("DONT-FRAGMENT", &["-g", "-c"]),
            ("padded ChannelData", &["-D", "-c"]),
            ("extra requests", &["-G", "-c"]),
            ("REQUESTED-ADDRESS-FAMILY", &["-X", "-c"]),
        ],
    );
}

#[test]
fn tcp_and_tls_clients_reach_a_peer() {
    let (relay, peer) = (Relay::start(&[]), Peer::start("127.0.0.1"));
    through_a_peer(relay.tcp(), &peer, &[("TCP", &["-t"]), ("TCP, Send indications", &["-t", "-s"])]);
    through_a_peer(relay.tls(), &peer, &[("TLS", &["-t", "-S"]), ("TLS, Send indications", &["-t", "-S", "-s"])]);
}

#[test]
fn clients_reach_each_other() {
    let relay = Relay::start(&[]);
    for (what, server, flags) in [
        ("UDP", relay.udp(), &["-y"][..]),
        ("UDP without RTCP", relay.udp(), &["-y", "-c"]),
        ("UDP, Send indications", relay.udp(), &["-y", "-s"]),
        ("TCP", relay.tcp(), &["-y", "-t"]),
    ] {
        uclient(server, &args(&[&ANN, &LOAD, flags])).assert_nothing_lost(what);
    }
    // Over TLS each of the four clients leaves its last three messages unread, whatever their number; with coturn's own server as well.
    let tls = uclient(relay.tls(), &args(&[&ANN, &LOAD, &["-y", "-t", "-S"]]));
    assert!(tls.sent > 0 && tls.received + 4 * 3 >= tls.sent, "{}", tls.text);
}

#[test]
fn tcp_relays_carry_data_either_way() {
    let relay = Relay::start(&["--allow-tcp-relay"]);
    uclient(relay.tcp(), &args(&[&ANN, &LOAD, &["-T"]])).assert_nothing_lost("active peer");
    // Where the peer connects, the client sends both ways but reads one: coturn's own server gets the same half back.
    let passive =
        uclient(relay.tcp(), &args(&[&ANN, &["-m", "2", "-n", "20", "-z", "10", "-l", "400"], &["-T", "-P"]]));
    assert!(passive.sent > 0 && passive.received * 2 == passive.sent, "{}", passive.text);
    uclient(relay.tls(), &args(&[&ANN, &LOAD, &["-T", "-S"]])).assert_nothing_lost("TLS");
}

#[test]
fn mobile_clients_keep_their_allocation() {
    let (relay, peer) = (Relay::start(&["--mobility"]), Peer::start("127.0.0.1"));
    let cases: [(&str, &[&str]); 2] =
        [("mobility", &["-M", "-c"]), ("mobility, Send indications", &["-M", "-s", "-c"])];
    through_a_peer(relay.udp(), &peer, &cases);
}

#[test]
fn ipv6_clients_reach_ipv6_peers() {
    let (relay, peer6) = (Relay::start(&[]), Peer::start("::1"));
    through_a_peer(
        relay.address("udp", true),
        &peer6,
        &[("IPv6 all the way", &["-x", "-c"]), ("with Send", &["-x", "-s", "-c"])],
    );
    through_a_peer(relay.udp(), &peer6, &[("an IPv4 client", &["-x", "-c"])]);
}

#[test]
fn time_limited_credentials_let_in_until_they_expire() {
    let (relay, peer) = (Relay::start(&[]), Peer::start("127.0.0.1"));
    let port = peer.port.to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // The client adds a day to the present time by itself.
    uclient(relay.udp(), &args(&[&["-u", "ben", "-W", SECRET], &LOAD, &to(&peer, &port)]))
        .assert_nothing_lost("secret");
    let (user, password) = parlour_turn::server::time_limited(SECRET.as_bytes(), "ben", now + 60);
    let given = |user: &str, password: &str| {
        uclient(relay.udp(), &args(&[&["-u", user, "-w", password], &LOAD, &to(&peer, &port)]))
    };
    given(&user, &password).assert_nothing_lost("user and password");
    let (user, password) = parlour_turn::server::time_limited(SECRET.as_bytes(), "ben", now - 60);
    given(&user, &password).assert_refused("expired");
}

#[test]
fn who_may_not_gets_nowhere() {
    let (relay, peer) = (Relay::start(&["--deny-peer", "127.0.0.1"]), Peer::start("127.0.0.1"));
    let port = peer.port.to_string();
    for (what, who) in [
        ("wrong password", ["-u", "ann", "-w", "guessed"]),
        ("unknown user", ["-u", "nobody", "-w", "secret"]),
        ("wrong secret", ["-u", "ann", "-W", "another secret of some length"]),
        ("denied peer", ANN),
    ] {
        uclient(relay.udp(), &args(&[&who, &LOAD, &to(&peer, &port)])).assert_refused(what);
        uclient(relay.tcp(), &args(&[&who, &LOAD, &to(&peer, &port), &["-t"]])).assert_refused(what);
    }
    uclient(relay.tcp(), &args(&[&ANN, &LOAD, &["-T"]])).assert_refused("TCP relays, which are off");
}

#[test]
fn hostile_clients_leave_the_relay_alive() {
    let (relay, peer) = (Relay::start(&[]), Peer::start("127.0.0.1"));
    let port = peer.port.to_string();
    for flags in [&["-N"][..], &["-R"], &["-N", "-R", "-t"], &["-O"], &["-B"]] {
        uclient(relay.udp(), &args(&[&ANN, &["-m", "3", "-n", "20", "-z", "2"], &to(&peer, &port), flags]));
    }
    through_a_peer(relay.udp(), &peer, &[("afterwards", &[])]);
}

#[test]
fn stun_clients_learn_their_address_and_their_nat() {
    let relay = Relay::start_at(&["127.0.0.1:0"], &[]);
    let run = |program: &str, server: SocketAddr, args: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["30", program]).args(args).args(["-p", &server.port().to_string(), &server.ip().to_string()]);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let text = run("turnutils_stunclient", relay.udp(), &[]);
    assert!(text.contains("UDP reflexive addr: 127.0.0.1:"), "{text}");

    // Two addresses: RFC 5780.
    let (first, second) = (relay::free_port("127.0.0.1"), relay::free_port("127.0.0.2"));
    let second = if second == first { second ^ 1 } else { second };
    let primary = format!("127.0.0.1:{first}");
    let two = Relay::start_at(&[&primary], &["--nat-discovery", &format!("127.0.0.2:{second}")]);
    assert_eq!(two.ready["udp"].as_array().unwrap().len(), 4);
    let server = primary.parse().unwrap();
    let text = run("turnutils_stunclient", server, &["-f"]);
    assert!(text.contains("Other addr: ") && text.contains(&format!("127.0.0.2:{second}\n")), "{text}");
    let text = run("turnutils_natdiscovery", server, &["-m", "-f"]);
    assert!(text.contains("NAT with Endpoint Independent Mapping!") || text.contains("No NAT detected"), "{text}");
    assert!(text.contains("NAT with Endpoint Independent Filtering!"), "{text}");
}

#[test]
fn an_administrator_lists_kicks_and_drains() {
    let (relay, peer) = (Relay::start(&["--metrics", "127.0.0.1:0"]), Peer::start("127.0.0.1"));
    let port = peer.port.to_string();
    assert_eq!(relay.admin(&["ls"]), (true, "no allocations\n".to_owned()));
    let server = relay.udp();
    // Holds on after its last packet.
    let mut client = Command::new("turnutils_uclient");
    client.args(["-c", "-m", "1", "-n", "3000", "-z", "20"]).args(ANN).args(to(&peer, &port));
    client.args(["-p", &server.port().to_string(), &server.ip().to_string()]);
    let client = relay::Background::start(&mut client);
    let start = std::time::Instant::now();
    let allocations = loop {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "the client's data does not come back");
        let (ok, text) = relay.admin(&["ls", "--json"]);
        assert!(ok, "{text}");
        let all: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        // The client makes one more at first, which it does not use.
        if all.iter().any(|one| one["bytes_to_client"].as_u64() > Some(0)) {
            break all;
        }
    };
    assert_eq!(allocations[0]["user"], "ann");
    assert_eq!(relay.metric("parlour_turn_allocations"), allocations.len() as f64);
    assert!(relay.admin(&["ls"]).1.contains("127.0.0.1"));
    for one in &allocations {
        assert!(relay.admin(&["kick", one["id"].as_str().unwrap()]).0);
    }
    assert!(!relay.admin(&["kick", allocations[0]["id"].as_str().unwrap()]).0, "it is gone");
    assert_eq!(relay.metric("parlour_turn_allocations_ended_total"), allocations.len() as f64);
    drop(client);
    assert!(relay.admin(&["drain"]).0);
    uclient(relay.udp(), &args(&[&ANN, &LOAD, &to(&peer, &port)])).assert_refused("drained");
}
