use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::Reader;

/// How much later than its timestamp says a packet was sent, in units of the RTP clock (RFC 5450 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmissionOffset(
    /// A signed number of 24 bits.
    pub i32,
);

impl HeaderExtension<'_> for TransmissionOffset {
    const KIND: ExtensionKind = ExtensionKind::TransmissionOffset;

    fn parse(data: &[u8]) -> Option<Self> {
        Reader::new(data).u24().map(|value| Self((value << 8) as i32 >> 8))
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let [_, a, b, c] = self.0.to_be_bytes();
        put(out, &[a, b, c])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_sign_is_kept() {
        round_trip(TransmissionOffset(-2), &[0xff, 0xff, 0xfe]);
        round_trip(TransmissionOffset(0x7f_ffff), &[0x7f, 0xff, 0xff]);
    }
}
