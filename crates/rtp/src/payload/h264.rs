//! H.264 (RFC 6184): packetization modes 0 and 1.

use super::nal::{NalDepacketizer, NalFormat, NalPacketizer, inspect_units};
use super::{Depacketizer, Packetizer, PayloadError};
use std::ops::RangeInclusive;

const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;
const FILLER: u8 = 12;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

const TYPE: u8 = 0x1f;
const IMPORTANCE: u8 = 0x60;
const FORBIDDEN: u8 = 0x80;

#[derive(Clone, Copy, Debug)]
struct H264;

impl NalFormat<1> for H264 {
    const UNITS: RangeInclusive<u8> = 1..=23;
    const AGGREGATION: u8 = STAP_A;
    const FRAGMENTATION: u8 = FU_A;

    fn unit_type([header]: [u8; 1]) -> u8 {
        header & TYPE
    }

    fn with_type([header]: [u8; 1], unit_type: u8) -> [u8; 1] {
        [header & !TYPE | unit_type & TYPE]
    }

    fn is_sent(unit_type: u8) -> bool {
        !matches!(unit_type, DELIMITER | FILLER)
    }

    /// RFC 6184 §5.7.1: forbidden if any is, and as important as the most important one.
    fn combine([one]: [u8; 1], [other]: [u8; 1]) -> [u8; 1] {
        [(one | other) & FORBIDDEN | (one & IMPORTANCE).max(other & IMPORTANCE)]
    }
}

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
}

/// Looks into a payload: also into the units of a STAP-A and the first fragment of an FU-A (RFC 6184 §5.7, §5.8).
pub fn inspect(payload: &[u8]) -> Result<Facts, PayloadError> {
    let mut facts = Facts::default();
    inspect_units::<H264, 1>(payload, |unit_type| match unit_type {
        IDR => facts.starts_idr = true,
        SPS => facts.has_sps = true,
        PPS => facts.has_pps = true,
        _ => {}
    })?;
    facts.discardable = payload.first().is_some_and(|header| header & IMPORTANCE == 0);
    Ok(facts)
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
pub struct H264Packetizer<'f>(NalPacketizer<'f, H264, 1>);

impl<'f> H264Packetizer<'f> {
    /// Cuts `access_unit` into payloads of at most `max_payload` bytes.
    ///
    /// Access unit delimiters and filler are left out. In mode 0 a larger unit is an error: let the encoder make smaller
    /// slices.
    pub fn new(access_unit: &'f [u8], mode: PacketizationMode, max_payload: usize) -> Result<Self, PayloadError> {
        NalPacketizer::new(access_unit, mode == PacketizationMode::NonInterleaved, max_payload).map(Self)
    }
}

impl Packetizer for H264Packetizer<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        self.0.next_payload(out)
    }
}

/// Puts access units together in byte-stream format, with start codes of four bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct H264Depacketizer(NalDepacketizer<H264, 1>);

impl Depacketizer for H264Depacketizer {
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
