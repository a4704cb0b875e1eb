//! `cargo xtask bench` and `soak`: measured, not asserted, on the release build.

use std::path::PathBuf;

use crate::browser;
use crate::repo;
use crate::step::{self, Failure, Result, step};
use crate::tools;

/// `bench NAME [--json]`.
pub(crate) fn run(name: &str, options: &[&str]) -> Result {
    match name {
        "signaling" => {
            tools::node()?;
            browser::npm_ci("benches/signaling")?;
            load(&[&["compare"], options].concat())
        }
        "join" => {
            tools::browsers()?;
            let (parlour, _) = build()?;
            browser::script(&parlour, "bench-join.mjs", options)
        }
        "ice" => {
            let arguments = ["bench", "--quiet", "--package", "parlour-ice", "--bench", "ice", "--"];
            step::run(&mut repo::cargo(&[&arguments[..], options].concat()), "See the message above.")
        }
        _ => {
            let known = "`signaling`, `join`, `ice`, or the name of a criterion benchmark of a crate";
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
        _ => Err(Failure::new(format!("There is no long run named `{name}`."), "Known: `signaling`.")),
    }
}

fn load(arguments: &[&str]) -> Result {
    let (parlour, load) = build()?;
    let mut command = repo::command("benches/signaling", &load.to_string_lossy(), arguments);
    step::run(command.env("TEST_PARLOUR_BIN", parlour), "See the message above.")
}

/// Builds the server and the load client as people run them: optimised.
fn build() -> Result<(PathBuf, PathBuf)> {
    step("release build", || {
        step::run(
            &mut repo::cargo(&["build", "--release", "--package", "parlour", "--package", "parlour-bench-signaling"]),
            "The binary does not compile; see above.",
        )
    })?;
    let release = repo::target_dir().join("release");
    Ok((release.join("parlour"), release.join("parlour-bench-signaling")))
}
