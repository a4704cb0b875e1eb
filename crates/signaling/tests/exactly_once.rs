//! Cuts cost nothing: whoever resumes has seen, and has been heard, exactly as if it had never been cut.

mod support;

use std::time::Duration;

use parlour_signaling::ConnId;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Seen, World};

const CLIENTS: usize = 7;

/// The first of them, one in each of two rooms, are never cut.
const HOSTS: usize = 2;

#[derive(Clone, Debug)]
enum Op {
    Join(usize),
    Leave(usize),
    /// The connection breaks; the server notices at once, or not before the client is back.
    Cut(usize, bool),
    /// The client is back. With `anxious` it sends again more than it must.
    Resume(usize, bool),
    Say(usize, usize, u8),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (who, anybody) = (HOSTS..CLIENTS, 0..CLIENTS);
    prop_oneof![
        3 => who.clone().prop_map(Op::Join),
        1 => who.clone().prop_map(Op::Leave),
        4 => (who.clone(), any::<bool>()).prop_map(|(who, noticed)| Op::Cut(who, noticed)),
        4 => (who, any::<bool>()).prop_map(|(who, anxious)| Op::Resume(who, anxious)),
        16 => (anybody.clone(), anybody, 0..11u8).prop_map(|(from, to, what)| Op::Say(from, to, what)),
        2 => (1..150u64).prop_map(Op::Wait),
    ]
}

#[derive(Default)]
struct Client {
    conn: Option<ConnId>,
    /// Its connection is broken, whether the server knows or not.
    dead: bool,
    /// It is the twin: when it should be cut, it only holds its tongue.
    silent: bool,
    sid: String,
    secret: String,
    peer: String,
    last: u64,
    next: u64,
    /// What it said, by number.
    said: Vec<String>,
    /// What it says once it is back.
    held: Vec<String>,
    /// The numbered events that it saw, over all its sessions.
    seen: Vec<String>,
    peers_ever: Vec<String>,
}

struct Play {
    world: World,
    clients: Vec<Client>,
    uncut: Option<usize>,
}

impl Play {
    fn name(who: usize) -> String {
        char::from(b'a' + who as u8).to_string()
    }

    fn hello(who: usize) -> Value {
        json!({"t": "hello", "v": 1, "room": format!("room{}", who % 2), "name": Self::name(who)})
    }

    fn listen(&mut self) -> Option<Value> {
        let mut welcome = None;
        for (conn, seen) in self.world.sent() {
            let Some(client) = self.clients.iter_mut().find(|client| client.conn == Some(conn) && !client.dead) else {
                continue;
            };
            let Seen::Text(text) = seen else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            if let Some(seq) = message["seq"].as_u64() {
                assert_eq!(seq, client.last + 1, "events come in order, each once");
                client.last = seq;
                client.seen.push(text);
            } else if message["t"] == "welcome" {
                welcome = Some(message);
            } else {
                assert!(message["t"] == "pong" || message["t"] == "bye", "{message}");
            }
        }
        welcome
    }

    fn send(&mut self, who: usize, text: &str) {
        self.world.send(&Self::name(who), text);
        self.listen();
    }

    fn join(&mut self, who: usize) {
        let name = Self::name(who);
        self.world.connect(&name);
        let seen = std::mem::take(&mut self.clients[who].seen);
        let peers_ever = std::mem::take(&mut self.clients[who].peers_ever);
        self.clients[who] =
            Client { conn: Some(self.world.conn(&name)), next: 1, seen, peers_ever, ..Client::default() };
        self.world.send(&name, &Self::hello(who).to_string());
        let welcome = self.listen().expect("a welcome");
        let client = &mut self.clients[who];
        client.sid = welcome["sid"].as_str().unwrap().to_owned();
        client.secret = welcome["secret"].as_str().unwrap().to_owned();
        client.peer = welcome["snapshot"]["you"]["id"].as_str().unwrap().to_owned();
        client.peers_ever.push(client.peer.clone());
    }

    fn say(&mut self, who: usize, mut message: Value) {
        let client = &mut self.clients[who];
        if client.conn.is_none() {
            return;
        }
        message["seq"] = json!(client.next);
        client.next += 1;
        let text = message.to_string();
        client.said.push(text.clone());
        if client.dead || client.silent {
            client.held.push(text);
        } else {
            self.send(who, &text);
        }
    }

    fn cut(&mut self, who: usize, noticed: bool) {
        let twin = self.uncut == Some(who);
        let client = &mut self.clients[who];
        if client.conn.is_none() || client.dead {
            return;
        }
        if twin {
            client.silent = true;
            return;
        }
        client.dead = true;
        if noticed {
            self.world.cut(&Self::name(who));
            self.listen();
        }
    }

    fn resume(&mut self, who: usize, anxious: bool) {
        if std::mem::take(&mut self.clients[who].silent) {
            for text in std::mem::take(&mut self.clients[who].held) {
                self.send(who, &text);
            }
        }
        if !self.clients[who].dead {
            return;
        }
        let name = Self::name(who);
        self.world.connect(&name);
        let conn = self.world.conn(&name);
        let client = &mut self.clients[who];
        client.conn = Some(conn);
        client.dead = false;
        let mut hello = Self::hello(who);
        hello["resume"] = json!({"sid": client.sid, "secret": client.secret, "last": client.last});
        self.world.send(&name, &hello.to_string());
        let welcome = self.listen().expect("a welcome");
        assert_eq!(welcome["resumed"], true);
        let ack = welcome["ack"].as_u64().unwrap() as usize;
        let client = &mut self.clients[who];
        assert_eq!(client.said.len() - ack, client.held.len(), "the server has all that was sent before the cut");
        client.held.clear();
        let from = if anxious { ack.saturating_sub(3) } else { ack };
        let again = client.said[from..].to_vec();
        for text in &again {
            self.send(who, text);
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Join(who) if self.clients[who].conn.is_none() => self.join(who),
            Op::Leave(who) if !self.clients[who].dead && !self.clients[who].silent => {
                self.say(who, json!({"t": "bye"}));
                self.clients[who].conn = None;
            }
            Op::Join(_) | Op::Leave(_) => {}
            Op::Cut(who, noticed) => self.cut(who, noticed),
            Op::Resume(who, anxious) => self.resume(who, anxious),
            Op::Say(who, to, what) => {
                let to = self.clients[to].peer.clone();
                let pc = format!("p:{to}");
                let id = self.clients[who].next;
                self.say(
                    who,
                    match what {
                        0 => json!({"t": "chat", "id": id, "text": format!("{who} says {id}")}),
                        1 => json!({"t": "chat", "text": "psst", "to": to}),
                        2 => json!({"t": "sdp", "id": id, "pc": pc, "gen": 0, "kind": "offer", "sdp": "v=0\r\n"}),
                        3 => json!({"t": "ice", "pc": pc, "gen": 1, "cand": {"candidate": id.to_string()}}),
                        4 => json!({"t": "msg", "topic": "x", "data": id}),
                        5 => json!({"t": "set", "id": id, "mic": id.is_multiple_of(2)}),
                        6 => json!({"t": "hand", "on": id.is_multiple_of(2)}),
                        7 => json!({"t": "reaction", "emoji": "👋"}),
                        8 => json!({"t": "role", "id": id, "peer": to, "role": "speaker"}),
                        9 => json!({"t": "hand", "on": false, "peer": to}),
                        _ => json!({"t": "lock", "id": id, "on": false}),
                    },
                );
            }
            Op::Wait(ms) => {
                self.world.pass(Duration::from_millis(ms));
                self.listen();
                for who in 0..CLIENTS {
                    let client = &self.clients[who];
                    if client.conn.is_some() && !client.dead {
                        let ping = json!({"t": "ping", "ack": client.last}).to_string();
                        self.send(who, &ping);
                    }
                }
            }
        }
    }
}

fn play(ops: &[Op], uncut: Option<usize>) -> Vec<Vec<String>> {
    let clients = (0..CLIENTS).map(|_| Client::default()).collect();
    let mut play = Play { world: World::new(), clients, uncut };
    // The hosts stay: who inherits a room depends on who is connected, as it should.
    for host in 0..HOSTS {
        play.join(host);
    }
    for op in ops {
        play.step(op);
    }
    for who in 0..CLIENTS {
        play.resume(who, false);
    }
    for who in 0..CLIENTS {
        play.step(&Op::Leave(who));
    }
    play.world.pass(Duration::from_secs(3600));
    let hub = &play.world.hub;
    assert_eq!((hub.room_count(), hub.session_count(), hub.connection_count()), (0, 0, 0), "nothing is left over");
    assert_eq!(hub.poll_timeout(), None, "and nothing is to come");
    play.clients.into_iter().map(|client| client.seen).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn who_resumes_sees_what_a_twin_sees_that_was_never_cut(ops in prop::collection::vec(op(), 1..70)) {
        let cut = play(&ops, None);
        for (who, cut) in cut.iter().enumerate().skip(HOSTS) {
            let twins = play(&ops, Some(who));
            prop_assert_eq!(cut, &twins[who], "client {}", who);
        }
    }
}
