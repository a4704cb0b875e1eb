//! ABORT (RFC 9260 §3.3.7): the association ends at once.

use super::{Cause, Causes, Parameters, RawChunk, write_chunk};

/// One ABORT chunk.
#[derive(Clone, Copy, Debug)]
pub struct Abort<'a> {
    /// The T bit: the sender has no association and reflected the verification tag (RFC 9260 §8.5.1).
    pub reflected: bool,
    causes: &'a [u8],
}

impl<'a> Abort<'a> {
    /// The chunk type.
    pub const KIND: u8 = 6;

    /// Reads a chunk of type [`Abort::KIND`].
    pub fn parse(chunk: &RawChunk<'a>) -> Self {
        Abort { reflected: chunk.flags & 1 != 0, causes: chunk.value }
    }

    /// Why.
    pub fn causes(&self) -> Causes<'a> {
        Causes(Parameters(self.causes))
    }

    /// Appends an ABORT chunk.
    pub fn write(reflected: bool, causes: &[Cause<'_>], out: &mut Vec<u8>) {
        write_chunk(out, Self::KIND, u8::from(reflected), |out| causes.iter().for_each(|cause| cause.write(out)));
    }
}
