//! The `parlour` command.

mod args;
mod banner;
mod configure;
mod failure;
mod logging;
mod qr;
mod schema;
mod serve;
mod token;
mod turn;

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::ArgMatches;
use parlour_server::config::Config;

use failure::Failure;

fn main() -> ExitCode {
    failure::explain_panics();
    let matches = args::command().get_matches();
    match std::panic::catch_unwind(AssertUnwindSafe(|| run(&matches))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => failure.report(),
        // The hook has explained it.
        Err(_) => ExitCode::from(failure::BUG),
    }
}

fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        None => serve::run(matches),
        Some(("serve", matches)) => serve::run(matches),
        Some(("config", matches)) => print_config(matches),
        Some(("token", matches)) => token::run(matches),
        Some(("turn", matches)) => turn::run(matches),
        Some(("schema", _)) => print(&schema::schema()),
        Some(("completions", matches)) => completions(matches),
        Some((other, _)) => Err(Failure::usage(format!("there is no command {other}"), "parlour --help")),
    }
}

fn print_config(matches: &ArgMatches) -> Result<(), Failure> {
    let loaded = configure::load(matches, Config::keys())?;
    if matches.get_flag("json") { print(&format!("{:#}\n", loaded.to_json())) } else { print(&loaded.to_toml()) }
}

fn completions(matches: &ArgMatches) -> Result<(), Failure> {
    let Some(shell) = matches.get_one::<clap_complete::Shell>("shell") else {
        return Err(Failure::usage("which shell?".into(), "parlour completions bash"));
    };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut args::command(), "parlour", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes to standard output. A reader that has gone (`parlour config | head`) is no error.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::other(format!("cannot write to standard output: {error}"), "check where the output goes"))
        }
        _ => Ok(()),
    }
}
