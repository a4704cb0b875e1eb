use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::Reader;

const MAX_DEPENDENCIES: usize = 8;

/// What a frame depends on: the predecessor of the dependency descriptor, still sent by some clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenericFrameDescriptor {
    /// The packet begins a frame.
    pub first_packet: bool,
    /// The packet ends a frame.
    pub last_packet: bool,
    /// What only the first packet of a frame tells.
    pub frame: Option<GenericFrame>,
}

/// What the first packet of a frame tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GenericFrame {
    /// 0 to 7.
    pub temporal_layer: u8,
    /// One bit for each spatial layer that the frame is of.
    pub spatial_layers: u8,
    /// Counts frames and wraps.
    pub frame_id: u16,
    dependencies: [u16; MAX_DEPENDENCIES],
    dependency_count: u8,
    /// Width and height, told with key frames.
    pub resolution: Option<(u16, u16)>,
}

impl GenericFrame {
    /// How many frames back each frame is that this one needs; none in a key frame. At most 8, each below 2^14.
    pub fn dependencies(&self) -> &[u16] {
        self.dependencies.get(..usize::from(self.dependency_count)).unwrap_or_default()
    }

    /// Sets [`dependencies`](Self::dependencies); of more than 8 the first 8.
    pub fn set_dependencies(&mut self, differences: &[u16]) {
        self.dependency_count = 0;
        for (place, difference) in self.dependencies.iter_mut().zip(differences) {
            *place = *difference;
            self.dependency_count += 1;
        }
    }
}

impl HeaderExtension<'_> for GenericFrameDescriptor {
    const KIND: ExtensionKind = ExtensionKind::GenericFrameDescriptor;

    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let flags = reader.u8()?;
        let first_packet = flags & 0x80 != 0;
        let mut value = Self { first_packet, last_packet: flags & 0x40 != 0, frame: None };
        if !first_packet {
            return Some(value);
        }
        let spatial_layers = reader.u8()?;
        let frame_id = u16::from_le_bytes(reader.array()?);
        let mut frame = GenericFrame { temporal_layer: flags & 7, spatial_layers, frame_id, ..GenericFrame::default() };
        let mut more = flags & 0x08 != 0;
        let depends = more;
        while more {
            let byte = reader.u8()?;
            let mut difference = u16::from(byte >> 2);
            if byte & 2 != 0 {
                difference |= u16::from(reader.u8()?) << 6;
            }
            *frame.dependencies.get_mut(usize::from(frame.dependency_count))? = difference;
            frame.dependency_count += 1;
            more = byte & 1 != 0;
        }
        if !depends && !reader.is_empty() {
            frame.resolution = Some((reader.u16()?, reader.u16()?));
        }
        value.frame = Some(frame);
        Some(value)
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut flags = u8::from(self.first_packet) << 7 | u8::from(self.last_packet) << 6;
        let Some(frame) = self.frame.filter(|_| self.first_packet) else {
            return put(out, &[flags & 0x40]);
        };
        let dependencies = frame.dependencies();
        flags |= u8::from(!dependencies.is_empty()) << 3 | frame.temporal_layer & 7;
        let [low, high] = frame.frame_id.to_le_bytes();
        let mut length = put(out, &[flags, frame.spatial_layers, low, high])?;
        for (place, difference) in dependencies.iter().enumerate() {
            let more = u8::from(place + 1 < dependencies.len());
            let bytes = [(difference << 2) as u8 | u8::from(*difference > 63) << 1 | more, (difference >> 6) as u8];
            let bytes = if *difference > 63 { &bytes[..] } else { bytes.split_at(1).0 };
            length += put(out.get_mut(length..)?, bytes)?;
        }
        if let Some((width, height)) = frame.resolution.filter(|_| dependencies.is_empty()) {
            length += put(out.get_mut(length..)?, &width.to_be_bytes())?;
            length += put(out.get_mut(length..)?, &height.to_be_bytes())?;
        }
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn key_frames_deltas_and_later_packets() {
        let mut frame = GenericFrame {
            temporal_layer: 2,
            spatial_layers: 1,
            frame_id: 0x0102,
            resolution: Some((640, 360)),
            ..GenericFrame::default()
        };
        let value = GenericFrameDescriptor { first_packet: true, last_packet: false, frame: Some(frame) };
        round_trip(value, &[0x82, 1, 2, 1, 2, 128, 1, 104]);
        frame.resolution = None;
        frame.set_dependencies(&[1, 100]);
        let value = GenericFrameDescriptor { first_packet: true, last_packet: true, frame: Some(frame) };
        round_trip(value, &[0xca, 1, 2, 1, 5, 0x92, 1]);
        round_trip(GenericFrameDescriptor { last_packet: true, ..Default::default() }, &[0x40]);
    }

    #[test]
    fn dependencies_are_bounded() {
        let mut bytes = vec![0x88, 1, 0, 0];
        bytes.extend([0x05; 30]);
        assert_eq!(GenericFrameDescriptor::parse(&bytes), None);
    }
}
