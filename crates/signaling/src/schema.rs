//! The JSON Schema of the protocol, made from its types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::message::{ClientMessage, ServerMessage};

/// Server messages that carry a `seq`.
const NUMBERED: [&str; 11] =
    ["sdp", "ice", "restart", "peer", "room", "reaction", "chat", "msg", "ask_mute", "ok", "error"];

/// The JSON Schema (draft 2020-12) of all messages.
///
/// `$defs` names every type: `ClientMessage` and `ServerMessage` are unions over `t`, and each of their members has a definition of its own
/// (`ClientHello`, `ServerWelcome`, …), with the fields of the envelope (`id`, `seq`) where they may stand.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    // Naming the types is what puts them, and all that they use, into the definitions.
    generator.subschema_for::<ClientMessage>();
    generator.subschema_for::<ServerMessage>();
    let mut definitions = generator.take_definitions(true);
    definitions.values_mut().for_each(drop_nulls);
    split_union(&mut definitions, "Client");
    split_union(&mut definitions, "Server");
    definitions.sort_keys();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Message",
        "description": "A message of Parlour's signaling protocol, version 1 (WebSocket subprotocol parlour.v1).",
        "anyOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": definitions,
    })
}

/// An optional field is left out when it is not set; `null` stands only where it means something, in a candidate.
fn drop_nulls(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    for member in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        drop_nulls(member);
    }
    let required = schema.get("required").cloned().unwrap_or_default();
    let is_required = |field: &str| required.as_array().is_some_and(|names| names.iter().any(|name| name == field));
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let has_candidate = properties.contains_key("cand");
    for (field, property) in properties.iter_mut().filter(|(field, _)| *field != "cand" && !is_required(field)) {
        let Some(property) = property.as_object_mut() else { continue };
        if let Some(Value::Array(types)) = property.get("type")
            && let [one, Value::String(null)] = &types[..]
            && null == "null"
        {
            let one = one.clone();
            property.insert("type".to_owned(), one);
        }
        // A reference that may be null is a choice of two.
        if let Some(Value::Array(choices)) = property.get("anyOf")
            && let [Value::Object(one), null] = &choices[..]
            && *null == json!({"type": "null"})
        {
            let one = one.clone();
            property.remove("anyOf");
            property.extend(one);
        }
        debug_assert!(!property.contains_key("anyOf"), "{field} is a choice that is not understood");
    }
    if has_candidate && let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.push(json!("cand"));
    }
}

/// Gives each member of a union a definition of its own, and the fields of the envelope.
fn split_union(definitions: &mut Map<String, Value>, side: &str) {
    let Some(union) = definitions.get_mut(&format!("{side}Message")) else { return };
    let Some(members) = union.get_mut("oneOf").and_then(Value::as_array_mut) else { return };
    let mut named = Vec::new();
    for member in members {
        let kind = member.pointer("/properties/t/const").and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = format!("{side}{}", camel_case(&kind));
        let mut definition = std::mem::replace(member, json!({"$ref": format!("#/$defs/{name}")}));
        if let Some(properties) = definition.pointer_mut("/properties").and_then(Value::as_object_mut) {
            for (field, schema) in envelope(side, &kind) {
                properties.insert(field.to_owned(), schema);
            }
        }
        named.push((name, definition));
    }
    definitions.extend(named);
}

fn envelope(side: &str, kind: &str) -> Vec<(&'static str, Value)> {
    let number = |description: &str| json!({"description": description, "type": "integer", "minimum": 1, "maximum": crate::parse::MAX_NUMBER});
    let id = ("id", number("Asks for one reply, `ok` or `error`, that carries it as `re`."));
    let seq = ("seq", number("The number of this message in its session, counted by its sender."));
    match side {
        "Client" if kind == "hello" || kind == "ping" => vec![],
        "Client" => vec![id, seq],
        _ if NUMBERED.contains(&kind) => vec![seq],
        _ => vec![],
    }
}

fn camel_case(kind: &str) -> String {
    kind.split('_')
        .flat_map(|word| word.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(word.chars().skip(1)))
        .collect()
}
