//! DATA (RFC 9260 §3.3.1) and I-DATA (RFC 8260 §2.1): a piece of a user message.

use super::{ParseError, RawChunk, array_at, u16_at, u32_at, write_chunk};
use crate::{StreamId, Tsn};

const FLAG_END: u8 = 1;
const FLAG_BEGIN: u8 = 2;
const FLAG_UNORDERED: u8 = 4;
const FLAG_IMMEDIATE: u8 = 8;

/// Where a piece stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// DATA: pieces of a message have consecutive TSNs; ordered messages are counted.
    Stream {
        /// Stream sequence number; means nothing for unordered messages.
        ssn: u16,
    },
    /// I-DATA: each message has a number in its stream, and each piece a number in its message, so that messages can be interleaved.
    Message {
        /// Message identifier; ordered and unordered messages are counted apart.
        mid: u32,
        /// Fragment sequence number: 0 for the first piece.
        fsn: u32,
    },
}

/// One DATA or I-DATA chunk.
///
/// ```text
/// DATA    |  TSN (32)  |  stream (16) |  SSN (16)  |  PPID (32)  |  user data …
/// I-DATA  |  TSN (32)  |  stream (16) | reserved   |  MID (32)   |  PPID if first, else FSN (32)  |  user data …
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Its number.
    pub tsn: Tsn,
    /// Its stream.
    pub stream: StreamId,
    /// Where it stands.
    pub placement: Placement,
    /// Payload protocol identifier. In I-DATA only the first piece carries it; 0 in the others.
    pub ppid: u32,
    /// It begins a message.
    pub begin: bool,
    /// It ends a message.
    pub end: bool,
    /// It need not wait for other messages of its stream.
    pub unordered: bool,
    /// The sender asks for a SACK at once (RFC 7053, RFC 9260 §3.3.1).
    pub immediate: bool,
    /// The user data: never empty.
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// The chunk type of DATA.
    pub const DATA: u8 = 0;
    /// The chunk type of I-DATA.
    pub const I_DATA: u8 = 64;
    /// Bytes before the user data in a DATA chunk, chunk header included.
    pub const DATA_OVERHEAD: usize = 16;
    /// Bytes before the user data in an I-DATA chunk, chunk header included.
    pub const I_DATA_OVERHEAD: usize = 20;

    /// Reads a chunk of type [`Data::DATA`] or [`Data::I_DATA`]. Without user data it is an error that ends the association (RFC 9260 §3.3.10.9).
    pub fn parse(chunk: &RawChunk<'a>) -> Result<Self, ParseError> {
        let v = chunk.value;
        let (begin, end) = (chunk.flags & FLAG_BEGIN != 0, chunk.flags & FLAG_END != 0);
        let (placement, ppid, head) = if chunk.kind == Self::I_DATA {
            let last = u32_at(v, 12)?;
            let (ppid, fsn) = if begin { (last, 0) } else { (0, last) };
            (Placement::Message { mid: u32_at(v, 8)?, fsn }, ppid, 16)
        } else {
            (Placement::Stream { ssn: u16_at(v, 6)? }, u32_at(v, 8)?, 12)
        };
        let payload = v.get(head..).filter(|p| !p.is_empty()).ok_or(ParseError::Length("user data", 0))?;
        Ok(Data {
            tsn: Tsn(u32_at(v, 0)?),
            stream: StreamId(u16_at(v, 4)?),
            placement,
            ppid,
            begin,
            end,
            unordered: chunk.flags & FLAG_UNORDERED != 0,
            immediate: chunk.flags & FLAG_IMMEDIATE != 0,
            payload,
        })
    }

    /// The TSN alone, for an error about a chunk that could not be read.
    pub fn tsn_of(chunk: &RawChunk<'_>) -> Option<Tsn> {
        array_at(chunk.value, 0).ok().map(|b| Tsn(u32::from_be_bytes(b)))
    }

    /// Appends the chunk.
    pub fn write(&self, out: &mut Vec<u8>) {
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let flags = flag(self.end, FLAG_END)
            | flag(self.begin, FLAG_BEGIN)
            | flag(self.unordered, FLAG_UNORDERED)
            | flag(self.immediate, FLAG_IMMEDIATE);
        let kind = match self.placement {
            Placement::Stream { .. } => Self::DATA,
            Placement::Message { .. } => Self::I_DATA,
        };
        write_chunk(out, kind, flags, |out| {
            let mut head = [0; 16];
            let words = head.as_chunks_mut::<4>().0;
            let mut put = |at: usize, value: u32| {
                if let Some(word) = words.get_mut(at) {
                    *word = value.to_be_bytes();
                }
            };
            put(0, self.tsn.0);
            let stream = u32::from(self.stream.0) << 16;
            let len = match self.placement {
                Placement::Stream { ssn } => {
                    put(1, stream | u32::from(ssn));
                    put(2, self.ppid);
                    12
                }
                Placement::Message { mid, fsn } => {
                    put(1, stream);
                    put(2, mid);
                    put(3, if self.begin { self.ppid } else { fsn });
                    16
                }
            };
            out.extend_from_slice(head.get(..len).unwrap_or(&head));
            out.extend_from_slice(self.payload);
        });
    }
}
