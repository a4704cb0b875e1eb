//! SCTP for WebRTC data channels, without I/O.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod packet;
mod serial;

pub use serial::{StreamId, Tsn};
