use super::{ExtensionKind, HeaderExtension, put};
use std::time::Duration;

/// How long a receiver should hold frames between receiving and showing them, 0 to 40.95 s in steps of 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// At least this long.
    pub min: Duration,
    /// At most this long.
    pub max: Duration,
}

impl HeaderExtension<'_> for PlayoutDelay {
    const KIND: ExtensionKind = ExtensionKind::PlayoutDelay;

    fn parse(data: &[u8]) -> Option<Self> {
        let [a, b, c] = *data.first_chunk()?;
        let steps = |steps: u16| Duration::from_millis(10 * u64::from(steps));
        let value = Self {
            min: steps(u16::from(a) << 4 | u16::from(b) >> 4),
            max: steps(u16::from(b & 0x0f) << 8 | u16::from(c)),
        };
        (value.min <= value.max).then_some(value)
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let steps = |delay: Duration| (delay.as_millis() / 10).min(0xfff) as u16;
        let (min, max) = (steps(self.min), steps(self.max));
        put(out, &[(min >> 4) as u8, (min << 4) as u8 | (max >> 8) as u8, max as u8])
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn two_numbers_of_twelve_bits() {
        let value = PlayoutDelay { min: Duration::from_millis(10 * 0x123), max: Duration::from_millis(10 * 0xabc) };
        round_trip(value, &[0x12, 0x3a, 0xbc]);
        assert_eq!(PlayoutDelay::parse(&[0xff, 0xf0, 0]), None, "the minimum is above the maximum");
    }
}
