//! Associations over a simulated network with one bottleneck.

use bytes::Bytes;
use parlour_netsim::{Direction, Event as NetEvent, HostId, LinkSpec, Network, Packet, PortId};
use parlour_sctp::{Association, Config, Event, PacketSizes, SendOptions, StreamId, congestion::Algorithm};
use std::{collections::HashMap, net::SocketAddr, time::Duration};

/// Of the bottleneck, in bits a second.
pub(crate) const RATE: u64 = 100_000_000;

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// One transfer: a sender on a host of its own, and its receiver behind the bottleneck.
pub(crate) struct Flow {
    pub(crate) a: Association,
    b: Association,
    host: HostId,
    addresses: [SocketAddr; 2],
    begin: Duration,
    started: bool,
    /// Bytes that arrived since the mark.
    pub(crate) arrived: u64,
    /// One-way times of interactive messages.
    pub(crate) latencies: Vec<Duration>,
}

/// All flows share the way down to one host.
pub(crate) struct World {
    pub(crate) net: Network,
    receiver: HostId,
    pub(crate) port: PortId,
    rate: u64,
    pub(crate) flows: Vec<Flow>,
    sides: HashMap<SocketAddr, (usize, bool)>,
    /// Queueing delays, sampled.
    pub(crate) delays: Vec<Duration>,
    pub(crate) interactive: bool,
    next_tick: Duration,
}

impl World {
    pub(crate) fn new(seed: u64, rtt: Duration, bottleneck: LinkSpec, flows: &[(Algorithm, Duration)]) -> Self {
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

    pub(crate) fn run(&mut self, time: Duration) {
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

    pub(crate) fn mark(&mut self) {
        self.flows.iter_mut().for_each(|f| f.arrived = 0);
        self.delays.clear();
    }

    /// Megabits a second of user data since the mark.
    pub(crate) fn goodput(&self, n: usize, time: Duration) -> f64 {
        self.flows[n].arrived as f64 * 8.0 / 1e6 / time.as_secs_f64()
    }
}

pub(crate) fn percentile(values: &mut [Duration], share: f64) -> Duration {
    values.sort();
    let at = ((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}
