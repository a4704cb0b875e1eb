//! Mobility (RFC 8016) and TCP relays (RFC 6062) on the server.

mod common;

use common::*;
use parlour_stun::attribute::*;
use parlour_stun::{Class, Message, Method};
use parlour_turn::FiveTuple;
use parlour_turn::server::*;

const PEER: &str = "203.0.113.5:4000";

fn mobile(f: &mut Fixture) -> (Hand, Vec<u8>, std::net::SocketAddr) {
    let mut ann = Hand::new(f, udp("192.0.2.9:1000"));
    let answer = ann.ask(f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&MobilityTicket(&[]));
    });
    let ticket = answer.message().get::<MobilityTicket<'_>>().unwrap().unwrap().0.to_vec();
    assert_eq!(ann.bind(f, 0x4000, PEER), 0);
    (ann, ticket, answer.relayed()[0])
}

fn move_to(f: &mut Fixture, hand: &Hand, tuple: FiveTuple, ticket: &[u8]) -> Answer {
    let mut hand = Hand { tuple, ..hand.clone() };
    hand.ask(f, Method::REFRESH, |w| w.put(&MobilityTicket(ticket)))
}

fn ticket_of(answer: &Answer) -> Vec<u8> {
    answer.message().get::<MobilityTicket<'_>>().unwrap().unwrap().0.to_vec()
}

#[test]
fn an_allocation_follows_its_client_once_the_client_uses_the_new_address() {
    let mut f = Fixture::new();
    let (ann, ticket, relayed) = mobile(&mut f);
    let moved = udp("203.0.113.200:77");
    let answer = move_to(&mut f, &ann, moved, &ticket);
    assert_eq!(answer.code(), 0);
    assert_ne!(ticket_of(&answer), ticket);
    assert_eq!(f.peer_sends(relayed, addr(PEER), b"x")[0].to, ann.tuple.client, "still to the old address");
    assert_eq!(f.client_sends(ann.tuple, &[0x40, 0, 0, 1, 1]).len(), 1, "still from the old address");
    assert_eq!(f.client_sends(moved, &[0x40, 0, 0, 1, 1]).len(), 1);
    assert_eq!(f.peer_sends(relayed, addr(PEER), b"x")[0].to, moved.client);
    assert!(f.client_sends(ann.tuple, &[0x40, 0, 0, 1, 1]).is_empty(), "the old one is forgotten");
    assert!(f.events().iter().any(|event| matches!(event, Event::Moved { client, .. } if *client == moved)));
    let again = move_to(&mut f, &ann, udp("203.0.113.201:78"), &ticket_of(&answer));
    assert_eq!(again.code(), 0, "and on it goes");
}

#[test]
fn an_old_ticket_is_good_only_for_a_retransmission() {
    let mut f = Fixture::new();
    let (ann, ticket, _) = mobile(&mut f);
    let moved = udp("203.0.113.200:77");
    let first = move_to(&mut f, &ann, moved, &ticket);
    let again = move_to(&mut f, &ann, moved, &ticket);
    assert_eq!((again.code(), ticket_of(&again)), (0, ticket_of(&first)));
    assert_eq!(move_to(&mut f, &ann, udp("203.0.113.201:1"), &ticket).code(), 400, "not for another move");
    f.advance(31);
    assert_eq!(move_to(&mut f, &ann, moved, &ticket).code(), 400, "nor for ever");
}

#[test]
fn tickets_of_others_forged_ones_and_spent_ones_are_refused() {
    let mut f = Fixture::new();
    let (ann, ticket, _) = mobile(&mut f);
    let moved = udp("203.0.113.200:77");
    let bob = Hand::of(&f, moved, "bob", "hidden");
    assert_eq!(move_to(&mut f, &bob, moved, &ticket).code(), 441, "the credential must be the owner's");
    assert_eq!(move_to(&mut f, &ann, ann.tuple, &ticket).code(), 400, "no move at all");
    for at in 0..ticket.len() {
        let mut forged = ticket.clone();
        forged[at] ^= 1;
        assert_eq!(move_to(&mut f, &ann, moved, &forged).code(), 400, "byte {at}");
    }
    assert_eq!(move_to(&mut f, &ann, moved, b"short").code(), 400);
    let mut other = Hand::of(&f, udp("203.0.113.202:1"), "bob", "hidden");
    other.allocate(&mut f);
    assert_eq!(move_to(&mut f, &ann, other.tuple, &ticket).code(), 400, "that 5-tuple is taken");
    ann.clone().refresh(&mut f, 0);
    assert_eq!(move_to(&mut f, &ann, moved, &ticket).code(), 437);
}

#[test]
fn mobility_keeps_the_quota_and_a_flood_of_moves_leaves_no_trace() {
    let mut config = config();
    config.quotas.allocations_per_user = 1;
    let mut f = Fixture::with(config);
    let (mut ann, mut ticket, _) = mobile(&mut f);
    for port in 1..500 {
        let answer = move_to(&mut f, &ann, udp(&format!("203.0.113.200:{port}")), &ticket);
        assert_eq!(answer.code(), 0);
        ticket = ticket_of(&answer);
    }
    let mut second = Hand::new(&f, udp("203.0.113.200:9"));
    assert_eq!(second.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP)).code(), 486);
    assert_eq!(ann.refresh(&mut f, 0).code(), 0);
    second.allocate(&mut f);
    assert_eq!(f.server.len(), 1);
}

#[test]
fn mobility_that_is_switched_off_is_forbidden() {
    let mut f = Fixture::with(Config { mobility: false, ..config() });
    let mut ann = Hand::new(&f, udp("192.0.2.9:1000"));
    let answer = ann.ask(&mut f, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&MobilityTicket(&[]));
    });
    assert_eq!(answer.code(), 405);
    ann.allocate(&mut f);
    assert_eq!(move_to(&mut f, &ann, udp("192.0.2.9:2"), &[0; 28]).code(), 405);
}

fn tcp_allocation(f: &mut Fixture) -> (Hand, std::net::SocketAddr, RelayId) {
    let mut ann = Hand::new(f, tcp("192.0.2.9:1000"));
    let answer = ann.ask(f, Method::ALLOCATE, |w| w.put(&RequestedTransport::TCP));
    assert_eq!(answer.code(), 0);
    let relayed = answer.relayed()[0];
    let relay = f.server.relay_at(relayed).unwrap();
    (ann, relayed, relay)
}

fn connect(f: &mut Fixture, ann: &mut Hand) -> Connection {
    let request = ann.request(Method::CONNECT, |w| w.put(&XorPeerAddress(addr(PEER))));
    assert!(f.client_sends(ann.tuple, &request).is_empty(), "the answer waits for the connection");
    let Some(IoRequest::ConnectPeer { connection, peer, .. }) = f.requests.last().copied() else { panic!() };
    assert_eq!(peer, addr(PEER));
    connection
}

#[test]
fn connect_and_connection_bind_join_two_streams() {
    let mut f = Fixture::new();
    let (mut ann, _, _) = tcp_allocation(&mut f);
    let connection = connect(&mut f, &mut ann);
    let again = ann.ask(&mut f, Method::CONNECT, |w| w.put(&XorPeerAddress(addr(PEER))));
    assert_eq!(again.code(), 446);
    f.server.handle_peer_connected(f.now, connection, true, &mut f.out);
    let answer = Answer(f.pump().remove(0).bytes);
    assert_eq!(answer.message().get::<ConnectionId>().unwrap(), Some(ConnectionId(connection.0)));

    let bind = |w: &mut parlour_stun::MessageWriter<'_>| w.put(&ConnectionId(connection.0));
    let mut bob = Hand::of(&f, tcp("192.0.2.9:1001"), "bob", "hidden");
    assert_eq!(bob.ask(&mut f, Method::CONNECTION_BIND, bind).code(), 441);
    assert_eq!(ann.ask(&mut f, Method::CONNECTION_BIND, bind).code(), 400, "not the control connection");
    let mut by_udp = Hand::new(&f, udp("192.0.2.9:1002"));
    assert_eq!(by_udp.ask(&mut f, Method::CONNECTION_BIND, bind).code(), 400);
    let mut data = Hand::new(&f, tcp("192.0.2.9:1003"));
    assert_eq!(data.ask(&mut f, Method::CONNECTION_BIND, bind).code(), 0);
    assert_eq!(f.requests.last(), Some(&IoRequest::Splice { connection, client: data.tuple }));
    let mut second = Hand::new(&f, tcp("192.0.2.9:1004"));
    assert_eq!(second.ask(&mut f, Method::CONNECTION_BIND, bind).code(), 400, "bound already");

    assert_eq!(ann.ask(&mut f, Method::CONNECT, |w| w.put(&XorPeerAddress(addr(PEER)))).code(), 446);
    f.server.handle_connection_closed(connection);
    connect(&mut f, &mut ann);
}

#[test]
fn a_connection_that_fails_or_takes_too_long_is_answered_447() {
    let mut f = Fixture::new();
    let (mut ann, _, _) = tcp_allocation(&mut f);
    let connection = connect(&mut f, &mut ann);
    f.server.handle_peer_connected(f.now, connection, false, &mut f.out);
    assert_eq!(Answer(f.pump().remove(0).bytes).code(), 447);
    let connection = connect(&mut f, &mut ann);
    let sent = f.advance(31);
    assert_eq!(Answer(sent[0].bytes.clone()).code(), 447);
    assert_eq!(f.requests.last(), Some(&IoRequest::ClosePeer { connection }));
}

#[test]
fn peers_may_connect_if_they_are_permitted_and_wait_30_seconds() {
    let mut f = Fixture::new();
    let (mut ann, _, relay) = tcp_allocation(&mut f);
    assert_eq!(f.server.handle_peer_accepted(f.now, relay, addr(PEER), &mut f.out), None);
    assert_eq!(ann.permit(&mut f, PEER), 0);
    let connection = f.server.handle_peer_accepted(f.now, relay, addr(PEER), &mut f.out).unwrap();
    let sent = f.pump();
    let message = Message::parse(&sent[0].bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::CONNECTION_ATTEMPT));
    assert_eq!(message.get::<XorPeerAddress>().unwrap().unwrap().0, addr(PEER));
    assert_eq!(message.get::<ConnectionId>().unwrap().unwrap().0, connection.0);
    f.advance(31);
    assert_eq!(f.requests.last(), Some(&IoRequest::ClosePeer { connection }));
}

#[test]
fn low_ports_and_other_relays_are_refused_and_connections_are_capped() {
    let mut config = config();
    config.quotas.connections = 3;
    let mut f = Fixture::with(config);
    let (mut ann, _, relay) = tcp_allocation(&mut f);
    let to = |peer: &str| XorPeerAddress(addr(peer));
    assert_eq!(ann.ask(&mut f, Method::CONNECT, |w| w.put(&to("203.0.113.5:25"))).code(), 403);
    assert_eq!(ann.ask(&mut f, Method::CONNECT, |w| w.put(&to("[2001:db8::5]:2500"))).code(), 443);
    assert_eq!(ann.ask(&mut f, Method::CONNECT, |_| {}).code(), 400);
    for n in 0..3 {
        let peer = to(&format!("203.0.113.5:{}", 3000 + n));
        let request = ann.request(Method::CONNECT, |w| w.put(&peer));
        assert!(f.client_sends(ann.tuple, &request).is_empty());
    }
    assert_eq!(ann.ask(&mut f, Method::CONNECT, |w| w.put(&to("203.0.113.5:3003"))).code(), 508);
    ann.permit(&mut f, PEER);
    assert_eq!(f.server.handle_peer_accepted(f.now, relay, addr(PEER), &mut f.out), None);
    assert_eq!(ann.bind(&mut f, 0x4000, PEER), 400, "no channels on a TCP allocation");
    let mut plain = Hand::new(&f, tcp("192.0.2.9:1009"));
    plain.allocate(&mut f);
    assert_eq!(plain.ask(&mut f, Method::CONNECT, |w| w.put(&to(PEER))).code(), 400);
}

#[test]
fn connections_end_with_their_allocation_and_the_allocation_with_its_stream() {
    let mut f = Fixture::new();
    let (mut ann, relayed, _) = tcp_allocation(&mut f);
    let connection = connect(&mut f, &mut ann);
    f.server.handle_client_closed(ann.tuple);
    f.pump();
    assert!(f.requests.contains(&IoRequest::ClosePeer { connection }));
    assert_eq!(f.server.relay_at(relayed), None);
    f.server.handle_peer_connected(f.now, connection, true, &mut f.out);
    assert!(f.pump().is_empty());
    assert_eq!(f.requests.last(), Some(&IoRequest::ClosePeer { connection }), "it came too late");
}

#[test]
fn tcp_relays_that_are_switched_off_are_unsupported() {
    let mut f = Fixture::with(Config { tcp_relay: false, ..config() });
    let mut ann = Hand::new(&f, tcp("192.0.2.9:1000"));
    assert_eq!(ann.ask(&mut f, Method::ALLOCATE, |w| w.put(&RequestedTransport::TCP)).code(), 442);
}

/// With one server a core, the kernel may deal a client's next connection to another one.
#[test]
fn what_a_client_carries_to_another_server_says_where_it_belongs() {
    let server = |index| Fixture::with(Config { share: Share { index, count: 3 }, ..config() });
    let (first, mut second) = (server(0), server(1));
    let message = |method, fill: &dyn Fn(&mut parlour_stun::MessageWriter<'_>)| {
        let mut bytes = Vec::new();
        let id = parlour_stun::TransactionId([9; 12]);
        let mut writer = parlour_stun::MessageWriter::new(&mut bytes, Class::Request, method, id);
        fill(&mut writer);
        writer.finish().unwrap();
        bytes
    };
    let homes = |second: &Fixture, bytes: &[u8]| (first.server.home_of(bytes), second.server.home_of(bytes));

    let (_, ticket, _) = mobile(&mut second);
    let refresh = |ticket: &[u8]| message(Method::REFRESH, &|w| w.put(&MobilityTicket(ticket)));
    assert_eq!(homes(&second, &refresh(&ticket)), (Some(1), None));
    let forged = [&ticket[..31], &[ticket[31] ^ 1]].concat();
    assert_eq!(homes(&second, &refresh(&forged)), (None, None), "only a genuine ticket moves anything");

    let (mut ann, _, _) = tcp_allocation(&mut second);
    let connection = connect(&mut second, &mut ann);
    let bind = message(Method::CONNECTION_BIND, &|w| w.put(&ConnectionId(connection.0)));
    assert_eq!(homes(&second, &bind), (Some(1), None));

    let mut bob = Hand::of(&second, udp("192.0.2.10:1000"), "bob", "hidden");
    let answer = bob.ask(&mut second, Method::ALLOCATE, |w| {
        w.put(&RequestedTransport::UDP);
        w.put(&EvenPort { reserve_next: true });
    });
    let token = answer.message().get::<ReservationToken>().unwrap().unwrap();
    let allocate = message(Method::ALLOCATE, &|w| w.put(&token));
    assert_eq!(homes(&second, &allocate), (Some(1), None));
    assert_eq!(homes(&second, &message(Method::ALLOCATE, &|_| {})), (None, None));
}
