use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::Reader;

/// A number for following one frame from capture to screen in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoFrameTrackingId(
    /// Chosen by the application.
    pub u16,
);

impl HeaderExtension<'_> for VideoFrameTrackingId {
    const KIND: ExtensionKind = ExtensionKind::VideoFrameTrackingId;

    fn parse(data: &[u8]) -> Option<Self> {
        Reader::new(data).u16().map(Self)
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, &self.0.to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn it_is_a_number_of_two_bytes() {
        round_trip(VideoFrameTrackingId(0x0102), &[1, 2]);
    }
}
