//! Many random sessions: every kind of network, loss, round trip, trickle and start skew, each from its seed.
//!
//! `ICE_SWEEP_SESSIONS` sets how many, `ICE_SWEEP_FIRST` the first seed; `ICE_SWEEP_SEED` runs one of them alone and
//! says what happened.

mod world;

use parlour_netsim::{Behaviour, Hairpin, NatSpec, PortPolicy, Rng as SimRng};
use std::time::Duration;
use world::*;

/// Sessions in all.
const SESSIONS: u64 = 100_000;

fn random_nat(rng: &mut SimRng) -> NatSpec {
    let behaviour = |rng: &mut SimRng| Behaviour::ALL[rng.below(3) as usize];
    let mut spec = NatSpec::new(behaviour(rng), behaviour(rng));
    spec.ports =
        [PortPolicy::Preserve, PortPolicy::Random, PortPolicy::Sequential, PortPolicy::Parity][rng.below(4) as usize];
    spec.hairpin = if rng.chance(0.5) { Hairpin::Off } else { Hairpin::ExternalSource };
    spec.rewrites_payload = rng.chance(0.05);
    spec
}

fn random_access(rng: &mut SimRng) -> Access {
    match rng.below(20) {
        0 => Access::Open,
        1 => Access::Stateful,
        2 => Access::Double(random_nat(rng), random_nat(rng)),
        3 => Access::UdpBlocked,
        4 => Access::Tcp443,
        5 => Access::Ipv6Only,
        _ => Access::Nat(random_nat(rng)),
    }
}

/// What a session is like, all of it from its seed.
struct Session {
    topology: Topology,
    trickle: Trickle,
    skew: Duration,
    servers: Servers,
}

impl Session {
    fn new(seed: u64) -> Self {
        let mut rng = SimRng::new(seed);
        let mut topology = Topology::new(random_access(&mut rng), random_access(&mut rng));
        topology.loss = [0.0, 0.1, 0.3][rng.below(3) as usize];
        topology.rtt = Duration::from_millis([20, 100, 300][rng.below(3) as usize]);
        topology.same_lan = rng.chance(0.02);
        if rng.chance(0.03) {
            topology.carrier = Some(random_nat(&mut rng));
        }
        let trickle = [Trickle::Full, Trickle::Half, Trickle::Late][rng.below(3) as usize];
        let skew = Duration::from_millis([0, 50, 300][rng.below(3) as usize]);
        let stream = |access: &Access| matches!(access, Access::UdpBlocked | Access::Tcp443);
        let needs_stream = topology.sides.iter().any(stream);
        let servers = match rng.below(10) {
            _ if needs_stream => Servers::All,
            0 => Servers::Stun,
            1 => Servers::All,
            _ => Servers::TurnUdp,
        };
        Session { topology, trickle, skew, servers }
    }

    fn over_tcp(&self) -> bool {
        self.topology.sides.iter().any(|access| matches!(access, Access::UdpBlocked | Access::Tcp443))
    }

    /// Whether the sides can reach each other directly, where that is known from the NATs alone.
    fn direct(&self) -> Option<bool> {
        match (&self.topology.sides, &self.topology.carrier, self.topology.same_lan) {
            (_, _, true) => Some(true),
            ([Access::Nat(left), Access::Nat(right)], None, false) => Some(oracle::direct(left, right)),
            _ => None,
        }
    }

    fn must_connect(&self) -> Option<bool> {
        if self.servers == Servers::Stun { self.direct() } else { Some(true) }
    }
}

#[derive(Default)]
struct Count {
    sessions: u64,
    connected: u64,
    late: Vec<u64>,
}

/// Runs one session: whether it connected in time, and whether its end was right.
fn run(session: &Session, seed: u64, verbose: bool) -> (bool, Result<(), String>) {
    let mut world = World::new(seed, &session.topology, configs(session.servers));
    world.trickle = session.trickle;
    world.signal_delay = session.topology.rtt / 2;
    let (first, second) = if seed & 1 == 0 { (0, 1) } else { (1, 0) };
    world.start(first);
    world.run_for(session.skew);
    world.start(second);
    let waits_for_gathering = if session.trickle == Trickle::Half { 12 } else { 0 };
    let begun = world.now();
    // Time counts from when both know each other's parameters and candidates can flow.
    world.run_until(begun + Duration::from_secs(waits_for_gathering), |world| {
        world.peers.iter().all(|peer| peer.agent.state() != parlour_ice::ConnectionState::New)
    });
    let from = world.now();
    let connected = world.run_until(from + Duration::from_secs(5), World::both_selected);
    let verdict = judge(session, &mut world, connected);
    if verbose {
        for (side, peer) in world.peers.iter().enumerate() {
            println!("side {side}, {} packets:", peer.sent_packets);
            peer.events.iter().for_each(|(at, event)| println!("  {at:?} {event:?}"));
            peer.agent.stats().pairs.iter().for_each(|pair| println!("  {pair:?}"));
            println!("  {:?}", peer.agent.counters());
        }
    }
    (connected, verdict)
}

/// Whether what came out is right, whatever the loss: kind of pair, agreement, and no path where none is.
fn judge(session: &Session, world: &mut World, connected: bool) -> Result<(), String> {
    if session.must_connect() == Some(false) {
        return if connected { Err("connected where no path exists".to_owned()) } else { Ok(()) };
    }
    if !connected {
        return Ok(());
    }
    // Loss makes TCP wait for seconds, again and again.
    let patience = if session.over_tcp() && session.topology.loss > 0.0 { 60 } else { 10 };
    let end = world.now() + Duration::from_secs(patience);
    let direct = session.direct();
    let settled = |world: &World| {
        world.both_nominated() && direct.is_none_or(|direct| world.peers.iter().all(|peer| peer.is_relayed() != direct))
    };
    if !world.run_until(end, settled) {
        let relayed: Vec<bool> = world.peers.iter().map(Peer::is_relayed).collect();
        return Err(format!("not the best kind of pair in time: relayed {relayed:?}, direct {direct:?}"));
    }
    // Both sides follow the last nomination within a few round trips, whatever is lost; a connection that loses packets
    // stalls for seconds, and what it delivers then is old.
    let lossy = session.topology.loss > 0.0;
    let (tries, window) = match (lossy, session.over_tcp()) {
        (false, _) => (3, 400 * MS),
        (true, false) => (20, 400 * MS),
        (true, true) => (20, 3_000 * MS),
    };
    if (0..tries).any(|_| world.agreed_within(window)) {
        Ok(())
    } else {
        Err("the sides do not agree on the pair".to_owned())
    }
}

#[test]
fn a_hundred_thousand_random_sessions_end_as_their_networks_say() {
    if let Ok(seed) = std::env::var("ICE_SWEEP_SEED") {
        let seed = seed.parse().expect("ICE_SWEEP_SEED is a number");
        let session = Session::new(seed);
        let (connected, verdict) = run(&session, seed, true);
        println!(
            "seed {seed}: connected {connected}, {verdict:?}, {:?} {:?} {:?} {:?}",
            session.topology, session.trickle, session.skew, session.servers
        );
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let sessions: u64 = number("ICE_SWEEP_SESSIONS").unwrap_or(SESSIONS);
    let first: u64 = number("ICE_SWEEP_FIRST").unwrap_or(0);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(4);
    let results: Vec<_> = std::thread::scope(|scope| {
        let work = |worker: u64| {
            let mut out = Vec::new();
            for seed in (first + worker..first + sessions).step_by(workers as usize) {
                let session = Session::new(seed);
                let (connected, verdict) =
                    std::panic::catch_unwind(|| run(&session, seed, false)).unwrap_or_else(|_| {
                        eprintln!("that was the session of seed {seed}; ICE_SWEEP_SEED={seed} runs it alone");
                        (false, Err("it panicked".to_owned()))
                    });
                out.push((seed, session.topology.loss, session.over_tcp(), session.must_connect(), connected, verdict));
            }
            out
        };
        let handles: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    let mut counts: [[Count; 2]; 3] = Default::default();
    let mut wrong = Vec::new();
    for (seed, loss, over_tcp, must, connected, verdict) in results {
        if let Err(why) = verdict {
            wrong.push((seed, why));
        }
        if must == Some(true) {
            let row = if loss == 0.0 {
                0
            } else if loss < 0.2 {
                1
            } else {
                2
            };
            let count = &mut counts[row][usize::from(over_tcp)];
            count.sessions += 1;
            count.connected += u64::from(connected);
            if !connected {
                count.late.push(seed);
            }
        }
    }
    for (row, loss) in counts.iter().zip([0, 10, 30]) {
        for (count, way) in row.iter().zip(["UDP", "TCP relays"]) {
            let rate = 100.0 * count.connected as f64 / count.sessions.max(1) as f64;
            println!(
                "{loss} % loss, {way}: {} of {} sessions connected within 5 s ({rate:.3} %); late: {:?}",
                count.connected,
                count.sessions,
                &count.late[..count.late.len().min(10)]
            );
        }
    }
    wrong.sort();
    for (seed, why) in wrong.iter().take(20) {
        println!("wrong: {why}; run again with ICE_SWEEP_SEED={seed}");
    }
    assert!(wrong.is_empty(), "{} sessions ended wrongly; the first seed is {:?}", wrong.len(), wrong.first());
    for (row, least) in counts.iter().zip([1.0, 0.9999, 0.999]) {
        let sum = |number: fn(&Count) -> u64| row.iter().map(number).sum::<u64>();
        let rate = sum(|count| count.connected) as f64 / sum(|count| count.sessions).max(1) as f64;
        let late: Vec<u64> = row.iter().flat_map(|count| count.late.clone()).collect();
        assert!(rate >= least, "{rate} of the sessions connected within 5 s, {least} must; late seeds: {late:?}");
        // Where UDP passes, loss alone is never the reason.
        let udp = &row[0];
        let rate = udp.connected as f64 / udp.sessions.max(1) as f64;
        assert!(rate >= 0.9999, "{rate} of the sessions by UDP connected within 5 s; late seeds: {:?}", udp.late);
    }
}
