use super::{ExtensionKind, HeaderExtension, put};
use crate::reader::Reader;

/// How to understand the colours of a frame, by the numbers of ITU-T H.273.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColorSpace {
    /// ColourPrimaries.
    pub primaries: u8,
    /// TransferCharacteristics.
    pub transfer: u8,
    /// MatrixCoefficients.
    pub matrix: u8,
    /// 0 to 3: invalid, limited, full, derived.
    pub range: u8,
    /// Horizontal chroma siting, 0 to 3.
    pub chroma_siting_horizontal: u8,
    /// Vertical chroma siting, 0 to 3.
    pub chroma_siting_vertical: u8,
    /// For pictures with high dynamic range.
    pub hdr: Option<HdrMetadata>,
}

/// The mastering display and the light of a picture with high dynamic range (SMPTE ST 2086, CTA-861.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HdrMetadata {
    /// Candela per square metre.
    pub luminance_max: u16,
    /// 0.0001 candela per square metre.
    pub luminance_min: u16,
    /// x and y of red, green, blue and white, in steps of 0.00002.
    pub chromaticities: [(u16, u16); 4],
    /// Candela per square metre.
    pub max_content_light_level: u16,
    /// Candela per square metre.
    pub max_frame_average_light_level: u16,
}

impl HeaderExtension<'_> for ColorSpace {
    const KIND: ExtensionKind = ExtensionKind::ColorSpace;

    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let [primaries, transfer, matrix, bits] = reader.array()?;
        let hdr = if reader.is_empty() {
            None
        } else {
            let luminance_max = reader.u16()?;
            let luminance_min = reader.u16()?;
            let mut chromaticities = [(0, 0); 4];
            for point in &mut chromaticities {
                *point = (reader.u16()?, reader.u16()?);
            }
            Some(HdrMetadata {
                luminance_max,
                luminance_min,
                chromaticities,
                max_content_light_level: reader.u16()?,
                max_frame_average_light_level: reader.u16()?,
            })
        };
        Some(Self {
            primaries,
            transfer,
            matrix,
            range: bits >> 4 & 3,
            chroma_siting_horizontal: bits >> 2 & 3,
            chroma_siting_vertical: bits & 3,
            hdr,
        })
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let bits = (self.range & 3) << 4 | (self.chroma_siting_horizontal & 3) << 2 | self.chroma_siting_vertical & 3;
        let mut length = put(out, &[self.primaries, self.transfer, self.matrix, bits])?;
        if let Some(hdr) = self.hdr {
            let points = hdr.chromaticities.iter().flat_map(|(x, y)| [*x, *y]);
            let numbers = [hdr.luminance_max, hdr.luminance_min]
                .into_iter()
                .chain(points)
                .chain([hdr.max_content_light_level, hdr.max_frame_average_light_level]);
            for number in numbers {
                length += put(out.get_mut(length..)?, &number.to_be_bytes())?;
            }
        }
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn with_and_without_high_dynamic_range() {
        let plain = ColorSpace {
            primaries: 1,
            transfer: 2,
            matrix: 3,
            range: 2,
            chroma_siting_horizontal: 1,
            chroma_siting_vertical: 3,
            hdr: None,
        };
        round_trip(plain, &[1, 2, 3, 0x27]);
        let hdr = HdrMetadata {
            luminance_max: 1,
            luminance_min: 2,
            chromaticities: [(3, 4), (5, 6), (7, 8), (9, 10)],
            max_content_light_level: 11,
            max_frame_average_light_level: 12,
        };
        let mut bytes = vec![1, 2, 3, 0x27];
        bytes.extend((1..=12).flat_map(|number: u8| [0, number]));
        round_trip(ColorSpace { hdr: Some(hdr), ..plain }, &bytes);
        assert_eq!(ColorSpace::parse(&bytes[..20]), None);
    }
}
