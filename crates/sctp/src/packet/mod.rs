//! SCTP packets: one common header, then chunks (RFC 9260 §3). One chunk type a file.
//!
//! Readers borrow from the packet; writers append to the caller's buffer. A chunk that cannot be read makes its packet unreadable from there on, and what
//! stood before it counts.

mod abort;
mod control;
mod data;
mod error;
mod forward;
mod init;
mod parameter;
mod reconfig;
mod sack;

pub use abort::Abort;
pub use control::{Control, Heartbeat};
pub use data::{Data, Placement};
pub use error::{Cause, Causes, ErrorChunk};
pub use forward::{ForwardTsn, Skipped, SkippedIter};
pub use init::{Init, InitKind, Support};
pub use parameter::{Parameter, Parameters};
pub use reconfig::{ReConfig, Reset, ResetResult, StreamList};
pub use sack::{GapBlock, GapBlocks, Sack};

use thiserror::Error;

/// The length of the common header in bytes.
pub const HEADER: usize = 12;

/// The length of a chunk's header in bytes.
pub const CHUNK_HEADER: usize = 4;

/// What is wrong with a packet or a chunk.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    /// It ends before it should.
    #[error("{0} ends too early")]
    Truncated(&'static str),
    /// The CRC32c is not that of the packet (RFC 9260 §6.8), nor zero where that is agreed on (RFC 9653).
    #[error("the checksum is wrong")]
    Checksum,
    /// A length field does not fit its surroundings.
    #[error("the length {1} of {0} is impossible")]
    Length(&'static str, usize),
    /// A field has a value that the specification forbids.
    #[error("{0} has the forbidden value {1}")]
    Value(&'static str, u32),
}

/// The common header (RFC 9260 §3.1).
///
/// ```text
/// |     source port (16)      |  destination port (16)  |
/// |              verification tag (32)                  |
/// |              checksum, CRC32c (32)                  |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// 5000 on both sides in WebRTC.
    pub source_port: u16,
    /// 5000 on both sides in WebRTC.
    pub destination_port: u16,
    /// The tag that the receiver chose; 0 for INIT only.
    pub verification_tag: u32,
}

/// A packet: its header and its chunks, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The common header.
    pub header: Header,
    /// Whether the checksum field was zero, which counts as right only where [`Packet::parse`] was told so.
    pub zero_checksum: bool,
    chunks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the header and checks the checksum. A checksum of zero passes if `accept_zero` (RFC 9653 §5.3: the packet came through DTLS).
    pub fn parse(bytes: &'a [u8], accept_zero: bool) -> Result<Self, ParseError> {
        let (head, chunks) = bytes.split_at_checked(HEADER).ok_or(ParseError::Truncated("the common header"))?;
        let stored = u32_at(head, 8)?;
        let zero_checksum = stored == 0;
        if !(zero_checksum && accept_zero) && checksum(bytes) != stored.swap_bytes() {
            return Err(ParseError::Checksum);
        }
        let header = Header {
            source_port: u16_at(head, 0)?,
            destination_port: u16_at(head, 2)?,
            verification_tag: u32_at(head, 4)?,
        };
        Ok(Packet { header, zero_checksum, chunks })
    }

    /// The chunks in their order.
    pub fn chunks(&self) -> Chunks<'a> {
        Chunks { rest: self.chunks }
    }
}

/// The CRC32c of a packet whose checksum field counts as zero (RFC 9260 §6.8 and appendix A).
fn checksum(packet: &[u8]) -> u32 {
    let (head, rest) = packet.split_at_checked(8).unwrap_or((packet, &[]));
    let crc = crc32c::crc32c_append(crc32c::crc32c(head), &[0; 4]);
    crc32c::crc32c_append(crc, rest.get(4..).unwrap_or(&[]))
}

impl Header {
    /// Starts a packet at the end of `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.source_port.to_be_bytes());
        out.extend_from_slice(&self.destination_port.to_be_bytes());
        out.extend_from_slice(&self.verification_tag.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
    }
}

/// Puts the checksum into the packet that starts at `start` of `out` and ends where `out` ends.
pub fn seal(out: &mut [u8], start: usize) {
    if let Some(packet) = out.get_mut(start..) {
        let crc = checksum(packet).to_le_bytes();
        if let Some(field) = packet.get_mut(8..12) {
            field.copy_from_slice(&crc);
        }
    }
}

/// A chunk that has not been looked into (RFC 9260 §3.2).
///
/// ```text
/// |  type (8)  |  flags (8)  |  length with this header, without padding (16)  |
/// |  value, then zeros up to a multiple of four bytes                          |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawChunk<'a> {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// What follows the chunk header.
    pub value: &'a [u8],
}

/// What to do with a chunk whose type is not known: the two highest bits of the type say so (RFC 9260 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownAction {
    /// Ignore the rest of the packet.
    Stop {
        /// Tell the peer by an ERROR chunk.
        report: bool,
    },
    /// Go on with the next chunk.
    Skip {
        /// Tell the peer by an ERROR chunk.
        report: bool,
    },
}

impl RawChunk<'_> {
    /// What the type demands if it is not known.
    pub fn unknown_action(&self) -> UnknownAction {
        let report = self.kind & 0x40 != 0;
        if self.kind & 0x80 != 0 { UnknownAction::Skip { report } } else { UnknownAction::Stop { report } }
    }
}

/// Walks through the chunks of a packet.
#[derive(Clone, Debug)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<RawChunk<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let result = self.read();
        if result.is_err() {
            self.rest = &[];
        }
        Some(result)
    }
}

impl<'a> Chunks<'a> {
    /// Chunks that stand in no packet, as in `a=sctp-init`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Chunks { rest: bytes }
    }

    fn read(&mut self) -> Result<RawChunk<'a>, ParseError> {
        let head = self.rest.get(..CHUNK_HEADER).ok_or(ParseError::Truncated("a chunk header"))?;
        let length = usize::from(u16_at(head, 2)?);
        let value = self.rest.get(CHUNK_HEADER..length).ok_or(ParseError::Length("a chunk", length))?;
        let (kind, flags) = (u8_at(head, 0)?, u8_at(head, 1)?);
        // The padding of the last chunk may be missing (RFC 9260 §3.2 has receivers be lenient about it).
        self.rest = self.rest.get(padded(length)..).unwrap_or(&[]);
        Ok(RawChunk { kind, flags, value })
    }
}

/// Appends a chunk whose value is what `value` appends.
pub fn write_chunk(out: &mut Vec<u8>, kind: u8, flags: u8, value: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[kind, flags, 0, 0]);
    value(out);
    finish(out, start);
}

/// Writes the length of the chunk or parameter that starts at `start`, and pads it.
fn finish(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    if let Some(field) = out.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&(length as u16).to_be_bytes());
    }
    out.resize(start + padded(length), 0);
}

/// `length` rounded up to a multiple of four.
pub const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u8_at(bytes: &[u8], at: usize) -> Result<u8, ParseError> {
    bytes.get(at).copied().ok_or(ParseError::Truncated("a field"))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, ParseError> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, ParseError> {
    array_at(bytes, at).map(u32::from_be_bytes)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], ParseError> {
    bytes.get(at..at + N).and_then(|b| b.try_into().ok()).ok_or(ParseError::Truncated("a field"))
}

#[cfg(test)]
mod cuts;
#[cfg(test)]
mod tests;
