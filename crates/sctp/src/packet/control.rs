//! The chunks that carry little: cookies (RFC 9260 §3.3.11, §3.3.12), heartbeats (§3.3.5, §3.3.6), shutdown (§3.3.8, §3.3.9, §3.3.13) and padding (RFC 4820).

use super::{Parameter, Parameters, ParseError, RawChunk, u32_at, write_chunk};
use crate::Tsn;

/// A chunk without structure of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control<'a> {
    /// Brings the cookie of an INIT ACK back.
    CookieEcho(&'a [u8]),
    /// The cookie was good; the association stands.
    CookieAck,
    /// The sender has no more messages; all up to this TSN have arrived at it.
    Shutdown(Tsn),
    /// Nor has the other side.
    ShutdownAck,
    /// The association is gone; `reflected` if its sender has no association and reflected the tag (the T bit, RFC 9260 §8.5.1).
    ShutdownComplete {
        /// The T bit.
        reflected: bool,
    },
    /// So many bytes of nothing, to probe the path's size.
    Pad(usize),
}

impl<'a> Control<'a> {
    /// Reads a chunk; `None` if it is of another type.
    pub fn parse(chunk: &RawChunk<'a>) -> Option<Result<Self, ParseError>> {
        Some(Ok(match chunk.kind {
            7 => return Some(u32_at(chunk.value, 0).map(|tsn| Control::Shutdown(Tsn(tsn)))),
            8 => Control::ShutdownAck,
            10 => Control::CookieEcho(chunk.value),
            11 => Control::CookieAck,
            14 => Control::ShutdownComplete { reflected: chunk.flags & 1 != 0 },
            0x84 => Control::Pad(chunk.value.len()),
            _ => return None,
        }))
    }

    /// Appends the chunk.
    pub fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Control::CookieEcho(cookie) => write_chunk(out, 10, 0, |out| out.extend_from_slice(cookie)),
            Control::CookieAck => write_chunk(out, 11, 0, |_| {}),
            Control::Shutdown(tsn) => write_chunk(out, 7, 0, |out| out.extend_from_slice(&tsn.0.to_be_bytes())),
            Control::ShutdownAck => write_chunk(out, 8, 0, |_| {}),
            Control::ShutdownComplete { reflected } => write_chunk(out, 14, u8::from(reflected), |_| {}),
            Control::Pad(len) => write_chunk(out, 0x84, 0, |out| out.resize(out.len() + len, 0)),
        }
    }
}

/// HEARTBEAT and HEARTBEAT ACK: a question and the same bytes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    /// Whether it is the answer.
    pub ack: bool,
    /// What the asker put in.
    pub info: &'a [u8],
}

impl<'a> Heartbeat<'a> {
    /// The chunk type of HEARTBEAT.
    pub const HEARTBEAT: u8 = 4;
    /// The chunk type of HEARTBEAT ACK.
    pub const ACK: u8 = 5;
    const INFO: u16 = 1;

    /// Reads a chunk of type [`Heartbeat::HEARTBEAT`] or [`Heartbeat::ACK`].
    pub fn parse(chunk: &RawChunk<'a>) -> Result<Self, ParseError> {
        match Parameters(chunk.value).next() {
            Some(Ok(Parameter { kind: Self::INFO, value })) => {
                Ok(Heartbeat { ack: chunk.kind == Self::ACK, info: value })
            }
            Some(Ok(other)) => Err(ParseError::Value("a heartbeat's parameter type", u32::from(other.kind))),
            Some(Err(error)) => Err(error),
            None => Err(ParseError::Truncated("a heartbeat")),
        }
    }

    /// Appends the chunk.
    pub fn write(&self, out: &mut Vec<u8>) {
        let kind = if self.ack { Self::ACK } else { Self::HEARTBEAT };
        write_chunk(out, kind, 0, |out| {
            Parameter::write(out, Self::INFO, |out| out.extend_from_slice(self.info));
        });
    }
}
