//! What attackers send, and what has gone wrong in other servers: each case by itself.

mod common;

use common::*;
use parlour_stun::attribute::*;
use parlour_stun::{AttributeType, Class, IntegrityKey, MessageWriter, Method, TransactionId};
use parlour_turn::server::*;
use parlour_turn::{Ecn, Outbox, PeerPolicy};
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};

const PEER: &str = "203.0.113.5:4000";

/// Addresses that no relay should reach, in all their disguises.
const DENIED: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.1.2.3",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:c0a8:101::1",
    "2002:a9fe:a9fe::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:1ff::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "100::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2a00::5efe:10.0.0.1",
    "2a00::200:5efe:192.168.0.1",
    "fe80::5efe:127.0.0.1",
];

const ALLOWED: &[&str] = &[
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "2001:200::1",
    "2620:fe::fe",
];

fn open_config() -> Config {
    Config { peers: PeerPolicy::default(), ..config() }
}

#[test]
fn the_deny_list_sees_through_every_disguise() {
    let policy = PeerPolicy::default();
    for address in DENIED {
        assert!(!policy.permits(address.parse().unwrap()), "{address} must be denied");
    }
    for address in ALLOWED {
        assert!(policy.permits(address.parse().unwrap()), "{address} must be allowed");
    }
}

#[test]
fn allow_and_deny_ranges_override_in_that_order() {
    let range = |text: &str| text.parse().unwrap();
    let permits = |policy: &PeerPolicy, address: &str| policy.permits(address.parse().unwrap());
    let lan = PeerPolicy { allow: vec![range("10.0.0.0/8")], deny: vec![range("10.0.0.53")], ..PeerPolicy::default() };
    assert!(permits(&lan, "10.1.2.3") && !permits(&lan, "10.0.0.53") && !permits(&lan, "192.168.0.1"));
    assert!(!permits(&lan, "2002:a00:35::1"), "6to4 of the denied one");
    let only = PeerPolicy { allow: vec![range("8.8.8.0/24")], only_allowed: true, ..PeerPolicy::default() };
    assert!(permits(&only, "8.8.8.8") && !permits(&only, "1.1.1.1"));
    let nat64 = PeerPolicy { nat64: vec![range("2a01:64::/96")], ..PeerPolicy::default() };
    assert!(!permits(&nat64, "2a01:64::10.0.0.1") && permits(&nat64, "2a01:64::8.8.8.8"));
}

#[test]
fn denied_peers_are_refused_on_every_path() {
    let mut f = Fixture::with(open_config());
    let tuple = tcp("192.0.2.9:1000");
    let mut ann = Hand::new(&f, tuple);
    assert_eq!(
        ann.ask(&mut f, Method::ALLOCATE, |w| {
            w.put(&RequestedTransport::UDP);
            w.put(&AdditionalAddressFamily(Ok(AddressFamily::Ipv6)));
        })
        .code(),
        0
    );
    let mut con = Hand::new(&f, tcp("192.0.2.9:1001"));
    assert_eq!(con.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::TCP)).code(), 0);
    let IoRequest::BindRelay { relay, .. } = f.requests[2] else { panic!("{:?}", f.requests) };
    for address in DENIED {
        let peer = SocketAddr::new(address.parse().unwrap(), 4000);
        let text = peer.to_string();
        assert_eq!(ann.permit(&mut f, &text), 403, "CreatePermission {address}");
        assert_eq!(ann.bind(&mut f, 0x4000, &text), 403, "ChannelBind {address}");
        assert!(f.client_sends(tuple, &send_indication(peer, b"x")).is_empty(), "Send {address}");
        let code = con.ask(&mut f, Method::CONNECT, |w| w.put(&XorPeerAddress(peer))).code();
        assert_eq!(code, 403, "Connect {address}");
        assert_eq!(f.server.handle_peer_accepted(f.now, relay, peer, &mut f.out), None, "accept {address}");
    }
}

#[test]
fn a_permission_for_an_address_does_not_open_the_servers_own_ports() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    ann.permit(&mut f, "198.51.100.1:0");
    assert!(f.client_sends(ann.tuple, &send_indication(addr("198.51.100.1:3478"), b"x")).is_empty());
    assert_eq!(f.server.counters().dropped_denied, 1);
}

#[test]
fn unauthenticated_answers_are_at_most_twice_their_requests() {
    let key = IntegrityKey::sha1(b"guess");
    let realms = ["parlour", "turn.example.org", "a rather long realm for a company's name"];
    for (realm, client) in realms.iter().flat_map(|realm| [(realm, "192.0.2.9:1000"), (realm, "[2001:db8::9]:1000")]) {
        let mut f = Fixture::with(Config { realm: (*realm).into(), challenges_per_second: 1_000_000, ..config() });
        let tuple = udp(client);
        let methods = (0..16).map(Method).chain([Method(0xFFF)]);
        let mut inputs: Vec<Vec<u8>> = Vec::new();
        for method in methods {
            inputs.push(bare(method, |_| {}));
            inputs.push(bare(method, |w| w.put(&RequestedTransport::UDP)));
            inputs.push(bare(method, |w| w.fingerprint()));
            for length in [4, 8, 16, 24, 32, 48, 64, 100, 400] {
                inputs.push(bare(method, |w| w.put_raw(AttributeType::SOFTWARE, &vec![b'x'; length])));
            }
            inputs.push(bare(method, |w| (0..100).for_each(|n| w.put_raw(AttributeType(0x7000 + n), &[]))));
            inputs.push(bare(method, |w| w.integrity(&key)));
            inputs.push(bare(method, |w| {
                w.put(&Username("u"));
                w.put(&Realm("r"));
                w.put(&Nonce("n"));
                w.integrity(&key);
            }));
        }
        for class in [Class::Indication, Class::Success, Class::Error] {
            let mut bytes = Vec::new();
            MessageWriter::new(&mut bytes, class, Method::ALLOCATE, TransactionId([0; 12])).finish().unwrap();
            inputs.push(bytes);
        }
        inputs.push(vec![0x40, 0, 0, 0]);
        inputs.push(vec![0; 20]);
        let headers = if tuple.client.is_ipv4() { 28 } else { 48 };
        for input in inputs {
            let sent = f.client_sends(tuple, &input);
            let out: usize = sent.iter().map(|sent| sent.bytes.len() + headers).sum();
            assert!(sent.len() <= 1 && out <= 2 * (input.len() + headers), "{out} for {} of {input:x?}", input.len());
            if *realm == "parlour" && tuple.client.is_ipv4() && !sent.is_empty() {
                assert!(sent[0].bytes.len() <= 2 * input.len(), "{} for {input:x?}", sent[0].bytes.len());
            }
        }
        assert!(f.server.is_empty());
    }
}

#[test]
fn what_a_browser_sends_first_is_challenged_within_its_budget() {
    let mut f = Fixture::new();
    let tuple = udp("192.0.2.9:1000");
    let request = bare(Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    assert_eq!(request.len(), 28);
    let answer = f.ask(tuple, &request);
    assert_eq!((answer.code(), answer.0.len()), (401, 56));
    let mut ann = Hand::new(&f, tuple);
    ann.nonce = answer.message().get::<Nonce<'_>>().unwrap().unwrap().0.to_owned();
    ann.allocate(&mut f);
    f.advance(3_700);
    assert_eq!(ann.refresh(&mut f, 600).code(), 438, "the short nonce grows old too");
}

#[test]
fn challenges_to_one_network_are_limited_and_real_users_elsewhere_are_not() {
    let mut f = Fixture::new();
    let request = bare(Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    let mut answered = 0;
    for port in 1..=10_000 {
        answered += f.client_sends(udp(&format!("192.0.2.{}:{port}", port % 256)), &request).len();
    }
    assert_eq!(answered, 256, "four seconds' worth");
    assert_eq!(f.server.counters().limited, 10_000 - 256);
    assert_eq!(f.client_sends(udp("203.0.113.1:1"), &request).len(), 1);
    Hand::new(&f, udp("192.0.2.9:1")).allocate(&mut f);
    f.advance(1);
    assert_eq!(f.client_sends(udp("192.0.2.1:1"), &request).len(), 1);
    assert_eq!(f.client_sends(tcp("192.0.2.1:1"), &request).len(), 1, "a stream has shown its address");
}

#[test]
fn guesses_at_passwords_are_limited_on_streams_too() {
    let mut f = Fixture::new();
    let mut guess = Hand::of(&f, tcp("192.0.2.9:1000"), "ann", "guess");
    let mut answered = 0;
    for _ in 0..1_000 {
        let request = guess.request(Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
        answered += f.client_sends(guess.tuple, &request).len();
    }
    assert_eq!(answered, 256);
    Hand::new(&f, tcp("192.0.2.9:1000")).allocate(&mut f);
}

#[test]
fn attributes_behind_the_integrity_are_not_honoured() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    let mut bytes = ann.request(Method::REFRESH, |_| {});
    bytes.extend_from_slice(&[0, 0x0D, 0, 4, 0, 0, 0, 0]);
    let length = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    assert_eq!(f.ask(ann.tuple, &bytes).code(), 0);
    assert_eq!(f.server.len(), 1, "LIFETIME 0 was added on the way and did nothing");
}

#[test]
fn a_wrong_fingerprint_and_a_changed_byte_change_nothing() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    let good = ann.request(Method::REFRESH, |w| w.put(&Lifetime(0)));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        f.client_sends(ann.tuple, &bad);
        assert_eq!(f.server.len(), 1, "byte {at}");
    }
    for end in 0..good.len() {
        f.client_sends(ann.tuple, &good[..end]);
    }
    assert_eq!(f.server.len(), 1);
}

#[test]
fn channel_data_with_lies_in_its_length_goes_nowhere() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    ann.bind(&mut f, 0x4000, PEER);
    for bad in [
        &[0x40, 0, 0, 5, 1, 2, 3, 4][..],
        &[0x40, 0, 0xFF, 0xFF, 1],
        &[0x40, 0, 0],
        &[0x40],
        &[],
        &[0x3F, 0xFF, 0, 0],
        &[0x50, 0, 0, 0],
    ] {
        assert!(f.client_sends(ann.tuple, bad).is_empty(), "{bad:x?}");
    }
    let big = [&[0x40, 0, 0xFF, 0xFB][..], &[0; 65_531]].concat();
    assert_eq!(f.client_sends(ann.tuple, &big)[0].bytes.len(), 65_531);
}

#[test]
fn the_largest_datagrams_from_peers_do_not_overflow_an_indication() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let answer = ann.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&RequestedAddressFamily(Ok(AddressFamily::Ipv6)));
    });
    ann.permit(&mut f, "[2001:db8::7]:1");
    assert!(f.peer_sends(answer.relayed()[0], addr("[2001:db8::7]:1"), &vec![0; 65_535]).is_empty());
    assert_eq!(f.peer_sends(answer.relayed()[0], addr("[2001:db8::7]:1"), &[0; 1500]).len(), 1);
}

#[test]
fn odd_user_names_are_refused_and_harm_nothing() {
    let mut f = Fixture::new();
    for name in ["", "a\0b", "%s%n", "'; drop table users; --", "x\r\ny", "\u{1b}[2J", "99999999999999999999999:x", ":"]
    {
        let mut hand = Hand::of(&f, udp("192.0.2.9:1000"), name, "x");
        assert_eq!(hand.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code(), 401, "{name:?}");
    }
    let long = "u".repeat(509);
    let mut hand = Hand::of(&f, udp("192.0.2.9:1000"), &long, "x");
    assert_eq!(hand.ask(&mut f, Method::ALLOCATE, |_| {}).code(), 400);
    let bytes = hand.request(Method::ALLOCATE, |w| w.put_raw(AttributeType::USERNAME, &[0xFF, 0xFE]));
    assert_eq!(f.ask(udp("192.0.2.9:1000"), &bytes).code(), 400);
}

#[test]
fn a_thousand_attributes_and_a_used_transaction_id_are_handled() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let answer = ann.ask(&mut f, Method::ALLOCATE, |w| {
        (0..1000).for_each(|_| w.put_raw(AttributeType(0x8FFF), &[]));
        w.put(&RequestedTransport::UDP);
    });
    assert_eq!(answer.code(), 0);
    let id = ann.id();
    let refresh = ann.request_with(id, Method::REFRESH, |w| w.put(&Lifetime(900)));
    assert_eq!(f.ask(ann.tuple, &refresh).code(), 0);
    let permit = ann.request_with(id, Method::CREATE_PERMISSION, |w| w.put(&XorPeerAddress(addr(PEER))));
    assert_eq!(f.ask(ann.tuple, &permit).code(), 0, "an id is reused for another request");
}

#[test]
fn relayed_ports_are_spread_over_the_range() {
    let mut f = Fixture::with({
        let mut config = config();
        config.quotas.allocations_per_user = 1000;
        config.quotas.allocations_per_address = 1000;
        config
    });
    let ports: Vec<u16> =
        (1..=200).map(|port| Hand::new(&f, udp(&format!("192.0.2.9:{port}"))).allocate(&mut f).port()).collect();
    let near = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 100).count();
    assert!(near < 20, "{near} of 200 were near their predecessor");
}

#[test]
fn a_full_port_range_answers_508_and_frees_up_again() {
    let mut f = Fixture::with(Config { ports: 50_000..=50_003, ..config() });
    let mut hands: Vec<_> = (1..=4).map(|port| Hand::new(&f, udp(&format!("192.0.2.9:{port}")))).collect();
    hands.iter_mut().for_each(|hand| {
        hand.allocate(&mut f);
    });
    let mut fifth = Hand::new(&f, udp("192.0.2.9:5"));
    assert_eq!(fifth.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code(), 508);
    hands[2].refresh(&mut f, 0);
    fifth.allocate(&mut f);
}

#[test]
fn an_allocation_that_ends_while_its_port_is_being_bound_leaves_nothing_behind() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, tcp("192.0.2.9:1000"));
    let bytes = ann.request(Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    f.server.handle_client(f.now, ann.tuple, Ecn::NotCapable, &bytes, &mut f.out);
    f.server.handle_client_closed(ann.tuple);
    assert!(f.server.is_empty());
    assert!(f.pump().is_empty());
    let bind = f.requests.iter().find_map(|r| match r {
        IoRequest::BindRelay { relay, .. } => Some(*relay),
        _ => None,
    });
    assert_eq!(f.requests.last(), Some(&IoRequest::CloseRelay { relay: bind.unwrap() }));
}

mod counting {
    //! Counts the bytes that are in use on this thread.
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        static LIVE: Cell<isize> = const { Cell::new(0) };
        static CALLS: Cell<u64> = const { Cell::new(0) };
    }

    struct Counting;

    // SAFETY: passes every call on to the system's allocator unchanged.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let _ = LIVE.try_with(|live| live.set(live.get() + layout.size() as isize));
            let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
            // SAFETY: as the caller promised.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            let _ = LIVE.try_with(|live| live.set(live.get() - layout.size() as isize));
            // SAFETY: as the caller promised.
            unsafe { System.dealloc(pointer, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    pub(crate) fn live() -> isize {
        LIVE.with(Cell::get)
    }

    pub(crate) fn calls() -> u64 {
        CALLS.with(Cell::get)
    }
}

#[test]
fn a_million_spoofed_requests_leave_the_memory_as_it_was() {
    let mut f = Fixture::with(Config { challenges_per_second: 1_000_000, ..config() });
    let key = IntegrityKey::sha1(b"guess");
    let inputs = [
        bare(Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)),
        bare(Method::BINDING, |_| {}),
        bare(Method::REFRESH, |w| {
            w.put(&Username("ann"));
            w.put(&Realm("parlour"));
            w.put(&Nonce("obMatJos2AAADxxxxxxxxxxxxxxxxxxxx"));
            w.integrity(&key);
        }),
        vec![0x40, 0, 0, 0],
    ];
    let before = counting::live();
    let mut out = Outbox::default();
    // The unoptimised build checks a tenth, with the same limit.
    let count = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    for n in 0..count {
        let client = SocketAddr::new(IpAddr::V4(u32::into(0x0B00_0000 + n * 37)), (n % 60_000) as u16 + 1024);
        let tuple = parlour_turn::FiveTuple { client, ..udp("192.0.2.9:1") };
        f.server.handle_client(f.now, tuple, Ecn::NotCapable, &inputs[n as usize % 4], &mut out);
        out.clear();
    }
    let grown = counting::live() - before;
    assert!(grown < 64 * 1024, "{grown} bytes");
    assert!(f.server.is_empty());
}

#[test]
fn an_allocation_takes_less_than_four_kilobytes() {
    let mut f = Fixture::with({
        let mut config = config();
        config.quotas.allocations_per_user = u32::MAX;
        config.quotas.allocations_per_address = u32::MAX;
        config
    });
    let before = counting::live();
    let count = 2_000;
    for port in 1..=count {
        let mut hand = Hand::new(&f, udp(&format!("192.0.2.9:{port}")));
        hand.allocate(&mut f);
        for peer in 1..=4 {
            assert_eq!(hand.bind(&mut f, 0x4000 + peer, &format!("203.0.113.{peer}:1000")), 0);
        }
    }
    f.requests = Vec::new();
    f.events();
    let each = (counting::live() - before) / count;
    assert!(each < 2_048, "{each} bytes an allocation with four channels");
}

#[test]
fn relaying_allocates_nothing_once_the_buffers_have_grown() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let mut bob = Hand::of(&f, udp("192.0.2.10:1000"), "bob", "hidden");
    let (relayed, b) = (ann.allocate(&mut f), bob.allocate(&mut f));
    ann.bind(&mut f, 0x4000, PEER);
    ann.permit(&mut f, "203.0.113.6:1");
    ann.bind(&mut f, 0x4001, &b.to_string());
    bob.permit(&mut f, &relayed.to_string());
    let relay = f.server.relay_at(relayed).unwrap();
    let channel = [&[0x40, 0, 0x04, 0xB0][..], &[7; 1200]].concat();
    let short_cut = [&[0x40, 1, 0x04, 0xB0][..], &[7; 1200]].concat();
    let indication = send_indication(addr("203.0.113.6:1"), &[1; 1200]);
    let round = |f: &mut Fixture| {
        for bytes in [&channel, &indication, &short_cut] {
            f.server.handle_client(f.now, ann.tuple, Ecn::NotCapable, bytes, &mut f.out);
        }
        for peer in [PEER, "203.0.113.6:1"] {
            f.server.handle_peer(f.now, relay, addr(peer), Ecn::NotCapable, &[1; 1200], &mut f.out);
        }
        assert_eq!(f.out.transmits().len(), 5);
        f.out.clear();
    };
    round(&mut f);
    let before = counting::calls();
    (0..1000).for_each(|_| round(&mut f));
    assert_eq!(counting::calls(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever comes in, in whatever order, with good or bad credentials: no panic, no reflection, no leak.
    #[test]
    fn any_sequence_of_requests_leaves_the_server_consistent(
        steps in prop::collection::vec((0u8..12, 0u8..4, any::<u16>(), prop::collection::vec(any::<u8>(), 0..40)), 1..80),
    ) {
        let mut f = Fixture::new();
        let mut hands: Vec<Hand> = (0..4)
            .map(|n| {
                let tuple = if n % 2 == 0 { udp(&format!("192.0.2.9:{}", n + 1)) } else { tcp(&format!("192.0.2.9:{}", n + 1)) };
                Hand::new(&f, tuple)
            })
            .collect();
        for (action, who, number, noise) in steps {
            let hand = &mut hands[usize::from(who)];
            let tuple = hand.tuple;
            let peer = addr(&format!("203.0.113.{}:{}", number % 5, 1000 + number % 3));
            let bytes = match action {
                0 | 1 => hand.request(Method::ALLOCATE, |w| {
                    w.put(&if action == 0 { RequestedTransport::UDP } else { RequestedTransport::TCP });
                    if number % 3 == 0 { w.put(&EvenPort { reserve_next: number % 2 == 0 }); }
                }),
                2 => hand.request(Method::REFRESH, |w| w.put(&Lifetime(u32::from(number)))),
                3 => hand.request(Method::CREATE_PERMISSION, |w| w.put(&XorPeerAddress(peer))),
                4 => hand.request(Method::CHANNEL_BIND, |w| {
                    w.put(&ChannelNumberAttribute(0x4000 + number % 4));
                    w.put(&XorPeerAddress(peer));
                }),
                5 => send_indication(peer, &noise),
                6 => [&[0x40, (number % 4) as u8, 0, noise.len() as u8][..], &noise].concat(),
                7 => hand.request(Method::CONNECT, |w| w.put(&XorPeerAddress(peer))),
                8 => hand.request(Method::CONNECTION_BIND, |w| w.put(&ConnectionId(number.into()))),
                9 => hand.request(Method(number & 0xFFF), |w| w.put_raw(AttributeType(number), &noise)),
                10 => noise,
                _ => { f.advance(u64::from(number % 400)); continue; }
            };
            let sent = f.client_sends(tuple, &bytes);
            prop_assert!(sent.len() <= 1);
        }
        f.advance(10_000);
        prop_assert!(f.server.is_empty());
        prop_assert!(f.server.poll_timeout().is_none());
        let opened = f.requests.iter().filter(|r| matches!(r, IoRequest::BindRelay { .. })).count();
        let closed = f.requests.iter().filter(|r| matches!(r, IoRequest::CloseRelay { .. })).count();
        prop_assert_eq!(opened, closed);
    }
}
