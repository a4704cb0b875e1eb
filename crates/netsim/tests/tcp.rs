//! TCP between hosts: ordered, whole, late under loss, and as NATs and firewalls allow.

use parlour_netsim::*;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

const MS: Duration = Duration::from_millis(1);

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn at(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

fn pair(link: LinkSpec) -> (Network, HostId, HostId) {
    let mut net = Network::new(8);
    let segment = net.segment();
    let (a, b) = (net.host(), net.host());
    net.attach(a, segment, &[ip("192.0.2.1")], link.clone());
    net.attach(b, segment, &[ip("192.0.2.2")], link);
    (net, a, b)
}

const A: &str = "192.0.2.1:50000";
const B: &str = "192.0.2.2:443";

#[test]
fn a_handshake_takes_a_round_trip() {
    let (mut net, a, b) = pair(LinkSpec::delay(25 * MS));
    net.tcp_listen(b, at(B));
    let id = net.tcp_connect(a, at(A), at(B));
    let until = net.now() + Duration::from_secs(1);
    assert_eq!(net.poll(until), Some((a, Event::Tcp(id, TcpEvent::Connected))));
    assert_eq!(net.elapsed(), 100 * MS);
    let accepted = TcpEvent::Accepted { local: at(B), remote: at(A) };
    assert!(matches!(net.poll(until), Some((host, Event::Tcp(_, event))) if host == b && event == accepted));
}

#[test]
fn bytes_arrive_whole_and_in_order_through_loss_and_reordering() {
    for loss in [0.0, 0.02, 0.15] {
        let link = LinkSpec { reorder: 0.05, reorder_by: 3 * MS, duplicate: 0.02, ..LinkSpec::delay(5 * MS) };
        let (mut net, a, b) = pair(link.with_loss(Loss::Random(loss)));
        net.tcp_listen(b, at(B));
        let id = net.tcp_connect(a, at(A), at(B));
        let sent: Vec<u8> = (0..500_000u32).map(|n| ((n * 31) >> 3) as u8).collect();
        net.tcp_send(a, id, &sent);
        net.tcp_close(a, id);
        let mut got = Vec::new();
        let until = net.now() + Duration::from_secs(600);
        let mut closed = false;
        while let Some((host, event)) = net.poll(until) {
            match event {
                Event::Tcp(_, TcpEvent::Data(bytes)) if host == b => got.extend(bytes),
                Event::Tcp(id, TcpEvent::Closed) if host == b => {
                    closed = true;
                    net.tcp_close(b, id);
                }
                _ => {}
            }
        }
        assert!(got == sent, "{} of {} bytes at loss {loss}", got.len(), sent.len());
        assert!(closed);
    }
}

#[test]
fn nobody_listening_is_a_reset_and_nobody_there_a_time_out() {
    let (mut net, a, _) = pair(LinkSpec::delay(MS));
    let until = net.now() + Duration::from_secs(300);
    let id = net.tcp_connect(a, at(A), at(B));
    assert_eq!(net.poll(until), Some((a, Event::Tcp(id, TcpEvent::Reset))));
    let id = net.tcp_connect(a, at(A), at("192.0.2.3:443"));
    assert_eq!(net.poll(until), Some((a, Event::Tcp(id, TcpEvent::TimedOut))));
}

/// RFC 6544 §4.1: candidates of type "so" rely on RFC 9293 §3.5.
#[test]
fn two_that_connect_to_each_other_at_once_get_one_connection() {
    let (mut net, a, b) = pair(LinkSpec::delay(10 * MS));
    let one = net.tcp_connect(a, at(A), at("192.0.2.2:50001"));
    let two = net.tcp_connect(b, at("192.0.2.2:50001"), at(A));
    let until = net.now() + Duration::from_secs(5);
    let mut connected = Vec::new();
    while connected.len() < 2 {
        match net.poll(until) {
            Some((host, Event::Tcp(_, TcpEvent::Connected))) => connected.push(host),
            other => panic!("{other:?}"),
        }
    }
    net.tcp_send(a, one, b"ping");
    assert_eq!(net.poll(until), Some((b, Event::Tcp(two, TcpEvent::Data(b"ping".to_vec())))));
}

#[test]
fn a_firewall_for_port_443_lets_nothing_else_out() {
    let mut net = Network::new(4);
    let (internet, office) = (net.segment(), net.segment());
    let (server, ann) = (net.host(), net.host());
    net.attach(server, internet, &[ip("192.0.2.2")], LinkSpec::delay(5 * MS));
    net.attach(ann, office, &[ip("10.0.0.2")], LinkSpec::default());
    let inside = (office, ip("10.0.0.1"));
    net.nat(
        NatSpec::symmetric(),
        Firewall::tcp_443_only(),
        inside,
        (internet, &[ip("203.0.113.1")]),
        LinkSpec::default(),
    );
    net.tcp_listen(server, at("0.0.0.0:443"));
    net.tcp_listen(server, at("0.0.0.0:3478"));
    let free = net.tcp_connect(ann, at("10.0.0.2:50000"), at("192.0.2.2:443"));
    let shut = net.tcp_connect(ann, at("10.0.0.2:50001"), at("192.0.2.2:3478"));
    let until = net.now() + Duration::from_secs(300);
    let seen: Vec<_> = std::iter::from_fn(|| net.poll(until)).filter(|(host, _)| *host == ann).collect();
    let expected = [(ann, Event::Tcp(free, TcpEvent::Connected)), (ann, Event::Tcp(shut, TcpEvent::TimedOut))];
    assert_eq!(seen, expected);
}

#[test]
fn a_restarted_host_knows_its_connections_no_more_and_the_other_end_hears_of_it_when_it_sends() {
    let (mut net, a, b) = pair(LinkSpec::delay(25 * MS));
    net.tcp_listen(b, at(B));
    let id = net.tcp_connect(a, at(A), at(B));
    let until = net.now() + Duration::from_secs(1);
    while net.poll(until).is_some() {}
    net.schedule(10 * MS, Change::HostRestart { host: b });
    let until = net.now() + Duration::from_secs(5);
    assert_eq!(net.poll(until), Some((b, Event::Restarted)));
    assert_eq!(net.poll(until), None, "nobody says goodbye");
    net.tcp_send(a, id, b"still there?");
    let until = net.now() + Duration::from_secs(5);
    assert_eq!(net.poll(until), Some((a, Event::Tcp(id, TcpEvent::Reset))));
    net.tcp_connect(a, at(A), at(B));
    let until = net.now() + Duration::from_secs(5);
    assert!(matches!(net.poll(until), Some((_, Event::Tcp(_, TcpEvent::Reset)))), "nobody listens until told to");
}
