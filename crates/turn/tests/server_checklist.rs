//! The requirements on a TURN server, T1 to T18, by name (RFC 8656 and its companions).

mod common;

use common::*;
use parlour_stun::attribute::*;
use parlour_stun::{
    AttributeType, Class, Integrity, IntegrityKey, LongTermKey, Message, MessageWriter, Method, PasswordAlgorithm,
    SecurityFeatures, TransactionId, userhash,
};
use parlour_turn::server::*;
use parlour_turn::{Cidr, Ecn, Transport};
use std::time::Duration;

const PEER: &str = "203.0.113.5:4000";

#[test]
fn t1_channel_data_is_padded_on_streams_and_not_on_udp() {
    for (tuple, expected) in [(udp("192.0.2.9:1000"), 7), (tcp("192.0.2.9:1001"), 8)] {
        let mut f = Fixture::new();
        let mut ann = Hand::new(&f, tuple);
        let relayed = ann.allocate(&mut f);
        assert_eq!(ann.bind(&mut f, 0x4000, PEER), 0);
        let sent = f.peer_sends(relayed, addr(PEER), b"abc");
        assert_eq!(sent[0].bytes[..7], [0x40, 0, 0, 3, b'a', b'b', b'c']);
        assert_eq!(sent[0].bytes.len(), expected);
    }
}

#[test]
fn t2_tls_clients_are_told_apart_from_tcp_clients_at_the_same_address() {
    let mut f = Fixture::new();
    let mut tls = tcp("192.0.2.9:1000");
    tls.transport = Transport::Tls;
    Hand::new(&f, tcp("192.0.2.9:1000")).allocate(&mut f);
    Hand::new(&f, tls).allocate(&mut f);
    assert_eq!(f.server.len(), 2);
}

#[test]
fn t3_allocate_refuses_with_the_codes_of_the_rfc() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let mut code = |fill: &dyn Fn(&mut MessageWriter<'_>)| ann.ask(&mut f, Method::ALLOCATE, fill).code();
    let v4 = RequestedAddressFamily(Ok(AddressFamily::Ipv4));
    assert_eq!(code(&|_| {}), 400, "no REQUESTED-TRANSPORT");
    assert_eq!(code(&|w| w.put(&RequestedTransport(99))), 442);
    assert_eq!(code(&|w| w.put(&RequestedTransport::TCP)), 400, "TCP relay over UDP");
    assert_eq!(code(&|w| w.put_raw(AttributeType::REQUESTED_TRANSPORT, &[17])), 400);
    let udp = |w: &mut MessageWriter<'_>| w.put(&RequestedTransport::UDP);
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put(&RequestedAddressFamily(Err(9)));
        }),
        440
    );
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put(&v4);
            w.put(&AdditionalAddressFamily(Ok(AddressFamily::Ipv6)));
        }),
        400
    );
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put(&AdditionalAddressFamily(Ok(AddressFamily::Ipv4)));
        }),
        400
    );
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put(&ReservationToken(1));
        }),
        508,
        "unknown token"
    );
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put(&ReservationToken(1));
            w.put(&EvenPort { reserve_next: false });
        }),
        400
    );
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put(&ReservationToken(1));
            w.put(&v4);
        }),
        400
    );
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put(&MobilityTicket(b"x"));
        }),
        400,
        "a ticket in Allocate must be empty"
    );
    assert_eq!(
        code(&|w| {
            udp(w);
            w.put_raw(AttributeType(0x7000), &[]);
        }),
        420
    );
    assert!(f.server.is_empty());
}

#[test]
fn t3_an_allocation_gives_addresses_and_lifetime_and_a_second_one_is_a_mismatch() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let answer = ann.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    assert_eq!((answer.code(), answer.lifetime()), (0, 600));
    assert_eq!(answer.relayed()[0].ip(), "198.51.100.1".parse::<std::net::IpAddr>().unwrap());
    assert!((49_152..=65_535).contains(&answer.relayed()[0].port()));
    assert_eq!(answer.message().get::<XorMappedAddress>().unwrap().unwrap().0, ann.tuple.client);
    assert_eq!(ann.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code(), 437);
}

#[test]
fn t3_a_retransmitted_allocate_gets_the_same_answer() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let bytes = ann.request(Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    let first = f.ask(ann.tuple, &bytes);
    assert_eq!(f.ask(ann.tuple, &bytes).0, first.0);
    assert_eq!(f.server.len(), 1);
}

#[test]
fn t3_other_ports_are_tried_when_one_is_taken_and_508_follows_when_all_are() {
    let mut f = Fixture::new();
    let mut failures = 3;
    f.bind_fails = Box::new(move |_| {
        failures -= 1;
        failures >= 0
    });
    Hand::new(&f, udp("192.0.2.9:1000")).allocate(&mut f);
    f.bind_fails = Box::new(|_| true);
    let mut bob = Hand::of(&f, udp("192.0.2.9:1001"), "bob", "hidden");
    assert_eq!(bob.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code(), 508);
    assert_eq!(f.server.len(), 1);
    f.bind_fails = Box::new(|_| false);
    bob.allocate(&mut f);
}

#[test]
fn t3_quotas_per_user_address_and_in_all_are_kept_and_given_back() {
    let mut config = config();
    config.quotas.allocations = 5;
    config.quotas.allocations_per_user = 2;
    config.quotas.allocations_per_address = 3;
    let mut f = Fixture::with(config);
    let code = |f: &mut Fixture, client: &str, user: &str, password: &str| {
        let mut hand = Hand::of(f, udp(client), user, password);
        (hand.ask(f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code(), hand)
    };
    let (first, mut ann) = code(&mut f, "192.0.2.9:1", "ann", "secret");
    assert_eq!(first, 0);
    assert_eq!(code(&mut f, "192.0.2.9:2", "ann", "secret").0, 0);
    assert_eq!(code(&mut f, "192.0.2.9:3", "ann", "secret").0, 486, "two of one user");
    assert_eq!(code(&mut f, "192.0.2.9:4", "bob", "hidden").0, 0);
    assert_eq!(code(&mut f, "192.0.2.9:5", "bob", "hidden").0, 486, "three of one address");
    assert_eq!(ann.refresh(&mut f, 0).code(), 0);
    assert_eq!(code(&mut f, "192.0.2.9:6", "ann", "secret").0, 0, "the quota came back");
    for (port, id) in [(7, "c"), (8, "d")] {
        let (user, password) = time_limited(SECRET, id, UNIX.as_secs() + 60);
        assert_eq!(code(&mut f, &format!("203.0.113.1:{port}"), &user, &password).0, 0);
    }
    let (user, password) = time_limited(SECRET, "e", UNIX.as_secs() + 60);
    assert_eq!(code(&mut f, "203.0.113.2:9", &user, &password).0, 508, "five in all");
}

#[test]
fn t4_even_port_reserves_its_neighbour_only_with_the_r_bit() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let even = ann.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&EvenPort { reserve_next: false });
    });
    assert_eq!(even.relayed()[0].port() % 2, 0);
    assert_eq!(even.message().get::<ReservationToken>().unwrap(), None);
    let sibling = |answer: &Answer| {
        let mut address = answer.relayed()[0];
        address.set_port(address.port() + 1);
        address
    };
    assert_eq!(f.server.relay_at(sibling(&even)), None, "R=0 reserves nothing");

    let mut bob = Hand::of(&f, udp("192.0.2.9:1001"), "bob", "hidden");
    let pair = bob.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&EvenPort { reserve_next: true });
    });
    let token = pair.message().get::<ReservationToken>().unwrap().unwrap();
    assert_eq!(pair.relayed()[0].port() % 2, 0);
    let mut second = Hand::of(&f, udp("192.0.2.9:1002"), "bob", "hidden");
    let taken = second.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&token);
    });
    assert_eq!(taken.relayed(), [sibling(&pair)]);
    let mut third = Hand::of(&f, udp("192.0.2.9:1003"), "bob", "hidden");
    let again = third.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&token);
    });
    assert_eq!(again.code(), 508, "a token is good once");
}

#[test]
fn t4_a_reservation_ends_after_30_seconds() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let pair = ann.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&EvenPort { reserve_next: true });
    });
    let token = pair.message().get::<ReservationToken>().unwrap().unwrap();
    f.advance(31);
    let mut second = Hand::new(&f, udp("192.0.2.9:1001"));
    let answer = second.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&token);
    });
    assert_eq!(answer.code(), 508);
    assert!(f.requests.iter().any(|request| matches!(request, IoRequest::CloseRelay { .. })));
}

#[test]
fn t5_families_single_dual_and_half() {
    let mut f = Fixture::new();
    let mut six = Hand::new(&f, udp("192.0.2.9:1000"));
    let answer = six.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&RequestedAddressFamily(Ok(AddressFamily::Ipv6)));
    });
    assert!(answer.relayed()[0].is_ipv6());
    assert_eq!(six.permit(&mut f, PEER), 443);
    assert_eq!(six.bind(&mut f, 0x4000, PEER), 443);

    let dual = |w: &mut MessageWriter<'_>| {
        w.put(&RequestedTransport::UDP);
        w.put(&AdditionalAddressFamily(Ok(AddressFamily::Ipv6)));
    };
    let mut both = Hand::new(&f, udp("192.0.2.9:1001"));
    let answer = both.ask(&mut f, Method::ALLOCATE, dual);
    assert_eq!(answer.relayed().iter().map(|a| a.is_ipv4()).collect::<Vec<_>>(), [true, false]);
    assert_eq!((both.permit(&mut f, PEER), both.permit(&mut f, "[2001:db8::7]:9")), (0, 0));
    let sent = f.client_sends(both.tuple, &send_indication(addr("[2001:db8::7]:9"), b"six"));
    let IoRequest::BindRelay { relay, .. } = f.requests[2] else { panic!("{:?}", f.requests) };
    assert_eq!((sent[0].via, sent[0].to), (Via::Relay(relay), addr("[2001:db8::7]:9")));

    // One half may be given up by itself.
    let mut drop = |family| {
        both.ask(&mut f, Method::REFRESH, |w| {
            w.put(&Lifetime(0));
            w.put(&RequestedAddressFamily(Ok(family)));
        })
        .code()
    };
    assert_eq!(drop(AddressFamily::Ipv6), 0);
    assert_eq!(drop(AddressFamily::Ipv6), 443);
    assert_eq!(f.server.len(), 2);

    let mut config = config();
    config.relays.truncate(1);
    let mut f = Fixture::with(config);
    let mut half = Hand::new(&f, udp("192.0.2.9:1002"));
    let answer = half.ask(&mut f, Method::ALLOCATE, dual);
    let error = answer.message().get::<AddressErrorCode<'_>>().unwrap().unwrap();
    assert_eq!((answer.relayed().len(), error.family, error.error.code), (1, AddressFamily::Ipv6, 440));
    let mut none = Hand::new(&f, udp("192.0.2.9:1003"));
    let answer = none.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&RequestedAddressFamily(Ok(AddressFamily::Ipv6)));
    });
    assert_eq!(answer.code(), 440);
}

#[test]
fn t5_half_of_a_dual_allocation_survives_when_the_other_half_cannot_be_bound() {
    let mut f = Fixture::new();
    f.bind_fails = Box::new(|address| address.is_ipv6());
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let answer = ann.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&AdditionalAddressFamily(Ok(AddressFamily::Ipv6)));
    });
    let error = answer.message().get::<AddressErrorCode<'_>>().unwrap().unwrap();
    assert_eq!((answer.relayed().len(), error.family, error.error.code), (1, AddressFamily::Ipv6, 508));
}

#[test]
fn t6_lifetimes_are_clamped_and_zero_deletes() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    for (asked, granted) in [(1, 600), (600, 600), (1000, 1000), (u32::MAX, 3600)] {
        assert_eq!(ann.refresh(&mut f, asked).lifetime(), granted);
    }
    assert_eq!(ann.refresh(&mut f, 0).lifetime(), 0);
    assert!(f.server.is_empty());
    assert_eq!(ann.refresh(&mut f, 0).code(), 437, "there is nothing left to delete");
}

#[test]
fn t6_an_allocation_ends_when_it_is_not_refreshed() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    f.advance(599);
    assert_eq!(ann.refresh(&mut f, 700).code(), 0);
    f.advance(699);
    assert_eq!(f.server.len(), 1);
    f.advance(2);
    assert!(f.server.is_empty());
    assert_eq!(f.server.relay_at(relayed), None);
    let ended = f.events().into_iter().any(|e| matches!(e, Event::Ended { reason: EndReason::Expired, .. }));
    assert!(ended && f.server.poll_timeout().is_none());
}

#[test]
fn t6_another_users_allocation_cannot_be_touched() {
    let mut f = Fixture::new();
    let tuple = udp("192.0.2.9:1000");
    Hand::new(&f, tuple).allocate(&mut f);
    let mut bob = Hand::of(&f, tuple, "bob", "hidden");
    assert_eq!(bob.refresh(&mut f, 0).code(), 441);
    assert_eq!(bob.permit(&mut f, PEER), 441);
    assert_eq!(bob.bind(&mut f, 0x4000, PEER), 441);
    assert_eq!(bob.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code(), 437);
    assert_eq!(f.server.len(), 1);
}

#[test]
fn t7_permissions_are_for_an_address_and_last_300_seconds() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    assert!(f.peer_sends(relayed, addr(PEER), b"too early").is_empty());
    assert_eq!(ann.permit(&mut f, "203.0.113.5:0"), 0);
    let sent = f.peer_sends(relayed, addr("203.0.113.5:9999"), b"any port");
    assert_eq!(data_of(&sent[0].bytes), (addr("203.0.113.5:9999"), b"any port".to_vec()));
    assert!(f.peer_sends(relayed, addr("203.0.113.6:4000"), b"another").is_empty());
    f.advance(301);
    assert!(f.peer_sends(relayed, addr(PEER), b"too late").is_empty());
    assert!(f.client_sends(ann.tuple, &send_indication(addr(PEER), b"too late")).is_empty());
}

#[test]
fn t7_create_permission_is_all_or_nothing() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    let answer = ann.ask(&mut f, Method::CREATE_PERMISSION, |w| {
        w.put(&XorPeerAddress(addr(PEER)));
        w.put(&XorPeerAddress(addr("127.0.0.1:1")));
    });
    assert_eq!(answer.code(), 403);
    assert!(f.peer_sends(relayed, addr(PEER), b"x").is_empty());
    assert_eq!(ann.ask(&mut f, Method::CREATE_PERMISSION, |_| {}).code(), 400);
    let answer = ann.ask(&mut f, Method::CREATE_PERMISSION, |w| {
        w.put(&XorPeerAddress(addr(PEER)));
        w.put_raw(AttributeType::XOR_PEER_ADDRESS, &[0, 1, 2]);
    });
    assert_eq!(answer.code(), 400);
}

#[test]
fn t7_permissions_and_channels_are_capped_and_old_ones_make_room() {
    let mut config = config();
    config.quotas.permissions = 20;
    config.quotas.channels = 10;
    let mut f = Fixture::with(config);
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    for n in 0..20 {
        assert_eq!(ann.permit(&mut f, &format!("203.0.113.{n}:1")), 0);
    }
    assert_eq!(ann.permit(&mut f, "203.0.113.5:7"), 0, "a known one is only refreshed");
    assert_eq!(ann.permit(&mut f, "203.0.113.99:1"), 508);
    f.advance(301);
    assert_eq!(ann.permit(&mut f, "203.0.113.99:1"), 0);
    for n in 0..10 {
        assert_eq!(ann.bind(&mut f, 0x4000 + n, &format!("203.0.113.99:{}", 2000 + n)), 0);
    }
    assert_eq!(ann.bind(&mut f, 0x4100, "203.0.113.99:1"), 508);
}

#[test]
fn t8_only_channels_from_0x4000_to_0x4fff_are_bound_and_conflicts_are_refused() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    for (channel, code) in [(0x3FFF, 400), (0x5000, 400), (0x7FFF, 400), (0, 400), (0x4000, 0), (0x4FFF, 400)] {
        assert_eq!(ann.bind(&mut f, channel, PEER), code, "{channel:#x}: the peer is bound to 0x4000");
    }
    assert_eq!(ann.bind(&mut f, 0x4000, "203.0.113.5:4001"), 400, "the channel is bound to another peer");
    assert_eq!(ann.bind(&mut f, 0x4000, PEER), 0, "a refresh");
    assert_eq!(ann.bind(&mut f, 0x4FFF, "203.0.113.5:4001"), 0, "another port is another channel");
    assert_eq!(ann.bind(&mut f, 0x4001, "203.0.113.5:0"), 403);
}

#[test]
fn t8_a_channel_lasts_600_seconds_and_blocks_its_number_for_300_more() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    ann.refresh(&mut f, 3600);
    assert_eq!(ann.bind(&mut f, 0x4000, PEER), 0);
    let channel_data = [0x40, 0, 0, 1, b'x'];
    f.advance(599);
    assert_eq!(f.client_sends(ann.tuple, &channel_data).len(), 1, "a channel needs no permission to send");
    assert!(f.peer_sends(relayed, addr(PEER), b"x").is_empty(), "the peer does");
    f.advance(2);
    assert!(f.client_sends(ann.tuple, &channel_data).is_empty());
    assert_eq!(ann.bind(&mut f, 0x4000, "203.0.113.7:1"), 400);
    f.advance(300);
    assert_eq!(ann.bind(&mut f, 0x4000, "203.0.113.7:1"), 0);
    assert_eq!(ann.bind(&mut f, 0x4001, PEER), 0);
}

#[test]
fn t9_data_flows_by_indications_and_by_channels() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    assert!(f.client_sends(ann.tuple, &send_indication(addr(PEER), b"no permission")).is_empty());
    ann.permit(&mut f, PEER);
    let relay = f.server.relay_at(relayed).unwrap();
    let sent = f.client_sends(ann.tuple, &send_indication(addr(PEER), b"hello"));
    assert_eq!((sent[0].via, sent[0].to, &sent[0].bytes[..]), (Via::Relay(relay), addr(PEER), &b"hello"[..]));
    let back = f.peer_sends(relayed, addr(PEER), b"hi");
    assert_eq!((back[0].via, data_of(&back[0].bytes)), (Via::Client(ann.tuple), (addr(PEER), b"hi".to_vec())));

    assert_eq!(ann.bind(&mut f, 0x4001, PEER), 0);
    let sent = f.client_sends(ann.tuple, &[0x40, 1, 0, 2, b'y', b'o', 0, 0]);
    assert_eq!((sent[0].to, &sent[0].bytes[..]), (addr(PEER), &b"yo"[..]));
    assert_eq!(f.peer_sends(relayed, addr(PEER), b"hi")[0].bytes, [0x40, 1, 0, 2, b'h', b'i']);
    let empty = f.client_sends(ann.tuple, &[0x40, 1, 0, 0]);
    assert_eq!((empty.len(), empty[0].bytes.len()), (1, 0), "an empty datagram is sent too");
    assert!(f.client_sends(ann.tuple, &[0x40, 2, 0, 0]).is_empty(), "not bound");
}

#[test]
fn t9_dont_fragment_is_set_or_refused_and_ecn_is_kept() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    ann.permit(&mut f, PEER);
    let mut bytes = Vec::new();
    let mut writer = MessageWriter::new(&mut bytes, Class::Indication, Method::SEND, TransactionId([3; 12]));
    writer.put(&XorPeerAddress(addr(PEER)));
    writer.put(&DontFragment);
    writer.put(&Data(b"x"));
    writer.finish().unwrap();
    f.server.handle_client(f.now, ann.tuple, Ecn::Ect1, &bytes, &mut f.out);
    let sent = f.pump();
    assert_eq!((sent[0].dont_fragment, sent[0].ecn), (true, Ecn::Ect1));
    let relay = f.server.relay_at(relayed).unwrap();
    f.server.handle_peer(f.now, relay, addr(PEER), Ecn::CongestionExperienced, b"y", &mut f.out);
    assert_eq!(f.pump()[0].ecn, Ecn::CongestionExperienced);

    let mut f = Fixture::with(Config { dont_fragment: false, ..config() });
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let answer = ann.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&DontFragment);
    });
    let unknown: Vec<_> = answer.message().get::<UnknownAttributes<'_>>().unwrap().unwrap().iter().collect();
    assert_eq!((answer.code(), unknown), (420, vec![AttributeType::DONT_FRAGMENT]));
    ann.allocate(&mut f);
    ann.permit(&mut f, PEER);
    assert!(f.client_sends(ann.tuple, &bytes).is_empty());
}

#[test]
fn t9_icmp_errors_reach_the_client_and_disturb_nobody() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    ann.bind(&mut f, 0x4000, PEER);
    ann.permit(&mut f, "203.0.113.6:1");
    let relay = f.server.relay_at(relayed).unwrap();
    let icmp = Icmp { icmp_type: 3, icmp_code: 4, error_data: 1280 };
    f.server.handle_peer_error(f.now, relay, addr("203.0.113.6:1"), Some(icmp), &mut f.out);
    f.server.handle_peer_error(f.now, relay, addr("203.0.113.6:1"), None, &mut f.out);
    f.server.handle_peer_error(f.now, relay, addr("203.0.113.77:1"), Some(icmp), &mut f.out);
    let sent = f.pump();
    assert_eq!(sent.len(), 1, "only with a permission, only for ICMP");
    let message = Message::parse(&sent[0].bytes).unwrap();
    assert_eq!(message.get::<Icmp>().unwrap(), Some(icmp));
    assert!(!message.has(AttributeType::DATA));
    assert_eq!(f.client_sends(ann.tuple, &[0x40, 0, 0, 1, 1]).len(), 1);
    assert_eq!(f.peer_sends(relayed, addr(PEER), b"x").len(), 1);
    assert_eq!(f.server.counters().peer_errors, 3);
}

#[test]
fn t10_authentication_goes_401_then_438_then_success() {
    let mut f = Fixture::new();
    let tuple = udp("192.0.2.9:1000");
    let first = f.ask(
        tuple,
        &bare(Method::ALLOCATE, |w| {
            w.put(&RequestedTransport::UDP);
            w.put(&Software("a client that says more than it must"));
        }),
    );
    assert_eq!(first.code(), 401);
    let mut ann = Hand::new(&f, tuple);
    ann.nonce = first.message().get::<Nonce<'_>>().unwrap().unwrap().0.to_owned();
    assert_eq!(first.message().get::<Realm<'_>>().unwrap().unwrap().0, ann.realm);
    f.advance(3_601);
    let stale = ann.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    assert_eq!(stale.code(), 438);
    ann.nonce = stale.message().get::<Nonce<'_>>().unwrap().unwrap().0.to_owned();
    ann.allocate(&mut f);
}

#[test]
fn t10_the_order_of_checks_gives_nothing_away() {
    let mut f = Fixture::new();
    let tuple = udp("192.0.2.9:1000");
    // Unknown attributes and bad semantics are seen only by those who have proved themselves.
    let bytes = bare(Method::ALLOCATE, |w| {
        w.put_raw(AttributeType(0x7000), &[0; 32]);
        w.put(&RequestedTransport(99));
    });
    assert_eq!(f.ask(tuple, &bytes).code(), 401);
    let mut ann = Hand::new(&f, tuple);
    let mut wrong = Hand::of(&f, tuple, "ann", "guess");
    let mut nobody = Hand::of(&f, tuple, "nobody", "guess");
    let fill = |w: &mut MessageWriter<'_>| w.put(&RequestedTransport(99));
    let shape = |answer: Answer| (answer.code(), answer.0.len());
    assert_eq!(shape(wrong.ask(&mut f, Method::ALLOCATE, fill)), shape(nobody.ask(&mut f, Method::ALLOCATE, fill)));
    ann.realm = "other".into();
    assert_eq!(ann.ask(&mut f, Method::ALLOCATE, fill).code(), 401);
    assert!(f.server.is_empty());
}

#[test]
fn t10_integrity_without_name_realm_or_nonce_is_a_bad_request() {
    let mut f = Fixture::new();
    let key = IntegrityKey::sha1(b"k");
    for missing in 0..3 {
        let bytes = bare(Method::ALLOCATE, |w| {
            if missing != 0 {
                w.put(&Username("ann"));
            }
            if missing != 1 {
                w.put(&Realm("parlour"));
            }
            if missing != 2 {
                w.put(&Nonce("x"));
            }
            w.integrity(&key);
        });
        assert_eq!(f.ask(udp("192.0.2.9:1"), &bytes).code(), 400);
    }
}

#[test]
fn t10_sha_256_and_userhash_are_taken_and_answered_in_kind() {
    let mut f = Fixture::with_credentials(config(), Credentials::new().user("ann", "secret"));
    let tuple = udp("192.0.2.9:1000");
    let padded = |w: &mut MessageWriter<'_>| {
        w.put(&RequestedTransport::UDP);
        w.put(&Software("a client that says more than it must, to be told more"));
    };
    let challenge = f.ask(tuple, &bare(Method::ALLOCATE, padded));
    let challenge = challenge.message();
    let nonce = challenge.get::<Nonce<'_>>().unwrap().unwrap();
    let offered = challenge.get::<PasswordAlgorithms<'_>>().unwrap().unwrap();
    assert_eq!(SecurityFeatures::choose(nonce.0, Some(offered)), Ok(Some(PasswordAlgorithm::Sha256)));
    assert!(SecurityFeatures::of_nonce(nonce.0).username_anonymity);
    let raw = LongTermKey::new(PasswordAlgorithm::Sha256, "ann", "parlour", "secret");
    let key = IntegrityKey::sha256(raw.as_bytes());
    let request = |id: u8, list: Option<PasswordAlgorithms<'_>>, chosen: Option<u16>| {
        let mut bytes = Vec::new();
        let mut w = MessageWriter::new(&mut bytes, Class::Request, Method::ALLOCATE, TransactionId([id; 12]));
        padded(&mut w);
        w.put(&Userhash(userhash("ann", "parlour")));
        w.put(&Realm("parlour"));
        w.put(&nonce);
        list.iter().for_each(|list| w.put(list));
        chosen.iter().for_each(|chosen| w.put(&ChosenPasswordAlgorithm(*chosen)));
        w.integrity(&key);
        w.finish().unwrap();
        bytes
    };
    // Bidding down: a list without its best entry, a list without a choice, a choice without a list.
    let weaker = PasswordAlgorithms(&[0, 1, 0, 0]);
    assert_eq!(f.ask(tuple, &request(1, Some(weaker), Some(1))).code(), 400);
    assert_eq!(f.ask(tuple, &request(2, Some(offered), None)).code(), 400);
    assert_eq!(f.ask(tuple, &request(3, None, Some(2))).code(), 400);
    assert_eq!(f.ask(tuple, &request(4, Some(offered), Some(7))).code(), 400);
    let answer = f.ask(tuple, &request(5, Some(offered), Some(2)));
    assert_eq!(answer.code(), 0);
    assert_eq!(answer.message().verify(&key), Integrity::Valid);
    assert!(!answer.message().has_integrity());
}

#[test]
fn t11_nonces_hold_for_one_address_any_port_and_a_limited_time() {
    let mut f = Fixture::new();
    let challenge = f.ask(udp("192.0.2.9:1000"), &bare(Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)));
    let nonce = challenge.message().get::<Nonce<'_>>().unwrap().unwrap().0.to_owned();
    let mut code = |client: &str, nonce: &str| {
        let mut hand = Hand::new(&f, udp(client));
        hand.nonce = nonce.to_owned();
        hand.ask(&mut f, Method::REFRESH, |_| {}).code()
    };
    assert_eq!(code("192.0.2.9:2000", &nonce), 437, "accepted, and there is no allocation");
    assert_eq!(code("192.0.2.10:1000", &nonce), 438, "another address");
    for at in 0..nonce.len() {
        let mut forged = nonce.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(code("192.0.2.9:1000", std::str::from_utf8(&forged).unwrap()), 438, "character {at}");
    }
    for odd in ["", "x", "obMatJos2", "obMatJos2AAAB", "obMatJos2AAAB////"] {
        assert_eq!(code("192.0.2.9:1000", odd), 438, "{odd:?}");
    }
}

#[test]
fn t11_a_nonce_handed_out_beforehand_is_good_for_its_user_anywhere() {
    let mut f = Fixture::new();
    Hand::new(&f, udp("192.0.2.9:1000")).allocate(&mut f);
    let mut bob = Hand::of(&f, udp("192.0.2.9:1001"), "bob", "hidden");
    bob.nonce = f.server.nonces().for_user("ann", UNIX.as_secs());
    assert_eq!(bob.refresh(&mut f, 0).code(), 438);
}

#[test]
fn t12_time_limited_credentials_work_until_they_expire_with_any_secret() {
    let second: &[u8] = b"another secret, for rotation";
    let credentials = || Credentials::new().secret(SECRET).secret(second);
    let mut f = Fixture::with_credentials(config(), credentials());
    for (port, secret) in [(1, SECRET), (2, second)] {
        let (user, password) = time_limited(secret, "ann", UNIX.as_secs() + 300);
        Hand::of(&f, udp(&format!("192.0.2.9:{port}")), &user, &password).allocate(&mut f);
    }
    let mut code = |user: &str, password: &str| {
        let mut hand = Hand::of(&f, udp("192.0.2.9:3"), user, password);
        hand.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code()
    };
    let (old, password) = time_limited(SECRET, "ann", UNIX.as_secs());
    assert_eq!(code(&old, &password), 401, "expired");
    let (user, password) = time_limited(b"no secret of ours!", "ann", UNIX.as_secs() + 300);
    assert_eq!(code(&user, &password), 401);
    let (user, _) = time_limited(SECRET, "ann", UNIX.as_secs() + 300);
    assert_eq!(code(&user, "x"), 401);
    let (bare, password) = time_limited(SECRET, "", UNIX.as_secs() + 300);
    assert_eq!(code(&bare, &password), 0, "the id is optional");
}

#[test]
fn t12_strict_expiry_ends_allocations_with_their_credential() {
    for (strict, left) in [(true, 0), (false, 1)] {
        let mut f = Fixture::with(Config { strict_expiry: strict, ..config() });
        let (user, password) = time_limited(SECRET, "ann", UNIX.as_secs() + 100);
        let mut ann = Hand::of(&f, udp("192.0.2.9:1"), &user, &password);
        ann.allocate(&mut f);
        f.advance(101);
        assert_eq!(f.server.len(), left);
    }
}

#[test]
fn t13_bandwidth_is_limited_per_allocation_and_per_user() {
    let limits: [fn(&mut Quotas); 2] = [|q| q.allocation_rate = Some(100_000), |q| q.user_rate = Some(100_000)];
    for set in limits {
        let mut config = config();
        set(&mut config.quotas);
        let mut f = Fixture::with(config);
        let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
        ann.allocate(&mut f);
        ann.bind(&mut f, 0x4000, PEER);
        let packet = [&[0x40, 0, 0x03, 0xE8][..], &[0; 1000]].concat();
        let burst = |f: &mut Fixture| (0..300).map(|_| f.client_sends(ann.tuple, &packet).len()).sum::<usize>();
        assert_eq!(burst(&mut f), 100);
        f.advance(1);
        assert_eq!(burst(&mut f), 100);
        assert_eq!(f.server.counters().dropped_bandwidth, 400);
    }
}

#[test]
fn t16_the_server_itself_cannot_be_reached_through_it() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    assert_eq!(ann.bind(&mut f, 0x4000, "198.51.100.1:3478"), 403, "the listener");
    assert_eq!(ann.bind(&mut f, 0x4000, "198.51.100.1:22"), 403, "another service of this host");
    assert_eq!(ann.permit(&mut f, "198.51.100.1:0"), 0, "but relays of ours may be peers");
    for port in [22, 3478, 0] {
        let peer = addr(&format!("198.51.100.1:{port}"));
        assert!(f.client_sends(ann.tuple, &send_indication(peer, b"x")).is_empty(), "{port}");
    }
}

#[test]
fn client_to_client_traffic_stays_in_memory_and_obeys_the_other_sides_permissions() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let mut bob = Hand::of(&f, udp("192.0.2.10:1000"), "bob", "hidden");
    let (a, b) = (ann.allocate(&mut f), bob.allocate(&mut f));
    assert_eq!(ann.bind(&mut f, 0x4000, &b.to_string()), 0);
    let packet = [0x40, 0, 0, 2, b'h', b'i'];
    assert!(f.client_sends(ann.tuple, &packet).is_empty(), "bob has not permitted ann's relay");
    assert_eq!(bob.permit(&mut f, &a.to_string()), 0);
    let sent = f.client_sends(ann.tuple, &packet);
    assert_eq!((sent.len(), sent[0].via), (1, Via::Client(bob.tuple)));
    assert_eq!(data_of(&sent[0].bytes), (a, b"hi".to_vec()));
    assert_eq!(bob.bind(&mut f, 0x4ABC, &a.to_string()), 0);
    assert_eq!(f.client_sends(ann.tuple, &packet)[0].bytes, [0x4A, 0xBC, 0, 2, b'h', b'i']);
    assert_eq!(f.server.counters().short_cuts, 3);
}

#[test]
fn client_to_client_works_behind_one_to_one_nat() {
    let mut config = config();
    config.relays[0].external = Some("192.0.2.200".parse().unwrap());
    let mut f = Fixture::with(config);
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let mut bob = Hand::of(&f, udp("192.0.2.10:1000"), "bob", "hidden");
    let (a, b) = (ann.allocate(&mut f), bob.allocate(&mut f));
    assert_eq!(a.ip(), "192.0.2.200".parse::<std::net::IpAddr>().unwrap());
    ann.bind(&mut f, 0x4000, &b.to_string());
    bob.permit(&mut f, &a.to_string());
    assert_eq!(data_of(&f.client_sends(ann.tuple, &[0x40, 0, 0, 1, b'x'])[0].bytes), (a, b"x".to_vec()));
}

#[test]
fn t17_a_burst_on_one_channel_is_one_train() {
    let mut f = Fixture::new();
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    ann.bind(&mut f, 0x4000, PEER);
    let packet = [&[0x40, 0, 0x04, 0xB0][..], &[7; 1200]].concat();
    (0..40).for_each(|_| f.server.handle_client(f.now, ann.tuple, Ecn::NotCapable, &packet, &mut f.out));
    let [train] = f.out.transmits() else { panic!("one train") };
    assert_eq!((train.segment_size, train.segments()), (1200, 40));
    f.out.clear();
    let relay = f.server.relay_at(relayed).unwrap();
    (0..40).for_each(|_| f.server.handle_peer(f.now, relay, addr(PEER), Ecn::NotCapable, &[7; 1200], &mut f.out));
    let [train] = f.out.transmits() else { panic!("one train") };
    assert_eq!((train.segment_size, train.segments()), (1204, 40));
}

#[test]
fn t18_allocations_are_listed_kicked_and_drained() {
    let mut f = Fixture::with(Config { alternate_server: Some(addr("192.0.2.99:3478")), ..config() });
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let relayed = ann.allocate(&mut f);
    let listed: Vec<_> = f.server.allocations().collect();
    assert_eq!((&*listed[0].username, &listed[0].relayed[..], listed[0].client), ("ann", &[relayed][..], ann.tuple));
    f.server.drain();
    let mut bob = Hand::of(&f, udp("192.0.2.9:1001"), "bob", "hidden");
    let answer = bob.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    assert_eq!(answer.code(), 300);
    assert_eq!(answer.message().get::<AlternateServer>().unwrap().unwrap().0, addr("192.0.2.99:3478"));
    assert_eq!(ann.refresh(&mut f, 600).code(), 0, "those that exist go on");
    assert!(f.server.kick(listed[0].allocation));
    assert!(!f.server.kick(listed[0].allocation));
    assert_eq!(f.events().last(), Some(&Event::Drained));
    assert_eq!(ann.refresh(&mut f, 600).code(), 437);
}

#[test]
fn configurations_that_would_be_unsafe_are_refused() {
    let make = |config: Config, credentials: Credentials| {
        let nonces = Nonces::new(&[7; 32], Duration::from_secs(600));
        Server::new(std::time::Instant::now(), UNIX, config, credentials, nonces, rng(1)).map(|_| ()).unwrap_err()
    };
    assert_eq!(make(config(), Credentials::new()), ConfigError::NoCredentials);
    assert_eq!(make(config(), Credentials::new().secret(b"short")), ConfigError::ShortSecret(5));
    assert!(matches!(make(config(), Credentials::new().user("a\0", "b")), ConfigError::User(..)));
    let bad = |change: fn(&mut Config)| {
        let mut config = config();
        change(&mut config);
        make(config, credentials())
    };
    assert_eq!(bad(|c| c.realm.clear()), ConfigError::Realm(String::new()));
    assert_eq!(bad(|c| c.relays.clear()), ConfigError::NoRelay);
    assert!(matches!(bad(|c| c.relays[0].local = "0.0.0.0".parse().unwrap()), ConfigError::RelayUnspecified(_)));
    assert_eq!(bad(|c| c.ports = 80..=90), ConfigError::Ports(80, 90));
    assert!(matches!(bad(|c| c.default_lifetime = Duration::from_secs(9999)), ConfigError::Lifetimes(..)));
}

#[test]
fn binding_needs_no_authentication_and_no_state() {
    let mut f = Fixture::new();
    let answer = f.ask(udp("192.0.2.9:1000"), &bare(Method::BINDING, |w| w.fingerprint()));
    assert_eq!(answer.message().get::<XorMappedAddress>().unwrap().unwrap().0, addr("192.0.2.9:1000"));
    assert_eq!(answer.message().fingerprint(), Some(true));
    assert!(!answer.message().has(AttributeType::OTHER_ADDRESS));
    let unknown = f.ask(udp("192.0.2.9:1000"), &bare(Method::BINDING, |w| w.put_raw(AttributeType(0x7001), &[])));
    assert_eq!(unknown.code(), 420);
    for lever in [AttributeType::RESPONSE_PORT, AttributeType::PADDING, AttributeType::CHANGE_REQUEST] {
        let answer = f.ask(udp("192.0.2.9:1000"), &bare(Method::BINDING, |w| w.put_raw(lever, &[0; 4])));
        assert_eq!(answer.code(), 420, "{lever}");
    }
}

#[test]
fn nat_behaviour_discovery_answers_from_the_address_that_was_asked_for() {
    let discovery = NatDiscovery { primary: addr("198.51.100.1:3478"), alternate: addr("198.51.100.2:3479") };
    let mut f = Fixture::with(Config { nat_discovery: Some(discovery), ..config() });
    for (change_ip, change_port, from) in [
        (false, false, "198.51.100.1:3478"),
        (true, false, "198.51.100.2:3478"),
        (false, true, "198.51.100.1:3479"),
        (true, true, "198.51.100.2:3479"),
    ] {
        let request = bare(Method::BINDING, |w| w.put(&ChangeRequest { change_ip, change_port }));
        let sent = f.client_sends(udp("192.0.2.9:1000"), &request);
        let Via::Client(tuple) = sent[0].via else { panic!("to the client") };
        assert_eq!((tuple.server, sent[0].to), (addr(from), addr("192.0.2.9:1000")));
        let message = Message::parse(&sent[0].bytes).unwrap();
        assert_eq!(message.get::<ResponseOrigin>().unwrap().unwrap().0, addr(from));
        assert_eq!(message.get::<OtherAddress>().unwrap().unwrap().0, discovery.alternate);
    }
}

#[test]
fn t8_channels_of_rfc_5766_are_taken_where_an_operator_wants_them() {
    let mut f = Fixture::with(Config { legacy_channels: true, ..config() });
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    ann.allocate(&mut f);
    assert_eq!(ann.bind(&mut f, 0x7FFF, PEER), 0);
    assert_eq!(ann.bind(&mut f, 0x8000, "203.0.113.5:4001"), 400);
    assert_eq!(f.client_sends(ann.tuple, &[0x7F, 0xFF, 0, 1, 7])[0].bytes, [7]);
}

#[test]
fn t16_services_beside_the_relay_are_reached_only_where_an_operator_has_named_its_address() {
    let beside = "198.51.100.1:5432";
    for (allow, deny, code) in
        [(None, None, 403), (Some("198.51.100.1"), None, 0), (Some("198.51.100.1"), Some("198.51.100.1"), 403)]
    {
        let mut config = config();
        config.peers.allow.extend(allow.map(|range| range.parse::<Cidr>().unwrap()));
        config.peers.deny.extend(deny.map(|range| range.parse::<Cidr>().unwrap()));
        let mut f = Fixture::with(config);
        let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
        ann.allocate(&mut f);
        assert_eq!(ann.bind(&mut f, 0x4000, beside), code, "{allow:?} {deny:?}");
        assert_eq!(ann.bind(&mut f, 0x4001, "198.51.100.1:3478"), 403, "never the server itself");
    }
}
