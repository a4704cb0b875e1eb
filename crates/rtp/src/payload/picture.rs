//! What VP8 and VP9 share: the number of a picture, and frames whose payloads begin each with a descriptor.

use crate::reader::Reader;

/// The number of a picture: seven bits, or fifteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureId {
    /// 0 to 127.
    Short(u8),
    /// 0 to 32767.
    Long(u16),
}

impl PictureId {
    /// The number.
    pub const fn value(self) -> u16 {
        match self {
            Self::Short(value) => value as u16,
            Self::Long(value) => value,
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let byte = reader.u8()?;
        Some(if byte & 0x80 != 0 {
            Self::Long(u16::from_be_bytes([byte & 0x7f, reader.u8()?]))
        } else {
            Self::Short(byte)
        })
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Short(value) => out.push(value & 0x7f),
            Self::Long(value) => out.extend_from_slice(&(value | 0x8000).to_be_bytes()),
        }
    }
}

/// A frame that is being cut.
#[derive(Debug)]
pub(crate) struct Pieces<'f> {
    rest: &'f [u8],
    first: bool,
    max_payload: usize,
}

impl<'f> Pieces<'f> {
    pub(crate) fn new(frame: &'f [u8], max_payload: usize) -> Self {
        Self { rest: frame, first: true, max_payload }
    }

    /// Appends the next payload, whose descriptor `describe` writes, told whether it is the first one. As
    /// [`next_payload`](super::Packetizer::next_payload).
    pub(crate) fn next(&mut self, out: &mut Vec<u8>, describe: impl FnOnce(bool, &mut Vec<u8>)) -> Option<bool> {
        if self.rest.is_empty() {
            return None;
        }
        let start = out.len();
        describe(self.first, out);
        self.first = false;
        let room = self.max_payload.saturating_sub(out.len() - start);
        let (part, rest) = self.rest.split_at_checked(room).unwrap_or((self.rest, &[]));
        out.extend_from_slice(part);
        self.rest = rest;
        Some(rest.is_empty())
    }
}
