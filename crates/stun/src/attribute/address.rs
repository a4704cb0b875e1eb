//! Attributes that hold a transport address, plain or XORed with the header (RFC 8489 §14.1, §14.2).
//!
//! ```text
//! |0 0 0 0 0 0 0 0|    family     |             port              |
//! |                 address (32 bits or 128 bits)                 |
//! ```

use super::{Attribute, AttributeType};
use crate::message::{MAGIC_COOKIE, TransactionId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address family as STUN numbers it (RFC 8489 §14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// 0x01.
    Ipv4,
    /// 0x02.
    Ipv6,
}

impl AddressFamily {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ipv4),
            0x02 => Some(Self::Ipv6),
            _ => None,
        }
    }

    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Ipv4 => 0x01,
            Self::Ipv6 => 0x02,
        }
    }
}

fn decode_plain(value: &[u8]) -> Option<SocketAddr> {
    let (&[_, family, port_high, port_low], address) = value.split_first_chunk::<4>()?;
    let ip: IpAddr = match AddressFamily::from_byte(family)? {
        AddressFamily::Ipv4 => <[u8; 4]>::try_from(address).ok()?.into(),
        AddressFamily::Ipv6 => <[u8; 16]>::try_from(address).ok()?.into(),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([port_high, port_low])))
}

fn encode_plain(address: &SocketAddr, buffer: &mut Vec<u8>) {
    let [high, low] = address.port().to_be_bytes();
    buffer.extend_from_slice(&[0, AddressFamily::of(address.ip()).to_byte(), high, low]);
    match address.ip() {
        IpAddr::V4(ip) => buffer.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => buffer.extend_from_slice(&ip.octets()),
    }
}

/// XOR is its own inverse: this both hides and shows.
fn xor(address: &SocketAddr, id: &TransactionId) -> SocketAddr {
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match address.ip() {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() ^ MAGIC_COOKIE).into(),
        IpAddr::V6(ip) => {
            let mut mask = [0; 16];
            mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            mask[4..].copy_from_slice(&id.0);
            Ipv6Addr::from_bits(ip.to_bits() ^ u128::from_be_bytes(mask)).into()
        }
    };
    SocketAddr::new(ip, port)
}

macro_rules! plain_address {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub SocketAddr);

        impl Attribute<'_> for $name {
            const KIND: AttributeType = AttributeType::$kind;

            fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
                decode_plain(value).map(Self)
            }

            fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
                encode_plain(&self.0, buffer);
            }
        }
    )*};
}

macro_rules! xor_address {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub SocketAddr);

        impl Attribute<'_> for $name {
            const KIND: AttributeType = AttributeType::$kind;

            fn decode(value: &[u8], id: &TransactionId) -> Option<Self> {
                decode_plain(value).map(|hidden| Self(xor(&hidden, id)))
            }

            fn encode(&self, buffer: &mut Vec<u8>, id: &TransactionId) {
                encode_plain(&xor(&self.0, id), buffer);
            }
        }
    )*};
}

plain_address! {
    /// MAPPED-ADDRESS: the client's address for clients of RFC 3489 (RFC 8489 §14.1).
    MappedAddress = MAPPED_ADDRESS;
    /// ALTERNATE-SERVER: where to go instead (RFC 8489 §14.15).
    AlternateServer = ALTERNATE_SERVER;
    /// RESPONSE-ORIGIN: where this response was sent from (RFC 5780 §7.3).
    ResponseOrigin = RESPONSE_ORIGIN;
    /// OTHER-ADDRESS: the server's other address and port, for NAT behaviour discovery (RFC 5780 §7.4).
    OtherAddress = OTHER_ADDRESS;
}

xor_address! {
    /// XOR-MAPPED-ADDRESS: the client's address as the server sees it (RFC 8489 §14.2).
    XorMappedAddress = XOR_MAPPED_ADDRESS;
    /// XOR-PEER-ADDRESS: the peer's address as the TURN server sees it (RFC 8656 §18.3).
    XorPeerAddress = XOR_PEER_ADDRESS;
    /// XOR-RELAYED-ADDRESS: the address that the TURN server relays from (RFC 8656 §18.5).
    XorRelayedAddress = XOR_RELAYED_ADDRESS;
}

macro_rules! family {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(
            /// The family, or the unknown number that stands in its place, which 440 answers.
            pub Result<AddressFamily, u8>,
        );

        impl Attribute<'_> for $name {
            const KIND: AttributeType = AttributeType::$kind;

            fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
                let &[family, _, _, _] = <&[u8; 4]>::try_from(value).ok()?;
                Some(Self(AddressFamily::from_byte(family).ok_or(family)))
            }

            fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
                let byte = self.0.map_or_else(|other| other, AddressFamily::to_byte);
                buffer.extend_from_slice(&[byte, 0, 0, 0]);
            }
        }
    )*};
}

family! {
    /// REQUESTED-ADDRESS-FAMILY (RFC 8656 §18.6).
    RequestedAddressFamily = REQUESTED_ADDRESS_FAMILY;
    /// ADDITIONAL-ADDRESS-FAMILY: asks for IPv6 beside IPv4 (RFC 8656 §18.11).
    AdditionalAddressFamily = ADDITIONAL_ADDRESS_FAMILY;
}
