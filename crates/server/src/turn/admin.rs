//! Administration of a relay by programs of the same user: one line of JSON each way over a local socket.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parlour_net::relay::{Listed, ListedId, Relay};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long either side may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "do")]
enum Ask {
    Ls,
    Kick { id: String },
    Drain,
}

/// What is answered.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allocations: Vec<Allocation>,
}

/// An allocation as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// Its name for `kick`.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The client's address.
    pub client: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Its relayed addresses.
    pub relayed: Vec<String>,
    /// Seconds until it ends unless refreshed.
    pub expires_s: u64,
    /// Permissions.
    pub permissions: usize,
    /// Channels.
    pub channels: usize,
    /// Bytes from the client to peers.
    pub bytes_to_peers: u64,
    /// Bytes from peers to the client.
    pub bytes_to_client: u64,
}

impl From<Listed> for Allocation {
    fn from(listed: Listed) -> Self {
        let info = listed.info;
        Self {
            id: listed.id.to_string(),
            user: info.username.to_string(),
            client: info.client.client.to_string(),
            transport: format!("{:?}", info.client.transport).to_lowercase(),
            relayed: info.relayed.iter().map(ToString::to_string).collect(),
            expires_s: listed.remaining.as_secs(),
            permissions: info.permissions,
            channels: info.channels,
            bytes_to_peers: info.traffic.bytes_to_peers,
            bytes_to_client: info.traffic.bytes_to_client,
        }
    }
}

/// Why a relay cannot be asked.
#[derive(Debug, Error)]
pub enum AdminError {
    /// Nobody listens at the socket.
    #[error("no relay answers at {} ({source})", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The answer is not understood: another version, or another program.
    #[error("what answers at {} is no relay of this version", .0.display())]
    Incomprehensible(PathBuf),
    /// No local sockets here.
    #[error("this system has no local sockets")]
    Unsupported,
}

/// The allocations of the relay at `socket`.
pub fn list(socket: &Path) -> Result<Vec<Allocation>, AdminError> {
    ask(socket, &Ask::Ls).map(|answer| answer.allocations)
}

/// Ends an allocation; `false` if there is none of that name.
pub fn kick(socket: &Path, id: &str) -> Result<bool, AdminError> {
    ask(socket, &Ask::Kick { id: id.to_owned() }).map(|answer| answer.ok)
}

/// Has the relay take no new allocations.
pub fn drain(socket: &Path) -> Result<(), AdminError> {
    ask(socket, &Ask::Drain).map(drop)
}

fn answer(relay: &Relay, ask: Ask) -> Answer {
    match ask {
        Ask::Ls => {
            let mut allocations: Vec<_> = relay.allocations().into_iter().map(Allocation::from).collect();
            allocations.sort_by(|a, b| (&a.user, &a.id).cmp(&(&b.user, &b.id)));
            Answer { ok: true, allocations }
        }
        Ask::Kick { id } => {
            Answer { ok: id.parse::<ListedId>().is_ok_and(|id| relay.kick(id)), allocations: Vec::new() }
        }
        Ask::Drain => {
            relay.drain();
            Answer { ok: true, allocations: Vec::new() }
        }
    }
}

#[cfg(unix)]
fn ask(path: &Path, ask: &Ask) -> Result<Answer, AdminError> {
    use std::os::unix::net::UnixStream;
    let unreachable = |source| AdminError::Unreachable { path: path.to_owned(), source };
    let mut stream = UnixStream::connect(path).map_err(unreachable)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(unreachable)?;
    let line = serde_json::to_string(ask).unwrap_or_default() + "\n";
    stream.write_all(line.as_bytes()).map_err(unreachable)?;
    let mut text = String::new();
    BufReader::new(stream).read_line(&mut text).map_err(unreachable)?;
    serde_json::from_str(&text).map_err(|_| AdminError::Incomprehensible(path.to_owned()))
}

#[cfg(not(unix))]
fn ask(_: &Path, _: &Ask) -> Result<Answer, AdminError> {
    Err(AdminError::Unsupported)
}

/// The socket at which a relay can be asked. It goes away with this.
pub(super) struct Socket {
    path: PathBuf,
    over: Arc<AtomicBool>,
}

#[cfg(unix)]
impl Socket {
    /// Listens at `path`, for this user only. A socket that nobody listens at any more is replaced.
    pub(super) fn open(path: &Path, relay: &Arc<Relay>) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        use std::os::unix::net::{UnixListener, UnixStream};
        if UnixStream::connect(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "another relay listens there"));
        }
        if std::fs::symlink_metadata(path)
            .is_ok_and(|metadata| std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()))
        {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let over = Arc::new(AtomicBool::new(false));
        let (ended, relay) = (Arc::clone(&over), Arc::downgrade(relay));
        std::thread::Builder::new().name("relay-admin".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), Some(relay)) = (stream, relay.upgrade()) else { return };
                // Who asks is of this user; who asks badly hears nothing.
                let _ = converse(&relay, stream);
            }
        })?;
        Ok(Self { path: path.to_owned(), over })
    }
}

#[cfg(unix)]
fn converse(relay: &Relay, stream: std::os::unix::net::UnixStream) -> io::Result<()> {
    use std::io::Read as _;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&stream).take(4096)).read_line(&mut line)?;
    let Ok(ask) = serde_json::from_str::<Ask>(&line) else { return Ok(()) };
    let text = serde_json::to_string(&answer(relay, ask)).unwrap_or_default() + "\n";
    (&stream).write_all(text.as_bytes())
}

#[cfg(not(unix))]
impl Socket {
    pub(super) fn open(_: &Path, _: &Arc<Relay>) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the thread, which then sees that it is over.
        #[cfg(unix)]
        let _ = std::os::unix::net::UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}
