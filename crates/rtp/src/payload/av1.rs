//! AV1 (RTP Payload Format For AV1, §4).
//!
//! The layers and dependencies of a packet are in the dependency descriptor, see
//! [`DependencyDescriptor`](crate::extension::DependencyDescriptor).

use super::{Depacketizer, Packetizer, PayloadError};
use crate::reader::Reader;

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

/// The first byte of each payload (§4.4).
///
/// ```text
/// |Z|Y|W W|N|-|-|-|
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregationHeader {
    /// Z: the first element goes on with one of the packet before.
    pub continues: bool,
    /// Y: the last element goes on in the next packet.
    pub continued: bool,
    /// W: how many elements there are, 1 to 3, the last without a length; 0 if all have a length.
    pub count: u8,
    /// N: a coded video sequence begins, that is, a key frame.
    pub new_sequence: bool,
}

impl AggregationHeader {
    /// Reads the first byte of a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, PayloadError> {
        let byte = *payload.first().ok_or(PayloadError::Truncated)?;
        let header = Self {
            continues: byte & 0x80 != 0,
            continued: byte & 0x40 != 0,
            count: byte >> 4 & 3,
            new_sequence: byte & 0x08 != 0,
        };
        // §4.4: a sequence does not begin in the middle of an element.
        if header.continues && header.new_sequence { Err(PayloadError::Structure(byte)) } else { Ok(header) }
    }

    fn byte(self) -> u8 {
        u8::from(self.continues) << 7
            | u8::from(self.continued) << 6
            | (self.count & 3) << 4
            | u8::from(self.new_sequence) << 3
    }
}

/// The elements of a payload: whole OBUs or pieces of them, without size fields by rights.
#[derive(Clone, Copy, Debug)]
struct Elements<'a> {
    reader: Reader<'a>,
    count: u8,
    at: u8,
}

impl<'a> Elements<'a> {
    fn new(payload: &'a [u8], header: AggregationHeader) -> Self {
        Self { reader: Reader::new(payload.get(1..).unwrap_or_default()), count: header.count, at: 0 }
    }

    fn next(&mut self) -> Result<Option<&'a [u8]>, PayloadError> {
        if self.reader.is_empty() {
            return if self.at < self.count { Err(PayloadError::Truncated) } else { Ok(None) };
        }
        if self.count > 0 && self.at == self.count {
            return Err(PayloadError::Structure(self.count)); // bytes after the last element
        }
        self.at = self.at.saturating_add(1);
        let length = if self.count > 0 && self.at == self.count {
            self.reader.rest().len()
        } else {
            self.reader.leb128().ok_or(PayloadError::Truncated)? as usize
        };
        self.reader.take(length).map(Some).ok_or(PayloadError::Truncated)
    }
}

/// Whether the payload begins a key frame (§4.4).
pub fn starts_key_frame(payload: &[u8]) -> bool {
    AggregationHeader::parse(payload).is_ok_and(|header| header.new_sequence)
}

/// One OBU of a temporal unit, without its size field.
#[derive(Clone, Copy, Debug)]
struct Obu<'f> {
    /// One byte, or two with the extension.
    header: [u8; 2],
    header_length: usize,
    payload: &'f [u8],
}

impl<'f> Obu<'f> {
    /// Takes one OBU of the low-overhead format from the front (AV1 §5.3).
    fn read(reader: &mut Reader<'f>) -> Option<Self> {
        let first = reader.u8()?;
        let mut header = [first & !HAS_SIZE, 0];
        let mut header_length = 1;
        if first & HAS_EXTENSION != 0 {
            header[1] = reader.u8()?;
            header_length = 2;
        }
        let length = if first & HAS_SIZE != 0 { reader.leb128()? as usize } else { reader.rest().len() };
        Some(Self { header, header_length, payload: reader.take(length)? })
    }

    fn kind(&self) -> u8 {
        self.header[0] >> 3 & 0x0f
    }

    fn is_sent(&self) -> bool {
        !matches!(self.kind(), TEMPORAL_DELIMITER | TILE_LIST | PADDING)
    }

    fn len(&self) -> usize {
        self.header_length + self.payload.len()
    }

    /// Appends `count` bytes from place `from` on.
    fn write(&self, from: usize, count: usize, out: &mut Vec<u8>) {
        let header = self.header.get(from.min(self.header_length)..self.header_length).unwrap_or_default();
        let header = header.get(..count).unwrap_or(header);
        out.extend_from_slice(header);
        let from = from.saturating_sub(self.header_length);
        out.extend_from_slice(self.payload.get(from..from + (count - header.len())).unwrap_or_default());
    }
}

/// The OBUs that are sent.
#[derive(Clone, Copy, Debug)]
struct Obus<'f> {
    reader: Reader<'f>,
}

impl<'f> Iterator for Obus<'f> {
    type Item = Obu<'f>;

    fn next(&mut self) -> Option<Obu<'f>> {
        loop {
            let obu = Obu::read(&mut self.reader)?;
            if obu.is_sent() {
                return Some(obu);
            }
        }
    }
}

/// Cuts a temporal unit, or one frame of it, into payloads.
#[derive(Debug)]
pub struct Av1Packetizer<'f> {
    obus: Obus<'f>,
    /// The OBU that comes next, and how much of it is sent.
    next: Option<(Obu<'f>, usize)>,
    new_sequence: bool,
    max_payload: usize,
}

impl<'f> Av1Packetizer<'f> {
    /// Cuts `temporal_unit`, OBUs in the low-overhead format, into payloads of at most `max_payload` bytes.
    ///
    /// Temporal delimiters, tile lists and padding are left out (§4.5, §5).
    pub fn new(temporal_unit: &'f [u8], max_payload: usize) -> Result<Self, PayloadError> {
        let mut reader = Reader::new(temporal_unit);
        let mut new_sequence = false;
        while !reader.is_empty() {
            let obu = Obu::read(&mut reader).ok_or(PayloadError::MalformedFrame)?;
            new_sequence |= obu.kind() == SEQUENCE_HEADER;
        }
        let mut obus = Obus { reader: Reader::new(temporal_unit) };
        let next = Some((obus.next().ok_or(PayloadError::MalformedFrame)?, 0));
        if max_payload < 8 {
            return Err(PayloadError::TooSmall(max_payload));
        }
        Ok(Self { obus, next, new_sequence, max_payload })
    }

    /// How many elements go into the next payload, and the bytes of the last of them.
    fn plan(&self) -> Option<(usize, usize)> {
        let (first, sent) = self.next?;
        let mut room = self.max_payload - 1;
        let mut length = first.len() - sent;
        let mut following = self.obus;
        let mut count = 1;
        loop {
            if length >= room {
                return Some((count, room)); // the last element needs no length
            }
            let with_length = length + leb128_length(length);
            let Some(next) = following.next() else { return Some((count, length)) };
            // A piece of at least three bytes must fit with its length, or the next element waits. At most three
            // elements, so that the last one always goes without a length.
            if count == 3 || with_length + 3 > room {
                return Some((count, length));
            }
            room -= with_length;
            length = next.len();
            count += 1;
        }
    }
}

impl Packetizer for Av1Packetizer<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        let (count, last_length) = self.plan()?;
        let (_, sent) = self.next?;
        let start = out.len();
        let mut header = AggregationHeader {
            continues: sent > 0,
            continued: false,
            count: count as u8,
            new_sequence: std::mem::take(&mut self.new_sequence),
        };
        out.push(0);
        for at in 1..=count {
            let (obu, sent) = self.next?;
            let length = if at == count { last_length } else { obu.len() - sent };
            if at < count {
                write_leb128(length, out);
            }
            obu.write(sent, length, out);
            self.next = if sent + length < obu.len() {
                header.continued = true;
                Some((obu, sent + length))
            } else {
                self.obus.next().map(|obu| (obu, 0))
            };
        }
        if let Some(place) = out.get_mut(start) {
            *place = header.byte();
        }
        Some(self.next.is_none())
    }
}

fn leb128_length(value: usize) -> usize {
    (usize::BITS - value.leading_zeros()).div_ceil(7).max(1) as usize
}

fn write_leb128(mut value: usize, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Puts frames together in the low-overhead format: every OBU with a size field, no temporal delimiter.
#[derive(Clone, Debug, Default)]
pub struct Av1Depacketizer {
    /// The pieces so far of an OBU that is not complete. Its room is kept.
    pieces: Vec<u8>,
    cut: bool,
}

impl Depacketizer for Av1Depacketizer {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let header = AggregationHeader::parse(payload)?;
        if header.continues != self.cut {
            return Err(PayloadError::MissingFragment);
        }
        let mut elements = Elements::new(payload, header);
        let mut element = elements.next()?;
        while let Some(this) = element {
            element = elements.next()?;
            let goes_on = element.is_none() && header.continued;
            if self.cut || goes_on {
                self.pieces.extend_from_slice(this);
            }
            if goes_on {
                self.cut = true;
            } else if std::mem::take(&mut self.cut) {
                write_obu(&self.pieces, out)?;
                self.pieces.clear();
            } else if !this.is_empty() {
                write_obu(this, out)?;
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.pieces.clear();
        self.cut = false;
    }
}

/// Appends an element as an OBU with a size field. A sender may have left the size in; then it must be right.
fn write_obu(element: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
    let mut reader = Reader::new(element);
    let obu = Obu::read(&mut reader).filter(|_| reader.is_empty()).ok_or(PayloadError::Truncated)?;
    if !obu.is_sent() {
        return Ok(());
    }
    let [first, extension] = obu.header;
    out.push(first | HAS_SIZE);
    if obu.header_length == 2 {
        out.push(extension);
    }
    write_leb128(obu.payload.len(), out);
    out.extend_from_slice(obu.payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{filler, frame, payloads};
    use super::*;
    use proptest::prelude::*;

    fn obu(kind: u8, extension: Option<u8>, length: usize) -> Vec<u8> {
        let mut out = vec![kind << 3 | HAS_SIZE | if extension.is_some() { HAS_EXTENSION } else { 0 }];
        out.extend(extension);
        write_leb128(length, &mut out);
        out.extend(filler(length));
        out
    }

    #[test]
    fn a_key_frame_begins_a_sequence_and_loses_its_delimiter() {
        let sent = [obu(SEQUENCE_HEADER, None, 11), obu(6, Some(0x20), 3000)].concat();
        let unit = [obu(TEMPORAL_DELIMITER, None, 0), sent.clone(), obu(PADDING, None, 30)].concat();
        let all = payloads(Av1Packetizer::new(&unit, 1200).unwrap(), 1200);
        let headers: Vec<_> = all.iter().map(|payload| AggregationHeader::parse(payload).unwrap()).collect();
        assert_eq!(headers.len(), 3);
        assert_eq!(headers[0], AggregationHeader { continues: false, continued: true, count: 2, new_sequence: true });
        assert_eq!(headers[1], AggregationHeader { continues: true, continued: true, count: 1, new_sequence: false });
        assert!(!headers[2].continued);
        assert!(all[..2].iter().all(|payload| payload.len() == 1200), "equal segments");
        assert!(starts_key_frame(&all[0]) && !starts_key_frame(&all[1]));
        assert_eq!(frame(Av1Depacketizer::default(), &all), sent);
    }

    #[test]
    fn elements_that_all_have_a_length_are_read() {
        // W = 0: two elements with lengths.
        let payload = [0x00, 2, 6 << 3, 0xaa, 3, 6 << 3, 0xbb, 0xcc].to_vec();
        let out = frame(Av1Depacketizer::default(), &[payload]);
        assert_eq!(out, [6 << 3 | HAS_SIZE, 1, 0xaa, 6 << 3 | HAS_SIZE, 2, 0xbb, 0xcc]);
    }

    #[test]
    fn contradictions_are_noticed() {
        let mut depacketizer = Av1Depacketizer::default();
        let mut out = Vec::new();
        assert_eq!(depacketizer.push(&[], &mut out), Err(PayloadError::Truncated));
        assert_eq!(depacketizer.push(&[0x90, 1], &mut out), Err(PayloadError::MissingFragment));
        assert_eq!(depacketizer.push(&[0x88, 1], &mut out), Err(PayloadError::Structure(0x88)));
        assert_eq!(depacketizer.push(&[0x20, 5, 1], &mut out), Err(PayloadError::Truncated));
        assert_eq!(depacketizer.push(&[0x10], &mut out), Err(PayloadError::Truncated));
        assert_eq!(depacketizer.push(&[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 1], &mut out), Err(PayloadError::Truncated));
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn temporal_units_come_back(
            obus in prop::collection::vec((prop::sample::select(&[1u8, 3, 4, 5, 6, 7][..]), prop::option::of(0u8..=255), 0usize..2000), 1..8),
            max in 8usize..1300,
        ) {
            let unit: Vec<u8> = obus.iter().flat_map(|(kind, extension, length)| obu(*kind, *extension, *length)).collect();
            let all = payloads(Av1Packetizer::new(&unit, max).unwrap(), max);
            prop_assert_eq!(frame(Av1Depacketizer::default(), &all), unit);
        }

        #[test]
        fn arbitrary_bytes_never_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let mut depacketizer = Av1Depacketizer::default();
            for payload in payloads {
                starts_key_frame(&payload);
                let _ = depacketizer.push(&payload, &mut Vec::new());
                if let Ok(mut packetizer) = Av1Packetizer::new(&payload, 8) {
                    while packetizer.next_payload(&mut Vec::new()).is_some() {}
                }
            }
        }
    }
}
