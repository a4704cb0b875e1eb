//! The Socket.IO relay over real sockets and in single requests: what clients get, and what becomes of those who break the rules.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::wire::{Came, Wire};
use common::{PATIENCE, Reply, TestServer, request};
use parlour_server::config::Origin;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A client on a WebSocket.
struct Client {
    wire: Wire,
    id: String,
}

impl Client {
    async fn open(server: &TestServer) -> Self {
        let mut wire = Wire::open(server.addr, SOCKET).await;
        assert!(wire.text().await.starts_with("0{"));
        wire.say("40").await;
        let answer = wire.text_with("40").await;
        let connected: Value = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
        let id = connected["sid"].as_str().unwrap().to_owned();
        assert_eq!(wire.text_with("42").await, format!(r#"42["me","{id}"]"#));
        Self { wire, id }
    }

    async fn emit(&mut self, event: Value) {
        self.wire.say(format!("42{event}")).await;
    }

    /// Emits, and gives what the server acknowledges.
    async fn ask(&mut self, event: Value) -> Value {
        self.wire.say(format!("427{event}")).await;
        let answer = self.wire.text_with("437[").await;
        serde_json::from_str::<Value>(answer.strip_prefix("437").unwrap()).unwrap()[0].clone()
    }

    /// All texts until the connection is closed, without the server's pings.
    async fn until_the_end(&mut self) -> Vec<String> {
        self.wire.until_the_end().await.0.into_iter().filter(|text| text != "2").collect()
    }

    async fn event(&mut self) -> Value {
        loop {
            let text = self.wire.text().await;
            if let Some(event) = text.strip_prefix("42") {
                return serde_json::from_str(event).unwrap();
            }
        }
    }
}

/// Two that talk, to be looked at after each attack.
struct Pair {
    server: TestServer,
    ann: Client,
    bob: Client,
    said: u32,
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut parlour_server::Config)) -> Self {
        let server = TestServer::start(change).await;
        let (ann, bob) = (Client::open(&server).await, Client::open(&server).await);
        Self { server, ann, bob, said: 0 }
    }

    async fn goes_on(&mut self) {
        self.said += 1;
        self.ann.emit(json!(["ice-candidate", {"to": self.bob.id, "candidate": self.said}])).await;
        assert_eq!(self.bob.event().await, json!(["ice-candidate", {"from": self.ann.id, "candidate": self.said}]));
    }
}

#[tokio::test]
async fn offers_answers_and_candidates_reach_whom_they_name() {
    let mut pair = Pair::start().await;
    let (ann, bob) = (pair.ann.id.clone(), pair.bob.id.clone());
    pair.ann.emit(json!(["offer", {"offer": {"type": "offer", "sdp": "v=0\r\n"}, "to": bob, "from": "forged"}])).await;
    assert_eq!(pair.bob.event().await, json!(["offer", {"from": ann, "offer": {"type": "offer", "sdp": "v=0\r\n"}}]));
    pair.bob.emit(json!(["answer", {"answer": 1, "to": ann}])).await;
    assert_eq!(pair.ann.event().await, json!(["answer", {"from": bob, "answer": 1}]));
    pair.bob.emit(json!(["signal", {"to": ann, "data": [1, {"x": "ä\"\n"}]}])).await;
    assert_eq!(pair.ann.event().await, json!(["signal", {"from": bob, "data": [1, {"x": "ä\"\n"}]}]));
    // The other shape of addresses, with the sender forged.
    pair.ann.emit(json!(["offer", {"target": bob, "caller": "forged", "sdp": 1}])).await;
    assert_eq!(pair.bob.event().await, json!(["offer", {"from": ann, "target": bob, "caller": ann, "sdp": 1}]));
    // And the one of the popular React tutorial.
    pair.ann
        .emit(json!(["callUser", {"userToCall": bob, "signalData": {"s": 1}, "from": "forged", "name": "Ann"}]))
        .await;
    assert_eq!(pair.bob.event().await, json!(["callUser", {"signal": {"s": 1}, "from": ann, "name": "Ann"}]));
    pair.bob.emit(json!(["answerCall", {"signal": {"s": 2}, "to": ann}])).await;
    assert_eq!(pair.ann.event().await, json!(["callAccepted", {"s": 2}, bob]));
    assert_eq!(pair.ann.ask(json!(["offer", {"to": bob, "offer": 1}])).await, json!({"ok": true}));
    pair.goes_on_after_one().await;
}

impl Pair {
    async fn goes_on_after_one(&mut self) {
        self.bob.event().await;
        self.goes_on().await;
    }
}

#[tokio::test]
async fn rooms_tell_who_comes_and_goes() {
    let mut pair = Pair::start().await;
    let (ann, bob) = (pair.ann.id.clone(), pair.bob.id.clone());
    assert_eq!(pair.ann.ask(json!(["join", "blue"])).await, json!({"ok": true, "room": "blue", "peers": []}));
    assert_eq!(pair.bob.ask(json!(["join-room", "blue", "bob's id"])).await["peers"], json!([ann]));
    assert_eq!(pair.ann.event().await, json!(["user-connected", "bob's id", bob]));
    // To a room of one's own, in both shapes.
    pair.bob.emit(json!(["offer", {"offer": 1, "roomId": "blue"}])).await;
    assert_eq!(pair.ann.event().await, json!(["offer", {"from": bob, "offer": 1, "roomId": "blue"}]));
    pair.bob.emit(json!(["answer", "text", "blue"])).await;
    assert_eq!(pair.ann.event().await, json!(["answer", "text", bob]));

    let mut cat = Client::open(&pair.server).await;
    let refusal = cat.ask(json!(["offer", {"offer": 1, "to": "blue"}])).await;
    assert_eq!(
        (&refusal["ok"], &refusal["code"]),
        (&json!(false), &json!("no_such_peer")),
        "who is not in it may not speak to it"
    );
    cat.ask(json!(["join", {"roomId": "blue", "userId": 7}])).await;
    assert_eq!(pair.ann.event().await, json!(["user-connected", 7, cat.id]));
    assert_eq!(pair.bob.event().await, json!(["user-connected", 7, cat.id]));
    assert_eq!(cat.ask(json!(["leave", "blue"])).await["ok"], true);
    assert_eq!(pair.ann.event().await, json!(["user-disconnected", 7, cat.id]));
    pair.bob.event().await;
    drop(pair.bob);
    assert_eq!(pair.ann.event().await, json!(["user-disconnected", "bob's id", bob]));
}

#[tokio::test]
async fn unknown_events_are_relayed_only_if_the_operator_wants_it() {
    let mut pair = Pair::start().await;
    let refusal = pair.ann.ask(json!(["draw", {"to": pair.bob.id, "x": 1}])).await;
    assert_eq!((&refusal["ok"], &refusal["code"]), (&json!(false), &json!("unsupported")));
    assert!(refusal["message"].as_str().unwrap().contains("compat.relay_any"));
    let error = pair.ann.event().await;
    assert_eq!(
        (&error[0], &error[1]["code"], &error[1]["event"]),
        (&json!("error"), &json!("unsupported"), &json!("draw"))
    );
    pair.goes_on().await;

    let mut pair = Pair::start_with(|config| config.compat.relay_any = true).await;
    pair.ann.emit(json!(["draw", {"to": pair.bob.id, "x": 1}])).await;
    assert_eq!(pair.bob.event().await, json!(["draw", {"from": pair.ann.id, "x": 1}]));
    pair.ann.ask(json!(["join", "blue"])).await;
    pair.bob.ask(json!(["join", "blue"])).await;
    pair.ann.event().await;
    pair.bob.emit(json!(["chat", "hello"])).await;
    assert_eq!(pair.ann.event().await, json!(["chat", "hello", pair.bob.id]));
}

/// A client of single requests.
struct Poller<'a> {
    server: &'a TestServer,
    sid: String,
    revision: u8,
}

impl<'a> Poller<'a> {
    async fn open(server: &'a TestServer) -> Self {
        let opened = server.get("/socket.io/?EIO=4&transport=polling&t=abc").await;
        assert_eq!(opened.status, 200, "{opened:?}");
        let open: Value = serde_json::from_str(opened.body.strip_prefix('0').unwrap()).unwrap();
        assert_eq!((&open["upgrades"], &open["maxPayload"]), (&json!(["websocket"]), &json!(65536)));
        Self { server, sid: open["sid"].as_str().unwrap().to_owned(), revision: 4 }
    }

    fn path(&self) -> String {
        format!("/socket.io/?EIO={}&transport=polling&sid={}", self.revision, self.sid)
    }

    async fn poll(&self) -> Reply {
        self.server.get(&self.path()).await
    }

    async fn post(&self, body: &str) -> Reply {
        let (host, path, length) = (self.server.addr, self.path(), body.len());
        let kind = "Content-Type: text/plain;charset=UTF-8";
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{kind}\r\nContent-Length: {length}\r\n\r\n"
        );
        request(host, &format!("{head}{body}")).await
    }

    /// Polls until something comes that has `part` in it.
    async fn until(&self, part: &str) -> String {
        let polling = async {
            loop {
                let reply = self.poll().await;
                assert_eq!(reply.status, 200, "{reply:?}");
                if reply.body.contains(part) {
                    return reply.body;
                }
            }
        };
        tokio::time::timeout(PATIENCE, polling).await.unwrap()
    }
}

#[tokio::test]
async fn single_requests_do_as_well_as_a_socket() {
    let mut pair = Pair::start().await;
    let cat = Poller::open(&pair.server).await;
    assert_eq!(cat.post("40").await.body, "ok");
    let connected = cat.until("\"sid\"").await;
    let id = connected.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_ne!(id, cat.sid, "others know the id, and must not be able to speak for it");
    let said = json!(["offer", {"to": pair.ann.id, "offer": 1}]);
    assert_eq!(cat.post(&format!("42{said}\u{1e}42{said}")).await.status, 200);
    for _ in 0..2 {
        assert_eq!(pair.ann.event().await, json!(["offer", {"from": id, "offer": 1}]));
    }
    pair.ann.emit(json!(["answer", {"to": id, "answer": 2}])).await;
    assert!(cat.until("answer").await.contains(r#"42["answer",{"from":""#));

    // With the id in place of the session's name nothing is to be had.
    let thief = Poller { server: &pair.server, sid: id.clone(), revision: 4 };
    for reply in [thief.poll().await, thief.post("42[\"offer\"]").await] {
        assert_eq!((reply.status, &reply.json()["message"]), (400, &json!("Session ID unknown")));
    }
    let path = format!("{SOCKET}&sid={id}");
    assert_eq!(Wire::try_open(pair.server.addr, &path, &[]).await.map(|_| ()), Err(400));

    // From requests to a socket, as clients do it.
    let mut wire = Wire::open(pair.server.addr, &format!("{SOCKET}&sid={}", cat.sid)).await;
    wire.say("2probe").await;
    assert_eq!(wire.text_with("3").await, "3probe");
    wire.say("5").await;
    wire.say(format!("42{}", json!(["offer", {"to": pair.ann.id, "offer": 3}]))).await;
    assert_eq!(pair.ann.event().await, json!(["offer", {"from": id, "offer": 3}]));
    pair.goes_on().await;
}

#[tokio::test]
async fn clients_of_the_protocol_before_are_served() {
    let mut pair = Pair::start().await;
    let mut wire = Wire::open(pair.server.addr, "/socket.io/?EIO=3&transport=websocket").await;
    let open = wire.text().await;
    let id = open.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // It is in without asking.
    assert_eq!(wire.text_with("40").await, "40");
    assert_eq!(wire.text_with("42").await, format!(r#"42["me","{id}"]"#));
    wire.say(format!("42{}", json!(["offer", {"to": pair.ann.id, "offer": 1}]))).await;
    assert_eq!(pair.ann.event().await, json!(["offer", {"from": id, "offer": 1}]));
    wire.say("2").await;
    assert_eq!(wire.text().await, "3", "here the client asks");

    let opened = pair.server.get("/socket.io/?EIO=3&transport=polling").await.body;
    let sid = opened.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let cat = Poller { server: &pair.server, sid, revision: 3 };
    let said = format!("42{}", json!(["offer", {"to": pair.ann.id, "offer": "ä"}]));
    assert_eq!(cat.post(&format!("{}:{said}", said.chars().count())).await.body, "ok");
    assert_eq!(pair.ann.event().await[1]["offer"], "ä");
    pair.goes_on().await;
}

#[tokio::test]
async fn malformed_packets_end_only_who_sent_them() {
    let mut pair = Pair::start().await;
    let attacks: Vec<Message> = vec![
        Message::text("42"),
        Message::text("42{}"),
        Message::text(r#"42["offer",{"to":"#),
        Message::text("42[1]"),
        Message::text("hello"),
        Message::text("\u{e9}1234"),
        Message::text(""),
        Message::text("451-[\"offer\",{\"_placeholder\":true,\"num\":0}]"),
        Message::binary(vec![4, 1, 2, 3]),
    ];
    for attack in attacks {
        let mut eve = Client::open(&pair.server).await;
        eve.wire.throw(attack.clone()).await;
        let texts = eve.until_the_end().await;
        let told = texts.first().is_some_and(|text| text.starts_with(r#"42["error",{"code":"bad_message""#));
        assert!(told, "{attack:?}: {texts:?}");
        assert_eq!(texts.get(1).map(String::as_str), Some("41"), "{attack:?}");
    }
    for body in ["hello", "\u{e9}1234", "bAAAA", "451-[\"x\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAAAA", ""] {
        let eve = Poller::open(&pair.server).await;
        eve.post("40").await;
        let reply = eve.post(body).await;
        assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("bad_message")), "{body}");
    }
    for path in ["/socket.io/", "/socket.io/?EIO=9&transport=polling", "/socket.io/?EIO=4&transport=pigeon"] {
        assert_eq!(pair.server.get(path).await.status, 400, "{path}");
    }
    pair.goes_on().await;
}

#[tokio::test]
async fn messages_that_are_too_long_are_refused() {
    let mut pair = Pair::start().await;
    let long = format!("42{}", json!(["offer", {"to": pair.bob.id, "offer": "x".repeat(70_000)}]));
    let mut eve = Client::open(&pair.server).await;
    eve.wire.throw(Message::text(long.clone())).await;
    let texts = eve.until_the_end().await;
    assert!(texts[0].starts_with(r#"42["error",{"code":"too_large""#), "{texts:?}");
    let eve = Poller::open(&pair.server).await;
    let reply = eve.post(&long).await;
    assert_eq!((reply.status, &reply.json()["code"]), (413, &json!("too_large")));
    assert_eq!(pair.server.metric("parlour_refused_total{code=\"too_large\"}").await, 2.0);
    pair.goes_on().await;
}

#[tokio::test]
async fn floods_are_told_and_then_cut_off() {
    let mut pair = Pair::start().await;
    let mut eve = Client::open(&pair.server).await;
    for n in 0..2300 {
        if !eve.wire.throw(Message::text(format!("42{}", json!(["offer", {"to": eve.id, "n": n}])))).await {
            break;
        }
    }
    let texts = eve.until_the_end().await;
    assert!(texts.iter().any(|text| text.contains(r#"42["error",{"code":"rate","message":"At most 50"#)), "told");
    assert!(texts.iter().any(|text| text.contains("Too many messages for too long")), "cut off");
    assert_eq!(texts.last().map(String::as_str), Some("41"));

    // Frames that are no events: acknowledgements of nothing, and pings of the WebSocket itself.
    for frame in [Message::text("431[]"), Message::Ping(vec![0; 100].into())] {
        let mut eve = Client::open(&pair.server).await;
        for _ in 0..2000 {
            if !eve.wire.throw(frame.clone()).await {
                break;
            }
        }
        let texts = eve.until_the_end().await;
        assert!(texts.iter().any(|text| text.starts_with(r#"42["error",{"code":"rate""#)), "{frame:?}: {texts:?}");
    }
    pair.goes_on().await;
}

#[tokio::test]
async fn nobody_enters_twice_and_nobody_stays_without_entering() {
    let mut pair = Pair::start().await;
    let mut eve = Client::open(&pair.server).await;
    eve.wire.say("40").await;
    assert!(eve.wire.text_with("44").await.contains("entered already"));
    eve.wire.say("40/admin,").await;
    assert!(eve.wire.text_with("44/admin").await.contains("Invalid namespace"));
    // A second connection that says nothing is closed.
    let mut mute = Wire::open(pair.server.addr, SOCKET).await;
    let closed = tokio::time::timeout(PATIENCE, mute.until_the_end()).await.unwrap();
    assert!(closed.0.iter().all(|text| text == "2" || text.starts_with("0{")), "{closed:?}");
    pair.goes_on().await;
}

#[tokio::test]
async fn who_does_not_read_is_let_go() {
    let mut pair = Pair::start_with(|config| {
        config.limits.messages_per_s = 10_000;
        config.limits.burst = 100_000;
    })
    .await;
    let deaf = Client::open(&pair.server).await;
    let silent = Poller::open(&pair.server).await;
    silent.post("40").await;
    let id = silent.until("\"sid\"").await.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut tom = Client::open(&pair.server).await;
    for to in [&deaf.id, &id] {
        let refusal = loop {
            let answer = tom.ask(json!(["offer", {"to": to, "offer": "x".repeat(60_000)}])).await;
            if answer["ok"] == false {
                break answer;
            }
        };
        assert_eq!(refusal["code"], "no_such_peer");
        assert!(tom.event().await[1]["message"].is_string());
    }
    assert_eq!(pair.server.metric("parlour_ws_overflows_total").await, 2.0);
    pair.goes_on().await;
    drop(deaf);
}

#[tokio::test]
async fn connections_of_an_address_are_bounded_and_given_back() {
    let server = TestServer::start(|config| config.limits.conns_per_ip = 2).await;
    let first = Client::open(&server).await;
    let _second = Poller::open(&server).await;
    assert_eq!(Wire::try_open(server.addr, SOCKET, &[]).await.map(|_| ()), Err(429));
    let refused = server.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too_many_connections")));
    assert_eq!(server.metric("parlour_compat_clients{protocol=\"socketio\"}").await, 2.0);
    drop(first);
    server.until_metric("parlour_compat_clients{protocol=\"socketio\"}", |clients| clients == 1.0).await;
    Client::open(&server).await;

    let server = TestServer::start(|config| config.limits.joins_per_min_per_ip = 1).await;
    let _first = Client::open(&server).await;
    let refused = server.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("too_many_joins")));
    assert!(refused.headers["retry-after"].parse::<u64>().unwrap() > 0);
}

#[tokio::test]
async fn pages_of_other_origins_are_served_only_if_named() {
    let server = TestServer::start(|config| config.origins = vec![Origin::Exact("http://localhost:3000".into())]).await;
    let host = server.addr;
    let ask = async |method: &str, origin: &str| {
        let path = "/socket.io/?EIO=4&transport=polling";
        let more = "Access-Control-Request-Headers: x-mine\r\nConnection: close";
        request(host, &format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{more}\r\n\r\n")).await
    };
    let friend = ask("GET", "http://localhost:3000").await;
    assert_eq!((friend.status, friend.headers["access-control-allow-origin"].as_str()), (200, "http://localhost:3000"));
    assert_eq!(friend.headers["access-control-allow-credentials"], "true");
    let asked = ask("OPTIONS", "http://localhost:3000").await;
    assert_eq!((asked.status, asked.headers["access-control-allow-headers"].as_str()), (204, "x-mine"));
    let evil = ask("GET", "https://evil.example").await;
    assert_eq!((evil.status, evil.headers.get("access-control-allow-origin")), (403, None));
    let from = async |origin: &str| Wire::try_open(host, SOCKET, &[("origin", origin)]).await.map(|_| ());
    assert_eq!(from("https://evil.example").await, Err(403));
    assert_eq!(from("http://localhost:3000").await, Ok(()));
}

#[tokio::test]
async fn the_port_of_the_tutorials_serves_it_too() {
    let server = TestServer::start(|config| {
        use parlour_server::config::{Listen, Switch};
        config.compat.port = Switch::On(Listen::at("127.0.0.1:0".parse().unwrap()));
    })
    .await;
    let port = server.server.ready().compat.unwrap();
    assert_ne!(port, server.addr);
    let mut wire = Wire::open(port, SOCKET).await;
    assert!(wire.text().await.starts_with("0{"));
}

#[tokio::test]
async fn a_server_that_stops_closes_its_clients() {
    let server = TestServer::start(|_| {}).await;
    let mut ann = Client::open(&server).await;
    let stopping = tokio::spawn(server.server.stop());
    let (_, code) = ann.wire.until_the_end().await;
    assert_eq!(code, 0);
    tokio::time::timeout(Duration::from_secs(4), stopping).await.expect("it does not wait for them").unwrap();
    let _ = Came::Close(0);
}
