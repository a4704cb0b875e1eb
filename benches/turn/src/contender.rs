//! The servers, each on a core of its own, and what they cost.

use crate::Error;
use crate::load::{SERVER_CORE, clients, pin};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Parlour,
    Coturn,
    /// Receives and sends trains, and nothing else: the least that any relay can cost here.
    Floor,
}

impl Contender {
    pub(crate) const ALL: [Self; 3] = [Self::Parlour, Self::Coturn, Self::Floor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parlour => "parlour",
            Self::Coturn => "coturn",
            Self::Floor => "floor",
        }
    }
}

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where TURN is, or the first of the forwarder's ports.
    pub(crate) at: SocketAddr,
    _dir: tempfile::TempDir,
}

/// Two runs of ports that nobody uses, for the forwarder and its peers.
const FORWARD_PORT: u16 = 21_000;

impl Server {
    /// Starts a contender. `peers` are the first port of the peers and how many there are, which the forwarder must know.
    pub(crate) fn start(contender: Contender, peers: (u16, usize)) -> Result<Self, Error> {
        let dir = tempfile::tempdir()?;
        let at = match contender {
            Contender::Floor => SocketAddr::from(([127, 0, 0, 1], FORWARD_PORT)),
            _ => UdpSocket::bind("127.0.0.1:0")?.local_addr()?,
        };
        let mut command = match contender {
            Contender::Parlour => parlour(at),
            Contender::Coturn => coturn(at, &dir),
            Contender::Floor => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["forward", &peers.1.to_string(), &at.port().to_string(), &peers.0.to_string()]);
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{:?} does not start: {error}", command.get_program()))?;
        let server = Self { child, at, _dir: dir };
        server.wait(contender)?;
        pin(server.child.id(), SERVER_CORE);
        Ok(server)
    }

    fn wait(&self, contender: Contender) -> Result<(), Error> {
        let start = Instant::now();
        if contender == Contender::Floor {
            // Bound is ready.
            while UdpSocket::bind(self.at).is_ok() {
                if start.elapsed() > Duration::from_secs(10) {
                    return Err("the forwarder does not start".into());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            return Ok(());
        }
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let request = clients::binding_request(0);
        while start.elapsed() < Duration::from_secs(20) {
            let _ = socket.send_to(&request, self.at);
            if socket.recv_from(&mut [0; 512]).is_ok() {
                return Ok(());
            }
        }
        Err(format!("{} does not answer", contender.name()).into())
    }

    /// Processor time of all threads so far, from the scheduler's account in nanoseconds.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let spent = |task: fs::DirEntry| -> Option<u64> {
            fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
        };
        Duration::from_nanos(tasks.filter_map(spent).sum())
    }

    /// Resident memory now, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Parlour's relay, as many threads as cores it gets: one.
fn parlour(at: SocketAddr) -> Command {
    let binary = std::env::var_os("TEST_PARLOUR_BIN").unwrap_or_else(|| "parlour".into());
    let mut command = Command::new(binary);
    command.args(["turn", "--listen", &at.to_string(), "--relay-address", "127.0.0.1", "--allow-peer", "127.0.0.0/8"]);
    command.args(["--user", "ann:secret", "--threads", "1", "--log-level", "error", "--port-range", "30000-65535"]);
    command.args(["--max-allocations-per-user", "100000", "--max-allocations-per-address", "100000"]);
    command
}

fn coturn(at: SocketAddr, dir: &tempfile::TempDir) -> Command {
    let file = |name: &str| dir.path().join(name).display().to_string();
    let mut command = Command::new("turnserver");
    command.args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"]);
    command.args(["--allow-loopback-peers", "--lt-cred-mech", "--realm=example", "--user=ann:secret"]);
    command.args([
        "--relay-threads=1",
        "--min-port=30000",
        "--max-port=65535",
        "--log-file=/dev/null",
        "--no-stdout-log",
    ]);
    command.args([
        format!("--listening-port={}", at.port()),
        format!("--pidfile={}", file("pid")),
        format!("--userdb={}", file("db")),
    ]);
    command
}
