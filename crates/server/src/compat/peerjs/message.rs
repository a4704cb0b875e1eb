//! The messages of PeerJS's server protocol.

use std::borrow::Cow;

use parlour_signaling::Text;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What a message from a client is to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To be passed on.
    Relayed(&'static str),
    /// A sign of life.
    Heartbeat,
    /// Nothing that a client has to say. Ignored.
    Other,
}

/// A message from a client, borrowed from its text.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) kind: Kind,
    /// For whom.
    pub(super) dst: Option<Cow<'a, str>>,
    payload: Option<&'a RawValue>,
    raw_dst: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    dst: Option<&'a RawValue>,
    /// Also if it is null, which is something else than nothing.
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Incoming<'a> {
    /// Reads a message. `None` if it is no JSON object, or its receiver is no text.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        // A sequence would do for serde, too.
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let members: Members<'a> = serde_json::from_str(text).ok()?;
        let kind = match members.kind.map(RawValue::get) {
            Some(r#""CANDIDATE""#) => Kind::Relayed("CANDIDATE"),
            Some(r#""OFFER""#) => Kind::Relayed("OFFER"),
            Some(r#""ANSWER""#) => Kind::Relayed("ANSWER"),
            Some(r#""LEAVE""#) => Kind::Relayed("LEAVE"),
            Some(r#""EXPIRE""#) => Kind::Relayed("EXPIRE"),
            Some(r#""HEARTBEAT""#) => Kind::Heartbeat,
            _ => Kind::Other,
        };
        let dst = match members.dst.map(RawValue::get) {
            None | Some("null" | r#""""#) => None,
            Some(raw) => Some(unquoted(raw)?),
        };
        Some(Self { kind, dst, payload: members.payload, raw_dst: members.dst })
    }

    /// The message as its receiver gets it: with the sender's own id, and nothing that the protocol does not know.
    pub(super) fn stamped(&self, src: &str) -> Text {
        let word = match self.kind {
            Kind::Relayed(word) => word,
            Kind::Heartbeat | Kind::Other => "",
        };
        let raw_dst = self.raw_dst.map_or("null", RawValue::get);
        let payload = self.payload.map(RawValue::get);
        let mut out = String::with_capacity(48 + src.len() + raw_dst.len() + payload.map_or(0, str::len));
        out.push_str(r#""type":""#);
        out.push_str(word);
        out.push_str(r#"","src":"#);
        put_quoted(&mut out, src);
        out.push_str(r#","dst":"#);
        out.push_str(raw_dst);
        if let Some(payload) = payload {
            out.push_str(r#","payload":"#);
            out.push_str(payload);
        }
        out.push('}');
        Text::from_members(out)
    }
}

/// A JSON string as the text that it stands for. `None` if it is no string.
fn unquoted(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

fn put_quoted(out: &mut String, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "null".to_owned()));
    }
}

/// The client is in.
pub(super) fn open() -> Text {
    Text::from_members(r#""type":"OPEN"}"#.to_owned())
}

/// The id is another client's.
pub(super) fn id_taken() -> Text {
    Text::from_members(r#""type":"ID-TAKEN","payload":{"msg":"ID is taken"}}"#.to_owned())
}

/// Something went wrong, and this is what a person can do.
pub(super) fn error(message: &str) -> Text {
    let mut out = r#""type":"ERROR","payload":{"msg":"#.to_owned();
    put_quoted(&mut out, message);
    out.push_str("}}");
    Text::from_members(out)
}

/// `absent` did not come to take what `src` had for it.
pub(super) fn expire(absent: &str, src: &str) -> Text {
    from_to("EXPIRE", absent, src)
}

/// `gone` is gone.
pub(super) fn leave(gone: &str, src: &str) -> Text {
    from_to("LEAVE", gone, src)
}

fn from_to(word: &str, src: &str, dst: &str) -> Text {
    let mut out = format!(r#""type":"{word}","src":"#);
    put_quoted(&mut out, src);
    out.push_str(r#","dst":"#);
    put_quoted(&mut out, dst);
    out.push('}');
    Text::from_members(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_object_is_no_message() {
        for text in [
            "",
            "null",
            "[]",
            r#"["OFFER","bob",1]"#,
            "7",
            "{",
            r#"{"type":"OFFER","dst":7}"#,
            r#"{"type":"OFFER","dst":{}}"#,
        ] {
            assert!(Incoming::parse(text).is_none(), "{text}");
        }
        assert_eq!(Incoming::parse(r#"{"type":"NONSENSE"}"#).unwrap().kind, Kind::Other);
        assert_eq!(Incoming::parse("{}").unwrap().kind, Kind::Other);
    }

    #[test]
    fn ids_with_odd_characters_come_through_whole() {
        let message = Incoming::parse(r#" {"type":"OFFER","dst":"b\"\u00e4","payload":{"a":[1,"}"]}}"#).unwrap();
        assert_eq!(message.dst.as_deref(), Some("b\"ä"));
        let text = message.stamped("a\\\n\"").to_string();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected =
            serde_json::json!({"type": "OFFER", "src": "a\\\n\"", "dst": "b\"ä", "payload": {"a": [1, "}"]}});
        assert_eq!(value, expected);
    }
}
