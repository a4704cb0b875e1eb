//! ERROR (RFC 9260 §3.3.10) and the error causes that ABORT carries too.

use super::{Parameter, Parameters, ParseError, RawChunk, u16_at, u32_at, write_chunk};
use crate::{StreamId, Tsn};

/// Why something was refused or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause<'a> {
    /// A DATA chunk named a stream that does not exist.
    InvalidStream(StreamId),
    /// These parameters (by their types) were missing; the value as sent.
    MissingParameters(&'a [u8]),
    /// The cookie came so many microseconds too late.
    StaleCookie(u32),
    /// Out of memory, or unwilling.
    OutOfResource,
    /// An address that cannot be resolved.
    UnresolvableAddress(&'a [u8]),
    /// A chunk whose type is not known: that chunk.
    UnrecognizedChunk(&'a [u8]),
    /// A mandatory field was invalid.
    InvalidParameter,
    /// Parameters whose types are not known: those parameters.
    UnrecognizedParameters(&'a [u8]),
    /// A DATA chunk without user data.
    NoUserData(Tsn),
    /// A cookie came while the association was shutting down.
    CookieWhileShuttingDown,
    /// A restart with other addresses.
    RestartWithNewAddresses(&'a [u8]),
    /// The user of the other side ended it, with this reason.
    UserInitiated(&'a [u8]),
    /// A rule of the protocol was broken, with this explanation.
    ProtocolViolation(&'a [u8]),
    /// A cause that is not known here.
    Unknown(Parameter<'a>),
}

impl<'a> Cause<'a> {
    /// Reads a cause.
    pub fn parse(p: Parameter<'a>) -> Result<Self, ParseError> {
        Ok(match p.kind {
            1 => Cause::InvalidStream(StreamId(u16_at(p.value, 0)?)),
            2 => Cause::MissingParameters(p.value),
            3 => Cause::StaleCookie(u32_at(p.value, 0)?),
            4 => Cause::OutOfResource,
            5 => Cause::UnresolvableAddress(p.value),
            6 => Cause::UnrecognizedChunk(p.value),
            7 => Cause::InvalidParameter,
            8 => Cause::UnrecognizedParameters(p.value),
            9 => Cause::NoUserData(Tsn(u32_at(p.value, 0)?)),
            10 => Cause::CookieWhileShuttingDown,
            11 => Cause::RestartWithNewAddresses(p.value),
            12 => Cause::UserInitiated(p.value),
            13 => Cause::ProtocolViolation(p.value),
            _ => Cause::Unknown(p),
        })
    }

    /// Appends the cause.
    pub fn write(&self, out: &mut Vec<u8>) {
        let bytes =
            |out: &mut Vec<u8>, kind, value: &[u8]| Parameter::write(out, kind, |out| out.extend_from_slice(value));
        match *self {
            Cause::InvalidStream(StreamId(id)) => {
                let [a, b] = id.to_be_bytes();
                bytes(out, 1, &[a, b, 0, 0]);
            }
            Cause::MissingParameters(value) => bytes(out, 2, value),
            Cause::StaleCookie(micros) => bytes(out, 3, &micros.to_be_bytes()),
            Cause::OutOfResource => bytes(out, 4, &[]),
            Cause::UnresolvableAddress(value) => bytes(out, 5, value),
            Cause::UnrecognizedChunk(value) => bytes(out, 6, value),
            Cause::InvalidParameter => bytes(out, 7, &[]),
            Cause::UnrecognizedParameters(value) => bytes(out, 8, value),
            Cause::NoUserData(tsn) => bytes(out, 9, &tsn.0.to_be_bytes()),
            Cause::CookieWhileShuttingDown => bytes(out, 10, &[]),
            Cause::RestartWithNewAddresses(value) => bytes(out, 11, value),
            Cause::UserInitiated(value) => bytes(out, 12, value),
            Cause::ProtocolViolation(value) => bytes(out, 13, value),
            Cause::Unknown(p) => bytes(out, p.kind, p.value),
        }
    }
}

/// Walks through causes; stops at one that cannot be read.
#[derive(Clone, Debug)]
pub struct Causes<'a>(pub(crate) Parameters<'a>);

impl<'a> Iterator for Causes<'a> {
    type Item = Result<Cause<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.and_then(Cause::parse))
    }
}

/// One ERROR chunk: something was wrong, and the association goes on.
#[derive(Clone, Copy, Debug)]
pub struct ErrorChunk<'a>(&'a [u8]);

impl<'a> ErrorChunk<'a> {
    /// The chunk type.
    pub const KIND: u8 = 9;

    /// Reads a chunk of type [`ErrorChunk::KIND`].
    pub fn parse(chunk: &RawChunk<'a>) -> Self {
        ErrorChunk(chunk.value)
    }

    /// What was wrong.
    pub fn causes(&self) -> Causes<'a> {
        Causes(Parameters(self.0))
    }

    /// Appends an ERROR chunk with these causes.
    pub fn write(causes: &[Cause<'_>], out: &mut Vec<u8>) {
        write_chunk(out, Self::KIND, 0, |out| causes.iter().for_each(|cause| cause.write(out)));
    }
}
