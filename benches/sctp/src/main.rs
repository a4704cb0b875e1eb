//! `cargo xtask bench sctp`: what data channels' transport costs beside other stacks, and what it makes of simulated paths.
//!
//! Costs are CPU time. Paths are simulated in virtual time, so that the machine does not matter and each figure can be had again.

mod cpu;
mod goodput;
#[allow(dead_code)]
#[path = "../../../crates/sctp/tests/scenarios/net.rs"]
mod net;
mod plot;
mod report;
#[allow(dead_code)]
#[macro_use]
#[path = "../../../crates/sctp/tests/scenarios/stacks.rs"]
mod stacks;
mod rtc;
#[path = "../../../crates/sctp/tests/scenarios/world.rs"]
mod world;

use report::Report;
use std::{path::PathBuf, process::ExitCode};

const USAGE: &str = "\
parlour-bench-sctp [--json] [--only CASE] [--rounds N] [--plots FOLDER]

  --only CASE     only the tables whose name contains CASE: cpu, goodput, queue, reorder, outage, share, interactive
  --rounds N      rounds of the CPU figures, of which the median counts (default 5)
  --plots FOLDER  writes the plots there";

fn main() -> ExitCode {
    let mut report = Report::default();
    let mut rounds = 5;
    let mut plots = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), argument == "--json") {
            (_, true) => report.json = true,
            (name, _) => {
                let value = arguments.next().unwrap_or_default();
                match (name, value.parse()) {
                    ("--only", _) => report.only = Some(value),
                    ("--rounds", Ok(number)) => rounds = number,
                    ("--plots", _) if !value.is_empty() => plots = Some(PathBuf::from(value)),
                    _ => {
                        eprintln!("{USAGE}");
                        return ExitCode::FAILURE;
                    }
                }
            }
        }
    }
    if report.wants("cpu") {
        cpu::run(&mut report, rounds);
    }
    goodput::run(&mut report);
    if let Some(folder) = plots
        && let Err(error) = plot::run(&folder)
    {
        eprintln!("{}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
