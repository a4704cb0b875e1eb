use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::Reader;

/// When the first frame in a packet was captured, by the capturer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbsCaptureTime {
    /// NTP time: seconds since 1900 as a 32.32 fixed-point number.
    pub capture_time: u64,
    /// The sender's estimate of the capturer's clock minus its own, 32.32 signed.
    pub clock_offset: Option<i64>,
}

impl HeaderExtension<'_> for AbsCaptureTime {
    const KIND: ExtensionKind = ExtensionKind::AbsCaptureTime;

    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let capture_time = reader.u64()?;
        let clock_offset = if reader.is_empty() { None } else { Some(reader.u64()? as i64) };
        Some(Self { capture_time, clock_offset })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let length = put(out, &self.capture_time.to_be_bytes())?;
        match self.clock_offset {
            Some(offset) => Some(length + put(out.get_mut(length..)?, &offset.to_be_bytes())?),
            None => Some(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn the_offset_may_be_absent() {
        round_trip(AbsCaptureTime { capture_time: 0x0102, clock_offset: None }, &[0, 0, 0, 0, 0, 0, 1, 2]);
        let both = [0, 0, 0, 0, 0, 0, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255];
        round_trip(AbsCaptureTime { capture_time: 0x0102, clock_offset: Some(-1) }, &both);
        assert_eq!(AbsCaptureTime::parse(&both[..12]), None);
    }
}
