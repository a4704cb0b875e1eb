//! Wires delay, queue, lose, reorder, duplicate and mark as they are told, and the same seed always does the same.

use parlour_netsim::*;
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

const A: &str = "192.0.2.1:1";
const B: &str = "192.0.2.2:2";

struct Wire {
    net: Network,
    a: HostId,
    port: PortId,
}

/// Two hosts; all that `link` says happens on the way from a to b.
fn wire(seed: u64, link: LinkSpec) -> Wire {
    let mut net = Network::new(seed);
    let segment = net.segment();
    let (a, b) = (net.host(), net.host());
    let ip = |s: &str| -> IpAddr { s.parse().unwrap() };
    let port = net.attach_asymmetric(a, segment, &[ip("192.0.2.1")], link, LinkSpec::default());
    net.attach(b, segment, &[ip("192.0.2.2")], LinkSpec::default());
    Wire { net, a, port }
}

impl Wire {
    fn send(&mut self, number: u32, len: usize, ecn: Ecn) {
        let mut payload = vec![0; len.max(4)];
        payload[..4].copy_from_slice(&number.to_be_bytes());
        let (src, dst): (SocketAddr, SocketAddr) = (A.parse().unwrap(), B.parse().unwrap());
        self.net.send(self.a, Packet { ecn, ..Packet::udp(src, dst, payload) });
    }

    /// Number, time of arrival and ECN of all that arrives up to `until` after the start.
    fn arrivals(&mut self, until: Duration) -> Vec<(u32, Duration, Ecn)> {
        let until = self.net.now() + until;
        let mut out = Vec::new();
        while let Some((_, event)) = self.net.poll(until) {
            if let Event::Udp(packet) = event {
                let number = u32::from_be_bytes(packet.payload[..4].try_into().unwrap());
                out.push((number, self.net.elapsed(), packet.ecn));
            }
        }
        out
    }

    /// Sends `count` packets, one each `every`, and returns what arrives.
    fn stream(&mut self, count: u32, len: usize, every: Duration, ecn: Ecn) -> Vec<(u32, Duration, Ecn)> {
        let mut out = Vec::new();
        for number in 0..count {
            self.send(number, len, ecn);
            out.extend(self.arrivals(every));
        }
        out.extend(self.arrivals(Duration::from_secs(60)));
        out
    }
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_packet_takes_its_bits_at_the_rate_and_then_the_delay() {
    // 1222 bytes and 28 of headers are 10,000 bits: 10 ms at 1 Mbit/s.
    let mut w = wire(1, LinkSpec::bottleneck(1, 30 * MS, 1000));
    (0..3).for_each(|n| w.send(n, 1222, Ecn::NotEct));
    let times: Vec<Duration> = w.arrivals(Duration::from_secs(1)).iter().map(|(_, t, _)| *t).collect();
    assert_eq!(times, [40 * MS, 50 * MS, 60 * MS]);
}

#[test]
fn a_full_drop_tail_queue_drops_what_comes_on_top() {
    let mut w = wire(1, LinkSpec::bottleneck(1, MS, 100)); // 12,500 bytes: ten packets
    (0..30).for_each(|n| w.send(n, 1222, Ecn::NotEct));
    let numbers: Vec<u32> = w.arrivals(Duration::from_secs(1)).iter().map(|(n, _, _)| *n).collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert_eq!(w.net.link_stats(w.port, Direction::Up).queue_drops, 20);
}

/// RFC 8289: under 50 % overload of one that does not react, the queue stays near its target, and far below its size.
#[test]
fn codel_keeps_the_queue_short_where_drop_tail_fills_it() {
    let worst_wait = |queue| {
        let mut w = wire(5, LinkSpec { rate: Some(10_000_000), queue, ..LinkSpec::default() });
        let seen = w.stream(12_000, 1222, Duration::from_micros(900), Ecn::NotEct);
        let late: Vec<Duration> =
            seen.iter().filter(|(n, _, _)| *n > 8_000).map(|(n, t, _)| *t - Duration::from_micros(900) * *n).collect();
        late.iter().sum::<Duration>() / late.len() as u32
    };
    let tail = worst_wait(QueueSpec::DropTail { bytes: 375_000 });
    let codel = worst_wait(QueueSpec::CoDel { bytes: 375_000, target: 5 * MS, interval: 100 * MS });
    assert!(tail > 250 * MS, "{tail:?}");
    assert!(codel < 60 * MS, "{codel:?}");
}

#[test]
fn capable_packets_are_marked_instead_of_dropped() {
    let codel = QueueSpec::CoDel { bytes: 375_000, target: 5 * MS, interval: 100 * MS };
    for (queue, ecn) in [(codel, Ecn::Ect0), (QueueSpec::L4s { bytes: 375_000, threshold: MS }, Ecn::Ect1)] {
        let mut w = wire(5, LinkSpec { rate: Some(10_000_000), queue, ..LinkSpec::default() });
        let seen = w.stream(2_000, 1222, Duration::from_micros(950), ecn);
        let marked = seen.iter().filter(|(_, _, ecn)| *ecn == Ecn::Ce).count();
        assert!(marked > 10, "{queue:?}: {marked}");
        assert_eq!(seen.len(), 2_000, "{queue:?} dropped");
        assert_eq!(w.net.link_stats(w.port, Direction::Up).marked, marked as u64);
    }
}

#[test]
fn loss_has_the_mean_and_the_bursts_it_is_given() {
    for (loss, mean_burst) in [(Loss::Random(0.1), 1.1), (Loss::bursts(0.1, 5.0), 5.0)] {
        let mut w = wire(9, LinkSpec::default().with_loss(loss));
        let got: std::collections::BTreeSet<u32> =
            w.stream(100_000, 100, Duration::from_micros(10), Ecn::NotEct).iter().map(|(n, _, _)| *n).collect();
        let lost: Vec<u32> = (0..100_000).filter(|n| !got.contains(n)).collect();
        let share = lost.len() as f64 / 100_000.0;
        assert!((share - 0.1).abs() < 0.01, "{loss:?}: {share}");
        let bursts = lost.iter().filter(|n| **n == 0 || got.contains(&(**n - 1))).count();
        let burst = lost.len() as f64 / bursts as f64;
        assert!((burst - mean_burst).abs() < 0.1 * mean_burst, "{loss:?}: {burst}");
    }
}

#[test]
fn jitter_alone_keeps_the_order_and_reordering_breaks_it() {
    let in_order = |link: LinkSpec| {
        let seen = wire(3, link).stream(2_000, 100, Duration::from_micros(100), Ecn::NotEct);
        assert_eq!(seen.len(), 2_000);
        seen.windows(2).filter(|w| w[0].0 > w[1].0).count()
    };
    let jitter = LinkSpec { delay: 20 * MS, jitter: 10 * MS, ..LinkSpec::default() };
    assert_eq!(in_order(jitter.clone()), 0);
    let overtaken = in_order(LinkSpec { reorder: 0.03, reorder_by: 5 * MS, ..jitter });
    assert!((30..=90).contains(&overtaken), "{overtaken}");
}

#[test]
fn duplicates_come_twice() {
    let seen = wire(3, LinkSpec { duplicate: 0.05, ..LinkSpec::default() }).stream(10_000, 100, MS / 100, Ecn::NotEct);
    assert!((10_400..10_600).contains(&seen.len()), "{}", seen.len());
}

/// RFC 1191: what does not fit is dropped, and its sender learns the size that does.
#[test]
fn packets_above_the_mtu_are_refused_with_the_size_that_fits() {
    let mut w = wire(3, LinkSpec { mtu: 1280, ..LinkSpec::default() });
    w.send(0, 1253, Ecn::NotEct);
    let until = w.net.now() + MS;
    let seen = w.net.poll(until);
    let (from, to) = (A.parse().unwrap(), B.parse().unwrap());
    assert_eq!(seen, Some((w.a, Event::Unreachable { from, to, why: Unreachable::TooBig(1280) })));
    w.send(1, 1252, Ecn::NotEct);
    assert_eq!(w.arrivals(MS).len(), 1);
}

#[test]
fn a_timeline_cuts_and_mends_a_wire() {
    let mut w = wire(3, LinkSpec::default());
    for (after, up) in [(10, false), (20, true)] {
        w.net.schedule(MS * after, Change::Link { port: w.port, direction: Direction::Up, up });
    }
    let numbers: Vec<u32> = w.stream(30, 100, MS, Ecn::NotEct).iter().map(|(n, _, _)| *n).collect();
    assert_eq!(numbers, (0..10).chain(20..30).collect::<Vec<_>>());
}

#[test]
fn another_address_is_known_at_once_and_told_to_the_host() {
    let mut w = wire(3, LinkSpec::default());
    w.net.apply(Change::Addresses { port: w.port, addresses: vec!["192.0.2.9".parse().unwrap()] });
    let until = w.net.now();
    assert_eq!(w.net.poll(until), Some((w.a, Event::AddressesChanged)));
    assert_eq!(w.net.addresses(w.a), ["192.0.2.9".parse::<IpAddr>().unwrap()]);
    w.send(0, 100, Ecn::NotEct);
    assert!(
        matches!(w.net.poll(until), Some((_, Event::Unreachable { why: Unreachable::Host, .. }))),
        "the old address is gone"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let link = || LinkSpec {
        jitter: 10 * MS,
        reorder: 0.1,
        reorder_by: MS,
        duplicate: 0.1,
        ..LinkSpec::bottleneck(2, MS, 50).with_loss(Loss::bursts(0.2, 3.0))
    };
    let run = |seed| wire(seed, link()).stream(3_000, 700, MS, Ecn::NotEct);
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12));
}
