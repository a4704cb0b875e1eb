//! RTP and RTCP packets, header extensions and payload formats, without I/O.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod extension;
pub mod fec;
mod numbers;
mod packet;
pub mod payload;
mod reader;
pub mod red;
pub mod rtcp;
pub mod rtx;

pub use numbers::{
    ExtendedSequenceNumber, ExtendedTimestamp, PayloadType, RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc,
    TimestampUnwrapper,
};
pub use packet::{PacketError, RtpHeader, RtpHeaderMut, RtpOrRtcp, RtpPacket, RtpWriter};
