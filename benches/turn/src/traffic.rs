//! Packets through the servers: what one costs, how many get through, how long they take; and binding requests.

use crate::Error;
use crate::contender::{Contender, Server};
use crate::figure;
use crate::load::{TurnClient, clients, drain, open, send};
use parlour_bench_report::{Figure, median};
use parlour_net::udp::{UdpIo, UdpSocket};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Clients, each with a peer. Half of the packets go one way, half the other.
const PAIRS: usize = 8;
/// The first port of the peers.
const PEER_PORT: u16 = 22_000;
/// Before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);
/// How often the load looks at what has arrived.
const DRAIN: Duration = Duration::from_millis(1);

/// Packets of one size at one rate.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    size: usize,
    /// Packets that leave at once, as those of one video frame do.
    burst: usize,
    /// Packets in a second; 0 is as many as the load can make.
    rate: u64,
}

/// The cases of relaying.
pub(crate) const CASES: &[Case] = &[
    Case { name: "relay 1200 B at 183 k/s in bursts", size: 1200, burst: 20, rate: 183_000 },
    Case { name: "relay 160 B at 229 k/s in bursts", size: 160, burst: 20, rate: 229_000 },
    Case { name: "relay 1200 B at 30 k/s in bursts", size: 1200, burst: 10, rate: 30_000 },
    Case { name: "relay 1200 B one by one at 30 k/s", size: 1200, burst: 1, rate: 30_000 },
    Case { name: "relay 1200 B overloaded", size: 1200, burst: 40, rate: 0 },
];

/// One way for packets.
struct Flow {
    from: UdpSocket,
    to: SocketAddr,
    train: Vec<u8>,
    size: usize,
}

/// A client and its peer with the way there and the way back.
struct Setup {
    _server: Server,
    flows: Vec<Flow>,
}

impl Setup {
    fn relayed(contender: Contender, server: Server, size: usize, burst: usize, io: &mut UdpIo) -> Result<Self, Error> {
        let mut flows = Vec::new();
        for n in 0..PAIRS as u16 {
            let peer = open(PEER_PORT + n)?;
            let peer_at = peer.local();
            if contender == Contender::Floor {
                let (front, back) = (server.at.port() + n, server.at.port() + PAIRS as u16 + n);
                let at = |port| SocketAddr::new(server.at.ip(), port);
                let client = open(0)?;
                send(io, &client, at(front), b"hello", 5);
                flows.push(Flow::plain(client, at(front), size, burst));
                flows.push(Flow::plain(peer, at(back), size, burst));
            } else {
                let mut client = TurnClient::allocate(io, server.at)?;
                client.bind(io, peer_at)?;
                let relayed = *client.client.relayed().first().ok_or("no relayed address")?;
                flows.push(Flow::channel(client, server.at, peer_at, size, burst)?);
                flows.push(Flow::plain(peer, relayed, size, burst));
            }
        }
        Ok(Self { _server: server, flows })
    }
}

impl Flow {
    fn plain(from: UdpSocket, to: SocketAddr, size: usize, burst: usize) -> Self {
        Self { from, to, train: vec![7; size * burst], size }
    }

    /// ChannelData of a client to `peer`.
    fn channel(
        mut client: TurnClient,
        server: SocketAddr,
        peer: SocketAddr,
        size: usize,
        burst: usize,
    ) -> Result<Self, Error> {
        let mut message = Vec::new();
        client.client.send(peer, &vec![7; size], &mut message)?;
        Ok(Self { from: client.socket, to: server, size: message.len(), train: message.repeat(burst) })
    }
}

/// What came of a flood.
struct Outcome {
    sent: u64,
    received: u64,
    cpu: Duration,
    time: Duration,
}

/// Sends at `rate` for a while and counts what arrives.
fn flood(setup: &Setup, io: &mut UdpIo, burst: usize, rate: u64) -> Outcome {
    let (mut sent, mut received) = (0, 0);
    let interval = Duration::from_nanos((1_000_000_000 * burst as u64).checked_div(rate).unwrap_or(0));
    let (start, mut measured) = (Instant::now(), None);
    let (mut due, mut drained, mut turn) = (start, start, 0);
    let drain_all = |io: &mut UdpIo| setup.flows.iter().map(|flow| drain(io, &flow.from, |_, _| {})).sum::<u64>();
    loop {
        let now = Instant::now();
        if measured.is_none() && now - start >= WARM_UP {
            drain_all(io);
            (sent, received) = (0, 0);
            measured = Some((Instant::now(), setup._server.cpu()));
        }
        if let Some((begun, cpu)) = measured
            && now - begun >= MEASURED
        {
            let time = begun.elapsed();
            let cpu = setup._server.cpu() - cpu;
            // What is still under way.
            let until = Instant::now() + Duration::from_millis(100);
            while Instant::now() < until {
                received += drain_all(io);
            }
            return Outcome { sent, received, cpu, time };
        }
        if now >= due {
            if let Some(flow) = setup.flows.get(turn % setup.flows.len()) {
                send(io, &flow.from, flow.to, &flow.train, flow.size);
            }
            turn += 1;
            sent += burst as u64;
            // A load that cannot keep up does not make it up in one go.
            due = (due + interval).max(now - Duration::from_millis(5));
        }
        if now - drained >= DRAIN {
            drained = now;
            received += drain_all(io);
        }
    }
}

/// Relays at the rate of `case`.
pub(crate) fn run(contender: Contender, case: &Case) -> Result<Vec<Figure>, Error> {
    let mut io = UdpIo::new();
    let server = Server::start(contender, (PEER_PORT, PAIRS))?;
    let setup = Setup::relayed(contender, server, case.size, case.burst, &mut io)?;
    let outcome = flood(&setup, &mut io, case.burst, case.rate);
    let figure = |unit, value| figure(contender, case.name, unit, value);
    let per_packet = figure("CPU µs a packet", outcome.cpu.as_secs_f64() * 1e6 / outcome.received.max(1) as f64);
    let lost = 100.0 * (1.0 - outcome.received as f64 / outcome.sent.max(1) as f64);
    if case.rate == 0 {
        let rate = outcome.received as f64 / outcome.time.as_secs_f64() / 1000.0;
        return Ok(vec![figure("k packets/s", rate), per_packet]);
    }
    Ok(vec![per_packet, figure("% lost", lost.max(0.0))])
}

/// Packets from client to client of one server.
pub(crate) fn client_to_client(contender: Contender) -> Result<Vec<Figure>, Error> {
    const NAME: &str = "client to client 1200 B at 60 k/s in bursts";
    const BURST: usize = 20;
    let mut io = UdpIo::new();
    let server = Server::start(contender, (PEER_PORT, PAIRS))?;
    let mut flows = Vec::new();
    for _ in 0..PAIRS / 2 {
        let mut pair = [TurnClient::allocate(&mut io, server.at)?, TurnClient::allocate(&mut io, server.at)?];
        let at = pair.each_ref().map(|client| client.client.relayed().first().copied());
        let [Some(first), Some(second)] = at else { return Err("no relayed address".into()) };
        let [a, b] = &mut pair;
        a.bind(&mut io, second)?;
        b.bind(&mut io, first)?;
        let [a, b] = pair;
        flows.push(Flow::channel(a, server.at, second, 1200, BURST)?);
        flows.push(Flow::channel(b, server.at, first, 1200, BURST)?);
    }
    let setup = Setup { _server: server, flows };
    let outcome = flood(&setup, &mut io, BURST, 60_000);
    let lost = 100.0 * (1.0 - outcome.received as f64 / outcome.sent.max(1) as f64);
    Ok(vec![
        figure(contender, NAME, "CPU µs a packet", outcome.cpu.as_secs_f64() * 1e6 / outcome.received.max(1) as f64),
        figure(contender, NAME, "% lost", lost.max(0.0)),
    ])
}

/// How much longer a packet takes through the relay than without it, at 10 k packets a second one by one.
pub(crate) fn latency(contender: Contender) -> Result<Vec<Figure>, Error> {
    const NAME: &str = "added latency at 10 k/s";
    let mut io = UdpIo::new();
    let server = Server::start(contender, (PEER_PORT, PAIRS))?;
    let peer = open(PEER_PORT)?;
    let mut client = TurnClient::allocate(&mut io, server.at)?;
    client.bind(&mut io, peer.local())?;
    let mut direct = Vec::new();
    let mut relayed = Vec::new();
    let epoch = Instant::now();
    for through in [false, true] {
        let times = if through { &mut relayed } else { &mut direct };
        let begun = Instant::now();
        let mut due = begun;
        let mut message = Vec::new();
        while begun.elapsed() < Duration::from_secs(2) {
            let now = Instant::now();
            if now >= due {
                due += Duration::from_micros(100);
                let mut payload = vec![0; 1200];
                payload[..8].copy_from_slice(&(epoch.elapsed().as_nanos() as u64).to_be_bytes());
                if through {
                    message.clear();
                    client.client.send(peer.local(), &payload, &mut message)?;
                    send(&mut io, &client.socket, server.at, &message, message.len());
                } else {
                    send(&mut io, &client.socket, peer.local(), &payload, payload.len());
                }
            }
            drain(&mut io, &peer, |_, datagram| {
                if let Some(stamp) = datagram.first_chunk::<8>() {
                    times.push(epoch.elapsed().as_nanos() as f64 - u64::from_be_bytes(*stamp) as f64);
                }
            });
        }
    }
    let at = |times: &mut Vec<f64>, part: f64| {
        times.sort_by(f64::total_cmp);
        times.get((times.len() as f64 * part) as usize).copied().unwrap_or(0.0) / 1000.0
    };
    let base = median(direct).unwrap_or(0.0) / 1000.0;
    Ok(vec![
        figure(contender, NAME, "µs, median", at(&mut relayed, 0.5) - base),
        figure(contender, NAME, "µs, 99 %", at(&mut relayed, 0.99) - base),
    ])
}

/// Binding requests from many sockets, as many as get answered.
pub(crate) fn bindings(contender: Contender) -> Result<Vec<Figure>, Error> {
    const NAME: &str = "STUN binding";
    const SOCKETS: usize = 32;
    /// Requests that one socket has under way.
    const WINDOW: u64 = 16;
    let mut io = UdpIo::new();
    let server = Server::start(contender, (PEER_PORT, PAIRS))?;
    let sockets = (0..SOCKETS).map(|_| open(0)).collect::<Result<Vec<_>, _>>()?;
    let mut pending = vec![0u64; SOCKETS];
    let request = clients::binding_request(1);
    let (start, mut measured, mut answered) = (Instant::now(), None, 0u64);
    let mut quiet = Instant::now();
    loop {
        if measured.is_none() && start.elapsed() >= WARM_UP {
            measured = Some((Instant::now(), server.cpu(), answered));
        }
        if let Some((begun, cpu, before)) = measured
            && begun.elapsed() >= MEASURED
        {
            let (time, cpu, count) = (begun.elapsed(), server.cpu() - cpu, (answered - before).max(1) as f64);
            return Ok(vec![
                figure(contender, NAME, "k requests/s", count / time.as_secs_f64() / 1000.0),
                figure(contender, NAME, "CPU µs a request", cpu.as_secs_f64() * 1e6 / count),
            ]);
        }
        for (socket, pending) in sockets.iter().zip(&mut pending) {
            while *pending < WINDOW {
                send(&mut io, socket, server.at, &request, request.len());
                *pending += 1;
            }
            let got = drain(&mut io, socket, |_, _| {});
            if got > 0 {
                quiet = Instant::now();
            }
            *pending = pending.saturating_sub(got);
            answered += got;
        }
        // What was lost is asked again.
        if quiet.elapsed() > Duration::from_millis(50) {
            pending.fill(0);
            quiet = Instant::now();
        }
    }
}
