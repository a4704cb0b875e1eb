//! Messages on a stream: TURN's own framing (RFC 8656 §12.5, §3.1) and that of ICE-TCP (RFC 4571).

pub use parlour_ice::framing::{frame, unframe};
use parlour_stun::{FrameError, FrameLength, frame_length};

/// The message at the start of `buffered`, if it is whole; padding behind ChannelData is taken with it.
///
/// # Errors
/// The stream carries something else, and there is no way back into step.
pub fn turn_message(buffered: &[u8]) -> Result<Option<&[u8]>, FrameError> {
    match frame_length(buffered)? {
        FrameLength::Message(length) => Ok(buffered.get(..length)),
        FrameLength::NeedAtLeast(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_messages_are_taken_whole_with_their_padding() {
        let channel_data = [0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
        for length in 0..channel_data.len() {
            assert_eq!(turn_message(&channel_data[..length]), Ok(None));
        }
        assert_eq!(turn_message(&[&channel_data[..], b"more"].concat()), Ok(Some(&channel_data[..])));
        assert!(turn_message(b"GET / HTTP/1.1\r\n").is_ok_and(|message| message.is_none()), "reads as ChannelData");
        assert!(turn_message(b"\x16\x03\x01\x00").is_err());
    }
}
