//! Where messages end on TCP and TLS, which STUN and TURN frame by their own length fields (RFC 8656 §12.5, §3.1).

use crate::message::{HEADER_LEN, MAGIC_COOKIE};
use thiserror::Error;

/// What stands at the start of a stream's buffered bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameLength {
    /// Nothing can be said before this many bytes are there.
    NeedAtLeast(usize),
    /// A message takes this many bytes of the stream, padding included; they may not all be there yet.
    Message(usize),
}

/// The stream carries something else, and there is no way back into step: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the stream carries neither STUN nor ChannelData; its next bytes are {0:02x?}")]
pub struct FrameError(pub [u8; 4]);

/// How long the next message in `buffered` is.
///
/// "GET" reads as ChannelData too: on a port that also speaks HTTP, take a stream for TURN only if it starts with STUN.
pub fn frame_length(buffered: &[u8]) -> Result<FrameLength, FrameError> {
    let Some(&start) = buffered.first_chunk::<4>() else {
        return Ok(FrameLength::NeedAtLeast(4));
    };
    let length = usize::from(u16::from_be_bytes([start[2], start[3]]));
    match start[0] {
        0..=3 => {
            let Some(&head) = buffered.first_chunk::<8>() else {
                return Ok(FrameLength::NeedAtLeast(8));
            };
            if [head[4], head[5], head[6], head[7]] != MAGIC_COOKIE.to_be_bytes() || !length.is_multiple_of(4) {
                return Err(FrameError(start));
            }
            Ok(FrameLength::Message(HEADER_LEN + length))
        }
        // Above 0x4F are the channels of RFC 5766.
        0x40..=0x7F => Ok(FrameLength::Message(4 + length.next_multiple_of(4))),
        _ => Err(FrameError(start)),
    }
}
