//! `cargo xtask bench ice [--json]`: how long it takes from both sides knowing everything to a pair that carries data,
//! in virtual time, and what an agent costs in processor time. Arguments choose parts: `connect`, `gather`, `dead`,
//! `idle`, `session`.

#[path = "../tests/world/mod.rs"]
mod world;

use parlour_ice::Event;
use parlour_netsim::NatSpec;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use world::*;

/// Sessions of each case.
const SEEDS: u64 = 500;

struct Case {
    name: &'static str,
    topology: Topology,
    servers: Servers,
    /// Milliseconds beside the round trips that the target grants, for half of the sessions and for 99 %.
    target: (f64, Option<f64>),
}

fn cases() -> Vec<Case> {
    use Access::*;
    let cone = || Nat(NatSpec::port_restricted());
    let case =
        |name, left, right, servers, target| Case { name, topology: Topology::new(left, right), servers, target };
    vec![
        case("host-host", Open, Open, Servers::TurnUdp, (5.0, None)),
        case("open-cone", Open, cone(), Servers::TurnUdp, (5.0, None)),
        case("cone-cone", cone(), cone(), Servers::TurnUdp, (60.0, Some(120.0))),
        case("cone-symmetric", Nat(NatSpec::restricted()), Nat(NatSpec::symmetric()), Servers::TurnUdp, (60.0, None)),
        case("relay", Nat(NatSpec::symmetric()), Nat(NatSpec::symmetric()), Servers::TurnUdp, (60.0, None)),
        case("tls-443", Tcp443, cone(), Servers::All, (50.0, None)),
    ]
}

/// Milliseconds until both sides have a pair, and until both have a nominated one.
fn session(seed: u64, case: &Case, rtt: Duration, loss: f64, skew: Duration) -> Option<(f64, f64)> {
    let topology = Topology { rtt, loss, ..case.topology.clone() };
    let mut world = World::new(seed, &topology, configs(case.servers));
    world.hold_all = true;
    world.start(0);
    world.start(1);
    let gathered = |world: &World| {
        world.peers.iter().all(|peer| peer.agent.gathering_state() == parlour_ice::GatheringState::Complete)
    };
    let until = world.now() + Duration::from_secs(30);
    if !world.run_until(until, gathered) {
        return None;
    }
    world.release_to(1);
    world.run_for(skew);
    world.release();
    measure(&mut world)
}

fn measure(world: &mut World) -> Option<(f64, f64)> {
    let from = world.net.elapsed();
    let until = world.now() + Duration::from_secs(20);
    if !world.run_until(until, World::both_selected) {
        return None;
    }
    let selected = world.net.elapsed() - from;
    world.run_until(until, World::both_nominated);
    Some((selected.as_secs_f64() * 1e3, (world.net.elapsed() - from).as_secs_f64() * 1e3))
}

/// From the start of gathering on a network that lets nothing through but TLS: candidates flow as they are found.
fn from_scratch(seed: u64, case: &Case, rtt: Duration) -> Option<f64> {
    let topology = Topology { rtt, ..case.topology.clone() };
    let mut world = World::new(seed, &topology, configs(case.servers));
    world.start(0);
    world.start(1);
    measure(&mut world).map(|(selected, _)| selected)
}

fn percentile(sorted: &[f64], p: f64) -> f64 {
    let at = ((sorted.len() as f64 * p).ceil() as usize).clamp(1, sorted.len());
    sorted[at - 1]
}

struct Printer {
    json: bool,
}

impl Printer {
    fn figure(&self, case: &str, unit: &str, value: f64) {
        if self.json {
            println!(r#"{{"bench":"ice","case":"{case}","contender":"parlour","unit":"{unit}","value":{value:.3}}}"#);
        }
    }

    fn line(&self, text: &str) {
        if !self.json {
            println!("{text}");
        }
    }
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        // `cargo test` starts this too, and measures nothing.
        return;
    }
    let printer = Printer { json: std::env::args().any(|argument| argument == "--json") };
    type Part = (&'static str, fn(&Printer));
    let parts: [Part; 5] = [
        ("connect", connect_times),
        ("gather", gathering_times),
        ("dead", dead_paths),
        ("idle", idle_cost),
        ("session", session_cost),
    ];
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, run) in parts {
        if chosen.is_empty() || chosen.iter().any(|chosen| chosen == name) {
            run(&printer);
        }
    }
}

/// Time that this program has spent on the processor: other programs do not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn connect_times(printer: &Printer) {
    printer.line("From both sides knowing credentials and candidates to a pair on both sides, ms of virtual time:\n");
    printer.line("| case | R | loss | p50 | p99 | p50 - round trips | target | nominated p50 | nominated p99 |");
    printer.line("|---|---|---|---|---|---|---|---|---|");
    for case in cases() {
        for (rtt, loss) in [(20u32, 0.0), (100, 0.0), (300, 0.0), (100, 0.1), (100, 0.3)] {
            let runs = (0..SEEDS).filter_map(|seed| {
                let skew = Duration::from_millis([0, 0, 50, 300][(seed % 4) as usize]);
                session(seed, &case, rtt * MS, loss, skew)
            });
            let (mut selected, mut nominated): (Vec<f64>, Vec<f64>) = runs.unzip();
            selected.sort_by(f64::total_cmp);
            nominated.sort_by(f64::total_cmp);
            // A relayed path passes the server: its round trips are counted as the targets count them.
            let trips = if case.name == "relay" { 2.0 } else { 1.0 };
            let (p50, p99) = (percentile(&selected, 0.5), percentile(&selected, 0.99));
            let over = p50 - trips * f64::from(rtt);
            printer.line(&format!(
                "| {} | {rtt} ms | {:.0} % | {p50:.0} | {p99:.0} | {over:+.0} | {:.0} | {:.0} | {:.0} |",
                case.name,
                loss * 100.0,
                case.target.0,
                percentile(&nominated, 0.5),
                percentile(&nominated, 0.99)
            ));
            let name = format!("{}, R {rtt} ms, loss {:.0} %", case.name, loss * 100.0);
            printer.figure(&format!("{name}, p50"), "ms", p50);
            printer.figure(&format!("{name}, p99"), "ms", p99);
        }
    }
}

fn gathering_times(printer: &Printer) {
    printer.line("\nFrom nothing (gathering, signaling and checks together), signaling without delay:\n");
    printer.line("| case | R | p50 |");
    printer.line("|---|---|---|");
    for case in cases() {
        for rtt in [20u32, 100, 300] {
            let mut times: Vec<f64> = (0..50).filter_map(|seed| from_scratch(seed, &case, rtt * MS)).collect();
            times.sort_by(f64::total_cmp);
            let p50 = percentile(&times, 0.5);
            printer.line(&format!("| {} | {rtt} ms | {p50:.0} |", case.name));
            printer.figure(&format!("{} from nothing, R {rtt} ms, p50", case.name), "ms", p50);
        }
    }
}

/// Time to notice that a path has died, media flowing both ways.
fn dead_paths(printer: &Printer) {
    printer.line("\nA dead path is noticed, media flowing:\n");
    for rtt in [20u32, 100, 300] {
        let topology = Topology { rtt: rtt * MS, ..Topology::new(Access::Open, Access::Open) };
        let mut world = World::new(1, &topology, configs(Servers::None));
        world.start(0);
        world.start(1);
        world.run_for(Duration::from_secs(2));
        let mut cut = Duration::ZERO;
        for n in 0..250 {
            if n == 100 {
                cut = world.net.elapsed();
                world.net.set_filter(Some(Box::new(|_| false)));
            }
            world.send_data(0, &[0x80; 100]);
            world.send_data(1, &[0x80; 100]);
            world.run_for(20 * MS);
        }
        let dead = |(at, event): &(Duration, Event)| {
            matches!(event, Event::State(parlour_ice::ConnectionState::Disconnected)).then(|| *at - cut)
        };
        let took = world.peers[0].events.iter().find_map(dead).unwrap_or_default().as_secs_f64() * 1e3;
        printer.line(&format!("- R {rtt} ms: after {took:.0} ms"));
        printer.figure(&format!("dead path noticed, R {rtt} ms"), "ms", took);
    }
}

/// The share of a core that 10,000 agents take that do nothing but keep consent.
fn idle_cost(printer: &Printer) {
    const AGENTS: usize = 10_000;
    let mut world = World::new(1, &Topology::new(Access::Open, Access::Open), configs(Servers::None));
    world.start(0);
    world.start(1);
    world.run_for(Duration::from_secs(10));
    // The agents' own time alone: what one pair does in half an hour, taken by AGENTS / 2 pairs.
    let virtual_time = Duration::from_secs(20_000);
    let mut now = world.now();
    let end = now + virtual_time;
    let addresses = [0, 1].map(|side: usize| world.peers[side].sockets[0]);
    let mut buffer = Vec::new();
    let mut messages = 0u64;
    let begun = cpu_time();
    while now < end {
        let next = world.peers.iter().filter_map(|peer| peer.agent.poll_timeout()).min();
        now = next.unwrap_or(end).max(now);
        for peer in &mut world.peers {
            if peer.agent.poll_timeout().is_some_and(|at| at <= now) {
                peer.agent.handle_timeout(now);
            }
        }
        // A request, and the answer to it.
        for _ in 0..2 {
            for side in [0, 1] {
                while world.peers[side].agent.poll_transmit(now, &mut buffer).is_some() {
                    messages += 1;
                    let meta = parlour_ice::Meta { local: addresses[1 - side], remote: addresses[side] };
                    world.peers[1 - side].agent.handle_datagram(now, meta, &mut buffer);
                    buffer.clear();
                }
            }
        }
    }
    let busy = cpu_time() - begun;
    let share = busy.as_secs_f64() / virtual_time.as_secs_f64() * (AGENTS / 2) as f64 * 100.0;
    printer.line(&format!(
        "\n{AGENTS} idle agents take {share:.2} % of a core ({:.1} us for a message of {messages}).",
        busy.as_secs_f64() * 1e6 / messages as f64
    ));
    printer.figure("10000 idle agents", "% of a core", share);
}

/// What a whole session costs with the network around it: the measure of the sweep.
fn session_cost(printer: &Printer) {
    let begun = cpu_time();
    let count = 500;
    for seed in 0..count {
        let topology = Topology::nats(NatSpec::port_restricted(), NatSpec::symmetric());
        let mut world = World::new(seed, &topology, configs(Servers::TurnUdp));
        world.start(0);
        world.start(1);
        let until = world.now() + Duration::from_secs(5);
        world.run_until(until, World::both_nominated);
    }
    let each = (cpu_time() - begun).as_secs_f64() * 1e6 / f64::from(count as u32);
    printer.line(&format!("A session with its network, from gathering to nomination: {each:.0} us."));
    printer.figure("session with its network", "us", each);
}
