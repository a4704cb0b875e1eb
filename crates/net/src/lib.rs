//! Sockets: UDP in batches and trains ([`udp`]), messages on streams ([`framing`]), the TURN relay that stands on both
//! ([`relay`]), this host's addresses ([`interfaces`]), and names on the link ([`mdns`]).
//!
//! This is where the state machines of the protocol crates meet the operating system. Nothing here decides what the
//! protocols say; everything here is about moving their bytes with as few system calls as possible.

#![deny(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod framing;
pub mod interfaces;
#[cfg(target_os = "linux")]
mod interfaces_linux;
pub mod mdns;
pub mod relay;
mod sys;
pub mod udp;

/// Fills `bytes` from the operating system's generator.
pub fn random(bytes: &mut [u8]) {
    // The generator fails only before the machine has gathered its first entropy, and secrets that can be guessed must not leave it.
    while getrandom::fill(bytes).is_err() {
        std::thread::yield_now();
    }
}
