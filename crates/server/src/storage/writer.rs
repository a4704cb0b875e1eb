//! The thread that writes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use parlour_signaling::message::{ChatMessage, PairStats, PeerId, Reason, Role, RoomId};
use parlour_signaling::{CHAT_HISTORY, HubState, RoomState, SessionState};
use rusqlite::{Connection, ErrorCode, Transaction, params};
use serde::Serialize;
use tokio::sync::oneshot;

use super::read::{self, OpenCall};
use super::{Change, Command};
use crate::metrics::Metrics;
use crate::word;

/// Most changes in one transaction.
const BATCH: usize = 256;

/// Most changes that are kept while the disk takes none. The newest are kept: they say how things are now.
const BACKLOG: usize = 8192;

/// How long after a failure the disk is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// How often old chat and old call records are deleted.
const CLEAN_UP: Duration = Duration::from_secs(600);

/// How long call records are kept.
const KEEP_CALLS: Duration = Duration::from_secs(90 * 24 * 3600);

/// Owns the database.
pub(super) struct Writer {
    db: Connection,
    calls: HashMap<String, OpenCall>,
    retention: Duration,
    metrics: Metrics,
    /// What is not written yet, oldest first.
    backlog: VecDeque<Change>,
    /// Set while the disk takes nothing: when to try again.
    failed: Option<Instant>,
    cleaned_up: Instant,
}

impl Writer {
    pub(super) fn new(db: Connection, calls: HashMap<String, OpenCall>, retention: Duration, metrics: Metrics) -> Self {
        metrics.storage_up.set(1.0);
        Self { db, calls, retention, metrics, backlog: VecDeque::new(), failed: None, cleaned_up: Instant::now() }
    }

    /// Writes until told to stop.
    pub(super) fn run(mut self, commands: &Receiver<Command>) -> rusqlite::Result<()> {
        loop {
            match commands.recv_timeout(self.next_wake()) {
                Ok(Command::Write(change)) => self.keep(change),
                Ok(Command::Find { room, found }) => self.find(&room, found),
                Ok(Command::Stop(state)) => return self.stop(&state),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            // Whatever has gathered meanwhile goes into the same transaction.
            while self.backlog.len() < BATCH {
                match commands.try_recv() {
                    Ok(Command::Write(change)) => self.keep(change),
                    Ok(Command::Find { room, found }) => self.find(&room, found),
                    Ok(Command::Stop(state)) => return self.stop(&state),
                    Err(_) => break,
                }
            }
            if self.failed.is_none_or(|retry| retry <= Instant::now()) {
                self.write();
            }
        }
    }

    fn next_wake(&self) -> Duration {
        let now = Instant::now();
        let clean_up = (self.cleaned_up + CLEAN_UP).saturating_duration_since(now);
        self.failed.map_or(clean_up, |retry| retry.saturating_duration_since(now).min(clean_up))
    }

    fn keep(&mut self, change: Change) {
        if self.backlog.len() >= BACKLOG {
            self.backlog.pop_front();
            self.metrics.storage_dropped.increment(1);
        }
        self.backlog.push_back(change);
    }

    /// Looks a room up that was forgotten, behind all that was said before.
    fn find(&mut self, room: &RoomId, found: oneshot::Sender<Option<RoomState>>) {
        if self.failed.is_none() {
            self.write();
        }
        let room = read::gone_room(&self.db, &room.0).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read the database: a room starts without its history");
            None
        });
        // Whoever asked may have stopped waiting.
        let _ = found.send(room);
    }

    /// Writes what is kept, and looks after what is old.
    fn write(&mut self) {
        while !self.backlog.is_empty() {
            let count = self.backlog.len().min(BATCH);
            match self.write_first(count) {
                Ok(()) => drop(self.backlog.drain(..count)),
                Err(error) if is_of_the_machine(&error) => return self.fail(&error),
                Err(error) if count == 1 => {
                    tracing::error!(%error, "dropped a change that the database refuses");
                    self.metrics.storage_dropped.increment(1);
                    self.backlog.pop_front();
                }
                // One of them is bad: one by one, the good ones get through.
                Err(_) => {
                    for _ in 0..count {
                        match self.write_first(1) {
                            Err(error) if is_of_the_machine(&error) => return self.fail(&error),
                            Err(error) => {
                                tracing::error!(%error, "dropped a change that the database refuses");
                                self.metrics.storage_dropped.increment(1);
                            }
                            Ok(()) => {}
                        }
                        self.backlog.pop_front();
                    }
                }
            }
        }
        if self.cleaned_up.elapsed() >= CLEAN_UP || self.failed.is_some() {
            self.cleaned_up = Instant::now();
            if let Err(error) = self.clean_up() {
                return self.fail(&error);
            }
        }
        if self.failed.take().is_some() {
            self.metrics.storage_up.set(1.0);
            tracing::info!("the database can be written again");
        }
    }

    fn fail(&mut self, error: &rusqlite::Error) {
        if self.failed.is_none() {
            self.metrics.storage_up.set(0.0);
            tracing::warn!(
                %error,
                "cannot write the database: calls go on, but a restart would lose the latest chat, rooms and sessions; make room on the disk"
            );
        }
        self.metrics.storage_failures.increment(1);
        self.failed = Some(Instant::now() + RETRY);
    }

    /// Writes the first `count` changes in one transaction.
    fn write_first(&mut self, count: usize) -> rusqlite::Result<()> {
        let transaction = self.db.transaction()?;
        let mut calls = Calls { open: &mut self.calls, before: HashMap::new() };
        let mut apply = || {
            for change in self.backlog.iter().take(count) {
                calls.apply(&transaction, change)?;
            }
            Ok(())
        };
        let result = apply();
        match result {
            Ok(()) => {
                let committed = transaction.commit();
                if committed.is_err() {
                    calls.undo();
                }
                committed
            }
            Err(error) => {
                calls.undo();
                Err(error)
            }
        }
    }

    fn clean_up(&mut self) -> rusqlite::Result<()> {
        let now_ms = crate::shards::now().unix_ms;
        read::forget_chat(&self.db, now_ms, self.retention)?;
        let oldest = now_ms.saturating_sub(KEEP_CALLS.as_millis() as u64);
        self.db.execute("DELETE FROM calls WHERE ended < ?1", [oldest as i64]).map(drop)
    }

    /// Writes what is left and the whole state, marked as that of an orderly stop.
    fn stop(mut self, state: &HubState) -> rusqlite::Result<()> {
        self.write();
        let transaction = self.db.transaction()?;
        transaction.execute("DELETE FROM rooms WHERE gone IS NULL", [])?;
        for room in &state.rooms {
            put_room(&transaction, room)?;
            let mut forget = transaction.prepare_cached("DELETE FROM chat WHERE room = ?1")?;
            forget.execute([&room.id])?;
            for message in &room.chat {
                put_chat(&transaction, &room.id, message)?;
            }
        }
        transaction.execute("DELETE FROM sessions", [])?;
        for (place, session) in state.sessions.iter().enumerate() {
            put_session(&transaction, session, place as u64)?;
        }
        transaction.execute("INSERT INTO stopped (time) VALUES (?1)", [crate::shards::now().unix_ms as i64])?;
        transaction.commit()?;
        self.db.close().map_err(|(_, error)| error)
    }
}

/// Whether the disk or the system is to blame, and not what was to be written: then trying again later makes sense.
fn is_of_the_machine(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
        )
    )
}

/// Applies changes, and keeps count of who is in which call.
struct Calls<'a> {
    open: &'a mut HashMap<String, OpenCall>,
    /// What was known of the rooms that this transaction touches, before it.
    before: HashMap<String, Option<OpenCall>>,
}

impl Calls<'_> {
    /// Takes back what was noted about calls in a transaction that came to nothing.
    fn undo(&mut self) {
        for (room, call) in self.before.drain() {
            match call {
                Some(call) => drop(self.open.insert(room, call)),
                None => drop(self.open.remove(&room)),
            }
        }
    }

    fn touch(&mut self, room: &RoomId) {
        if !self.before.contains_key(&room.0) {
            self.before.insert(room.0.clone(), self.open.get(&room.0).cloned());
        }
    }

    fn apply(&mut self, db: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
        match change {
            Change::Room(room) => put_room(db, room),
            Change::RoomGone(room) => {
                db.prepare_cached("UPDATE rooms SET gone = ?2 WHERE id = ?1")?
                    .execute(params![room.0, crate::shards::now().unix_ms as i64])?;
                let mut forget = db.prepare_cached(
                    "DELETE FROM rooms WHERE id = ?1 AND id NOT IN (SELECT room FROM chat WHERE room = ?1)",
                )?;
                forget.execute([&room.0]).map(drop)
            }
            Change::Chat { room, message, session, received } => {
                put_chat(db, &room.0, message)?;
                // In the same transaction, so that a client that sends it again after a crash does not say it twice.
                let mut note =
                    db.prepare_cached("UPDATE sessions SET state = json_set(state, '$.received', ?2) WHERE sid = ?1")?;
                note.execute(params![session.0, *received as i64])?;
                let mut forget = db.prepare_cached("DELETE FROM chat WHERE room = ?1 AND key <= ?2")?;
                forget.execute(params![room.0, message.key as i64 - CHAT_HISTORY as i64]).map(drop)
            }
            Change::ChatForgotten(room) => forget_room_chat(db, room),
            Change::Session(session) => put_session(db, session, session.joined),
            Change::SessionGone(sid) => {
                db.prepare_cached("DELETE FROM sessions WHERE sid = ?1")?.execute([&sid.0]).map(drop)
            }
            Change::Joined { room, peer, name, role, time } => self.joined(db, room, peer, name, *role, *time),
            Change::Left { room, peer, why, time } => self.left(db, room, peer, *why, *time),
            Change::Pairs { room, peer, pairs, time } => self.pairs(db, room, peer, pairs, *time),
        }
    }

    fn joined(
        &mut self,
        db: &Transaction<'_>,
        room: &RoomId,
        peer: &PeerId,
        name: &str,
        role: Role,
        time: u64,
    ) -> rusqlite::Result<()> {
        self.touch(room);
        let id = match self.open.get(&room.0) {
            Some(call) => call.id,
            None => {
                db.prepare_cached("INSERT INTO calls (room, started) VALUES (?1, ?2)")?
                    .execute(params![room.0, time as i64])?;
                db.last_insert_rowid()
            }
        };
        let call = self.open.entry(room.0.clone()).or_insert(OpenCall { id, peers: HashSet::new() });
        call.peers.insert(peer.0.clone());
        let mut insert = db.prepare_cached(
            "INSERT OR REPLACE INTO participants (call, peer, name, role, joined) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        insert.execute(params![id, peer.0, name, word(&role), time as i64]).map(drop)
    }

    fn left(
        &mut self,
        db: &Transaction<'_>,
        room: &RoomId,
        peer: &PeerId,
        why: Reason,
        time: u64,
    ) -> rusqlite::Result<()> {
        self.touch(room);
        let Some(call) = self.open.get_mut(&room.0) else { return Ok(()) };
        let id = call.id;
        call.peers.remove(&peer.0);
        let over = call.peers.is_empty();
        let mut update =
            db.prepare_cached("UPDATE participants SET gone = ?3, why = ?4 WHERE call = ?1 AND peer = ?2")?;
        update.execute(params![id, peer.0, time as i64, word(&why)])?;
        if over {
            self.open.remove(&room.0);
            db.prepare_cached("UPDATE calls SET ended = ?2 WHERE id = ?1")?.execute(params![id, time as i64])?;
        }
        Ok(())
    }

    fn pairs(
        &mut self,
        db: &Transaction<'_>,
        room: &RoomId,
        peer: &PeerId,
        pairs: &[PairStats],
        time: u64,
    ) -> rusqlite::Result<()> {
        let Some(call) = self.open.get(&room.0) else { return Ok(()) };
        let mut upsert = db.prepare_cached(
            "INSERT INTO pairs (call, peer, other, path, proto, rtt_ms, loss, quality, quality_worst, quality_sum, reports, time) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8, 1, ?9) \
             ON CONFLICT DO UPDATE SET path = excluded.path, proto = excluded.proto, rtt_ms = excluded.rtt_ms, loss = excluded.loss, \
             quality = excluded.quality, quality_worst = min(quality_worst, excluded.quality), \
             quality_sum = quality_sum + excluded.quality, reports = reports + 1, time = excluded.time",
        )?;
        for pair in pairs {
            let loss = if pair.loss.is_finite() { f64::from(pair.loss) } else { 100.0 };
            let (path, proto) = (word(&pair.path), word(&pair.proto));
            upsert.execute(params![
                call.id,
                peer.0,
                pair.peer.0,
                path,
                proto,
                pair.rtt_ms,
                loss,
                pair.quality,
                time as i64
            ])?;
        }
        Ok(())
    }
}

fn put_room(db: &Transaction<'_>, room: &RoomState) -> rusqlite::Result<()> {
    let state = RoomState { chat: Vec::new(), ..room.clone() };
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO rooms (id, state) VALUES (?1, ?2)")?;
    put.execute(params![room.id, json(&state)?]).map(drop)
}

fn put_chat(db: &Transaction<'_>, room: &str, message: &ChatMessage) -> rusqlite::Result<()> {
    let mut put =
        db.prepare_cached("INSERT OR REPLACE INTO chat (room, key, time, message) VALUES (?1, ?2, ?3, ?4)")?;
    put.execute(params![room, message.key as i64, message.time as i64, json(message)?]).map(drop)
}

fn forget_room_chat(db: &Transaction<'_>, room: &RoomId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM chat WHERE room = ?1")?.execute([&room.0]).map(drop)
}

fn put_session(db: &Transaction<'_>, session: &SessionState, place: u64) -> rusqlite::Result<()> {
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO sessions (sid, place, state) VALUES (?1, ?2, ?3)")?;
    put.execute(params![session.sid, place as i64, json(session)?]).map(drop)
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
