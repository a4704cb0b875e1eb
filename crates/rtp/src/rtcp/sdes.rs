use super::{SOURCE_DESCRIPTION, write_packet};
use crate::numbers::Ssrc;
use crate::reader::Reader;

/// What an item tells (RFC 3550 §6.5, RFC 9143 §15.1, RFC 8852 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdesKind {
    /// The canonical name, which ties the streams of one endpoint together.
    Cname,
    /// The identification of the m-line.
    Mid,
    /// The simulcast layer.
    RtpStreamId,
    /// The simulcast layer that this stream repairs.
    RepairedRtpStreamId,
    /// Some other item, by number.
    Other(u8),
}

impl SdesKind {
    fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Cname,
            12 => Self::RtpStreamId,
            13 => Self::RepairedRtpStreamId,
            15 => Self::Mid,
            other => Self::Other(other),
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Cname => 1,
            Self::RtpStreamId => 12,
            Self::RepairedRtpStreamId => 13,
            Self::Mid => 15,
            Self::Other(number) => number,
        }
    }
}

/// One item of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// What it tells.
    pub kind: SdesKind,
    /// UTF-8 by rights.
    pub value: &'a [u8],
}

/// What is told of one source.
#[derive(Clone, Copy, Debug)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: Ssrc,
    items: &'a [u8],
}

impl<'a> SdesChunk<'a> {
    /// What is told.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'a>> + 'a {
        let mut reader = Reader::new(self.items);
        std::iter::from_fn(move || read_item(&mut reader)?)
    }
}

/// SDES: who sources are (RFC 3550 §6.5).
#[derive(Clone, Copy, Debug)]
pub struct Sdes<'a> {
    count: u8,
    body: &'a [u8],
}

impl<'a> Sdes<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        for _ in 0..count {
            read_chunk(&mut reader)?;
        }
        Some(Self { count, body })
    }

    /// One chunk a source, at most 31.
    pub fn chunks(&self) -> impl Iterator<Item = SdesChunk<'a>> + 'a {
        let mut reader = Reader::new(self.body);
        (0..self.count).map_while(move |_| read_chunk(&mut reader))
    }

    /// Appends a packet with these chunks, of more than 31 the first 31; values are cut at 255 bytes.
    pub fn write(out: &mut Vec<u8>, chunks: &[(Ssrc, &[SdesItem<'_>])]) {
        let chunks = chunks.get(..31).unwrap_or(chunks);
        write_packet(out, SOURCE_DESCRIPTION, chunks.len() as u8, |out| {
            for (ssrc, items) in chunks {
                let start = out.len();
                out.extend_from_slice(&ssrc.0.to_be_bytes());
                for item in *items {
                    let value = item.value.get(..255).unwrap_or(item.value);
                    out.extend_from_slice(&[item.kind.number(), value.len() as u8]);
                    out.extend_from_slice(value);
                }
                // At least one zero ends the list, and the next chunk starts at a word.
                let length = out.len() - start + 1;
                out.resize(start + length.next_multiple_of(4), 0);
            }
        });
    }
}

/// `None` if an item does not fit, `Some(None)` at the end of the list.
#[expect(clippy::option_option, reason = "the two ends differ")]
fn read_item<'a>(reader: &mut Reader<'a>) -> Option<Option<SdesItem<'a>>> {
    let number = reader.u8()?;
    if number == 0 {
        return Some(None);
    }
    let length = reader.u8()?;
    let value = reader.take(usize::from(length))?;
    Some(Some(SdesItem { kind: SdesKind::from_number(number), value }))
}

fn read_chunk<'a>(reader: &mut Reader<'a>) -> Option<SdesChunk<'a>> {
    let ssrc = Ssrc(reader.u32()?);
    let start = reader.rest();
    while read_item(reader)?.is_some() {}
    let used = start.len() - reader.rest().len();
    let items = start.get(..used)?;
    reader.take((used.next_multiple_of(4) - used).min(reader.rest().len()))?;
    Some(SdesChunk { ssrc, items })
}

#[cfg(test)]
mod tests {
    use super::super::tests::only;
    use super::super::{RtcpPacket, packets};
    use super::*;

    #[test]
    fn chunks_come_back() {
        let cname = |value| SdesItem { kind: SdesKind::Cname, value };
        let mid = SdesItem { kind: SdesKind::Mid, value: b"0" };
        for name in [&b""[..], b"a", b"ab", b"abc", b"abcd", b"abcde"] {
            let mut out = Vec::new();
            Sdes::write(&mut out, &[(Ssrc(1), &[cname(name), mid]), (Ssrc(2), &[])]);
            let RtcpPacket::Sdes(sdes) = only(&out) else { panic!() };
            let chunks: Vec<_> = sdes.chunks().map(|chunk| (chunk.ssrc, chunk.items().collect::<Vec<_>>())).collect();
            assert_eq!(chunks, [(Ssrc(1), vec![cname(name), mid]), (Ssrc(2), vec![])]);
        }
    }

    #[test]
    fn an_item_must_fit_and_the_list_must_end() {
        assert!(packets(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 9, b'a', 0]).next().unwrap().is_err());
        assert!(packets(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, b'a', b'b']).next().unwrap().is_err());
    }
}
