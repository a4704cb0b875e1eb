use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::Reader;

/// When a frame passed each station, in milliseconds after its capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoTiming {
    /// Why the frame is reported: bit 0 by a timer, bit 1 for its size. 255 is "not valid".
    pub flags: u8,
    /// The encoder began.
    pub encode_start: u16,
    /// The encoder ended.
    pub encode_finish: u16,
    /// The last packet was made.
    pub packetization_complete: u16,
    /// The last packet left the pacer.
    pub last_left_pacer: u16,
    /// For servers on the way.
    pub network: u16,
    /// For servers on the way.
    pub network2: u16,
}

impl HeaderExtension<'_> for VideoTiming {
    const KIND: ExtensionKind = ExtensionKind::VideoTiming;

    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        // The first version had no flags.
        let flags = if data.len() == 12 { 0 } else { reader.u8()? };
        Some(Self {
            flags,
            encode_start: reader.u16()?,
            encode_finish: reader.u16()?,
            packetization_complete: reader.u16()?,
            last_left_pacer: reader.u16()?,
            network: reader.u16()?,
            network2: reader.u16()?,
        })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut length = put(out, &[self.flags])?;
        for time in [
            self.encode_start,
            self.encode_finish,
            self.packetization_complete,
            self.last_left_pacer,
            self.network,
            self.network2,
        ] {
            length += put(out.get_mut(length..)?, &time.to_be_bytes())?;
        }
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn six_times_and_flags() {
        let value = VideoTiming {
            flags: 1,
            encode_start: 2,
            encode_finish: 3,
            packetization_complete: 4,
            last_left_pacer: 5,
            network: 6,
            network2: 0x0708,
        };
        let bytes = [1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 7, 8];
        round_trip(value, &bytes);
        assert_eq!(VideoTiming::parse(&bytes[1..]), Some(VideoTiming { flags: 0, ..value }));
    }
}
