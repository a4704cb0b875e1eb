//! ULPFEC (RFC 5109), which travels in RED beside the stream that it protects.

use super::Repair;
use crate::numbers::{SequenceNumber, Ssrc};
use crate::reader::Reader;

/// Reads the payload of a repair packet for the stream `ssrc` (RFC 5109 §7.3 and §7.4).
///
/// ```text
/// |E|L|P|X|  CC   |M| PT recovery |            SN base            |
/// |                          TS recovery                          |
/// |        length recovery        |       protection length       |
/// |             mask              |  32 more bits of mask if L    |
/// ```
///
/// Only the first level is read, as nobody sends more. `None` if the payload ends too early or protects nothing.
pub fn parse(payload: &[u8], ssrc: Ssrc) -> Option<Repair<'_>> {
    let mut reader = Reader::new(payload);
    let first_bytes: [u8; 2] = reader.array()?;
    let base = SequenceNumber(reader.u16()?);
    let timestamp = reader.array()?;
    let length = reader.u16()?;
    let protection_length = reader.u16()?;
    let mut mask = u64::from(reader.u16()?) << 48;
    if first_bytes[0] & 0x40 != 0 {
        mask |= u64::from(reader.u32()?) << 16;
    }
    let rest = reader.take(usize::from(protection_length))?;
    let mask = u128::from(mask.reverse_bits());
    (mask != 0).then_some(Repair { ssrc, base, mask, first_bytes, length, timestamp, rest })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MEDIA, combine, packets, recovers_each};
    use super::*;
    use proptest::prelude::*;

    fn repair(base: u16, mask: u64, long: bool, protected: &[&Vec<u8>]) -> Vec<u8> {
        let (first, length, timestamp, rest) = combine(protected);
        let mut out = vec![first[0] & 0x3f | u8::from(long) << 6, first[1]];
        out.extend(base.to_be_bytes());
        out.extend(timestamp);
        out.extend(length.to_be_bytes());
        out.extend((rest.len() as u16).to_be_bytes());
        out.extend(&mask.to_be_bytes()[..if long { 6 } else { 2 }]);
        out.extend(rest);
        out
    }

    #[test]
    fn a_lost_packet_comes_back() {
        let all = packets(65_530, 40);
        let short = [&all[0], &all[1], &all[7], &all[15]];
        let payload = repair(65_530, 0b1100_0001_0000_0001 << 48, false, &short);
        recovers_each(&parse(&payload, MEDIA).unwrap(), &short);
        let long = [&all[0], &all[20], &all[39]];
        let payload = repair(65_530, 1 << 63 | 1 << 43 | 1 << 24, true, &long);
        recovers_each(&parse(&payload, MEDIA).unwrap(), &long);
        for length in 0..payload.len() {
            assert!(parse(&payload[..length], MEDIA).is_none(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Some(repair) = parse(&bytes, MEDIA) {
                let missing = repair.protected().next();
                let packet = [0x80; 20];
                repair.recover(|number| (Some(number) != missing).then_some(&packet[..]), &mut Vec::new());
            }
        }
    }
}
