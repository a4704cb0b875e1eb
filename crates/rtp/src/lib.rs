//! RTP and RTCP packets, header extensions and payload formats, without I/O.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod numbers;

pub use numbers::{
    ExtendedSequenceNumber, ExtendedTimestamp, PayloadType, RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc,
    TimestampUnwrapper,
};
