//! What two agents do with each other: trickle, roles, lite, TCP, names, DTLS on checks.

mod world;

use parlour_ice::*;
use parlour_netsim::NatSpec;
use std::time::Duration;
use world::*;

fn connect(mut world: World) -> World {
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(5);
    assert!(world.run_until(until, World::both_nominated), "connected and nominated");
    assert!(world.agreed());
    world
}

fn kinds(world: &World, side: usize) -> (CandidateKind, CandidateKind) {
    let (local, remote, _) = world.peers[side].selected().unwrap();
    (local.kind, remote.kind)
}

#[test]
fn two_controlling_agents_sort_it_out_by_their_tie_breakers_rfc_8445_7_3_1_1() {
    for role in [Role::Controlling, Role::Controlled] {
        for seed in 0..10 {
            let topology = Topology::nats(NatSpec::port_restricted(), NatSpec::full_cone());
            let world = World::new(seed, &topology, [config(role, Servers::Stun), config(role, Servers::Stun)]);
            let world = connect(world);
            let changes =
                world.peers.iter().flat_map(|peer| &peer.events).filter(|(_, e)| matches!(e, Event::RoleChanged(_)));
            assert_eq!(changes.count(), 1, "exactly one side gives way");
            assert_ne!(world.peers[0].agent.role(), world.peers[1].agent.role());
        }
    }
}

#[test]
fn a_full_agent_nominates_and_a_lite_one_only_answers_rfc_8445_2_5() {
    let lite = Config { lite: true, ..config(Role::Controlling, Servers::None) };
    let topology = Topology::new(Access::Open, Access::Nat(NatSpec::symmetric()));
    let world = World::new(1, &topology, [lite, config(Role::Controlled, Servers::Stun)]);
    let world = connect(world);
    assert_eq!(world.peers[1].agent.role(), Role::Controlling);
    let stats = world.peers[0].agent.stats();
    assert!(stats.pairs.iter().all(|pair| pair.counters.requests_sent + pair.counters.consent_requests_sent == 0));
}

#[test]
fn a_lite_agent_stops_sending_when_nobody_checks_it_any_more_rfc_7675_5_1() {
    let lite = Config { lite: true, ..config(Role::Controlled, Servers::None) };
    let topology = Topology::new(Access::Open, Access::Open);
    let mut world = connect(World::new(1, &topology, [lite, config(Role::Controlling, Servers::None)]));
    world.run_for(Duration::from_secs(60));
    assert!(world.send_data(0, b"\x80 still allowed"));
    world.net.set_filter(Some(Box::new(|_| false)));
    world.run_for(Duration::from_secs(31));
    assert!(!world.send_data(0, b"\x80 not any more"));
}

#[test]
fn candidates_that_come_before_their_description_wait_for_it_rfc_8838_11() {
    let topology = Topology::nats(NatSpec::port_restricted(), NatSpec::port_restricted());
    let mut world = World::new(2, &topology, configs(Servers::Stun));
    world.hold_all = true;
    world.start(0);
    world.start(1);
    world.run_for(Duration::from_secs(1));
    let now = world.now();
    let parameters = [0, 1].map(|side: usize| world.peers[side].agent.local_parameters());
    for side in [0, 1] {
        let theirs: Vec<_> = world.peers[1 - side].agent.local_candidates().cloned().collect();
        for candidate in theirs {
            world.peers[side].agent.add_remote_candidate(now, candidate, Some(&parameters[1 - side].ufrag));
        }
        world.peers[side].agent.end_of_remote_candidates(now, Some(&parameters[1 - side].ufrag));
        assert!(world.peers[side].agent.stats().remote_candidates.is_empty());
        world.peers[side].agent.set_remote_parameters(now, &parameters[1 - side]).unwrap();
        assert_eq!(world.peers[side].agent.stats().remote_candidates.len(), 2);
        world.flush(side);
    }
    let until = world.now() + Duration::from_secs(2);
    assert!(world.run_until(until, World::both_nominated));
}

#[test]
fn checks_that_come_before_the_answer_are_answered_and_checked_back_rfc_8445_7_3() {
    let topology = Topology { rtt: 100 * MS, ..Topology::new(Access::Open, Access::Nat(NatSpec::symmetric())) };
    let mut world = World::new(2, &topology, configs(Servers::None));
    world.hold_all = true;
    world.start(0);
    world.start(1);
    world.run_for(300 * MS);
    // Only the answerer knows everything: the answer is still on its way.
    world.release_to(1);
    world.run_for(500 * MS);
    assert!(world.peers[1].agent.selected_pair().is_some(), "answered without knowing who asks");
    assert!(world.peers[0].agent.selected_pair().is_none());
    let before = world.net.elapsed();
    world.release_to(0);
    let until = world.now() + Duration::from_secs(1);
    assert!(world.run_until(until, World::both_selected));
    assert!(world.net.elapsed() - before <= 105 * MS, "one round trip after the answer");
}

#[test]
fn active_connects_to_passive_rfc_6544() {
    let topology = Topology::new(Access::Open, Access::Tcp443);
    let client = Config { tcp: true, ..config(Role::Controlling, Servers::None) };
    let mut world = World::new(3, &topology, [config(Role::Controlled, Servers::None), client]);
    let (host, now) = (world.peers[0].host, world.now());
    let listener = std::net::SocketAddr::new(world.net.addresses(host)[0], 443);
    world.net.tcp_listen(host, listener);
    world.peers[0].agent.add_listener(now, Socket::new(listener));
    let world = connect(world);
    let (local, remote, _) = world.peers[1].selected().unwrap();
    assert_eq!((local.protocol, remote.protocol), (Protocol::Tcp(TcpType::Active), Protocol::Tcp(TcpType::Passive)));
}

#[test]
fn both_connect_at_once_where_neither_can_listen_rfc_6544_4_1() {
    let topology = Topology::new(Access::Stateful, Access::Stateful);
    let mut world = World::new(3, &topology, configs(Servers::None));
    world.net.set_filter(Some(Box::new(|packet| packet.protocol == parlour_netsim::Protocol::Tcp)));
    for side in [0, 1] {
        let (host, now) = (world.peers[side].host, world.now());
        let own = std::net::SocketAddr::new(world.net.addresses(host)[0], 5_000);
        world.peers[side].agent.add_simultaneous_open(now, Socket::new(own));
    }
    let world = connect(world);
    let so = Protocol::Tcp(TcpType::SimultaneousOpen);
    assert!(world.peers.iter().all(|peer| peer.selected().unwrap().0.protocol == so));
}

#[test]
fn host_addresses_hide_behind_mdns_names_that_the_other_side_looks_up() {
    let hidden = |role| Config { hide_addresses: true, ..config(role, Servers::Stun) };
    let topology = Topology { same_lan: true, ..Topology::nats(NatSpec::symmetric(), NatSpec::symmetric()) };
    let world = connect(World::new(4, &topology, [hidden(Role::Controlling), hidden(Role::Controlled)]));
    for side in [0, 1] {
        assert_eq!(kinds(&world, side), (CandidateKind::Host, CandidateKind::Host));
        for candidate in world.peers[side].agent.local_candidates() {
            let text = format!("{candidate:?}");
            assert!(!text.contains("192.168."), "no private address is told: {text}");
            if candidate.kind == CandidateKind::Host {
                assert!(matches!(&candidate.address, Address::Name(name, _) if mdns::is_local_name(name)));
            }
        }
    }
}

#[test]
fn a_flood_of_names_is_bounded_and_bad_ones_are_never_looked_up() {
    let mut world = World::new(4, &Topology::new(Access::Open, Access::Open), configs(Servers::None));
    let now = world.now();
    world.start(0);
    for n in 0..1_000 {
        let name = Address::Name(format!("{n}.local"), 4_000);
        let candidate = Candidate { address: name, ..Candidate::host("192.0.2.1:1".parse().unwrap()) };
        world.peers[0].agent.add_remote_candidate(now, candidate, None);
    }
    let mut asked = 0;
    while let Some(event) = world.peers[0].agent.poll_event() {
        asked += usize::from(matches!(event, Event::Resolve(_)));
    }
    assert_eq!(asked, 16);
}

#[test]
fn a_handshake_rides_on_the_checks_and_is_there_when_the_path_is() {
    let sped = |role| Config { sped: true, ..config(role, Servers::None) };
    let topology = Topology { rtt: 100 * MS, ..Topology::new(Access::Open, Access::Open) };
    let mut world = World::new(5, &topology, [sped(Role::Controlling), sped(Role::Controlled)]);
    world.hold_all = true;
    let now = world.now();
    let hello = [22u8; 900];
    assert!(world.peers[0].agent.set_handshake_flight(now, [&hello[..]]));
    world.start(0);
    world.start(1);
    let from = world.net.elapsed();
    world.release();
    let came =
        |world: &World| world.peers[1].events.iter().any(|(_, e)| matches!(e, Event::Handshake(p) if p[..] == hello));
    let until = world.now() + Duration::from_secs(1);
    assert!(world.run_until(until, came));
    assert!(world.net.elapsed() - from <= 51 * MS, "with the first check, half a round trip");
    let now = world.now();
    assert!(world.peers[1].agent.set_handshake_flight(now, [&b"\x16 the answer"[..]]));
    world.flush(1);
    let answered = |world: &World| world.peers[0].events.iter().any(|(_, e)| matches!(e, Event::Handshake(_)));
    assert!(world.run_until(until, answered));
    assert!(world.net.elapsed() - from <= 160 * MS, "{:?}", world.net.elapsed() - from);
}

#[test]
fn the_quicker_of_two_like_pairs_is_moved_to() {
    let topology = Topology { rtt: 60 * MS, ..Topology::new(Access::Open, Access::Open) };
    let mut world = World::new(6, &topology, configs(Servers::None));
    // The left side has two wires; the first one is slow but preferred.
    let slow = world.net.addresses(world.peers[0].host)[0];
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(3);
    assert!(world.run_until(until, World::both_nominated));
    let preferred = world.peers[0].agent.selected_pair();
    let (host, internet) = (world.peers[0].host, world.net.segment_of(world.turn.host));
    let second = ip("203.0.113.60");
    world.net.attach(host, internet, &[second], parlour_netsim::LinkSpec::delay(MS));
    let now = world.now();
    world.bind(now, 0, second);
    world.flush(0);
    world.run_for(Duration::from_secs(120));
    assert_ne!(world.peers[0].agent.selected_pair(), preferred, "by {slow} it takes 60 ms, by {second} 32");
    assert!(world.agreed());
}

#[test]
fn no_relay_means_no_wait_for_dead_servers() {
    let topology = Topology { rtt: 100 * MS, ..Topology::new(Access::Open, Access::Open) };
    let mut world = World::new(8, &topology, configs(Servers::All));
    world.turn.dead = true;
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(1);
    assert!(world.run_until(until, World::both_nominated), "dead servers hold nothing up");
    world.run_for(Duration::from_secs(60));
    let errors = world.peers[0].events.iter().filter(|(_, e)| matches!(e, Event::GatheringError { code: 701, .. }));
    assert!(errors.count() >= 2);
    assert_eq!(world.peers[0].agent.gathering_state(), GatheringState::Complete);
}

#[test]
fn wrong_turn_credentials_are_told_and_harm_nothing_else() {
    let mut configs = configs(Servers::TurnUdp);
    if let ServerKind::Turn { password, .. } = &mut configs[0].servers[1].kind {
        *password = "wrong".to_owned();
    }
    let topology = Topology::nats(NatSpec::port_restricted(), NatSpec::port_restricted());
    let world = connect(World::new(9, &topology, configs));
    let told = |e: &Event| matches!(e, Event::GatheringError { code: 401, .. });
    assert!(world.peers[0].events.iter().any(|(_, e)| told(e)));
    assert!(!world.peers[1].events.iter().any(|(_, e)| told(e)));
}

#[test]
fn a_closed_agent_gives_its_relays_back_and_is_silent() {
    let topology = Topology::nats(NatSpec::symmetric(), NatSpec::symmetric());
    let mut world = connect(World::new(10, &topology, configs(Servers::TurnUdp)));
    assert_eq!(world.turn.server.len(), 2);
    let now = world.now();
    for side in [0, 1] {
        world.peers[side].agent.close(now);
        world.flush(side);
        assert_eq!(world.peers[side].agent.poll_timeout(), None);
        assert_eq!(world.peers[side].agent.state(), ConnectionState::Closed);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.turn.server.len(), 0, "both allocations are given back");
}

#[test]
fn statistics_show_the_selected_pair_its_counters_and_round_trips() {
    let mut world = connect(World::new(11, &Topology::new(Access::Open, Access::Open), configs(Servers::None)));
    world.run_for(Duration::from_secs(5));
    let consent = |world: &World| {
        let stats = world.peers[0].agent.stats();
        stats.pairs.iter().map(|pair| pair.counters.consent_requests_sent).sum::<u64>()
    };
    let before = consent(&world);
    world.run_for(Duration::from_secs(60));
    let checks = consent(&world) - before;
    assert!((10..=15).contains(&checks), "one every four to six seconds: {checks}");
    let stats = world.peers[0].agent.stats();
    let selected: Vec<_> = stats.pairs.iter().filter(|pair| pair.selected).collect();
    assert_eq!(selected.len(), 1);
    let pair = selected[0];
    assert!(pair.nominated && pair.state == PairState::Succeeded);
    assert_eq!(pair.counters.packets_sent, world::PINGS);
    assert_eq!(pair.counters.packets_received, world::PINGS);
    assert_eq!(pair.current_round_trip_time, Some(20 * MS));
    assert_eq!(stats.state, ConnectionState::Completed);
}

#[test]
fn only_one_side_can_move_and_the_other_waits_its_turn_to_nominate() {
    for plain in [0, 1] {
        let mut configs = configs(Servers::TurnUdp);
        configs[plain].renomination = false;
        let topology = Topology { rtt: 100 * MS, ..Topology::nats(NatSpec::port_restricted(), NatSpec::full_cone()) };
        let world = connect(World::new(12, &topology, configs));
        assert!(!world.peers[0].is_relayed(), "it waited for the direct path");
    }
}

#[test]
fn with_both_families_ipv6_is_taken_and_ipv4_where_it_leads_nowhere_rfc_8421() {
    for broken in [false, true] {
        let mut world = World::new(13, &Topology::new(Access::Open, Access::Open), configs(Servers::None));
        for side in [0, 1] {
            let host = world.peers[side].host;
            let (port, v4) = (world.net.ports_of(host)[0], world.net.addresses(host)[0]);
            let addresses = vec![v4, ip(&format!("2600::{}", side + 1))];
            world.net.apply(parlour_netsim::Change::Addresses { port, addresses });
        }
        if broken {
            world.net.set_filter(Some(Box::new(|packet| packet.dst.is_ipv4())));
        }
        let world = connect(world);
        for peer in &world.peers {
            let (local, remote, _) = peer.selected().unwrap();
            assert!(local.address.socket().unwrap().is_ipv4() == broken, "{local:?}");
            assert!(remote.address.socket().unwrap().is_ipv4() == broken);
            assert!(peer.selected_at().unwrap() <= 100 * MS, "neither waits for the other");
        }
    }
}

#[test]
fn address_policies_show_less_and_less_rfc_8828_5_2() {
    use CandidateKind::*;
    let shown = |address_policy: AddressPolicy| {
        let mut configs = configs(Servers::All);
        configs[0].address_policy = address_policy;
        let topology = Topology::nats(NatSpec::port_restricted(), NatSpec::port_restricted());
        let mut world = World::new(14, &topology, configs);
        let host = world.peers[0].host;
        let (port, first) = (world.net.ports_of(host)[0], world.net.addresses(host)[0]);
        let second = ip("192.168.1.66");
        world.net.apply(parlour_netsim::Change::Addresses { port, addresses: vec![first, second] });
        let now = world.now();
        let taken = [(first, true), (second, false)].map(|(address, default_route)| {
            let interface = Interface { default_route, ..Interface::new(address) };
            let socket = Socket { interface, ..Socket::new(std::net::SocketAddr::new(address, 5_000)) };
            world.peers[0].agent.add_socket(now, socket)
        });
        world.flush(0);
        world.run_for(Duration::from_secs(12));
        let candidates: Vec<_> = world.peers[0].agent.local_candidates().cloned().collect();
        let private = candidates.iter().any(|c| c.related.is_some_and(|r| r.ip() == first));
        let mut kinds: Vec<_> = candidates.iter().map(|c| c.kind).collect();
        kinds.sort();
        kinds.dedup();
        (taken, kinds, private)
    };
    assert_eq!(shown(AddressPolicy::AllInterfaces), ([true, true], vec![Host, ServerReflexive, Relayed], true));
    assert_eq!(shown(AddressPolicy::DefaultRoute), ([true, false], vec![Host, ServerReflexive, Relayed], true));
    assert_eq!(shown(AddressPolicy::PublicOnly), ([true, false], vec![ServerReflexive, Relayed], false));
    assert_eq!(shown(AddressPolicy::ForceProxy), ([true, false], vec![Relayed], false));
}
