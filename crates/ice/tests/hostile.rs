//! Input from people who mean harm, on the path and off it: dropped, counted, bounded.

mod world;

use parlour_ice::*;
use parlour_netsim::{NatSpec, Rng as SimRng};
use parlour_stun::attribute::*;
use parlour_stun::{Class, IntegrityKey, Message, MessageWriter, Method, TransactionId};
use std::net::SocketAddr;
use std::time::Duration;
use world::*;

fn open(seed: u64) -> World {
    let mut world = World::new(seed, &Topology::new(Access::Open, Access::Open), configs(Servers::None));
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(2);
    assert!(world.run_until(until, World::both_nominated));
    world.run_for(Duration::from_secs(1));
    world
}

fn source(n: u32) -> SocketAddr {
    SocketAddr::new(std::net::Ipv4Addr::from(0x0B00_0000 + n).into(), 1_024 + (n % 60_000) as u16)
}

fn check(world: &World, side: usize, password: &str, n: u64, extra: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let (ours, theirs) = (world.peers[side].agent.local_parameters(), world.peers[1 - side].agent.local_parameters());
    let mut bytes = Vec::new();
    let mut id = [0; 12];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let mut writer = MessageWriter::new(&mut bytes, Class::Request, Method::BINDING, TransactionId(id));
    writer.put(&Username(&format!("{}:{}", ours.ufrag, theirs.ufrag)));
    writer.put(&Priority(1_000));
    match world.peers[side].agent.role() {
        Role::Controlling => writer.put(&IceControlled(7)),
        Role::Controlled => writer.put(&IceControlling(7)),
    }
    extra(&mut writer);
    writer.integrity(&IntegrityKey::short_term(password).unwrap());
    writer.fingerprint();
    writer.finish().unwrap();
    bytes
}

/// Injects and gives what is answered.
fn inject(world: &mut World, side: usize, remote: SocketAddr, bytes: &[u8]) -> Vec<Vec<u8>> {
    let meta = Meta { local: world.peers[side].sockets[0], remote };
    let mut bytes = bytes.to_vec();
    world.inject(side, meta, &mut bytes);
    let now = world.now();
    let mut out = Vec::new();
    let mut answers = Vec::new();
    while let Some(transmit) = world.peers[side].agent.poll_transmit(now, &mut out) {
        let bytes = std::mem::take(&mut out);
        match transmit.via {
            Via::Udp { remote: to, .. } if to == remote => answers.push(bytes),
            _ => world.transmit(side, transmit, bytes),
        }
    }
    answers
}

fn code(answer: &[u8]) -> u16 {
    Message::parse(answer).unwrap().get::<ErrorCode<'_>>().unwrap().unwrap().code
}

#[test]
fn checks_without_the_password_are_refused_and_leave_nothing_behind() {
    let mut world = open(1);
    let pairs = world.peers[0].agent.stats().pairs.len();
    for n in 0..10_000u32 {
        let bytes = check(&world, 0, "not the password of anybody", n.into(), |writer| writer.put(&UseCandidate));
        let answers = inject(&mut world, 0, source(n), &bytes);
        assert_eq!(answers.len(), 1);
        assert_eq!(code(&answers[0]), 401);
        assert!(answers[0].len() <= bytes.len(), "no amplification");
    }
    let stats = world.peers[0].agent.stats();
    assert_eq!(stats.pairs.len(), pairs);
    assert_eq!(stats.counters.unauthenticated, 10_000);
    assert!(world.agreed());
}

#[test]
fn a_flood_of_authenticated_sources_is_bounded_and_the_call_goes_on() {
    let mut world = open(2);
    let password = world.peers[0].agent.local_parameters().pwd;
    let selected = world.peers[0].agent.selected_pair();
    for n in 0..20_000u32 {
        let bytes = check(&world, 0, &password, n.into(), |_| {});
        inject(&mut world, 0, source(n), &bytes);
    }
    let stats = world.peers[0].agent.stats();
    assert!(stats.pairs.len() <= 100, "{}", stats.pairs.len());
    assert!(stats.remote_candidates.len() <= 64 + 32, "{}", stats.remote_candidates.len());
    assert_eq!(world.peers[0].agent.selected_pair(), selected);
    world.run_for(Duration::from_secs(30));
    assert!(world.agreed());
}

#[test]
fn a_hundred_thousand_candidates_are_bounded() {
    let mut world = open(3);
    let now = world.now();
    for n in 0..100_000 {
        world.peers[0].agent.add_remote_candidate(now, Candidate::host(source(n)), None);
        if n % 1_000 == 0 {
            world.flush(0);
        }
    }
    let stats = world.peers[0].agent.stats();
    assert!(stats.pairs.len() <= 100 && stats.remote_candidates.len() <= 64, "{} pairs", stats.pairs.len());
    let told = world.peers[0].events.iter().filter(|(_, e)| matches!(e, Event::CandidateRefused(_))).count();
    assert!(told <= 16, "one word about a flood is enough: {told}");
    world.run_for(Duration::from_secs(30));
    assert!(world.agreed());
}

#[test]
fn useless_candidates_are_refused_with_a_reason() {
    let mut world = open(4);
    let now = world.now();
    let server: SocketAddr = "192.0.2.10:3478".parse().unwrap();
    let mut configs = configs(Servers::Stun);
    configs[1].servers.clear();
    let mut other = World::new(4, &Topology::new(Access::Open, Access::Open), configs);
    other.start(0);
    other.peers[0].agent.add_remote_candidate(now, Candidate::host(server), None);
    other.flush(0);
    let refused = |world: &World| {
        world.peers[0]
            .events
            .iter()
            .filter_map(|(_, e)| match e {
                Event::CandidateRefused(why) => Some(*why),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(refused(&other), [Unusable::Server]);
    for address in ["203.0.113.5:0", "203.0.113.5:9", "0.0.0.0:5000", "224.0.0.1:5000", "127.0.0.1:5000", "[::]:5000"] {
        world.peers[0].agent.add_remote_candidate(now, Candidate::host(address.parse().unwrap()), None);
    }
    world.flush(0);
    use Unusable::*;
    assert_eq!(refused(&world), [Port, Port, Address, Address, Loopback, Address]);
}

#[test]
fn replayed_checks_and_answers_change_nothing() {
    let mut world = World::new(5, &Topology::new(Access::Open, Access::Open), configs(Servers::None));
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = heard.clone();
    world.attacker = Some(Box::new(move |side, bytes| {
        record.lock().unwrap().push((side, bytes.clone()));
        true
    }));
    world.start(0);
    world.start(1);
    world.run_for(Duration::from_secs(2));
    world.attacker = None;
    let selected = [0, 1].map(|side: usize| world.peers[side].agent.selected_pair());
    let messages = heard.lock().unwrap().clone();
    assert!(messages.len() >= 8);
    for (n, (side, bytes)) in messages.iter().cycle().take(2_000).enumerate() {
        inject(&mut world, *side, source(n as u32 % 100), bytes);
        let from = world.peers[1 - side].sockets[0];
        inject(&mut world, *side, from, bytes);
    }
    world.run_for(Duration::from_secs(10));
    assert_eq!([0, 1].map(|side: usize| world.peers[side].agent.selected_pair()), selected);
    assert!(world.agreed());
    assert!(world.peers.iter().all(|peer| peer.agent.stats().pairs.len() <= 100));
}

#[test]
fn spoofed_answers_neither_make_nor_break_a_pair() {
    let topology = Topology { rtt: 100 * MS, ..Topology::new(Access::Open, Access::Open) };
    let mut world = World::new(6, &topology, configs(Servers::None));
    world.hold_all = true;
    world.start(0);
    world.start(1);
    world.release();
    // Answers to the very checks that are under way, from the right address, without the password.
    let spoofed = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = spoofed.clone();
    world.attacker = Some(Box::new(move |side, bytes| {
        if let Ok(message) = Message::parse(bytes)
            && message.class() == Class::Request
        {
            record.lock().unwrap().push((side, message.transaction_id()));
        }
        true
    }));
    for _ in 0..200 {
        world.run_for(MS);
        for (side, id) in std::mem::take(&mut *spoofed.lock().unwrap()) {
            let victim = 1 - side;
            for class in [Class::Success, Class::Error] {
                let mut bytes = Vec::new();
                let mut writer = MessageWriter::new(&mut bytes, class, Method::BINDING, id);
                match class {
                    Class::Error => writer.put(&ErrorCode::of(487)),
                    _ => writer.put(&XorMappedAddress("203.0.113.200:7".parse().unwrap())),
                }
                writer.integrity(&IntegrityKey::short_term("guessed password 123456").unwrap());
                writer.fingerprint();
                writer.finish().unwrap();
                let from = world.peers[side].sockets[0];
                let meta = Meta { local: world.peers[victim].sockets[0], remote: from };
                world.inject(victim, meta, &mut bytes);
                world.flush(victim);
            }
        }
    }
    assert!(world.peers.iter().any(|peer| peer.agent.counters().spoofed > 0));
    assert!(world.both_selected() && world.peers[0].agent.role() == Role::Controlling);
    assert!(world.agreed());
}

#[test]
fn data_from_a_source_that_has_proved_nothing_is_dropped() {
    let mut world = open(7);
    let before = world.peers[0].received.len();
    // A DTLS ClientHello, as it is sent to win a race.
    for n in 0..1_000 {
        inject(&mut world, 0, source(n), &[22, 254, 253, 0, 0, 0, 0, 0]);
        inject(&mut world, 0, source(n), &[0x80; 40]);
    }
    assert_eq!(world.peers[0].received.len(), before);
    assert_eq!(world.peers[0].agent.counters().unexpected_data, 2_000);
}

#[test]
fn broken_messages_are_counted_and_dropped() {
    let mut world = open(8);
    let password = world.peers[0].agent.local_parameters().pwd;
    let good = check(&world, 0, &password, 1, |_| {});
    let mut answers = 0;
    for end in 0..good.len() {
        answers += inject(&mut world, 0, source(1), &good[..end]).len();
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        answers += inject(&mut world, 0, source(2), &bad).len();
    }
    assert_eq!(answers, 0, "FINGERPRINT tells all of them");
    let unknown = check(&world, 0, &password, 2, |writer| writer.put_raw(parlour_stun::AttributeType(0x7777), b"odd"));
    let answers = inject(&mut world, 0, source(3), &unknown);
    assert_eq!(code(&answers[0]), 420);
    assert!(world.agreed());
}

#[test]
fn a_tcp_client_that_says_nothing_useful_costs_little() {
    let mut world = open(9);
    let (host, now) = (world.peers[0].host, world.now());
    let listener = SocketAddr::new(world.net.addresses(host)[0], 443);
    world.peers[0].agent.add_listener(now, Socket::new(listener));
    let agent = &mut world.peers[0].agent;
    let accepted: Vec<_> = (0..1_000).filter_map(|n| agent.accept_stream(now, listener, source(n))).collect();
    assert_eq!(accepted.len(), 32);
    for id in &accepted {
        for _ in 0..100 {
            agent.handle_stream_data(now, *id, &[0xFF; 100], &mut |_| panic!("no data"));
        }
    }
    let closed = std::iter::from_fn(|| agent.poll_event()).filter(|e| matches!(e, Event::CloseStream(_))).count();
    assert_eq!(closed, 32, "each is closed once it has filled its buffer");
    assert!(agent.accept_stream(now, listener, source(1)).is_some(), "there is room again");
}

/// An attacker on the path who flips, cuts, repeats and mixes bytes of every tenth packet.
#[test]
fn mutated_packets_on_the_path_never_harm_more_than_themselves() {
    for seed in 0..300 {
        let mut topology = Topology::nats(NatSpec::port_restricted(), NatSpec::symmetric());
        topology.loss = 0.05;
        let mut world = World::new(seed, &topology, configs(Servers::All));
        let mut rng = SimRng::new(seed);
        world.attacker = Some(Box::new(move |_, bytes| {
            mutate(&mut rng, bytes);
            true
        }));
        world.start(0);
        world.start(1);
        let until = world.now() + Duration::from_secs(15);
        assert!(world.run_until(until, World::both_nominated), "seed {seed}");
        world.restart((seed & 1) as usize);
        for _ in 0..100 {
            world.send_data(0, &[0x80; 50]);
            world.send_data(1, &[0x80; 50]);
            world.run_for(100 * MS);
        }
        assert!(world.both_selected(), "seed {seed}");
        assert!(world.peers.iter().all(|peer| peer.agent.stats().pairs.len() <= 200));
    }
}

fn mutate(rng: &mut SimRng, bytes: &mut Vec<u8>) {
    if !rng.chance(0.1) || bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len() as u64) as usize;
    match rng.below(5) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes.truncate(at),
        2 => bytes.push(rng.next_u64() as u8),
        3 => bytes[at] = rng.next_u64() as u8,
        _ => {
            let copy = bytes[at..].to_vec();
            bytes.extend(copy);
        }
    }
}
