//! The end-to-end tests: real browsers, the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repo;
use crate::step::{Failure, Result, run};

const DIR: &str = "tests/browser";

/// Builds the binary that the browsers call through. The development profile: its dependencies are optimised and the Rust tests have already
/// built most of it. `TEST_PARLOUR_BIN` names another binary instead. Beside it the examples that show the Rust peer to browsers.
pub(crate) fn build() -> Result<PathBuf> {
    run(
        &mut repo::cargo(&["build", "--package", "parlour", "--package", "echo-server", "--package", "recorder"]),
        "The binaries do not compile; see above.",
    )?;
    if let Some(binary) = std::env::var_os("TEST_PARLOUR_BIN") {
        return Ok(binary.into());
    }
    Ok(repo::target_dir().join("debug/parlour"))
}

/// Runs the scenarios: all, those in files whose names contain `filter`, or those whose own names match it.
pub(crate) fn run_tests(binary: &Path, filter: Option<&str>) -> Result {
    install()?;
    library()?;
    let files = test_files()?;
    let chosen: Vec<&String> = files.iter().filter(|file| filter.is_none_or(|filter| file.contains(filter))).collect();
    let mut node = node(binary);
    // One file at a time: two cores carry one pair of browsers.
    // PeerJS's server, which runs in the tests, keeps timers that nothing ends.
    node.args(["--test", "--test-force-exit", "--test-concurrency=1", "--test-reporter=spec"]);
    match (filter, chosen.is_empty()) {
        (Some(pattern), true) => node.arg(format!("--test-name-pattern={pattern}")).args(&files),
        _ => node.args(chosen),
    };
    run(
        &mut node,
        "Pictures and logs of the failed scenario are in tests/browser/out; `cargo xtask test browser NAME` runs it alone.",
    )
}

/// Runs one script of the end-to-end folder against `binary`.
pub(crate) fn script(binary: &Path, name: &str, arguments: &[&str]) -> Result {
    install()?;
    run(node(binary).arg(name).args(arguments), "See the message above.")
}

fn node(binary: &Path) -> Command {
    let mut node = repo::command(DIR, "node", &[]);
    node.env("TEST_PARLOUR_BIN", binary)
        .env("TEST_ECHO_BIN", repo::target_dir().join("debug/echo-server"))
        .env("TEST_RECORDER_BIN", repo::target_dir().join("debug/recorder"))
        .env("npm_config_update_notifier", "false");
    node
}

/// Builds the library that pages of the scenarios load: the web app's own build is committed, this one is not.
fn library() -> Result {
    npm_ci("web")?;
    run(
        &mut repo::command("web", "npm", &["run", "--silent", "build", "--workspace", "peer"]),
        "The library in web/peer does not build; see above.",
    )
}

fn install() -> Result {
    npm_ci(DIR)
}

/// Installs what `dir/package-lock.json` names, unless that was done already.
pub(crate) fn npm_ci(dir: &str) -> Result {
    let lock = repo::path(dir).join("package-lock.json");
    let installed = repo::path(dir).join("node_modules/.package-lock.json");
    let newer = |a: &Path, b: &Path| Some(a.metadata().ok()?.modified().ok()? > b.metadata().ok()?.modified().ok()?);
    if newer(&installed, &lock) == Some(true) {
        return Ok(());
    }
    run(
        &mut repo::command(dir, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
        "The npm packages could not be installed; see above. A package registry must be in reach.",
    )
}

fn test_files() -> Result<Vec<String>> {
    let unreadable = |error| Failure::new(format!("{DIR} cannot be read: {error}"), "Run this inside the repository.");
    let mut files: Vec<String> = std::fs::read_dir(repo::path(DIR))
        .map_err(unreadable)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".test.mjs"))
        .collect();
    files.sort();
    Ok(files)
}
