//! How much of a path is used, how long its queue gets, and what others on it get.

use crate::{
    report::{Job, Report},
    world::{RATE, World, ms, percentile},
};
use parlour_bench_report::Figure;
use parlour_netsim::{Change, Direction, LinkSpec, Loss};
use parlour_sctp::{StreamId, congestion::Algorithm};
use std::time::Duration;

/// The contenders: what the association uses unless told otherwise, and what others use.
pub(crate) const ALL: [(&str, Algorithm); 3] =
    [("bbr", Algorithm::Bbr), ("cubic", Algorithm::Cubic), ("reno", Algorithm::Reno)];

/// Its name, its title, and what makes its figures.
type Table = (&'static str, &'static str, fn() -> Vec<Job>);

/// All tables.
pub(crate) fn run(report: &mut Report) {
    let tables: [Table; 6] = [
        (
            "goodput",
            "User data over 100 Mbit/s, queue of 100 ms (96.0 Mbit/s fill the link: headers of IP, UDP and SCTP are the rest)",
            loss_and_round_trip,
        ),
        ("queue", "Queueing delay that one flow adds, 95th percentile, queue of 300 ms", queueing),
        ("reorder", "3 % of packets 5 ms late: goodput kept", reordering),
        ("outage", "After a cut of 1 s: first data, and 80 % of the rate over 20 ms, beyond two round trips", outage),
        (
            "share",
            "Two flows, the second 3 s later: share of the first in the second and third minute, and fairness",
            sharing,
        ),
        (
            "interactive",
            "64-byte messages on 99 channels of four priorities beside a bulk channel, one way",
            interactive,
        ),
    ];
    for (name, title, jobs) in tables {
        if report.wants(name) {
            report.run(title, &jobs());
        }
    }
}

fn figure(case: String, contender: &'static str, unit: &'static str, value: f64) -> Figure {
    Figure { case, contender, unit, value }
}

pub(crate) fn bottleneck(rtt: u64, buffer: u64) -> LinkSpec {
    LinkSpec::bottleneck(RATE / 1_000_000, ms(rtt) / 2, buffer)
}

/// One flow, measured for `time` after it has had its start.
fn one(seed: u64, algorithm: Algorithm, rtt: u64, link: LinkSpec, time: Duration) -> World {
    let mut world = World::new(seed, ms(rtt), link, &[(algorithm, Duration::ZERO)]);
    world.run(ms(2000).max(ms(rtt) * 20));
    world.mark();
    world.run(time);
    world
}

/// Megabits a second of user data at this share of lost packets; 30 s, after a start of 2 s or 20 round trips.
pub(crate) fn with_loss(algorithm: Algorithm, rtt: u64, percent: u64) -> f64 {
    let loss = if percent > 0 { Loss::Random(percent as f64 / 100.0) } else { Loss::None };
    let time = ms(30_000);
    one(1, algorithm, rtt, bottleneck(rtt, 100).with_loss(loss), time).goodput(0, time)
}

fn loss_and_round_trip() -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for percent in [0, 1, 5] {
        for rtt in [10, 50, 100, 200] {
            for (name, algorithm) in ALL {
                jobs.push(Box::new(move || {
                    let case = format!("{percent} % loss, {rtt} ms");
                    vec![figure(case, name, "Mbit/s", with_loss(algorithm, rtt, percent))]
                }));
            }
        }
    }
    jobs
}

fn queueing() -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for rtt in [10, 50, 100, 200] {
        for (name, algorithm) in ALL {
            jobs.push(Box::new(move || {
                let mut world = one(2, algorithm, rtt, bottleneck(rtt, 300), ms(30_000));
                let p95 = percentile(&mut world.delays, 0.95);
                vec![figure(format!("queue, {rtt} ms"), name, "ms", p95.as_secs_f64() * 1e3)]
            }));
        }
    }
    jobs
}

fn reordering() -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let time = ms(20_000);
    for rtt in [10, 50, 100, 200] {
        for (name, algorithm) in ALL {
            jobs.push(Box::new(move || {
                let plain = bottleneck(rtt, 100);
                let late = LinkSpec { reorder: 0.03, reorder_by: ms(5), ..plain.clone() };
                let with = one(3, algorithm, rtt, late, time).goodput(0, time);
                let without = one(3, algorithm, rtt, plain, time).goodput(0, time);
                vec![figure(format!("3 % reordered, {rtt} ms"), name, "%", with / without * 100.0)]
            }));
        }
    }
    jobs
}

/// A flow whose path is cut for a second from three seconds on.
pub(crate) fn cut(algorithm: Algorithm, rtt: u64) -> World {
    let mut world = World::new(4, ms(rtt), bottleneck(rtt, 100), &[(algorithm, Duration::ZERO)]);
    for (at, up) in [(5000, false), (6000, true)] {
        for direction in [Direction::Up, Direction::Down] {
            let change = Change::Link { port: world.port, direction, up };
            world.net.schedule(ms(at), change);
        }
    }
    world
}

/// From the mending of the path to the first user data, and to the end of the first 20 ms at 80 % of the link's rate.
fn outage() -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for rtt in [10, 50, 100, 200] {
        for (name, algorithm) in ALL {
            jobs.push(Box::new(move || {
                let mut world = cut(algorithm, rtt);
                world.run(ms(6000));
                let delivered = |world: &World| world.net.link_stats(world.port, Direction::Down).delivered_bytes;
                let before = delivered(&world);
                let (mut first, mut full) = (None, None);
                let mut last = before;
                for step in 1..=1000 {
                    world.run(ms(20));
                    let bytes = delivered(&world);
                    if bytes > before + 10_000 {
                        first.get_or_insert(step * 20);
                    }
                    if (bytes - last) as f64 * 8.0 / 0.020 > 0.8 * RATE as f64 {
                        full = Some(step * 20);
                        break;
                    }
                    last = bytes;
                }
                let beyond = |at: Option<u64>| at.map_or(f64::NAN, |at| at as f64 - 2.0 * rtt as f64);
                vec![
                    figure(format!("first data, {rtt} ms"), name, "ms", beyond(first)),
                    figure(format!("full rate, {rtt} ms"), name, "ms", beyond(full)),
                ]
            }));
        }
    }
    jobs
}

fn sharing() -> Vec<Job> {
    use Algorithm::{Bbr, Cubic};
    let mut jobs: Vec<Job> = Vec::new();
    for buffer in [30, 100, 300] {
        for rtt in [10, 50, 100, 200] {
            for (name, pair) in [
                ("bbr, cubic", [Bbr, Cubic]),
                ("cubic, bbr", [Cubic, Bbr]),
                ("bbr, bbr", [Bbr, Bbr]),
                ("cubic, cubic", [Cubic, Cubic]),
            ] {
                jobs.push(Box::new(move || {
                    let time = ms(120_000);
                    let flows = [(pair[0], Duration::ZERO), (pair[1], ms(3000))];
                    let mut world = World::new(5, ms(rtt), bottleneck(rtt, buffer), &flows);
                    world.run(ms(60_000));
                    world.mark();
                    world.run(time);
                    let (x, y) = (world.goodput(0, time), world.goodput(1, time));
                    let case = format!("{rtt} ms, queue {buffer} ms");
                    let mut figures = vec![figure(format!("{case}, share"), name, "%", x / (x + y) * 100.0)];
                    if pair[0] == pair[1] {
                        let jain = (x + y).powi(2) / (2.0 * (x * x + y * y));
                        figures.push(figure(format!("{case}, Jain"), name, "index", jain));
                    }
                    figures
                }));
            }
        }
    }
    jobs
}

fn interactive() -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for rtt in [10, 50, 100, 200] {
        for (name, algorithm) in ALL {
            jobs.push(Box::new(move || {
                let flows = [(algorithm, Duration::ZERO)];
                let mut world = World::new(6, ms(rtt), bottleneck(rtt, 300), &flows);
                for id in 1..100 {
                    let weight = [128, 256, 512, 1024][usize::from(id) % 4];
                    world.flows[0].a.set_weight(StreamId(id), weight);
                }
                world.run(ms(3000));
                world.interactive = true;
                world.run(ms(20_000));
                let p99 = percentile(&mut world.flows[0].latencies, 0.99);
                vec![figure(format!("p99, {rtt} ms"), name, "round trips", p99.as_secs_f64() * 1e3 / rtt as f64)]
            }));
        }
    }
    jobs
}
