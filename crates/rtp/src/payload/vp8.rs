//! VP8 (RFC 7741).

pub use super::picture::PictureId;
use super::picture::Pieces;
use super::{Depacketizer, Packetizer, PayloadError};
use crate::reader::Reader;

/// The descriptor at the front of each payload (RFC 7741 §4.2).
///
/// ```text
/// |X|R|N|S|R| PID |  required
/// |I|L|T|K| RSV   |  if X
/// |M| PictureID   |  if I, a second byte if M
/// |   TL0PICIDX   |  if L
/// |TID|Y| KEYIDX  |  if T or K
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// No other frame needs this one.
    pub non_reference: bool,
    /// The payload begins a partition.
    pub start_of_partition: bool,
    /// Which partition, 0 to 7.
    pub partition: u8,
    /// The number of the picture.
    pub picture_id: Option<PictureId>,
    /// Counts the frames of the lowest temporal layer.
    pub tl0_pic_idx: Option<u8>,
    /// The temporal layer, 0 to 3, and whether it needs only the lowest one.
    pub temporal: Option<(u8, bool)>,
    /// Names the key frame that this frame depends on, 0 to 31.
    pub key_idx: Option<u8>,
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
            non_reference: first & 0x20 != 0,
            start_of_partition: first & 0x10 != 0,
            partition: first & 7,
            ..Self::default()
        };
        if first & 0x80 == 0 {
            return Some(descriptor);
        }
        let extended = reader.u8()?;
        if extended & 0x80 != 0 {
            descriptor.picture_id = Some(PictureId::read(reader)?);
        }
        if extended & 0x40 != 0 {
            descriptor.tl0_pic_idx = Some(reader.u8()?);
        }
        if extended & 0x30 != 0 {
            let byte = reader.u8()?;
            if extended & 0x20 != 0 {
                descriptor.temporal = Some((byte >> 6, byte & 0x20 != 0));
            }
            if extended & 0x10 != 0 {
                descriptor.key_idx = Some(byte & 0x1f);
            }
        }
        Some(descriptor)
    }

    /// Appends the descriptor.
    pub fn write(&self, out: &mut Vec<u8>) {
        let extended = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.tl0_pic_idx.is_some()) << 6
            | u8::from(self.temporal.is_some()) << 5
            | u8::from(self.key_idx.is_some()) << 4;
        out.push(
            u8::from(extended != 0) << 7
                | u8::from(self.non_reference) << 5
                | u8::from(self.start_of_partition) << 4
                | self.partition & 7,
        );
        if extended == 0 {
            return;
        }
        out.push(extended);
        if let Some(id) = self.picture_id {
            id.write(out);
        }
        out.extend(self.tl0_pic_idx);
        if extended & 0x30 != 0 {
            let (layer, sync) = self.temporal.unwrap_or_default();
            out.push(layer << 6 | u8::from(sync) << 5 | self.key_idx.unwrap_or(0) & 0x1f);
        }
    }

    /// Whether the payload begins a frame.
    pub fn starts_frame(&self) -> bool {
        self.start_of_partition && self.partition == 0
    }
}

/// What a forwarder needs to know of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The descriptor.
    pub descriptor: Descriptor,
    /// The payload begins a key frame.
    pub starts_key_frame: bool,
    /// Width and height, if it begins a key frame.
    pub resolution: Option<(u16, u16)>,
}

/// Looks into a payload (RFC 7741 §4.3, RFC 6386 §9.1).
pub fn inspect(payload: &[u8]) -> Result<Facts, PayloadError> {
    let (descriptor, frame) = Descriptor::parse(payload)?;
    let starts_key_frame = descriptor.starts_frame() && frame.first().is_some_and(|byte| byte & 1 == 0);
    let resolution = match frame {
        [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] if starts_key_frame => {
            Some((u16::from_le_bytes([*w0, *w1]) & 0x3fff, u16::from_le_bytes([*h0, *h1]) & 0x3fff))
        }
        _ => None,
    };
    Ok(Facts { descriptor, starts_key_frame, resolution })
}

/// Cuts a frame into payloads that all carry the same descriptor but for the start.
#[derive(Debug)]
pub struct Vp8Packetizer<'f> {
    pieces: Pieces<'f>,
    descriptor: Descriptor,
}

impl<'f> Vp8Packetizer<'f> {
    /// Cuts `frame` into payloads of at most `max_payload` bytes. The start and the partition of `descriptor` are set here.
    pub fn new(frame: &'f [u8], descriptor: Descriptor, max_payload: usize) -> Result<Self, PayloadError> {
        if frame.is_empty() {
            return Err(PayloadError::MalformedFrame);
        }
        if max_payload < 8 {
            return Err(PayloadError::TooSmall(max_payload)); // the descriptor has up to six bytes
        }
        let descriptor = Descriptor { partition: 0, ..descriptor };
        Ok(Self { pieces: Pieces::new(frame, max_payload), descriptor })
    }
}

impl Packetizer for Vp8Packetizer<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        self.pieces.next(out, |first, out| Descriptor { start_of_partition: first, ..self.descriptor }.write(out))
    }
}

/// Puts VP8 frames together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vp8Depacketizer;

impl Depacketizer for Vp8Depacketizer {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let (_, part) = Descriptor::parse(payload)?;
        out.extend_from_slice(part);
        Ok(())
    }

    fn reset(&mut self) {}
}

/// Drops that a rewriter remembers, for packets that arrive late.
const REMEMBERED: usize = 16;
/// Pictures after which a drop is forgotten.
const SETTLED: u16 = 1024;

/// From a picture of the incoming stream on, what is added to its picture numbers.
#[derive(Clone, Copy, Debug, Default)]
struct PictureOffset {
    from: u16,
    offset: u16,
}

/// Keeps picture numbers continuous for a receiver while frames are dropped and streams are switched.
///
/// Always writes the fifteen-bit form, as a receiver must not see the width change. Packets may arrive out of order: those of a picture before one that was
/// dropped keep the numbers that they would have had.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vp8Rewriter {
    /// The newest first.
    picture_offsets: [PictureOffset; REMEMBERED],
    tl0_offset: u8,
    key_offset: u8,
    /// The numbers of the newest picture that was forwarded.
    last: Option<(u16, u8, u8)>,
}

/// Whether fifteen-bit number `a` is `b` or follows it.
fn at_or_after(a: u16, b: u16) -> bool {
    a.wrapping_sub(b) & 0x7fff < 0x4000
}

impl Vp8Rewriter {
    /// Goes on with another stream, whose first forwarded payload has this descriptor.
    pub fn switch_to(&mut self, first: &Descriptor) {
        let Some((picture, tl0, key)) = self.last else { return };
        let from = first.picture_id.map_or(0, PictureId::value);
        self.picture_offsets = [PictureOffset { from, offset: (picture + 1).wrapping_sub(from) }; REMEMBERED];
        self.tl0_offset = tl0.wrapping_add(1).wrapping_sub(first.tl0_pic_idx.unwrap_or(0));
        self.key_offset = key.wrapping_add(1).wrapping_sub(first.key_idx.unwrap_or(0));
    }

    /// Tells that all payloads of the picture with this descriptor are kept back, so that the next picture takes its number. May be told of each of them.
    ///
    /// If a later picture was forwarded already, the number stays a gap.
    pub fn drop_picture(&mut self, dropped: &Descriptor) {
        let (Some(id), Some((last, ..))) = (dropped.picture_id.map(PictureId::value), self.last) else { return };
        let [newest, ..] = self.picture_offsets;
        let from = (id + 1) & 0x7fff;
        if newest.from == from || at_or_after(last, id.wrapping_add(newest.offset)) {
            return;
        }
        self.picture_offsets.rotate_right(1);
        let [place, ..] = &mut self.picture_offsets;
        *place = PictureOffset { from, offset: newest.offset.wrapping_sub(1) };
    }

    fn picture_offset(&self, id: u16) -> u16 {
        let [.., oldest] = self.picture_offsets;
        self.picture_offsets.iter().find(|known| at_or_after(id, known.from)).unwrap_or(&oldest).offset
    }

    /// Begins with the first picture, and forgets drops that lie so far back that no packet from before them comes any more; their numbers will come round again.
    fn settle(&mut self, newest_picture: Option<PictureId>) {
        let [newest, ..] = self.picture_offsets;
        let Some(id) = newest_picture.map(PictureId::value) else { return };
        let first = self.last.is_none();
        if first || (SETTLED..0x4000).contains(&(id.wrapping_sub(newest.from) & 0x7fff)) {
            self.picture_offsets = [PictureOffset { from: id, offset: newest.offset }; REMEMBERED];
        }
    }

    /// Appends `payload` with its numbers rewritten.
    pub fn rewrite(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let (mut descriptor, rest) = Descriptor::parse(payload)?;
        let (mut picture, mut tl0, mut key) = self.last.unwrap_or_default();
        let offered = descriptor.picture_id;
        if let Some(id) = offered {
            picture = id.value().wrapping_add(self.picture_offset(id.value())) & 0x7fff;
            descriptor.picture_id = Some(PictureId::Long(picture));
        }
        if let Some(index) = descriptor.tl0_pic_idx {
            tl0 = index.wrapping_add(self.tl0_offset);
            descriptor.tl0_pic_idx = Some(tl0);
        }
        if let Some(index) = descriptor.key_idx {
            key = index.wrapping_add(self.key_offset) & 0x1f;
            descriptor.key_idx = Some(key);
        }
        if self.last.is_none_or(|(last, ..)| at_or_after(picture, last)) {
            self.settle(offered);
            self.last = Some((picture, tl0, key));
        }
        descriptor.write(out);
        out.extend_from_slice(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{filler, frame, payloads};
    use super::*;
    use proptest::prelude::*;

    fn full() -> Descriptor {
        Descriptor {
            non_reference: true,
            start_of_partition: true,
            partition: 0,
            picture_id: Some(PictureId::Long(300)),
            tl0_pic_idx: Some(200),
            temporal: Some((2, true)),
            key_idx: Some(31),
        }
    }

    #[test]
    fn descriptors_come_back_and_truncations_do_not() {
        for descriptor in [
            full(),
            Descriptor::default(),
            Descriptor { picture_id: Some(PictureId::Short(5)), ..Descriptor::default() },
            Descriptor { key_idx: Some(3), partition: 7, ..Descriptor::default() },
        ] {
            let mut out = Vec::new();
            descriptor.write(&mut out);
            assert_eq!(Descriptor::parse(&out), Ok((descriptor, &[][..])));
            for length in 0..out.len() {
                assert_eq!(Descriptor::parse(&out[..length]), Err(PayloadError::Truncated));
            }
        }
    }

    #[test]
    fn key_frames_are_told_with_their_size() {
        let key = [0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 0x42, 0x68, 0x81];
        let facts = inspect(&key).unwrap();
        assert!(facts.starts_key_frame);
        assert_eq!(facts.resolution, Some((0x280, 0x168)));
        assert!(!inspect(&[0x10, 0x11, 0, 0]).unwrap().starts_key_frame);
        assert!(!inspect(&[0x00, 0x10, 0, 0]).unwrap().starts_key_frame, "not the start");
    }

    #[test]
    fn numbers_stay_continuous_over_drops_and_switches() {
        let mut rewriter = Vp8Rewriter::default();
        let send = |rewriter: &mut Vp8Rewriter, picture: u16, tl0: u8| {
            let descriptor =
                Descriptor { picture_id: Some(PictureId::Long(picture)), tl0_pic_idx: Some(tl0), ..full() };
            let (mut payload, mut out) = (Vec::new(), Vec::new());
            descriptor.write(&mut payload);
            payload.push(1);
            rewriter.rewrite(&payload, &mut out).unwrap();
            let (descriptor, rest) = Descriptor::parse(&out).unwrap();
            assert_eq!(rest, [1]);
            (descriptor.picture_id.unwrap().value(), descriptor.tl0_pic_idx.unwrap())
        };
        assert_eq!(send(&mut rewriter, 32_766, 255), (32_766, 255));
        assert_eq!(send(&mut rewriter, 32_766, 255), (32_766, 255), "second packet of the picture");
        let dropped = Descriptor { picture_id: Some(PictureId::Long(32_767)), ..full() };
        rewriter.drop_picture(&dropped);
        rewriter.drop_picture(&dropped); // told of its second packet
        assert_eq!(send(&mut rewriter, 0, 0), (32_767, 0));
        let first = Descriptor { picture_id: Some(PictureId::Short(9)), tl0_pic_idx: Some(40), ..full() };
        rewriter.switch_to(&first);
        assert_eq!(send(&mut rewriter, 9, 40), (0, 1));
        assert_eq!(send(&mut rewriter, 10, 41), (1, 2));
    }

    #[test]
    fn packets_that_arrive_late_keep_their_numbers() {
        let mut rewriter = Vp8Rewriter::default();
        let numbered = |picture| Descriptor { picture_id: Some(PictureId::Long(picture)), ..full() };
        let send = |rewriter: &mut Vp8Rewriter, picture: u16| {
            let (mut payload, mut out) = (Vec::new(), Vec::new());
            numbered(picture).write(&mut payload);
            rewriter.rewrite(&payload, &mut out).unwrap();
            Descriptor::parse(&out).unwrap().0.picture_id.unwrap().value()
        };
        assert_eq!(send(&mut rewriter, 10), 10);
        rewriter.drop_picture(&numbered(12));
        assert_eq!(send(&mut rewriter, 13), 12);
        rewriter.drop_picture(&numbered(14));
        assert_eq!(send(&mut rewriter, 15), 13);
        assert_eq!(send(&mut rewriter, 11), 11, "before both drops");
        assert_eq!(send(&mut rewriter, 13), 12, "between them");
        rewriter.drop_picture(&numbered(11));
        assert_eq!(send(&mut rewriter, 16), 14, "a drop that comes too late changes nothing");
        for picture in 17..40_000 {
            assert_eq!(send(&mut rewriter, picture & 0x7fff), (picture - 2) & 0x7fff, "long after the drops");
        }
        rewriter.switch_to(&numbered(500));
        assert_eq!(send(&mut rewriter, 500), 39_998 & 0x7fff);
    }

    proptest! {
        #[test]
        fn frames_come_back(length in 1usize..5000, max in 8usize..1300) {
            let data = filler(length);
            let all = payloads(Vp8Packetizer::new(&data, full(), max).unwrap(), max);
            prop_assert_eq!(frame(Vp8Depacketizer, &all), data);
            prop_assert!(all.iter().enumerate().all(|(at, payload)| inspect(payload).unwrap().descriptor.starts_frame() == (at == 0)));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = inspect(&bytes);
            let _ = Vp8Rewriter::default().rewrite(&bytes, &mut Vec::new());
        }
    }
}
