use super::{PAYLOAD_SPECIFIC_FEEDBACK, read_feedback, write_feedback};
use crate::numbers::Ssrc;

pub(crate) const FORMAT: u8 = 4;

/// A request to one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream.
    pub ssrc: Ssrc,
    /// Grows by one with each new request; a repeated request repeats it.
    pub sequence_number: u8,
}

/// A key frame is wanted (RFC 5104 §4.3.1).
#[derive(Clone, Copy, Debug)]
pub struct Fir<'a> {
    /// Who wants it.
    pub sender: Ssrc,
    entries: &'a [[u8; 8]],
}

impl<'a> Fir<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender, _, entries) = read_feedback(body)?;
        let (entries, []) = entries.as_chunks() else { return None };
        Some(Self { sender, entries })
    }

    /// One entry a stream.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = FirEntry> + 'a {
        self.entries.iter().map(|[a, b, c, d, sequence_number, ..]| FirEntry {
            ssrc: Ssrc(u32::from_be_bytes([*a, *b, *c, *d])),
            sequence_number: *sequence_number,
        })
    }

    /// Appends a request with these entries.
    pub fn write(out: &mut Vec<u8>, sender: Ssrc, entries: &[FirEntry]) {
        write_feedback(out, PAYLOAD_SPECIFIC_FEEDBACK, FORMAT, sender, Ssrc(0), |out| {
            for entry in entries {
                out.extend_from_slice(&entry.ssrc.0.to_be_bytes());
                out.extend_from_slice(&[entry.sequence_number, 0, 0, 0]);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::RtcpPacket;
    use super::super::tests::only;
    use super::*;

    #[test]
    fn entries_come_back() {
        let entries = [1, 2].map(|number| FirEntry { ssrc: Ssrc(number), sequence_number: 200 });
        let mut out = Vec::new();
        Fir::write(&mut out, Ssrc(9), &entries);
        let RtcpPacket::Fir(fir) = only(&out) else { panic!() };
        assert_eq!(fir.sender, Ssrc(9));
        assert_eq!(fir.entries().collect::<Vec<_>>(), entries);
    }
}
