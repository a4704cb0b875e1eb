//! VP9 (RFC 9628).

pub use super::picture::PictureId;
use super::picture::Pieces;
use super::{Depacketizer, Packetizer, PayloadError};
use crate::reader::Reader;

/// The bit of the first byte that says that the payload ends a frame.
const END_OF_FRAME: u8 = 0x04;

/// The layer that a frame belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerIndices {
    /// The temporal layer, 0 to 7.
    pub temporal_id: u8,
    /// From here on the temporal layer can be joined.
    pub switching_up: bool,
    /// The spatial layer, 0 to 7.
    pub spatial_id: u8,
    /// The frame needs the layer below of the same picture.
    pub inter_layer: bool,
}

/// The descriptor at the front of each payload (RFC 9628 §4.2).
///
/// ```text
/// |I|P|L|F|B|E|V|Z|  required
/// |M| PICTURE ID  |  if I, a second byte if M
/// | TID |U| SID |D|  if L
/// |   TL0PICIDX   |  if L and not F
/// | P_DIFF      |N|  if P and F, up to three times
/// | SS ...        |  if V
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// The frame needs earlier pictures.
    pub inter_picture: bool,
    /// The frame tells which pictures it needs.
    pub flexible: bool,
    /// The payload begins a frame of a layer.
    pub start_of_frame: bool,
    /// The payload ends a frame of a layer.
    pub end_of_frame: bool,
    /// No higher spatial layer needs this frame.
    pub not_reference_for_upper: bool,
    /// The number of the picture.
    pub picture_id: Option<PictureId>,
    /// The layer.
    pub layer: Option<LayerIndices>,
    /// Counts the pictures of the lowest temporal layer; only without `flexible`, and with a layer.
    pub tl0_pic_idx: Option<u8>,
    /// Which pictures the frame needs; only with `inter_picture` and `flexible`.
    pub references: References,
    /// The scalability structure.
    pub structure: Option<ScalabilityStructure>,
}

/// How many pictures back each picture is that a frame needs: at most three, each below 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References {
    differences: [u8; 3],
    count: u8,
}

impl References {
    /// These differences, of more than three the first three.
    pub fn new(differences: &[u8]) -> Self {
        let mut references = Self::default();
        for (place, difference) in references.differences.iter_mut().zip(differences) {
            *place = *difference;
            references.count += 1;
        }
        references
    }

    /// The differences.
    pub fn as_slice(&self) -> &[u8] {
        self.differences.get(..usize::from(self.count)).unwrap_or_default()
    }
}

/// What a stream is made of (RFC 9628 §4.2.1). Of its description of pictures only the length is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScalabilityStructure {
    /// Spatial layers, 1 to 8.
    pub spatial_layers: u8,
    resolutions: Option<[(u16, u16); 8]>,
    /// Pictures in the repeated group, if it is described.
    pub pictures_in_group: Option<u8>,
}

impl ScalabilityStructure {
    /// A structure that tells width and height of up to eight spatial layers.
    pub fn new(resolutions: &[(u16, u16)]) -> Option<Self> {
        let mut all = [(0, 0); 8];
        all.get_mut(..resolutions.len())?.copy_from_slice(resolutions);
        let spatial_layers = resolutions.len() as u8;
        (spatial_layers > 0).then_some(Self { spatial_layers, resolutions: Some(all), pictures_in_group: None })
    }

    /// Width and height of each spatial layer; empty if not told.
    pub fn resolutions(&self) -> &[(u16, u16)] {
        self.resolutions.as_ref().and_then(|all| all.get(..usize::from(self.spatial_layers))).unwrap_or_default()
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let first = reader.u8()?;
        let mut structure = Self { spatial_layers: (first >> 5) + 1, ..Self::default() };
        if first & 0x10 != 0 {
            let mut all = [(0, 0); 8];
            for place in all.iter_mut().take(usize::from(structure.spatial_layers)) {
                *place = (reader.u16()?, reader.u16()?);
            }
            structure.resolutions = Some(all);
        }
        if first & 0x08 != 0 {
            let pictures = reader.u8()?;
            for _ in 0..pictures {
                let references = reader.u8()? >> 2 & 3;
                reader.take(usize::from(references))?;
            }
            structure.pictures_in_group = Some(pictures);
        }
        Some(structure)
    }

    /// Appends the structure without a description of pictures.
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.spatial_layers.wrapping_sub(1) << 5 | u8::from(self.resolutions.is_some()) << 4);
        for (width, height) in self.resolutions() {
            out.extend_from_slice(&width.to_be_bytes());
            out.extend_from_slice(&height.to_be_bytes());
        }
    }
}

impl Descriptor {
    /// Reads the descriptor and returns it with the rest of the payload.
    pub fn parse(payload: &[u8]) -> Result<(Self, &[u8]), PayloadError> {
        let mut reader = Reader::new(payload);
        Self::read(&mut reader).map(|descriptor| (descriptor, reader.rest())).ok_or(PayloadError::Truncated)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let first = reader.u8()?;
        let mut descriptor = Self {
            inter_picture: first & 0x40 != 0,
            flexible: first & 0x10 != 0,
            start_of_frame: first & 0x08 != 0,
            end_of_frame: first & END_OF_FRAME != 0,
            not_reference_for_upper: first & 0x01 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            descriptor.picture_id = Some(PictureId::read(reader)?);
        }
        if first & 0x20 != 0 {
            let byte = reader.u8()?;
            descriptor.layer = Some(LayerIndices {
                temporal_id: byte >> 5,
                switching_up: byte & 0x10 != 0,
                spatial_id: byte >> 1 & 7,
                inter_layer: byte & 1 != 0,
            });
            if !descriptor.flexible {
                descriptor.tl0_pic_idx = Some(reader.u8()?);
            }
        }
        if descriptor.flexible && descriptor.inter_picture {
            loop {
                let byte = reader.u8()?;
                let References { differences, count } = &mut descriptor.references;
                *differences.get_mut(usize::from(*count))? = byte >> 1;
                *count += 1;
                if byte & 1 == 0 {
                    break;
                }
            }
        }
        if first & 0x02 != 0 {
            descriptor.structure = Some(ScalabilityStructure::read(reader)?);
        }
        Some(descriptor)
    }

    /// Appends the descriptor.
    pub fn write(&self, out: &mut Vec<u8>) {
        let references = self.flexible && self.inter_picture;
        out.push(
            u8::from(self.picture_id.is_some()) << 7
                | u8::from(self.inter_picture) << 6
                | u8::from(self.layer.is_some()) << 5
                | u8::from(self.flexible) << 4
                | u8::from(self.start_of_frame) << 3
                | u8::from(self.end_of_frame) << 2
                | u8::from(self.structure.is_some()) << 1
                | u8::from(self.not_reference_for_upper),
        );
        if let Some(id) = self.picture_id {
            id.write(out);
        }
        if let Some(layer) = self.layer {
            out.push(
                layer.temporal_id << 5
                    | u8::from(layer.switching_up) << 4
                    | (layer.spatial_id & 7) << 1
                    | u8::from(layer.inter_layer),
            );
            if !self.flexible {
                out.push(self.tl0_pic_idx.unwrap_or(0));
            }
        }
        if references {
            let count = usize::from(self.references.count).max(1);
            for (at, difference) in self.references.differences.iter().take(count).enumerate() {
                out.push(difference << 1 | u8::from(at + 1 < count));
            }
        }
        if let Some(structure) = &self.structure {
            structure.write(out);
        }
    }

    /// Whether the payload begins a key picture: no picture before and no layer below is needed (RFC 9628 §4.2).
    pub fn starts_key_frame(&self) -> bool {
        let layer = self.layer.unwrap_or_default();
        !self.inter_picture && self.start_of_frame && layer.spatial_id == 0 && !layer.inter_layer
    }

    /// Writes another fifteen-bit picture number into the bytes of a payload, as switching between streams needs.
    ///
    /// Returns false and changes nothing if the payload has no number of that width.
    pub fn set_picture_id(payload: &mut [u8], picture_id: u16) -> bool {
        match payload {
            [first, high, low, ..] if *first & 0x80 != 0 && *high & 0x80 != 0 => {
                [*high, *low] = (picture_id | 0x8000).to_be_bytes();
                true
            }
            _ => false,
        }
    }

    /// Writes another TL0PICIDX into the bytes of a payload. Returns false and changes nothing if it has none.
    pub fn set_tl0_pic_idx(payload: &mut [u8], tl0_pic_idx: u8) -> bool {
        let at = match payload {
            [first, ..] if *first & 0x30 != 0x20 => return false,
            [first, ..] if *first & 0x80 == 0 => 2,
            [_, second, ..] if *second & 0x80 == 0 => 3,
            _ => 4,
        };
        payload.get_mut(at).map(|place| *place = tl0_pic_idx).is_some()
    }
}

/// Cuts the frame of one layer into payloads.
#[derive(Debug)]
pub struct Vp9Packetizer<'f> {
    pieces: Pieces<'f>,
    descriptor: Descriptor,
}

impl<'f> Vp9Packetizer<'f> {
    /// Cuts `frame` into payloads of at most `max_payload` bytes. Start and end of `descriptor` are set here; its structure
    /// goes with the first payload.
    pub fn new(frame: &'f [u8], descriptor: Descriptor, max_payload: usize) -> Result<Self, PayloadError> {
        if frame.is_empty() {
            return Err(PayloadError::MalformedFrame);
        }
        if max_payload < 64 {
            return Err(PayloadError::TooSmall(max_payload)); // the descriptor has up to 42 bytes
        }
        Ok(Self { pieces: Pieces::new(frame, max_payload), descriptor })
    }
}

impl Packetizer for Vp9Packetizer<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        let start = out.len();
        let last = self.pieces.next(out, |first, out| {
            let structure = self.descriptor.structure.filter(|_| first);
            Descriptor { start_of_frame: first, end_of_frame: false, structure, ..self.descriptor }.write(out);
        })?;
        if last && let Some(first) = out.get_mut(start) {
            *first |= END_OF_FRAME;
        }
        Some(last)
    }
}

/// Puts VP9 frames together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vp9Depacketizer;

impl Depacketizer for Vp9Depacketizer {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let (_, part) = Descriptor::parse(payload)?;
        out.extend_from_slice(part);
        Ok(())
    }

    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::super::tests::{filler, frame, payloads};
    use super::*;
    use proptest::prelude::*;

    fn samples() -> Vec<Descriptor> {
        let layer = LayerIndices { temporal_id: 2, switching_up: true, spatial_id: 1, inter_layer: true };
        let flexible = Descriptor {
            inter_picture: true,
            flexible: true,
            picture_id: Some(PictureId::Long(300)),
            layer: Some(layer),
            references: References::new(&[1, 5, 127]),
            ..Descriptor::default()
        };
        assert_eq!(flexible.references.as_slice(), [1, 5, 127]);
        vec![
            Descriptor::default(),
            flexible,
            Descriptor {
                start_of_frame: true,
                end_of_frame: true,
                not_reference_for_upper: true,
                picture_id: Some(PictureId::Short(7)),
                layer: Some(LayerIndices::default()),
                tl0_pic_idx: Some(9),
                structure: ScalabilityStructure::new(&[(320, 180), (640, 360)]),
                ..Descriptor::default()
            },
        ]
    }

    #[test]
    fn descriptors_come_back_and_truncations_do_not() {
        for descriptor in samples() {
            let mut out = Vec::new();
            descriptor.write(&mut out);
            assert_eq!(Descriptor::parse(&out), Ok((descriptor, &[][..])));
            for length in 0..out.len() {
                assert_eq!(Descriptor::parse(&out[..length]), Err(PayloadError::Truncated));
            }
        }
    }

    #[test]
    fn a_group_of_pictures_is_skipped_and_too_many_references_are_refused() {
        // One layer of 576x640; a group of two pictures, which need two and one earlier ones.
        let payload = [0x0a, 0x18, 0x02, 0x40, 0x02, 0x80, 2, 0x08, 3, 4, 0x04, 5, 0xaa];
        let (descriptor, rest) = Descriptor::parse(&payload).unwrap();
        let structure = descriptor.structure.unwrap();
        assert_eq!((structure.spatial_layers, structure.pictures_in_group), (1, Some(2)));
        assert_eq!(structure.resolutions(), [(576, 640)]);
        assert_eq!(rest, [0xaa]);
        assert_eq!(Descriptor::parse(&[0x50, 3, 3, 3, 2]), Err(PayloadError::Truncated));
    }

    #[test]
    fn numbers_change_in_place() {
        for picture_id in [None, Some(PictureId::Short(3)), Some(PictureId::Long(3))] {
            let descriptor = Descriptor {
                picture_id,
                layer: Some(LayerIndices::default()),
                tl0_pic_idx: Some(1),
                ..Default::default()
            };
            let mut out = Vec::new();
            descriptor.write(&mut out);
            let long = Descriptor::set_picture_id(&mut out, 999);
            assert_eq!(long, matches!(picture_id, Some(PictureId::Long(_))));
            assert!(Descriptor::set_tl0_pic_idx(&mut out, 77));
            let (read, _) = Descriptor::parse(&out).unwrap();
            assert_eq!(read.tl0_pic_idx, Some(77));
            assert_eq!(read.picture_id, if long { Some(PictureId::Long(999)) } else { picture_id });
        }
        assert!(!Descriptor::set_tl0_pic_idx(&mut [0x80, 1, 2, 3], 7));
    }

    #[test]
    fn key_frames_are_told() {
        let [_, delta, key] = &samples()[..] else { panic!() };
        assert!(key.starts_key_frame() && !delta.starts_key_frame());
    }

    proptest! {
        #[test]
        fn frames_come_back(length in 1usize..5000, max in 64usize..1300, sample in 0usize..3) {
            let data = filler(length);
            let all = payloads(Vp9Packetizer::new(&data, samples()[sample], max).unwrap(), max);
            prop_assert_eq!(frame(Vp9Depacketizer, &all), data);
            for (at, payload) in all.iter().enumerate() {
                let (descriptor, _) = Descriptor::parse(payload).unwrap();
                prop_assert_eq!((descriptor.start_of_frame, descriptor.end_of_frame), (at == 0, at + 1 == all.len()));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Descriptor::parse(&bytes);
            Descriptor::set_picture_id(&mut bytes, 5);
            Descriptor::set_tl0_pic_idx(&mut bytes, 5);
        }
    }
}
