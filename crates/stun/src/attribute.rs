//! The attributes of STUN, TURN and ICE, each as a type that reads and writes its value.
//!
//! [`Message::get`](crate::Message::get) reads one, [`MessageWriter::put`](crate::MessageWriter::put) writes one.

mod address;
mod security;
mod values;

pub use address::*;
pub use security::*;
pub use values::*;

use crate::message::TransactionId;
use std::fmt;
use thiserror::Error;

/// A typed attribute.
pub trait Attribute<'a>: Sized {
    /// Its type on the wire.
    const KIND: AttributeType;

    /// Reads the value; `None` if it breaks the rules of this type.
    fn decode(value: &'a [u8], id: &TransactionId) -> Option<Self>;

    /// Appends the value, without padding.
    fn encode(&self, buffer: &mut Vec<u8>, id: &TransactionId);
}

/// An attribute is there, but its value breaks the rules of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the value of the attribute {0} is malformed")]
pub struct MalformedAttribute(pub AttributeType);

/// The 16-bit type of an attribute (RFC 8489 §18.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// Whether a receiver that does not know this type must refuse the message (RFC 8489 §14).
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

macro_rules! attribute_types {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl AttributeType {
            $(#[doc = $text] pub const $name: Self = Self($value);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

attribute_types! {
    MAPPED_ADDRESS = 0x0001, "MAPPED-ADDRESS";
    CHANGE_REQUEST = 0x0003, "CHANGE-REQUEST";
    USERNAME = 0x0006, "USERNAME";
    MESSAGE_INTEGRITY = 0x0008, "MESSAGE-INTEGRITY";
    ERROR_CODE = 0x0009, "ERROR-CODE";
    UNKNOWN_ATTRIBUTES = 0x000A, "UNKNOWN-ATTRIBUTES";
    CHANNEL_NUMBER = 0x000C, "CHANNEL-NUMBER";
    LIFETIME = 0x000D, "LIFETIME";
    XOR_PEER_ADDRESS = 0x0012, "XOR-PEER-ADDRESS";
    DATA = 0x0013, "DATA";
    REALM = 0x0014, "REALM";
    NONCE = 0x0015, "NONCE";
    XOR_RELAYED_ADDRESS = 0x0016, "XOR-RELAYED-ADDRESS";
    REQUESTED_ADDRESS_FAMILY = 0x0017, "REQUESTED-ADDRESS-FAMILY";
    EVEN_PORT = 0x0018, "EVEN-PORT";
    REQUESTED_TRANSPORT = 0x0019, "REQUESTED-TRANSPORT";
    DONT_FRAGMENT = 0x001A, "DONT-FRAGMENT";
    ACCESS_TOKEN = 0x001B, "ACCESS-TOKEN";
    MESSAGE_INTEGRITY_SHA256 = 0x001C, "MESSAGE-INTEGRITY-SHA256";
    PASSWORD_ALGORITHM = 0x001D, "PASSWORD-ALGORITHM";
    USERHASH = 0x001E, "USERHASH";
    XOR_MAPPED_ADDRESS = 0x0020, "XOR-MAPPED-ADDRESS";
    RESERVATION_TOKEN = 0x0022, "RESERVATION-TOKEN";
    PRIORITY = 0x0024, "PRIORITY";
    USE_CANDIDATE = 0x0025, "USE-CANDIDATE";
    PADDING = 0x0026, "PADDING";
    RESPONSE_PORT = 0x0027, "RESPONSE-PORT";
    CONNECTION_ID = 0x002A, "CONNECTION-ID";
    ADDITIONAL_ADDRESS_FAMILY = 0x8000, "ADDITIONAL-ADDRESS-FAMILY";
    ADDRESS_ERROR_CODE = 0x8001, "ADDRESS-ERROR-CODE";
    PASSWORD_ALGORITHMS = 0x8002, "PASSWORD-ALGORITHMS";
    ALTERNATE_DOMAIN = 0x8003, "ALTERNATE-DOMAIN";
    ICMP = 0x8004, "ICMP";
    SOFTWARE = 0x8022, "SOFTWARE";
    ALTERNATE_SERVER = 0x8023, "ALTERNATE-SERVER";
    FINGERPRINT = 0x8028, "FINGERPRINT";
    ICE_CONTROLLED = 0x8029, "ICE-CONTROLLED";
    ICE_CONTROLLING = 0x802A, "ICE-CONTROLLING";
    RESPONSE_ORIGIN = 0x802B, "RESPONSE-ORIGIN";
    OTHER_ADDRESS = 0x802C, "OTHER-ADDRESS";
    THIRD_PARTY_AUTHORIZATION = 0x802E, "THIRD-PARTY-AUTHORIZATION";
    MOBILITY_TICKET = 0x8030, "MOBILITY-TICKET";
    NOMINATION = 0xC001, "NOMINATION";
    GOOG_NETWORK_INFO = 0xC057, "GOOG-NETWORK-INFO";
    GOOG_LAST_ICE_CHECK_RECEIVED = 0xC058, "GOOG-LAST-ICE-CHECK-RECEIVED";
    GOOG_MISC_INFO = 0xC059, "GOOG-MISC-INFO";
    GOOG_CONNECTION_ID = 0xC05B, "GOOG-CONNECTION-ID";
    GOOG_DELTA = 0xC05C, "GOOG-DELTA";
    GOOG_DELTA_ACK = 0xC05D, "GOOG-DELTA-ACK";
    GOOG_MESSAGE_INTEGRITY_32 = 0xC060, "GOOG-MESSAGE-INTEGRITY-32";
    DTLS_IN_STUN = 0xC070, "META-DTLS-IN-STUN";
    DTLS_IN_STUN_ACKNOWLEDGEMENT = 0xC071, "META-DTLS-IN-STUN-ACKNOWLEDGEMENT";
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A type that wraps one integer in network order.
macro_rules! integer {
    ($($(#[$doc:meta])* $name:ident($int:ty) = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $int);

        impl Attribute<'_> for $name {
            const KIND: AttributeType = AttributeType::$kind;

            fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
                Some(Self(<$int>::from_be_bytes(value.try_into().ok()?)))
            }

            fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
                buffer.extend_from_slice(&self.0.to_be_bytes());
            }
        }
    )*};
}

/// A type that wraps bytes as they are.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a [u8]);

        impl<'a> Attribute<'a> for $name<'a> {
            const KIND: AttributeType = AttributeType::$kind;

            fn decode(value: &'a [u8], _: &TransactionId) -> Option<Self> {
                Some(Self(value))
            }

            fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
                buffer.extend_from_slice(self.0);
            }
        }
    )*};
}

/// A type without a value.
macro_rules! flag {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl Attribute<'_> for $name {
            const KIND: AttributeType = AttributeType::$kind;

            fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
                value.is_empty().then_some(Self)
            }

            fn encode(&self, _: &mut Vec<u8>, _: &TransactionId) {}
        }
    )*};
}

/// A type that wraps UTF-8 of at most so many bytes and characters.
macro_rules! text {
    ($($(#[$doc:meta])* $name:ident = $kind:ident, $bytes:expr, $characters:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<'a>(pub &'a str);

        impl<'a> Attribute<'a> for $name<'a> {
            const KIND: AttributeType = AttributeType::$kind;

            fn decode(value: &'a [u8], _: &TransactionId) -> Option<Self> {
                if value.len() > $bytes {
                    return None;
                }
                let text = std::str::from_utf8(value).ok()?;
                (text.len() <= $characters || text.chars().count() <= $characters).then_some(Self(text))
            }

            fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
                buffer.extend_from_slice(self.0.as_bytes());
            }
        }
    )*};
}

use {flag, integer, opaque, text};
