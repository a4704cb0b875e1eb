//! NATs behave as RFC 4787 names them.

use parlour_netsim::*;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

fn ip(s: &str) -> IpAddr {
    s.parse().unwrap()
}

fn at(s: &str) -> SocketAddr {
    s.parse().unwrap()
}

/// Two homes with a NAT each, and two servers outside.
struct World {
    net: Network,
    home: SegmentId,
    ann: HostId,
    server: HostId,
    other: HostId,
    nat: RouterId,
}

const SERVER: &str = "198.51.100.1:3478";
const SERVER_OTHER_PORT: &str = "198.51.100.1:3479";
const OTHER: &str = "198.51.100.2:3478";

fn world(spec: NatSpec) -> World {
    world_with(spec, &["203.0.113.1"], Firewall::open())
}

fn world_with(spec: NatSpec, pool: &[&str], firewall: Firewall) -> World {
    let mut net = Network::new(42);
    let (internet, home) = (net.segment(), net.segment());
    let (server, other, ann) = (net.host(), net.host(), net.host());
    let link = LinkSpec::delay(Duration::from_millis(5));
    net.attach(server, internet, &[ip("198.51.100.1")], link.clone());
    net.attach(other, internet, &[ip("198.51.100.2")], link.clone());
    net.attach(ann, home, &[ip("192.168.1.2")], LinkSpec::default());
    let pool: Vec<IpAddr> = pool.iter().map(|a| ip(a)).collect();
    let nat = net.nat(spec, firewall, (home, ip("192.168.1.1")), (internet, &pool), link);
    World { net, home, ann, server, other, nat }
}

impl World {
    fn send(&mut self, host: HostId, src: &str, dst: SocketAddr) {
        self.net.send(host, Packet::udp(at(src), dst, b"x".to_vec()));
    }

    /// Everything that hosts see within a second.
    fn seen(&mut self) -> Vec<(HostId, Event)> {
        let until = self.net.now() + Duration::from_secs(1);
        std::iter::from_fn(|| self.net.poll(until)).collect()
    }

    /// Sends from `src` and returns the source that the far end sees.
    fn mapped(&mut self, host: HostId, src: &str, dst: &str) -> SocketAddr {
        self.send(host, src, at(dst));
        match self.seen().as_slice() {
            [(_, Event::Udp(packet))] => packet.src,
            seen => panic!("one packet expected, seen: {seen:?}"),
        }
    }

    fn reaches(&mut self, host: HostId, src: &str, dst: SocketAddr) -> bool {
        self.send(host, src, dst);
        self.seen().iter().any(|(_, event)| matches!(event, Event::Udp(_)))
    }
}

const INNER: &str = "192.168.1.2:5000";

/// RFC 4787 §4.1: what a mapping depends on; §5: who may answer. All nine kinds, told apart as a client would (RFC 5780).
#[test]
fn each_of_the_nine_kinds_maps_and_filters_as_named() {
    for mapping in Behaviour::ALL {
        for filtering in Behaviour::ALL {
            let mut w = world(NatSpec::new(mapping, filtering));
            let (ann, server, other) = (w.ann, w.server, w.other);
            let first = w.mapped(ann, INNER, SERVER);
            assert_eq!(first, w.mapped(ann, INNER, SERVER), "a mapping stays ({mapping:?})");
            assert_eq!(first.ip(), ip("203.0.113.1"));

            // Filters first: sending elsewhere would open them.
            assert!(w.reaches(server, SERVER, first), "whoever was asked may answer");
            let same_address = filtering != Behaviour::AddressAndPortDependent;
            assert_eq!(w.reaches(server, SERVER_OTHER_PORT, first), same_address, "{filtering:?}");
            let anybody = filtering == Behaviour::EndpointIndependent;
            assert_eq!(w.reaches(other, OTHER, first), anybody, "{filtering:?}");

            let other_port = w.mapped(ann, INNER, SERVER_OTHER_PORT);
            assert_eq!(first == other_port, mapping != Behaviour::AddressAndPortDependent, "{mapping:?}");
            let other_address = w.mapped(ann, INNER, OTHER);
            assert_eq!(first == other_address, mapping == Behaviour::EndpointIndependent, "{mapping:?}");
        }
    }
}

/// RFC 4787 §4.2.
#[test]
fn ports_are_chosen_as_the_policy_says() {
    let with = |ports| NatSpec { ports, ..NatSpec::symmetric() };
    let mut w = world(with(PortPolicy::Preserve));
    assert_eq!(w.mapped(w.ann, INNER, SERVER).port(), 5000);

    let mut w = world(with(PortPolicy::Sequential));
    let first = w.mapped(w.ann, INNER, SERVER).port();
    assert_eq!(w.mapped(w.ann, INNER, OTHER).port(), first + 1);

    let mut w = world(with(PortPolicy::Parity));
    for inner in ["192.168.1.2:5000", "192.168.1.2:5001", "192.168.1.2:5002"] {
        assert_eq!(w.mapped(w.ann, inner, SERVER).port() % 2, at(inner).port() % 2);
    }
}

/// RFC 4787 §4.3: unused mappings end; traffic from inside, and from outside if the NAT is made so, keeps them.
#[test]
fn mappings_live_as_long_as_they_are_used() {
    for (inbound_refresh, alive) in [(true, true), (false, false)] {
        let spec = NatSpec { udp_timeout: Duration::from_secs(30), inbound_refresh, ..NatSpec::port_restricted() };
        let mut w = world(spec);
        let outer = w.mapped(w.ann, INNER, SERVER);
        for _ in 0..5 {
            let until = w.net.now() + Duration::from_secs(20);
            assert_eq!(w.net.poll(until), None);
            w.send(w.server, SERVER, outer);
            w.seen();
        }
        assert_eq!(w.reaches(w.server, SERVER, outer), alive);
    }
}

/// RFC 4787 §6.
#[test]
fn hairpins_turn_packets_round() {
    for (hairpin, source) in [
        (Hairpin::Off, None),
        (Hairpin::ExternalSource, Some(ip("203.0.113.1"))),
        (Hairpin::InternalSource, Some(ip("192.168.1.3"))),
    ] {
        let mut w = world(NatSpec { hairpin, ..NatSpec::full_cone() });
        let bob = w.net.host();
        w.net.attach(bob, w.home, &[ip("192.168.1.3")], LinkSpec::default());
        let outer = w.mapped(w.ann, INNER, SERVER);
        w.send(bob, "192.168.1.3:6000", outer);
        let seen = w.seen();
        let src = seen.iter().find_map(|(host, event)| match event {
            Event::Udp(packet) if *host == w.ann => Some(packet.src.ip()),
            _ => None,
        });
        assert_eq!(src, source, "{hairpin:?}");
    }
}

/// RFC 4787 §4.1: a paired pool gives one inner host one outer address.
#[test]
fn a_paired_pool_keeps_a_hosts_address() {
    let pool = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"];
    for paired in [true, false] {
        let mut w = world_with(NatSpec { paired, ..NatSpec::full_cone() }, &pool, Firewall::open());
        let outers: std::collections::BTreeSet<IpAddr> =
            (5000..5020).map(|port| w.mapped(w.ann, &format!("192.168.1.2:{port}"), SERVER).ip()).collect();
        assert_eq!(outers.len() == 1, paired);
    }
}

#[test]
fn the_conflict_trap_springs_on_the_second_host_only() {
    let spec = NatSpec { ports: PortPolicy::Preserve, conflict_trap: true, ..NatSpec::full_cone() };
    let mut w = world(spec);
    let bob = w.net.host();
    w.net.attach(bob, w.home, &[ip("192.168.1.3")], LinkSpec::default());
    assert_eq!(w.mapped(w.ann, INNER, SERVER), w.mapped(w.ann, INNER, OTHER));
    assert_ne!(w.mapped(bob, "192.168.1.3:5000", SERVER), w.mapped(bob, "192.168.1.3:5000", OTHER));
}

#[test]
fn a_reboot_forgets_mappings_and_may_bring_another_address() {
    let mut w = world(NatSpec::full_cone());
    let before = w.mapped(w.ann, INNER, SERVER);
    w.net.schedule(Duration::from_secs(1), Change::NatReboot { router: w.nat, pool: Some(vec![ip("203.0.113.77")]) });
    let until = w.net.now() + Duration::from_secs(2);
    assert_eq!(w.net.poll(until), None);
    assert!(!w.reaches(w.server, SERVER, before));
    assert_eq!(w.mapped(w.ann, INNER, SERVER).ip(), ip("203.0.113.77"));
}

#[test]
fn a_full_table_drops_new_mappings_and_keeps_old_ones() {
    let mut w = world(NatSpec { max_mappings: 2, ..NatSpec::full_cone() });
    let first = w.mapped(w.ann, INNER, SERVER);
    w.mapped(w.ann, "192.168.1.2:5001", SERVER);
    assert!(!w.reaches(w.ann, "192.168.1.2:5002", at(SERVER)));
    assert!(w.reaches(w.server, SERVER, first));
    assert_eq!(w.net.mappings(w.nat), 2);
}

/// RFC 6146: an IPv6-only host speaks to an IPv4 server under the prefix.
#[test]
fn nat64_translates_both_ways() {
    let mut net = Network::new(1);
    let (internet, home) = (net.segment(), net.segment());
    let (server, ann) = (net.host(), net.host());
    net.attach(server, internet, &[ip("198.51.100.1")], LinkSpec::default());
    net.attach(ann, home, &[ip("2001:db8::2")], LinkSpec::default());
    net.nat(
        NatSpec::nat64(),
        Firewall::open(),
        (home, ip("2001:db8::1")),
        (internet, &[ip("203.0.113.1")]),
        LinkSpec::default(),
    );
    let dst = at("[64:ff9b::c633:6401]:3478");
    net.send(ann, Packet::udp(at("[2001:db8::2]:5000"), dst, *b"x"));
    let until = net.now() + Duration::from_secs(1);
    let Some((host, Event::Udp(packet))) = net.poll(until) else { panic!("nothing arrived") };
    assert_eq!((host, packet.dst, packet.src.ip()), (server, at(SERVER), ip("203.0.113.1")));
    net.send(server, Packet::udp(packet.dst, packet.src, *b"y"));
    let Some((host, Event::Udp(packet))) = net.poll(until) else { panic!("nothing came back") };
    assert_eq!((host, packet.src, packet.dst), (ann, dst, at("[2001:db8::2]:5000")));
}

#[test]
fn two_nats_in_a_row_translate_twice() {
    let mut w = world(NatSpec::port_restricted());
    let inner_home = w.net.segment();
    let cid = w.net.host();
    w.net.attach(cid, inner_home, &[ip("10.0.0.2")], LinkSpec::default());
    let spec = NatSpec::port_restricted();
    w.net.nat(
        spec,
        Firewall::open(),
        (inner_home, ip("10.0.0.1")),
        (w.home, &[ip("192.168.1.9")]),
        LinkSpec::default(),
    );
    let outer = w.mapped(cid, "10.0.0.2:7000", SERVER);
    assert_eq!(outer.ip(), ip("203.0.113.1"));
    assert!(w.reaches(w.server, SERVER, outer));
    assert!(!w.reaches(w.other, OTHER, outer));
}

#[test]
fn a_meddling_gateway_rewrites_plain_addresses_in_payloads() {
    let mut w = world(NatSpec { rewrites_payload: true, ..NatSpec::full_cone() });
    w.net.send(w.ann, Packet::udp(at(INNER), at(SERVER), [1, 192, 168, 1, 2, 9]));
    let [(_, Event::Udp(packet))] = &w.seen()[..] else { panic!("one packet expected") };
    assert_eq!(packet.payload, [1, 203, 0, 113, 1, 9]);
}

/// RFC 792 through a NAT (RFC 5508 §4): the error reaches the inner host and names what it knows.
#[test]
fn errors_find_their_way_back() {
    let mut w = world(NatSpec::port_restricted());
    w.send(w.ann, INNER, at("198.51.100.99:1"));
    let why = Unreachable::Host;
    let expected = Event::Unreachable { from: at(INNER), to: at("198.51.100.99:1"), why };
    assert_eq!(w.seen(), [(w.ann, expected)]);

    w.net.bind(w.server, at(SERVER));
    w.send(w.ann, INNER, at(SERVER_OTHER_PORT));
    let expected = Event::Unreachable { from: at(INNER), to: at(SERVER_OTHER_PORT), why: Unreachable::Port };
    assert_eq!(w.seen(), [(w.ann, expected)]);
}

#[test]
fn firewalls_stop_udp_and_tell_if_they_are_polite() {
    let mut silent = world_with(NatSpec::full_cone(), &["203.0.113.1"], Firewall::udp_blocked());
    silent.send(silent.ann, INNER, at(SERVER));
    assert_eq!(silent.seen(), []);

    let polite = Firewall { reject: true, ..Firewall::udp_blocked() };
    let mut polite = world_with(NatSpec::full_cone(), &["203.0.113.1"], polite);
    polite.send(polite.ann, INNER, at(SERVER));
    let expected = Event::Unreachable { from: at(INNER), to: at(SERVER), why: Unreachable::Prohibited };
    assert_eq!(polite.seen(), [(polite.ann, expected)]);
}

/// IPv6 homes: no translation, and only answers come in (RFC 6092 §3).
#[test]
fn a_stateful_router_lets_answers_in_and_nothing_else() {
    let mut net = Network::new(3);
    let (internet, home) = (net.segment(), net.segment());
    let (server, ann) = (net.host(), net.host());
    net.attach(server, internet, &[ip("2001:db8:f::1")], LinkSpec::default());
    net.attach(ann, home, &[ip("2001:db8:a::2")], LinkSpec::default());
    net.plain_router(
        Firewall::open(),
        true,
        (home, ip("2001:db8:a::1")),
        (internet, &[ip("2001:db8:f::9")]),
        LinkSpec::default(),
    );
    let (a, s) = (at("[2001:db8:a::2]:5000"), at("[2001:db8:f::1]:3478"));
    let until = net.now() + Duration::from_secs(1);
    net.send(server, Packet::udp(s, a, *b"x"));
    assert_eq!(net.poll(until), None, "nobody asked");
    net.send(ann, Packet::udp(a, s, *b"x"));
    let until = net.now() + Duration::from_secs(1);
    assert!(matches!(net.poll(until), Some((host, Event::Udp(_))) if host == server));
    net.send(server, Packet::udp(s, a, *b"x"));
    assert!(matches!(net.poll(until), Some((host, Event::Udp(_))) if host == ann));
}
