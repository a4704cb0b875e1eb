//! Real sockets: two agents in two network namespaces, behind NATs of the kernel, with a TURN server between them,
//! connect as the simulator says. Also with aioice as the other agent.
//!
//! Needs root, `ip` and `nft` on Linux, and Python with aioice; `cargo xtask test rust` brings what is missing but root.
//! This program starts itself again inside the namespaces, as `peer` and `turn`. An argument selects cases by name.

#![allow(unreachable_pub)]

mod real;
mod world;

use parlour_netsim::NatSpec;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use world::{Access, Servers, Topology, World, configs};

const SERVER: &str = "198.18.0.10";

/// A home router, as nftables makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nat {
    /// Whoever knows the outer port may send to it.
    FullCone,
    /// Whoever was sent to may answer from any port.
    Restricted,
    /// Only who was sent to may answer: what the kernel's masquerading does.
    PortRestricted,
    /// Another port for each destination.
    Symmetric,
    /// No UDP gets out.
    UdpBlocked,
}

impl Nat {
    const ALL: [Self; 5] = [Self::FullCone, Self::Restricted, Self::PortRestricted, Self::Symmetric, Self::UdpBlocked];

    /// What the simulator calls it.
    fn access(self) -> Access {
        match self {
            Self::FullCone => Access::Nat(NatSpec::full_cone()),
            Self::Restricted => Access::Nat(NatSpec::restricted()),
            Self::PortRestricted => Access::Nat(NatSpec::port_restricted()),
            Self::Symmetric => Access::Nat(NatSpec::symmetric()),
            Self::UdpBlocked => Access::UdpBlocked,
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("peer") => return real::peer(&arguments[1..]),
        Some("turn") => return real::turn(&arguments[1..]),
        Some("--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    let python = match requirements() {
        Ok(python) => python,
        Err(missing) => {
            println!("test namespaces ... FAILED: it cannot run here: {missing}");
            return ExitCode::FAILURE;
        }
    };
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned();
    let (mut failed, mut ran) = (0, 0);
    for (i, left) in Nat::ALL.into_iter().enumerate() {
        for right in Nat::ALL.into_iter().skip(i) {
            let expected = simulated(left, right);
            for other in [Other::Ours, Other::Aioice] {
                let name = format!("{left:?} x {right:?}, {other:?}");
                // aioice asks its TURN server by UDP alone here.
                let impossible = other == Other::Aioice && right == Nat::UdpBlocked;
                if impossible || filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
                    continue;
                }
                ran += 1;
                match run(left, right, other, &python) {
                    Ok((got, took)) if got == expected => println!("test {name} ... ok ({}, {took:?})", kind(got)),
                    Ok((got, _)) => {
                        println!("test {name} ... FAILED: {} and not {}", kind(got), kind(expected));
                        failed += 1;
                    }
                    Err(why) => {
                        println!("test {name} ... FAILED: {why}");
                        failed += 1;
                    }
                }
            }
        }
    }
    println!("\n{} passed, {failed} failed", ran - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The agent on the right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    Ours,
    Aioice,
}

/// Whether the same session goes by a relay in the simulator.
fn simulated(left: Nat, right: Nat) -> bool {
    let mut world = World::new(1, &Topology::new(left.access(), right.access()), configs(Servers::All));
    world.start(0);
    world.start(1);
    let until = world.now() + Duration::from_secs(10);
    assert!(world.run_until(until, World::both_nominated), "{left:?} x {right:?} connect in the simulator");
    world.run_for(Duration::from_secs(2));
    world.peers.iter().any(world::Peer::is_relayed)
}

fn kind(relayed: bool) -> &'static str {
    if relayed { "relayed" } else { "direct" }
}

/// Python with aioice, if all that is needed is there; else what is not, and what to do about it.
fn requirements() -> Result<PathBuf, String> {
    let runs =
        |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    for tool in ["ip", "nft"] {
        if Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Err(format!("`{tool}` is missing: install iproute2 and nftables"));
        }
    }
    let probe =
        "ip netns add pice-probe && ip netns exec pice-probe nft list ruleset; r=$?; ip netns del pice-probe; exit $r";
    if !runs(Command::new("sh").args(["-c", probe])) {
        return Err(
            "network namespaces cannot be made: run it as root, in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN"
                .to_owned(),
        );
    }
    // This program lies in target/PROFILE/deps; `cargo xtask` makes target/tools.
    let own = std::env::current_exe().unwrap_or_default();
    let tools = own.ancestors().nth(3).map(|target| target.join("tools/aioice/bin/python"));
    let named = std::env::var_os("PARLOUR_TEST_PYTHON").map(PathBuf::from);
    let candidates = [named, tools, Some("python3".into())];
    let has_aioice = |python: &PathBuf| runs(Command::new(python).args(["-c", "import aioice"]));
    candidates.into_iter().flatten().find(has_aioice).ok_or_else(|| {
        "no Python with aioice: `cargo xtask test rust` installs it below target/tools, or put one into PARLOUR_TEST_PYTHON (`python3 -m venv DIR && DIR/bin/pip install aioice`)".to_owned()
    })
}

/// The namespaces of one case; gone with it.
struct Lab {
    names: Vec<String>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn sh(script: &str) -> Result<(), String> {
    let out = Command::new("sh").args(["-ec", script]).output().map_err(|error| error.to_string())?;
    if out.status.success() { Ok(()) } else { Err(format!("{script}: {}", String::from_utf8_lossy(&out.stderr))) }
}

impl Lab {
    /// `pice-s` is the Internet with the server; `pice-n1`, `pice-n2` are routers; `pice-h1`, `pice-h2` are hosts.
    fn new(nats: [Nat; 2]) -> Result<Self, String> {
        let names = ["s", "n1", "n2", "h1", "h2"].map(|n| format!("pice-{n}")).to_vec();
        for name in &names {
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
        let lab = Lab { names };
        for name in &lab.names {
            sh(&format!("ip netns add {name}; ip -n {name} link set lo up"))?;
        }
        sh(&format!(
            "ip -n pice-s link add br0 type bridge; ip -n pice-s link set br0 up; ip -n pice-s addr add {SERVER}/24 dev br0"
        ))?;
        for (i, nat) in nats.into_iter().enumerate() {
            let n = i + 1;
            let outer = format!("198.18.0.{n}");
            sh(&format!(
                "ip link add pwan{n} netns pice-n{n} type veth peer name pw{n} netns pice-s
                 ip -n pice-s link set pw{n} master br0 up
                 ip -n pice-n{n} addr add {outer}/24 dev pwan{n}; ip -n pice-n{n} link set pwan{n} up
                 ip link add plan{n} netns pice-n{n} type veth peer name eth0 netns pice-h{n}
                 ip -n pice-n{n} addr add 10.9.{n}.1/24 dev plan{n}; ip -n pice-n{n} link set plan{n} up
                 ip -n pice-h{n} addr add 10.9.{n}.2/24 dev eth0; ip -n pice-h{n} link set eth0 up
                 ip -n pice-h{n} route add default via 10.9.{n}.1
                 ip -n pice-n{n} route add default via {SERVER}
                 ip netns exec pice-n{n} sysctl -qw net.ipv4.ip_forward=1"
            ))?;
            lab.rules(n, &outer, nat)?;
        }
        Ok(lab)
    }

    fn rules(&self, n: usize, outer: &str, nat: Nat) -> Result<(), String> {
        let lan = format!("10.9.{n}.0/24");
        let host = format!("10.9.{n}.2");
        let (wan, inside) = (format!("pwan{n}"), format!("plan{n}"));
        let masquerade = match nat {
            Nat::Symmetric => "masquerade random,fully-random",
            _ => "masquerade",
        };
        // A cone keeps the port, so that what comes to it can be handed in without a mapping of the kernel's own.
        let open = match nat {
            Nat::FullCone | Nat::Restricted => {
                format!(
                    "chain inwards {{ type nat hook prerouting priority -100; iifname {wan} udp dport 1024-65535 dnat to {host}; }}"
                )
            }
            _ => String::new(),
        };
        let remember = match nat {
            Nat::Restricted => format!(
                "set known {{ type ipv4_addr; flags dynamic, timeout; timeout 60s; }}
                 chain remember {{ type filter hook forward priority -10; iifname {inside} update @known {{ ip daddr }}; }}"
            ),
            _ => String::new(),
        };
        let admit = match nat {
            Nat::FullCone => format!("iifname {wan} udp dport 1024-65535 accept"),
            Nat::Restricted => format!("iifname {wan} ip saddr @known accept"),
            _ => String::new(),
        };
        let block =
            if nat == Nat::UdpBlocked { format!("iifname {inside} meta l4proto udp drop") } else { String::new() };
        let script = format!(
            "table ip lab {{
                {remember}
                {open}
                chain outwards {{ type nat hook postrouting priority 100; oifname {wan} ip saddr {lan} {masquerade}; }}
                chain mine {{ type filter hook input priority 0; iifname {wan} meta l4proto udp drop; }}
                chain through {{ type filter hook forward priority 0; policy drop;
                    {block}
                    iifname {inside} accept
                    ct state established,related accept
                    {admit}
                }}
            }}"
        );
        let mut child = Command::new("ip")
            .args(["netns", "exec", &format!("pice-n{n}"), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        child.stdin.take().expect("piped").write_all(script.as_bytes()).map_err(|error| error.to_string())?;
        let out = child.wait_with_output().map_err(|error| error.to_string())?;
        let why = || format!("{outer}: {script}: {}", String::from_utf8_lossy(&out.stderr));
        if out.status.success() { Ok(()) } else { Err(why()) }
    }
}

/// A program in a namespace, its lines both ways.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(namespace: &str, program: &[&str]) -> Result<Self, String> {
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace])
            .args(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Program { child, lines })
    }

    fn say(&mut self, line: &str) {
        let _ = writeln!(self.child.stdin.as_mut().expect("piped"), "{line}");
    }
}

/// Runs one case: whether it went by a relay, and how long it took.
fn run(left: Nat, right: Nat, other: Other, python: &std::path::Path) -> Result<(bool, Duration), String> {
    let _lab = Lab::new([left, right])?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let own = own.to_str().ok_or("a path that is no text")?;
    let turn = Program::start("pice-s", &[own, "turn", SERVER])?;
    turn.lines.recv_timeout(Duration::from_secs(10)).map_err(|_| "the TURN server does not start")?;
    let begun = Instant::now();
    let first = Program::start("pice-h1", &[own, "peer", "controlling", "10.9.1.2", SERVER])?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/aioice_peer.py");
    let second = match other {
        Other::Ours => Program::start("pice-h2", &[own, "peer", "controlled", "10.9.2.2", SERVER])?,
        Other::Aioice => {
            let python = python.to_str().ok_or("a path that is no text")?;
            Program::start("pice-h2", &[python, script, "controlled", SERVER])?
        }
    };
    let mut programs = [first, second];
    let mut done: [Option<bool>; 2] = [None, None];
    let deadline = begun + Duration::from_secs(30);
    while done.iter().any(Option::is_none) {
        if Instant::now() > deadline {
            return Err(format!("not connected: {done:?}"));
        }
        for i in 0..2 {
            // Lines are moved as they come; `done` ends a side.
            while let Ok(line) = programs[i].lines.recv_timeout(Duration::from_millis(5)) {
                match line.split_once(' ') {
                    Some(("done", how)) => done[i] = Some(how.contains("relay")),
                    _ => programs[1 - i].say(&line),
                }
            }
        }
    }
    Ok((done.iter().flatten().any(|relayed| *relayed), begun.elapsed()))
}
