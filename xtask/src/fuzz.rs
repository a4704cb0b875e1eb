//! `cargo xtask fuzz`: the fuzz targets below `fuzz/`, each for a while.

use crate::repo;
use crate::step::{self, Failure, Result, output, step};

/// `[TARGET] [--seconds N]`.
pub(crate) fn run(arguments: &[&str]) -> Result {
    let (target, seconds) = parse(arguments)?;
    if !repo::path("fuzz/Cargo.toml").is_file() {
        return Err(Failure::new("There is no fuzz/Cargo.toml.", "This version has no fuzz targets."));
    }
    let cargo = |arguments: &[&str]| repo::command(".", "cargo", arguments);
    if output(&mut cargo(&["+nightly", "--version"])).is_none() {
        return Err(Failure::new(
            "Fuzzing needs a nightly toolchain.",
            "Install one with `rustup toolchain install nightly --profile minimal`.",
        ));
    }
    if output(&mut cargo(&["+nightly", "fuzz", "--version"])).is_none() {
        return Err(Failure::new("Fuzzing needs cargo-fuzz.", "Install it with `cargo install cargo-fuzz --locked`."));
    }
    let targets = match target {
        Some(target) => vec![target.to_owned()],
        None => {
            output(&mut cargo(&["+nightly", "fuzz", "list"])).unwrap_or_default().lines().map(str::to_owned).collect()
        }
    };
    if targets.is_empty() {
        return Err(Failure::new("`cargo fuzz list` names no target.", "Add one below fuzz/fuzz_targets."));
    }
    for target in targets {
        step(&format!("fuzz {target} for {seconds} s"), || {
            let time = format!("-max_total_time={seconds}");
            step::run(
                &mut cargo(&["+nightly", "fuzz", "run", &target, "--", &time, "-rss_limit_mb=4096"]),
                "The input that broke it is below fuzz/artifacts: make it a test, then repair.",
            )
        })?;
    }
    Ok(())
}

fn parse<'a>(arguments: &[&'a str]) -> Result<(Option<&'a str>, u64)> {
    let usage = || {
        Failure::new(
            format!("`fuzz {}` is not understood.", arguments.join(" ")),
            "Use `cargo xtask fuzz [TARGET] [--seconds N]`.",
        )
    };
    let mut target = None;
    let mut seconds = 60;
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "--seconds" => seconds = rest.next().and_then(|n| n.parse().ok()).ok_or_else(usage)?,
            name if !name.starts_with('-') && target.is_none() => target = Some(name),
            _ => return Err(usage()),
        }
    }
    Ok((target, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_come_in_any_order() {
        assert_eq!(parse(&[]).ok(), Some((None, 60)));
        assert_eq!(parse(&["stun"]).ok(), Some((Some("stun"), 60)));
        assert_eq!(parse(&["--seconds", "5", "stun"]).ok(), Some((Some("stun"), 5)));
        assert!(parse(&["--seconds"]).is_err());
        assert!(parse(&["a", "b"]).is_err());
    }
}
