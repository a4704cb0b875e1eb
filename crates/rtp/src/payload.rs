//! Payload formats: how the frames of each codec lie in RTP packets, one file a format.
//!
//! A packetiser cuts a frame into payloads of a given size; a depacketiser puts the payloads of a frame, in order and
//! complete, together again; `inspect` tells a forwarder what it needs to know of a single payload.

pub mod av1;
pub mod comfort_noise;
pub mod g711;
pub mod g722;
pub mod h264;
pub mod h265;
mod nal;
pub mod opus;
mod picture;
pub mod telephone_event;
pub mod vp8;
pub mod vp9;

use thiserror::Error;

/// Why a payload could not be read, or a frame not be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The payload ends too early.
    #[error("the payload ends too early")]
    Truncated,
    /// The payload uses a structure that WebRTC does not use, or that the format forbids.
    #[error("the payload has structure {0}, which is not to be used")]
    Structure(u8),
    /// A fragment came without the one before it.
    #[error("a fragment came without the one before it")]
    MissingFragment,
    /// The frame is not what the codec makes.
    #[error("the frame is malformed")]
    MalformedFrame,
    /// The payload size is too small for the format, or for a unit that may not be cut.
    #[error("a payload of {0} bytes is too small")]
    TooSmall(usize),
}

/// Cuts one frame into payloads.
pub trait Packetizer {
    /// Appends the next payload to `out`. `Some(true)` says that it was the last one of the frame, `None` that there was
    /// none left.
    ///
    /// Every payload but the last is as long as it may be, where the format allows that, so that the packets of a frame
    /// can leave in one train of equal segments.
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool>;
}

/// Puts a frame together from its payloads, which must come in order and complete.
pub trait Depacketizer {
    /// Appends what the payload adds to the frame. After an error the frame is lost; call [`reset`](Self::reset).
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError>;

    /// Forgets an unfinished unit, when a frame is given up.
    fn reset(&mut self);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Depacketizer, Packetizer};

    /// All payloads of a frame; wants them to fit and to agree on which is the last.
    pub(crate) fn payloads(mut packetizer: impl Packetizer, max: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let mut out = Vec::new();
            let last = packetizer.next_payload(&mut out).expect("a payload before the last");
            assert!(out.len() <= max, "{} bytes, at most {max}", out.len());
            all.push(out);
            if last {
                assert_eq!(packetizer.next_payload(&mut Vec::new()), None);
                return all;
            }
        }
    }

    /// The frame in `payloads`.
    pub(crate) fn frame(mut depacketizer: impl Depacketizer, payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        payloads.iter().for_each(|payload| depacketizer.push(payload, &mut out).unwrap());
        out
    }

    /// Bytes that never look like a start code.
    pub(crate) fn filler(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 % 251) as u8 | 1).collect()
    }
}
