use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::Reader;
use std::time::Duration;

/// When a packet was sent: seconds as a 6.18 fixed-point number, which wraps every 64 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsSendTime(
    /// 24 bits, in units of 2^-18 s.
    pub u32,
);

impl AbsSendTime {
    /// The time since any fixed instant.
    pub fn from_duration(since: Duration) -> Self {
        let units = (u128::from(since.as_secs()) << 18) + (u128::from(since.subsec_nanos()) << 18) / 1_000_000_000;
        Self((units & 0xff_ffff) as u32)
    }

    /// How much later than `other` this is, the shorter way round: up to 32 s either way, in units of 2^-18 s.
    pub const fn distance_from(self, other: Self) -> i32 {
        (self.0.wrapping_sub(other.0) << 8) as i32 >> 8
    }
}

impl HeaderExtension<'_> for AbsSendTime {
    const KIND: ExtensionKind = ExtensionKind::AbsSendTime;

    fn parse(data: &[u8]) -> Option<Self> {
        Reader::new(data).u24().map(Self)
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
    fn time_wraps_every_64_seconds() {
        round_trip(AbsSendTime(0x01_0203), &[1, 2, 3]);
        assert_eq!(AbsSendTime::from_duration(Duration::from_millis(500)), AbsSendTime(1 << 17));
        let late = AbsSendTime::from_duration(Duration::from_millis(64_250));
        assert_eq!(late, AbsSendTime(1 << 16));
        assert_eq!(late.distance_from(AbsSendTime::from_duration(Duration::from_secs(63))), 5 << 16);
        assert_eq!(AbsSendTime(0).distance_from(AbsSendTime(1)), -1);
    }
}
