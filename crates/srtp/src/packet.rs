//! Where the parts of an RTP packet lie, as far as protection must know (RFC 3550 §5.1, RFC 9335 §6).

use parlour_rtp::{SequenceNumber, Ssrc};

pub(crate) const FIXED_HEADER: usize = 12;
pub(crate) const EXTENSION_HEADER: usize = 4;

const ONE_BYTE: u16 = 0xBEDE;
const TWO_BYTE: u16 = 0x1000;
const CRYPTEX_ONE_BYTE: u16 = 0xC0DE;
const CRYPTEX_TWO_BYTE: u16 = 0xC2DE;

/// The parts of an RTP header that protection looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) ssrc: Ssrc,
    pub(crate) sequence_number: SequenceNumber,
    /// Bytes of CSRCs.
    pub(crate) csrcs: usize,
    /// The "defined by profile" field if there is an extension.
    pub(crate) extension: Option<u16>,
    /// Bytes before the payload.
    pub(crate) header: usize,
}

impl Layout {
    /// Reads the header of `packet`; `None` if it is no RTP packet or its header does not fit.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<FIXED_HEADER>()?;
        let [first, _, s0, s1, _, _, _, _, i0, i1, i2, i3] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let csrcs = 4 * usize::from(first & 0x0f);
        let rest = rest.get(csrcs..)?;
        let mut header = FIXED_HEADER + csrcs;
        let mut extension = None;
        if first & 0x10 != 0 {
            let (&[p0, p1, l0, l1], words) = rest.split_first_chunk::<EXTENSION_HEADER>()?;
            let length = 4 * usize::from(u16::from_be_bytes([l0, l1]));
            if words.len() < length {
                return None;
            }
            extension = Some(u16::from_be_bytes([p0, p1]));
            header += EXTENSION_HEADER + length;
        }
        Some(Self {
            ssrc: Ssrc(u32::from_be_bytes([i0, i1, i2, i3])),
            sequence_number: SequenceNumber(u16::from_be_bytes([s0, s1])),
            csrcs,
            extension,
            header,
        })
    }

    /// Whether the packet carries the mark of cryptex.
    pub(crate) fn has_cryptex(&self) -> bool {
        matches!(self.extension, Some(CRYPTEX_ONE_BYTE | CRYPTEX_TWO_BYTE))
    }

    /// Whether the packet shows CSRCs or RFC 8285 extensions, which cryptex would hide.
    pub(crate) fn is_hideable(&self) -> bool {
        match self.extension {
            Some(profile) => matches!(profile, ONE_BYTE | TWO_BYTE),
            None => self.csrcs > 0,
        }
    }

    fn extension_header_at(&self) -> usize {
        FIXED_HEADER + self.csrcs
    }
}

/// Marks a packet of `length` bytes as one with cryptex and returns its new layout and length (RFC 9335 §5.1).
///
/// A packet with CSRCs and no extension grows by four bytes; `buffer` must have room for them.
pub(crate) fn mark_cryptex(buffer: &mut [u8], layout: Layout, length: usize) -> Option<(Layout, usize)> {
    let at = layout.extension_header_at();
    let (mark, header, length) = match layout.extension {
        Some(TWO_BYTE) => (CRYPTEX_TWO_BYTE, layout.header, length),
        Some(_) => (CRYPTEX_ONE_BYTE, layout.header, length),
        None => {
            let grown = length + EXTENSION_HEADER;
            buffer.get_mut(at..grown)?.rotate_right(EXTENSION_HEADER);
            buffer.get_mut(at..at + EXTENSION_HEADER)?.fill(0);
            *buffer.first_mut()? |= 0x10;
            (CRYPTEX_ONE_BYTE, layout.header + EXTENSION_HEADER, grown)
        }
    };
    buffer.get_mut(at..at + 2)?.copy_from_slice(&mark.to_be_bytes());
    Some((Layout { extension: Some(mark), header, ..layout }, length))
}

/// Puts the ordinary mark of RFC 8285 in the place of cryptex's.
pub(crate) fn unmark_cryptex(packet: &mut [u8], layout: Layout) {
    let at = layout.extension_header_at();
    let mark = if layout.extension == Some(CRYPTEX_TWO_BYTE) { TWO_BYTE } else { ONE_BYTE };
    if let Some(place) = packet.get_mut(at..at + 2) {
        place.copy_from_slice(&mark.to_be_bytes());
    }
}

/// Moves the extension header before the CSRCs, so that what is encrypted lies in one piece (RFC 9335 §6.2).
pub(crate) fn gather(packet: &mut [u8], layout: Layout) {
    if let Some(part) = packet.get_mut(FIXED_HEADER..layout.extension_header_at() + EXTENSION_HEADER) {
        part.rotate_right(EXTENSION_HEADER);
    }
}

/// Undoes [`gather`].
pub(crate) fn scatter(packet: &mut [u8], layout: Layout) {
    if let Some(part) = packet.get_mut(FIXED_HEADER..layout.extension_header_at() + EXTENSION_HEADER) {
        part.rotate_left(EXTENSION_HEADER);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Bytes written in hexadecimal; whitespace is ignored.
    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn a_header_that_does_not_fit_is_no_packet() {
        let whole = hex("920f1238 decafbad cafebabe 0001e240 0000b26e bede0001 51000200");
        assert_eq!(Layout::read(&whole).unwrap().header, whole.len());
        for length in 0..whole.len() {
            assert_eq!(Layout::read(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(Layout::read(&hex("520f1238 decafbad cafebabe 0001e240 0000b26e")), None);
    }
}
