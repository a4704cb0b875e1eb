//! PeerJS's server protocol over real sockets: what clients get, and what becomes of those who break the rules.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use common::wire::{Came, Wire};
use common::{Reply, TestServer, request};
use parlour_server::config::{AuthMode, Origin, Secret};
use tokio_tungstenite::tungstenite::Message;

const OPEN: &str = r#"{"type":"OPEN"}"#;

async fn open(server: &TestServer, id: &str, token: &str) -> Wire {
    Wire::open(server.addr, &format!("/peerjs?key=peerjs&id={id}&token={token}&version=1.5.5")).await
}

async fn join(server: &TestServer, id: &str) -> Wire {
    let mut wire = open(server, id, "t").await;
    assert_eq!(wire.text().await, OPEN);
    wire
}

/// Two that talk, to be looked at after each attack.
struct Pair {
    server: TestServer,
    ann: Wire,
    bob: Wire,
    said: u32,
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut parlour_server::Config)) -> Self {
        let server = TestServer::start(change).await;
        let (ann, bob) = (join(&server, "ann").await, join(&server, "bob").await);
        Self { server, ann, bob, said: 0 }
    }

    async fn goes_on(&mut self) {
        self.said += 1;
        let said = self.said;
        self.ann.say(format!(r#"{{"type":"CANDIDATE","dst":"bob","payload":{said}}}"#)).await;
        assert_eq!(
            self.bob.text().await,
            format!(r#"{{"type":"CANDIDATE","src":"ann","dst":"bob","payload":{said}}}"#)
        );
    }
}

#[tokio::test]
async fn messages_reach_their_receiver_with_the_true_sender() {
    let mut pair = Pair::start().await;
    pair.ann
        .say(r#"{"type":"OFFER","src":"eve","dst":"bob","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"}}}"#)
        .await;
    let expected = r#"{"type":"OFFER","src":"ann","dst":"bob","payload":{"sdp":{"type":"offer","sdp":"v=0\r\n"}}}"#;
    assert_eq!(pair.bob.text().await, expected);
    pair.goes_on().await;
    assert_eq!(pair.server.metric("parlour_compat_clients{protocol=\"peerjs\"}").await, 2.0);
    drop(pair.ann);
    pair.server.until_metric("parlour_compat_clients{protocol=\"peerjs\"}", |clients| clients == 1.0).await;
}

#[tokio::test]
async fn an_absent_receiver_gets_it_later_or_the_sender_is_told() {
    let server = TestServer::start(|_| {}).await;
    let mut ann = join(&server, "ann").await;
    ann.say(r#"{"type":"OFFER","dst":"bob","payload":1}"#).await;
    // A second message, answered by nobody, shows that the first has arrived.
    ann.say(r#"{"type":"OFFER","dst":"ann","payload":"echo"}"#).await;
    assert!(ann.text().await.contains("echo"));
    let mut bob = join(&server, "bob").await;
    assert_eq!(bob.text().await, r#"{"type":"OFFER","src":"ann","dst":"bob","payload":1}"#);
    ann.say(r#"{"type":"OFFER","dst":"nobody","payload":1}"#).await;
    assert_eq!(ann.text().await, r#"{"type":"EXPIRE","src":"nobody","dst":"ann"}"#);
}

#[tokio::test]
async fn the_wrong_key_and_taken_ids_are_told_through_the_socket() {
    let server = TestServer::start(|config| config.compat.peerjs_key = "secret".into()).await;
    let error = |text: &str| (vec![format!(r#"{{"type":"ERROR","payload":{{"msg":"{text}"}}}}"#)], 0);
    for path in ["/peerjs", "/peerjs?key=secret&id=ann", "/peerjs?key=secret&id=&token=t", "/peerjs?id=ann&token=t"] {
        let mut wire = Wire::open(server.addr, path).await;
        assert_eq!(wire.until_the_end().await, error("No id, token, or key supplied to websocket server"), "{path}");
    }
    let mut wire = Wire::open(server.addr, "/peerjs?key=peerjs&id=ann&token=t").await;
    assert_eq!(wire.until_the_end().await, error("Invalid key provided"));
    let mut first = Wire::open(server.addr, "/peerjs?key=secret&id=ann&token=t").await;
    assert_eq!(first.text().await, OPEN);
    let mut second = Wire::open(server.addr, "/peerjs?key=secret&id=ann&token=other").await;
    assert_eq!(
        second.until_the_end().await,
        (vec![r#"{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#.into()], 0)
    );
    assert_eq!(server.get("/secret/id").await.status, 200);
}

#[tokio::test]
async fn ids_are_given_out_and_kept_to_oneself() {
    let server = TestServer::start(|_| {}).await;
    let ids = [server.get("/peerjs/id?ts=1").await, server.get("/peerjs/peerjs/id").await];
    for Reply { status, headers, body } in &ids {
        assert_eq!((*status, headers["content-type"].as_str(), body.len()), (200, "text/html; charset=utf-8", 36));
        assert_eq!((body.as_bytes()[14], body.matches('-').count()), (b'4', 4), "{body}");
    }
    assert_ne!(ids[0].body, ids[1].body);
    let peers = server.get("/peerjs/peers").await;
    assert_eq!((peers.status, peers.body.as_str()), (401, "Unauthorized"));

    let open = TestServer::start(|config| config.compat.peerjs_discovery = true).await;
    let _ann = join(&open, "ann").await;
    assert_eq!(open.get("/peerjs/peers").await.body, r#"["ann"]"#);
}

#[tokio::test]
async fn pages_of_other_origins_are_served_only_if_named() {
    let server =
        TestServer::start(|config| config.origins = vec![Origin::Exact("https://friend.example".into())]).await;
    let ask = async |method: &str, origin: &str| {
        let host = server.addr;
        let head =
            format!("{method} /peerjs/id HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n");
        request(host, &head).await
    };
    let friend = ask("GET", "https://friend.example").await;
    assert_eq!(
        (friend.status, friend.headers["access-control-allow-origin"].as_str()),
        (200, "https://friend.example")
    );
    assert_eq!(ask("OPTIONS", "https://friend.example").await.status, 204);
    let evil = ask("GET", "https://evil.example").await;
    assert_eq!((evil.status, evil.headers.get("access-control-allow-origin")), (403, None));
    assert_eq!(ask("OPTIONS", "https://evil.example").await.status, 403);
    let path = "/peerjs?key=peerjs&id=ann&token=t";
    let from = async |origin: &str| Wire::try_open(server.addr, path, &[("origin", origin)]).await.map(|_| ());
    assert_eq!(from("https://evil.example").await, Err(403));
    assert_eq!(from("https://friend.example").await, Ok(()));
}

#[tokio::test]
async fn malformed_messages_end_only_who_sent_them() {
    let mut pair = Pair::start().await;
    for text in ["", "{", "null", "[]", r#"["OFFER","bob"]"#, r#"{"type":"OFFER","dst":5}"#] {
        let mut eve = join(&pair.server, "eve").await;
        eve.say(text).await;
        let (texts, code) = eve.until_the_end().await;
        assert!(
            texts[0].starts_with(r#"{"type":"ERROR","payload":{"msg":"This is not a message"#),
            "{text}: {texts:?}"
        );
        assert_eq!(code, 4000);
    }
    let mut eve = join(&pair.server, "eve").await;
    eve.throw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(eve.until_the_end().await.1, 4000);
    // What the protocol does not know is passed over in silence.
    let mut eve = join(&pair.server, "eve").await;
    eve.say(r#"{"type":"OPEN","dst":"bob"}"#).await;
    eve.say(r#"{"dst":"bob","payload":1}"#).await;
    eve.say(r#"{"type":"OFFER","dst":"eve"}"#).await;
    assert_eq!(eve.text().await, r#"{"type":"OFFER","src":"eve","dst":"eve"}"#);
    pair.goes_on().await;
}

#[tokio::test]
async fn messages_that_are_too_long_are_refused() {
    let mut pair = Pair::start().await;
    let mut eve = join(&pair.server, "eve").await;
    eve.throw(Message::text(format!(r#"{{"type":"OFFER","dst":"bob","payload":"{}"}}"#, "x".repeat(70_000)))).await;
    let (texts, code) = eve.until_the_end().await;
    assert!(texts[0].contains("too long"), "{texts:?}");
    assert_eq!(code, 1009);
    let long = "x".repeat(300);
    let mut wire = open(&pair.server, &long, "t").await;
    assert!(wire.text().await.contains("256 bytes"));
    pair.goes_on().await;
}

#[tokio::test]
async fn a_flood_is_told_and_then_cut_off() {
    let mut pair = Pair::start().await;
    let mut eve = join(&pair.server, "eve").await;
    for n in 0..2300 {
        if !eve.throw(Message::text(format!(r#"{{"type":"CANDIDATE","dst":"nobody","payload":{n}}}"#))).await {
            break;
        }
    }
    let (texts, code) = eve.until_the_end().await;
    assert_eq!(code, 4000);
    assert!(texts[0].contains("At most 50 messages a second"), "{texts:?}");
    assert!(texts.last().unwrap().contains("Too many messages for too long"), "{texts:?}");
    assert!(pair.server.metric("parlour_refused_total{code=\"rate\"}").await > 1000.0);
    pair.goes_on().await;
}

#[tokio::test]
async fn connections_and_joins_of_an_address_are_bounded() {
    let server = TestServer::start(|config| config.limits.conns_per_ip = 2).await;
    let (_a, _b) = (join(&server, "a").await, join(&server, "b").await);
    let (texts, code) = open(&server, "c", "t").await.until_the_end().await;
    assert!(texts[0].contains("Too many connections from this address"), "{texts:?}");
    assert_eq!(code, 4000);

    let server = TestServer::start(|config| config.limits.joins_per_min_per_ip = 2).await;
    let (_a, _b) = (join(&server, "a").await, join(&server, "b").await);
    assert!(open(&server, "c", "t").await.text().await.contains("within a minute"));

    let server = TestServer::start(|config| config.limits.max_peers_total = 1).await;
    let _a = join(&server, "a").await;
    assert!(open(&server, "c", "t").await.text().await.contains("Server has reached its concurrent user limit"));
}

#[tokio::test]
async fn who_does_not_read_is_let_go() {
    let mut pair = Pair::start_with(|config| {
        config.limits.messages_per_s = 10_000;
        config.limits.burst = 100_000;
    })
    .await;
    let deaf = join(&pair.server, "deaf").await;
    let mut tom = join(&pair.server, "tom").await;
    let payload = "x".repeat(60_000);
    // Until the sockets' own buffers and the outbox are full.
    loop {
        tom.say(format!(r#"{{"type":"OFFER","dst":"deaf","payload":"{payload}"}}"#)).await;
        tom.say(r#"{"type":"CANDIDATE","dst":"tom"}"#).await;
        let answer = tom.text().await;
        if answer.contains("LEAVE") {
            assert_eq!(answer, r#"{"type":"LEAVE","src":"deaf","dst":"tom"}"#);
            break;
        }
    }
    assert_eq!(pair.server.metric("parlour_ws_overflows_total").await, 1.0);
    pair.goes_on().await;
    drop(deaf);
}

#[tokio::test]
async fn a_server_that_asks_for_a_password_is_no_open_relay() {
    let server = TestServer::start(|config| {
        config.auth.mode = AuthMode::Password;
        config.auth.password = Some(Secret::new("let me in"));
    })
    .await;
    assert_eq!(server.get("/peerjs/id").await.status, 403);
    assert_eq!(Wire::try_open(server.addr, "/peerjs?key=peerjs&id=a&token=t", &[]).await.map(|_| ()), Err(403));
    let off = TestServer::start(|config| config.compat.peerjs = false).await;
    assert_eq!(off.get("/peerjs/id").await.status, 404);
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let server = TestServer::start(|_| {}).await;
    let mut ann = join(&server, "ann").await;
    let stopping = tokio::spawn(server.server.stop());
    assert_eq!(ann.hear().await, Came::Close(1001));
    stopping.await.unwrap();
}
