//! Many small calls at once that come and go. The long form is `cargo xtask soak signaling`.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::Duration;

use common::{Client, TestServer};
use serde_json::json;
use tokio::task::JoinSet;

const ROOMS: usize = 200;
const CALLS: usize = 2;
const CANDIDATES: usize = 10;

/// Both sides of one call: descriptions, candidates, leaving.
async fn call(addr: std::net::SocketAddr, room: String) {
    let mut ann = Client::connect(addr).await;
    ann.hello(&room, "Ann").await;
    ann.welcome().await;
    let mut bob = Client::connect(addr).await;
    bob.hello(&room, "Bob").await;
    bob.welcome().await;
    ann.next_of("peer").await;
    let description = "v=0\r\n".repeat(300);
    bob.send(json!({"t": "sdp", "pc": format!("p:{}", ann.me), "gen": 0, "kind": "offer", "sdp": description})).await;
    assert_eq!(ann.next_of("sdp").await["sdp"], description);
    ann.send(json!({"t": "sdp", "pc": format!("p:{}", bob.me), "gen": 0, "kind": "answer", "sdp": description})).await;
    for n in 0..CANDIDATES {
        let cand =
            json!({"candidate": format!("candidate:{n} 1 udp 1 192.0.2.1 {} typ host", 5000 + n), "sdpMid": "0"});
        ann.send(json!({"t": "ice", "pc": format!("p:{}", bob.me), "gen": 0, "cand": cand})).await;
        bob.send(json!({"t": "ice", "pc": format!("p:{}", ann.me), "gen": 0, "cand": cand})).await;
    }
    bob.next_of("sdp").await;
    for _ in 0..CANDIDATES {
        bob.next_of("ice").await;
        ann.next_of("ice").await;
    }
    bob.send(json!({"t": "bye"})).await;
    assert_eq!(ann.next_of("peer").await["op"], "del");
    ann.send(json!({"t": "bye"})).await;
    // The server closes; so do we, at once.
    let (_, _) = (ann.cut_off().await, bob.cut_off().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_calls_come_and_go_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), |config| config.room.empty_timeout = Duration::from_millis(100))
        .await
        .unwrap();
    let addr = server.addr;
    let mut rooms = JoinSet::new();
    for room in 0..ROOMS {
        rooms.spawn(async move {
            for _ in 0..CALLS {
                call(addr, format!("room-{room}")).await;
            }
        });
    }
    while let Some(room) = rooms.join_next().await {
        room.unwrap();
    }
    server.until_metric("parlour_rooms", |n| n == 0.0).await;
    server.until_metric("parlour_ws_connections", |n| n == 0.0).await;
    for state in ["joined", "away", "waiting"] {
        assert_eq!(server.metric(&format!("parlour_peers{{state=\"{state}\"}}")).await, 0.0, "{state}");
    }
    assert_eq!(server.metric("parlour_joins_total{result=\"ok\"}").await, (ROOMS * CALLS * 2) as f64);
    assert_eq!(server.metric("parlour_storage_dropped_total").await, 0.0);
    server.server.stop().await;

    let db = rusqlite::Connection::open(dir.path().join("parlour.db")).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM sessions"), 0);
    assert_eq!(count("SELECT count(*) FROM rooms"), 0);
    assert_eq!(count("SELECT count(*) FROM participants WHERE why = 'left'"), (ROOMS * CALLS * 2) as i64);
    assert_eq!(count("SELECT count(*) FROM calls WHERE ended IS NULL"), 0);
}
