//! Session descriptions of WebRTC (RFC 8866), without I/O.
//!
//! [`SessionDescription::parse`] reads a description in one pass, keeps every attribute in its place and what it does not
//! know as it is; printing gives the canonical form, which parses to an equal value. [`codec`] says which codecs of two
//! sides match.
//!
//! ```
//! use parlour_sdp::{Direction, SessionDescription};
//!
//! let text = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
//!     m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n";
//! let description: SessionDescription = text.parse()?;
//! let audio = &description.media[0];
//! assert_eq!(audio.mid(), Some("0"));
//! assert_eq!(audio.direction(&description), Direction::RecvOnly);
//! assert_eq!(audio.codecs()[0].name, "opus");
//! assert_eq!(description.to_string(), text);
//! # Ok::<(), parlour_sdp::ParseError>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod attribute;
pub mod codec;
mod description;
mod error;
mod parse;
mod print;

pub use attribute::candidate::{Candidate, CandidateType, TcpType};
pub use attribute::extmap::Extmap;
pub use attribute::fingerprint::{Fingerprint, HashFunction};
pub use attribute::format::{Fmtp, RtcpFb, Rtpmap};
pub use attribute::rid::{Rid, RidDirection, RidRestriction};
pub use attribute::simulcast::{Simulcast, SimulcastStream};
pub use attribute::ssrc::{SsrcAttribute, SsrcGroup};
pub use attribute::transport::{Group, Msid, RtcpAddress, SctpMap, Setup};
pub use attribute::{Attribute, Direction};
pub use description::{
    Bandwidth, Connection, ExtraLine, IceCredentials, MediaDescription, MediaKind, Origin, SessionDescription, Timing,
};
pub use error::{ParseError, ParseErrorKind};
pub use parse::Limits;
