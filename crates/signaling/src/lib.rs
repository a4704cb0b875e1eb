//! Parlour's signaling protocol and its room state machine, without I/O.
#![forbid(unsafe_code)]

pub mod message;
