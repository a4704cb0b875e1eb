//! The programs that the tests need, and how to get them.

use std::path::Path;
use std::process::Command;

use crate::repo;
use crate::step::{self, Failure, Result};

/// A Debian package and how to see that what it brings is there.
struct Package {
    name: &'static str,
    there: fn() -> bool,
}

const CHROMIUM: Package = Package { name: "chromium", there: || in_path("chromium") };
const FIREFOX: Package = Package { name: "firefox-esr", there: || in_path("firefox-esr") };
const FONTS: Package =
    Package { name: "fonts-dejavu-core", there: || Path::new("/usr/share/fonts/truetype/dejavu").is_dir() };
const EMOJI: Package = Package {
    name: "fonts-noto-color-emoji",
    there: || Path::new("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf").is_file(),
};
const IPROUTE: Package = Package { name: "iproute2", there: || in_path("ip") };
const CERTUTIL: Package = Package { name: "libnss3-tools", there: || in_path("certutil") };
const NFTABLES: Package = Package { name: "nftables", there: || in_path("nft") };
const PYTHON: Package = Package { name: "python3-venv", there: has_venv };
const FFMPEG: Package = Package { name: "ffmpeg", there: || in_path("ffmpeg") && in_path("ffprobe") };
const NODE: Package = Package { name: "nodejs", there: || in_path("node") };
const NPM: Package = Package { name: "npm", there: || in_path("npm") };
const UTIL_LINUX: Package = Package { name: "util-linux", there: || in_path("taskset") };
const COTURN: Package = Package { name: "coturn", there: || in_path("turnutils_uclient") && in_path("turnserver") };
const COMPILER: Package = Package { name: "gcc", there: || in_path("cc") || in_path("clang") };
const CPP_COMPILER: Package = Package { name: "g++", there: || in_path("c++") || in_path("clang++") };

/// The version of aioice that our agent is tested against.
const AIOICE: &str = "aioice==0.13.0";

/// What `cargo` and its tests need: rustfmt, clippy, a C compiler, the tools to make networks, and whom ours talk to: coturn and aioice.
pub(crate) fn rust() -> Result {
    install(&[COMPILER, IPROUTE, NFTABLES, UTIL_LINUX])?;
    coturn()?;
    aioice()?;
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if step::output(&mut repo::cargo(&[tool, "--version"])).is_none() {
            let remedy = format!("Install it with `rustup component add {component}`.");
            step::run(&mut repo::command(".", "rustup", &["component", "add", component]), &remedy)?;
        }
    }
    Ok(())
}

/// coturn's clients and server. The tests start their own: the package's service, on ports that ours may want, stays off.
pub(crate) fn coturn() -> Result {
    if (COTURN.there)() {
        return Ok(());
    }
    install(&[COTURN])?;
    // There is no service manager in a container.
    let _ = step::output(&mut repo::command(".", "systemctl", &["disable", "--now", "coturn"]));
    let _ = step::output(&mut repo::command(".", "service", &["coturn", "stop"]));
    Ok(())
}

/// aioice, an ICE agent in Python, in an environment of its own below the target folder, where the tests look for it.
fn aioice() -> Result {
    let folder = repo::target_dir().join("tools/aioice");
    let python = folder.join("bin/python");
    let is_there = |python: &Path| step::output(Command::new(python).args(["-c", "import aioice"])).is_some();
    if is_there(&python) {
        return Ok(());
    }
    install(&[PYTHON])?;
    let remedy = "aioice could not be installed; see above. A Python package index must be in reach.";
    step::run(Command::new("python3").args(["-m", "venv"]).arg(&folder), remedy)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", AIOICE];
    step::run(Command::new(&python).args(pip), remedy)
}

fn has_venv() -> bool {
    step::output(Command::new("python3").args(["-c", "import ensurepip, venv"])).is_some()
}

/// What libFuzzer is built with.
pub(crate) fn cpp() -> Result {
    install(&[CPP_COMPILER])
}

/// What the web app's build and tests need: Node 20.19 or newer, and npm.
pub(crate) fn node() -> Result {
    install(&[NODE, NPM])?;
    let version = step::output(&mut repo::command(".", "node", &["--version"])).unwrap_or_default();
    if node_is_new_enough(&version) {
        println!("   node {version}");
        return Ok(());
    }
    Err(Failure::new(
        format!("Node {version} is too old: 20.19 or newer is needed."),
        "Install a newer one (Debian 13 has it; `npx node@22` brings one too) and put it first in PATH.",
    ))
}

/// What the end-to-end tests need: both browsers, fonts, and the tools to make and cut networks.
pub(crate) fn browsers() -> Result {
    node()?;
    install(&[CHROMIUM, FIREFOX, FONTS, EMOJI, IPROUTE, NFTABLES, UTIL_LINUX, CERTUTIL, FFMPEG])?;
    for browser in ["chromium", "firefox-esr"] {
        let version = step::output(&mut repo::command(".", browser, &["--version"])).unwrap_or_default();
        println!("   {}", version.lines().last().unwrap_or(browser));
    }
    if !is_root() {
        return Err(Failure::new(
            "The end-to-end tests make network namespaces, and only root may.",
            "Run them as root (for example in a container), or run `cargo xtask test rust` and `cargo xtask test web` only.",
        ));
    }
    Ok(())
}

fn install(packages: &[Package]) -> Result {
    let missing: Vec<&str> = packages.iter().filter(|package| !(package.there)()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install --yes --no-install-recommends {}", missing.join(" "));
    let remedy =
        format!("These Debian packages are missing: {}. As root, run `apt-get update && {line}`.", missing.join(", "));
    if !is_root() || !in_path("apt-get") {
        return Err(Failure::new("Some programs are missing.", remedy));
    }
    println!("   installing {}", missing.join(", "));
    let apt = |arguments: &str| {
        let mut command = repo::command(".", "sh", &["-c", &format!("{arguments} >/dev/null")]);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        step::run(&mut command, &remedy)
    };
    apt("apt-get update -qq")?;
    apt(&line)
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Root's tools live in sbin, which not every PATH names.
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).is_file())
}

/// Whether this process may make network namespaces and install packages.
pub(crate) fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1)?.parse::<u32>().ok())
    }) == Some(0)
}

fn node_is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (20, 19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_versions_compare_by_number() {
        assert!(node_is_new_enough("v20.19.0"));
        assert!(node_is_new_enough("v22.2.1"));
        assert!(!node_is_new_enough("v20.9.0"));
        assert!(!node_is_new_enough("v18.20.4"));
        assert!(!node_is_new_enough(""));
    }

    #[test]
    fn a_shell_is_in_the_path_and_nonsense_is_not() {
        assert!(in_path("sh"));
        assert!(!in_path("no-such-program-anywhere"));
    }
}
