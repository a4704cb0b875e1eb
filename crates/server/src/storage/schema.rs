//! The tables, and how an older database becomes a present one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StorageError;

/// Each entry brings a database from the format before it to its own; the number of entries is the present format (`user_version`).
/// An entry that has been released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("v1.sql")];

/// Marks the file as Parlour's (`application_id`): "PRLR".
const APPLICATION: i32 = 0x5052_4c52;

/// Opens the database, makes or migrates its tables, and takes it for this process alone.
pub(super) fn open(path: &Path) -> Result<Connection, StorageError> {
    let blame = |source| blame(path, source);
    let known = MIGRATIONS.len() as u32;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(blame)?;
    db.busy_timeout(Duration::from_secs(2)).map_err(blame)?;
    // Looked at before anything is changed, so that a database that is not ours stays as it was.
    let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(blame)?;
    if found > known {
        return Err(StorageError::Newer { path: path.to_owned(), found, known });
    }
    if found > 0 {
        let whole: String = db.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(blame)?;
        if whole != "ok" {
            let source =
                rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(whole));
            return Err(StorageError::Corrupt { path: path.to_owned(), source });
        }
    }
    db.pragma_update(None, "locking_mode", "exclusive").map_err(blame)?;
    db.pragma_update(None, "journal_mode", "wal").map_err(blame)?;
    // With WAL a crash of the process loses nothing, and a power cut at most the last moments.
    db.pragma_update(None, "synchronous", "normal").map_err(blame)?;
    db.pragma_update(None, "foreign_keys", true).map_err(blame)?;
    // In KiB, negative: the page cache. The tables are small; memory is better left to calls.
    db.pragma_update(None, "cache_size", -512).map_err(blame)?;
    let change = db.transaction().map_err(blame)?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        change.execute_batch(migration).map_err(blame)?;
    }
    change.pragma_update(None, "user_version", known).map_err(blame)?;
    change.pragma_update(None, "application_id", APPLICATION).map_err(blame)?;
    change.commit().map_err(blame)?;
    Ok(db)
}

/// Says what is wrong with the database at `path`.
pub(super) fn blame(path: &Path, source: rusqlite::Error) -> StorageError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StorageError::Corrupt { path, source },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StorageError::InUse { path },
        _ => StorageError::Unusable { path, source },
    }
}
