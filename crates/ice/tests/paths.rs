//! Paths that die, networks that change, restarts: data goes on (RFC 7675, RFC 8445 §9).

mod world;

use parlour_ice::{CandidateKind, ConnectionState, Event};
use parlour_netsim::{Change, Direction, NatSpec};
use std::time::Duration;
use world::*;

/// A connected session over which both sides send every 20 ms.
fn call(seed: u64, topology: &Topology, servers: Servers) -> World {
    let mut world = World::new(seed, topology, configs(servers));
    world.signal_delay = topology.rtt / 2;
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(5);
    assert!(world.run_until(until, World::both_nominated), "connected");
    world.run_for(Duration::from_secs(1));
    world
}

/// Media for `time`; what each side received with the time of each packet is in the world.
fn media(world: &mut World, time: Duration, sides: &[usize]) {
    let end = world.net.elapsed() + time;
    while world.net.elapsed() < end {
        for side in sides {
            world.send_data(*side, &[0x80; 100]);
        }
        world.run_for(20 * MS);
    }
}

/// The longest silence of a side from `since` on, and when it ended.
fn gap(world: &World, side: usize, since: Duration) -> Duration {
    let mut last = since;
    let mut longest = Duration::ZERO;
    for (at, ..) in world.peers[side].received.iter().filter(|(at, ..)| *at >= since) {
        longest = longest.max(*at - last);
        last = *at;
    }
    longest.max(world.net.elapsed() - last)
}

fn noticed(world: &World, side: usize, since: Duration) -> Option<Duration> {
    let states = world.peers[side].states();
    states.iter().find(|(at, s)| *at >= since && *s == ConnectionState::Disconnected).map(|(at, _)| *at - since)
}

/// Cuts what a side sends and receives by UDP at one of its addresses.
fn cut(world: &mut World, port: parlour_netsim::PortId) {
    for direction in [Direction::Up, Direction::Down] {
        world.net.apply(Change::Link { port, direction, up: false });
    }
}

#[test]
fn a_dead_path_is_noticed_within_a_second_and_a_half_while_media_flows() {
    for rtt in [20, 100, 300] {
        for sides in [&[0, 1][..], &[0], &[1]] {
            let topology = Topology { rtt: rtt * MS, ..Topology::new(Access::Open, Access::Open) };
            let mut world = call(1, &topology, Servers::None);
            media(&mut world, Duration::from_secs(3), sides);
            let cut_at = world.net.elapsed();
            // The first host's wire: the server is plugged in first.
            let port = world.net.ports_of(world.peers[0].host)[0];
            cut(&mut world, port);
            media(&mut world, Duration::from_secs(3), sides);
            for side in [0, 1] {
                let took = noticed(&world, side, cut_at).expect("noticed");
                assert!(took <= 1_500 * MS, "rtt {rtt} ms, senders {sides:?}, side {side}: {took:?}");
            }
        }
    }
}

#[test]
fn an_idle_path_is_known_to_be_dead_after_its_consent_check_and_a_few_seconds() {
    let mut world = call(1, &Topology::new(Access::Open, Access::Open), Servers::None);
    let cut_at = world.net.elapsed();
    let port = world.net.ports_of(world.peers[0].host)[0];
    cut(&mut world, port);
    world.run_for(Duration::from_secs(10));
    for side in [0, 1] {
        assert!(noticed(&world, side, cut_at).expect("noticed") <= Duration::from_secs(9));
    }
    // Consent ends 30 s after the last answer: nothing may be sent any more (RFC 7675 §5.1).
    world.run_for(Duration::from_secs(32));
    assert!(!world.send_data(0, b"\x80 no consent"));
    assert_eq!(world.peers[0].agent.state(), ConnectionState::Failed);
}

#[test]
fn a_path_that_comes_back_is_used_again() {
    let mut world = call(1, &Topology::new(Access::Open, Access::Open), Servers::None);
    let port = world.net.ports_of(world.peers[0].host)[0];
    cut(&mut world, port);
    media(&mut world, Duration::from_secs(6), &[0, 1]);
    for direction in [Direction::Up, Direction::Down] {
        world.net.apply(Change::Link { port, direction, up: true });
    }
    media(&mut world, Duration::from_secs(2), &[0, 1]);
    assert!(
        world
            .peers
            .iter()
            .all(|peer| !matches!(peer.agent.state(), ConnectionState::Disconnected | ConnectionState::Failed))
    );
    assert!(world.agreed());
}

#[test]
fn data_goes_on_within_half_a_second_and_two_round_trips_after_a_change_of_network() {
    for rtt in [20, 100, 300] {
        for moving in [0, 1] {
            for home in [Access::Open, Access::Nat(NatSpec::port_restricted())] {
                let other = Access::Nat(NatSpec::port_restricted());
                let mut sides = [home.clone(), other];
                if moving == 1 {
                    sides.swap(0, 1);
                }
                let [left, right] = sides;
                let topology = Topology { rtt: rtt * MS, ..Topology::new(left, right) };
                let mut world = call(2, &topology, Servers::TurnUdp);
                media(&mut world, Duration::from_secs(1), &[0, 1]);
                let changed = world.net.elapsed();
                move_to_new_address(&mut world, moving);
                media(&mut world, Duration::from_secs(4), &[0, 1]);
                let most = 500 * MS + 2 * rtt * MS;
                for side in [0, 1] {
                    let silence = gap(&world, side, changed);
                    assert!(
                        silence <= most,
                        "rtt {rtt}, side {moving} moves, {home:?}: side {side} heard nothing for {silence:?}"
                    );
                }
                assert!(world.agreed(), "rtt {rtt}, side {moving} moves, {home:?}");
            }
        }
    }
}

/// The side's interface gets another address: its sockets go, a new one comes.
fn move_to_new_address(world: &mut World, side: usize) {
    let host = world.peers[side].host;
    let port = world.net.ports_of(host)[0];
    let new = match world.net.addresses(host)[0].to_string().as_str() {
        private if private.starts_with("192.168") => ip("192.168.1.77"),
        _ => ip("203.0.113.77"),
    };
    world.net.apply(Change::Addresses { port, addresses: vec![new] });
    let now = world.now();
    for socket in std::mem::take(&mut world.peers[side].sockets) {
        world.peers[side].agent.remove_socket(now, socket);
    }
    world.bind(now, side, new);
    world.flush(side);
}

#[test]
fn a_nat_that_reboots_costs_a_second_and_not_the_session() {
    let mut world = call(3, &Topology::nats(NatSpec::port_restricted(), NatSpec::port_restricted()), Servers::TurnUdp);
    media(&mut world, Duration::from_secs(1), &[0, 1]);
    let rebooted = world.net.elapsed();
    let router = world.net.routers()[0];
    world.net.apply(Change::NatReboot { router, pool: None });
    media(&mut world, Duration::from_secs(5), &[0, 1]);
    for side in [0, 1] {
        let silence = gap(&world, side, rebooted);
        assert!(silence <= 1_800 * MS, "side {side}: {silence:?}");
    }
    assert!(world.agreed());
}

#[test]
fn media_stays_on_the_old_pair_until_the_new_generation_works() {
    let topology = Topology { rtt: 100 * MS, ..Topology::nats(NatSpec::port_restricted(), NatSpec::port_restricted()) };
    let mut world = call(4, &topology, Servers::TurnUdp);
    media(&mut world, Duration::from_secs(1), &[0, 1]);
    let restarted = world.net.elapsed();
    let old: Vec<_> = world.peers.iter().map(|peer| peer.agent.selected_pair()).collect();
    world.restart(0);
    media(&mut world, Duration::from_secs(3), &[0, 1]);
    for side in [0, 1] {
        assert!(gap(&world, side, restarted) <= 60 * MS, "no gap: {:?}", gap(&world, side, restarted));
        assert_ne!(world.peers[side].agent.selected_pair(), old[side], "a new pair is in use");
    }
    assert!(world.agreed());
    let refreshed =
        world.peers[0].events.iter().filter(|(at, e)| *at >= restarted && matches!(e, Event::LocalCandidate(_)));
    assert!(refreshed.count() >= 2, "candidates are told again for the new generation");
}

#[test]
fn a_restart_that_nobody_answers_leaves_the_session_as_it_is() {
    let mut world = call(4, &Topology::new(Access::Open, Access::Open), Servers::None);
    let now = world.now();
    for _ in 0..5 {
        world.peers[0].agent.restart(now);
        world.flush(0);
        media(&mut world, Duration::from_secs(1), &[0, 1]);
    }
    let since = world.net.elapsed();
    media(&mut world, Duration::from_secs(40), &[0, 1]);
    for side in [0, 1] {
        assert!(gap(&world, side, since) <= 60 * MS);
    }
}

#[test]
fn a_backup_takes_over_when_the_direct_path_dies_and_is_left_when_it_returns() {
    let mut world = call(5, &Topology::nats(NatSpec::port_restricted(), NatSpec::port_restricted()), Servers::TurnUdp);
    assert!(!world.peers[0].is_relayed());
    media(&mut world, Duration::from_secs(2), &[0, 1]);
    let cut_at = world.net.elapsed();
    // The direct path is cut: packets between the homes vanish, those to the server go on.
    let deny: Vec<_> = (1..=2).map(|n| ip(&format!("203.0.113.{n}"))).collect();
    let blocked = deny.clone();
    world.net.set_filter(Some(Box::new(move |packet: &parlour_netsim::Packet| {
        !(blocked.contains(&packet.src.ip()) && blocked.contains(&packet.dst.ip()))
    })));
    media(&mut world, Duration::from_secs(5), &[0, 1]);
    for side in [0, 1] {
        let silence = gap(&world, side, cut_at);
        assert!(silence <= 1_700 * MS, "side {side}: {silence:?}");
        assert!(world.peers[side].is_relayed());
    }
    world.net.set_filter(None);
    media(&mut world, Duration::from_secs(40), &[0, 1]);
    assert!(world.agreed());
}

#[test]
fn one_unroutable_peer_changes_no_state() {
    let mut world = call(6, &Topology::new(Access::Open, Access::Open), Servers::TurnUdp);
    let now = world.now();
    let before = world.peers[0].states().len();
    let selected = world.peers[0].agent.selected_pair();
    for n in 1..=20 {
        let candidate = parlour_ice::Candidate::host(format!("198.51.100.{n}:4000").parse().unwrap());
        world.peers[0].agent.add_remote_candidate(now, candidate, None);
    }
    world.flush(0);
    media(&mut world, Duration::from_secs(20), &[0, 1]);
    let after: Vec<_> = world.peers[0].states().split_off(before);
    let bad = |s: &ConnectionState| matches!(s, ConnectionState::Disconnected | ConnectionState::Failed);
    assert!(!after.iter().any(|(_, s)| bad(s)), "{after:?}");
    assert_eq!(world.peers[0].agent.selected_pair(), selected);
    assert!(world.peers[0].agent.counters().unreachable > 0, "the network did say so");
}

#[test]
fn a_second_interface_is_used_when_the_first_one_goes() {
    let mut world = call(7, &Topology::new(Access::Open, Access::Nat(NatSpec::port_restricted())), Servers::TurnUdp);
    let local = world.peers[1].selected().unwrap().0.clone();
    assert_ne!(local.kind, CandidateKind::Relayed);
    media(&mut world, Duration::from_secs(1), &[0, 1]);
    let now = world.now();
    let host = world.peers[0].host;
    let port = world.net.ports_of(host)[0];
    let first = world.net.addresses(host)[0];
    world.net.apply(Change::Addresses { port, addresses: vec![first, ip("203.0.113.50")] });
    world.bind(now, 0, ip("203.0.113.50"));
    world.flush(0);
    media(&mut world, Duration::from_secs(3), &[0, 1]);
    let changed = world.net.elapsed();
    world.net.apply(Change::Addresses { port, addresses: vec![ip("203.0.113.50")] });
    let now = world.now();
    let gone = world.peers[0].sockets.remove(0);
    world.peers[0].agent.remove_socket(now, gone);
    world.flush(0);
    media(&mut world, Duration::from_secs(2), &[0, 1]);
    for side in [0, 1] {
        assert!(gap(&world, side, changed) <= 500 * MS, "side {side}: {:?}", gap(&world, side, changed));
    }
}

#[test]
fn a_turn_server_that_starts_anew_costs_seconds_and_not_the_session() {
    for servers in [Servers::TurnUdp, Servers::All] {
        let sides = match servers {
            Servers::TurnUdp => [0, 1].map(|_| Access::Nat(NatSpec::symmetric())),
            _ => [Access::Tcp443, Access::Nat(NatSpec::symmetric())],
        };
        let [left, right] = sides;
        let topology = Topology { rtt: 40 * MS, ..Topology::new(left, right) };
        let mut world = call(8, &topology, servers);
        media(&mut world, Duration::from_secs(6), &[0, 1]);
        assert!(world.peers.iter().any(world::Peer::is_relayed));
        let restarted = world.net.elapsed();
        let host = world.turn.host;
        world.net.apply(Change::HostRestart { host });
        media(&mut world, Duration::from_secs(8), &[0, 1]);
        for side in [0, 1] {
            let silence = gap(&world, side, restarted);
            assert!(silence <= Duration::from_secs(3), "{servers:?}, side {side}: {silence:?}");
        }
        assert!(world.agreed());
    }
}

#[test]
fn a_network_that_goes_right_after_a_restart_leaves_no_timer_behind() {
    let mut world = call(9, &Topology::new(Access::Open, Access::Open), Servers::None);
    world.restart(0);
    world.run_for(Duration::from_secs(1));
    let (host, now) = (world.peers[0].host, world.now());
    for socket in std::mem::take(&mut world.peers[0].sockets) {
        world.peers[0].agent.remove_socket(now, socket);
    }
    world.flush(0);
    // The world refuses timers that are due again at once: the old generation's end must not be one.
    world.run_for(Duration::from_secs(20));
    assert!(!world.send_data(0, b"\x80 no way out"));
    let (now, own) = (world.now(), world.net.addresses(host)[0]);
    world.bind(now, 0, own);
    world.flush(0);
    world.run_for(Duration::from_secs(3));
    assert!(world.agreed(), "and the session comes back when the network does");
}

/// A relayed session moves to a direct path, which dies soon after, and comes back to the relay. With `busy`, a check of
/// another pair goes 2 ms before that time, so that pacing forbids one at that very instant. The time at which the
/// direct path is declared dead.
fn die_soon_after_a_move(busy: Option<Duration>) -> Duration {
    let homes = Topology::nats(NatSpec::port_restricted(), NatSpec::port_restricted());
    let mut world = World::new(11, &Topology { rtt: 40 * MS, ..homes }, configs(Servers::TurnUdp));
    let blocked: Vec<_> = (1..=2).map(|n| ip(&format!("203.0.113.{n}"))).collect();
    let no_direct = move || -> Option<parlour_netsim::Filter> {
        let blocked = blocked.clone();
        Some(Box::new(move |p: &parlour_netsim::Packet| {
            !(blocked.contains(&p.src.ip()) && blocked.contains(&p.dst.ip()))
        }))
    };
    world.net.set_filter(no_direct());
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(5);
    assert!(world.run_until(until, World::both_nominated));
    media(&mut world, Duration::from_secs(1), &[0, 1]);
    world.net.set_filter(None);
    while world.peers.iter().any(Peer::is_relayed) {
        assert!(world.net.elapsed() < Duration::from_secs(20), "the direct path is found");
        media(&mut world, 20 * MS, &[0, 1]);
    }
    media(&mut world, 100 * MS, &[0, 1]);
    world.net.set_filter(no_direct());
    let cut_at = world.net.elapsed();
    while noticed(&world, 0, cut_at).is_none() {
        assert!(world.net.elapsed() - cut_at < Duration::from_secs(3));
        for side in [0, 1] {
            world.send_data(side, &[0x80; 100]);
        }
        let end = world.net.elapsed() + 20 * MS;
        if let Some(at) = busy.map(|at| at - 2 * MS).filter(|at| (world.net.elapsed()..end).contains(at)) {
            world.run_for(at - world.net.elapsed());
            let now = world.now();
            let candidate = parlour_ice::Candidate::host("198.51.100.9:4000".parse().unwrap());
            world.peers[0].agent.add_remote_candidate(now, candidate, None);
            world.flush(0);
        }
        world.run_for(end - world.net.elapsed());
    }
    let dead_at = cut_at + noticed(&world, 0, cut_at).unwrap();
    media(&mut world, Duration::from_secs(3), &[0, 1]);
    assert!(world.peers.iter().all(Peer::is_relayed) && world.agreed());
    dead_at
}

#[test]
fn a_direct_path_that_dies_soon_after_it_was_found_gives_way_to_the_relay_even_while_checks_are_paced() {
    let dead_at = die_soon_after_a_move(None);
    // The world refuses a timer that is due again when it has just been handled.
    assert_eq!(die_soon_after_a_move(Some(dead_at)), dead_at);
}
