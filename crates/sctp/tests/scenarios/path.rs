//! What an association makes of a path: how much it carries, how long the queue gets, what others on it get.

use super::*;
use crate::world::{World, percentile};
use parlour_netsim::Loss;
use parlour_sctp::congestion::Algorithm;

/// Megabits a second of user data over a bottleneck of `rate`, after a start of `start`.
fn goodput(algorithm: Algorithm, rtt: u64, link: &LinkSpec, start: u64, time: u64) -> f64 {
    let mut world = World::new(1, ms(rtt), link.clone(), &[(algorithm, Duration::ZERO)]);
    world.run(seconds(start));
    world.mark();
    world.run(seconds(time));
    world.goodput(0, seconds(time))
}

fn bottleneck(mbit_per_s: u64, rtt: u64, queue: u64) -> LinkSpec {
    LinkSpec::bottleneck(mbit_per_s, ms(rtt) / 2, queue)
}

/// 95 % of the link in user data; headers take 4 % more.
#[test]
fn a_path_without_loss_is_used_up_at_any_round_trip() {
    for rtt in [10, 50, 100, 200] {
        let rate = goodput(Algorithm::Bbr, rtt, &bottleneck(50, rtt, 100), 4, 8);
        assert!(rate > 47.5, "{rtt} ms: {rate} of 50 Mbit/s");
    }
}

/// Losses that are not congestion hardly slow it down: RFC 9260 §7.2 gets a fifth at most where 1 % is lost.
#[test]
fn random_loss_does_not_collapse_the_rate() {
    for (rtt, loss, factor) in [(10, 0.01, 5.0), (100, 0.01, 5.0), (10, 0.05, 2.0), (100, 0.05, 2.0)] {
        let link = bottleneck(100, rtt, 100).with_loss(Loss::Random(loss));
        let ours = goodput(Algorithm::Bbr, rtt, &link, 2, 3);
        let reno = goodput(Algorithm::Reno, rtt, &link, 5, 10);
        assert!(ours > factor * reno, "{rtt} ms, {loss} lost: {ours} and {reno} Mbit/s");
    }
}

#[test]
fn reordering_costs_next_to_nothing() {
    let plain = bottleneck(50, 50, 100);
    let late = LinkSpec { reorder: 0.03, reorder_by: ms(5), ..plain.clone() };
    let [with, without] = [late, plain].map(|link| goodput(Algorithm::Bbr, 50, &link, 3, 6));
    assert!(with > 0.95 * without, "{with} and {without} Mbit/s");
}

#[test]
fn the_queue_stays_short_where_there_is_room_for_a_long_one() {
    for rtt in [10, 100] {
        let mut world = World::new(2, ms(rtt), bottleneck(50, rtt, 300), &[(Algorithm::Bbr, Duration::ZERO)]);
        world.run(seconds(3));
        world.mark();
        world.run(seconds(8));
        let p95 = percentile(&mut world.delays, 0.95);
        assert!(p95 < ms(50), "{rtt} ms: {p95:?}");
    }
}

/// What each of two flows gets, in Mbit/s, when both have been there for a while.
fn shares(flows: [Algorithm; 2], link: LinkSpec, start: u64) -> [f64; 2] {
    let mut world = World::new(5, ms(50), link, &[(flows[0], Duration::ZERO), (flows[1], seconds(2))]);
    world.run(seconds(start));
    world.mark();
    world.run(seconds(30));
    [0, 1].map(|n| world.goodput(n, seconds(30)))
}

/// In a short queue as well, which CUBIC leaves at each overflow.
#[test]
fn a_flow_of_cubic_gets_its_share_and_leaves_one() {
    let (bbr, cubic) = (Algorithm::Bbr, Algorithm::Cubic);
    for (flows, queue) in [([bbr, cubic], 100), ([bbr, cubic], 30), ([cubic, bbr], 30)] {
        let [first, second] = shares(flows, bottleneck(20, 50, queue), 20);
        let share = first / (first + second);
        assert!((0.25..0.75).contains(&share), "{flows:?}, {queue} ms: {first} and {second} Mbit/s");
    }
}

#[test]
fn two_flows_share_evenly() {
    let [x, y] = shares([Algorithm::Bbr; 2], bottleneck(50, 50, 100), 8);
    let jain = (x + y).powi(2) / (2.0 * (x * x + y * y));
    assert!(jain > 0.95, "{x} and {y} Mbit/s");
}

/// RFC 8260 §3.6: small messages of 99 channels, of all four priorities, do not wait behind the one that saturates the path.
#[test]
fn small_messages_pass_a_channel_that_saturates_the_path() {
    let mut world = World::new(6, ms(50), bottleneck(50, 50, 300), &[(Algorithm::Bbr, Duration::ZERO)]);
    for id in 1..100 {
        world.flows[0].a.set_weight(StreamId(id), [128, 256, 512, 1024][usize::from(id) % 4]);
    }
    world.run(seconds(3));
    world.interactive = true;
    world.run(seconds(6));
    let latencies = &mut world.flows[0].latencies;
    assert!(latencies.len() > 5000, "{}", latencies.len());
    let p99 = percentile(latencies, 0.99);
    assert!(p99 < ms(100), "{p99:?}");
}
