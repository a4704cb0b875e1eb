//! A relay of `parlour turn` on loopback, coturn's server, and their clients.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The secret of time-limited credentials in these tests.
pub const SECRET: &str = "a secret for tests only";

/// A running relay; ended with the test.
pub struct Relay {
    child: Child,
    _lines: BufReader<ChildStdout>,
    pub ready: Value,
    pub dir: tempfile::TempDir,
}

impl Relay {
    /// Listens on 127.0.0.1 and ::1, relays there, and lets clients reach peers there.
    pub fn start(more: &[&str]) -> Self {
        Self::start_at(&["127.0.0.1:0", "[::1]:0"], more)
    }

    pub fn start_at(listen: &[&str], more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificate(dir.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
        command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::piped()).env_remove("RUST_LOG");
        command.arg("turn").args(listen.iter().flat_map(|addr| ["--listen", addr]));
        command.args(["--tls-listen", "127.0.0.1:0", "--cert", "cert.pem", "--key", "key.pem"]);
        command.args(["--relay-address", "127.0.0.1", "--relay-address", "::1"]);
        command.args([
            "--allow-peer",
            "127.0.0.0/8",
            "--allow-peer",
            "::1",
            "--user",
            "ann:secret",
            "--auth-secret",
            SECRET,
        ]);
        // coturn's clients before 4.16 choose channels of RFC 5766.
        command.args(["--legacy-channels", "--admin", "admin.sock", "--log-level", "error", "--json"]);
        if !more.contains(&"--max-allocations-per-user") {
            command.args(["--max-allocations-per-user", "1000"]);
        }
        let mut child = command.args(more).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        Self { child, _lines: lines, ready, dir }
    }

    pub fn address(&self, transport: &str, ipv6: bool) -> SocketAddr {
        let all = self.ready[transport].as_array().unwrap();
        all.iter()
            .map(|addr| addr.as_str().unwrap().parse::<SocketAddr>().unwrap())
            .find(|addr| addr.is_ipv6() == ipv6)
            .unwrap()
    }

    pub fn udp(&self) -> SocketAddr {
        self.address("udp", false)
    }

    pub fn tcp(&self) -> SocketAddr {
        self.address("tcp", false)
    }

    pub fn tls(&self) -> SocketAddr {
        self.address("tls", false)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The relay's answer to `parlour turn ls|kick|drain`.
    pub fn admin(&self, args: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_parlour"))
            .current_dir(self.dir.path())
            .arg("turn")
            .args(args)
            .args(["--admin", "admin.sock"])
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// The value of a figure of `--metrics`.
    pub fn metric(&self, name: &str) -> f64 {
        let url = self.ready["metrics"].as_str().expect("--metrics was given");
        let addr = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A self-signed certificate for 127.0.0.1, as cert.pem and key.pem.
pub fn certificate(dir: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// A program that ends with the test.
pub struct Background(Child);

impl Background {
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{:?}: {error}; {MISSING}", command.get_program())))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const MISSING: &str = "install the Debian package coturn (`cargo xtask test rust` does)";

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port(ip: &str) -> u16 {
    UdpSocket::bind((ip.parse::<IpAddr>().unwrap(), 0)).unwrap().local_addr().unwrap().port()
}

/// coturn's echoing peer.
pub struct Peer {
    pub ip: &'static str,
    pub port: u16,
    _process: Background,
}

impl Peer {
    pub fn start(ip: &'static str) -> Self {
        let port = free_port(ip);
        let process = Background::start(Command::new("turnutils_peer").args(["-L", ip, "-p", &port.to_string()]));
        // It is there once it echoes.
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let start = Instant::now();
        loop {
            let _ = socket.send_to(b"are you there?", (ip, port));
            if socket.recv_from(&mut [0; 64]).is_ok() {
                return Self { ip, port, _process: process };
            }
            assert!(start.elapsed() < Duration::from_secs(20), "turnutils_peer does not echo");
        }
    }
}

/// What `turnutils_uclient` said.
pub struct Outcome {
    pub text: String,
    pub sent: u64,
    pub received: u64,
}

impl Outcome {
    /// Everything that was sent has come back.
    pub fn assert_nothing_lost(&self, what: &str) {
        assert!(self.sent > 0, "{what}: nothing was sent\n{}", self.text);
        assert_eq!(self.received, self.sent, "{what}\n{}", self.text);
        assert!(self.text.contains("Total lost packets 0 "), "{what}\n{}", self.text);
    }

    /// The allocation or what follows was refused.
    pub fn assert_refused(&self, what: &str) {
        assert_eq!(self.received, 0, "{what}\n{}", self.text);
    }
}

/// Runs `turnutils_uclient` against a server.
pub fn uclient(server: SocketAddr, args: &[&str]) -> Outcome {
    let mut command = Command::new("timeout");
    command.args(["60", "turnutils_uclient", "-v"]).args(args);
    command.args(["-p", &server.port().to_string(), &server.ip().to_string()]).stdin(Stdio::null());
    let output = command.output().expect(MISSING);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!text.contains("No such file"), "{MISSING}: {text}");
    // The last of the lines that it repeats every second.
    let number = |name: &str| {
        text.rmatches(name)
            .next()
            .and_then(|_| text.rsplit(name).next()?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .unwrap_or(0)
    };
    Outcome { sent: number("tot_send_msgs="), received: number("tot_recv_msgs="), text }
}

/// coturn's server on loopback.
pub struct Coturn {
    pub udp: SocketAddr,
    pub tls: SocketAddr,
    _process: Background,
    _dir: tempfile::TempDir,
}

impl Coturn {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        certificate(dir.path());
        let file = |name: &str| dir.path().join(name).display().to_string();
        let (port, tls_port) = (free_port("127.0.0.1"), free_port("127.0.0.1"));
        let log: PathBuf = dir.path().join("log");
        let mut command = Command::new("turnserver");
        command.args(["-n", "--no-cli", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers"]);
        command.args(["--lt-cred-mech", "--realm=coturn.example", "--user=ann:secret", "--simple-log", "--mobility"]);
        command.args([format!("--listening-port={port}"), format!("--tls-listening-port={tls_port}")]);
        command.args([format!("--cert={}", file("cert.pem")), format!("--pkey={}", file("key.pem"))]);
        command.args([format!("--userdb={}", file("db")), format!("--pidfile={}", file("pid"))]);
        command.arg(format!("--log-file={}", log.display()));
        // It looks at each port before it starts, which takes long for all of them.
        command.args(["--min-port=61000", "--max-port=61999"]);
        let process = Background::start(&mut command);
        let start = Instant::now();
        let at = |port| SocketAddr::new("127.0.0.1".parse().unwrap(), port);
        while TcpStream::connect(at(port)).is_err() || TcpStream::connect(at(tls_port)).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "coturn does not start: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            std::thread::yield_now();
        }
        Self { udp: at(port), tls: at(tls_port), _process: process, _dir: dir }
    }
}

/// A whole server, `parlour serve`, on loopback; gives what it says when it is ready.
pub fn serve(dir: &Path, more: &[&str]) -> (Value, Background) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).env_remove("RUST_LOG");
    command.args(["serve", "--json", "--log-level", "error", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let mut child = command.args(["--turn", "127.0.0.1:0"]).args(more).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}")), Background(child))
}

/// Gets a page of such a server by HTTP.
pub fn get(ready: &Value, path: &str) -> String {
    let addr = ready["http"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(addr).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// What `/v1/ice` of such a server names.
pub fn ice_servers(ready: &Value) -> Vec<Value> {
    let answer = get(ready, "/v1/ice");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let value: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{answer}: {error}"));
    value["ice_servers"].as_array().unwrap().clone()
}
