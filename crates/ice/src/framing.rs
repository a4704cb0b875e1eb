//! Messages on a stream: two bytes of length before each (RFC 4571 §2), as ICE-TCP has them (RFC 6544 §3).
//!
//! ```text
//! | length (16 bits) | message |
//! ```

/// Appends `message` with its length to `out`. `false`, and nothing is appended, if it is longer than 65535 bytes.
pub fn frame(message: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(message.len()) else { return false };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    true
}

/// The first message in `buffered` if it is whole, and how many bytes it takes with its length.
pub fn unframe(buffered: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = buffered.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    rest.get(..length).map(|message| (message, 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_a_stream_as_they_went_in_whatever_the_cuts() {
        let mut bytes = Vec::new();
        for message in [&b"one"[..], b"", &[7; 65_535]] {
            assert!(frame(message, &mut bytes));
        }
        assert!(!frame(&[0; 65_536], &mut bytes));
        for cut in [1, 3, 1_000] {
            let (mut buffer, mut got) = (Vec::new(), Vec::new());
            for piece in bytes.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some((message, used)) = unframe(&buffer) {
                    got.push(message.to_vec());
                    buffer.drain(..used);
                }
            }
            assert_eq!(got, [b"one".to_vec(), Vec::new(), vec![7; 65_535]], "cut every {cut} bytes");
            assert!(buffer.is_empty());
        }
    }
}
