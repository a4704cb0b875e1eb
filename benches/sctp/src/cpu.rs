//! What SCTP costs: both ends in one process, no sockets, messages as fast as they go. CPU time, not elapsed time; all stacks take turns in one run.

use crate::{
    report::{Report, tell},
    rtc::RtcSctp,
    stacks::{Dcsctp, Ours, SctpProto, Stack},
};
use bytes::Bytes;
use parlour_bench_report::{Figure, median};
use parlour_sctp::{Config, PacketSizes};
use std::time::{Duration, Instant};

/// The round trip of the virtual clock.
const RTT: Duration = Duration::from_micros(500);
/// A contender that takes longer for a case is stopped: what it has done by then counts.
const LONGEST: Duration = Duration::from_millis(1500);

struct Case {
    name: &'static str,
    size: usize,
    /// Bytes given and not received.
    window: usize,
    bytes: usize,
}

const CASES: [Case; 7] = [
    Case { name: "16 KiB messages, 128 KiB in flight", size: 16 << 10, window: 128 << 10, bytes: 256 << 20 },
    Case { name: "16 KiB messages, 1 MiB in flight", size: 16 << 10, window: 1 << 20, bytes: 256 << 20 },
    Case { name: "16 KiB messages, 4 MiB in flight", size: 16 << 10, window: 4 << 20, bytes: 256 << 20 },
    Case { name: "256 KiB messages, 256 KiB in flight", size: 256 << 10, window: 256 << 10, bytes: 256 << 20 },
    Case { name: "256 KiB messages, 1 MiB in flight", size: 256 << 10, window: 1 << 20, bytes: 256 << 20 },
    Case { name: "256 KiB messages, 4 MiB in flight", size: 256 << 10, window: 4 << 20, bytes: 256 << 20 },
    Case { name: "64-byte messages, 64 KiB in flight", size: 64, window: 64 << 10, bytes: 32 << 20 },
];

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}

/// A pair of one stack that is connected, driven by hand: what one side sends the other gets at once; what comes back waits for the clock.
struct Loop<S> {
    a: S,
    b: S,
    now: Instant,
    packet: Vec<u8>,
    back: Vec<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl<S: Stack> Loop<S> {
    fn new(make: impl Fn(Instant, u8) -> S) -> Self {
        let now = Instant::now();
        let mut pair =
            Loop { a: make(now, 1), b: make(now, 2), now, packet: Vec::new(), back: Vec::new(), spare: Vec::new() };
        pair.a.connect(now);
        for _ in 0..1000 {
            if pair.a.is_connected() && pair.b.is_connected() {
                return pair;
            }
            pair.round(|_| {});
        }
        panic!("no connection");
    }

    /// All that A may send goes to B, then a round trip passes, then B's answers go to A.
    fn round(&mut self, mut receive: impl FnMut(&mut S)) {
        loop {
            self.packet.clear();
            if self.a.transmit(self.now, &mut self.packet).is_none() {
                break;
            }
            self.b.datagram(self.now, &self.packet);
            receive(&mut self.b);
            loop {
                let mut packet = self.spare.pop().unwrap_or_default();
                packet.clear();
                if self.b.transmit(self.now, &mut packet).is_none() {
                    self.spare.push(packet);
                    break;
                }
                self.back.push(packet);
            }
        }
        self.now += RTT;
        for at in 0..self.back.len() {
            self.a.datagram(self.now, &self.back[at]);
        }
        self.spare.append(&mut self.back);
        for stack in [&mut self.a, &mut self.b] {
            if stack.timeout().is_some_and(|at| at <= self.now) {
                stack.on_timeout(self.now);
            }
        }
    }

    /// Messages a second of CPU time. What comes before a tenth of them warms up.
    fn measure(&mut self, case: &Case) -> f64 {
        let message = Bytes::from(vec![0x5a; case.size]);
        let total = case.bytes / case.size;
        let (mut sent, mut got, mut outstanding) = (0, 0, 0usize);
        let begun = cpu();
        let mut warm = None;
        while got < total && cpu() - begun < LONGEST {
            if warm.is_none() && (got >= total / 10 || cpu() - begun > LONGEST / 3) {
                warm = Some((cpu(), got));
            }
            while sent < total && (outstanding == 0 || outstanding + case.size <= case.window) {
                if !self.a.send(self.now, 0, &message, false) {
                    break;
                }
                sent += 1;
                outstanding += case.size;
            }
            let mut arrived = 0;
            self.round(|b| {
                while let Some((_, message)) = b.receive() {
                    std::hint::black_box(&message[..]);
                    arrived += 1;
                }
            });
            got += arrived;
            outstanding -= arrived * case.size;
        }
        let (start, at) = warm.unwrap_or((begun, 0));
        (got - at) as f64 / (cpu() - start).as_secs_f64()
    }
}

fn ours(zero_checksum: bool) -> impl Fn(Instant, u8) -> Ours {
    move |now, seed| {
        let packet_sizes = PacketSizes { base: 1188, max: 1188 };
        let config = Config { zero_checksum, packet_sizes, ..Config::default() };
        Ours::new(now, config, seed)
    }
}

fn dcsctp_options(zero: bool) -> dcsctp::api::Options {
    use dcsctp::api::*;
    let method = if zero {
        ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_LOWER_LAYER_DTLS
    } else {
        ZERO_CHECKSUM_ALTERNATE_ERROR_DETECTION_METHOD_NONE
    };
    Options {
        max_send_buffer_size: 16 << 20,
        per_stream_send_queue_limit: 16 << 20,
        max_receiver_window_buffer_size: 8 << 20,
        zero_checksum_alternate_error_detection_method: method,
        ..Options::default()
    }
}

type Contender = (&'static str, fn(&Case) -> f64);

const CONTENDERS: [Contender; 6] = [
    ("parlour", |case| Loop::new(ours(true)).measure(case)),
    ("with checksum", |case| Loop::new(ours(false)).measure(case)),
    ("dcsctp, zero", |case| Loop::new(|now, _| Dcsctp::new(now, &dcsctp_options(true))).measure(case)),
    ("dcsctp", |case| Loop::new(|now, _| Dcsctp::new(now, &dcsctp_options(false))).measure(case)),
    ("rtc-sctp", |case| Loop::new(|now, _| RtcSctp::new(now)).measure(case)),
    ("sctp-proto", |case| Loop::new(|now, _| SctpProto::new(now)).measure(case)),
];

/// The table.
pub(crate) fn run(report: &mut Report, rounds: usize) {
    let mut figures = Vec::new();
    for case in &CASES {
        let mut values = vec![Vec::new(); CONTENDERS.len()];
        for _ in 0..rounds.max(1) {
            for (values, (_, run)) in values.iter_mut().zip(&CONTENDERS) {
                values.push(run(case));
            }
        }
        for (values, (contender, _)) in values.into_iter().zip(&CONTENDERS) {
            let (unit, scale) = if case.size < 1000 { ("messages/s", 1.0) } else { ("MB/s", case.size as f64 / 1e6) };
            let figure =
                Figure { case: case.name.into(), contender, unit, value: median(values).unwrap_or(0.0) * scale };
            tell(&figure);
            figures.push(figure);
        }
    }
    report.print(&format!("CPU of both ends together, one core, medians of {rounds} interleaved rounds"), &figures);
}
