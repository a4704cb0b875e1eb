//! Redundant data: earlier frames sent again with later ones (RFC 2198).

use crate::numbers::PayloadType;
use crate::reader::Reader;

/// One frame in a redundant payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedBlock<'a> {
    /// Its codec.
    pub payload_type: PayloadType,
    /// How much earlier than the packet's timestamp it is, below 2^14; zero for the primary frame.
    pub timestamp_offset: u16,
    /// Its payload; below 2^10 bytes unless it is the primary frame.
    pub payload: &'a [u8],
}

/// A redundant payload (RFC 2198 §3): headers of the earlier frames, the header of the primary one, then all payloads.
///
/// ```text
/// |1|   block PT  |  timestamp offset (14 bits) | length (10)  |
/// |0|   block PT  |
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RedPayload<'a> {
    headers: &'a [[u8; 4]],
    primary_type: PayloadType,
    payloads: &'a [u8],
}

impl<'a> RedPayload<'a> {
    /// Reads a payload; `None` if it ends too early.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let count = payload.chunks(4).take_while(|header| header.first().is_some_and(|byte| byte & 0x80 != 0)).count();
        let mut reader = Reader::new(payload);
        let (headers, []) = reader.take(4 * count)?.as_chunks() else { return None };
        let primary_type = PayloadType::from_low_bits(reader.u8()?);
        let earlier: usize = headers.iter().map(length_of).sum();
        (earlier <= reader.rest().len()).then_some(Self { headers, primary_type, payloads: reader.rest() })
    }

    /// The frames, the earliest first by custom and the primary one last.
    pub fn blocks(&self) -> impl Iterator<Item = RedBlock<'a>> + 'a {
        let mut payloads = Reader::new(self.payloads);
        let mut headers = self.headers.iter();
        let mut primary = Some(self.primary_type);
        std::iter::from_fn(move || match headers.next() {
            Some(header) => Some(RedBlock {
                payload_type: PayloadType::from_low_bits(header[0]),
                timestamp_offset: u16::from_be_bytes([header[1], header[2]]) >> 2,
                payload: payloads.take(length_of(header))?,
            }),
            None => Some(RedBlock { payload_type: primary.take()?, timestamp_offset: 0, payload: payloads.rest() }),
        })
    }

    /// The primary frame.
    pub fn primary(&self) -> RedBlock<'a> {
        let earlier = self.headers.iter().map(length_of).sum();
        let payload = self.payloads.get(earlier..).unwrap_or_default();
        RedBlock { payload_type: self.primary_type, timestamp_offset: 0, payload }
    }

    /// Appends a payload with `earlier` frames and the primary one. Earlier frames that are too long or too old for their
    /// header are left out. Returns how many earlier ones were written.
    pub fn write(out: &mut Vec<u8>, earlier: &[RedBlock<'_>], primary: &RedBlock<'_>) -> usize {
        let fits = |block: &&RedBlock<'_>| block.payload.len() < 1 << 10 && block.timestamp_offset < 1 << 14;
        for block in earlier.iter().filter(fits) {
            let [high, low] = (block.timestamp_offset << 2 | (block.payload.len() >> 8) as u16).to_be_bytes();
            out.extend_from_slice(&[0x80 | block.payload_type.get(), high, low, block.payload.len() as u8]);
        }
        out.push(primary.payload_type.get());
        earlier.iter().filter(fits).for_each(|block| out.extend_from_slice(block.payload));
        out.extend_from_slice(primary.payload);
        earlier.iter().filter(fits).count()
    }
}

fn length_of(header: &[u8; 4]) -> usize {
    usize::from(u16::from_be_bytes([header[2], header[3]]) & 0x3ff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(offset: u16, payload: &[u8]) -> RedBlock<'_> {
        RedBlock { payload_type: PayloadType::from_low_bits(111), timestamp_offset: offset, payload }
    }

    #[test]
    fn frames_come_back() {
        let long = [7; 1023];
        let too_long = [7; 1024];
        let earlier =
            [block(16_383, b"one"), block(1920, &long), block(960, b""), block(1, &too_long), block(20_000, b"x")];
        let primary = block(0, b"primary");
        let mut out = Vec::new();
        assert_eq!(RedPayload::write(&mut out, &earlier, &primary), 3);
        let red = RedPayload::parse(&out).unwrap();
        let mut wanted = earlier[..3].to_vec();
        wanted.push(primary);
        assert_eq!(red.blocks().collect::<Vec<_>>(), wanted);
        assert_eq!(red.primary(), primary);
        for length in 0..4 * 3 + 1 + 3 + 1023 {
            assert!(RedPayload::parse(&out[..length]).is_none(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(red) = RedPayload::parse(&bytes) {
                prop_assert!(red.blocks().map(|block| block.payload.len()).sum::<usize>() <= bytes.len());
                red.primary();
            }
        }
    }
}
