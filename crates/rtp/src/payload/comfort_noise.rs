//! Comfort noise (RFC 3389): what silence sounds like.

use crate::numbers::PayloadType;

/// The static payload type at 8 kHz.
pub const PAYLOAD_TYPE: PayloadType = PayloadType::from_low_bits(13);

/// A description of background noise (RFC 3389 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComfortNoise<'a> {
    /// Decibels below the overload point, 0 to 127.
    pub level: u8,
    /// The spectrum: quantised reflection coefficients, `127 + 127 k`; may be empty.
    pub reflection_coefficients: &'a [u8],
}

impl<'a> ComfortNoise<'a> {
    /// Reads a payload; `None` if it is empty or its reserved bit is set.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let (level, reflection_coefficients) = payload.split_first()?;
        (level & 0x80 == 0).then_some(Self { level: *level, reflection_coefficients })
    }

    /// Appends the payload.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.level & 0x7f);
        out.extend_from_slice(self.reflection_coefficients);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_comes_back() {
        let noise = ComfortNoise { level: 70, reflection_coefficients: &[1, 2, 3] };
        let mut out = Vec::new();
        noise.write(&mut out);
        assert_eq!(ComfortNoise::parse(&out), Some(noise));
        assert_eq!(ComfortNoise::parse(&[]), None);
        assert_eq!(ComfortNoise::parse(&[0x80]), None);
    }
}
