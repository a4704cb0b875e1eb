//! What a frame depends on, told beside the payload (AV1 RTP, appendix A).

use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::{BitReader, BitWriter, Reader};

const MAX_DECODE_TARGETS: usize = 32;
const MAX_TEMPLATES: usize = 64;
/// The format sets no bound; no codec refers to more than 8 frames.
const MAX_DIFFERENCES: usize = 16;

/// What a frame is to a decode target (Table A.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecodeTargetIndication {
    /// Not part of it.
    #[default]
    NotPresent,
    /// Part of it, and no later frame of it needs this one.
    Discardable,
    /// Part of it, and whoever can decode this frame can decode all later ones of it.
    Switch,
    /// Part of it, and later frames need this one.
    Required,
}

impl DecodeTargetIndication {
    fn from_bits(bits: u32) -> Self {
        match bits {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }
}

/// A short list of numbers without allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct List<T, const N: usize> {
    items: [T; N],
    length: u8,
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self { items: [T::default(); N], length: 0 }
    }
}

impl<T: Copy, const N: usize> List<T, N> {
    fn push(&mut self, item: T) -> Option<()> {
        *self.items.get_mut(usize::from(self.length))? = item;
        self.length += 1;
        Some(())
    }

    fn as_slice(&self) -> &[T] {
        self.items.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// The layer and the dependencies of a frame: a template, or a frame that was worked out with one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameDependencyTemplate {
    /// The spatial layer.
    pub spatial_id: u8,
    /// The temporal layer.
    pub temporal_id: u8,
    indications: List<DecodeTargetIndication, MAX_DECODE_TARGETS>,
    frame_differences: List<u16, MAX_DIFFERENCES>,
    chain_differences: List<u8, MAX_DECODE_TARGETS>,
}

impl FrameDependencyTemplate {
    /// A template; `None` if there are more than 32 targets or chains, more than 16 references, or a reference to no frame.
    pub fn new(
        spatial_id: u8,
        temporal_id: u8,
        indications: &[DecodeTargetIndication],
        frame_differences: &[u16],
        chain_differences: &[u8],
    ) -> Option<Self> {
        let mut template = Self { spatial_id, temporal_id, ..Self::default() };
        indications.iter().try_for_each(|item| template.indications.push(*item))?;
        for item in frame_differences {
            if !(1..=4096).contains(item) {
                return None;
            }
            template.frame_differences.push(*item)?;
        }
        chain_differences.iter().try_for_each(|item| template.chain_differences.push(*item))?;
        Some(template)
    }

    /// What the frame is to each decode target.
    pub fn indications(&self) -> &[DecodeTargetIndication] {
        self.indications.as_slice()
    }

    /// How many frame numbers back each frame is that this one refers to.
    pub fn frame_differences(&self) -> &[u16] {
        self.frame_differences.as_slice()
    }

    /// How many frame numbers back the previous frame of each chain is; zero if the chain needs none before this.
    pub fn chain_differences(&self) -> &[u8] {
        self.chain_differences.as_slice()
    }
}

/// What all frames from a key frame on have in common. It comes with the first packet of a key frame; keep it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateDependencyStructure {
    /// The template id of the first template.
    pub template_id_offset: u8,
    decode_targets: u8,
    templates: Vec<FrameDependencyTemplate>,
    protected_by: List<u8, MAX_DECODE_TARGETS>,
    chains: u8,
    resolutions: List<(u16, u16), MAX_TEMPLATES>,
}

impl TemplateDependencyStructure {
    /// A structure; `None` if the counts disagree or the templates are not in the order of Table A.2.
    ///
    /// `protected_by` tells the chain of each decode target and is empty if there are no chains. `resolutions` tells width
    /// and height of each spatial layer, or is empty.
    pub fn new(
        template_id_offset: u8,
        templates: Vec<FrameDependencyTemplate>,
        protected_by: &[u8],
        resolutions: &[(u16, u16)],
    ) -> Option<Self> {
        let first = templates.first()?;
        let targets = first.indications().len();
        let chains = first.chain_differences().len();
        let agree = templates.iter().all(|template| {
            template.indications().len() == targets
                && template.chain_differences().len() == chains
                && template.frame_differences().iter().all(|difference| *difference <= 16)
                && template.chain_differences().iter().all(|difference| *difference <= 15)
        });
        let ordered = (first.spatial_id, first.temporal_id) == (0, 0)
            && templates.windows(2).all(|pair| matches!(pair, [a, b] if next_layer(a, b).is_some()));
        let protected = if chains == 0 { protected_by.is_empty() } else { protected_by.len() == targets };
        let layers = templates.last().map_or(0, |template| usize::from(template.spatial_id) + 1);
        let fits = (1..=MAX_DECODE_TARGETS).contains(&targets)
            && chains <= targets
            && templates.len() <= MAX_TEMPLATES
            && template_id_offset < 64
            && protected_by.iter().all(|chain| usize::from(*chain) < chains)
            && (resolutions.is_empty() || resolutions.len() == layers)
            && resolutions.iter().all(|(width, height)| *width > 0 && *height > 0);
        if !(agree && ordered && protected && fits) {
            return None;
        }
        let mut structure = Self {
            template_id_offset,
            decode_targets: targets as u8,
            templates,
            chains: chains as u8,
            ..Self::default()
        };
        protected_by.iter().try_for_each(|chain| structure.protected_by.push(*chain))?;
        resolutions.iter().try_for_each(|resolution| structure.resolutions.push(*resolution))?;
        Some(structure)
    }

    /// How many decode targets there are, 1 to 32.
    pub fn decode_targets(&self) -> usize {
        usize::from(self.decode_targets)
    }

    /// The templates, by template id from [`template_id_offset`](Self::template_id_offset) on.
    pub fn templates(&self) -> &[FrameDependencyTemplate] {
        &self.templates
    }

    /// The chain that protects each decode target; empty if there are no chains.
    pub fn protected_by(&self) -> &[u8] {
        self.protected_by.as_slice()
    }

    /// Width and height of each spatial layer, if told.
    pub fn resolutions(&self) -> &[(u16, u16)] {
        self.resolutions.as_slice()
    }

    /// The highest spatial and temporal layer of a decode target.
    pub fn layers_of(&self, decode_target: usize) -> (u8, u8) {
        self.templates
            .iter()
            .filter(|template| {
                template.indications().get(decode_target).is_some_and(|dti| *dti != DecodeTargetIndication::NotPresent)
            })
            .fold((0, 0), |(spatial, temporal), template| {
                (spatial.max(template.spatial_id), temporal.max(template.temporal_id))
            })
    }

    /// The bitmask of all decode targets.
    pub fn all_decode_targets(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.decode_targets.clamp(1, 32)))
    }

    fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let template_id_offset = bits.bits(6)? as u8;
        let targets = bits.bits(5)? + 1;
        let mut templates: Vec<FrameDependencyTemplate> = Vec::new();
        let (mut spatial_id, mut temporal_id) = (0, 0);
        loop {
            if templates.len() == MAX_TEMPLATES {
                return None;
            }
            templates.push(FrameDependencyTemplate { spatial_id, temporal_id, ..Default::default() });
            match bits.bits(2)? {
                0 => {}
                1 => temporal_id += 1,
                2 => (spatial_id, temporal_id) = (spatial_id + 1, 0),
                _ => break,
            }
        }
        for template in &mut templates {
            for _ in 0..targets {
                template.indications.push(DecodeTargetIndication::from_bits(bits.bits(2)?))?;
            }
        }
        for template in &mut templates {
            while bits.bit()? {
                template.frame_differences.push(bits.bits(4)? as u16 + 1)?;
            }
        }
        let mut structure = Self { template_id_offset, decode_targets: targets as u8, templates, ..Self::default() };
        let chains = bits.non_symmetric(targets + 1)?;
        structure.chains = chains as u8;
        if chains > 0 {
            for _ in 0..targets {
                structure.protected_by.push(bits.non_symmetric(chains)? as u8)?;
            }
            for template in &mut structure.templates {
                for _ in 0..chains {
                    template.chain_differences.push(bits.bits(4)? as u8)?;
                }
            }
        }
        if bits.bit()? {
            for _ in 0..=spatial_id {
                let resolution = (bits.bits(16)? as u16, bits.bits(16)? as u16);
                structure.resolutions.push((resolution.0.saturating_add(1), resolution.1.saturating_add(1)))?;
            }
        }
        Some(structure)
    }

    fn write(&self, bits: &mut BitWriter<'_>) {
        bits.bits(6, self.template_id_offset.into());
        bits.bits(5, u32::from(self.decode_targets) - 1);
        for pair in self.templates.windows(2) {
            if let [a, b] = pair {
                bits.bits(2, next_layer(a, b).unwrap_or(0));
            }
        }
        bits.bits(2, 3);
        for indication in self.templates.iter().flat_map(|template| template.indications.as_slice()) {
            bits.bits(2, *indication as u32);
        }
        for template in &self.templates {
            for difference in template.frame_differences() {
                bits.bits(1, 1);
                bits.bits(4, u32::from(*difference) - 1);
            }
            bits.bits(1, 0);
        }
        let chains = u32::from(self.chains);
        bits.non_symmetric(u32::from(self.decode_targets) + 1, chains);
        if chains > 0 {
            for chain in self.protected_by() {
                bits.non_symmetric(chains, u32::from(*chain));
            }
            for difference in self.templates.iter().flat_map(|template| template.chain_differences.as_slice()) {
                bits.bits(4, u32::from(*difference));
            }
        }
        bits.bits(1, u32::from(self.resolutions.length > 0));
        for (width, height) in self.resolutions() {
            bits.bits(16, u32::from(*width) - 1);
            bits.bits(16, u32::from(*height) - 1);
        }
    }
}

/// The next_layer_idc between two templates that follow each other (Table A.2).
fn next_layer(a: &FrameDependencyTemplate, b: &FrameDependencyTemplate) -> Option<u32> {
    match (b.spatial_id.checked_sub(a.spatial_id)?, b.temporal_id) {
        (0, temporal) if temporal == a.temporal_id => Some(0),
        (0, temporal) if temporal == a.temporal_id + 1 => Some(1),
        (1, 0) => Some(2),
        _ => None,
    }
}

/// The dependency descriptor of one packet (§A.8). Its first fields are read at once; the rest needs the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor<'a> {
    /// The packet begins a frame.
    pub start_of_frame: bool,
    /// The packet ends a frame.
    pub end_of_frame: bool,
    /// Names the template, counted from the offset of the structure.
    pub template_id: u8,
    /// Counts frames in decoding order and wraps.
    pub frame_number: u16,
    data: &'a [u8],
}

/// What a descriptor says of its frame, worked out with the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameDependencies {
    /// Layer, indications, references and chains.
    pub frame: FrameDependencyTemplate,
    /// The decode targets that are being sent, from this frame on, if they changed.
    pub active_decode_targets: Option<u32>,
    /// Width and height, if the structure tells them.
    pub resolution: Option<(u16, u16)>,
}

struct ExtendedFields {
    structure: Option<TemplateDependencyStructure>,
    active: bool,
    custom_indications: bool,
    custom_frame_differences: bool,
    custom_chains: bool,
}

impl<'a> DependencyDescriptor<'a> {
    /// Whether the packet brings a structure, as the first packet of each key frame does.
    pub fn has_structure(&self) -> bool {
        self.data.get(3).is_some_and(|flags| flags & 0x80 != 0)
    }

    /// The structure that the packet brings.
    pub fn structure(&self) -> Option<TemplateDependencyStructure> {
        let mut bits = BitReader::new(self.data.get(3..)?);
        read_extended(&mut bits)?.structure
    }

    /// What this descriptor says of its frame. `structure` is the one that came last, in this packet or before.
    ///
    /// `None` if the descriptor is malformed or belongs to another structure.
    pub fn resolve(&self, structure: &TemplateDependencyStructure) -> Option<FrameDependencies> {
        let mut bits = BitReader::new(self.data.get(3..)?);
        let extended = if self.data.len() > 3 { Some(read_extended(&mut bits)?) } else { None };
        let index = (self.template_id + 64 - structure.template_id_offset) % 64;
        let mut frame = *structure.templates.get(usize::from(index))?;
        let mut active_decode_targets = None;
        if let Some(extended) = extended {
            if extended.structure.is_some() {
                active_decode_targets = Some(structure.all_decode_targets());
            }
            if extended.active {
                active_decode_targets = Some(bits.bits(structure.decode_targets.into())?);
            }
            if extended.custom_indications {
                for indication in frame.indications.items.iter_mut().take(structure.decode_targets()) {
                    *indication = DecodeTargetIndication::from_bits(bits.bits(2)?);
                }
            }
            if extended.custom_frame_differences {
                frame.frame_differences = List::default();
                loop {
                    let size = bits.bits(2)?;
                    if size == 0 {
                        break;
                    }
                    frame.frame_differences.push(bits.bits(4 * size)? as u16 + 1)?;
                }
            }
            if extended.custom_chains {
                for difference in frame.chain_differences.items.iter_mut().take(usize::from(structure.chains)) {
                    *difference = bits.bits(8)? as u8;
                }
            }
        }
        let resolution = structure.resolutions().get(usize::from(frame.spatial_id)).copied();
        Some(FrameDependencies { frame, active_decode_targets, resolution })
    }

    /// Writes another frame number into the bytes of a descriptor, as switching between streams needs.
    pub fn set_frame_number(data: &mut [u8], frame_number: u16) {
        if let Some(place) = data.get_mut(1..3) {
            place.copy_from_slice(&frame_number.to_be_bytes());
        }
    }
}

fn read_extended(bits: &mut BitReader<'_>) -> Option<ExtendedFields> {
    let [structure, active, custom_indications, custom_frame_differences, custom_chains] =
        [bits.bit()?, bits.bit()?, bits.bit()?, bits.bit()?, bits.bit()?];
    let structure = if structure { Some(TemplateDependencyStructure::read(bits)?) } else { None };
    Some(ExtendedFields { structure, active, custom_indications, custom_frame_differences, custom_chains })
}

impl<'a> HeaderExtension<'a> for DependencyDescriptor<'a> {
    const KIND: ExtensionKind = ExtensionKind::DependencyDescriptor;

    fn parse(data: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let first = reader.u8()?;
        Some(Self {
            start_of_frame: first & 0x80 != 0,
            end_of_frame: first & 0x40 != 0,
            template_id: first & 0x3f,
            frame_number: reader.u16()?,
            data,
        })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        put(out, self.data)
    }
}

/// A descriptor to be written.
#[derive(Clone, Copy, Debug)]
pub struct DescriptorToWrite<'s> {
    /// The packet begins a frame.
    pub start_of_frame: bool,
    /// The packet ends a frame.
    pub end_of_frame: bool,
    /// Counts frames in decoding order and wraps.
    pub frame_number: u16,
    /// The structure that the receiver has, or gets with this packet.
    pub structure: &'s TemplateDependencyStructure,
    /// Whether the packet brings the structure.
    pub attach_structure: bool,
    /// The decode targets that are being sent, if they are to be told.
    pub active_decode_targets: Option<u32>,
    /// What is to be said of the frame.
    pub frame: &'s FrameDependencyTemplate,
}

impl DescriptorToWrite<'_> {
    /// Appends the bytes: the template nearest to the frame, and what differs from it. Returns whether there is a template
    /// of the frame's layer; without one nothing is written.
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        let cost = |template: &FrameDependencyTemplate| {
            usize::from(template.indications != self.frame.indications) * 2 * self.structure.decode_targets()
                + usize::from(template.frame_differences != self.frame.frame_differences) * 8
                + usize::from(template.chain_differences != self.frame.chain_differences)
                    * 8
                    * usize::from(self.structure.chains)
        };
        let layer = (self.frame.spatial_id, self.frame.temporal_id);
        let candidates = self.structure.templates.iter().enumerate();
        let nearest = candidates
            .filter(|(_, template)| (template.spatial_id, template.temporal_id) == layer)
            .min_by_key(|(_, template)| cost(template));
        let Some((index, template)) = nearest else { return false };
        let custom = [
            template.indications != self.frame.indications,
            template.frame_differences != self.frame.frame_differences,
            template.chain_differences != self.frame.chain_differences,
        ];
        let mut bits = BitWriter::new(out);
        bits.bits(1, self.start_of_frame.into());
        bits.bits(1, self.end_of_frame.into());
        bits.bits(6, (index as u32 + u32::from(self.structure.template_id_offset)) % 64);
        bits.bits(16, self.frame_number.into());
        if !self.attach_structure && self.active_decode_targets.is_none() && custom == [false; 3] {
            return true;
        }
        bits.bits(1, self.attach_structure.into());
        bits.bits(1, self.active_decode_targets.is_some().into());
        custom.iter().for_each(|flag| bits.bits(1, (*flag).into()));
        if self.attach_structure {
            self.structure.write(&mut bits);
        }
        if let Some(active) = self.active_decode_targets {
            bits.bits(self.structure.decode_targets.into(), active);
        }
        let [indications, differences, chains] = custom;
        if indications {
            self.frame.indications().iter().for_each(|indication| bits.bits(2, *indication as u32));
        }
        if differences {
            for difference in self.frame.frame_differences() {
                let value = u32::from(*difference) - 1;
                let size = (32 - value.leading_zeros()).div_ceil(4).max(1);
                bits.bits(2, size);
                bits.bits(4 * size, value);
            }
            bits.bits(2, 0);
        }
        if chains {
            self.frame.chain_differences().iter().for_each(|difference| bits.bits(8, u32::from(*difference)));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::DecodeTargetIndication::{Discardable as D, NotPresent as N, Required as R, Switch as S};
    use super::*;
    use proptest::prelude::*;

    /// L1T3 of §A.10.2.1: one spatial layer, three temporal ones, one chain.
    fn l1t3() -> TemplateDependencyStructure {
        let template = |temporal, dtis: &[_], fdiffs: &[u16], chain: u8| {
            FrameDependencyTemplate::new(0, temporal, dtis, fdiffs, &[chain]).unwrap()
        };
        TemplateDependencyStructure::new(
            60,
            vec![
                template(0, &[S, S, S], &[], 0),
                template(0, &[S, S, S], &[4], 4),
                template(1, &[N, D, R], &[2], 2),
                template(2, &[N, N, D], &[1], 1),
                template(2, &[N, N, D], &[1], 3),
            ],
            &[0, 0, 0],
            &[(1280, 720)],
        )
        .unwrap()
    }

    fn write(
        structure: &TemplateDependencyStructure,
        attach: bool,
        active: Option<u32>,
        frame: &FrameDependencyTemplate,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let descriptor = DescriptorToWrite {
            start_of_frame: true,
            end_of_frame: false,
            frame_number: 0x1234,
            structure,
            attach_structure: attach,
            active_decode_targets: active,
            frame,
        };
        assert!(descriptor.write(&mut out));
        out
    }

    #[test]
    fn a_key_frame_brings_the_structure() {
        let structure = l1t3();
        let bytes = write(&structure, true, None, &structure.templates()[0]);
        let descriptor = DependencyDescriptor::parse(&bytes).unwrap();
        assert!(descriptor.has_structure() && descriptor.start_of_frame && !descriptor.end_of_frame);
        assert_eq!((descriptor.template_id, descriptor.frame_number), (60, 0x1234));
        assert_eq!(descriptor.structure().as_ref(), Some(&structure));
        let resolved = descriptor.resolve(&structure).unwrap();
        assert_eq!(resolved.active_decode_targets, Some(0b111));
        assert_eq!(resolved.resolution, Some((1280, 720)));
        assert_eq!(structure.layers_of(1), (0, 1));
        for length in 0..bytes.len() - 1 {
            let cut = DependencyDescriptor::parse(&bytes[..length]);
            assert!(cut.is_none_or(|cut| length <= 3 || cut.structure().is_none()), "{length} bytes");
        }
    }

    #[test]
    fn a_frame_by_template_takes_three_bytes() {
        let structure = l1t3();
        let bytes = write(&structure, false, None, &structure.templates()[4]);
        assert_eq!(bytes, [0x80, 0x12, 0x34], "60 + 4 wraps to 0");
        let descriptor = DependencyDescriptor::parse(&bytes).unwrap();
        assert_eq!(descriptor.resolve(&structure).unwrap().frame, structure.templates()[4]);
        assert!(!descriptor.has_structure() && descriptor.structure().is_none());
    }

    #[test]
    fn what_differs_from_the_template_is_told() {
        let structure = l1t3();
        let frame = FrameDependencyTemplate::new(0, 1, &[N, S, S], &[2, 300, 17], &[200]).unwrap();
        let bytes = write(&structure, false, Some(0b011), &frame);
        let resolved = DependencyDescriptor::parse(&bytes).unwrap().resolve(&structure).unwrap();
        assert_eq!(resolved.frame, frame);
        assert_eq!(resolved.active_decode_targets, Some(0b011));
    }

    #[test]
    fn a_template_of_another_structure_is_not_understood() {
        let structure = l1t3();
        let descriptor = DependencyDescriptor::parse(&[0x80 | 30, 0, 1]).unwrap();
        assert_eq!(descriptor.resolve(&structure), None);
    }

    #[test]
    fn frame_numbers_change_in_place() {
        let structure = l1t3();
        let mut bytes = write(&structure, true, None, &structure.templates()[0]);
        DependencyDescriptor::set_frame_number(&mut bytes, 7);
        let descriptor = DependencyDescriptor::parse(&bytes).unwrap();
        assert_eq!((descriptor.frame_number, descriptor.structure()), (7, Some(structure)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(descriptor) = DependencyDescriptor::parse(&bytes) {
                if let Some(structure) = descriptor.structure() {
                    let _ = descriptor.resolve(&structure);
                    for target in 0..structure.decode_targets() { structure.layers_of(target); }
                }
                let _ = descriptor.resolve(&l1t3());
            }
        }
    }
}
