//! What a starting server reads.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parlour_signaling::message::ChatMessage;
use parlour_signaling::{CHAT_HISTORY, HubState, RoomState, SessionState};
use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;

/// Reads the state that the last process left, and takes the mark of its orderly stop away.
pub(super) fn take_state(db: &mut Connection, now_ms: u64, retention: Duration) -> rusqlite::Result<HubState> {
    let change = db.transaction()?;
    forget_chat(&change, now_ms, retention)?;
    let clean = change.execute("DELETE FROM stopped", [])? > 0;
    let mut rooms: Vec<RoomState> = all(&change, "SELECT state FROM rooms WHERE gone IS NULL ORDER BY id")?;
    for room in &mut rooms {
        room.chat = chat(&change, &room.id)?;
    }
    let sessions: Vec<SessionState> = all(&change, "SELECT state FROM sessions ORDER BY place, sid")?;
    change.commit()?;
    Ok(HubState { clean, rooms, sessions })
}

/// The newest chat of a room, oldest first.
fn chat(db: &Connection, room: &str) -> rusqlite::Result<Vec<ChatMessage>> {
    let mut newest = db.prepare_cached("SELECT message FROM chat WHERE room = ?1 ORDER BY key DESC LIMIT ?2")?;
    let texts = newest.query_map(params![room, CHAT_HISTORY as i64], |row| row.get::<_, String>(0))?;
    let mut chat = parse(texts, "a chat message")?;
    chat.reverse();
    Ok(chat)
}

/// A room that was forgotten for being empty, with its chat. Its lock is open, as nobody is inside who could open it.
pub(super) fn gone_room(db: &Connection, room: &str) -> rusqlite::Result<Option<RoomState>> {
    let mut find = db.prepare_cached("SELECT state FROM rooms WHERE id = ?1 AND gone IS NOT NULL")?;
    let texts = find.query_map([room], |row| row.get::<_, String>(0))?;
    let Some(state) = parse::<RoomState>(texts, "a room")?.pop() else { return Ok(None) };
    Ok(Some(RoomState { chat: chat(db, room)?, locked: false, ..state }))
}

/// Forgets chat that is older than the operator wants it kept, and the empty rooms that were kept for it.
pub(super) fn forget_chat(db: &Connection, now_ms: u64, retention: Duration) -> rusqlite::Result<()> {
    let oldest = now_ms.saturating_sub(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
    db.execute("DELETE FROM chat WHERE time < ?1", [oldest as i64])?;
    db.execute("DELETE FROM rooms WHERE gone IS NOT NULL AND id NOT IN (SELECT room FROM chat)", []).map(drop)
}

/// The calls that go on, by room, with how many are in each. Those whose participants are not coming back are ended now.
pub(super) fn open_calls(
    db: &mut Connection,
    state: &HubState,
    now_ms: u64,
) -> rusqlite::Result<HashMap<String, OpenCall>> {
    let back: HashSet<&str> = state.sessions.iter().map(|session| session.peer.as_str()).collect();
    let change = db.transaction()?;
    let mut calls: HashMap<String, OpenCall> = HashMap::new();
    {
        let mut rows = change.prepare(
            "SELECT calls.id, calls.room, participants.peer FROM calls \
             LEFT JOIN participants ON participants.call = calls.id AND participants.gone IS NULL WHERE calls.ended IS NULL",
        )?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (id, room, peer): (i64, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let call = calls.entry(room).or_insert(OpenCall { id, peers: HashSet::new() });
            match peer {
                Some(peer) if back.contains(peer.as_str()) => drop(call.peers.insert(peer)),
                Some(peer) => drop(change.execute(
                    "UPDATE participants SET gone = ?3, why = 'timeout' WHERE call = ?1 AND peer = ?2",
                    params![id, peer, now_ms as i64],
                )?),
                None => {}
            }
        }
    }
    for call in calls.values().filter(|call| call.peers.is_empty()) {
        change.execute("UPDATE calls SET ended = ?2 WHERE id = ?1", params![call.id, now_ms as i64])?;
    }
    change.commit()?;
    calls.retain(|_, call| !call.peers.is_empty());
    Ok(calls)
}

/// A call that goes on.
#[derive(Clone, Debug)]
pub(super) struct OpenCall {
    pub(super) id: i64,
    pub(super) peers: HashSet<String>,
}

fn all<T: DeserializeOwned>(db: &Connection, sql: &str) -> rusqlite::Result<Vec<T>> {
    let mut statement = db.prepare(sql)?;
    let texts = statement.query_map([], |row| row.get::<_, String>(0))?;
    parse(texts, sql)
}

/// Reads JSON. What cannot be read is left out with a word in the log, rather than keeping all the others from coming back.
fn parse<T: DeserializeOwned>(
    texts: impl Iterator<Item = rusqlite::Result<String>>,
    what: &str,
) -> rusqlite::Result<Vec<T>> {
    let mut values = Vec::new();
    for text in texts {
        match serde_json::from_str(&text?) {
            Ok(value) => values.push(value),
            Err(error) => tracing::error!(%error, what, "left out something in the database that cannot be read"),
        }
    }
    Ok(values)
}
