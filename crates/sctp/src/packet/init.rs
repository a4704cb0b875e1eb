//! INIT and INIT ACK (RFC 9260 §3.3.2, §3.3.3), and the parameters that say what a side supports.

use super::{Parameter, Parameters, ParseError, RawChunk, u16_at, u32_at, write_chunk};
use crate::Tsn;

const STATE_COOKIE: u16 = 7;
const UNRECOGNIZED: u16 = 8;
const ZERO_CHECKSUM: u16 = 0x8001;
const SUPPORTED_EXTENSIONS: u16 = 0x8008;
const FORWARD_TSN: u16 = 0xc000;

/// The error detection method "DTLS" of RFC 9653 §4.
const EDMID_DTLS: u32 = 1;

const CHUNK_RECONFIG: u8 = 130;
const CHUNK_FORWARD_TSN: u8 = 192;
const CHUNK_I_DATA: u8 = 64;
const CHUNK_I_FORWARD_TSN: u8 = 194;

/// Which of the two chunks it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitKind {
    /// The first packet of an association.
    Init,
    /// Its answer, with a cookie.
    Ack,
}

/// The extensions that a side supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Support {
    /// Partial reliability (RFC 3758).
    pub forward_tsn: bool,
    /// Stream reset (RFC 6525).
    pub reconfig: bool,
    /// Interleaving of messages (RFC 8260). With `forward_tsn` it means I-FORWARD-TSN too.
    pub interleaving: bool,
    /// Packets protected by DTLS may come without checksum (RFC 9653).
    pub zero_checksum: bool,
}

/// INIT or INIT ACK.
///
/// ```text
/// |               initiate tag (32), not 0                |
/// |               receiver window in bytes (32)           |
/// | outgoing streams (16), not 0 | incoming streams (16), not 0 |
/// |               first TSN (32)                          |
/// | parameters …
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init<'a> {
    /// Which chunk.
    pub kind: InitKind,
    /// The verification tag that the sender of this chunk wants to see.
    pub tag: u32,
    /// How many bytes the sender of this chunk can hold.
    pub window: u32,
    /// How many streams it wants to send on.
    pub outgoing: u16,
    /// How many it can receive on.
    pub incoming: u16,
    /// Its first TSN.
    pub tsn: Tsn,
    /// What it supports.
    pub support: Support,
    /// INIT ACK only: to be sent back in COOKIE ECHO.
    pub cookie: Option<&'a [u8]>,
}

impl<'a> Init<'a> {
    /// The chunk type of INIT.
    pub const INIT: u8 = 1;
    /// The chunk type of INIT ACK.
    pub const ACK: u8 = 2;

    /// Reads a chunk of type [`Init::INIT`] or [`Init::ACK`]. A tag or a stream count of zero is an error (RFC 9260 §3.3.2).
    ///
    /// Each parameter that is not known and wants to be reported is handed to `unknown`.
    pub fn parse(chunk: &RawChunk<'a>, mut unknown: impl FnMut(Parameter<'a>)) -> Result<Self, ParseError> {
        let v = chunk.value;
        let mut init = Init {
            kind: if chunk.kind == Self::ACK { InitKind::Ack } else { InitKind::Init },
            tag: u32_at(v, 0)?,
            window: u32_at(v, 4)?,
            outgoing: u16_at(v, 8)?,
            incoming: u16_at(v, 10)?,
            tsn: Tsn(u32_at(v, 12)?),
            support: Support::default(),
            cookie: None,
        };
        for (name, value) in [
            ("the initiate tag", init.tag),
            ("the number of outgoing streams", u32::from(init.outgoing)),
            ("the number of incoming streams", u32::from(init.incoming)),
        ] {
            if value == 0 {
                return Err(ParseError::Value(name, 0));
            }
        }
        let mut extensions: &[u8] = &[];
        for parameter in Parameters(v.get(16..).unwrap_or(&[])) {
            let parameter = parameter?;
            match parameter.kind {
                STATE_COOKIE => init.cookie = Some(parameter.value),
                SUPPORTED_EXTENSIONS => extensions = parameter.value,
                FORWARD_TSN => init.support.forward_tsn = true,
                ZERO_CHECKSUM => init.support.zero_checksum = u32_at(parameter.value, 0) == Ok(EDMID_DTLS),
                // Addresses, cookie preservative, ECN, adaptation, and what an INIT ACK says of our own parameters: of no use inside DTLS.
                5 | 6 | UNRECOGNIZED | 9 | 11 | 12 | 0x8000 | 0x8002..=0x8004 | 0xc006 => {}
                _ => {
                    if parameter.reports() {
                        unknown(parameter);
                    }
                    if parameter.stops() {
                        break;
                    }
                }
            }
        }
        init.support.reconfig = extensions.contains(&CHUNK_RECONFIG);
        init.support.interleaving = extensions.contains(&CHUNK_I_DATA);
        init.support.forward_tsn |= extensions.contains(&CHUNK_FORWARD_TSN);
        Ok(init)
    }

    /// Appends the chunk; `unknown` are parameters of the peer's INIT to report in an INIT ACK (RFC 9260 §3.2.2).
    pub fn write(&self, unknown: &[Parameter<'_>], out: &mut Vec<u8>) {
        let kind = match self.kind {
            InitKind::Init => Self::INIT,
            InitKind::Ack => Self::ACK,
        };
        write_chunk(out, kind, 0, |out| {
            out.extend_from_slice(&self.tag.to_be_bytes());
            out.extend_from_slice(&self.window.to_be_bytes());
            out.extend_from_slice(&self.outgoing.to_be_bytes());
            out.extend_from_slice(&self.incoming.to_be_bytes());
            out.extend_from_slice(&self.tsn.0.to_be_bytes());
            if self.support.forward_tsn {
                Parameter::write(out, FORWARD_TSN, |_| {});
            }
            if self.support.zero_checksum {
                Parameter::write(out, ZERO_CHECKSUM, |out| out.extend_from_slice(&EDMID_DTLS.to_be_bytes()));
            }
            let extensions = self.extensions();
            if !extensions.is_empty() {
                Parameter::write(out, SUPPORTED_EXTENSIONS, |out| out.extend_from_slice(&extensions));
            }
            for parameter in unknown {
                Parameter::write(out, UNRECOGNIZED, |out| {
                    Parameter::write(out, parameter.kind, |out| out.extend_from_slice(parameter.value));
                });
            }
            if let Some(cookie) = self.cookie {
                Parameter::write(out, STATE_COOKIE, |out| out.extend_from_slice(cookie));
            }
        });
    }

    fn extensions(&self) -> Vec<u8> {
        let s = self.support;
        [
            (s.reconfig, CHUNK_RECONFIG),
            (s.forward_tsn, CHUNK_FORWARD_TSN),
            (s.interleaving, CHUNK_I_DATA),
            (s.interleaving && s.forward_tsn, CHUNK_I_FORWARD_TSN),
        ]
        .into_iter()
        .filter_map(|(on, kind)| on.then_some(kind))
        .collect()
    }
}
