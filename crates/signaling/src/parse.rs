//! Reading what clients send.
//!
//! A message is read twice: first its head, then the body of the kind that the head names. Both borrow from the text; what is passed on to
//! others stays the JSON text it was. (serde's tagged enums would copy every field into a tree first.)

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::message::{Media, PairStats, Role, RoomId, SdpKind, Source};

/// Largest number that JavaScript holds exactly (ECMA-262 `Number.MAX_SAFE_INTEGER`); `id` and `seq` stay below it.
pub(crate) const MAX_NUMBER: u64 = (1 << 53) - 1;

/// How deep JSON that is passed on may be nested, so that no receiver's parser is driven to its limit.
const MAX_DEPTH: usize = 64;

/// What every message has.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Head<'a> {
    #[serde(borrow)]
    pub(crate) t: Cow<'a, str>,
    #[serde(default)]
    pub(crate) id: Option<u64>,
    #[serde(default)]
    pub(crate) seq: Option<u64>,
}

/// A message whose head has been read, and whose body, too, if it is of a kind that comes often.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) head: Head<'a>,
    pub(crate) text: &'a str,
    pub(crate) body: Body<'a>,
}

/// A body that was read in one pass with its head.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    Sdp(Sdp<'a>),
    Ice(Ice<'a>),
    /// Not read yet.
    Unread,
}

impl<'a> Message<'a> {
    /// Reads the head of a message, and checks that the whole text is one JSON object.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        // Clients write `t` first. Where one does not, or something is amiss, the second pass costs a little time and nothing else.
        let (head, body) = if text.starts_with(r#"{"t":"sdp""#) {
            let whole: Option<Sdp<'a>> = serde_json::from_str(text).ok();
            whole.map(|sdp| (Head { t: "sdp".into(), id: sdp.id, seq: sdp.seq }, Body::Sdp(sdp))).unzip()
        } else if text.starts_with(r#"{"t":"ice""#) {
            let whole: Option<Ice<'a>> = serde_json::from_str(text).ok();
            whole.map(|ice| (Head { t: "ice".into(), id: ice.id, seq: ice.seq }, Body::Ice(ice))).unzip()
        } else {
            (None, None)
        };
        let head = match head {
            Some(head) if head.is_small() => head,
            _ => Head::read(text)?,
        };
        Some(Self { head, text, body: body.unwrap_or(Body::Unread) })
    }
}

impl<'a> Head<'a> {
    fn is_small(&self) -> bool {
        let small = |number: Option<u64>| number.is_none_or(|number| number <= MAX_NUMBER);
        small(self.id) && small(self.seq)
    }

    fn read(text: &'a str) -> Option<Self> {
        // A struct may also be read from an array; the protocol has objects only.
        if !text.trim_start().starts_with('{') {
            return None;
        }
        let head: Head<'a> = serde_json::from_str(text).ok()?;
        head.is_small().then_some(head)
    }
}

/// The room that a `hello` names; `None` if `text` is no hello or names no valid room. For the caller that must choose a hub before it can hand over the message.
pub fn peek_room(text: &str) -> Option<RoomId> {
    #[derive(Deserialize)]
    struct Peek<'a> {
        #[serde(borrow)]
        t: Cow<'a, str>,
        #[serde(borrow)]
        room: Cow<'a, str>,
    }
    let peek: Peek<'_> = serde_json::from_str(text).ok()?;
    if peek.t == "hello" { RoomId::parse(&peek.room) } else { None }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Hello<'a> {
    pub(crate) v: u64,
    #[serde(borrow)]
    pub(crate) room: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) password: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) caps: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) resume: Option<Resume<'a>>,
    #[serde(default)]
    pub(crate) media: Option<Media>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resume<'a> {
    #[serde(borrow)]
    pub(crate) sid: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) secret: Cow<'a, str>,
    pub(crate) last: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Sdp<'a> {
    /// Named here so that a second one is refused, as in every other message.
    #[serde(borrow, rename = "t")]
    _t: Cow<'a, str>,
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(borrow)]
    pub(crate) pc: Cow<'a, str>,
    pub(crate) r#gen: u32,
    pub(crate) kind: SdpKind,
    #[serde(borrow)]
    pub(crate) sdp: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ice<'a> {
    /// Named here so that a second one is refused, as in every other message.
    #[serde(borrow, rename = "t")]
    _t: Cow<'a, str>,
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(borrow)]
    pub(crate) pc: Cow<'a, str>,
    pub(crate) r#gen: u32,
    #[serde(borrow)]
    pub(crate) cand: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Restart<'a> {
    #[serde(borrow)]
    pub(crate) pc: Cow<'a, str>,
    pub(crate) r#gen: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Set<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) mic: Option<bool>,
    #[serde(default)]
    pub(crate) cam: Option<bool>,
    #[serde(default)]
    pub(crate) screen: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Hand<'a> {
    pub(crate) on: bool,
    #[serde(borrow, default)]
    pub(crate) peer: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reaction<'a> {
    #[serde(borrow)]
    pub(crate) emoji: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chat<'a> {
    #[serde(borrow)]
    pub(crate) text: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) to: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Msg<'a> {
    #[serde(borrow, default)]
    pub(crate) to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) topic: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) data: &'a RawValue,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Admit<'a> {
    #[serde(borrow)]
    pub(crate) peer: Cow<'a, str>,
    pub(crate) ok: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Lock {
    pub(crate) on: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Settings<'a> {
    #[serde(default)]
    pub(crate) waiting_room: Option<bool>,
    #[serde(default)]
    pub(crate) chat_history: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) password: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GiveRole<'a> {
    #[serde(borrow)]
    pub(crate) peer: Cow<'a, str>,
    pub(crate) role: Role,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Kick<'a> {
    #[serde(borrow)]
    pub(crate) peer: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) reason: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AskMute<'a> {
    #[serde(borrow, default)]
    pub(crate) peer: Option<Cow<'a, str>>,
    pub(crate) source: Source,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Auth<'a> {
    #[serde(borrow)]
    pub(crate) token: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Stats {
    pub(crate) pairs: Vec<PairStats>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ping {
    pub(crate) ack: u64,
}

/// Whether JSON text may be passed on to others: not nested deeper than [`MAX_DEPTH`], and no `\u` escape that is half of a surrogate pair
/// (RFC 8259 §8.2), which some parsers refuse. That it is JSON has been checked when it was read.
pub(crate) fn fit_to_pass_on(json: &str) -> bool {
    let bytes = json.as_bytes();
    // Session descriptions and candidates have neither escape nor depth; this is the whole cost for them.
    let flat = !bytes.starts_with(b"{") && !bytes.starts_with(b"[");
    if flat && !json.contains("\\u") {
        return true;
    }
    walk(bytes).is_some()
}

fn walk(bytes: &[u8]) -> Option<()> {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut rest = bytes.iter();
    // Set after a high surrogate: the very next thing must be the escape of a low one.
    let mut owed = false;
    while let Some(byte) = rest.next() {
        if !in_string {
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_DEPTH {
                return None;
            }
            continue;
        }
        let escape = (*byte == b'\\').then(|| rest.next()).flatten();
        let unit = match escape {
            Some(b'u') => Some(hex4(&mut rest)?),
            _ => None,
        };
        match unit {
            Some(0xdc00..=0xdfff) if owed => owed = false,
            _ if owed => return None,
            Some(0xd800..=0xdbff) => owed = true,
            Some(0xdc00..=0xdfff) => return None,
            _ if *byte == b'"' => in_string = false,
            _ => {}
        }
    }
    Some(())
}

fn hex4(rest: &mut std::slice::Iter<'_, u8>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | char::from(*rest.next()?).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_read_wherever_it_stands() {
        let head = Head::read(r#" {"x":[1,{"t":"no"}],"seq":4,"t":"ping","id":9} "#).unwrap();
        assert_eq!((&*head.t, head.id, head.seq), ("ping", Some(9), Some(4)));
        assert_eq!(Head::read(r#"{"t":"pi\u006eg"}"#).unwrap().t, "ping");
    }

    #[test]
    fn what_is_not_one_object_with_a_kind_has_no_head() {
        for bad in [
            "",
            "null",
            "[]",
            r#"["ping",1,2]"#,
            "{}",
            r#"{"t":1}"#,
            r#"{"t":"a"} {"#,
            r#"{"t":"a","t":"b"}"#,
            r#"{"t":"a","id":-1}"#,
            r#"{"t":"a","id":1.5}"#,
            r#"{"t":"a","seq":9007199254740992}"#,
            r#"{"t":"a","seq":1e400}"#,
            r#"{"t":"a","x":}"#,
            "{\"t\":\"a\",\"x\":\"\n\"}",
        ] {
            assert!(Head::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_body_borrows_what_is_passed_on() {
        let text = r#"{"t":"sdp","seq":1,"pc":"p:x","gen":0,"kind":"offer","sdp":"v=0\r\no=- 1 \"q\""}"#;
        let sdp: Sdp<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(sdp.sdp.get(), r#""v=0\r\no=- 1 \"q\"""#);
        assert!(matches!(sdp.pc, Cow::Borrowed("p:x")));
    }

    #[test]
    fn only_a_hello_with_a_valid_room_is_routed() {
        assert_eq!(peek_room(r#"{"room":"Team","t":"hello","v":1}"#), Some(RoomId("team".into())));
        assert_eq!(peek_room(r#"{"t":"ping","room":"team"}"#), None);
        assert_eq!(peek_room(r#"{"t":"hello","room":"a/b"}"#), None);
        assert_eq!(peek_room("{"), None);
    }

    #[test]
    fn half_surrogates_and_deep_nesting_are_not_passed_on() {
        for good in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""a\u00e9\n\"""#, "1e999", r#"{"a":["{[",{}]}"#, "null"] {
            assert!(fit_to_pass_on(good), "{good}");
        }
        for bad in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\ud83d\ude00""#, r#"{"a":"\ud83d"}"#] {
            assert!(!fit_to_pass_on(bad), "{bad}");
        }
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(fit_to_pass_on(&nested(64)));
        assert!(!fit_to_pass_on(&nested(65)));
    }
}
