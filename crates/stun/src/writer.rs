//! Writing a message at the end of the caller's buffer.

use crate::attribute::{Attribute, AttributeType};
use crate::integrity::IntegrityKey;
use crate::message::{Class, HEADER_LEN, MAGIC_COOKIE, Message, Method, TransactionId, message_type};
use thiserror::Error;

/// The value that FINGERPRINT mixes into its CRC, the letters "STUN" (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// A message would be longer than its length field can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the attributes take more than the 65535 bytes that a STUN message can hold; send less in one message")]
pub struct MessageTooLong;

/// Writes one message at the end of a buffer.
///
/// Put the ordinary attributes first, then [`integrity`](Self::integrity), then [`fingerprint`](Self::fingerprint):
/// receivers ignore attributes in another order (RFC 8489 §14.5 to §14.7). [`finish`](Self::finish) must be called,
/// or the length field stays wrong.
#[derive(Debug)]
pub struct MessageWriter<'b> {
    buffer: &'b mut Vec<u8>,
    start: usize,
    id: TransactionId,
    too_long: bool,
}

impl<'b> MessageWriter<'b> {
    /// Starts a message.
    pub fn new(buffer: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = buffer.len();
        let mut header = [0; HEADER_LEN];
        header[..2].copy_from_slice(&message_type(class, method).to_be_bytes());
        header[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        header[8..].copy_from_slice(&id.0);
        buffer.extend_from_slice(&header);
        Self { buffer, start, id, too_long: false }
    }

    /// Starts the response to `request`: same method, same transaction.
    pub fn response(buffer: &'b mut Vec<u8>, class: Class, request: &Message<'_>) -> Self {
        Self::new(buffer, class, request.method(), request.transaction_id())
    }

    /// Appends an attribute.
    pub fn put<'v, A: Attribute<'v>>(&mut self, attribute: &A) {
        let id = self.id;
        self.put_with(A::KIND, |buffer| attribute.encode(buffer, &id));
    }

    /// Appends an attribute of any type from its value.
    pub fn put_raw(&mut self, kind: AttributeType, value: &[u8]) {
        self.put_with(kind, |buffer| buffer.extend_from_slice(value));
    }

    fn put_with(&mut self, kind: AttributeType, encode: impl FnOnce(&mut Vec<u8>)) {
        let at = self.buffer.len();
        let [high, low] = kind.0.to_be_bytes();
        self.buffer.extend_from_slice(&[high, low, 0, 0]);
        encode(self.buffer);
        let length = self.buffer.len() - at - 4;
        match (u16::try_from(length), self.buffer.get_mut(at + 2..at + 4)) {
            (Ok(length), Some(field)) => field.copy_from_slice(&length.to_be_bytes()),
            _ => self.too_long = true,
        }
        let padding = length.next_multiple_of(4) - length;
        self.buffer.extend_from_slice([0u8; 3].get(..padding).unwrap_or_default());
    }

    /// Appends MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 as `key` is made for (RFC 8489 §14.5, §14.6).
    pub fn integrity(&mut self, key: &IntegrityKey) {
        match key {
            IntegrityKey::Sha1(hmac) => {
                self.set_length(4 + 20);
                let mac = hmac.sign(self.message());
                self.put_raw(AttributeType::MESSAGE_INTEGRITY, &mac);
            }
            IntegrityKey::Sha256(hmac) => {
                self.set_length(4 + 32);
                let mac = hmac.sign(self.message());
                self.put_raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &mac);
            }
        }
    }

    /// Appends FINGERPRINT, which must be last (RFC 8489 §14.7).
    pub fn fingerprint(&mut self) {
        self.set_length(8);
        let crc = fingerprint_of(self.message());
        self.put_raw(AttributeType::FINGERPRINT, &crc.to_be_bytes());
    }

    /// The bytes written so far, header included.
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Never true: a header is always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Sets the length field and tells how many bytes the message takes.
    ///
    /// # Errors
    /// The message is too long; the buffer is as it was before [`new`](Self::new).
    pub fn finish(mut self) -> Result<usize, MessageTooLong> {
        self.set_length(0);
        if self.too_long {
            self.buffer.truncate(self.start);
            return Err(MessageTooLong);
        }
        Ok(self.len())
    }

    fn message(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Writes the length field as if `more` bytes followed what is there.
    fn set_length(&mut self, more: usize) {
        let length = self.len() - HEADER_LEN + more;
        match (u16::try_from(length), self.buffer.get_mut(self.start + 2..self.start + 4)) {
            (Ok(length), Some(field)) => field.copy_from_slice(&length.to_be_bytes()),
            _ => self.too_long = true,
        }
    }
}

/// The FINGERPRINT of a message of which `covered` comes before that attribute, as if the message ended with it.
pub(crate) fn fingerprint_of(covered: &[u8]) -> u32 {
    let length = covered.len().wrapping_sub(HEADER_LEN) + 8;
    let stated = covered.get(2..4).and_then(|field| <[u8; 2]>::try_from(field).ok()).map(u16::from_be_bytes);
    if stated.map(usize::from) == Some(length) {
        return crc32fast::hash(covered) ^ FINGERPRINT_XOR;
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(covered.get(..2).unwrap_or_default());
    crc.update(&(length as u16).to_be_bytes());
    crc.update(covered.get(4..).unwrap_or_default());
    crc.finalize() ^ FINGERPRINT_XOR
}
