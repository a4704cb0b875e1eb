//! Messages on a stream: TURN's own framing (RFC 8656 §12.5, §3.1) and that of RFC 4571.

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

/// The packet at the start of `buffered` if it is whole, and how many bytes of the stream it takes (RFC 4571 §2).
///
/// ```text
/// | length (16 bits) | packet |
/// ```
pub fn framed_packet(buffered: &[u8]) -> Option<(&[u8], usize)> {
    let &[high, low] = buffered.first_chunk::<2>()?;
    let end = 2 + usize::from(u16::from_be_bytes([high, low]));
    Some((buffered.get(2..end)?, end))
}

/// Appends `packet` with its length in front; `false` if it is longer than 65535 bytes (RFC 4571 §2).
pub fn frame_packet(packet: &[u8], stream: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(packet.len()) else { return false };
    stream.extend_from_slice(&length.to_be_bytes());
    stream.extend_from_slice(packet);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in_however_the_stream_is_cut() {
        let mut stream = Vec::new();
        let packets: [&[u8]; 4] = [b"one", b"", &[7; 65_535], b"four"];
        for packet in packets {
            assert!(frame_packet(packet, &mut stream));
        }
        assert!(!frame_packet(&[0; 65_536], &mut stream), "too long for the length field");
        let (mut buffered, mut got) = (Vec::new(), Vec::new());
        for chunk in stream.chunks(977) {
            buffered.extend_from_slice(chunk);
            while let Some((packet, taken)) = framed_packet(&buffered) {
                got.push(packet.to_vec());
                buffered.drain(..taken);
            }
        }
        assert_eq!(got, packets);
        assert!(buffered.is_empty());
    }

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
