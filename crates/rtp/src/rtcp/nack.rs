use super::{TRANSPORT_LAYER_FEEDBACK, read_feedback, write_feedback};
use crate::numbers::{SequenceNumber, Ssrc};

pub(crate) const FORMAT: u8 = 1;

/// Packets that are missing (RFC 4585 §6.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    /// Who misses them.
    pub sender: Ssrc,
    /// The stream that they belong to.
    pub media: Ssrc,
    pairs: &'a [[u8; 4]],
}

impl<'a> Nack<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender, media, pairs) = read_feedback(body)?;
        let (pairs, []) = pairs.as_chunks() else { return None };
        (!pairs.is_empty()).then_some(Self { sender, media, pairs })
    }

    /// The missing packets, in the order of the packet: at most 17 for each 4 bytes.
    pub fn lost(&self) -> impl Iterator<Item = SequenceNumber> + 'a {
        self.pairs.iter().flat_map(|[p0, p1, b0, b1]| {
            let first = SequenceNumber(u16::from_be_bytes([*p0, *p1]));
            let following = u16::from_be_bytes([*b0, *b1]);
            let later = (0..16).filter(move |bit| following >> bit & 1 != 0).map(move |bit| first.add(bit + 1));
            std::iter::once(first).chain(later)
        })
    }

    /// Appends a request for `lost`, which should be in ascending order to take few bytes. Writes nothing if it is empty.
    pub fn write(out: &mut Vec<u8>, sender: Ssrc, media: Ssrc, lost: impl IntoIterator<Item = SequenceNumber>) {
        let mut lost = lost.into_iter();
        let Some(mut first) = lost.next() else { return };
        write_feedback(out, TRANSPORT_LAYER_FEEDBACK, FORMAT, sender, media, |out| {
            let mut following = 0u16;
            for number in lost {
                let distance = number.distance_from(first);
                if (1..=16).contains(&distance) {
                    following |= 1 << (distance - 1);
                } else if distance != 0 {
                    out.extend_from_slice(&first.0.to_be_bytes());
                    out.extend_from_slice(&following.to_be_bytes());
                    (first, following) = (number, 0);
                }
            }
            out.extend_from_slice(&first.0.to_be_bytes());
            out.extend_from_slice(&following.to_be_bytes());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::RtcpPacket;
    use super::super::tests::only;
    use super::*;

    #[test]
    fn missing_packets_come_back_over_a_turn() {
        let lost: Vec<_> = [65_530, 65_531, 0, 9, 10, 11, 500].map(SequenceNumber).to_vec();
        let mut out = Vec::new();
        Nack::write(&mut out, Ssrc(1), Ssrc(2), lost.iter().copied());
        assert_eq!(out.len(), 12 + 3 * 4);
        let RtcpPacket::Nack(nack) = only(&out) else { panic!() };
        assert_eq!((nack.sender, nack.media), (Ssrc(1), Ssrc(2)));
        assert_eq!(nack.lost().collect::<Vec<_>>(), lost);
    }

    #[test]
    fn nothing_missing_is_no_packet() {
        let mut out = Vec::new();
        Nack::write(&mut out, Ssrc(1), Ssrc(2), []);
        assert!(out.is_empty());
    }
}
