//! `cargo xtask bench turn` and `cargo xtask soak turn`: what a relayed packet, a binding request and an allocation cost in
//! Parlour's relay, in coturn, and in a forwarder that does nothing but receive and send.
//!
//! Each server runs on a core of its own, the load on another one. Costs are the processor time of the server's process,
//! read from the scheduler's own account.

mod allocations;
mod contender;
mod forward;
mod load;
mod soak;
mod traffic;

use contender::Contender;
use parlour_bench_report::{Figure, Table};
use std::process::ExitCode;

type Error = Box<dyn std::error::Error>;

const USAGE: &str = "parlour-bench-turn compare [--json] [--rounds N] [--only CASE] | soak [--seconds N] [--allocations N] | forward N PORT PEER-PORT";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["compare", rest @ ..] => compare(rest),
        ["soak", rest @ ..] => soak::run(number(rest, "--seconds", 600), number(rest, "--allocations", 10_000)),
        ["forward", count, port, peer] => forward::run(count, port, peer),
        _ => Err(USAGE.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(arguments: &[&str], name: &str, default: usize) -> usize {
    let at = arguments.iter().position(|argument| *argument == name);
    at.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(default)
}

fn compare(arguments: &[&str]) -> Result<(), Error> {
    let as_json = arguments.contains(&"--json");
    let only =
        arguments.iter().position(|argument| *argument == "--only").and_then(|at| arguments.get(at + 1)).copied();
    let wanted = |case: &str| only.is_none_or(|only| case.contains(only));
    load::pin_to(load::LOAD_CORE);
    load::raise_open_files();
    let mut figures = Vec::new();
    for round in 0..number(arguments, "--rounds", 3) {
        eprintln!("round {}", round + 1);
        for contender in Contender::ALL {
            for case in traffic::CASES.iter().filter(|case| wanted(case.name)) {
                figures.extend(traffic::run(contender, case)?);
            }
            if contender == Contender::Floor {
                continue;
            }
            if wanted("client to client") {
                figures.extend(traffic::client_to_client(contender)?);
            }
            if wanted("latency") {
                figures.extend(traffic::latency(contender)?);
            }
            if wanted("binding") {
                figures.extend(traffic::bindings(contender)?);
            }
            if wanted("allocation") {
                figures.extend(allocations::run(contender)?);
            }
        }
    }
    let ratios = &[("parlour", "coturn"), ("parlour", "floor")];
    Table { bench: "turn", title: "turn (medians)", ratios }.print(&figures, as_json);
    Ok(())
}

fn figure(contender: Contender, case: &str, unit: &'static str, value: f64) -> Figure {
    Figure { case: case.to_owned(), contender: contender.name(), unit, value }
}
