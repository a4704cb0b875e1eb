//! A server process on a core of its own, and what it costs.

use std::fs;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Error;

/// The core of the server.
const SERVER_CORE: usize = 0;
/// The core of the load.
pub(crate) const CLIENT_CORE: usize = 1;

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// From its start until it took the first connection.
    pub(crate) startup: Duration,
}

impl Server {
    /// Starts `command`, which is to listen on `port`.
    pub(crate) fn start(mut command: Command, port: u16) -> Result<Self, Error> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let start = Instant::now();
        let mut child =
            command.spawn().map_err(|error| format!("{:?} does not start: {error}", command.get_program()))?;
        pin(child.id(), SERVER_CORE);
        loop {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(Self { child, port, startup: start.elapsed() });
            }
            if let Some(status) = child.try_wait()? {
                return Err(format!("The server ended ({status}) before it took a connection: {command:?}").into());
            }
            if start.elapsed() > Duration::from_secs(20) {
                child.kill()?;
                return Err(format!("The server took no connection within 20 s: {command:?}").into());
            }
            std::thread::sleep(Duration::from_micros(300));
        }
    }

    /// Processor time so far, of all its threads, in user and in system mode.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The name, in parentheses, may hold spaces; utime and stime are the 12th and 13th fields after it, in ticks of 10 ms.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory now, in kB (1,024 bytes).
    pub(crate) fn rss_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    }

    /// Resident memory once it has stopped changing by more than one percent a second (or after ten seconds), in kB.
    pub(crate) async fn settled_rss_kb(&self) -> u64 {
        let mut last = self.rss_kb();
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.rss_kb();
            if now.abs_diff(last) * 100 <= last {
                return now;
            }
            last = now;
        }
        last
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Pins all threads of a process to a core, where there is more than one.
pub(crate) fn pin(pid: u32, core: usize) {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        let _ = Command::new("taskset")
            .args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// A port on which nothing listens.
pub(crate) fn free_port() -> Result<u16, Error> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
