//! The examples in the specification are messages of the protocol.

use std::path::Path;

use parlour_signaling::message::{ClientMessage, ErrorCode, ServerMessage};
use serde_json::Value;

fn specification() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/signaling.md")).unwrap()
}

#[test]
fn every_example_is_a_message_and_every_kind_has_one() {
    let text = specification();
    let mut kinds = std::collections::BTreeSet::new();
    for block in text.split("```json\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            let client = serde_json::from_str::<ClientMessage>(line);
            let server = serde_json::from_str::<ServerMessage>(line);
            assert!(client.is_ok() || server.is_ok(), "{line}: {:?}, {:?}", client.err(), server.err());
            let kind = serde_json::from_str::<Value>(line).unwrap()["t"].as_str().unwrap().to_owned();
            kinds.insert(kind);
        }
    }
    let schema = parlour_signaling::schema();
    for side in ["ClientMessage", "ServerMessage"] {
        for member in schema["$defs"][side]["oneOf"].as_array().unwrap() {
            let name = member["$ref"].as_str().unwrap().trim_start_matches('#');
            let kind = schema.pointer(name).unwrap()["properties"]["t"]["const"].as_str().unwrap();
            assert!(kinds.contains(kind), "{side} {kind} has no example");
        }
    }
}

#[test]
fn every_error_code_says_what_to_do() {
    let text = specification();
    let schema = parlour_signaling::schema();
    for code in schema["$defs"]["ErrorCode"]["oneOf"].as_array().unwrap() {
        let word = code["const"].as_str().unwrap();
        let parsed: ErrorCode = serde_json::from_value(code["const"].clone()).unwrap();
        assert_eq!(parsed.word(), word);
        let listed = text
            .lines()
            .any(|line| line.starts_with("| `") && line.split('|').nth(1).unwrap().contains(&format!("`{word}`")));
        assert!(listed, "{word} is not in the table of errors");
    }
}
