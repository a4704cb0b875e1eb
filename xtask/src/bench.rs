//! `cargo xtask bench` and `soak`: measured, not asserted, on the release build.

use std::path::PathBuf;

use crate::browser;
use crate::repo;
use crate::step::{self, Failure, Result, step};
use crate::tools;

/// `bench NAME [--json]`.
pub(crate) fn run(name: &str, options: &[&str]) -> Result {
    match name {
        "signaling" | "compat" => {
            tools::node()?;
            browser::npm_ci("benches/signaling")?;
            let command = if name == "compat" { "compat" } else { "compare" };
            load(&[&[command], options].concat())
        }
        "turn" => {
            tools::coturn()?;
            turn(&[&["compare"], options].concat())
        }
        "join" => {
            tools::browsers()?;
            let (parlour, _) = build("signaling")?;
            browser::script(&parlour, "bench-join.mjs", options)
        }
        "ice" => {
            let arguments = ["bench", "--quiet", "--package", "parlour-ice", "--bench", "ice", "--"];
            step::run(&mut repo::cargo(&[&arguments[..], options].concat()), "See the message above.")
        }
        "sctp" => {
            let program = step("release build", || release("parlour-bench-sctp"))?;
            let arguments = [&["--plots", "docs/plots"], options].concat();
            step::run(&mut repo::command(".", &program.to_string_lossy(), &arguments), "See the message above.")
        }
        _ => {
            let known =
                "`signaling`, `compat`, `ice`, `join`, `sctp`, `turn`, or the name of a criterion benchmark of a crate";
            step::run(
                &mut repo::cargo(&["bench", "--workspace", "--bench", name]),
                &format!("There may be no such benchmark: {known}."),
            )
        }
    }
}

/// `soak NAME`.
pub(crate) fn soak(name: &str) -> Result {
    match name {
        "signaling" => load(&["soak"]),
        "turn" => turn(&["soak"]),
        "ice" => sweep(),
        _ => Err(Failure::new(format!("There is no long run named `{name}`."), "Known: `ice`, `signaling`, `turn`.")),
    }
}

/// Half a million sessions of ICE agents beside the 100,000 of the tests.
fn sweep() -> Result {
    let mut command =
        repo::cargo(&["test", "--release", "--package", "parlour-ice", "--test", "sweep", "--", "--nocapture"]);
    command.env("ICE_SWEEP_FIRST", "100000").env("ICE_SWEEP_SESSIONS", "500000");
    step::run(&mut command, "Sessions ended wrongly; the lines above say how to run one of them alone.")
}

fn load(arguments: &[&str]) -> Result {
    run_load("signaling", arguments)
}

fn turn(arguments: &[&str]) -> Result {
    run_load("turn", arguments)
}

/// Runs the load client of `benches/NAME` against the server.
fn run_load(name: &str, arguments: &[&str]) -> Result {
    let (parlour, load) = build(name)?;
    let mut command = repo::command(&format!("benches/{name}"), &load.to_string_lossy(), arguments);
    step::run(command.env("TEST_PARLOUR_BIN", parlour), "See the message above.")
}

/// Builds the server and the load client as people run them: optimised.
fn build(name: &str) -> Result<(PathBuf, PathBuf)> {
    step("release build", || Ok((release("parlour")?, release(&format!("parlour-bench-{name}"))?)))
}

/// Builds the program of a package, optimised.
fn release(package: &str) -> Result<PathBuf> {
    step::run(
        &mut repo::cargo(&["build", "--release", "--package", package]),
        "The program does not compile; see above.",
    )?;
    Ok(repo::target_dir().join("release").join(package))
}
