//! Events of Socket.IO clients, read without copying, and written with the sender put in.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Most arguments of an event.
const ARGUMENTS: usize = 16;

/// An event: its name and what comes with it.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) name: Cow<'a, str>,
    arguments: Vec<&'a RawValue>,
}

impl<'a> Incoming<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The argument at a place, as it came.
    pub(super) fn raw(&self, place: usize) -> Option<&'a RawValue> {
        self.arguments.get(place).copied()
    }

    /// The argument at a place, if it is a text.
    pub(super) fn text(&self, place: usize) -> Option<Cow<'a, str>> {
        self.raw(place).and_then(text)
    }

    /// The argument at a place, if it is an object.
    pub(super) fn object(&self, place: usize) -> Option<Object<'a>> {
        serde_json::from_str(self.raw(place)?.get()).ok()
    }
}

impl<'de> Deserialize<'de> for Incoming<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Incoming<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of an event's name and its arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let name: &RawValue = seq.next_element()?.ok_or_else(|| serde::de::Error::missing_field("name"))?;
                let name = text(name).ok_or_else(|| serde::de::Error::custom("the name is a text"))?;
                let mut arguments = Vec::with_capacity(2);
                while let Some(argument) = seq.next_element()? {
                    if arguments.len() == ARGUMENTS {
                        return Err(serde::de::Error::custom("too many arguments"));
                    }
                    arguments.push(argument);
                }
                Ok(Incoming { name, arguments })
            }
        }
        deserializer.deserialize_seq(Array)
    }
}

/// A JSON string as the text that it stands for.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw.get()).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// A JSON object, its members as they came.
#[derive(Debug)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// The last member of this name.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The last member of this name, if it is a text.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(text)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                #[derive(Deserialize)]
                struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
                let mut members = Vec::with_capacity(4);
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// An object as it is delivered: without the address, and with the true sender in place of whom it named.
pub(super) struct Stamped<'a> {
    pub(super) object: &'a Object<'a>,
    pub(super) from: &'a str,
}

impl Serialize for Stamped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("from", self.from)?;
        for (key, value) in &self.object.0 {
            match key.as_ref() {
                "from" | "to" => {}
                // The other pair of names that tutorials have: `{ target, caller, sdp }`.
                "caller" => map.serialize_entry("caller", self.from)?,
                key => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_as_it_is_written() {
        let event = Incoming::parse(r#"["jo\u0069n", "blue", {"a":1}]"#).unwrap();
        assert_eq!(event.name, "join");
        assert_eq!(event.text(0).as_deref(), Some("blue"));
        assert!(event.text(1).is_none() && event.object(0).is_none());
        assert_eq!(event.object(1).unwrap().raw("a").unwrap().get(), "1");
        for text in ["", "[]", "[1]", "{}", r#"["a""#, r#"["a",]"#, "7"] {
            assert!(Incoming::parse(text).is_none(), "{text}");
        }
        let many = format!(r#"["a"{}]"#, ",1".repeat(ARGUMENTS + 1));
        assert!(Incoming::parse(&many).is_none());
    }

    #[test]
    fn the_sender_is_who_the_server_knows_it_to_be() {
        let event =
            Incoming::parse(r#"["offer",{"to":"b","from":"forged","fr\u006fm":"too","caller":"x","sdp":[1, 2]}]"#)
                .unwrap();
        let object = event.object(0).unwrap();
        let text = serde_json::to_string(&Stamped { object: &object, from: "a" }).unwrap();
        assert_eq!(text, r#"{"from":"a","caller":"a","sdp":[1, 2]}"#);
    }
}
