//! What the hub costs per message that it passes on: from the text of the sender's frame to the text of the receiver's.
//!
//! `cargo bench -p parlour-signaling --bench relay`

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlour_signaling::{ConnId, Frame, Hub, HubConfig, Now};
use serde_json::{Value, json};

fn hub(rooms: u64) -> Hub {
    let config = HubConfig { messages_per_s: u32::MAX, burst: u32::MAX, max_peers: 1000, ..HubConfig::default() };
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut hub = Hub::new(
        config,
        Box::new(move |bytes| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = (state >> 24) as u8;
            }
        }),
    );
    for room in 0..rooms {
        join(&mut hub, 2 * room, room);
        join(&mut hub, 2 * room + 1, room);
    }
    hub
}

fn now() -> Now {
    Now { instant: Instant::now(), unix_ms: 1_800_000_000_000 }
}

/// Joins and returns the id of the participant.
fn join(hub: &mut Hub, conn: u64, room: u64) -> String {
    hub.open(now(), ConnId(conn), IpAddr::V4(Ipv4Addr::LOCALHOST));
    hub.handle_message(now(), ConnId(conn), &json!({"t": "hello", "v": 1, "room": format!("room{room}")}).to_string());
    let mut id = String::new();
    while let Some(transmit) = hub.poll_transmit() {
        if let (true, Frame::Text(text)) = (transmit.conn == ConnId(conn), transmit.frame) {
            let welcome: Value = serde_json::from_slice(&text.to_bytes()).unwrap();
            id = welcome["snapshot"]["you"]["id"].as_str().unwrap_or_default().to_owned();
        }
    }
    while hub.poll_event().is_some() {}
    id
}

/// A message as the SDK writes it, with a number that can be counted up in place.
struct Numbered {
    text: Vec<u8>,
    at: usize,
    seq: u64,
}

impl Numbered {
    fn new(text: &str) -> Self {
        let text = text.to_owned();
        let at = text.find("1000000000").unwrap();
        Self { text: text.into_bytes(), at, seq: 1_000_000_000 }
    }

    fn next(&mut self) -> &str {
        self.seq += 1;
        let mut rest = self.seq;
        for digit in self.text[self.at..self.at + 10].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        std::str::from_utf8(&self.text).unwrap()
    }
}

fn relay(c: &mut Criterion) {
    let mut group = c.benchmark_group("relay");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for rooms in [1, 10_000] {
        let mut hub = hub(rooms);
        let ann = join(&mut hub, 9_000_000, 1_000_000);
        let ben = join(&mut hub, 9_000_001, 1_000_000);
        assert!(!ann.is_empty() && !ben.is_empty());
        let line = "a=candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0\r\n";
        let sdp = format!(
            r#"{{"t":"sdp","seq":1000000000,"pc":"p:{ben}","gen":0,"kind":"offer","sdp":{}}}"#,
            json!(line.repeat(3000 / line.len()))
        );
        let ice = format!(
            r#"{{"t":"ice","seq":1000000000,"pc":"p:{ben}","gen":0,"cand":{{"candidate":"{}","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"abcd"}}}}"#,
            line.trim()
        );
        let ping = r#"{"t":"ping","ack":1000000000}"#.to_owned();
        let mut seq = 1_000_000_000;
        for (name, message) in [("sdp 3 kB", sdp), ("ice 200 B", ice), ("ping", ping)] {
            let mut message = Numbered::new(&message);
            message.seq = seq;
            group.throughput(Throughput::Bytes(message.text.len() as u64));
            group.bench_function(format!("{name}, {rooms} rooms"), |b| {
                let now = now();
                b.iter(|| {
                    hub.handle_message(now, ConnId(9_000_000), message.next());
                    let transmit = hub.poll_transmit().unwrap();
                    let Frame::Text(text) = transmit.frame else { unreachable!() };
                    black_box(text.to_bytes())
                });
            });
            seq = message.seq;
        }
    }
    group.finish();
}

fn broadcast(c: &mut Criterion) {
    let mut group = c.benchmark_group("broadcast");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    let mut hub = hub(0);
    for conn in 0..100 {
        join(&mut hub, conn, 0);
    }
    let text = format!(r#"{{"t":"msg","seq":1000000000,"topic":"board","data":{{"text":"{}"}}}}"#, "x".repeat(200));
    let mut message = Numbered::new(&text);
    group.throughput(Throughput::Elements(99));
    group.bench_function("msg 200 B to 99", |b| {
        let now = now();
        b.iter(|| {
            hub.handle_message(now, ConnId(0), message.next());
            while let Some(transmit) = hub.poll_transmit() {
                let Frame::Text(text) = transmit.frame else { unreachable!() };
                black_box(text.to_bytes());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, relay, broadcast);
criterion_main!(benches);
