//! The message frame: header, classes, methods, and the walk over the attributes (RFC 8489 §5, §14).

use crate::attribute::{Attribute, AttributeType, MalformedAttribute};
use crate::integrity::{Integrity, IntegrityKey};
use thiserror::Error;

/// Bytes of the STUN header (RFC 8489 §5).
pub const HEADER_LEN: usize = 20;

/// The value that tells STUN messages from everything else (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// What role a message plays in its transaction (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Asks for a response.
    Request,
    /// Wants no response.
    Indication,
    /// The request was carried out.
    Success,
    /// The request was refused; ERROR-CODE says why.
    Error,
}

/// What a message is about: a 12-bit number of the IANA registry (RFC 8489 §18.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(pub u16);

impl Method {
    /// Binding (RFC 8489 §3).
    pub const BINDING: Self = Self(0x001);
    /// Allocate (RFC 8656 §17).
    pub const ALLOCATE: Self = Self(0x003);
    /// Refresh (RFC 8656 §17).
    pub const REFRESH: Self = Self(0x004);
    /// Send, an indication (RFC 8656 §17).
    pub const SEND: Self = Self(0x006);
    /// Data, an indication (RFC 8656 §17).
    pub const DATA: Self = Self(0x007);
    /// CreatePermission (RFC 8656 §17).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// ChannelBind (RFC 8656 §17).
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// Connect (RFC 6062 §6.1).
    pub const CONNECT: Self = Self(0x00A);
    /// ConnectionBind (RFC 6062 §6.1).
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// ConnectionAttempt, an indication (RFC 6062 §6.1).
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);
    /// libwebrtc's short connectivity check.
    pub const GOOG_PING: Self = Self(0x080);
}

/// The 14-bit message type, in which the bits of class and method are interleaved (RFC 8489 §5, figure 3).
pub(crate) fn message_type(class: Class, method: Method) -> u16 {
    let class: u16 = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    let m = method.0 & 0x0FFF;
    class | (m & 0x00F) | ((m & 0x070) << 1) | ((m & 0xF80) << 2)
}

fn class_of(message_type: u16) -> Class {
    match message_type & 0x110 {
        0x000 => Class::Request,
        0x010 => Class::Indication,
        0x100 => Class::Success,
        _ => Class::Error,
    }
}

fn method_of(message_type: u16) -> Method {
    Method((message_type & 0x00F) | ((message_type & 0x0E0) >> 1) | ((message_type & 0x3E00) >> 2))
}

/// The 96 bits that tie a response to its request (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

impl TransactionId {
    /// Draws an id. `fill` must be a cryptographic generator: an attacker off the path who can guess the id can forge
    /// responses that carry no integrity (RFC 8489 §5).
    pub fn random(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut id = [0; 12];
        fill(&mut id);
        Self(id)
    }
}

/// Why bytes are not a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Fewer bytes than a header.
    #[error("{0} bytes are too few for a STUN header of 20")]
    TooShort(usize),
    /// The first two bits are not zero.
    #[error("the first byte {0:#04x} is not that of a STUN message")]
    NotStun(u8),
    /// The magic cookie is missing.
    #[error("the magic cookie is {0:#010x} and not 0x2112a442")]
    WrongCookie(u32),
    /// The length field is not a multiple of four, or is not that of the bytes given.
    #[error("the length field says {stated} but {actual} bytes follow the header")]
    WrongLength {
        /// What the header says.
        stated: usize,
        /// How many bytes follow the header.
        actual: usize,
    },
    /// An attribute reaches over the end of the message.
    #[error("attribute {kind} at byte {at} reaches over the end of the message")]
    AttributeOverrun {
        /// The attribute's type.
        kind: AttributeType,
        /// Where its header starts.
        at: usize,
    },
}

/// Where the protecting attributes of a message start; 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    integrity: u32,
    integrity_sha256: u32,
    fingerprint: u32,
    /// The first byte that is no longer an ordinary attribute.
    end: u32,
}

/// One STUN message, borrowed from the datagram that carried it (RFC 8489 §5).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0 0|  message type (14 bits)   |   length, a multiple of 4     |
/// |                    magic cookie 0x2112A442                    |
/// |                   transaction id (96 bits)                    |
/// |                          attributes …                         |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    message_type: u16,
    id: TransactionId,
    marks: Marks,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `datagram` exactly.
    ///
    /// Costs one pass over the attribute headers and no allocation. Values are looked at when they are asked for.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let Some((header, body)) = datagram.split_first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::TooShort(datagram.len()));
        };
        let message_type = u16::from_be_bytes([header[0], header[1]]);
        if message_type & 0xC000 != 0 {
            return Err(ParseError::NotStun(header[0]));
        }
        let cookie = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if cookie != MAGIC_COOKIE {
            return Err(ParseError::WrongCookie(cookie));
        }
        let stated = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if stated != body.len() || !stated.is_multiple_of(4) {
            return Err(ParseError::WrongLength { stated, actual: body.len() });
        }
        let mut id = [0; 12];
        id.copy_from_slice(&header[8..20]);
        Ok(Self { bytes: datagram, message_type, id: TransactionId(id), marks: walk(datagram, body)? })
    }

    /// The role of the message.
    pub fn class(&self) -> Class {
        class_of(self.message_type)
    }

    /// What the message is about.
    pub fn method(&self) -> Method {
        method_of(self.message_type)
    }

    /// The id of its transaction.
    pub fn transaction_id(&self) -> TransactionId {
        self.id
    }

    /// The whole message as it was received.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes that count, in the order of the wire.
    ///
    /// What follows the first MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 or FINGERPRINT is not among them: it is not
    /// protected and must be ignored (RFC 8489 §14.5 to §14.7). Those three are asked for by [`verify`](Self::verify),
    /// [`fingerprint`](Self::fingerprint) and their kin.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.bytes.get(HEADER_LEN..self.marks.end as usize).unwrap_or_default() }
    }

    /// The value of the first attribute of type `kind` that counts; a later duplicate is ignored (RFC 8489 §14).
    pub fn value(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// Whether an attribute of type `kind` is there.
    pub fn has(&self, kind: AttributeType) -> bool {
        self.value(kind).is_some()
    }

    /// The first attribute `A`, or `None` where there is none.
    ///
    /// # Errors
    /// The attribute is there but its value breaks the rules of its type.
    pub fn get<A: Attribute<'a>>(&self) -> Result<Option<A>, MalformedAttribute> {
        self.value(A::KIND).map(|value| A::decode(value, &self.id).ok_or(MalformedAttribute(A::KIND))).transpose()
    }

    /// All attributes `A` in the order of the wire. Some types, as XOR-PEER-ADDRESS in CreatePermission, may come
    /// several times (RFC 8656 §9.1).
    pub fn get_all<A: Attribute<'a>>(&self) -> impl Iterator<Item = Result<A, MalformedAttribute>> + use<'a, A> {
        let id = self.id;
        self.attributes()
            .filter(|attribute| attribute.kind == A::KIND)
            .map(move |attribute| A::decode(attribute.value, &id).ok_or(MalformedAttribute(A::KIND)))
    }

    /// The types of the attributes that must be understood and are not in `known` (RFC 8489 §6.3).
    ///
    /// A request with such a one is answered by 420 and UNKNOWN-ATTRIBUTES, an indication is dropped, and a response
    /// fails its transaction.
    pub fn unknown_attributes<'k>(
        &self,
        known: &'k [AttributeType],
    ) -> impl Iterator<Item = AttributeType> + use<'a, 'k> {
        self.attributes()
            .map(|attribute| attribute.kind)
            .filter(|kind| kind.is_comprehension_required() && !known.contains(kind))
    }

    /// Whether the message carries a MESSAGE-INTEGRITY that counts.
    pub fn has_integrity(&self) -> bool {
        self.marks.integrity != 0
    }

    /// Whether the message carries a MESSAGE-INTEGRITY-SHA256 that counts.
    pub fn has_integrity_sha256(&self) -> bool {
        self.marks.integrity_sha256 != 0
    }

    /// Checks MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256, whichever `key` is made for (RFC 8489 §14.5, §14.6).
    ///
    /// The comparison takes the same time wherever the values differ.
    pub fn verify(&self, key: &IntegrityKey) -> Integrity {
        let at = match key {
            IntegrityKey::Sha1(_) => self.marks.integrity,
            IntegrityKey::Sha256(_) => self.marks.integrity_sha256,
        } as usize;
        if at == 0 {
            return Integrity::Missing;
        }
        match (self.bytes.get(..at), self.value_at(at)) {
            (Some(covered), Some(value)) => key.check(covered, value),
            _ => Integrity::Wrong,
        }
    }

    /// Whether FINGERPRINT is right; `None` where there is none (RFC 8489 §14.7).
    pub fn fingerprint(&self) -> Option<bool> {
        let at = self.marks.fingerprint as usize;
        if at == 0 {
            return None;
        }
        let value = self.value_at(at).and_then(|value| <[u8; 4]>::try_from(value).ok());
        let right = self.bytes.get(..at).map(crate::writer::fingerprint_of);
        Some(value.is_some() && value.map(u32::from_be_bytes) == right)
    }

    fn value_at(&self, at: usize) -> Option<&'a [u8]> {
        let rest = self.bytes.get(at..)?;
        Attributes { rest }.next().map(|attribute| attribute.value)
    }
}

/// Checks that the attributes fill the body, and finds the ones that protect it.
fn walk(datagram: &[u8], body: &[u8]) -> Result<Marks, ParseError> {
    let mut marks = Marks::default();
    let mut rest = body;
    while let Some((header, after)) = rest.split_first_chunk::<4>() {
        let at = datagram.len() - rest.len();
        let kind = AttributeType(u16::from_be_bytes([header[0], header[1]]));
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let Some(next) = after.get(length.next_multiple_of(4)..) else {
            return Err(ParseError::AttributeOverrun { kind, at });
        };
        let position = u32::try_from(at).unwrap_or(u32::MAX);
        let counts = match kind {
            AttributeType::MESSAGE_INTEGRITY if marks.end == 0 => {
                marks.integrity = position;
                true
            }
            AttributeType::MESSAGE_INTEGRITY_SHA256 if marks.integrity_sha256 == 0 && marks.fingerprint == 0 => {
                marks.integrity_sha256 = position;
                true
            }
            AttributeType::FINGERPRINT if marks.fingerprint == 0 => {
                marks.fingerprint = position;
                true
            }
            _ => false,
        };
        if counts && marks.end == 0 {
            marks.end = position;
        }
        rest = next;
    }
    if marks.end == 0 {
        marks.end = u32::try_from(datagram.len()).unwrap_or(u32::MAX);
    }
    Ok(marks)
}

/// One attribute: its type, and its value without padding (RFC 8489 §14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawAttribute<'a> {
    /// The attribute's type.
    pub kind: AttributeType,
    /// The attribute's value.
    pub value: &'a [u8],
}

/// Iterator over the attributes of a [`Message`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = RawAttribute<'a>;

    fn next(&mut self) -> Option<RawAttribute<'a>> {
        let (header, after) = self.rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let value = after.get(..length)?;
        self.rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(RawAttribute { kind: AttributeType(u16::from_be_bytes([header[0], header[1]])), value })
    }
}
