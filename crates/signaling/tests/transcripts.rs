//! Whole conversations, word by word. Each file in `transcripts/` is one behaviour and an example for the specification.
//!
//! A line is a comment (`#`), something that happens, or something that a client then gets:
//!
//! ```text
//! config max_peers 2        a setting, before anything else
//! ann connects              a socket opens
//! ann > {"t":"hello",…}     a client sends
//! ann < {"t":"welcome",…}   a client gets
//! ann x 4001 left           a client's socket is closed by the server
//! ann cut                   a socket is lost
//! ann reads nothing         the queue to a client is full
//! + 12s                     time passes
//! drain | restart | crash   of the server
//! ```
//!
//! After a change of behaviour that is meant, `PARLOUR_BLESS=1 cargo test -p parlour-signaling --test transcripts` writes the answers anew; read the difference.

mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use support::{Seen, World, config};

fn play(script: &str) -> String {
    let mut config = config();
    let mut world: Option<World> = None;
    let mut out = String::new();
    for line in script.lines() {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        if matches!(words[..], [_, "<" | "x", _]) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let ["config", key, value] = words[..] {
            set(&mut config, key, value);
            continue;
        }
        let world = world.get_or_insert_with(|| World::with(config.clone()));
        match words[..] {
            [name, "connects"] => world.connect(name),
            [name, ">", text] => world.send(name, text),
            [name, "cut"] => world.cut(name),
            [name, "reads", "nothing"] => {
                let (now, conn) = (world.now(), world.conn(name));
                world.hub.overflowed(now, conn);
            }
            ["+", time] => world.pass(duration(time)),
            ["drain"] => {
                let now = world.now();
                world.hub.drain(now);
            }
            ["restart"] => world.restart(true),
            ["crash"] => world.restart(false),
            _ => panic!("what is {line:?}?"),
        }
        for (name, seen) in world.seen() {
            out.push_str(&match seen {
                Seen::Text(text) => format!("{name} < {text}\n"),
                Seen::Closed(code, reason) => format!("{name} x {code} {reason}\n"),
            });
        }
    }
    out
}

fn set(config: &mut parlour_signaling::HubConfig, key: &str, value: &str) {
    use parlour_signaling::{Auth, PasswordHash};
    match key {
        "max_peers" => config.max_peers = value.parse().unwrap(),
        "waiting_room" => config.waiting_room = value.parse().unwrap(),
        "auto_create" => config.auto_create = value.parse().unwrap(),
        "ring_events" => config.ring_events = value.parse().unwrap(),
        "resume" => config.resume = duration(value),
        "password" => config.auth = Auth::Password(PasswordHash::new(value, &mut |salt| salt.fill(7))),
        "messages_per_s" => config.messages_per_s = value.parse().unwrap(),
        "burst" => config.burst = value.parse().unwrap(),
        _ => panic!("no setting {key:?}"),
    }
}

fn duration(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(ms) => Duration::from_millis(ms.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

#[test]
fn every_transcript_is_spoken_word_by_word() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let bless = std::env::var_os("PARLOUR_BLESS").is_some();
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 10, "the transcripts are gone");
    let mut wrong = Vec::new();
    for file in files {
        let expected = fs::read_to_string(&file).unwrap();
        let heard = play(&expected);
        if bless {
            fs::write(&file, heard).unwrap();
        } else if heard != expected {
            let differ = |(heard, expected): &(&str, &str)| heard != expected;
            let line = heard.lines().zip(expected.lines()).position(|pair| differ(&pair)).unwrap_or(usize::MAX);
            let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            wrong.push(format!("{name}:{}\n  expected {}\n  heard    {}", line + 1, at(&expected), at(&heard)));
        }
    }
    assert!(wrong.is_empty(), "{}\nPARLOUR_BLESS=1 writes the answers anew.", wrong.join("\n"));
}
