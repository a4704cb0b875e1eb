//! Load for signaling servers.
//!
//! `compare` runs Parlour's server and the relays of others in turn, each alone on one core, and measures what a relayed message and an idle
//! connection cost. `compat` does the same with the servers of Socket.IO and PeerJS clients and Parlour in their place. `soak` lets many small calls come and go on Parlour's server and looks for errors and leaks.

mod client;
mod compare;
mod contender;
mod process;
mod soak;

use std::process::ExitCode;

type Error = Box<dyn std::error::Error>;

const HELP: &str = "\
parlour-bench-signaling compare [--json] [--rounds N] [--only NAME]
parlour-bench-signaling compat [--json] [--rounds N] [--only NAME]
parlour-bench-signaling soak [--rooms N] [--seconds N]

TEST_PARLOUR_BIN names the server's binary. Run it through `cargo xtask bench signaling` or `cargo xtask soak signaling`.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // One thread, on a core of its own: the server has the other.
    process::pin(std::process::id(), process::CLIENT_CORE);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("The asynchronous runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match arguments.first().map(String::as_str) {
        Some(which @ ("compare" | "compat")) => {
            let options = compare::Options {
                json: arguments.iter().any(|word| word == "--json"),
                rounds: number(&arguments, "--rounds").unwrap_or(3),
                only: text(&arguments, "--only"),
            };
            match which {
                "compat" => runtime.block_on(compare::run_compatible(&options)),
                _ => runtime.block_on(compare::run(&options)),
            }
        }
        Some("soak") => {
            let options = soak::Options {
                rooms: number(&arguments, "--rooms").unwrap_or(1_000),
                seconds: number(&arguments, "--seconds").unwrap_or(60),
            };
            runtime.block_on(soak::run(&options))
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn text(arguments: &[String], flag: &str) -> Option<String> {
    arguments.iter().skip_while(|word| *word != flag).nth(1).cloned()
}

fn number(arguments: &[String], flag: &str) -> Option<usize> {
    text(arguments, flag)?.parse().ok()
}
