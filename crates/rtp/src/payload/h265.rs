//! H.265 (RFC 7798): single units, aggregation packets and fragmentation units of one stream, without DON and PACI.

use super::nal::{NalDepacketizer, NalFormat, NalPacketizer, inspect_units};
use super::{Depacketizer, Packetizer, PayloadError};
use std::ops::RangeInclusive;

const VPS: u8 = 32;
#[cfg(test)]
const SPS: u8 = 33;
const PPS: u8 = 34;
const DELIMITER: u8 = 35;
const FILLER: u8 = 38;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;

#[derive(Clone, Copy, Debug)]
struct H265;

impl NalFormat<2> for H265 {
    const UNITS: RangeInclusive<u8> = 0..=47;
    const AGGREGATION: u8 = AGGREGATION;
    const FRAGMENTATION: u8 = FRAGMENTATION;

    fn unit_type([first, _]: [u8; 2]) -> u8 {
        first >> 1 & 0x3f
    }

    fn with_type([first, second]: [u8; 2], unit_type: u8) -> [u8; 2] {
        [first & 0x81 | (unit_type & 0x3f) << 1, second]
    }

    fn is_sent(unit_type: u8) -> bool {
        !matches!(unit_type, DELIMITER | FILLER)
    }

    /// RFC 7798 §4.4.2: layer and temporal id are the lowest of all units.
    fn combine(one: [u8; 2], other: [u8; 2]) -> [u8; 2] {
        let layer = |[first, second]: [u8; 2]| (first & 1) << 5 | second >> 3;
        let lowest = layer(one).min(layer(other));
        let temporal = (one[1] & 7).min(other[1] & 7);
        [(one[0] | other[0]) & 0x80 | lowest >> 5, lowest << 3 | temporal]
    }
}

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
}

/// Looks into a payload: also into the units of an aggregation packet and the first fragment of a unit.
pub fn inspect(payload: &[u8]) -> Result<Facts, PayloadError> {
    let mut facts = Facts::default();
    inspect_units::<H265, 2>(payload, |unit_type| match unit_type {
        16..=23 => facts.starts_random_access = true,
        VPS..=PPS => facts.has_parameter_sets = true,
        _ => {}
    })?;
    facts.temporal_id = payload.get(1).map_or(0, |second| (second & 7).saturating_sub(1));
    Ok(facts)
}

/// Cuts an access unit in byte-stream format into payloads.
#[derive(Debug)]
pub struct H265Packetizer<'f>(NalPacketizer<'f, H265, 2>);

impl<'f> H265Packetizer<'f> {
    /// Cuts `access_unit` into payloads of at most `max_payload` bytes. Delimiters and filler are left out.
    pub fn new(access_unit: &'f [u8], max_payload: usize) -> Result<Self, PayloadError> {
        NalPacketizer::new(access_unit, true, max_payload).map(Self)
    }
}

impl Packetizer for H265Packetizer<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        self.0.next_payload(out)
    }
}

/// Puts access units together in byte-stream format, with start codes of four bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct H265Depacketizer(NalDepacketizer<H265, 2>);

impl Depacketizer for H265Depacketizer {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        self.0.push(payload, out)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::super::nal::write_unit;
    use super::super::tests::{filler, frame, payloads};
    use super::*;
    use proptest::prelude::*;

    fn stream(units: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        units.iter().for_each(|unit| write_unit(&mut out, unit));
        out
    }

    fn unit(kind: u8, length: usize) -> Vec<u8> {
        [vec![kind << 1, 1], filler(length)].concat()
    }

    #[test]
    fn parameter_sets_share_a_payload_and_a_large_slice_is_cut() {
        let units = stream(&[unit(VPS, 10), unit(SPS, 20), unit(PPS, 4), unit(19, 2500)]);
        let all = payloads(H265Packetizer::new(&units, 1200).unwrap(), 1200);
        let kinds: Vec<_> = all.iter().map(|payload| H265::unit_type([payload[0], payload[1]])).collect();
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
