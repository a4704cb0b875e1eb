//! Attributes of authentication and of errors (RFC 8489 §14.3 to §14.14).

use super::{AddressFamily, Attribute, AttributeType, text};
use crate::credentials::PasswordAlgorithm;
use crate::message::TransactionId;

text! {
    /// USERNAME, of fewer than 509 bytes (RFC 8489 §14.3).
    Username = USERNAME, 508, 508;
    /// REALM, of fewer than 128 characters (RFC 8489 §14.9).
    Realm = REALM, 763, 127;
    /// NONCE, of fewer than 128 characters (RFC 8489 §14.10).
    Nonce = NONCE, 763, 127;
    /// SOFTWARE, of fewer than 128 characters (RFC 8489 §14.14).
    Software = SOFTWARE, 763, 127;
    /// ALTERNATE-DOMAIN: the name that the certificate of the ALTERNATE-SERVER must have (RFC 8489 §14.16).
    AlternateDomain = ALTERNATE_DOMAIN, 255, 255;
    /// THIRD-PARTY-AUTHORIZATION: the name of the server that grants tokens (RFC 7635 §6.1).
    ThirdPartyAuthorization = THIRD_PARTY_AUTHORIZATION, 763, 127;
}

/// USERHASH: SHA-256 of user name and realm, which hides the name from those who listen (RFC 8489 §14.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Userhash(pub [u8; 32]);

impl Attribute<'_> for Userhash {
    const KIND: AttributeType = AttributeType::USERHASH;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        value.try_into().ok().map(Self)
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        buffer.extend_from_slice(&self.0);
    }
}

/// ERROR-CODE: a number from 300 to 699 and a phrase for people (RFC 8489 §14.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode<'a> {
    /// 300 to 699.
    pub code: u16,
    /// For diagnosis only.
    pub reason: &'a str,
}

impl ErrorCode<'static> {
    /// Try another server (RFC 8489 §10).
    pub const TRY_ALTERNATE: u16 = 300;
    /// The request is malformed.
    pub const BAD_REQUEST: u16 = 400;
    /// The request lacks valid credentials.
    pub const UNAUTHENTICATED: u16 = 401;
    /// The server's policy forbids it (RFC 8656 §19).
    pub const FORBIDDEN: u16 = 403;
    /// Mobility is switched off (RFC 8016 §5).
    pub const MOBILITY_FORBIDDEN: u16 = 405;
    /// An attribute that must be understood is not.
    pub const UNKNOWN_ATTRIBUTE: u16 = 420;
    /// There is no allocation where one is needed, or one where none may be (RFC 8656 §19).
    pub const ALLOCATION_MISMATCH: u16 = 437;
    /// The nonce is too old.
    pub const STALE_NONCE: u16 = 438;
    /// The server has no address of that family (RFC 8656 §19).
    pub const ADDRESS_FAMILY_NOT_SUPPORTED: u16 = 440;
    /// Not the credentials that made the allocation (RFC 8656 §19).
    pub const WRONG_CREDENTIALS: u16 = 441;
    /// Not UDP, nor TCP where allowed (RFC 8656 §19).
    pub const UNSUPPORTED_TRANSPORT_PROTOCOL: u16 = 442;
    /// The peer is of another family than the relayed address (RFC 8656 §19).
    pub const PEER_ADDRESS_FAMILY_MISMATCH: u16 = 443;
    /// A connection to that peer exists (RFC 6062 §6.3).
    pub const CONNECTION_ALREADY_EXISTS: u16 = 446;
    /// The peer could not be reached (RFC 6062 §6.3).
    pub const CONNECTION_TIMEOUT_OR_FAILURE: u16 = 447;
    /// The user has as many allocations as allowed (RFC 8656 §19).
    pub const ALLOCATION_QUOTA_REACHED: u16 = 486;
    /// Both agents claim the same role (RFC 8445 §7.3.1.1).
    pub const ROLE_CONFLICT: u16 = 487;
    /// A temporary fault; try again.
    pub const SERVER_ERROR: u16 = 500;
    /// No capacity left (RFC 8656 §19).
    pub const INSUFFICIENT_CAPACITY: u16 = 508;

    /// The code with the phrase that its RFC recommends.
    pub fn of(code: u16) -> Self {
        let reason = match code {
            300 => "Try Alternate",
            400 => "Bad Request",
            401 => "Unauthenticated",
            403 => "Forbidden",
            405 => "Mobility Forbidden",
            420 => "Unknown Attribute",
            437 => "Allocation Mismatch",
            438 => "Stale Nonce",
            440 => "Address Family not Supported",
            441 => "Wrong Credentials",
            442 => "Unsupported Transport Protocol",
            443 => "Peer Address Family Mismatch",
            446 => "Connection Already Exists",
            447 => "Connection Timeout or Failure",
            486 => "Allocation Quota Reached",
            487 => "Role Conflict",
            500 => "Server Error",
            508 => "Insufficient Capacity",
            _ => "",
        };
        Self { code, reason }
    }
}

fn decode_code(class: u8, number: u8, reason: &[u8]) -> Option<ErrorCode<'_>> {
    let class = class & 0x07;
    if !(3..=6).contains(&class) || number > 99 || reason.len() > 763 {
        return None;
    }
    // The phrase is for people only: a bad one must not hide the number.
    let reason = std::str::from_utf8(reason).unwrap_or_default();
    Some(ErrorCode { code: u16::from(class) * 100 + u16::from(number), reason })
}

fn encode_code(code: &ErrorCode<'_>, family: u8, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(&[family, 0, ((code.code / 100) & 0x07) as u8, (code.code % 100) as u8]);
    buffer.extend_from_slice(code.reason.as_bytes());
}

impl<'a> Attribute<'a> for ErrorCode<'a> {
    const KIND: AttributeType = AttributeType::ERROR_CODE;

    fn decode(value: &'a [u8], _: &TransactionId) -> Option<Self> {
        let (&[_, _, class, number], reason) = value.split_first_chunk::<4>()?;
        decode_code(class, number, reason)
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        encode_code(self, 0, buffer);
    }
}

/// ADDRESS-ERROR-CODE: why one half of a dual allocation failed (RFC 8656 §18.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressErrorCode<'a> {
    /// The family that could not be had.
    pub family: AddressFamily,
    /// 440 or 508.
    pub error: ErrorCode<'a>,
}

impl<'a> Attribute<'a> for AddressErrorCode<'a> {
    const KIND: AttributeType = AttributeType::ADDRESS_ERROR_CODE;

    fn decode(value: &'a [u8], _: &TransactionId) -> Option<Self> {
        let (&[family, _, class, number], reason) = value.split_first_chunk::<4>()?;
        Some(Self { family: AddressFamily::from_byte(family)?, error: decode_code(class, number, reason)? })
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        encode_code(&self.error, self.family.to_byte(), buffer);
    }
}

/// UNKNOWN-ATTRIBUTES of a 420 response (RFC 8489 §14.13), borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAttributes<'a>(&'a [u8]);

impl<'a> UnknownAttributes<'a> {
    /// The types that were not understood.
    pub fn iter(&self) -> impl Iterator<Item = AttributeType> + use<'a> {
        self.0.chunks_exact(2).filter_map(|pair| Some(AttributeType(u16::from_be_bytes(pair.try_into().ok()?))))
    }

    /// The value that lists `types`, for [`put_raw`](crate::MessageWriter::put_raw).
    pub fn value_of(types: impl Iterator<Item = AttributeType>) -> Vec<u8> {
        types.flat_map(|kind| kind.0.to_be_bytes()).collect()
    }
}

impl<'a> Attribute<'a> for UnknownAttributes<'a> {
    const KIND: AttributeType = AttributeType::UNKNOWN_ATTRIBUTES;

    fn decode(value: &'a [u8], _: &TransactionId) -> Option<Self> {
        value.len().is_multiple_of(2).then_some(Self(value))
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        buffer.extend_from_slice(self.0);
    }
}

/// PASSWORD-ALGORITHM: the one that the client chose (RFC 8489 §14.12). The number is as on the wire, so that an
/// unknown one can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChosenPasswordAlgorithm(pub u16);

impl Attribute<'_> for ChosenPasswordAlgorithm {
    const KIND: AttributeType = AttributeType::PASSWORD_ALGORITHM;

    fn decode(value: &[u8], _: &TransactionId) -> Option<Self> {
        let (&[high, low, length_high, length_low], parameters) = value.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        (parameters.len() >= length && parameters.len() < length + 4).then_some(Self(u16::from_be_bytes([high, low])))
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        let [high, low] = self.0.to_be_bytes();
        buffer.extend_from_slice(&[high, low, 0, 0]);
    }
}

/// PASSWORD-ALGORITHMS: what the server can do, best first (RFC 8489 §14.11). A client echoes it byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordAlgorithms<'a>(pub &'a [u8]);

impl<'a> PasswordAlgorithms<'a> {
    /// SHA-256 first, then MD5: what our server offers.
    pub const SHA256_MD5: PasswordAlgorithms<'static> = PasswordAlgorithms(&[0, 2, 0, 0, 0, 1, 0, 0]);

    /// The numbers in the list.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (&[high, low, length_high, length_low], after) = rest.split_first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([length_high, length_low]));
            rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some(u16::from_be_bytes([high, low]))
        })
    }

    /// The first one that we can do, which a client must take (RFC 8489 §9.2.5).
    pub fn choose(&self) -> Option<PasswordAlgorithm> {
        self.iter().find_map(PasswordAlgorithm::from_number)
    }
}

impl<'a> Attribute<'a> for PasswordAlgorithms<'a> {
    const KIND: AttributeType = AttributeType::PASSWORD_ALGORITHMS;

    fn decode(value: &'a [u8], _: &TransactionId) -> Option<Self> {
        let mut rest = value;
        while !rest.is_empty() {
            let (&[_, _, high, low], after) = rest.split_first_chunk::<4>()?;
            let length = usize::from(u16::from_be_bytes([high, low]));
            // The padding of the last entry may be left to the padding of the attribute.
            after.get(..length)?;
            rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        (!value.is_empty()).then_some(Self(value))
    }

    fn encode(&self, buffer: &mut Vec<u8>, _: &TransactionId) {
        buffer.extend_from_slice(self.0);
    }
}
