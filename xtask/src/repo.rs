//! Where things are in this repository.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    // The manifest's directory is `<root>/xtask`, fixed when this was compiled; the alias in `.cargo/config.toml` compiles it in place.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A path below the root.
pub(crate) fn path(below: &str) -> PathBuf {
    root().join(below)
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => path("target"),
    }
}

/// A command that runs in `below` (relative to the root; `.` for the root itself).
pub(crate) fn command(below: &str, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root().join(below));
    command
}

/// `cargo` with these arguments, in the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command(".", &std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()), arguments)
}
