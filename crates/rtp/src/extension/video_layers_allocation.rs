use super::{ExtensionKind, HeaderExtension};
use crate::reader::{BitReader, Reader};

const MAX_LAYERS: usize = 16;
const MAX_TEMPORAL: usize = 4;

/// One spatial layer that is being sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActiveLayer {
    /// Which simulcast stream, 0 to 3.
    pub stream: u8,
    /// Which spatial layer of the stream, 0 to 3.
    pub spatial_id: u8,
    rates: [u32; MAX_TEMPORAL],
    temporal_layers: u8,
    /// Width, height, and frames a second.
    pub resolution: Option<(u16, u16, u8)>,
}

impl ActiveLayer {
    /// A layer with the target rates in kbit/s of its temporal layers, each with those below it: 1 to 4 of them.
    pub fn new(stream: u8, spatial_id: u8, rates: &[u32]) -> Option<Self> {
        let mut layer = Self { stream, spatial_id, temporal_layers: rates.len() as u8, ..Self::default() };
        layer.rates.get_mut(..rates.len())?.copy_from_slice(rates);
        (stream < 4 && spatial_id < 4 && !rates.is_empty()).then_some(layer)
    }

    /// Target rates in kbit/s of the temporal layers, each with those below it.
    pub fn rates(&self) -> &[u32] {
        self.rates.get(..usize::from(self.temporal_layers)).unwrap_or_default()
    }
}

/// Which layers a sender sends and how much of each (video-layers-allocation00).
///
/// ```text
/// |RID| NS| sl_bm |  this stream, number of streams - 1, spatial layers of all streams
/// |sl0_bm |sl1_bm |  spatial layers of each stream, if sl_bm is zero
/// |sl2_bm |sl3_bm |
/// |#tl|#tl|#tl|#tl|  temporal layers - 1 of each spatial layer
/// target rates in kbit/s as LEB128
/// width - 1, height - 1, frame rate of each spatial layer: 5 bytes, or none at all
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoLayersAllocation {
    /// Which simulcast stream carries this packet, 0 to 3.
    pub stream: u8,
    /// How many simulcast streams there are, 1 to 4.
    pub streams: u8,
    layers: [ActiveLayer; MAX_LAYERS],
    layer_count: u8,
}

impl VideoLayersAllocation {
    /// An allocation of these layers, ordered by stream and then by spatial layer; `None` if they are not, or if only some
    /// tell their resolution.
    pub fn new(stream: u8, streams: u8, layers: &[ActiveLayer]) -> Option<Self> {
        let mut value = Self { stream, streams, layer_count: layers.len() as u8, ..Self::default() };
        value.layers.get_mut(..layers.len())?.copy_from_slice(layers);
        let key = |layer: &ActiveLayer| (layer.stream, layer.spatial_id);
        let ordered = layers.is_sorted_by(|a, b| key(a) < key(b));
        let told = layers.iter().filter(|layer| layer.resolution.is_some()).count();
        let fits = (1..=4).contains(&streams)
            && stream < streams
            && layers.iter().all(|layer| layer.stream < streams)
            && (told == 0 || told == layers.len());
        (ordered && fits).then_some(value)
    }

    /// The layers that are sent; none while everything is paused.
    pub fn layers(&self) -> &[ActiveLayer] {
        self.layers.get(..usize::from(self.layer_count)).unwrap_or_default()
    }

    fn spatial_bitmask(&self, stream: u8) -> u8 {
        self.layers().iter().filter(|layer| layer.stream == stream).fold(0, |mask, layer| mask | 1 << layer.spatial_id)
    }
}

impl HeaderExtension<'_> for VideoLayersAllocation {
    const KIND: ExtensionKind = ExtensionKind::VideoLayersAllocation;

    fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let first = reader.u8()?;
        let mut value = Self { stream: first >> 6, streams: (first >> 4 & 3) + 1, ..Self::default() };
        if first == 0 && reader.is_empty() {
            return Some(value); // nothing is sent
        }
        let mut masks = [first & 0x0f; 4];
        if first & 0x0f == 0 {
            let bytes = reader.take(usize::from(value.streams).div_ceil(2))?;
            for (pair, byte) in masks.chunks_mut(2).zip(bytes) {
                pair.copy_from_slice(&[byte >> 4, byte & 0x0f]);
            }
        }
        for (stream, mask) in (0..value.streams).zip(masks) {
            for spatial_id in (0..4).filter(|bit| mask & 1 << bit != 0) {
                *value.layers.get_mut(usize::from(value.layer_count))? =
                    ActiveLayer { stream, spatial_id, ..ActiveLayer::default() };
                value.layer_count += 1;
            }
        }
        let layers = value.layers.get_mut(..usize::from(value.layer_count))?;
        let mut counts = BitReader::new(reader.take(layers.len().div_ceil(4))?);
        for layer in &mut *layers {
            layer.temporal_layers = counts.bits(2)? as u8 + 1;
        }
        for layer in &mut *layers {
            for rate in layer.rates.iter_mut().take(usize::from(layer.temporal_layers)) {
                *rate = reader.leb128()?;
            }
        }
        if !reader.is_empty() {
            for layer in layers {
                let (width, height) = (reader.u16()?, reader.u16()?);
                layer.resolution = Some((width.saturating_add(1), height.saturating_add(1), reader.u8()?));
            }
        }
        Some(value)
    }

    fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut out = Writer { out, at: 0 };
        let layers = self.layers();
        if layers.is_empty() {
            out.push(0)?;
            return Some(out.at);
        }
        let head = (self.stream & 3) << 6 | (self.streams.wrapping_sub(1) & 3) << 4;
        let first = self.spatial_bitmask(0);
        if (1..self.streams).all(|stream| self.spatial_bitmask(stream) == first) {
            out.push(head | first)?;
        } else {
            out.push(head)?;
            for pair in (0..self.streams).step_by(2) {
                out.push(self.spatial_bitmask(pair) << 4 | self.spatial_bitmask(pair + 1))?;
            }
        }
        for four in layers.chunks(4) {
            out.push(
                four.iter()
                    .zip([6, 4, 2, 0])
                    .fold(0, |byte, (layer, at)| byte | layer.temporal_layers.saturating_sub(1) << at),
            )?;
        }
        for rate in layers.iter().flat_map(ActiveLayer::rates) {
            let mut rate = *rate;
            while rate > 0x7f {
                out.push(rate as u8 | 0x80)?;
                rate >>= 7;
            }
            out.push(rate as u8)?;
        }
        for (width, height, frame_rate) in layers.iter().filter_map(|layer| layer.resolution) {
            for number in [width.wrapping_sub(1), height.wrapping_sub(1)] {
                number.to_be_bytes().into_iter().try_for_each(|byte| out.push(byte))?;
            }
            out.push(frame_rate)?;
        }
        Some(out.at)
    }
}

struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn push(&mut self, byte: u8) -> Option<()> {
        *self.out.get_mut(self.at)? = byte;
        self.at += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn nothing_sent_is_one_zero_byte() {
        round_trip(VideoLayersAllocation { streams: 1, ..Default::default() }, &[0]);
    }

    #[test]
    fn three_simulcast_streams_with_resolutions() {
        let layer = |stream, rates: &[u32], resolution| ActiveLayer {
            resolution: Some(resolution),
            ..ActiveLayer::new(stream, 0, rates).unwrap()
        };
        let layers = [
            layer(0, &[60, 150], (320, 180, 30)),
            layer(1, &[200, 500], (640, 360, 30)),
            layer(2, &[1000, 2500], (1280, 720, 30)),
        ];
        let value = VideoLayersAllocation::new(1, 3, &layers).unwrap();
        round_trip(
            value,
            &[
                0x61, 0x54, 60, 0x96, 1, 0xc8, 1, 0xf4, 3, 0xe8, 7, 0xc4, 0x13, 1, 63, 0, 179, 30, 2, 127, 1, 103, 30,
                4, 255, 2, 207, 30,
            ],
        );
    }

    #[test]
    fn streams_with_different_spatial_layers() {
        let layers = [
            ActiveLayer::new(0, 0, &[50]).unwrap(),
            ActiveLayer::new(0, 1, &[100]).unwrap(),
            ActiveLayer::new(1, 2, &[300]).unwrap(),
        ];
        let value = VideoLayersAllocation::new(0, 2, &layers).unwrap();
        round_trip(value, &[0x10, 0x34, 0, 50, 100, 0xac, 2]);
    }

    #[test]
    fn contradictions_are_refused() {
        let layer = ActiveLayer::new(1, 0, &[50]).unwrap();
        assert_eq!(VideoLayersAllocation::new(0, 1, &[layer]), None);
        assert_eq!(VideoLayersAllocation::new(0, 2, &[layer, layer]), None);
        assert_eq!(ActiveLayer::new(0, 0, &[]), None);
        assert_eq!(VideoLayersAllocation::parse(&[0x0f, 0xff, 1]), None);
    }
}
