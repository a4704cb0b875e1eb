//! The schema that others build from is the one that the types make.

use std::path::Path;

use parlour_signaling::message::{ClientMessage, ServerMessage};
use serde_json::Value;

#[test]
fn the_committed_schema_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/signaling.schema.json");
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    let made = serde_json::to_string_pretty(&parlour_signaling::schema()).unwrap() + "\n";
    assert!(
        committed == made,
        "docs/signaling.schema.json is out of date. Renew it: cargo run -p parlour-signaling --example schema"
    );
}

#[test]
fn every_kind_of_message_has_a_definition_with_its_envelope() {
    let schema = parlour_signaling::schema();
    let definition =
        |name: &str| schema.pointer(&format!("/$defs/{name}")).unwrap_or_else(|| panic!("no {name}")).clone();
    let has = |name: &str, field: &str| definition(name).pointer(&format!("/properties/{field}")).is_some();
    for (name, id, seq) in [
        ("ClientHello", false, false),
        ("ClientPing", false, false),
        ("ClientAskMute", true, true),
        ("ServerWelcome", false, false),
        ("ServerPong", false, false),
        ("ServerPeer", false, true),
        ("ServerError", false, true),
    ] {
        assert_eq!((has(name, "id"), has(name, "seq")), (id, seq), "{name}");
        assert!(definition(name)["required"].as_array().unwrap().contains(&Value::from("t")), "{name}");
    }
    assert!(has("ServerOk", "re") && has("ServerError", "re"));
}

/// The hub puts most messages together by hand, and reads them by types of its own; both must be what the protocol's types say.
#[test]
fn what_is_said_in_the_transcripts_is_of_the_protocols_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let (mut client, mut server) = (0, 0);
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            match words[..] {
                [_, "<", text] => {
                    let message: ServerMessage = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
                    let mut said: Value = serde_json::from_str(text).unwrap();
                    said.as_object_mut().unwrap().remove("seq");
                    assert_eq!(serde_json::to_value(&message).unwrap(), said);
                    server += 1;
                }
                [_, ">", text] => client += usize::from(serde_json::from_str::<ClientMessage>(text).is_ok()),
                _ => {}
            }
        }
    }
    assert!(client > 100 && server > 200, "{client} and {server} messages");
}
