//! FORWARD TSN (RFC 3758 §3.2) and I-FORWARD-TSN (RFC 8260 §2.3.1): the sender has given messages up.

use super::{ParseError, RawChunk, u32_at, write_chunk};
use crate::{StreamId, Tsn};

/// A stream on which messages were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// FORWARD TSN: ordered messages up to this stream sequence number.
    Stream {
        /// On which stream.
        stream: StreamId,
        /// The last one given up.
        ssn: u16,
    },
    /// I-FORWARD-TSN: messages up to this message identifier.
    Message {
        /// On which stream.
        stream: StreamId,
        /// Of the unordered messages, rather than of the ordered ones.
        unordered: bool,
        /// The last one given up.
        mid: u32,
    },
}

/// One FORWARD TSN or I-FORWARD-TSN chunk.
///
/// ```text
/// |  new cumulative TSN (32)  |
/// |  stream (16) | SSN (16), …                            |   FORWARD TSN
/// |  stream (16) | reserved (15), U (1) |  MID (32), …    |   I-FORWARD-TSN
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ForwardTsn<'a> {
    /// All up to and including this one count as arrived.
    pub cumulative: Tsn,
    interleaved: bool,
    skipped: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    /// The chunk type of FORWARD TSN.
    pub const FORWARD: u8 = 192;
    /// The chunk type of I-FORWARD-TSN.
    pub const I_FORWARD: u8 = 194;

    /// Reads a chunk of type [`ForwardTsn::FORWARD`] or [`ForwardTsn::I_FORWARD`].
    pub fn parse(chunk: &RawChunk<'a>) -> Result<Self, ParseError> {
        let interleaved = chunk.kind == Self::I_FORWARD;
        let skipped = chunk.value.get(4..).ok_or(ParseError::Truncated("a FORWARD TSN"))?;
        if !skipped.len().is_multiple_of(if interleaved { 8 } else { 4 }) {
            return Err(ParseError::Length("a FORWARD TSN", chunk.value.len()));
        }
        Ok(ForwardTsn { cumulative: Tsn(u32_at(chunk.value, 0)?), interleaved, skipped })
    }

    /// The streams concerned.
    pub fn skipped(&self) -> SkippedIter<'a> {
        SkippedIter { interleaved: self.interleaved, rest: self.skipped }
    }

    /// Appends the chunk; `interleaved` says which, and `skipped` holds entries of that kind only.
    pub fn write(interleaved: bool, cumulative: Tsn, skipped: &[Skipped], out: &mut Vec<u8>) {
        let kind = if interleaved { Self::I_FORWARD } else { Self::FORWARD };
        write_chunk(out, kind, 0, |out| {
            out.extend_from_slice(&cumulative.0.to_be_bytes());
            for entry in skipped {
                match *entry {
                    Skipped::Stream { stream, ssn } => {
                        out.extend_from_slice(&stream.0.to_be_bytes());
                        out.extend_from_slice(&ssn.to_be_bytes());
                    }
                    Skipped::Message { stream, unordered, mid } => {
                        out.extend_from_slice(&stream.0.to_be_bytes());
                        out.extend_from_slice(&u16::from(unordered).to_be_bytes());
                        out.extend_from_slice(&mid.to_be_bytes());
                    }
                }
            }
        });
    }
}

/// Walks through the streams of a FORWARD TSN.
#[derive(Clone, Debug)]
pub struct SkippedIter<'a> {
    interleaved: bool,
    rest: &'a [u8],
}

impl Iterator for SkippedIter<'_> {
    type Item = Skipped;

    fn next(&mut self) -> Option<Skipped> {
        let ([a, b, c, d], rest) = self.rest.split_first_chunk::<4>()?;
        let stream = StreamId(u16::from_be_bytes([*a, *b]));
        if !self.interleaved {
            self.rest = rest;
            return Some(Skipped::Stream { stream, ssn: u16::from_be_bytes([*c, *d]) });
        }
        let (mid, rest) = rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(Skipped::Message { stream, unordered: d & 1 != 0, mid: u32::from_be_bytes(*mid) })
    }
}
