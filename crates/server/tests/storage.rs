//! The database: what is in it, and what happens when it cannot be used.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::TestServer;
use parlour_server::{Error, StorageError};
use rusqlite::Connection;
use serde_json::json;

async fn start_error(dir: &std::path::Path) -> String {
    match TestServer::start_in(dir, |_| {}).await {
        Ok(_) => panic!("it starts"),
        Err(error) => {
            assert!(matches!(error, Error::Storage(_)));
            error.to_string()
        }
    }
}

#[tokio::test]
async fn a_damaged_database_is_reported_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("parlour.db");
    let bytes = b"this is no database, but somebody may still want it".repeat(100);
    std::fs::write(&file, &bytes).unwrap();
    let error = start_error(dir.path()).await;
    assert!(error.contains("damaged") && error.contains("move it away"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_database_with_a_broken_page_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    TestServer::start_in(dir.path(), |_| {}).await.unwrap().server.stop().await;
    let file = dir.path().join("parlour.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let page = 4096;
    bytes[page..2 * page].fill(0xa5);
    std::fs::write(&file, &bytes).unwrap();
    assert!(start_error(dir.path()).await.contains("damaged"));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_newer_database_is_reported_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    TestServer::start_in(dir.path(), |_| {}).await.unwrap().server.stop().await;
    let file = dir.path().join("parlour.db");
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    let error = start_error(dir.path()).await;
    assert!(error.contains("newer version") && error.contains("format 99"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_database_in_use_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), |_| {}).await.unwrap();
    match TestServer::start_in(dir.path(), |_| {}).await {
        Err(Error::Storage(StorageError::InUse { .. })) => {}
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("two servers share a database"),
    }
    server.server.stop().await;
}

#[tokio::test]
async fn calls_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), |_| {}).await.unwrap();
    let mut ann = server.join("team", "Ann").await;
    let mut bob = server.join("team", "Bob").await;
    let pair = json!({"peer": ann.me, "path": "srflx", "proto": "udp", "rtt_ms": 20, "loss": 0.5, "quality": 90});
    bob.send(json!({"t": "stats", "pairs": [pair]})).await;
    let worse = json!({"peer": ann.me, "path": "relay", "proto": "tcp", "rtt_ms": 80, "loss": 3.0, "quality": 40});
    bob.send(json!({"t": "stats", "pairs": [worse]})).await;
    bob.send(json!({"t": "bye"})).await;
    loop {
        if ann.next_of("peer").await["op"] == "del" {
            break;
        }
    }
    ann.send(json!({"t": "bye", "id": 1})).await;
    ann.cut_off().await;
    server.server.stop().await;

    let db = Connection::open(dir.path().join("parlour.db")).unwrap();
    let call: (i64, String, bool) = db
        .query_row("SELECT id, room, ended >= started FROM calls", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!((call.1.as_str(), call.2), ("team", true));
    let sql = "SELECT name, role, why FROM participants WHERE call = ?1 AND gone >= joined ORDER BY joined, name";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([call.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    let rows: Vec<(String, String, String)> = rows.map(Result::unwrap).collect();
    assert_eq!(rows[0], ("Ann".into(), "host".into(), "left".into()));
    assert_eq!((rows[1].0.as_str(), rows[1].2.as_str()), ("Bob", "left"));
    let pair: (String, String, i64, i64, i64) = db
        .query_row("SELECT path, proto, quality, quality_worst, reports FROM pairs", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .unwrap();
    assert_eq!(pair, ("relay".into(), "tcp".into(), 40, 40, 2));
}

#[tokio::test]
async fn a_room_without_chat_history_leaves_none_in_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), |_| {}).await.unwrap();
    let mut ann = server.join("team", "Ann").await;
    ann.send(json!({"t": "chat", "text": "a secret word"})).await;
    ann.next_of("chat").await;
    ann.send(json!({"t": "settings", "chat_history": false})).await;
    ann.next_of("room").await;
    ann.send(json!({"t": "chat", "text": "another one"})).await;
    ann.next_of("chat").await;
    server.server.stop().await;
    let db = Connection::open(dir.path().join("parlour.db")).unwrap();
    assert_eq!(db.query_row("SELECT count(*) FROM chat", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[tokio::test]
async fn a_room_that_was_empty_for_long_has_its_chat_again_unless_it_was_locked_or_ended() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let short =
            |config: &mut parlour_server::Config| config.room.empty_timeout = std::time::Duration::from_millis(10);
        TestServer::start_in(dir.path(), short).await.unwrap()
    };
    let mut server = start().await;
    for (room, last) in [("kept", "bye"), ("locked", "bye"), ("ended", "end")] {
        let mut ann = server.join(room, "Ann").await;
        ann.send(json!({"t": "chat", "text": "see you later"})).await;
        ann.next_of("chat").await;
        ann.send(json!({"t": "lock", "on": room == "locked"})).await;
        ann.send(json!({"t": last})).await;
        ann.cut_off().await;
    }
    for restarted in [false, true] {
        server.until_metric("parlour_rooms", |rooms| rooms == 0.0).await;
        if restarted {
            server.server.stop().await;
            server = start().await;
        }
        for (room, said) in [("kept", 1), ("locked", 0), ("ended", 0)] {
            let mut bob = common::Client::connect(server.addr).await;
            bob.hello(room, "Bob").await;
            let welcome = bob.welcome().await;
            let snapshot = &welcome["snapshot"];
            assert_eq!(snapshot["chat"].as_array().unwrap().len(), said, "{room}, restarted: {restarted}");
            assert_eq!(
                (snapshot["you"]["role"].as_str(), snapshot["room"]["locked"].as_bool()),
                (Some("host"), Some(false))
            );
            bob.send(json!({"t": "bye"})).await;
            bob.cut_off().await;
        }
    }
    server.server.stop().await;
}

/// A file system of 1 MiB, for as long as the test runs. Needs the rights to mount; without them the test says so and ends.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path());
        mount.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_stops_no_call_and_is_made_up_for_when_there_is_room_again() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not run: this user may not mount a small file system");
        return;
    };
    let path = disk.0.path();
    let server = TestServer::start_in(path, |_| {}).await.unwrap();
    let mut ann = server.join("team", "Ann").await;
    let mut bob = server.join("team", "Bob").await;
    server.until_metric("parlour_storage_up", |up| up == 1.0).await;

    let filler = path.join("filler");
    assert!(std::fs::write(&filler, vec![1; 2 << 20]).is_err(), "the disk is full");
    let mut said = 0;
    while server.metric("parlour_storage_up").await == 1.0 {
        said += 1;
        ann.send(json!({"t": "chat", "text": format!("{said} {}", "x".repeat(2000))})).await;
        assert!(bob.next_of("chat").await["message"]["text"].as_str().unwrap().starts_with(&said.to_string()));
        // Slower than the limit of messages.
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert!(server.metric("parlour_storage_failures_total").await >= 1.0);
    // The call goes on.
    ann.send(json!({"t": "msg", "to": bob.me, "topic": "x", "data": 1})).await;
    bob.next_of("msg").await;

    std::fs::remove_file(&filler).unwrap();
    server.until_metric("parlour_storage_up", |up| up == 1.0).await;
    server.server.stop().await;
    let server = TestServer::start_in(path, |_| {}).await.unwrap();
    let welcome = bob.resume(server.addr, "team").await;
    assert_eq!(welcome["resumed"], true);
    let mut eve = common::Client::connect(server.addr).await;
    eve.hello("team", "Eve").await;
    let welcome = eve.welcome().await;
    let chat = welcome["snapshot"]["chat"].as_array().unwrap();
    assert_eq!(chat.len(), said.min(200), "nothing is lost");
    server.server.stop().await;
}
