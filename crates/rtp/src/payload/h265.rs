//! H.265 (RFC 7798): single units, aggregation packets and fragmentation units of one stream, without DON and PACI.

use super::h264::read_aggregated;
use super::nal::{NalUnits, write_unit};
use super::{Depacketizer, Packetizer, PayloadError};
use crate::reader::Reader;

const VPS: u8 = 32;
#[cfg(test)]
const SPS: u8 = 33;
const PPS: u8 = 34;
const AUD: u8 = 35;
const FILLER: u8 = 38;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;

/// What a forwarder needs to know of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// It begins or holds a slice of a picture from which decoding can start (IRAP, types 16 to 23).
    pub starts_random_access: bool,
    /// It holds a video, sequence or picture parameter set.
    pub has_parameter_sets: bool,
    /// The temporal layer of its first unit, 0 to 6.
    pub temporal_id: u8,
}

impl Facts {
    /// Whether a receiver that starts here can decode: parameter sets or a random access picture begin.
    pub fn starts_key_frame(&self) -> bool {
        self.starts_random_access || self.has_parameter_sets
    }

    fn add(&mut self, unit_type: u8) {
        match unit_type {
            16..=23 => self.starts_random_access = true,
            VPS..=PPS => self.has_parameter_sets = true,
            _ => {}
        }
    }
}

fn unit_type(header: u8) -> u8 {
    header >> 1 & 0x3f
}

/// Looks into a payload: also into the units of an aggregation packet and the first fragment of a unit.
pub fn inspect(payload: &[u8]) -> Result<Facts, PayloadError> {
    let [first, second] = *payload.first_chunk().ok_or(PayloadError::Truncated)?;
    let mut facts = Facts { temporal_id: (second & 7).saturating_sub(1), ..Facts::default() };
    match unit_type(first) {
        AGGREGATION => {
            let mut reader = Reader::new(payload.get(2..).unwrap_or_default());
            while let Some(unit) = read_aggregated(&mut reader)? {
                unit.first().into_iter().for_each(|header| facts.add(unit_type(*header)));
            }
        }
        FRAGMENTATION => {
            let bits = *payload.get(2).ok_or(PayloadError::Truncated)?;
            if bits & 0x80 != 0 {
                facts.add(bits & 0x3f);
            }
        }
        single @ 0..=47 => facts.add(single),
        other => return Err(PayloadError::Structure(other)),
    }
    Ok(facts)
}

/// Cuts an access unit in byte-stream format into payloads.
#[derive(Debug)]
pub struct H265Packetizer<'f> {
    units: NalUnits<'f>,
    /// A unit that is being cut: its header, and what is left of it.
    cut: Option<([u8; 2], &'f [u8])>,
    max_payload: usize,
}

impl<'f> H265Packetizer<'f> {
    /// Cuts `access_unit` into payloads of at most `max_payload` bytes. Delimiters and filler are left out.
    pub fn new(access_unit: &'f [u8], max_payload: usize) -> Result<Self, PayloadError> {
        let units = NalUnits::new(access_unit);
        let malformed =
            { units }.any(|unit| unit.len() < 2 || matches!(unit.first(), Some(header) if unit_type(*header) >= 48));
        if malformed || !{ units }.any(is_sent) {
            return Err(PayloadError::MalformedFrame);
        }
        if max_payload < 8 {
            return Err(PayloadError::TooSmall(max_payload));
        }
        Ok(Self { units, cut: None, max_payload })
    }

    fn next_unit(&mut self) -> Option<&'f [u8]> {
        self.units.find(|unit| is_sent(unit))
    }

    fn is_done(&self) -> bool {
        self.cut.is_none() && !{ self.units }.any(is_sent)
    }

    /// How many of the next units share a payload with `first`.
    fn shared(&self, first: &[u8]) -> usize {
        let (mut count, mut length) = (1, 4 + first.len());
        for unit in { self.units }.filter(|unit| is_sent(unit)) {
            if length + 2 + unit.len() > self.max_payload {
                break;
            }
            (count, length) = (count + 1, length + 2 + unit.len());
        }
        count
    }

    fn write_fragment(&mut self, header: [u8; 2], rest: &'f [u8], start: bool, out: &mut Vec<u8>) {
        let (part, rest) = rest.split_at_checked(self.max_payload - 3).unwrap_or((rest, &[]));
        let [first, second] = header;
        let bits = u8::from(start) << 7 | u8::from(rest.is_empty()) << 6;
        out.extend_from_slice(&[first & 0x81 | FRAGMENTATION << 1, second, bits | unit_type(first)]);
        out.extend_from_slice(part);
        self.cut = (!rest.is_empty()).then_some((header, rest));
    }
}

impl Packetizer for H265Packetizer<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        if let Some((header, rest)) = self.cut.take() {
            self.write_fragment(header, rest, false, out);
            return Some(self.is_done());
        }
        let unit = self.next_unit()?;
        let (header, rest) = unit.split_first_chunk::<2>()?;
        if unit.len() > self.max_payload {
            self.write_fragment(*header, rest, true, out);
            return Some(self.is_done());
        }
        let count = self.shared(unit);
        if count == 1 {
            out.extend_from_slice(unit);
            return Some(self.is_done());
        }
        let start = out.len();
        // RFC 7798 §4.4.2: layer and temporal id are the lowest of all units.
        let (mut layer, mut temporal, mut forbidden) = (u8::MAX, u8::MAX, 0);
        out.extend_from_slice(&[0, 0]);
        let mut next = Some(unit);
        for _ in 0..count {
            let Some(unit) = next.take().or_else(|| self.next_unit()) else { break };
            out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            out.extend_from_slice(unit);
            if let Some([first, second]) = unit.first_chunk() {
                layer = layer.min((first & 1) << 5 | second >> 3);
                temporal = temporal.min(second & 7);
                forbidden |= first & 0x80;
            }
        }
        if let Some(place) = out.get_mut(start..start + 2) {
            place.copy_from_slice(&[forbidden | AGGREGATION << 1 | layer >> 5 & 1, layer << 3 | temporal & 7]);
        }
        Some(self.is_done())
    }
}

fn is_sent(unit: &[u8]) -> bool {
    unit.first().is_some_and(|header| !matches!(unit_type(*header), AUD | FILLER))
}

/// Puts access units together in byte-stream format, with start codes of four bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct H265Depacketizer {
    /// Inside a unit that came in fragments.
    cut: bool,
}

impl Depacketizer for H265Depacketizer {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        let (&[first, second], rest) = payload.split_first_chunk().ok_or(PayloadError::Truncated)?;
        let kind = unit_type(first);
        if self.cut && kind != FRAGMENTATION {
            return Err(PayloadError::MissingFragment);
        }
        match kind {
            0..=47 => write_unit(out, &[payload]),
            AGGREGATION => {
                let mut reader = Reader::new(rest);
                while let Some(unit) = read_aggregated(&mut reader)? {
                    if !unit.is_empty() {
                        write_unit(out, &[unit]);
                    }
                }
            }
            FRAGMENTATION => {
                let (bits, part) = rest.split_first().ok_or(PayloadError::Truncated)?;
                let (start, end) = (bits & 0x80 != 0, bits & 0x40 != 0);
                if start == self.cut {
                    return Err(PayloadError::MissingFragment);
                }
                if start {
                    write_unit(out, &[&[first & 0x81 | (bits & 0x3f) << 1, second]]);
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

    fn unit(kind: u8, length: usize) -> Vec<u8> {
        [vec![kind << 1, 1], filler(length)].concat()
    }

    #[test]
    fn parameter_sets_share_a_payload_and_a_large_slice_is_cut() {
        let units = stream(&[unit(VPS, 10), unit(SPS, 20), unit(PPS, 4), unit(19, 2500)]);
        let all = payloads(H265Packetizer::new(&units, 1200).unwrap(), 1200);
        let kinds: Vec<_> = all.iter().map(|payload| unit_type(payload[0])).collect();
        assert_eq!(kinds, [AGGREGATION, FRAGMENTATION, FRAGMENTATION, FRAGMENTATION]);
        let facts = inspect(&all[0]).unwrap();
        assert!(facts.has_parameter_sets && facts.starts_key_frame() && !facts.starts_random_access);
        assert!(inspect(&all[1]).unwrap().starts_random_access);
        assert!(!inspect(&all[2]).unwrap().starts_key_frame());
        assert_eq!(frame(H265Depacketizer::default(), &all), units);
    }

    #[test]
    fn missing_fragments_and_other_structures_are_noticed() {
        let units = stream(&[unit(1, 3000)]);
        let all = payloads(H265Packetizer::new(&units, 1200).unwrap(), 1200);
        let mut depacketizer = H265Depacketizer::default();
        let mut out = Vec::new();
        assert_eq!(depacketizer.push(&all[2], &mut out), Err(PayloadError::MissingFragment));
        depacketizer.push(&all[0], &mut out).unwrap();
        assert_eq!(depacketizer.push(&unit(1, 3), &mut out), Err(PayloadError::MissingFragment));
        depacketizer.reset();
        for kind in [50, 51, 63] {
            assert_eq!(depacketizer.push(&unit(kind, 3), &mut out), Err(PayloadError::Structure(kind)));
        }
        assert_eq!(depacketizer.push(&[2], &mut out), Err(PayloadError::Truncated));
    }

    proptest! {
        #[test]
        fn access_units_come_back(lengths in prop::collection::vec(1usize..3000, 1..8), max in 8usize..1300) {
            let units: Vec<_> = lengths.iter().zip([VPS, SPS, PPS, 19, 1].into_iter().cycle()).map(|(length, kind)| unit(kind, *length)).collect();
            let data = stream(&units);
            let all = payloads(H265Packetizer::new(&data, max).unwrap(), max);
            prop_assert_eq!(frame(H265Depacketizer::default(), &all), data);
        }

        #[test]
        fn arbitrary_bytes_never_panic(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let mut depacketizer = H265Depacketizer::default();
            for payload in payloads {
                let _ = inspect(&payload);
                let _ = depacketizer.push(&payload, &mut Vec::new());
                if let Ok(mut packetizer) = H265Packetizer::new(&payload, 8) {
                    while packetizer.next_payload(&mut Vec::new()).is_some() {}
                }
            }
        }
    }
}
