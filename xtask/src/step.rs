//! Steps: a heading, a command, how long it took, and what to do when it failed.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why a command of ours failed, and what the person can do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    remedy: String,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "✗ {}\n  {}", self.what, self.remedy)
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// Runs `work` under a heading and tells how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("\n── {name}");
    let start = Instant::now();
    let outcome = work();
    let word = if outcome.is_ok() { "ok" } else { "failed" };
    println!("── {name}: {word}, {}", human(start.elapsed()));
    outcome
}

/// Runs a command with its output on the terminal; anything but exit code 0 is a failure that ends with `remedy`.
pub(crate) fn run(command: &mut Command, remedy: &str) -> Result {
    let line = shown(command);
    println!("   $ {line}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{line}` failed ({status})"), remedy)),
        Err(error) => Err(Failure::new(format!("`{line}` could not be started: {error}"), remedy)),
    }
}

/// What a command printed on its standard output, without the white space around it; `None` if it is not there or failed.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A duration as a person says it.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:.0} s", duration.as_secs() / 60, seconds % 60.0)
    }
}

fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    std::iter::once(program)
        .chain(command.get_args().map(|argument| argument.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_names_itself_and_the_remedy() {
        let failure = run(Command::new("sh").args(["-c", "exit 3"]), "Do this.").expect_err("exit code 3");
        assert!(failure.to_string().contains("`sh -c exit 3`"), "{failure}");
        assert!(failure.to_string().contains("Do this."), "{failure}");
    }

    #[test]
    fn a_missing_program_is_a_failure_not_a_panic() {
        let failure = run(&mut Command::new("/no/such/program"), "Install it.").expect_err("missing");
        assert!(failure.to_string().contains("Install it."), "{failure}");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(human(Duration::from_millis(3_240)), "3.2 s");
        assert_eq!(human(Duration::from_secs(125)), "2 min 5 s");
    }
}
