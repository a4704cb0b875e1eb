//! The log on standard error.

use std::io::IsTerminal as _;

use parlour_server::config::Log;
use tracing_subscriber::EnvFilter;

/// Starts logging. `RUST_LOG`, if set, decides in detail.
pub(crate) fn start(log: &Log) {
    let own = log.level.as_str();
    // Libraries are heard when something is wrong with them, or when everything is asked for.
    let libraries = if own == "trace" { "debug" } else { "warn" };
    let libraries = if own == "error" { "error" } else { libraries };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(format!(
            "{libraries},parlour={own},parlour_server={own},parlour_net={own},parlour_signaling={own}"
        ))
    });
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colour);
    // A second start in one process would keep the first.
    let _ = if log.json { builder.json().flatten_event(true).try_init() } else { builder.compact().try_init() };
}
