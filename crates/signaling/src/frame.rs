//! What the hub hands out to be sent: text frames whose body is shared between receivers, and closes.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use crate::message::ServerMessage;

/// A connection (socket), as the caller of the hub numbers it. Never used twice in the life of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// Something to send on one connection. Order within a connection matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// On which.
    pub conn: ConnId,
    /// What.
    pub frame: Frame,
}

/// One WebSocket frame (RFC 6455 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text frame.
    Text(Text),
    /// A close frame, after which the caller closes the socket. The hub has forgotten the connection; a later [`crate::Hub::handle_close`] for it does nothing.
    Close {
        /// The status code (RFC 6455 §7.4).
        code: u16,
        /// The reason: a word of the protocol.
        reason: &'static str,
    },
}

/// The text of one message to a client: a JSON object, or a packet of another protocol.
///
/// An event that goes to many is serialised once: only its number in the receiver's session differs, so the text is a short head of its own,
/// `{` or `{"seq":17,`, and a tail that all receivers share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    head: Head,
    tail: Bytes,
}

/// What stands before the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// Nothing: the tail is the whole text.
    Nothing,
    /// The opening brace.
    Brace,
    /// The opening brace and the number.
    Seq(u64),
}

impl Text {
    pub(crate) fn new(seq: Option<u64>, tail: Tail) -> Self {
        Self { head: seq.map_or(Head::Brace, Head::Seq), tail: tail.0 }
    }

    /// A JSON object that was made elsewhere, given without its opening brace.
    pub fn from_members(members: String) -> Self {
        Self { head: Head::Brace, tail: Bytes::from(members) }
    }

    /// A text that was made elsewhere and is not to be changed.
    pub fn from_whole(text: String) -> Self {
        Self { head: Head::Nothing, tail: Bytes::from(text) }
    }

    /// The event's number in its session, for a numbered one.
    pub fn seq(&self) -> Option<u64> {
        match self.head {
            Head::Seq(seq) => Some(seq),
            Head::Nothing | Head::Brace => None,
        }
    }

    /// Length of the whole text in bytes.
    pub fn len(&self) -> usize {
        let digits = |seq: u64| seq.checked_ilog10().unwrap_or(0) as usize + 1;
        let head = match self.head {
            Head::Nothing => 0,
            Head::Brace => 1,
            Head::Seq(seq) => r#"{"seq":,"#.len() + digits(seq),
        };
        head + self.tail.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the text to `out`. The bytes are UTF-8.
    pub fn write_to(&self, out: &mut impl BufMut) {
        match self.head {
            Head::Nothing => {}
            Head::Brace => out.put_u8(b'{'),
            Head::Seq(seq) => {
                out.put_slice(br#"{"seq":"#);
                put_number(out, seq);
                out.put_u8(b',');
            }
        }
        out.put_slice(&self.tail);
    }

    /// The text in one piece of UTF-8.
    pub fn to_bytes(&self) -> Bytes {
        if self.head == Head::Nothing {
            return self.tail.clone();
        }
        let mut out = BytesMut::with_capacity(self.len());
        self.write_to(&mut out);
        out.freeze()
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

/// A message without its opening brace, so that a `seq` can be put before it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail(Bytes);

impl Tail {
    /// Serialises a message.
    pub(crate) fn of(message: &ServerMessage) -> Self {
        // Our own types always serialise; if one did not, an empty object would be the least harm.
        let text = serde_json::to_vec(message).unwrap_or_else(|_| b"{}".to_vec());
        Self(Bytes::from(text).slice(1..))
    }

    /// Starts a message of kind `t`, by hand: for those that are passed on and so must not be read or escaped again.
    pub(crate) fn build(t: &str, capacity: usize) -> TailBuilder {
        let mut out = Vec::with_capacity(capacity + 16);
        out.extend_from_slice(br#""t":""#);
        out.extend_from_slice(t.as_bytes());
        out.push(b'"');
        TailBuilder(out)
    }

    pub(crate) fn from_stored(text: String) -> Self {
        Self(Bytes::from(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Puts a message together from parts that are JSON already.
pub(crate) struct TailBuilder(Vec<u8>);

impl TailBuilder {
    fn key(&mut self, key: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    /// A field whose value is JSON text.
    pub(crate) fn raw(mut self, key: &str, json: &str) -> Self {
        self.key(key);
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// A field with a string made of `prefix` and `text`, neither of which needs escaping.
    pub(crate) fn plain(mut self, key: &str, prefix: &str, text: &str) -> Self {
        self.key(key);
        self.0.push(b'"');
        self.0.extend_from_slice(prefix.as_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        self
    }

    /// A field with a number.
    pub(crate) fn number(mut self, key: &str, number: u64) -> Self {
        self.key(key);
        put_number(&mut self.0, number);
        self
    }

    /// A field with anything that serialises.
    pub(crate) fn value(mut self, key: &str, value: &impl Serialize) -> Self {
        self.key(key);
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.extend_from_slice(b"null");
        }
        self
    }

    /// Closes the object.
    pub(crate) fn end(mut self) -> Tail {
        self.0.push(b'}');
        Tail(Bytes::from(self.0))
    }
}

fn put_number(out: &mut impl BufMut, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = digits.get(digits.len() - used..) {
        out.put_slice(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_put_before_the_shared_tail() {
        let tail = Tail::build("ice", 0).plain("pc", "p:", "abc").number("gen", 0).raw("cand", "null").end();
        let text = |seq| Text::new(seq, tail.clone());
        assert_eq!(text(None).to_string(), r#"{"t":"ice","pc":"p:abc","gen":0,"cand":null}"#);
        for seq in [0, 1, 9, 10, 99, 100, 9_007_199_254_740_991, u64::MAX] {
            let text = text(Some(seq));
            assert_eq!(text.to_string(), format!(r#"{{"seq":{seq},"t":"ice","pc":"p:abc","gen":0,"cand":null}}"#));
            assert_eq!(text.len(), text.to_bytes().len());
        }
    }

    #[test]
    fn a_whole_text_stays_as_it_is() {
        let text = Text::from_whole("42[1]".to_owned());
        assert_eq!((text.to_string().as_str(), text.len(), text.seq()), ("42[1]", 5, None));
        assert!(!text.is_empty() && Text::from_whole(String::new()).is_empty());
    }

    #[test]
    fn a_serialised_message_reads_the_same() {
        let tail = Tail::of(&ServerMessage::Ok { re: 7 });
        assert_eq!(Text::new(Some(3), tail).to_string(), r#"{"seq":3,"t":"ok","re":7}"#);
    }
}
