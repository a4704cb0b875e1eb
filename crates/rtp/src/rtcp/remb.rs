use super::{PAYLOAD_SPECIFIC_FEEDBACK, read_feedback, ssrcs, write_feedback};
use crate::numbers::Ssrc;
use crate::reader::Reader;

pub(crate) const FORMAT: u8 = 15;
const NAME: &[u8; 4] = b"REMB";

/// Whether feedback of [`FORMAT`] is this one.
pub(crate) fn is_remb(body: &[u8]) -> bool {
    body.get(8..12) == Some(NAME)
}

/// The bitrate that a receiver can take, over all the streams named (draft-alvestrand-rmcat-remb-03 §2.2).
#[derive(Clone, Copy, Debug)]
pub struct Remb<'a> {
    /// The receiver.
    pub sender: Ssrc,
    /// Bits a second.
    pub bitrate: u64,
    sources: &'a [u8],
}

impl<'a> Remb<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender, _, rest) = read_feedback(body)?;
        let mut reader = Reader::new(rest);
        reader.take(NAME.len())?;
        let count = reader.u8()?;
        let word = reader.u24()?;
        let (exponent, mantissa) = (word >> 18, u64::from(word & 0x3_ffff));
        // An exponent may shift the mantissa out of 64 bits; such a number only says that there is no limit.
        let bitrate = if mantissa.leading_zeros() >= exponent { mantissa << exponent } else { u64::MAX };
        Some(Self { sender, bitrate, sources: reader.take(4 * usize::from(count))? })
    }

    /// The streams.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'a {
        ssrcs(self.sources)
    }

    /// Appends a packet; of more than 255 streams the first 255. The bitrate is rounded down to 18 significant bits.
    pub fn write(out: &mut Vec<u8>, sender: Ssrc, bitrate: u64, sources: &[Ssrc]) {
        let sources = sources.get(..255).unwrap_or(sources);
        let exponent = (64 - bitrate.leading_zeros()).saturating_sub(18);
        let word = (bitrate >> exponent) as u32 | exponent << 18;
        write_feedback(out, PAYLOAD_SPECIFIC_FEEDBACK, FORMAT, sender, Ssrc(0), |out| {
            out.extend_from_slice(NAME);
            out.extend_from_slice(&(word | (sources.len() as u32) << 24).to_be_bytes());
            sources.iter().for_each(|ssrc| out.extend_from_slice(&ssrc.0.to_be_bytes()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::only;
    use super::super::{RtcpPacket, packets};
    use super::*;

    #[test]
    fn bitrates_come_back_with_18_bits() {
        for bitrate in [0, 1, 262_143, 262_144, 2_500_000, 10_000_000_000, u64::MAX] {
            let mut out = Vec::new();
            Remb::write(&mut out, Ssrc(1), bitrate, &[Ssrc(2), Ssrc(3)]);
            let RtcpPacket::Remb(remb) = only(&out) else { panic!() };
            let wanted = if bitrate < 1 << 18 { bitrate } else { bitrate & u64::MAX << (46 - bitrate.leading_zeros()) };
            assert_eq!(remb.bitrate, wanted);
            assert_eq!(remb.sources().collect::<Vec<_>>(), [Ssrc(2), Ssrc(3)]);
        }
    }

    #[test]
    fn other_application_feedback_is_unknown() {
        let other = [0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, b'A', b'B', b'C', b'D'];
        assert!(matches!(packets(&other).next(), Some(Ok(RtcpPacket::Unknown(_)))));
    }
}
