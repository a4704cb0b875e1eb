//! FlexFEC in the form of draft-ietf-payload-flexible-fec-scheme-03, a stream of its own beside the one that it protects.

use super::Repair;
use crate::numbers::{SequenceNumber, Ssrc};
use crate::reader::Reader;

/// Reads the payload of a repair packet that protects one stream (draft-03 §4.2).
///
/// ```text
/// |R|F|P|X|  CC   |M| PT recovery |        length recovery        |
/// |                          TS recovery                          |
/// |   SSRC count  |                    reserved                   |
/// |                             SSRC                              |
/// |            SN base            |k|          mask [0-14]        |
/// |k|                      mask [15-45]                           |  if the first k is clear
/// |                        mask [46-108]                          |  if both are clear
/// ```
///
/// `None` if the payload ends too early, protects nothing, protects several streams, or is a retransmission or of a fixed
/// mask, which nobody sends.
pub fn parse(payload: &[u8]) -> Option<Repair<'_>> {
    let mut reader = Reader::new(payload);
    let first_bytes: [u8; 2] = reader.array()?;
    let length = reader.u16()?;
    let timestamp = reader.array()?;
    let count = reader.u8()?;
    reader.u24()?;
    if first_bytes[0] & 0xc0 != 0 || count != 1 {
        return None;
    }
    let ssrc = Ssrc(reader.u32()?);
    let base = SequenceNumber(reader.u16()?);
    let word = reader.u16()?;
    // Packet 0 in the highest of 128 bits, then turned round.
    let mut mask = u128::from(word & 0x7fff) << 113;
    if word & 0x8000 == 0 {
        let word = reader.u32()?;
        mask |= u128::from(word & 0x7fff_ffff) << 82;
        if word & 0x8000_0000 == 0 {
            let word = reader.u64()?;
            // The draft's picture has a k bit here too; 63 bits are left for the mask.
            mask |= u128::from(word & 0x7fff_ffff_ffff_ffff) << 19;
        }
    }
    let mask = mask.reverse_bits();
    (mask != 0).then_some(Repair { ssrc, base, mask, first_bytes, length, timestamp, rest: reader.rest() })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MEDIA, combine, packets, recovers_each};
    use super::*;
    use proptest::prelude::*;

    fn repair(base: u16, mask: &[u8], protected: &[&Vec<u8>]) -> Vec<u8> {
        let (first, length, timestamp, rest) = combine(protected);
        let mut out = vec![first[0] & 0x3f, first[1]];
        out.extend(length.to_be_bytes());
        out.extend(timestamp);
        out.extend([1, 0, 0, 0]);
        out.extend(MEDIA.0.to_be_bytes());
        out.extend(base.to_be_bytes());
        out.extend(mask);
        out.extend(rest);
        out
    }

    #[test]
    fn a_lost_packet_comes_back_whatever_the_width_of_the_mask() {
        let all = packets(65_500, 109);
        let short = [&all[0], &all[14]];
        let payload = repair(65_500, &[0xc0, 0x01], &short);
        recovers_each(&parse(&payload).unwrap(), &short);
        let middle = [&all[1], &all[15], &all[45]];
        let payload = repair(65_500, &[0x20, 0x00, 0xc0, 0, 0, 0x01], &middle);
        recovers_each(&parse(&payload).unwrap(), &middle);
        let long = [&all[0], &all[46], &all[108]];
        let payload = repair(65_500, &[0x40, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0x01], &long);
        recovers_each(&parse(&payload).unwrap(), &long);
    }

    #[test]
    fn what_nobody_sends_is_refused() {
        let all = packets(1, 2);
        let payload = repair(1, &[0xe0, 0], &[&all[0], &all[1]]);
        assert!(parse(&payload).is_some());
        for (at, byte) in [(0, payload[0] | 0x80), (0, payload[0] | 0x40), (8, 2), (8, 0)] {
            let mut payload = payload.clone();
            payload[at] = byte;
            assert!(parse(&payload).is_none());
        }
        let mut nothing = payload.clone();
        nothing[18..20].copy_from_slice(&[0x80, 0]);
        assert!(parse(&nothing).is_none());
        for length in 0..20 {
            assert!(parse(&payload[..length]).is_none());
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80), one: bool) {
            if one && let Some(count) = bytes.get_mut(8) { *count = 1; }
            if let Some(repair) = parse(&bytes) {
                let missing = repair.protected().next();
                let packet = [0x80; 20];
                repair.recover(|number| (Some(number) != missing).then_some(&packet[..]), &mut Vec::new());
            }
        }
    }
}
