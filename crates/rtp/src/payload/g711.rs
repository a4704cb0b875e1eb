//! G.711 (RFC 3551 §4.5.14): one byte a sample at 8 kHz, so a payload is cut wherever one likes.

use crate::numbers::PayloadType;

/// The clock rate.
pub const CLOCK_RATE: u32 = 8_000;
/// The static payload type of the µ-law.
pub const PCMU: PayloadType = PayloadType::from_low_bits(0);
/// The static payload type of the A-law.
pub const PCMA: PayloadType = PayloadType::from_low_bits(8);

/// The length of a payload in units of the RTP clock.
pub fn ticks(payload: &[u8]) -> u32 {
    payload.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_milliseconds_are_160_bytes() {
        assert_eq!(ticks(&[0; 160]), CLOCK_RATE / 50);
        assert_eq!((PCMU.get(), PCMA.get()), (0, 8));
    }
}
