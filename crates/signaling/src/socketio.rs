//! The packets of Socket.IO's clients, as text.
//!
//! They speak in two layers. Engine.IO (revision 3 of Socket.IO 1 and 2, revision 4 since Socket.IO 3) keeps a session over a WebSocket, one
//! [`Packet`] a frame, or over single requests, many packets a [body](packets). In its packets of kind `message` are Socket.IO's own:
//! [`Message`]. Both are specified at <https://socket.io/docs/v4/engine-io-protocol/> and <https://socket.io/docs/v4/socket-io-protocol/>.
//!
//! ```
//! use parlour_signaling::socketio::{Kind, Message, Packet};
//!
//! let Ok(Packet::Message(text)) = Packet::parse(r#"4217["offer",{"to":"x"}]"#) else { panic!() };
//! let message = Message::parse(text).unwrap();
//! assert_eq!((message.kind, message.namespace, message.id), (Kind::Event, "/", Some(17)));
//! assert_eq!(message.data, r#"["offer",{"to":"x"}]"#);
//! ```

use std::fmt;

/// A revision of Engine.IO, as `EIO` in the query of each request says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Of Socket.IO 1 and 2. The client asks whether the server is there.
    V3,
    /// Of Socket.IO 3 and later. The server asks.
    V4,
}

/// Why a text is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin with the digit of a kind.
    #[error("the packet is of no kind that there is")]
    Kind,
    /// Something stands behind a packet that has nothing to say.
    #[error("a packet of this kind carries nothing")]
    Surplus,
    /// The number of attachments, or the one that asks for an acknowledgement, is none.
    #[error("the number in the packet is none")]
    Number,
    /// What the packet carries cannot be of this kind.
    #[error("a packet of this kind carries something else")]
    Data,
    /// The length before a packet (revision 3) is not there, or not that of what follows.
    #[error("the length of the packet is wrong")]
    Length,
}

/// A packet of Engine.IO: a digit, and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The server opens the session, and says how it is to be kept: JSON, see [`Handshake`].
    Open(&'a str),
    /// The session is over.
    Close,
    /// Is the other end there? With `probe`: over this transport?
    Ping(&'a str),
    /// It is.
    Pong(&'a str),
    /// A [`Message`], as text.
    Message(&'a str),
    /// From now on the session goes over this transport.
    Upgrade,
    /// Nothing; ends a request that waits.
    Noop,
}

impl<'a> Packet<'a> {
    /// Reads a packet. Binary ones (`b` and base64) are none here.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut letters = text.chars();
        let kind = letters.next().ok_or(Malformed::Kind)?;
        let rest = letters.as_str();
        let alone = |packet| if rest.is_empty() { Ok(packet) } else { Err(Malformed::Surplus) };
        match kind {
            '0' => Ok(Self::Open(rest)),
            '1' => alone(Self::Close),
            '2' => Ok(Self::Ping(rest)),
            '3' => Ok(Self::Pong(rest)),
            '4' => Ok(Self::Message(rest)),
            '5' => alone(Self::Upgrade),
            '6' => alone(Self::Noop),
            _ => Err(Malformed::Kind),
        }
    }
}

impl fmt::Display for Packet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digit, rest) = match self {
            Self::Open(rest) => ('0', *rest),
            Self::Close => ('1', ""),
            Self::Ping(rest) => ('2', *rest),
            Self::Pong(rest) => ('3', *rest),
            Self::Message(rest) => ('4', *rest),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        write!(f, "{digit}{rest}")
    }
}

/// What the server says when it opens a session. Prints as the packet.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// The name of the session. Must need no escaping in JSON.
    pub sid: &'a str,
    /// Whether the session may move to a WebSocket.
    pub upgradable: bool,
    /// How often the other end is asked whether it is there.
    pub ping_interval: std::time::Duration,
    /// How long the answer may take.
    pub ping_timeout: std::time::Duration,
    /// Longest body of a request, in bytes.
    pub max_payload: usize,
}

impl fmt::Display for Handshake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let upgrades = if self.upgradable { r#""websocket""# } else { "" };
        let (interval, timeout) = (self.ping_interval.as_millis(), self.ping_timeout.as_millis());
        write!(f, r#"0{{"sid":"{}","upgrades":[{upgrades}],"pingInterval":{interval},"#, self.sid)?;
        write!(f, r#""pingTimeout":{timeout},"maxPayload":{}}}"#, self.max_payload)
    }
}

/// What separates packets in a body of revision 4.
const SEPARATOR: char = '\u{1e}';

/// The packets in the body of a request; each is still to be [parsed](Packet::parse). Ends after the first error.
///
/// Revision 4 puts a separator between them, revision 3 a length before each, in the units of JavaScript's strings (UTF-16).
pub fn packets(revision: Revision, body: &str) -> impl Iterator<Item = Result<&str, Malformed>> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let (packet, after) = match revision {
            Revision::V4 => match rest?.split_once(SEPARATOR) {
                Some((packet, after)) => (Ok(packet), Some(after)),
                None => (Ok(rest?), None),
            },
            Revision::V3 => match measured(rest?) {
                Some((packet, after)) => (Ok(packet), Some(after).filter(|after| !after.is_empty())),
                None => (Err(Malformed::Length), None),
            },
        };
        rest = after;
        Some(packet)
    })
}

/// A packet behind its length, and what follows.
fn measured(body: &str) -> Option<(&str, &str)> {
    let (length, rest) = body.split_once(':')?;
    let mut units: usize = length.parse().ok().filter(|_| length.bytes().all(|byte| byte.is_ascii_digit()))?;
    let mut end = 0;
    for letter in rest.chars() {
        if units == 0 {
            break;
        }
        units = units.checked_sub(letter.len_utf16())?;
        end += letter.len_utf8();
    }
    if units > 0 { None } else { rest.split_at_checked(end) }
}

/// Appends a packet to the body of an answer.
pub fn append(revision: Revision, packet: &str, body: &mut String) {
    match revision {
        Revision::V4 => {
            if !body.is_empty() {
                body.push(SEPARATOR);
            }
        }
        Revision::V3 => {
            let units: usize = packet.chars().map(char::len_utf16).sum();
            body.push_str(&units.to_string());
            body.push(':');
        }
    }
    body.push_str(packet);
}

/// The kind of a packet of Socket.IO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To enter a namespace, or: the client is in.
    Connect,
    /// To leave a namespace.
    Disconnect,
    /// An event: an array of its name and its arguments.
    Event,
    /// The answer to an event: an array.
    Ack,
    /// The client may not enter.
    ConnectError,
    /// An event with so many binary attachments, which follow in packets of their own.
    BinaryEvent(u32),
    /// An answer with attachments.
    BinaryAck(u32),
}

/// A packet of Socket.IO: `<kind>[<attachments>-][<namespace>,][<id>][<data>]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What kind.
    pub kind: Kind,
    /// For which namespace: `/`, or more behind it.
    pub namespace: &'a str,
    /// Of an event: that an acknowledgement is wanted, under this number. Of an acknowledgement: that number.
    pub id: Option<u64>,
    /// JSON, of which only the first letter was looked at; empty if there is none.
    pub data: &'a str,
}

impl<'a> Message<'a> {
    /// Reads what a packet of Engine.IO carries.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut letters = text.chars();
        let digit = letters.next().ok_or(Malformed::Kind)?;
        let mut rest = letters.as_str();
        let kind = match digit {
            '0' => Kind::Connect,
            '1' => Kind::Disconnect,
            '2' => Kind::Event,
            '3' => Kind::Ack,
            '4' => Kind::ConnectError,
            '5' | '6' => {
                let (count, after) = number(rest);
                rest = after.strip_prefix('-').ok_or(Malformed::Number)?;
                let count = count.parse().ok().filter(|count| *count > 0).ok_or(Malformed::Number)?;
                if digit == '5' { Kind::BinaryEvent(count) } else { Kind::BinaryAck(count) }
            }
            _ => return Err(Malformed::Kind),
        };
        let (namespace, rest) = match rest.starts_with('/') {
            true => rest.split_once(',').unwrap_or((rest, "")),
            false => ("/", rest),
        };
        let (digits, data) = number(rest);
        let id = match digits {
            "" => None,
            digits => Some(digits.parse().map_err(|_| Malformed::Number)?),
        };
        let right = match kind {
            Kind::Connect => data.is_empty() || data.starts_with('{'),
            Kind::Disconnect => data.is_empty(),
            Kind::Event | Kind::Ack | Kind::BinaryEvent(_) | Kind::BinaryAck(_) => data.starts_with('['),
            Kind::ConnectError => data.starts_with(['{', '"']),
        };
        if right { Ok(Self { kind, namespace, id, data }) } else { Err(Malformed::Data) }
    }
}

/// The digits at the beginning, and what follows.
fn number(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or(("", text))
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Connect => f.write_str("0")?,
            Kind::Disconnect => f.write_str("1")?,
            Kind::Event => f.write_str("2")?,
            Kind::Ack => f.write_str("3")?,
            Kind::ConnectError => f.write_str("4")?,
            Kind::BinaryEvent(count) => write!(f, "5{count}-")?,
            Kind::BinaryAck(count) => write!(f, "6{count}-")?,
        }
        if self.namespace != "/" {
            write!(f, "{},", self.namespace)?;
        }
        if let Some(id) = self.id {
            write!(f, "{id}")?;
        }
        f.write_str(self.data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGES: &[&str] = &[
        "0",
        r#"0{"token":1}"#,
        r#"0/admin,{"sid":"x"}"#,
        "1",
        "1/admin,",
        r#"2["offer",{"to":"b"}]"#,
        r#"2/admin,456["x"]"#,
        "30[]",
        r#"318446744073709551615["ok"]"#,
        r#"4{"message":"no"}"#,
        r#"4"no""#,
        r#"52-["x",{"_placeholder":true,"num":0}]"#,
        r#"61-/admin,7[{"_placeholder":true,"num":0}]"#,
    ];

    #[test]
    fn packets_are_printed_as_they_are_read() {
        for text in ["0{}", "1", "2", "2probe", "3", "3probe", "4", "42[\"x\"]", "5", "6"] {
            assert_eq!(Packet::parse(text).unwrap().to_string(), text);
        }
        for text in MESSAGES {
            assert_eq!(Message::parse(text).unwrap().to_string(), *text);
        }
        // The comma behind a namespace may be missing where nothing follows.
        assert_eq!(Message::parse("0/admin").unwrap(), Message::parse("0/admin,").unwrap());
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for (text, why) in [
            ("", Malformed::Kind),
            ("7", Malformed::Kind),
            ("bAAAA", Malformed::Kind),
            ("\u{e9}1234", Malformed::Kind),
            ("hello", Malformed::Kind),
            ("1x", Malformed::Surplus),
            ("5probe", Malformed::Surplus),
        ] {
            assert_eq!(Packet::parse(text), Err(why), "{text}");
        }
        for (text, why) in [
            ("", Malformed::Kind),
            ("7", Malformed::Kind),
            ("\u{e9}", Malformed::Kind),
            ("2", Malformed::Data),
            ("2{}", Malformed::Data),
            ("0[]", Malformed::Data),
            ("0x", Malformed::Data),
            ("1[]", Malformed::Data),
            ("4", Malformed::Data),
            ("5[]", Malformed::Number),
            ("5-[]", Malformed::Number),
            ("50-[]", Malformed::Number),
            ("599999999999-[]", Malformed::Number),
            ("218446744073709551616[]", Malformed::Number),
        ] {
            assert_eq!(Message::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_packet_cut_short_is_read_or_refused_but_never_misread() {
        for text in MESSAGES {
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                if let Ok(message) = Message::parse(&text[..end]) {
                    assert!(text.starts_with(message.data) || text.contains(message.data), "{text} cut at {end}");
                    assert_eq!(Message::parse(&message.to_string()), Ok(message), "{text} cut at {end}");
                }
            }
        }
    }

    #[test]
    fn the_server_opens_a_session_as_clients_expect() {
        let seconds = std::time::Duration::from_secs;
        let mut open = Handshake {
            sid: "abc",
            upgradable: true,
            ping_interval: seconds(25),
            ping_timeout: seconds(20),
            max_payload: 65536,
        };
        let tail = r#""pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}"#;
        assert_eq!(open.to_string(), format!(r#"0{{"sid":"abc","upgrades":["websocket"],{tail}"#));
        open.upgradable = false;
        assert_eq!(open.to_string(), format!(r#"0{{"sid":"abc","upgrades":[],{tail}"#));
    }

    fn read(revision: Revision, body: &str) -> Result<Vec<&str>, Malformed> {
        packets(revision, body).collect()
    }

    #[test]
    fn bodies_of_both_revisions_are_cut_into_packets() {
        assert_eq!(read(Revision::V4, "40\x1e42[\"a\"]\x1e3"), Ok(vec!["40", "42[\"a\"]", "3"]));
        assert_eq!(read(Revision::V4, ""), Ok(vec![""]), "which is no packet");
        assert_eq!(read(Revision::V3, "2:40"), Ok(vec!["40"]));
        assert_eq!(read(Revision::V3, "9:42[\"\u{e4}\",1]1:2"), Ok(vec!["42[\"\u{e4}\",1]", "2"]));
        assert_eq!(read(Revision::V3, "8:42[\"\u{1f600}\"]"), Ok(vec!["42[\"\u{1f600}\"]"]), "two units");
        for body in ["", "x", "5:40", "+2:40", "99999999999999999999:4", "1:\u{1f600}", ":", "2:401"] {
            assert_eq!(read(Revision::V3, body), Err(Malformed::Length), "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_into_a_body_comes_out_of_it(sent in prop::collection::vec("[^\x1e]+", 1..6)) {
            for revision in [Revision::V3, Revision::V4] {
                let mut body = String::new();
                sent.iter().for_each(|packet| append(revision, packet, &mut body));
                prop_assert_eq!(read(revision, &body).unwrap(), sent.iter().map(String::as_str).collect::<Vec<_>>());
                // Cut short, it never gives a packet that was not there.
                for end in (0..body.len()).filter(|end| body.is_char_boundary(*end)) {
                    let cut = packets(revision, &body[..end]).filter_map(Result::ok);
                    for (packet, whole) in cut.zip(&sent) {
                        prop_assert!(whole.starts_with(packet));
                    }
                }
            }
        }

        #[test]
        fn whatever_can_be_read_is_the_same_when_printed_and_read_again(text in r#"[0-7]([0-9]{0,3}-)?(/[a-z]{0,3},?)?[0-9]{0,25}[\[{"]?.{0,8}"#) {
            if let Ok(message) = Message::parse(&text) {
                let text = message.to_string();
                prop_assert_eq!(Message::parse(&text), Ok(message));
            }
            if let Ok(packet) = Packet::parse(&text) {
                prop_assert_eq!(packet.to_string(), text);
            }
        }
    }
}
