//! Clients that break the rules are cut off with a clear code, while a call beside them goes on.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::{Client, Heard, PATIENCE, Reply, TestServer, read_reply};
use futures_util::SinkExt;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

/// A call of two, to be looked at after each attack.
struct Call {
    server: TestServer,
    ann: Client,
    bob: Client,
    said: u64,
}

impl Call {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut parlour_server::Config)) -> Self {
        let server = TestServer::start(change).await;
        let mut ann = server.join("call", "Ann").await;
        let bob = server.join("call", "Bob").await;
        ann.next_of("peer").await;
        Self { server, ann, bob, said: 0 }
    }

    /// Still the same two, and what one says still reaches the other.
    async fn goes_on(&mut self) {
        for (from, to) in [(&mut self.ann, &mut self.bob)] {
            self.said += 1;
            from.send(json!({"t": "msg", "to": to.me, "topic": "still", "data": self.said})).await;
            assert_eq!(to.next_of("msg").await["data"], self.said);
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let mut call = Call::start().await;
    let long = json!({"t": "msg", "topic": "x", "data": "x".repeat(70_000)});
    let mut joined = call.server.join("other", "Eve").await;
    joined.send(long.clone()).await;
    assert_eq!(joined.cut_off().await, ("too_large".into(), 1009));
    let mut first = Client::connect(call.server.addr).await;
    first.say(long).await;
    assert_eq!(first.cut_off().await, ("too_large".into(), 1009));
    call.goes_on().await;
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let mut call = Call::start().await;
    for text in ["", "{", "[]", "null", r#"{"t":7}"#, r#"{"t":"hello"}"#] {
        let mut eve = Client::connect(call.server.addr).await;
        eve.socket.send(Message::text(text)).await.unwrap();
        let (code, close) = eve.cut_off().await;
        assert!(matches!(code.as_str(), "bad_message" | "out_of_order") && close == 4000, "{text}: {code} {close}");
    }
    let mut eve = Client::connect(call.server.addr).await;
    eve.socket.send(Message::binary(vec![0, 1, 2])).await.unwrap();
    assert_eq!(eve.cut_off().await, ("bad_message".into(), 4000));
    let mut eve = call.server.join("other", "Eve").await;
    eve.socket.send(Message::text("{")).await.unwrap();
    assert_eq!(eve.cut_off().await.0, "bad_message");
    call.goes_on().await;
}

#[tokio::test]
async fn frames_that_break_the_websocket_protocol_end_the_connection() {
    let mut call = Call::start().await;
    // Invalid UTF-8 in a text frame (RFC 6455 §8.1).
    let mut eve = call.server.join("other", "Eve").await;
    let header = FrameHeader { opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    let frame = Frame::from_payload(header, vec![0xff, 0xfe].into());
    eve.socket.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(eve.cut_off().await.0, "bad_message");
    // More control frames than anybody needs.
    let mut eve = call.server.join("other", "Eve").await;
    for _ in 0..200 {
        if eve.socket.send(Message::Ping(vec![0; 100].into())).await.is_err() {
            break;
        }
    }
    assert_eq!(eve.cut_off().await.0, "rate");
    call.goes_on().await;
}

#[tokio::test]
async fn a_flood_of_messages_is_slowed_down_then_cut_off() {
    let mut call = Call::start().await;
    let mut eve = call.server.join("other", "Eve").await;
    for _ in 0..300 {
        eve.send(json!({"t": "msg", "topic": "x", "data": 1})).await;
    }
    let error = eve.next_of("error").await;
    assert_eq!((error["code"].as_str(), error["fatal"].as_bool()), (Some("rate"), Some(false)));
    call.goes_on().await;
    // The room machine's own tests, in virtual time, see to the end after ten seconds of it.
}

#[tokio::test]
async fn pages_of_other_origins_may_not_connect() {
    let call = Call::start_with(|config| {
        config.origins = vec![parlour_server::config::Origin::Exact("https://friend.example".into())];
    })
    .await;
    let addr = call.server.addr;
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        match Client::connect_with(addr, &[("origin", origin)]).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status(), 403, "{origin}"),
            Ok(_) => panic!("{origin} may connect"),
            Err(error) => panic!("{origin}: {error}"),
        }
    }
    assert!(Client::connect_with(addr, &[("origin", "https://friend.example")]).await.is_ok());
    assert!(Client::connect_with(addr, &[]).await.is_ok(), "programs have no origin");
    assert_eq!(call.server.metric("parlour_refused_total{code=\"wrong_origin\"}").await, 3.0);
}

#[tokio::test]
async fn a_forged_token_or_secret_gives_nothing() {
    let mut call = Call::start().await;
    // With a wrong secret a session is not taken over; its owner notices nothing.
    let mut eve = Client::connect(call.server.addr).await;
    let resume = json!({"sid": call.ann.sid, "secret": "A".repeat(call.ann.secret.len()), "last": 0});
    eve.say(json!({"t": "hello", "v": 1, "room": "call", "name": "Eve", "resume": resume})).await;
    let welcome = eve.welcome().await;
    assert_eq!(welcome["resumed"], false);
    assert_ne!(eve.me, call.ann.me);
    call.goes_on().await;

    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_in(dir.path(), |config| config.auth.mode = parlour_server::config::AuthMode::Token)
        .await
        .unwrap();
    let mut eve = Client::connect(server.addr).await;
    eve.hello("call", "Eve").await;
    assert_eq!(eve.cut_off().await.0, "token_required");
    for forged in ["x", "eyJhbGciOiJub25lIn0.eyJyb29tIjoiY2FsbCIsImV4cCI6OTk5OTk5OTk5OX0."] {
        let mut eve = Client::connect(server.addr).await;
        eve.say(json!({"t": "hello", "v": 1, "room": "call", "name": "Eve", "token": forged})).await;
        assert_eq!(eve.cut_off().await.0, "bad_token");
    }
}

#[tokio::test]
async fn a_message_sent_twice_counts_once() {
    let mut call = Call::start().await;
    let message = json!({"t": "msg", "to": call.bob.me, "topic": "once", "data": 1, "seq": 1});
    call.ann.sent = 1;
    for _ in 0..3 {
        call.ann.say(message.clone()).await;
    }
    assert_eq!(call.bob.next_of("msg").await["topic"], "once");
    call.ann.send(json!({"t": "msg", "to": call.bob.me, "topic": "next", "data": 2})).await;
    assert_eq!(call.bob.next_of("msg").await["topic"], "next");
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_little_and_nobody_else() {
    let mut call = Call::start_with(|config| {
        config.limits.messages_per_s = 10_000;
        config.limits.burst = 100_000;
    })
    .await;
    let server = &call.server;
    let mut talker = server.join("other", "Tom").await;
    let deaf = server.join("other", "Deaf").await;
    let body = "x".repeat(60_000);
    // The kernel takes some MiB, the outbox one; then the client is given a fresh start, then cut off.
    let mut sent = 0;
    while server.metric("parlour_refused_total{code=\"slow_reader\"}").await < 1.0 {
        for _ in 0..20 {
            talker.send(json!({"t": "msg", "to": deaf.me, "topic": "x", "data": body})).await;
        }
        sent += 1;
        assert!(sent < 100, "the slow reader is still there");
    }
    assert!(server.metric("parlour_ws_overflows_total").await >= 1.0);
    call.goes_on().await;
    drop(deaf);
}

#[tokio::test]
async fn a_request_that_never_ends_is_given_up() {
    let mut call = Call::start().await;
    // One header line after the other, never the empty one; and nothing at all.
    let mut slow = TcpStream::connect(call.server.addr).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    let mut huge = TcpStream::connect(call.server.addr).await.unwrap();
    huge.write_all(format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(100_000)).as_bytes()).await.ok();
    let refused: Reply = read_reply(&mut huge).await;
    assert!(matches!(refused.status, 431 | 0), "{refused:?}");
    call.goes_on().await;
    let ended = tokio::time::timeout(PATIENCE, async {
        while slow.write_all(b"X-Slow: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    ended.await.expect("the server gives up");
    call.goes_on().await;
}

#[tokio::test]
async fn a_connection_without_hello_is_closed() {
    let call = Call::start().await;
    let mut silent = Client::connect(call.server.addr).await;
    assert_eq!(silent.cut_off().await, ("idle_timeout".into(), 4000));
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_joins() {
    let server = TestServer::start(|config| {
        config.limits.conns_per_ip = 3;
        config.trust_proxy = vec![parlour_server::config::Value::from_text("127.0.0.1").unwrap()];
    })
    .await;
    let connect = async |from: &str| {
        let mut client = Client::connect_with(server.addr, &[("x-forwarded-for", from)]).await.unwrap();
        client.hello("team", "Ann").await;
        client
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = connect("192.0.2.1").await;
        client.welcome().await;
        held.push(client);
    }
    assert_eq!(connect("192.0.2.1").await.cut_off().await, ("too_many_connections".into(), 4000));
    connect("192.0.2.2").await.welcome().await;
    // The /64 that a customer has counts as one.
    for n in 0..3 {
        let mut client = connect(&format!("2001:db8::{n}")).await;
        client.welcome().await;
        held.push(client);
    }
    assert_eq!(connect("2001:db8::ffff").await.cut_off().await.0, "too_many_connections");
    connect("2001:db8:0:1::1").await.welcome().await;
    // What is closed is free again.
    held.remove(0).socket.close(None).await.unwrap();
    server.until_metric("parlour_ws_connections", |n| n < 6.0).await;
    connect("192.0.2.1").await.welcome().await;
}

#[tokio::test]
async fn there_are_only_so_many_rooms() {
    let server = TestServer::start(|config| config.limits.max_rooms = 1).await;
    let mut full = 0;
    for n in 0..64 {
        let mut client = Client::connect(server.addr).await;
        client.hello(&format!("room-{n}"), "Ann").await;
        if client.next().await["code"] == "server_full" {
            full += 1;
        }
    }
    assert!(full > 0, "one a shard at most");
    assert!(server.metric("parlour_rooms").await < 64.0);
}

#[tokio::test]
async fn joins_are_limited_and_resuming_is_none() {
    let server = TestServer::start(|config| config.limits.joins_per_min_per_ip = 3).await;
    let mut ann = server.join("team", "Ann").await;
    for _ in 0..5 {
        assert_eq!(ann.resume(server.addr, "team").await["resumed"], true);
    }
    let _bob = server.join("team", "Bob").await;
    let _eve = server.join("team", "Eve").await;
    let mut more = Client::connect(server.addr).await;
    more.hello("team", "More").await;
    let Heard::Message(error) = more.hear().await else { panic!() };
    assert_eq!(error["code"], "too_many_joins");
    assert!(error["retry_ms"].as_u64().unwrap() > 0);
    assert!(matches!(more.hear().await, Heard::Closed { code: 4000, .. }));
}
