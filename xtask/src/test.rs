//! `cargo xtask test`: what continuous integration runs, in the order in which a failure is cheapest.

use std::time::Instant;

use crate::browser;
use crate::repo;
use crate::step::{Result, human, run, step};
use crate::tools;
use crate::web;

/// Everything.
pub(crate) fn all() -> Result {
    let start = Instant::now();
    step("tools", || {
        tools::rust()?;
        tools::browsers()
    })?;
    rust_steps(None)?;
    web_steps(None)?;
    browser_steps(None)?;
    println!("\nEverything passed in {}.", human(start.elapsed()));
    Ok(())
}

/// The Rust part, or the tests in it whose names contain `filter`.
pub(crate) fn rust(filter: Option<&str>) -> Result {
    step("tools", tools::rust)?;
    rust_steps(filter)
}

/// The web part, or the unit tests in it whose files or names contain `filter`.
pub(crate) fn web(filter: Option<&str>) -> Result {
    step("tools", tools::node)?;
    web_steps(filter)
}

/// The end-to-end part, or the scenarios in it whose files or names contain `filter`.
pub(crate) fn browser(filter: Option<&str>) -> Result {
    step("tools", tools::browsers)?;
    browser_steps(filter)
}

fn rust_steps(filter: Option<&str>) -> Result {
    if let Some(filter) = filter {
        return step("rust tests", || {
            run(&mut repo::cargo(&["test", "--workspace", filter]), "See the failed test above.")
        });
    }
    step("format", || {
        run(&mut repo::cargo(&["fmt", "--all", "--check"]), "Run `cargo fmt --all` and commit the change.")
    })?;
    step("lints", || {
        run(
            &mut repo::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
            "Fix what clippy says above; `cargo clippy --fix` does the mechanical ones.",
        )
    })?;
    step("rust tests", || {
        run(
            &mut repo::cargo(&["test", "--workspace", "--all-targets"]),
            "See the failed test above; `cargo xtask test rust NAME` runs it alone.",
        )
    })?;
    step("documentation tests", || {
        run(&mut repo::cargo(&["test", "--workspace", "--doc"]), "An example in a doc comment does not hold.")
    })
}

fn web_steps(filter: Option<&str>) -> Result {
    match filter {
        Some(filter) => web::unit_tests(Some(filter)),
        None => web::check(),
    }
}

fn browser_steps(filter: Option<&str>) -> Result {
    let binary = step("the binary", browser::build)?;
    step("browsers", || browser::run_tests(&binary, filter))
}
