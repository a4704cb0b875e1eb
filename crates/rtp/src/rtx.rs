//! Retransmission in a stream of its own (RFC 4588).

use crate::numbers::{PayloadType, SequenceNumber, Ssrc};
use crate::packet::{RtpHeaderMut, RtpPacket};

/// Appends the retransmission of `original`: its header with the numbers of the RTX stream, its extensions as they are, the
/// original sequence number, its payload (RFC 4588 §4). Padding is left out.
///
/// Returns the length, or `None` if `original` is no RTP packet.
pub fn encapsulate(
    original: &[u8],
    ssrc: Ssrc,
    payload_type: PayloadType,
    sequence_number: SequenceNumber,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let packet = RtpPacket::parse(original).ok()?;
    let start = out.len();
    out.extend_from_slice(original.get(..packet.header_length())?);
    out.extend_from_slice(&packet.sequence_number().0.to_be_bytes());
    out.extend_from_slice(packet.payload());
    let made = out.get_mut(start..)?;
    *made.first_mut()? &= !0x20;
    let mut header = RtpHeaderMut::new(made)?;
    header.set_ssrc(ssrc);
    header.set_payload_type(payload_type);
    header.set_sequence_number(sequence_number);
    Some(out.len() - start)
}

/// What a packet of an RTX stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restored {
    /// The original packet lies in `packet[start..]`.
    Original {
        /// Where it begins.
        start: usize,
        /// Its sequence number.
        sequence_number: SequenceNumber,
    },
    /// A packet without payload, sent to probe the path.
    Probe,
}

/// Turns a packet of an RTX stream into the original one, in place: the header moves by two bytes over the original
/// sequence number. Header extensions stay, so that of `repaired-rtp-stream-id` still tells the layer.
///
/// `None` if it is no RTP packet or too short.
pub fn restore(packet: &mut [u8], ssrc: Ssrc, payload_type: PayloadType) -> Option<Restored> {
    let parsed = RtpPacket::parse(packet).ok()?;
    let header = parsed.header_length();
    if parsed.payload().is_empty() {
        return Some(Restored::Probe);
    }
    let sequence_number = SequenceNumber(u16::from_be_bytes(*parsed.payload().first_chunk()?));
    packet.copy_within(..header, 2);
    let mut original = RtpHeaderMut::new(packet.get_mut(2..)?)?;
    original.set_ssrc(ssrc);
    original.set_payload_type(payload_type);
    original.set_sequence_number(sequence_number);
    Some(Restored::Original { start: 2, sequence_number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::ExtensionForm;
    use crate::packet::{RtpHeader, RtpWriter};

    fn original(payload: &[u8], padding: u8) -> Vec<u8> {
        let header = RtpHeader {
            marker: true,
            payload_type: PayloadType::from_low_bits(96),
            sequence_number: SequenceNumber(500),
            ssrc: Ssrc(1),
            ..RtpHeader::default()
        };
        let mut out = Vec::new();
        let mut writer = RtpWriter::new(&mut out, &header, &[Ssrc(7)], ExtensionForm::OneByte);
        writer.raw_extension(3, &[1, 2]).unwrap();
        writer.padded_payload(payload, padding);
        out
    }

    #[test]
    fn the_original_comes_back() {
        let (rtx, video) = (PayloadType::from_low_bits(97), PayloadType::from_low_bits(96));
        let sent = original(b"frame", 0);
        for packet in [sent.clone(), original(b"frame", 9)] {
            let mut out = vec![0xee];
            let length = encapsulate(&packet, Ssrc(2), rtx, SequenceNumber(9), &mut out).unwrap();
            let on_wire = RtpPacket::parse(&out[1..]).unwrap();
            assert_eq!(
                (on_wire.ssrc(), on_wire.payload_type(), on_wire.sequence_number()),
                (Ssrc(2), rtx, SequenceNumber(9))
            );
            assert_eq!((length, on_wire.payload()), (out.len() - 1, &[&[1, 0xf4][..], b"frame"].concat()[..]));
            let restored = restore(&mut out[1..], Ssrc(1), video).unwrap();
            assert_eq!(restored, Restored::Original { start: 2, sequence_number: SequenceNumber(500) });
            assert_eq!(out[3..], sent);
        }
    }

    #[test]
    fn probes_are_told_and_truncations_refused() {
        let video = PayloadType::from_low_bits(96);
        assert_eq!(restore(&mut original(b"", 200), Ssrc(1), video), Some(Restored::Probe));
        assert_eq!(restore(&mut original(b"a", 0), Ssrc(1), video), None);
        assert_eq!(restore(&mut [0x80, 1, 2], Ssrc(1), video), None);
    }
}
