//! SACK (RFC 9260 §3.3.4): what has arrived.

use super::{ParseError, RawChunk, u16_at, u32_at, write_chunk};
use crate::Tsn;

/// A run of TSNs that arrived behind a gap, as offsets from the cumulative TSN; both ends are part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapBlock {
    /// Offset of the first one: at least 2 in a well-formed chunk.
    pub start: u16,
    /// Offset of the last one.
    pub end: u16,
}

/// One SACK chunk.
///
/// ```text
/// |              cumulative TSN (32)              |
/// |            receiver window in bytes (32)      |
/// | number of blocks (16) | number of doubles (16)|
/// | start (16) | end (16) | …                     |
/// | TSN that came twice (32), …                   |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sack<'a> {
    /// All up to and including this one have arrived.
    pub cumulative: Tsn,
    /// How many more bytes the receiver can hold.
    pub window: u32,
    blocks: &'a [u8],
    doubles: &'a [u8],
}

impl<'a> Sack<'a> {
    /// The chunk type.
    pub const KIND: u8 = 3;

    /// Reads a chunk of type [`Sack::KIND`].
    pub fn parse(chunk: &RawChunk<'a>) -> Result<Self, ParseError> {
        let v = chunk.value;
        let blocks = usize::from(u16_at(v, 8)?) * 4;
        let doubles = usize::from(u16_at(v, 10)?) * 4;
        let bad = ParseError::Length("a SACK", v.len());
        Ok(Sack {
            cumulative: Tsn(u32_at(v, 0)?),
            window: u32_at(v, 4)?,
            blocks: v.get(12..12 + blocks).ok_or(bad)?,
            doubles: v.get(12 + blocks..12 + blocks + doubles).ok_or(bad)?,
        })
    }

    /// The runs behind the gaps, as sent: neither their order nor that they do not overlap is certain.
    pub fn blocks(&self) -> GapBlocks<'a> {
        GapBlocks(self.blocks)
    }

    /// How many TSNs are reported as having come twice.
    pub fn doubles(&self) -> usize {
        self.doubles.len() / 4
    }

    /// The TSNs that came twice.
    pub fn double_tsns(&self) -> impl Iterator<Item = Tsn> + 'a {
        self.doubles.as_chunks::<4>().0.iter().map(|b| Tsn(u32::from_be_bytes(*b)))
    }

    /// Appends a SACK chunk.
    pub fn write(
        out: &mut Vec<u8>,
        cumulative: Tsn,
        window: u32,
        blocks: impl ExactSizeIterator<Item = GapBlock>,
        doubles: &[Tsn],
    ) {
        write_chunk(out, Self::KIND, 0, |out| {
            out.extend_from_slice(&cumulative.0.to_be_bytes());
            out.extend_from_slice(&window.to_be_bytes());
            out.extend_from_slice(&(blocks.len() as u16).to_be_bytes());
            out.extend_from_slice(&(doubles.len() as u16).to_be_bytes());
            for block in blocks {
                out.extend_from_slice(&block.start.to_be_bytes());
                out.extend_from_slice(&block.end.to_be_bytes());
            }
            for tsn in doubles {
                out.extend_from_slice(&tsn.0.to_be_bytes());
            }
        });
    }
}

/// Walks through the gap blocks of a SACK.
#[derive(Clone, Debug)]
pub struct GapBlocks<'a>(&'a [u8]);

impl Iterator for GapBlocks<'_> {
    type Item = GapBlock;

    fn next(&mut self) -> Option<GapBlock> {
        let (block, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        let [a, b, c, d] = *block;
        Some(GapBlock { start: u16::from_be_bytes([a, b]), end: u16::from_be_bytes([c, d]) })
    }
}
