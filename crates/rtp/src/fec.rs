//! Forward error correction, receiving side: a repair packet and all but one of the packets it protects give the missing one.
//!
//! [`ulpfec`] is RFC 5109, [`flexfec`] is draft-ietf-payload-flexible-fec-scheme-03, which browsers speak.

pub mod flexfec;
pub mod ulpfec;

use crate::numbers::{SequenceNumber, Ssrc};
use crate::packet::FIXED_HEADER;

/// The most packets that one repair packet protects.
const MAX_PROTECTED: usize = 109;

/// What a repair packet says: the exclusive-or of the packets it protects, and which they are.
#[derive(Clone, Copy, Debug)]
pub struct Repair<'a> {
    ssrc: Ssrc,
    base: SequenceNumber,
    /// Bit 0 is the base, bit 1 the packet after it, and so on.
    mask: u128,
    /// The first two bytes of the headers; of the first only P, X and CC count.
    first_bytes: [u8; 2],
    length: u16,
    timestamp: [u8; 4],
    /// What follows the fixed headers.
    rest: &'a [u8],
}

impl Repair<'_> {
    /// The stream that is protected.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// The packets that are protected, at most 109.
    pub fn protected(&self) -> impl Iterator<Item = SequenceNumber> + '_ {
        (0..MAX_PROTECTED as u16).filter(|at| self.mask >> at & 1 == 1).map(|at| self.base.add(at))
    }

    /// Appends the missing packet to `out` and returns its sequence number, if exactly one is missing.
    ///
    /// `received` gives the whole RTP packets of the stream. `None` if none or several are missing, or if what comes out
    /// cannot be a packet.
    pub fn recover<'p>(
        &self,
        received: impl Fn(SequenceNumber) -> Option<&'p [u8]>,
        out: &mut Vec<u8>,
    ) -> Option<SequenceNumber> {
        let mut missing = self.protected().filter(|number| received(*number).is_none());
        let (number, None) = (missing.next()?, missing.next()) else { return None };

        let mut first_bytes = self.first_bytes;
        let mut length = self.length;
        let mut timestamp = self.timestamp;
        let start = out.len();
        out.extend_from_slice(&[0; FIXED_HEADER]);
        out.extend_from_slice(self.rest);
        let recovered = self.protected().filter_map(received).try_for_each(|packet| {
            let (fixed, rest) = packet.split_first_chunk::<FIXED_HEADER>()?;
            xor(&mut first_bytes, fixed);
            length ^= u16::try_from(rest.len()).ok()?;
            xor(&mut timestamp, fixed.get(4..8)?);
            xor(out.get_mut(start + FIXED_HEADER..)?, rest);
            Some(())
        });
        let whole = start + FIXED_HEADER + usize::from(length);
        if recovered.is_none() || whole > out.len() {
            out.truncate(start);
            return None;
        }
        out.truncate(whole);
        let [first, second] = first_bytes;
        let [s0, s1] = number.0.to_be_bytes();
        let [t0, t1, t2, t3] = timestamp;
        let [i0, i1, i2, i3] = self.ssrc.0.to_be_bytes();
        if let Some(header) = out.get_mut(start..start + FIXED_HEADER) {
            header.copy_from_slice(&[first & 0x3f | 0x80, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]);
        }
        Some(number)
    }
}

fn xor(into: &mut [u8], bytes: &[u8]) {
    into.iter_mut().zip(bytes).for_each(|(into, byte)| *into ^= byte);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::extension::ExtensionForm;
    use crate::numbers::{PayloadType, RtpTimestamp};
    use crate::packet::{RtpHeader, RtpWriter};

    pub(crate) const MEDIA: Ssrc = Ssrc(0x1234_5678);

    /// Packets of different length, marker, timestamp, extensions and CSRCs.
    pub(crate) fn packets(base: u16, count: u16) -> Vec<Vec<u8>> {
        (0..count)
            .map(|at| {
                let header = RtpHeader {
                    marker: at % 3 == 0,
                    payload_type: PayloadType::from_low_bits(96),
                    sequence_number: SequenceNumber(base).add(at),
                    timestamp: RtpTimestamp(1000 + u32::from(at) * 77),
                    ssrc: MEDIA,
                };
                let mut out = Vec::new();
                let csrcs = &[Ssrc(9)][..usize::from(at % 2)];
                let mut writer = RtpWriter::new(&mut out, &header, csrcs, ExtensionForm::OneByte);
                if at % 2 == 1 {
                    writer.raw_extension(1, &[7; 3]).unwrap();
                }
                writer.payload(&vec![at as u8 ^ 0x5a; 40 + usize::from(at) * 13]);
                out
            })
            .collect()
    }

    /// The exclusive-or of first bytes, length, timestamp and rest, as a sender makes it.
    pub(crate) fn combine(packets: &[&Vec<u8>]) -> ([u8; 2], u16, [u8; 4], Vec<u8>) {
        let longest = packets.iter().map(|packet| packet.len()).max().unwrap() - FIXED_HEADER;
        let (mut first, mut length, mut timestamp, mut rest) = ([0; 2], 0, [0; 4], vec![0; longest]);
        for packet in packets {
            xor(&mut first, packet);
            length ^= (packet.len() - FIXED_HEADER) as u16;
            xor(&mut timestamp, &packet[4..8]);
            xor(&mut rest, &packet[FIXED_HEADER..]);
        }
        (first, length, timestamp, rest)
    }

    /// Loses each packet in turn and wants it back; loses two and wants nothing.
    pub(crate) fn recovers_each(repair: &Repair<'_>, protected: &[&Vec<u8>]) {
        let number_of = |packet: &[u8]| SequenceNumber(u16::from_be_bytes([packet[2], packet[3]]));
        assert_eq!(
            repair.protected().collect::<Vec<_>>(),
            protected.iter().map(|packet| number_of(packet)).collect::<Vec<_>>()
        );
        let give = |lost: &[SequenceNumber], number| {
            let found = protected.iter().find(|packet| number_of(packet) == number)?;
            (!lost.contains(&number)).then_some(found.as_slice())
        };
        for lost in protected {
            let number = number_of(lost);
            let mut out = vec![0xee];
            assert_eq!(repair.recover(|asked| give(&[number], asked), &mut out), Some(number));
            assert_eq!(&out[1..], lost.as_slice());
            assert_eq!(repair.recover(|asked| give(&[], asked), &mut out), None, "nothing is missing");
            let other =
                number_of(protected[(protected.iter().position(|known| known == lost).unwrap() + 1) % protected.len()]);
            if other != number {
                assert_eq!(repair.recover(|asked| give(&[number, other], asked), &mut out), None);
            }
        }
    }
}
