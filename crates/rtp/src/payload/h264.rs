//! H.264 (RFC 6184): packetization modes 0 and 1.

use super::nal::{NalUnits, write_unit};
use super::{Depacketizer, Packetizer, PayloadError};
use crate::reader::Reader;

const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

const TYPE: u8 = 0x1f;
const IMPORTANCE: u8 = 0x60;
const FORBIDDEN: u8 = 0x80;

/// What a forwarder needs to know of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// It begins or holds a slice of an IDR picture, from which decoding can start once the parameter sets are known.
    pub starts_idr: bool,
    /// It holds a sequence parameter set.
    pub has_sps: bool,
    /// It holds a picture parameter set.
    pub has_pps: bool,
    /// No other picture needs it (nal_ref_idc is zero).
    pub discardable: bool,
}

impl Facts {
    /// Whether a receiver that starts here can decode: a sequence parameter set or an IDR picture begins.
    pub fn starts_key_frame(&self) -> bool {
        self.starts_idr || self.has_sps
    }

    fn add(&mut self, header: u8) {
        match header & TYPE {
            IDR => self.starts_idr = true,
            SPS => self.has_sps = true,
            PPS => self.has_pps = true,
            _ => {}
        }
    }
}

/// Looks into a payload: also into the units of a STAP-A and the first fragment of an FU-A (RFC 6184 §5.7, §5.8).
pub fn inspect(payload: &[u8]) -> Result<Facts, PayloadError> {
    let header = *payload.first().ok_or(PayloadError::Truncated)?;
    let mut facts = Facts { discardable: header & IMPORTANCE == 0, ..Facts::default() };
    match header & TYPE {
        1..=23 => facts.add(header),
        STAP_A => {
            let mut reader = Reader::new(payload.get(1..).unwrap_or_default());
            while let Some(unit) = read_aggregated(&mut reader)? {
                unit.first().into_iter().for_each(|header| facts.add(*header));
            }
        }
        FU_A => {
            let fragment = *payload.get(1).ok_or(PayloadError::Truncated)?;
            if fragment & 0x80 != 0 {
                facts.add(fragment);
            }
        }
        other => return Err(PayloadError::Structure(other)),
    }
    Ok(facts)
}

/// The next unit with its 16-bit length before it; `None` at the end.
pub(super) fn read_aggregated<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, PayloadError> {
    if reader.is_empty() {
        return Ok(None);
    }
    let length = reader.u16().ok_or(PayloadError::Truncated)?;
    reader.take(usize::from(length)).map(Some).ok_or(PayloadError::Truncated)
}

/// How units may be put into payloads (RFC 6184 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketizationMode {
    /// Mode 0: each unit is a payload of its own.
    SingleNalUnit,
    /// Mode 1: small units share a payload (STAP-A), large ones are cut (FU-A).
    NonInterleaved,
}

/// Cuts an access unit in byte-stream format into payloads.
#[derive(Debug)]
pub struct H264Packetizer<'f> {
    units: NalUnits<'f>,
    /// A unit that is being cut: its header, and what is left of it.
    cut: Option<(u8, &'f [u8])>,
    mode: PacketizationMode,
    max_payload: usize,
}

impl<'f> H264Packetizer<'f> {
    /// Cuts `access_unit` into payloads of at most `max_payload` bytes.
    ///
    /// Access unit delimiters and filler are left out. In mode 0 a larger unit is an error: let the encoder make smaller
    /// slices.
    pub fn new(access_unit: &'f [u8], mode: PacketizationMode, max_payload: usize) -> Result<Self, PayloadError> {
        let units = NalUnits::new(access_unit);
        let mut kept = units.filter(|unit| is_sent(unit)).peekable();
        if kept.peek().is_none()
            || units.clone().any(|unit| matches!(unit.first(), Some(header) if header & TYPE >= 24))
        {
            return Err(PayloadError::MalformedFrame);
        }
        if max_payload < 8 || (mode == PacketizationMode::SingleNalUnit && kept.any(|unit| unit.len() > max_payload)) {
            return Err(PayloadError::TooSmall(max_payload));
        }
        Ok(Self { units, cut: None, mode, max_payload })
    }

    fn next_unit(&mut self) -> Option<&'f [u8]> {
        self.units.find(|unit| is_sent(unit))
    }

    fn is_done(&self) -> bool {
        self.cut.is_none() && !{ self.units }.any(is_sent)
    }

    /// How many of the next units share a payload with `first`, and how many bytes that takes.
    fn shared(&self, first: &[u8]) -> (usize, usize) {
        let (mut count, mut length) = (1, 3 + first.len());
        for unit in { self.units }.filter(|unit| is_sent(unit)) {
            if length + 2 + unit.len() > self.max_payload {
                break;
            }
            (count, length) = (count + 1, length + 2 + unit.len());
        }
        (count, length)
    }

    fn write_fragment(&mut self, header: u8, rest: &'f [u8], start: bool, out: &mut Vec<u8>) {
        let (part, rest) = rest.split_at_checked(self.max_payload - 2).unwrap_or((rest, &[]));
        let bits = u8::from(start) << 7 | u8::from(rest.is_empty()) << 6;
        out.extend_from_slice(&[header & (FORBIDDEN | IMPORTANCE) | FU_A, bits | header & TYPE]);
        out.extend_from_slice(part);
        self.cut = (!rest.is_empty()).then_some((header, rest));
    }
}

impl Packetizer for H264Packetizer<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        if let Some((header, rest)) = self.cut.take() {
            self.write_fragment(header, rest, false, out);
            return Some(self.is_done());
        }
        let unit = self.next_unit()?;
        let (header, rest) = unit.split_first()?;
        if unit.len() > self.max_payload {
            self.write_fragment(*header, rest, true, out);
            return Some(self.is_done());
        }
        let (count, length) = self.shared(unit);
        if self.mode == PacketizationMode::SingleNalUnit || count == 1 || length > self.max_payload {
            out.extend_from_slice(unit);
            return Some(self.is_done());
        }
        let start = out.len();
        out.push(STAP_A);
        let mut next = Some(unit);
        for _ in 0..count {
            let Some(unit) = next.take().or_else(|| self.next_unit()) else { break };
            out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            out.extend_from_slice(unit);
            // RFC 6184 §5.7.1: forbidden if any is, and as important as the most important one.
            if let (Some(own), Some(header)) = (out.get(start).copied(), unit.first())
                && let Some(place) = out.get_mut(start)
            {
                *place = (own | header) & FORBIDDEN | (own & IMPORTANCE).max(header & IMPORTANCE) | STAP_A;
            }
        }
        Some(self.is_done())
    }
}

/// Access unit delimiters (9) and filler (12) serve no receiver.
fn is_sent(unit: &[u8]) -> bool {
    unit.first().is_some_and(|header| !matches!(header & TYPE, 9 | 12))
}

/// Puts access units together in byte-stream format, with start codes of four bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct H264Depacketizer {
    /// Inside a unit that came in fragments.
    cut: bool,
}

impl Depacketizer for H264Depacketizer {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let (header, rest) = payload.split_first().ok_or(PayloadError::Truncated)?;
        if self.cut && header & TYPE != FU_A {
            return Err(PayloadError::MissingFragment);
        }
        match header & TYPE {
            1..=23 => write_unit(out, &[payload]),
            STAP_A => {
                let mut reader = Reader::new(rest);
                while let Some(unit) = read_aggregated(&mut reader)? {
                    if !unit.is_empty() {
                        write_unit(out, &[unit]);
                    }
                }
            }
            FU_A => {
                let (bits, part) = rest.split_first().ok_or(PayloadError::Truncated)?;
                let (start, end) = (bits & 0x80 != 0, bits & 0x40 != 0);
                if start == self.cut {
                    return Err(PayloadError::MissingFragment);
                }
                if start {
                    write_unit(out, &[&[header & (FORBIDDEN | IMPORTANCE) | bits & TYPE]]);
                }
                out.extend_from_slice(part);
                self.cut = !end;
            }
            other => return Err(PayloadError::Structure(other)),
        }
        Ok(())
    }

    fn reset(&mut self) {
        self.cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{filler, frame, payloads};
    use super::*;
    use proptest::prelude::*;

    fn stream(units: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        units.iter().for_each(|unit| write_unit(&mut out, &[unit]));
        out
    }

    fn unit(header: u8, length: usize) -> Vec<u8> {
        [vec![header], filler(length)].concat()
    }

    #[test]
    fn parameter_sets_share_a_payload_and_a_large_slice_is_cut() {
        let units = stream(&[unit(0x67, 10), unit(0x68, 4), unit(0x65, 2500)]);
        let all = payloads(H264Packetizer::new(&units, PacketizationMode::NonInterleaved, 1200).unwrap(), 1200);
        assert_eq!(all.iter().map(|payload| payload[0] & TYPE).collect::<Vec<_>>(), [STAP_A, FU_A, FU_A, FU_A]);
        assert_eq!(all[0][0] & IMPORTANCE, 0x60);
        let facts = inspect(&all[0]).unwrap();
        assert!(facts.has_sps && facts.has_pps && facts.starts_key_frame() && !facts.starts_idr);
        assert!(inspect(&all[1]).unwrap().starts_idr);
        assert!(!inspect(&all[2]).unwrap().starts_key_frame());
        assert_eq!(frame(H264Depacketizer::default(), &all), units);
    }

    #[test]
    fn mode_0_sends_each_unit_alone_and_cuts_none() {
        let units = stream(&[unit(0x67, 10), unit(0x68, 4), unit(0x41, 500)]);
        let all = payloads(H264Packetizer::new(&units, PacketizationMode::SingleNalUnit, 600).unwrap(), 600);
        assert_eq!(all.len(), 3);
        assert_eq!(frame(H264Depacketizer::default(), &all), units);
        let too_small = H264Packetizer::new(&units, PacketizationMode::SingleNalUnit, 400).err();
        assert_eq!(too_small, Some(PayloadError::TooSmall(400)));
    }

    #[test]
    fn delimiters_and_filler_are_left_out() {
        let units = stream(&[unit(0x09, 1), unit(0x41, 50), unit(0x0c, 900)]);
        let all = payloads(H264Packetizer::new(&units, PacketizationMode::NonInterleaved, 1200).unwrap(), 1200);
        assert_eq!(frame(H264Depacketizer::default(), &all), stream(&[unit(0x41, 50)]));
        assert!(H264Packetizer::new(&[1, 2, 3], PacketizationMode::NonInterleaved, 1200).is_err());
    }

    #[test]
    fn missing_fragments_and_other_structures_are_noticed() {
        let units = stream(&[unit(0x65, 3000)]);
        let all = payloads(H264Packetizer::new(&units, PacketizationMode::NonInterleaved, 1200).unwrap(), 1200);
        let mut depacketizer = H264Depacketizer::default();
        let mut out = Vec::new();
        assert_eq!(depacketizer.push(&all[1], &mut out), Err(PayloadError::MissingFragment));
        depacketizer.push(&all[0], &mut out).unwrap();
        assert_eq!(depacketizer.push(&[0x41, 1], &mut out), Err(PayloadError::MissingFragment));
        depacketizer.reset();
        assert_eq!(depacketizer.push(&[0x41, 1], &mut out), Ok(()));
        for kind in [0, 25, 26, 27, 29, 30, 31] {
            assert_eq!(depacketizer.push(&[kind, 1, 2], &mut out), Err(PayloadError::Structure(kind)));
            assert_eq!(inspect(&[kind, 1, 2]), Err(PayloadError::Structure(kind)));
        }
        assert_eq!(depacketizer.push(&[STAP_A, 0, 9, 1], &mut out), Err(PayloadError::Truncated));
    }

    proptest! {
        #[test]
        fn access_units_come_back(lengths in prop::collection::vec(1usize..3000, 1..8), max in 8usize..1300) {
            let units: Vec<_> = lengths.iter().zip([0x67, 0x68, 0x06, 0x65].into_iter().cycle()).map(|(length, header)| unit(header, *length)).collect();
            let data = stream(&units);
            let all = payloads(H264Packetizer::new(&data, PacketizationMode::NonInterleaved, max).unwrap(), max);
            prop_assert_eq!(frame(H264Depacketizer::default(), &all), data);
        }

        #[test]
        fn arbitrary_bytes_never_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let mut depacketizer = H264Depacketizer::default();
            for payload in payloads {
                let _ = inspect(&payload);
                let _ = depacketizer.push(&payload, &mut Vec::new());
                if let Ok(mut packetizer) = H264Packetizer::new(&payload, PacketizationMode::NonInterleaved, 8) {
                    while packetizer.next_payload(&mut Vec::new()).is_some() {}
                }
            }
        }
    }
}
