//! A world in virtual time around one hub: named clients, their sockets, and randomness that can be read.
#![allow(dead_code, unreachable_pub)]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use parlour_signaling::message::{IceServer, RoomId};
use parlour_signaling::{ConnId, Event, Frame, Hub, HubConfig, Now};

/// When every world begins, in milliseconds since the Unix epoch.
pub const EPOCH_MS: u64 = 1_800_000_000_000;

/// What a client sees, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Text(String),
    Closed(u16, &'static str),
}

pub struct World {
    pub hub: Hub,
    pub events: Vec<Event>,
    config: HubConfig,
    start: Instant,
    elapsed: Duration,
    next_conn: u64,
    names: BTreeMap<ConnId, String>,
    conns: BTreeMap<String, ConnId>,
    joins: BTreeMap<String, u8>,
    /// What the hub's source of randomness yields next.
    dice: Arc<Mutex<VecDeque<u8>>>,
}

/// A configuration as in the examples of the specification.
pub fn config() -> HubConfig {
    HubConfig {
        node: "example".to_owned(),
        ice_servers: Arc::new(|_, _, _| vec![IceServer::stun("stun:example.org:3478".to_owned())]),
        ..HubConfig::default()
    }
}

fn loaded(dice: &Arc<Mutex<VecDeque<u8>>>) -> parlour_signaling::Rng {
    let dice = Arc::clone(dice);
    let mut filler = 0x9e37_79b9_7f4a_7c15u64;
    Box::new(move |bytes| {
        let mut dice = dice.lock().unwrap();
        for byte in bytes {
            *byte = dice.pop_front().unwrap_or_else(|| {
                filler ^= filler << 13;
                filler ^= filler >> 7;
                filler ^= filler << 17;
                filler as u8
            });
        }
    })
}

impl World {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: HubConfig) -> Self {
        let dice = Arc::default();
        Self {
            hub: Hub::new(config.clone(), loaded(&dice)),
            events: Vec::new(),
            config,
            start: Instant::now(),
            elapsed: Duration::ZERO,
            next_conn: 0,
            names: BTreeMap::new(),
            conns: BTreeMap::new(),
            joins: BTreeMap::new(),
            dice,
        }
    }

    pub fn now(&self) -> Now {
        Now { instant: self.start + self.elapsed, unix_ms: EPOCH_MS + self.elapsed.as_millis() as u64 }
    }

    /// A socket of `name` opens. Ids that the hub draws for it begin with its name.
    pub fn connect(&mut self, name: &str) {
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.names.insert(conn, name.to_owned());
        self.conns.insert(name.to_owned(), conn);
        self.hub.open(self.now(), conn, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    }

    fn load_dice(&self, name: &str, times: u8) {
        let label = match times {
            0 => name.to_owned(),
            times => format!("{name}{}", char::from(b'a' + times)),
        };
        let mut dice = self.dice.lock().unwrap();
        dice.clear();
        for (word, length) in [("session", 16), ("secret", 32), ("", 16)] {
            let text = if word.is_empty() { label.clone() } else { format!("{word}of{label}") };
            dice.extend(text.bytes().chain(std::iter::repeat(b'2')).take(length).map(letter_value));
        }
    }

    pub fn send(&mut self, name: &str, text: &str) {
        if text.contains("\"hello\"") {
            let times = *self.joins.get(name).unwrap_or(&0);
            self.load_dice(name, times);
            let before = self.dice.lock().unwrap().len();
            self.hub.handle_message(self.now(), self.conn(name), text);
            if self.dice.lock().unwrap().len() < before {
                *self.joins.entry(name.to_owned()).or_default() += 1;
            }
            self.dice.lock().unwrap().clear();
        } else {
            self.hub.handle_message(self.now(), self.conn(name), text);
        }
    }

    pub fn conn(&self, name: &str) -> ConnId {
        self.conns[name]
    }

    /// The socket of `name` is lost.
    pub fn cut(&mut self, name: &str) {
        self.hub.handle_close(self.now(), self.conn(name));
    }

    /// All that was sent since the last time, with the names of those who got it.
    pub fn seen(&mut self) -> Vec<(String, Seen)> {
        let raw = self.sent();
        raw.into_iter().map(|(conn, seen)| (self.names[&conn].clone(), seen)).collect()
    }

    /// All that was sent since the last time, with the sockets on which it was.
    pub fn sent(&mut self) -> Vec<(ConnId, Seen)> {
        let mut seen = Vec::new();
        while let Some(transmit) = self.hub.poll_transmit() {
            let what = match transmit.frame {
                Frame::Text(text) => {
                    assert_eq!(text.len(), text.to_bytes().len());
                    Seen::Text(String::from_utf8(text.to_bytes().to_vec()).unwrap())
                }
                Frame::Close { code, reason } => Seen::Closed(code, reason),
            };
            seen.push((transmit.conn, what));
        }
        while let Some(event) = self.hub.poll_event() {
            self.events.push(event);
        }
        seen
    }

    /// Lets time pass, stopping at each timer.
    pub fn pass(&mut self, time: Duration) {
        let until = self.elapsed + time;
        while let Some(due) = self.hub.poll_timeout().filter(|due| *due <= self.start + until) {
            self.elapsed = self.elapsed.max(due.saturating_duration_since(self.start));
            self.hub.handle_timeout(self.now());
        }
        self.elapsed = until;
        self.hub.handle_timeout(self.now());
    }

    /// Stops the server and starts it again with what it stored.
    pub fn restart(&mut self, clean: bool) {
        let stored = serde_json::to_string(&self.hub.snapshot()).unwrap();
        let mut state: parlour_signaling::HubState = serde_json::from_str(&stored).unwrap();
        if !clean {
            // What single events had told storage: who is where, but not what is under way.
            state.clean = false;
            for session in &mut state.sessions {
                session.pending.clear();
                session.sent = 0;
            }
        }
        self.hub = Hub::new(self.config.clone(), loaded(&self.dice));
        self.hub.restore(self.now(), state);
    }

    pub fn room(&self, name: &str) -> Option<parlour_signaling::RoomInfo> {
        self.hub.room(&RoomId(name.to_owned()))
    }
}

fn letter_value(letter: u8) -> u8 {
    match letter {
        b'a'..=b'z' => letter - b'a',
        b'2'..=b'7' => letter - b'2' + 26,
        other => panic!("{other} is not a letter of base32"),
    }
}
