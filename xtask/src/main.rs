//! The project's own commands: `cargo xtask test`, `web`, `bench`, `fuzz`, `soak`.

mod bench;
mod browser;
mod fuzz;
mod repo;
mod step;
mod test;
mod tools;
mod web;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  test                        everything that continuous integration runs, in order; stops at the first failure
  test rust [FILTER]          format, lints, unit, integration and documentation tests
  test web [FILTER]           the web app: types, lints, unit tests, build, size budgets, and that the committed build is the current one
  test browser [FILTER]       calls between real Chromium and Firefox through the real binary
  web                         builds web/dist, which is committed and embedded in the binary
  bench signaling [--json]    the server beside ws, Socket.IO and PeerJS's server
  bench compat [--json]       the server beside Socket.IO and PeerJS's server, with those clients' own protocols
  bench turn [--json]         the relay beside coturn and a bare forwarder
  bench join [--json]         from a join to the first decoded picture, in Chromium
  bench ice [--json]          from candidates to a pair, in virtual time; the cost of idle agents
  bench sctp [--json]         data channels' transport: CPU beside other stacks; goodput, queues, fairness on simulated paths
  bench NAME [--json]         the criterion benchmark NAME
  fuzz [TARGET] [--minutes N] every fuzz target, or one, for N CPU minutes each (default 1)
  soak [NAME]                 long runs that look for errors and leaks; NAME is `signaling`, `turn` or `ice`
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::all(),
        ["test", "rust", rest @ ..] if rest.len() <= 1 => test::rust(rest.first().copied()),
        ["test", "web", rest @ ..] if rest.len() <= 1 => test::web(rest.first().copied()),
        ["test", "browser", rest @ ..] if rest.len() <= 1 => test::browser(rest.first().copied()),
        ["web"] => web::build(),
        ["bench", name, rest @ ..] => bench::run(name, rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["soak"] => bench::soak("signaling"),
        ["soak", name] => bench::soak(name),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("cargo xtask: unknown command `{}`.\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\n{failure}");
            ExitCode::FAILURE
        }
    }
}
