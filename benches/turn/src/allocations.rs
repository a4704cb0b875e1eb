//! What an allocation costs: processor time to make it, and memory while it is there.

use crate::Error;
use crate::contender::{Contender, Server};
use crate::figure;
use crate::load::TurnClient;
use parlour_bench_report::Figure;
use parlour_net::udp::UdpIo;
use parlour_turn::client::Event;
use std::time::{Duration, Instant};

const COUNT: usize = 4_000;
/// How many are asked for at a time.
const AT_ONCE: usize = 50;

pub(crate) fn run(contender: Contender) -> Result<Vec<Figure>, Error> {
    let mut io = UdpIo::new();
    let server = Server::start(contender, (0, 0))?;
    // Whatever the server sets up at its first allocations is not theirs.
    let mut all = vec![TurnClient::allocate(&mut io, server.at)?];
    let (cpu, memory) = (server.cpu(), server.memory());
    while all.len() <= COUNT {
        let mut wave = (0..AT_ONCE).map(|_| TurnClient::begin(server.at)).collect::<Result<Vec<_>, _>>()?;
        let mut waiting = wave.len();
        let start = Instant::now();
        while waiting > 0 {
            for client in &mut wave {
                client.turn(&mut io);
                while let Some(event) = client.client.poll_event() {
                    match event {
                        Event::Allocated { .. } => waiting -= 1,
                        Event::Closed(failure) => return Err(failure.into()),
                        _ => {}
                    }
                }
            }
            if start.elapsed() > Duration::from_secs(20) {
                return Err(format!("{waiting} allocations are not answered").into());
            }
        }
        all.append(&mut wave);
    }
    let count = (all.len() - 1) as f64;
    Ok(vec![
        figure(contender, "allocation with a 401 before", "CPU µs", (server.cpu() - cpu).as_secs_f64() * 1e6 / count),
        figure(contender, "allocation", "kB", server.memory().saturating_sub(memory) as f64 / 1000.0 / count),
    ])
}
