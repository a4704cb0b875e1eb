//! How much of a path is used, how long its queue gets, and what others on it get: associations over the simulated network, in virtual time.
//!
//! `cargo bench -p parlour-sctp --bench goodput [-- --json] [-- CASE]`

use bytes::Bytes;
use parlour_netsim::{Change, Direction, Event as NetEvent, HostId, LinkSpec, Loss, Network, Packet, PortId};
use parlour_sctp::{Association, Config, Event, PacketSizes, SendOptions, StreamId, congestion::Algorithm};
use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

const RATE: u64 = 100_000_000;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// One transfer: a sender on a host of its own, and its receiver behind the bottleneck.
struct Flow {
    a: Association,
    b: Association,
    host: HostId,
    addresses: [SocketAddr; 2],
    begin: Duration,
    started: bool,
    /// Bytes that arrived since the mark.
    arrived: u64,
    /// One-way times of interactive messages.
    latencies: Vec<Duration>,
}

/// All flows share the way down to one host.
struct World {
    net: Network,
    receiver: HostId,
    port: PortId,
    rate: u64,
    flows: Vec<Flow>,
    sides: HashMap<SocketAddr, (usize, bool)>,
    /// Queueing delays, sampled.
    delays: Vec<Duration>,
    interactive: bool,
    next_tick: Duration,
}

impl World {
    fn new(seed: u64, rtt: Duration, bottleneck: LinkSpec, flows: &[(Algorithm, Duration)]) -> Self {
        let mut net = Network::new(seed);
        let segment = net.segment();
        let receiver = net.host();
        let rate = bottleneck.rate.unwrap_or(RATE);
        let address: SocketAddr = "203.0.113.1:1000".parse().unwrap();
        let port = net.attach_asymmetric(receiver, segment, &[address.ip()], LinkSpec::delay(rtt / 2), bottleneck);
        let now = net.now();
        let mut world = World {
            net,
            receiver,
            port,
            rate,
            flows: Vec::new(),
            sides: HashMap::new(),
            delays: Vec::new(),
            interactive: false,
            next_tick: Duration::ZERO,
        };
        for (n, (algorithm, begin)) in flows.iter().enumerate() {
            let host = world.net.host();
            let near: SocketAddr = format!("203.0.113.{}:1000", n + 2).parse().unwrap();
            let far = SocketAddr::new(address.ip(), 2000 + n as u16);
            world.net.attach(host, segment, &[near.ip()], LinkSpec::default());
            world.sides.insert(near, (n, false));
            world.sides.insert(far, (n, true));
            let config = Config {
                congestion: *algorithm,
                packet_sizes: PacketSizes { base: 1200, max: 1472 },
                receive_buffer: 32 << 20,
                send_buffer: 32 << 20,
                ..Config::default()
            };
            world.flows.push(Flow {
                a: Association::new(now, config.clone(), [seed as u8 ^ n as u8; 32]),
                b: Association::new(now, config, [!(seed as u8 ^ n as u8); 32]),
                host,
                addresses: [near, far],
                begin: *begin,
                started: false,
                arrived: 0,
                latencies: Vec::new(),
            });
        }
        world
    }

    fn feed(&mut self) {
        let (now, elapsed) = (self.net.now(), self.net.elapsed());
        let bulk = Bytes::from_static(&[7; 64 << 10]);
        for flow in self.flows.iter_mut().filter(|f| f.begin <= elapsed) {
            if !flow.started {
                flow.started = true;
                flow.a.connect(now).unwrap();
            }
            while flow.a.total_buffered_amount() < 512 << 10 {
                let _ = flow.a.send(now, StreamId(0), 53, bulk.clone(), SendOptions::default());
            }
        }
        if self.interactive && elapsed >= self.next_tick {
            // 99 channels, each with ten messages a second, at times of their own.
            let turn = elapsed.as_millis() as u64;
            self.next_tick = ms(turn + 1);
            for id in (1..100u16).filter(|id| u64::from(*id) % 100 == turn % 100) {
                let mut payload = vec![0; 64];
                payload[..8].copy_from_slice(&(elapsed.as_nanos() as u64).to_be_bytes());
                let _ = self.flows[0].a.send(now, StreamId(id), 53, payload.into(), SendOptions::default());
            }
        }
    }

    fn flush(&mut self) {
        let now = self.net.now();
        let mut out = Vec::new();
        for flow in &mut self.flows {
            for far in [false, true] {
                loop {
                    out.clear();
                    let side = if far { &mut flow.b } else { &mut flow.a };
                    if side.poll_transmit(now, &mut out).is_none() {
                        break;
                    }
                    let [near_address, far_address] = flow.addresses;
                    let (host, from, to) = if far {
                        (self.receiver, far_address, near_address)
                    } else {
                        (flow.host, near_address, far_address)
                    };
                    // The receiver has one address and a port per flow.
                    self.net.send(host, Packet::udp(from, to, out.as_slice()));
                }
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let until = self.net.now() + time;
        let sample = ms(5);
        let mut next_sample = self.net.now() + sample;
        while self.net.now() < until {
            self.feed();
            self.flush();
            let timeout = |f: &Flow| [f.a.poll_timeout(), f.b.poll_timeout()].into_iter().flatten().min();
            let mut next = self.flows.iter().filter_map(timeout).min().unwrap_or(until).min(until).min(next_sample);
            if self.interactive {
                next = next.min(self.net.now() + ms(1));
            }
            if let Some((_, event)) = self.net.poll(next) {
                if let NetEvent::Udp(packet) = event {
                    let now = self.net.now();
                    if let Some((n, far)) = self.sides.get(&packet.dst).copied() {
                        let flow = &mut self.flows[n];
                        let side = if far { &mut flow.b } else { &mut flow.a };
                        side.handle_datagram(now, &packet.payload);
                    }
                }
            } else {
                let now = self.net.now();
                for flow in &mut self.flows {
                    for side in [&mut flow.a, &mut flow.b] {
                        if side.poll_timeout().is_some_and(|at| at <= now) {
                            side.handle_timeout(now);
                        }
                    }
                }
                if now >= next_sample {
                    next_sample = now + sample;
                    let bytes = self.net.queued_bytes(self.port, Direction::Down) as u64;
                    self.delays.push(Duration::from_nanos(bytes * 8 * 1_000_000_000 / self.rate));
                }
            }
            let elapsed = self.net.elapsed();
            for flow in &mut self.flows {
                while flow.a.poll_event().is_some() {}
                while let Some(event) = flow.b.poll_event() {
                    if let Event::Message(message) = event {
                        flow.arrived += message.payload.len() as u64;
                        if message.stream.0 > 0 {
                            let sent = message.payload.first_chunk().map_or(0, |b| u64::from_be_bytes(*b));
                            flow.latencies.push(elapsed - Duration::from_nanos(sent));
                        }
                    }
                }
            }
        }
    }

    fn mark(&mut self) {
        self.flows.iter_mut().for_each(|f| f.arrived = 0);
        self.delays.clear();
    }

    /// Megabits a second of user data since the mark.
    fn goodput(&self, n: usize, time: Duration) -> f64 {
        self.flows[n].arrived as f64 * 8.0 / 1e6 / time.as_secs_f64()
    }
}

fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort();
    let at = ((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}

struct Report {
    json: bool,
    filter: Option<String>,
}

impl Report {
    fn wants(&self, group: &str) -> bool {
        self.filter.as_ref().is_none_or(|f| group.contains(f.as_str()))
    }

    fn title(&self, text: &str) {
        if !self.json {
            println!("\n{text}");
        }
    }

    fn line(&self, case: &str, contender: &str, unit: &str, value: f64) {
        if self.json {
            println!(
                r#"{{"bench":"sctp-goodput","case":"{case}","contender":"{contender}","unit":"{unit}","value":{value:.2}}}"#
            );
        } else {
            println!("  {case:<44}{contender:<10}{value:>9.2} {unit}");
        }
    }
}

const ALL: [(&str, Algorithm); 3] = [("bbr", Algorithm::Bbr), ("cubic", Algorithm::Cubic), ("reno", Algorithm::Reno)];

fn bottleneck(rtt: Duration, buffer: u64) -> LinkSpec {
    LinkSpec::bottleneck(RATE / 1_000_000, rtt / 2, buffer)
}

fn one(seed: u64, algorithm: Algorithm, rtt: Duration, link: LinkSpec, time: Duration) -> World {
    let mut world = World::new(seed, rtt, link, &[(algorithm, Duration::ZERO)]);
    // The start is measured too, but for the handshake and the first climb.
    world.run(ms(2000).max(rtt * 20));
    world.mark();
    world.run(time);
    world
}

fn loss_and_round_trip(report: &Report) {
    if !report.wants("loss") {
        return;
    }
    report.title(
        "User data over 100 Mbit/s (96.0 would be all: headers of IP, UDP and SCTP take the rest), queue of 100 ms",
    );
    let time = ms(20_000);
    for loss in [0.0, 0.01, 0.05] {
        for rtt in [10, 50, 100, 200] {
            for (name, algorithm) in ALL {
                let link = bottleneck(ms(rtt), 100).with_loss(if loss > 0.0 { Loss::Random(loss) } else { Loss::None });
                let world = one(1, algorithm, ms(rtt), link, time);
                let case = format!("{} % loss, {rtt} ms", loss * 100.0);
                report.line(&case, name, "Mbit/s", world.goodput(0, time));
            }
        }
    }
}

fn queueing(report: &Report) {
    if !report.wants("queue") {
        return;
    }
    report.title("Queueing delay, 95th percentile, queue of 300 ms");
    for rtt in [10, 50, 100, 200] {
        for (name, algorithm) in ALL {
            let mut world = one(2, algorithm, ms(rtt), bottleneck(ms(rtt), 300), ms(30_000));
            let p95 = percentile(&mut world.delays, 0.95);
            report.line(&format!("queue, {rtt} ms"), name, "ms", p95.as_secs_f64() * 1e3);
        }
    }
}

fn reordering(report: &Report) {
    if !report.wants("reorder") {
        return;
    }
    report.title("3 % of packets 5 ms late: share of the goodput without");
    let time = ms(20_000);
    for rtt in [10, 50, 100] {
        for (name, algorithm) in ALL {
            let plain = bottleneck(ms(rtt), 100);
            let late = LinkSpec { reorder: 0.03, reorder_by: ms(5), ..plain.clone() };
            let with = one(3, algorithm, ms(rtt), late, time).goodput(0, time);
            let without = one(3, algorithm, ms(rtt), plain, time).goodput(0, time);
            report.line(&format!("reorder 3 %, {rtt} ms"), name, "%", with / without * 100.0);
        }
    }
}

/// From the mending of the path to the moment at which user data arrives at 80 % of the rate before, over a round trip.
fn outage(report: &Report) {
    if !report.wants("outage") {
        return;
    }
    report.title(
        "After a cut of 1 s: time until the first data, and until the rate is back (80 % over 20 ms), beyond 2 RTT",
    );
    for rtt in [10, 50, 100, 200] {
        for (name, algorithm) in ALL {
            let mut world = one(4, algorithm, ms(rtt), bottleneck(ms(rtt), 100), ms(3000));
            let port = world.port;
            let set = |world: &mut World, up| {
                for direction in [Direction::Up, Direction::Down] {
                    world.net.apply(Change::Link { port, direction, up });
                }
            };
            set(&mut world, false);
            world.run(ms(1000));
            set(&mut world, true);
            let before = world.net.link_stats(port, Direction::Down).delivered_bytes;
            let mended = world.net.elapsed();
            let (mut first, mut full) = (None, None);
            let mut last = before;
            for _ in 0..1000 {
                world.run(ms(20));
                let bytes = world.net.link_stats(port, Direction::Down).delivered_bytes;
                let took = world.net.elapsed() - mended;
                if bytes > before + 10_000 {
                    first.get_or_insert(took);
                }
                if (bytes - last) as f64 * 8.0 / 0.020 > 0.8 * RATE as f64 {
                    full = Some(took);
                    break;
                }
                last = bytes;
            }
            for (what, at) in [("first", first), ("full", full)] {
                let beyond = at.map_or(f64::NAN, |at| (at.as_secs_f64() - 2.0 * rtt as f64 / 1e3) * 1e3);
                report.line(&format!("outage, {what}, {rtt} ms"), name, "ms", beyond);
            }
        }
    }
}

fn sharing(report: &Report) {
    if !report.wants("share") {
        return;
    }
    report.title("Two flows on one bottleneck for 60 s, the second 3 s later: share of the first; fairness (Jain)");
    let time = ms(60_000);
    use Algorithm::{Bbr, Cubic, Reno};
    for buffer in [30, 100, 300] {
        for rtt in [10, 50, 100] {
            for (name, pair) in [
                ("bbr/cubic", [Bbr, Cubic]),
                ("cubic/bbr", [Cubic, Bbr]),
                ("bbr/bbr", [Bbr, Bbr]),
                ("cubic/cubic", [Cubic, Cubic]),
                ("bbr/reno", [Bbr, Reno]),
            ] {
                let flows = [(pair[0], Duration::ZERO), (pair[1], ms(3000))];
                let mut world = World::new(5, ms(rtt), bottleneck(ms(rtt), buffer), &flows);
                world.run(ms(10_000));
                world.mark();
                world.run(time);
                let (x, y) = (world.goodput(0, time), world.goodput(1, time));
                let case = format!("share, {rtt} ms, queue {buffer} ms");
                report.line(&case, name, "%", x / (x + y) * 100.0);
                if pair[0] == pair[1] {
                    report.line(&format!("{case}: Jain"), name, "", (x + y).powi(2) / (2.0 * (x * x + y * y)));
                }
            }
        }
    }
}

fn interactive(report: &Report) {
    if !report.wants("interactive") {
        return;
    }
    report.title("64-byte messages on 99 channels beside a bulk channel: one way, 99th percentile, in round trips");
    for rtt in [10, 50, 100] {
        for (name, algorithm) in ALL {
            let mut world = World::new(6, ms(rtt), bottleneck(ms(rtt), 300), &[(algorithm, Duration::ZERO)]);
            for id in 1..100 {
                let weight = [128, 256, 512, 1024][usize::from(id) % 4];
                world.flows[0].a.set_weight(StreamId(id), weight);
            }
            world.run(ms(3000));
            world.interactive = true;
            world.run(ms(20_000));
            let p99 = percentile(&mut world.flows[0].latencies, 0.99);
            report.line(&format!("interactive, {rtt} ms"), name, "RTT", p99.as_secs_f64() * 1e3 / rtt as f64);
        }
    }
}

/// One transfer over time, to look at: rate, queue and window each 100 ms.
fn plot(report: &Report) {
    if report.filter.as_deref() != Some("plot") {
        return;
    }
    let flows = [(Algorithm::Bbr, Duration::ZERO), (Algorithm::Cubic, ms(3000))];
    let mut world = World::new(5, ms(50), bottleneck(ms(50), 300), &flows);
    println!("seconds,rate 1,rate 2,queue ms,window 1,window 2,rtt 1");
    for n in 0..600 {
        world.mark();
        world.run(ms(100));
        let queue = percentile(&mut world.delays, 0.5);
        let (a, b) = (world.flows[0].a.stats(), world.flows[1].a.stats());
        println!(
            "{:.1},{:.1},{:.1},{:.1},{},{},{:?}",
            n as f64 / 10.0,
            world.goodput(0, ms(100)),
            world.goodput(1, ms(100)),
            queue.as_secs_f64() * 1e3,
            a.window,
            b.window,
            a.rtt
        );
    }
}

fn main() {
    // `cargo test` builds benchmarks and starts them without this: nothing is measured then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let start = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let json = arguments.iter().any(|a| a == "--json");
    let filter = arguments.into_iter().find(|a| !a.starts_with('-'));
    let report = Report { json, filter };
    loss_and_round_trip(&report);
    queueing(&report);
    reordering(&report);
    outage(&report);
    sharing(&report);
    interactive(&report);
    plot(&report);
    if !json {
        println!("\n{:.0} s", start.elapsed().as_secs_f64());
    }
}
