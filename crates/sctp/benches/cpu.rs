//! What SCTP costs: both ends in one process, no sockets, messages as fast as they go. CPU time, not wall time; all stacks in the same run.
//!
//! `cargo bench -p parlour-sctp --bench cpu [-- --json]`

#![allow(dead_code, missing_docs)]

#[path = "../tests/scenarios/net.rs"]
mod net;
#[path = "../tests/scenarios/stacks.rs"]
mod stacks;

use bytes::Bytes;
use parlour_sctp::{Config, PacketSizes, congestion::Algorithm};
use stacks::{Dcsctp, Ours, RtcSctp, SctpProto, Stack};
use std::time::{Duration, Instant};

/// The round trip of the virtual clock.
const RTT: Duration = Duration::from_micros(500);

struct Case {
    name: &'static str,
    size: usize,
    window: usize,
    bytes: usize,
}

const CASES: [Case; 6] = [
    Case { name: "16 KiB messages, 128 KiB in flight", size: 16 << 10, window: 128 << 10, bytes: 192 << 20 },
    Case { name: "16 KiB messages, 1 MiB in flight", size: 16 << 10, window: 1 << 20, bytes: 192 << 20 },
    Case { name: "16 KiB messages, 4 MiB in flight", size: 16 << 10, window: 4 << 20, bytes: 192 << 20 },
    Case { name: "256 KiB messages, 1 MiB in flight", size: 256 << 10, window: 1 << 20, bytes: 192 << 20 },
    Case { name: "256 KiB messages, 4 MiB in flight", size: 256 << 10, window: 4 << 20, bytes: 192 << 20 },
    Case { name: "64 B messages", size: 64, window: 64 << 10, bytes: 24 << 20 },
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

    /// CPU time for `bytes` in messages of `size`, with `window` bytes given and not acknowledged. The first tenth warms up.
    fn measure(&mut self, case: &Case) -> Duration {
        let message = Bytes::from(vec![0x5a; case.size]);
        let total = case.bytes / case.size;
        let (mut sent, mut got) = (0, 0);
        let (mut outstanding, mut start) = (0usize, None);
        while got < total {
            if start.is_none() && got >= total / 10 {
                start = Some((cpu(), got));
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
        let (start, at) = start.unwrap();
        (cpu() - start).mul_f64(total as f64 / (total - at) as f64)
    }
}

fn ours(zero_checksum: bool) -> impl Fn(Instant, u8) -> Ours {
    move |now, seed| {
        let packet_sizes = PacketSizes { base: 1188, max: 1188 };
        let config = Config { zero_checksum, packet_sizes, congestion: Algorithm::Bbr, ..Config::default() };
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

fn main() {
    // `cargo test` builds benchmarks and starts them without this: nothing is measured then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let arguments: Vec<String> = std::env::args().collect();
    let json = arguments.iter().any(|a| a == "--json");
    let only_ours = arguments.iter().any(|a| a == "--ours");
    type Run = Box<dyn Fn(&Case) -> Duration>;
    let mut contenders: Vec<(&str, Run)> = vec![
        ("parlour", Box::new(|case| Loop::new(ours(true)).measure(case))),
        ("parlour with checksum", Box::new(|case| Loop::new(ours(false)).measure(case))),
    ];
    if !only_ours {
        contenders.extend::<[(&str, Run); 4]>([
            (
                "dcsctp without checksum",
                Box::new(|c| Loop::new(|n, _| Dcsctp::new(n, &dcsctp_options(true))).measure(c)),
            ),
            ("dcsctp", Box::new(|c| Loop::new(|n, _| Dcsctp::new(n, &dcsctp_options(false))).measure(c))),
            ("rtc-sctp", Box::new(|c| Loop::new(|n, _| RtcSctp::new(n)).measure(c))),
            ("sctp-proto", Box::new(|c| Loop::new(|n, _| SctpProto::new(n)).measure(c))),
        ]);
    }
    if !json {
        println!("CPU of both ends together; the best of three runs each, taken in turns.");
    }
    for case in &CASES {
        let mut best = vec![Duration::MAX; contenders.len()];
        for _ in 0..3 {
            for (best, (_, run)) in best.iter_mut().zip(&contenders) {
                *best = (*best).min(run(case));
            }
        }
        if !json {
            println!("\n{}", case.name);
        }
        for (time, (name, _)) in best.iter().zip(&contenders) {
            let seconds = time.as_secs_f64();
            let (unit, value) = if case.size < 1000 {
                ("messages/s", (case.bytes / case.size) as f64 / seconds)
            } else {
                ("MB/s", case.bytes as f64 / 1e6 / seconds)
            };
            if json {
                println!(
                    r#"{{"bench":"sctp-cpu","case":"{}","contender":"{name}","unit":"{unit}","value":{value:.0}}}"#,
                    case.name
                );
            } else {
                println!("  {name:<26}{value:>12.0} {unit}");
            }
        }
    }
}
