//! Calls through the whole server, over real sockets.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Client, Heard, TestServer};
use serde_json::json;

#[tokio::test]
async fn two_clients_meet_and_their_messages_are_passed_on() {
    let server = TestServer::start(|_| {}).await;
    let mut ann = server.join("team", "Ann").await;
    let mut bob = Client::connect(server.addr).await;
    bob.hello("Team", "Bob").await;
    let welcome = bob.welcome().await;
    assert_eq!(welcome["snapshot"]["peers"][0]["name"], "Ann");
    assert_eq!(ann.next_of("peer").await["peer"]["name"], "Bob");

    let offer = json!({"t": "sdp", "pc": format!("p:{}", ann.me), "gen": 0, "kind": "offer", "sdp": "v=0\r\n"});
    bob.send(offer).await;
    let heard = ann.next_of("sdp").await;
    assert_eq!(heard["pc"], format!("p:{}", bob.me));
    assert_eq!(heard["sdp"], "v=0\r\n");

    bob.send(json!({"t": "bye"})).await;
    let left = ann.next_of("peer").await;
    assert_eq!((left["op"].as_str(), left["why"].as_str()), (Some("del"), Some("left")));
    assert!(matches!(
        loop {
            match bob.hear().await {
                Heard::Message(_) => {}
                closed => break closed,
            }
        },
        Heard::Closed { .. }
    ));
    server.server.stop().await;
}

/// A page that is closed says `bye` and resets the connection, unread messages and all.
#[tokio::test]
async fn a_bye_counts_although_its_sender_hears_no_more() {
    let server = TestServer::start(|_| {}).await;
    let mut ann = server.join("team", "Ann").await;
    let mut bob = server.join("team", "Bob").await;
    ann.next_of("peer").await;
    // Nothing below waits: the server finds words for Bob, his `bye` and the reset all at once.
    ann.send(json!({"t": "chat", "text": "Are you there?"})).await;
    bob.send(json!({"t": "bye"})).await;
    bob.reset();
    let left = ann.next_of("peer").await;
    assert_eq!((left["op"].as_str(), left["why"].as_str()), (Some("del"), Some("left")));
    server.server.stop().await;
}

#[tokio::test]
async fn a_cut_connection_resumes_without_losing_a_message() {
    let server = TestServer::start(|_| {}).await;
    let mut ann = server.join("team", "Ann").await;
    let mut bob = server.join("team", "Bob").await;
    ann.next_of("peer").await;

    // No close frame: the network is gone.
    drop(std::mem::replace(&mut bob.socket, Client::connect(server.addr).await.socket));
    let away = ann.next_of("peer").await;
    assert_eq!((away["op"].as_str(), away["peer"]["state"].as_str()), (Some("set"), Some("away")));
    for n in 0..10 {
        ann.send(json!({"t": "msg", "to": bob.me, "topic": "n", "data": n})).await;
    }
    ann.send(json!({"t": "chat", "text": "still there?"})).await;
    ann.next_of("chat").await;

    let welcome = bob.resume(server.addr, "team").await;
    assert_eq!(welcome["resumed"], true, "{welcome}");
    for n in 0..10 {
        assert_eq!(bob.next_of("msg").await["data"], n);
    }
    assert_eq!(bob.next_of("chat").await["message"]["text"], "still there?");
    assert_eq!(ann.next_of("peer").await["peer"]["state"], "joined");
    assert_eq!(server.metric("parlour_resumes_total{result=\"replayed\"}").await, 1.0);
    server.server.stop().await;
}

#[tokio::test]
async fn a_restart_loses_no_call_and_no_message() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), |_| {}).await.unwrap();
    let mut ann = server.join("team", "Ann").await;
    let mut bob = server.join("team", "Bob").await;
    ann.next_of("peer").await;
    ann.send(json!({"t": "chat", "text": "before"})).await;
    bob.next_of("chat").await;
    // Sent, but not read by Bob before the server stops.
    let candidate = json!({"candidate": "candidate:1 1 udp 1 192.0.2.1 5000 typ host"});
    ann.send(json!({"t": "ice", "pc": format!("p:{}", bob.me), "gen": 0, "cand": candidate, "id": 1})).await;
    ann.next_of("ok").await;

    server.server.stop().await;
    ann.next_of("moved").await;
    assert!(matches!(ann.hear().await, Heard::Closed { code: 1012, .. }));

    let server = TestServer::start_in(dir.path(), |_| {}).await.unwrap();
    let (ann_id, bob_id) = (ann.me.clone(), bob.me.clone());
    let welcome = bob.resume(server.addr, "team").await;
    assert_eq!(welcome["resumed"], true, "{welcome}");
    assert_eq!(bob.next_of("ice").await["pc"], format!("p:{ann_id}"));
    let welcome = ann.resume(server.addr, "team").await;
    assert_eq!(welcome["resumed"], true, "{welcome}");
    assert_eq!(welcome["ack"], ann.sent);

    // The call goes on between the same participants, and the history is still there for others.
    bob.send(json!({"t": "msg", "to": ann_id, "topic": "x", "data": 1})).await;
    assert_eq!(ann.next_of("msg").await["from"], bob_id);
    let mut eve = Client::connect(server.addr).await;
    eve.hello("team", "Eve").await;
    let welcome = eve.welcome().await;
    assert_eq!(welcome["snapshot"]["chat"][0]["text"], "before");
    assert_eq!(welcome["snapshot"]["peers"].as_array().unwrap().len(), 2);
    server.server.stop().await;
}

#[tokio::test]
async fn after_a_crash_participants_keep_their_ids_and_get_a_fresh_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), |_| {}).await.unwrap();
    let mut ann = server.join("team", "Ann").await;
    let _bob = server.join("team", "Bob").await;
    ann.send(json!({"t": "chat", "text": "kept"})).await;
    ann.next_of("chat").await;
    // What a crash leaves: the files as they are now. (The process that has them open takes no notice of the copy.)
    let copy = tempfile::tempdir().unwrap();
    let files = ["parlour.db", "parlour.db-wal"];
    let chat_is_written = || {
        for file in files {
            std::fs::copy(dir.path().join(file), copy.path().join(file)).unwrap();
        }
        std::fs::read(copy.path().join(files[1])).unwrap().windows(4).any(|text| text == b"kept")
    };
    while !chat_is_written() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let after = TestServer::start_in(copy.path(), |_| {}).await.unwrap();
    let id = ann.me.clone();
    let welcome = ann.resume(after.addr, "team").await;
    assert_eq!(welcome["resumed"], false);
    assert_eq!(welcome["snapshot"]["you"]["id"], id);
    assert_eq!(welcome["snapshot"]["peers"][0]["name"], "Bob");
    assert_eq!(welcome["snapshot"]["chat"][0]["text"], "kept");
    after.server.stop().await;
    server.server.stop().await;
}
