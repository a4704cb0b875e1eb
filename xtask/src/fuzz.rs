//! `cargo xtask fuzz`: the fuzz targets below `fuzz/`, each for a while.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::repo;
use crate::step::{self, Failure, Result, output, step};
use crate::tools;

/// What makes LLVM count the edges and tell libFuzzer of the comparisons; the stable compiler knows all of it.
const INSTRUMENTATION: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cforce-frame-pointers",
];

/// CPU time beyond the budget after which an input counts as one that never ends. libFuzzer's own limit is elapsed time, which says nothing of a process that
/// had to wait for its turn.
const GRACE: Duration = Duration::from_secs(20);

/// Clock ticks in a second in `/proc`, which Linux fixes for programs.
const TICKS: u64 = 100;

/// `[TARGET] [--minutes N]`.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let (target, budget) = parse(arguments)?;
    let known = targets()?;
    let chosen = match target {
        None => known,
        Some(name) if known.iter().any(|known| known == name) => vec![name.to_owned()],
        Some(name) => {
            return Err(Failure::new(
                format!("There is no fuzz target `{name}`."),
                format!("Known: {}.", known.join(", ")),
            ));
        }
    };
    step("tools", tools::cpp)?;
    let programs = step("instrumented build", build)?;
    let minutes = budget.as_secs_f64() / 60.0;
    let findings = step(&format!("fuzz {} for {minutes} CPU minutes each", chosen.join(", ")), || {
        let mut findings = Vec::new();
        for name in &chosen {
            findings.extend(fuzz(&programs, name, budget)?);
        }
        Ok(findings)
    })?;
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        format!("Findings:\n{}", findings.join("\n")),
        "Copy the input to fuzz/seeds/TARGET, where `cargo test -p parlour-fuzz` runs it; then repair.",
    ))
}

/// One target for a while. The answer describes what was found, if anything.
fn fuzz(programs: &Path, name: &str, budget: Duration) -> Result<Option<String>> {
    let corpus = repo::path("fuzz/corpus").join(name);
    let artifacts = repo::path("fuzz/artifacts").join(name);
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).map_err(|error| cannot("make the folder", folder, &error))?;
    }
    let log = artifacts.join("log");
    let file = File::create(&log).map_err(|error| cannot("write", &log, &error))?;

    let mut command = Command::new(programs.join(name));
    command.args([corpus, repo::path("fuzz/seeds").join(name)]).args(more_seeds(name));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-rss_limit_mb=2048", "-print_final_stats=1"]);
    let (status, spent) = run_for(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file), budget)
        .map_err(|error| cannot("run", &programs.join(name), &error))?;

    let log_text = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
    let told = Told::read(&log_text);
    println!(
        "   {name:<14} {:>12} executions, {:>4} s CPU, coverage {:>5}, {}",
        told.executions.map_or("?".to_owned(), |count| count.to_string()),
        spent.as_secs(),
        told.coverage.unwrap_or(0),
        if status.success() { "no finding" } else { "FINDING" },
    );
    if status.success() {
        return Ok(None);
    }
    let what = told.panic.unwrap_or_else(|| format!("it ended with {status}"));
    let input = told.input.unwrap_or_else(|| format!("none was written; see {}", log.display()));
    Ok(Some(format!(
        "  {name}: {what}\n    input: {input}\n    again: {} {input}\n    log:   {}",
        programs.join(name).display(),
        log.display()
    )))
}

/// Folders whose files are inputs beside those of `fuzz/seeds`.
fn more_seeds(name: &str) -> Vec<PathBuf> {
    match name {
        "sdp" => vec![repo::path("crates/sdp/tests/corpus")],
        _ => Vec::new(),
    }
}

/// Runs until it ends or has used `budget` of CPU time, when it is made to end.
fn run_for(command: &mut Command, budget: Duration) -> std::io::Result<(ExitStatus, Duration)> {
    let start = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id();
    let mut asked = 0;
    let mut spent = Duration::ZERO;
    loop {
        // Before the wait that would make the process vanish. Where there is no `/proc`, elapsed time has to do.
        spent = cpu_time(pid).unwrap_or_else(|| start.elapsed()).max(spent);
        if let Some(status) = child.try_wait()? {
            return Ok((status, spent));
        }
        // On the first signal libFuzzer prints its figures and ends well, once the current input is done; on the second it tells that input as a finding.
        let due = [(budget, "USR1"), (budget + GRACE, "ABRT")].into_iter().nth(asked).filter(|(at, _)| spent >= *at);
        match due {
            Some((_, signal)) => {
                Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status()?;
                asked += 1;
            }
            None => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// The user and system time that a process has used.
fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 1000 / TICKS))
}

/// What libFuzzer's output says.
#[derive(Debug, Default, PartialEq)]
struct Told {
    executions: Option<u64>,
    coverage: Option<u64>,
    panic: Option<String>,
    input: Option<String>,
}

impl Told {
    fn read(log: &str) -> Self {
        let mut told = Self::default();
        let mut lines = log.lines();
        while let Some(line) = lines.next() {
            let mut words = line.split_whitespace();
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                told.executions = count.trim().parse().ok();
            } else if let Some(count) = words.find(|word| *word == "cov:").and_then(|_| words.next()) {
                told.coverage = count.parse().ok();
            } else if line.contains("panicked at") {
                let place = line.split("panicked at ").last().unwrap_or_default();
                told.panic = Some(format!("{place} {}", lines.next().unwrap_or_default()));
            } else if let Some(path) = line.split("Test unit written to ").nth(1) {
                told.input = Some(path.to_owned());
            }
        }
        told
    }
}

/// Builds every target with libFuzzer; the answer is where the programs are.
fn build() -> Result<PathBuf> {
    let versions = output(&mut repo::command(".", "rustc", &["-vV"])).unwrap_or_default();
    let host = versions.lines().find_map(|line| line.strip_prefix("host: ")).ok_or_else(|| {
        Failure::new("`rustc -vV` names no host.", "Install Rust with rustup, or put rustc into PATH.")
    })?;
    let target_dir = repo::target_dir().join("fuzz");
    // With a named target, build scripts and procedural macros are not instrumented.
    let mut command = repo::cargo(&["build", "--package", "parlour-fuzz", "--bins", "--features", "libfuzzer"]);
    command.args(["--profile", "fuzz", "--target", host]);
    command.env("CARGO_TARGET_DIR", &target_dir).env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTATION.join("\x1f"));
    step::run(&mut command, "The fuzz targets do not compile; see above.")?;
    Ok(target_dir.join(host).join("fuzz"))
}

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let folder = repo::path("fuzz/src/bin");
    let entries = std::fs::read_dir(&folder).map_err(|error| cannot("read", &folder, &error))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("Cannot {what} {}: {error}", path.display()), "See that the path is there and may be used.")
}

fn parse<'a>(arguments: &[&'a str]) -> Result<(Option<&'a str>, Duration)> {
    let usage = || {
        Failure::new(
            format!("`fuzz {}` is not understood.", arguments.join(" ")),
            "Use `cargo xtask fuzz [TARGET] [--minutes N]`; N may have a fraction.",
        )
    };
    let minutes = |word: &&str| {
        let minutes: f64 = word.parse().ok()?;
        (minutes > 0.0).then(|| Duration::try_from_secs_f64(minutes * 60.0).ok()).flatten()
    };
    let mut target = None;
    let mut budget = Duration::from_secs(60);
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "--minutes" => budget = rest.next().and_then(minutes).ok_or_else(usage)?,
            name if !name.starts_with('-') && target.is_none() => target = Some(name),
            _ => return Err(usage()),
        }
    }
    Ok((target, budget))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_come_in_any_order() {
        let minute = Duration::from_secs(60);
        assert_eq!(parse(&[]).ok(), Some((None, minute)));
        assert_eq!(parse(&["stun_message"]).ok(), Some((Some("stun_message"), minute)));
        assert_eq!(parse(&["--minutes", "10", "rtcp"]).ok(), Some((Some("rtcp"), 10 * minute)));
        assert_eq!(parse(&["--minutes", "0.1"]).ok(), Some((None, minute / 10)));
        for wrong in [&["--minutes"][..], &["--minutes", "0"], &["--minutes", "NaN"], &["a", "b"], &["--seconds", "5"]]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_output_of_libfuzzer_is_understood() {
        let log = "\
#2\tINITED cov: 49 ft: 50 corp: 1/1b exec/s: 0 rss: 30Mb
#524288\tpulse  cov: 372 ft: 1001 corp: 200/9Kb lim: 4096 exec/s: 262144 rss: 300Mb
thread '<unnamed>' panicked at fuzz/src/rtcp.rs:20:17:
assertion `left == right` failed
artifact_prefix='fuzz/artifacts/rtcp/'; Test unit written to fuzz/artifacts/rtcp/crash-da39
stat::number_of_executed_units: 600123
";
        let told = Told {
            executions: Some(600_123),
            coverage: Some(372),
            panic: Some("fuzz/src/rtcp.rs:20:17: assertion `left == right` failed".to_owned()),
            input: Some("fuzz/artifacts/rtcp/crash-da39".to_owned()),
        };
        assert_eq!(Told::read(log), told);
    }

    #[test]
    fn a_process_ends_when_its_cpu_time_is_spent() {
        let mut busy = Command::new("sh");
        busy.args(["-c", "trap 'exit 0' USR1; while :; do :; done"]);
        let (status, spent) = run_for(&mut busy, Duration::from_millis(100)).expect("it runs");
        assert!(status.success() && spent >= Duration::from_millis(100), "{status} {spent:?}");
    }

    #[test]
    fn every_program_is_a_target() {
        assert!(targets().is_ok_and(|names| names.contains(&"stun_message".to_owned())));
    }
}
