//! Every NAT against every NAT: agents connect if and only if a path exists, by the best kind of pair, and agree on it
//! (RFC 8445, RFC 4787).

mod world;

use parlour_ice::{CandidateKind, Config, ConnectionState, Role};
use parlour_netsim::{Behaviour, Hairpin, NatSpec};
use std::time::Duration;
use world::*;

fn all() -> Vec<NatSpec> {
    let both = |mapping| Behaviour::ALL.map(|filtering| NatSpec::new(mapping, filtering));
    Behaviour::ALL.into_iter().flat_map(both).collect()
}

/// Runs a session to its end and tells whether it connected, by which kind, and whether both agree.
fn outcome(seed: u64, topology: &Topology, servers: Servers) -> Option<bool> {
    let (mut world, name) = run(seed, topology, servers);
    if !world.both_selected() {
        assert!(!world.peers.iter().any(|peer| peer.agent.selected_pair().is_some()), "one-sided: {name}");
        return None;
    }
    assert!(world.both_nominated(), "not nominated: {name}");
    assert!(world.agreed(), "no agreement: {name}");
    Some(world.peers[0].is_relayed() || world.peers[1].is_relayed())
}

fn run(seed: u64, topology: &Topology, servers: Servers) -> (World, String) {
    let mut world = World::new(seed, topology, configs(servers));
    world.signal_delay = topology.rtt / 2;
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(6);
    world.run_until(until, |_| false);
    (world, format!("seed {seed}, {servers:?}, {topology:?}"))
}

#[test]
fn all_81_nat_pairs_connect_if_and_only_if_a_path_exists_and_by_relay_only_if_they_must() {
    let mut direct = 0;
    for (i, left) in all().iter().enumerate() {
        for (j, right) in all().iter().enumerate() {
            let topology = Topology::nats(left.clone(), right.clone());
            let seed = (i * 9 + j) as u64;
            let reachable = oracle::direct(left, right);
            direct += usize::from(reachable);
            assert_eq!(outcome(seed, &topology, Servers::Stun), reachable.then_some(false), "{topology:?}");
            assert_eq!(outcome(seed, &topology, Servers::TurnUdp), Some(!reachable), "{topology:?}");
        }
    }
    assert!((40..81).contains(&direct), "{direct} of 81 pairs of NATs have a direct path");
}

#[test]
fn special_networks_connect_by_the_best_path_that_they_have() {
    use Access::*;
    let (cone, symmetric) = (NatSpec::port_restricted(), NatSpec::symmetric());
    let nat = |spec: &NatSpec| Nat(spec.clone());
    let double = |a: &NatSpec, b: &NatSpec| Double(a.clone(), b.clone());
    let cases = [
        (Topology::new(Open, Open), false),
        (Topology::new(Open, nat(&symmetric)), false),
        (Topology::new(Stateful, Stateful), false),
        (Topology::new(Stateful, nat(&cone)), false),
        (Topology::new(Stateful, nat(&symmetric)), true),
        (Topology::new(double(&cone, &cone), double(&cone, &cone)), false),
        (Topology::new(double(&cone, &symmetric), nat(&cone)), true),
        (Topology::new(double(&symmetric, &cone), nat(&NatSpec::full_cone())), false),
        (Topology::new(UdpBlocked, nat(&cone)), true),
        (Topology::new(UdpBlocked, UdpBlocked), true),
        (Topology::new(Tcp443, nat(&symmetric)), true),
        (Topology::new(Tcp443, Tcp443), true),
        (Topology::new(Tcp443, Open), true),
        (Topology::new(Ipv6Only, nat(&cone)), false),
        (Topology::new(Ipv6Only, Ipv6Only), false),
        (Topology::new(Ipv6Only, nat(&symmetric)), true),
        (Topology::new(Ipv6Only, UdpBlocked), true),
    ];
    for (seed, (topology, relayed)) in cases.iter().enumerate() {
        assert_eq!(outcome(seed as u64, topology, Servers::All), Some(*relayed), "{topology:?}");
    }
}

#[test]
fn without_a_relay_blocked_udp_means_no_path_and_the_agent_says_so() {
    let topology = Topology::new(Access::UdpBlocked, Access::Nat(NatSpec::full_cone()));
    let (mut world, _) = run(1, &topology, Servers::Stun);
    assert!(!world.both_selected());
    world.run_for(Duration::from_secs(60));
    for peer in &world.peers {
        assert_eq!(peer.agent.state(), ConnectionState::Failed);
        // RFC 8863 §4: not before the other side has had its 39.5 seconds.
        let failed = peer.states().into_iter().find(|(_, state)| *state == ConnectionState::Failed).unwrap().0;
        assert!(failed >= Duration::from_millis(39_500), "{failed:?}");
    }
}

#[test]
fn two_people_on_one_lan_talk_without_leaving_it() {
    let topology = Topology { same_lan: true, ..Topology::nats(NatSpec::symmetric(), NatSpec::symmetric()) };
    let (world, _) = run(1, &topology, Servers::All);
    for peer in &world.peers {
        let (local, remote, _) = peer.selected().unwrap();
        assert_eq!((local.kind, remote.kind), (CandidateKind::Host, CandidateKind::Host));
    }
}

#[test]
fn behind_one_carrier_nat_hairpinning_decides() {
    for (hairpin, relayed) in [(Hairpin::ExternalSource, false), (Hairpin::Off, true)] {
        let carrier = NatSpec { hairpin, ..NatSpec::port_restricted() };
        let homes = Topology::nats(no_hairpin(NatSpec::port_restricted()), no_hairpin(NatSpec::port_restricted()));
        let topology = Topology { carrier: Some(carrier), ..homes };
        assert_eq!(outcome(3, &topology, Servers::All), Some(relayed), "{hairpin:?}");
    }
}

#[test]
fn meddling_gateways_and_traps_change_nothing() {
    let meddling = NatSpec { rewrites_payload: true, ..NatSpec::port_restricted() };
    let trap = NatSpec { conflict_trap: true, ..NatSpec::port_restricted() };
    for spec in [meddling, trap] {
        let topology = Topology::nats(spec, NatSpec::port_restricted());
        assert_eq!(outcome(5, &topology, Servers::TurnUdp), Some(false));
    }
}

#[test]
fn only_relays_are_used_and_shown_where_the_policy_says_so() {
    let config =
        |role| Config { transport_policy: parlour_ice::TransportPolicy::Relay, ..config(role, Servers::TurnUdp) };
    let topology = Topology::new(Access::Open, Access::Open);
    let mut world = World::new(1, &topology, [config(Role::Controlling), config(Role::Controlled)]);
    world.start(0);
    world.start(1);
    world.run_for(Duration::from_secs(2));
    assert!(world.both_nominated());
    for peer in &world.peers {
        assert!(peer.agent.local_candidates().all(|c| c.kind == CandidateKind::Relayed && c.related.is_none()));
    }
}
