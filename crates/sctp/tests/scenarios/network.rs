//! What the network does to packets: loss, reordering, duplication, cuts, smaller paths.

use super::*;
use parlour_netsim::{Loss, QueueSpec};
use parlour_sctp::{PacketSizes, congestion::Algorithm};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Bbr, Algorithm::Cubic, Algorithm::Reno];

/// Sends messages of many sizes on several streams, both orders, and checks that each arrives once, whole and in order.
fn exchange(pair: &mut Both, count: usize) {
    let mut next = 0;
    let mut got: Vec<Message> = Vec::new();
    while next < count {
        let unordered = next % 5 == 0;
        let now = pair.now();
        let payload = pattern(next, 1 + next * 7919 % 40_000);
        let options = SendOptions { unordered, ..Default::default() };
        pair.a.send(now, StreamId((next % 7) as u16), next as u32, payload.into(), options).unwrap();
        next += 1;
        if next % 10 == 0 {
            pair.run(ms(5));
        }
    }
    let done = pair.run_until(seconds(600), |_, b| {
        got.extend(messages(b));
        got.len() >= count
    });
    assert!(done, "{} of {count} messages came", got.len());
    pair.run(seconds(2));
    got.extend(messages(&mut pair.b));
    assert_eq!(got.len(), count);
    let mut last = [None; 7];
    for message in &got {
        let n = message.ppid as usize;
        assert!(message.payload == pattern(n, 1 + n * 7919 % 40_000), "message {n} is damaged");
        if !message.unordered {
            let last = &mut last[n % 7];
            assert!(last.is_none_or(|l| l < n), "message {n} came after {last:?}");
            *last = Some(n);
        }
    }
}

#[test]
fn everything_arrives_once_and_in_order_whatever_the_network_does() {
    let base = delay(15);
    let links = [
        base.clone(),
        base.clone().with_loss(Loss::Random(0.05)),
        base.clone().with_loss(Loss::bursts(0.05, 8.0)),
        LinkSpec { reorder: 0.1, reorder_by: ms(10), jitter: ms(5), ..base.clone() },
        LinkSpec { duplicate: 0.1, reorder: 0.05, reorder_by: ms(20), ..base.clone() },
        LinkSpec { duplicate: 0.05, reorder: 0.05, reorder_by: ms(20), ..base.clone().with_loss(Loss::Random(0.1)) },
        LinkSpec::bottleneck(5, ms(15), 50),
    ];
    for (n, link) in links.into_iter().enumerate() {
        for interleaving in [true, false] {
            for algorithm in ALGORITHMS {
                let config = Config { interleaving, congestion: algorithm, ..Config::default() };
                let mut pair = connected(both_with(n as u64, link.clone(), config.clone(), config));
                exchange(&mut pair, 120);
            }
        }
    }
}

/// RFC 9260 §7.2.4, RFC 8985: a single loss costs about one round trip, not a time-out.
#[test]
fn a_lost_packet_is_repaired_within_a_round_trip_of_its_discovery() {
    let mut pair = connected(both(60, delay(50)));
    for n in 0..40 {
        // Few enough to fit the first window.
        send(&mut pair, 1, &pattern(n, 400));
        if n == 20 {
            // Just this one gets lost.
            let now = pair.now();
            assert!(pair.a.poll_transmit(now, &mut Vec::new()).is_some());
        }
        pair.run(ms(5));
    }
    let start = pair.net.elapsed();
    let mut got = messages(&mut pair.b).len();
    pair.run_until(seconds(5), |_, b| {
        got += messages(b).len();
        got == 40
    });
    let took = pair.net.elapsed() - start;
    assert!(took < ms(120), "{took:?}");
    assert_eq!(pair.a.stats().retransmissions, 1);
}

/// RFC 8985 §7: the loss of the last packet is noticed in two round trips, not in a retransmission time-out.
#[test]
fn a_lost_tail_is_probed() {
    let mut pair = connected(both(61, delay(20)));
    for n in 0..10 {
        send(&mut pair, 1, &pattern(n, 1000));
        pair.run(ms(100));
    }
    assert_eq!(messages(&mut pair.b).len(), 10);
    send(&mut pair, 1, b"last");
    let now = pair.now();
    assert!(pair.a.poll_transmit(now, &mut Vec::new()).is_some(), "lost");
    let start = pair.net.elapsed();
    assert!(pair.run_until(seconds(5), |_, b| !messages(b).is_empty()));
    let took = pair.net.elapsed() - start;
    assert!(took < ms(150), "{took:?}");
}

/// RFC 8985 §6.2 step 4: reordering makes the sender patient instead of sending everything again.
#[test]
fn reordering_is_not_taken_for_loss_for_long() {
    // The queue takes it all, so that nothing is lost.
    let queue = QueueSpec::DropTail { bytes: 64 << 20 };
    let link = LinkSpec { rate: Some(50_000_000), queue, reorder: 0.03, reorder_by: ms(8), ..delay(20) };
    for algorithm in ALGORITHMS {
        let config = Config { congestion: algorithm, ..Config::default() };
        let mut pair = connected(both_with(62, link.clone(), config.clone(), config));
        let mut got = 0;
        for n in 0..300 {
            send(&mut pair, 1, &pattern(n, 20_000));
        }
        assert!(pair.run_until(seconds(60), |_, b| {
            got += messages(b).len();
            got == 300
        }));
        let stats = pair.a.stats();
        assert!(stats.retransmissions < 100, "{algorithm:?}: {} of about 5000", stats.retransmissions);
    }
}

/// After a cut of a second the transfer goes on within two round trips and 200 ms.
#[test]
fn a_path_that_comes_back_is_used_at_once() {
    for (seed, one_way) in [(63, 5), (64, 25), (65, 50), (66, 100)] {
        let mut pair = connected(both(seed, LinkSpec::bottleneck(20, ms(one_way), 300)));
        let mut got = 0;
        for n in 0..3000 {
            send(&mut pair, 1, &pattern(n, 5000));
        }
        pair.run_until(seconds(2), |_, b| {
            got += messages(b).len();
            false
        });
        assert!(got > 300, "{got}");
        pair.set_up(false);
        pair.run(seconds(1));
        pair.set_up(true);
        got += messages(&mut pair.b).len();
        let (before, limit) = (got, ms(200) + 4 * ms(one_way));
        assert!(
            pair.run_until(limit, |_, b| {
                got += messages(b).len();
                got > before
            }),
            "one way {one_way} ms"
        );
    }
}

/// RFC 8899: packets grow to what the path carries …
#[test]
fn packets_grow_to_what_the_path_carries() {
    for (mtu, expected) in [(1500, 1472..1473), (1400, 1340..1373), (1228, 1200..1201)] {
        let config = Config { packet_sizes: PacketSizes { base: 1200, max: 1472 }, ..Config::default() };
        let link = LinkSpec { mtu, ..delay(20) };
        let mut pair = connected(both_with(67, link, config.clone(), config));
        pair.run(seconds(30));
        let size = pair.a.stats().packet_size;
        assert!(expected.contains(&size), "path {mtu}: {size}");
    }
}

/// … and shrink when it gets smaller, with what was cut for the larger path still arriving.
#[test]
fn a_path_that_gets_smaller_does_not_stop_the_transfer() {
    let config = Config { packet_sizes: PacketSizes { base: 1200, max: 1472 }, ..Config::default() };
    let mut pair = connected(both_with(68, LinkSpec::bottleneck(20, ms(20), 100), config.clone(), config));
    let mut got = 0;
    for n in 0..1000 {
        send(&mut pair, 1, &pattern(n, 10_000));
    }
    pair.run_until(seconds(1), |_, b| {
        got += messages(b).len();
        false
    });
    assert_eq!(pair.a.stats().packet_size, 1472);
    let smaller = LinkSpec { mtu: 1300, ..LinkSpec::bottleneck(20, ms(20), 100) };
    pair.set_link(0, smaller.clone());
    pair.set_link(1, smaller);
    assert!(pair.run_until(seconds(30), |_, b| {
        got += messages(b).len();
        got == 1000
    }));
    assert_eq!(pair.a.stats().packet_size, 1200);
}

/// RFC 8260 §3: an urgent small message passes a large one that is being sent; and pacing does not hold it back.
#[test]
fn a_small_message_passes_a_large_one() {
    let mut pair = connected(both(69, LinkSpec::bottleneck(10, ms(20), 300)));
    pair.a.set_weight(StreamId(1), 1024);
    send(&mut pair, 0, &pattern(0, 5_000_000));
    pair.run(seconds(2));
    let mut worst = Duration::ZERO;
    for _ in 0..50 {
        let start = pair.net.elapsed();
        send(&mut pair, 1, b"urgent");
        assert!(pair.run_until(seconds(1), |_, b| messages(b).iter().any(|m| m.stream == StreamId(1))));
        worst = worst.max(pair.net.elapsed() - start);
        pair.run(ms(17));
    }
    assert!(worst < ms(80), "{worst:?}");
}
