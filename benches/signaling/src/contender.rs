//! The servers that are compared: how each is started, and how a client speaks with it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::Error;
use crate::process::{Server, free_port};

/// A server to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Parlour,
    Ws,
    SocketIo,
    PeerJs,
    /// Parlour's server as Socket.IO clients see it.
    ParlourSocketIo,
    /// Parlour's server as PeerJS clients see it.
    ParlourPeerJs,
}

/// What a client sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Payload {
    /// A session description of about 3 kB.
    Description,
    /// A candidate of about 200 bytes.
    Candidate,
    /// Application data of about 200 bytes.
    Small,
}

/// What a text from the server is to the client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The client is in, under this id.
    In { id: String, others: Vec<String> },
    /// This other is there.
    Other(String),
    /// A description that wants an answer.
    Offer,
    /// Another relayed message.
    Relayed,
    /// Something that must be answered with this text, and costs what it costs.
    Answer(String),
    /// Nothing that matters.
    Noise,
    /// The server refused something.
    Refused(String),
}

impl Contender {
    pub(crate) const ALL: [Self; 4] = [Self::Parlour, Self::Ws, Self::SocketIo, Self::PeerJs];

    /// Those that serve clients of other systems: the originals, and Parlour in their place.
    pub(crate) const COMPATIBLE: [Self; 4] = [Self::SocketIo, Self::ParlourSocketIo, Self::PeerJs, Self::ParlourPeerJs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Parlour => "parlour",
            Self::Ws => "ws",
            Self::SocketIo => "socket.io",
            Self::PeerJs => "peerjs-server",
            Self::ParlourSocketIo => "parlour/socket.io",
            Self::ParlourPeerJs => "parlour/peerjs",
        }
    }

    /// Starts it on a free port of 127.0.0.1. `data` is a directory that it may fill.
    pub(crate) fn start(self, data: &Path) -> Result<Server, Error> {
        let port = free_port()?;
        let command = match self {
            Self::Parlour | Self::ParlourSocketIo | Self::ParlourPeerJs => parlour(port, data, &[])?,
            Self::Ws => node("ws.mjs", port),
            Self::SocketIo => node("socketio.mjs", port),
            Self::PeerJs => node("peerjs.mjs", port),
        };
        Server::start(command, port)
    }

    /// The address to which client `number` connects.
    pub(crate) fn url(self, port: u16, number: usize) -> String {
        match self {
            Self::Parlour => format!("ws://127.0.0.1:{port}/v1/ws"),
            Self::Ws => format!("ws://127.0.0.1:{port}/?id=c{number}"),
            Self::SocketIo => format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket&id=c{number}"),
            Self::ParlourSocketIo => format!("ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"),
            Self::PeerJs | Self::ParlourPeerJs => {
                format!("ws://127.0.0.1:{port}/peerjs?key=peerjs&id=c{number}&token=t{number}&version=1.5.5")
            }
        }
    }

    /// The WebSocket subprotocol that it asks for.
    pub(crate) fn subprotocol(self) -> Option<&'static str> {
        (self == Self::Parlour).then_some("parlour.v1")
    }

    /// What a client says first, unless it waits for the server. Clients 2n and 2n+1 belong together.
    pub(crate) fn hello(self, number: usize) -> Option<String> {
        (self == Self::Parlour).then(|| {
            json!({ "t": "hello", "v": 1, "room": format!("bench-{}", number / 2), "name": format!("c{number}") })
                .to_string()
        })
    }

    /// What a client says once it is in, to find its partner.
    pub(crate) fn entered(self, number: usize) -> Option<String> {
        (self == Self::ParlourSocketIo).then(|| format!(r#"420["join","bench-{}"]"#, number / 2))
    }

    /// The id of the partner of client `number`, where ids are the client's own choice.
    pub(crate) fn chosen_partner(self, number: usize) -> Option<String> {
        (!matches!(self, Self::Parlour | Self::ParlourSocketIo)).then(|| format!("c{}", number ^ 1))
    }

    /// What the client says from time to time so that the server keeps it, and how often.
    pub(crate) fn heartbeat(self, seen: u64) -> Option<(std::time::Duration, String)> {
        match self {
            Self::Parlour => Some((std::time::Duration::from_secs(10), format!(r#"{{"t":"ping","ack":{seen}}}"#))),
            Self::PeerJs | Self::ParlourPeerJs => {
                Some((std::time::Duration::from_secs(5), r#"{"type":"HEARTBEAT"}"#.to_owned()))
            }
            Self::Ws | Self::SocketIo | Self::ParlourSocketIo => None,
        }
    }

    /// A message to `partner`; `seq` is its number in the client's session.
    pub(crate) fn message(self, payload: Payload, partner: &str, seq: u64, bodies: &Bodies) -> String {
        let (description, candidate, small) = (&bodies.description, &bodies.candidate, &bodies.small);
        match (self, payload) {
            (Self::Parlour, Payload::Description) => {
                format!(r#"{{"t":"sdp","seq":{seq},"pc":"p:{partner}","gen":0,"kind":"offer","sdp":{description}}}"#)
            }
            (Self::Parlour, Payload::Candidate) => {
                format!(r#"{{"t":"ice","seq":{seq},"pc":"p:{partner}","gen":0,"cand":{candidate}}}"#)
            }
            (Self::Parlour, Payload::Small) => {
                format!(r#"{{"t":"msg","seq":{seq},"to":"{partner}","topic":"bench","data":{small}}}"#)
            }
            (Self::Ws, Payload::Description) => format!(r#"{{"to":"{partner}","type":"offer","sdp":{description}}}"#),
            (Self::Ws, Payload::Candidate) => {
                format!(r#"{{"to":"{partner}","type":"candidate","candidate":{candidate}}}"#)
            }
            (Self::Ws, Payload::Small) => format!(r#"{{"to":"{partner}","type":"data","data":{small}}}"#),
            (Self::SocketIo | Self::ParlourSocketIo, Payload::Description) => {
                format!(r#"42["signal",{{"to":"{partner}","type":"offer","sdp":{description}}}]"#)
            }
            (Self::SocketIo | Self::ParlourSocketIo, Payload::Candidate) => {
                format!(r#"42["signal",{{"to":"{partner}","type":"candidate","candidate":{candidate}}}]"#)
            }
            (Self::SocketIo | Self::ParlourSocketIo, Payload::Small) => {
                format!(r#"42["signal",{{"to":"{partner}","type":"data","data":{small}}}]"#)
            }
            (Self::PeerJs | Self::ParlourPeerJs, Payload::Description) => {
                format!(
                    r#"{{"type":"OFFER","dst":"{partner}","payload":{{"connectionId":"dc_1","sdp":{{"type":"offer","sdp":{description}}}}}}}"#
                )
            }
            (Self::PeerJs | Self::ParlourPeerJs, Payload::Candidate) => {
                format!(
                    r#"{{"type":"CANDIDATE","dst":"{partner}","payload":{{"connectionId":"dc_1","candidate":{candidate}}}}}"#
                )
            }
            // It relays only its own kinds; a candidate is the one that passes unchanged.
            (Self::PeerJs | Self::ParlourPeerJs, Payload::Small) => {
                format!(r#"{{"type":"CANDIDATE","dst":"{partner}","payload":{small}}}"#)
            }
        }
    }

    /// Understands a text from the server. Relayed messages, the many, are told by their beginning.
    pub(crate) fn hear(self, text: &str) -> Heard {
        match self {
            Self::Parlour => hear_parlour(text),
            Self::Ws => {
                if text == r#"{"type":"open"}"# {
                    Heard::In { id: String::new(), others: Vec::new() }
                } else {
                    offer_or_other(text)
                }
            }
            Self::SocketIo => match text.get(..1) {
                Some("0") => Heard::Answer("40".into()),
                Some("2") => Heard::Answer("3".into()),
                Some("4") if text.starts_with("40") => Heard::In { id: String::new(), others: Vec::new() },
                Some("4") if text.starts_with("42") => offer_or_other(text),
                _ => Heard::Noise,
            },
            Self::ParlourSocketIo => hear_parlour_socketio(text),
            Self::PeerJs | Self::ParlourPeerJs => {
                if text.contains(r#""type":"OPEN""#) {
                    Heard::In { id: String::new(), others: Vec::new() }
                } else if text.contains(r#""type":"ERROR""#) || text.contains(r#""type":"ID-TAKEN""#) {
                    Heard::Refused(text.to_owned())
                } else if text.contains(r#""type":"EXPIRE""#) || text.contains(r#""type":"LEAVE""#) {
                    Heard::Noise
                } else {
                    offer_or_other(text)
                }
            }
        }
    }
}

fn offer_or_other(text: &str) -> Heard {
    // The body of an offer is long; nothing else that is relayed here is.
    if text.len() > 2_000 { Heard::Offer } else { Heard::Relayed }
}

fn hear_parlour_socketio(text: &str) -> Heard {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let id = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match text.get(..2) {
        Some("42") if text.starts_with(r#"42["signal""#) => offer_or_other(text),
        // The second of a pair is told by the answer to its `join` who is there; the first hears of the second.
        Some("42") if text.starts_with(r#"42["user-connected""#) => Heard::Other(id(&json(&text[2..])[2])),
        Some("42") if text.starts_with(r#"42["error""#) => Heard::Refused(text.to_owned()),
        Some("43") => json(&text[3..])[0]["peers"].get(0).map_or(Heard::Noise, |peer| Heard::Other(id(peer))),
        Some("40") => Heard::In { id: id(&json(&text[2..])["sid"]), others: Vec::new() },
        _ if text.starts_with('0') => Heard::Answer("40".into()),
        _ if text == "2" => Heard::Answer("3".into()),
        _ => Heard::Noise,
    }
}

fn hear_parlour(text: &str) -> Heard {
    let kind = kind(text);
    match kind {
        "sdp" => Heard::Offer,
        "ice" | "msg" | "restart" => Heard::Relayed,
        "welcome" => {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            let snapshot = &value["snapshot"];
            let id = |peer: &Value| peer["id"].as_str().unwrap_or_default().to_owned();
            Heard::In {
                id: id(&snapshot["you"]),
                others: snapshot["peers"].as_array().map(|peers| peers.iter().map(id).collect()).unwrap_or_default(),
            }
        }
        "peer" => {
            let value: Value = serde_json::from_str(text).unwrap_or_default();
            match (value["op"].as_str(), value["peer"]["id"].as_str()) {
                (Some("add"), Some(id)) => Heard::Other(id.to_owned()),
                _ => Heard::Noise,
            }
        }
        "error" | "bye" => Heard::Refused(text.to_owned()),
        _ => Heard::Noise,
    }
}

/// The value of `t`, wherever it stands in the object's first hundred bytes.
fn kind(text: &str) -> &str {
    let start = text.get(..100.min(text.len())).unwrap_or(text);
    start.split_once(r#""t":""#).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}

/// The number of a message from Parlour's server in the session, or 0.
pub(crate) fn seq(text: &str) -> u64 {
    // It stands at the beginning or at the end, never inside a relayed body: bodies are made here and hold no such key.
    text.rsplit_once(r#""seq":"#)
        .map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// What is relayed, as JSON: the same for everybody.
pub(crate) struct Bodies {
    description: String,
    candidate: String,
    small: String,
}

impl Bodies {
    pub(crate) fn new() -> Self {
        let line =
            "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack pli\r\n";
        let sdp = format!("v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{}", line.repeat(32));
        let candidate = "candidate:842163049 1 udp 1677729535 192.0.2.44 51000 typ srflx raddr 10.0.0.44 rport 51000 generation 0 ufrag EsAw network-id 1";
        Self {
            description: json!(sdp.get(..2_900)).to_string(),
            candidate: json!({ "candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "EsAw" })
                .to_string(),
            small: json!({ "note": "x".repeat(180) }).to_string(),
        }
    }
}

/// Parlour's server, with the limits on one address's connections lifted: here all clients have one address.
pub(crate) fn parlour(port: u16, data: &Path, more: &[&str]) -> Result<Command, Error> {
    let binary: PathBuf = std::env::var_os("TEST_PARLOUR_BIN")
        .map(Into::into)
        .ok_or("TEST_PARLOUR_BIN must name the server's binary.")?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--data").arg(data);
    command.args(["--http", &format!("127.0.0.1:{port}"), "--listen", "127.0.0.1:0", "--turn", "off"]);
    command.args(["--limits-conns-per-ip", "1000000", "--limits-joins-per-min-per-ip", "1000000"]).args(more);
    Ok(command)
}

fn node(script: &str, port: u16) -> Command {
    let mut command = Command::new("node");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("relays").join(script)).arg(port.to_string());
    command.env("NODE_ENV", "production");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_sizes_of_a_call() {
        let bodies = Bodies::new();
        for contender in Contender::ALL.into_iter().chain(Contender::COMPATIBLE) {
            let length = |payload| contender.message(payload, "abcdefgh", 7, &bodies).len();
            assert!((2_900..3_400).contains(&length(Payload::Description)), "{contender:?}");
            assert!((180..320).contains(&length(Payload::Candidate)), "{contender:?}");
            assert!((180..320).contains(&length(Payload::Small)), "{contender:?}");
        }
    }

    #[test]
    fn every_message_is_json() {
        let bodies = Bodies::new();
        for contender in Contender::ALL.into_iter().chain(Contender::COMPATIBLE) {
            for payload in [Payload::Description, Payload::Candidate, Payload::Small] {
                let text = contender.message(payload, "abcdefgh", 7, &bodies);
                let body = text.strip_prefix("42").unwrap_or(&text);
                serde_json::from_str::<Value>(body)
                    .unwrap_or_else(|error| panic!("{contender:?} {payload:?}: {error}"));
            }
        }
    }

    #[test]
    fn the_number_is_found_wherever_it_stands() {
        assert_eq!(seq(r#"{"t":"msg","seq":12,"from":"a"}"#), 12);
        assert_eq!(seq(r#"{"seq":3,"t":"msg","data":{"x":"y"}}"#), 3);
        assert_eq!(seq(r#"{"t":"pong","ack":2}"#), 0);
    }

    #[test]
    fn both_of_a_pair_learn_of_each_other_through_their_room() {
        let hear = |text| Contender::ParlourSocketIo.hear(text);
        assert_eq!(hear(r#"40{"sid":"a"}"#), Heard::In { id: "a".into(), others: vec![] });
        assert_eq!(hear(r#"430[{"ok":true,"room":"r","peers":["b"]}]"#), Heard::Other("b".into()));
        assert_eq!(hear(r#"430[{"ok":true,"room":"r","peers":[]}]"#), Heard::Noise);
        assert_eq!(hear(r#"42["user-connected","x","c"]"#), Heard::Other("c".into()));
        assert_eq!(hear(r#"42["me","a"]"#), Heard::Noise);
        assert_eq!(hear(r#"42["signal",{"from":"b"}]"#), Heard::Relayed);
    }

    #[test]
    fn a_welcome_names_the_client_and_the_others() {
        let text = r#"{"t":"welcome","snapshot":{"you":{"id":"a"},"peers":[{"id":"b"}]}}"#;
        assert_eq!(Contender::Parlour.hear(text), Heard::In { id: "a".into(), others: vec!["b".into()] });
    }
}
