//! G.722 (RFC 3551 §4.5.2): 16 kHz sound, but for the sake of history the RTP clock runs at 8 kHz.

use crate::numbers::PayloadType;

/// The clock rate of the timestamps, half of the sampling rate.
pub const CLOCK_RATE: u32 = 8_000;
/// Samples a second.
pub const SAMPLING_RATE: u32 = 16_000;
/// The static payload type.
pub const PAYLOAD_TYPE: PayloadType = PayloadType::from_low_bits(9);

/// The length of a payload in units of the RTP clock: one a byte, which holds two samples.
pub fn ticks(payload: &[u8]) -> u32 {
    payload.len() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_milliseconds_are_160_bytes_and_320_samples() {
        assert_eq!(ticks(&[0; 160]), CLOCK_RATE / 50);
        assert_eq!(2 * ticks(&[0; 160]), SAMPLING_RATE / 50);
    }
}
