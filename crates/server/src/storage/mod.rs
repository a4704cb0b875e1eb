//! What outlives the process: rooms, chat, sessions to resume, call records. One SQLite file, `parlour.db`, in the data directory.
//!
//! Calls never wait for it. Everything is written by one thread, fed by a bounded queue; when the queue is full or the disk is, the server
//! goes on, counts what it lost and says so. What is stored is what a restart needs: after an orderly stop the sessions go on without a gap,
//! after a crash they keep their identity and get fresh snapshots.

mod read;
mod schema;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parlour_signaling::message::{ChatMessage, PairStats, PeerId, Reason, Role, RoomId, SessionId};
use parlour_signaling::{Event, HubState, RoomState, SessionState};

use tokio::sync::oneshot;

use crate::metrics::Metrics;

/// The name of the database in the data directory.
const FILE: &str = "parlour.db";

/// Changes that wait to be written. At about 1 KiB each they are bounded to some MiB.
const QUEUE: usize = 8192;

/// How long somebody who opens a room waits for its history.
const FIND_TIMEOUT: Duration = Duration::from_millis(500);

/// Why the database cannot be used. It is never overwritten: the person decides.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A later version of Parlour wrote it.
    #[error(
        "the database {} is of a newer version of Parlour (format {found}, this one knows {known}): start that newer version, or start this \
         one with another data directory (--data)", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// It is damaged, or no database.
    #[error(
        "the database {} is damaged or is not a database ({source}): restore it from a backup, or move it away and start again; \
         rooms, chat history and call records start empty then", path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Another process has it open.
    #[error("the database {} is in use: is another Parlour running with the same data directory? Stop it, or choose another directory with --data", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened or written.
    #[error("cannot use the database {} ({source}): check that the data directory exists, that this user may write to it, and that the disk is not full", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// A change to be written.
#[derive(Debug)]
enum Change {
    Room(RoomState),
    RoomGone(RoomId),
    Chat { room: RoomId, message: ChatMessage, session: SessionId, received: u64 },
    ChatForgotten(RoomId),
    Session(Box<SessionState>),
    SessionGone(SessionId),
    Joined { room: RoomId, peer: PeerId, name: String, role: Role, time: u64 },
    Left { room: RoomId, peer: PeerId, why: Reason, time: u64 },
    Pairs { room: RoomId, peer: PeerId, pairs: Vec<PairStats>, time: u64 },
}

enum Command {
    Write(Change),
    /// Look up a room that was forgotten for being empty.
    Find {
        room: RoomId,
        found: oneshot::Sender<Option<RoomState>>,
    },
    /// Write the whole state and stop.
    Stop(Box<HubState>),
}

/// The handle on the writing thread.
pub(crate) struct Storage {
    queue: SyncSender<Command>,
    thread: JoinHandle<Result<(), rusqlite::Error>>,
}

/// The part of the handle that takes events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    queue: SyncSender<Command>,
    metrics: Metrics,
}

impl Storage {
    /// Opens the database in `dir`, brings it up to date, and reads the state that the last process left.
    ///
    /// Chat older than `retention` is forgotten.
    pub(crate) fn open(dir: &Path, retention: Duration, metrics: &Metrics) -> Result<(Self, HubState), StorageError> {
        let path = dir.join(FILE);
        let mut db = schema::open(&path)?;
        let blame = |source| schema::blame(&path, source);
        let state = read::take_state(&mut db, crate::shards::now().unix_ms, retention).map_err(blame)?;
        let calls = read::open_calls(&mut db, &state, crate::shards::now().unix_ms).map_err(blame)?;
        let (queue, commands) = sync_channel(QUEUE);
        let writer = writer::Writer::new(db, calls, retention, metrics.clone());
        let thread = std::thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || writer.run(&commands))
            .map_err(|error| StorageError::Unusable {
                path: path.clone(),
                source: rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
            })?;
        Ok((Self { queue, thread }, state))
    }

    /// The part that takes events.
    pub(crate) fn recorder(&self, metrics: &Metrics) -> Recorder {
        Recorder { queue: self.queue.clone(), metrics: metrics.clone() }
    }

    /// Writes the whole state behind all that is queued, and closes the database. Waits for the disk.
    pub(crate) fn close(self, state: HubState) -> Result<(), rusqlite::Error> {
        // If the thread is gone, its result below says why.
        let _ = self.queue.send(Command::Stop(Box::new(state)));
        drop(self.queue);
        self.thread.join().unwrap_or(Ok(()))
    }
}

impl Recorder {
    /// A room that was forgotten for being empty, with the chat that is kept of it. `None` as well if the disk takes too long: a newcomer
    /// does not wait for it.
    pub(crate) async fn find(&self, room: &RoomId) -> Option<RoomState> {
        let (found, answer) = oneshot::channel();
        self.queue.try_send(Command::Find { room: room.clone(), found }).ok()?;
        tokio::time::timeout(FIND_TIMEOUT, answer).await.ok()?.ok()?
    }

    /// Queues what an event changes. Never waits.
    pub(crate) fn record(&self, event: Event) {
        let Some(change) = Change::of(event) else { return };
        match self.queue.try_send(Command::Write(change)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => self.metrics.storage_dropped.increment(1),
        }
    }
}

impl Change {
    fn of(event: Event) -> Option<Self> {
        Some(match event {
            Event::RoomChanged { room } => Self::Room(room),
            Event::RoomGone { room } => Self::RoomGone(room),
            Event::ChatSaid { room, message, session, received } => Self::Chat { room, message, session, received },
            Event::ChatForgotten { room } => Self::ChatForgotten(room),
            Event::SessionChanged { session } => Self::Session(session),
            Event::SessionGone { session } => Self::SessionGone(session),
            Event::Joined { room, peer, name, role, time } => Self::Joined { room, peer, name, role, time },
            Event::Left { joined: None, .. } => return None,
            Event::Left { room, peer, why, time, joined: Some(_) } => Self::Left { room, peer, why, time },
            Event::PairStats { room, peer, pairs } => {
                Self::Pairs { room, peer, pairs, time: crate::shards::now().unix_ms }
            }
            _ => return None,
        })
    }
}
