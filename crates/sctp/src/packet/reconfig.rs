//! RE-CONFIG (RFC 6525 §3, §4): stream reset, by which data channels close (RFC 8831 §6.7).

use super::{Parameter, Parameters, ParseError, RawChunk, u16_at, u32_at, write_chunk};
use crate::{StreamId, Tsn};

/// One parameter of a RE-CONFIG chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset<'a> {
    /// Its sender starts these streams of its own anew (§4.1).
    Outgoing {
        /// Number of this request.
        request: u32,
        /// Number of the request that this one answers; one less than the first expected if it answers none.
        response: u32,
        /// All messages up to this TSN belong to the old life of the streams.
        last_tsn: Tsn,
        /// Which ones; none means all.
        streams: StreamList<'a>,
    },
    /// Its sender asks the receiver to start these streams anew (§4.2).
    Incoming {
        /// Number of this request.
        request: u32,
        /// Which ones; none means all.
        streams: StreamList<'a>,
    },
    /// Both sides start everything anew (§4.3).
    All {
        /// Number of this request.
        request: u32,
    },
    /// More streams, outgoing (§4.5) or incoming (§4.6).
    AddStreams {
        /// Number of this request.
        request: u32,
        /// How many.
        count: u16,
        /// Of those on which the sender of this receives.
        incoming: bool,
    },
    /// An answer (§4.4).
    Response {
        /// Number of the request.
        response: u32,
        /// What became of it.
        result: ResetResult,
    },
    /// Something that is not known here.
    Unknown(u16),
}

/// What became of a request (RFC 6525 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ResetResult {
    /// There was nothing to do.
    NothingToDo = 0,
    /// It was done.
    Performed = 1,
    /// It was refused.
    Denied = 2,
    /// A stream does not exist.
    WrongStream = 3,
    /// Another request is being worked on.
    InProgressAlready = 4,
    /// The number of the request was not the expected one.
    BadSequence = 5,
    /// It will be done; ask again.
    InProgress = 6,
}

impl ResetResult {
    fn read(value: u32) -> Result<Self, ParseError> {
        Ok(match value {
            0 => Self::NothingToDo,
            1 => Self::Performed,
            2 => Self::Denied,
            3 => Self::WrongStream,
            4 => Self::InProgressAlready,
            5 => Self::BadSequence,
            6 => Self::InProgress,
            _ => return Err(ParseError::Value("the result of a stream reset", value)),
        })
    }
}

/// Streams, as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamList<'a>(&'a [u8]);

impl<'a> StreamList<'a> {
    /// Reads a list of big-endian numbers.
    pub fn new(bytes: &'a [u8]) -> Self {
        StreamList(bytes)
    }

    /// The streams.
    pub fn iter(&self) -> impl Iterator<Item = StreamId> + 'a {
        self.0.as_chunks::<2>().0.iter().map(|b| StreamId(u16::from_be_bytes(*b)))
    }

    /// Whether the list is empty, which means all streams.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }
}

/// One RE-CONFIG chunk: one or two parameters.
#[derive(Clone, Copy, Debug)]
pub struct ReConfig<'a>(&'a [u8]);

impl<'a> ReConfig<'a> {
    /// The chunk type.
    pub const KIND: u8 = 130;

    /// Reads a chunk of type [`ReConfig::KIND`].
    pub fn parse(chunk: &RawChunk<'a>) -> Self {
        ReConfig(chunk.value)
    }

    /// Its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = Result<Reset<'a>, ParseError>> + 'a {
        Parameters(self.0).map(|p| p.and_then(Reset::parse))
    }

    /// Appends a RE-CONFIG chunk.
    pub fn write(parameters: &[Reset<'_>], out: &mut Vec<u8>) {
        write_chunk(out, Self::KIND, 0, |out| parameters.iter().for_each(|p| p.write(out)));
    }
}

impl<'a> Reset<'a> {
    fn parse(p: Parameter<'a>) -> Result<Self, ParseError> {
        let v = p.value;
        let list = |at| v.get(at..).map(StreamList).ok_or(ParseError::Truncated("a stream reset"));
        Ok(match p.kind {
            13 => Reset::Outgoing {
                request: u32_at(v, 0)?,
                response: u32_at(v, 4)?,
                last_tsn: Tsn(u32_at(v, 8)?),
                streams: list(12)?,
            },
            14 => Reset::Incoming { request: u32_at(v, 0)?, streams: list(4)? },
            15 => Reset::All { request: u32_at(v, 0)? },
            16 => Reset::Response { response: u32_at(v, 0)?, result: ResetResult::read(u32_at(v, 4)?)? },
            17 | 18 => Reset::AddStreams { request: u32_at(v, 0)?, count: u16_at(v, 4)?, incoming: p.kind == 18 },
            kind => Reset::Unknown(kind),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let words = |out: &mut Vec<u8>, words: &[u32]| {
            words.iter().for_each(|w| out.extend_from_slice(&w.to_be_bytes()));
        };
        match *self {
            Reset::Outgoing { request, response, last_tsn, streams } => Parameter::write(out, 13, |out| {
                words(out, &[request, response, last_tsn.0]);
                out.extend_from_slice(streams.0);
            }),
            Reset::Incoming { request, streams } => Parameter::write(out, 14, |out| {
                words(out, &[request]);
                out.extend_from_slice(streams.0);
            }),
            Reset::All { request } => Parameter::write(out, 15, |out| words(out, &[request])),
            Reset::Response { response, result } => {
                Parameter::write(out, 16, |out| words(out, &[response, result as u32]));
            }
            Reset::AddStreams { request, count, incoming } => {
                let kind = if incoming { 18 } else { 17 };
                Parameter::write(out, kind, |out| words(out, &[request, u32::from(count) << 16]));
            }
            Reset::Unknown(_) => {}
        }
    }
}
