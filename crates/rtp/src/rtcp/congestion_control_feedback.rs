use super::{TRANSPORT_LAYER_FEEDBACK, write_packet};
use crate::numbers::{SequenceNumber, Ssrc};
use crate::reader::Reader;

pub(crate) const FORMAT: u8 = 11;

/// A report tells of at most this many packets of one stream (RFC 8888 §3.1).
const MAX_REPORTS: usize = 16_384;

/// The mark that the network put on a packet (RFC 3168 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ecn {
    /// Not ECN-capable.
    #[default]
    NotEct,
    /// ECT(1), which L4S uses.
    Ect1,
    /// ECT(0).
    Ect0,
    /// Congestion experienced.
    Ce,
}

/// What is told of a packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricBlock {
    /// Its mark.
    pub ecn: Ecn,
    /// How long before the report it arrived, in 1/1024 s; `None` if that is not known. Longer times are told as
    /// [`OVER_RANGE`](Self::OVER_RANGE).
    pub arrival_time_offset: Option<u16>,
}

impl MetricBlock {
    /// 8.189 s or more.
    pub const OVER_RANGE: u16 = 0x1ffe;

    fn from_word(word: u16) -> Option<Self> {
        if word & 0x8000 == 0 {
            return None;
        }
        let ecn = match word >> 13 & 3 {
            0 => Ecn::NotEct,
            1 => Ecn::Ect1,
            2 => Ecn::Ect0,
            _ => Ecn::Ce,
        };
        let offset = word & 0x1fff;
        Some(Self { ecn, arrival_time_offset: (offset != 0x1fff).then_some(offset) })
    }

    fn to_word(self) -> u16 {
        let offset = self.arrival_time_offset.map_or(0x1fff, |offset| offset.min(Self::OVER_RANGE));
        0x8000 | (self.ecn as u16) << 13 | offset
    }
}

/// What is told of one stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamReport<'a> {
    /// The stream.
    pub ssrc: Ssrc,
    /// The packet that the first block is of.
    pub begin: SequenceNumber,
    blocks: &'a [[u8; 2]],
}

impl<'a> StreamReport<'a> {
    /// Every packet from [`begin`](Self::begin) on; `None` for what has not arrived.
    pub fn metrics(&self) -> impl ExactSizeIterator<Item = Option<MetricBlock>> + 'a {
        self.blocks.iter().map(|word| MetricBlock::from_word(u16::from_be_bytes(*word)))
    }
}

/// When, and with which mark, each packet arrived (RFC 8888 §3.1).
#[derive(Clone, Copy, Debug)]
pub struct CongestionControlFeedback<'a> {
    /// Who received.
    pub sender: Ssrc,
    streams: &'a [u8],
    /// When the report was made: the middle 32 bits of NTP time.
    pub report_timestamp: u32,
}

impl<'a> CongestionControlFeedback<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let (body, timestamp) = body.split_last_chunk()?;
        let mut reader = Reader::new(body);
        let sender = Ssrc(reader.u32()?);
        let streams = reader.rest();
        while !reader.is_empty() {
            read_stream(&mut reader)?;
        }
        Some(Self { sender, streams, report_timestamp: u32::from_be_bytes(*timestamp) })
    }

    /// One report a stream.
    pub fn streams(&self) -> impl Iterator<Item = StreamReport<'a>> + 'a {
        let mut reader = Reader::new(self.streams);
        std::iter::from_fn(move || read_stream(&mut reader))
    }

    /// Appends a packet; of more than 16384 packets of a stream the first 16384.
    pub fn write(out: &mut Vec<u8>, sender: Ssrc, streams: &[StreamToReport<'_>], report_timestamp: u32) {
        write_packet(out, TRANSPORT_LAYER_FEEDBACK, FORMAT, |out| {
            out.extend_from_slice(&sender.0.to_be_bytes());
            for stream in streams {
                let blocks = stream.metrics.get(..MAX_REPORTS).unwrap_or(stream.metrics);
                out.extend_from_slice(&stream.ssrc.0.to_be_bytes());
                out.extend_from_slice(&stream.begin.0.to_be_bytes());
                out.extend_from_slice(&(blocks.len() as u16).to_be_bytes());
                for block in blocks {
                    out.extend_from_slice(&block.map_or(0, MetricBlock::to_word).to_be_bytes());
                }
                if blocks.len() % 2 == 1 {
                    out.extend_from_slice(&[0, 0]);
                }
            }
            out.extend_from_slice(&report_timestamp.to_be_bytes());
        });
    }
}

/// What is to be told of one stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamToReport<'m> {
    /// The stream.
    pub ssrc: Ssrc,
    /// The packet that the first block is of.
    pub begin: SequenceNumber,
    /// Every packet from `begin` on; `None` for what has not arrived.
    pub metrics: &'m [Option<MetricBlock>],
}

fn read_stream<'a>(reader: &mut Reader<'a>) -> Option<StreamReport<'a>> {
    let ssrc = Ssrc(reader.u32()?);
    let begin = SequenceNumber(reader.u16()?);
    let count = usize::from(reader.u16()?);
    if count > MAX_REPORTS {
        return None;
    }
    let (blocks, _) = reader.take(2 * count.next_multiple_of(2))?.as_chunks();
    Some(StreamReport { ssrc, begin, blocks: blocks.get(..count)? })
}

#[cfg(test)]
mod tests {
    use super::super::RtcpPacket;
    use super::super::tests::only;
    use super::*;

    #[test]
    fn reports_come_back() {
        let block = |ecn, offset| Some(MetricBlock { ecn, arrival_time_offset: offset });
        let metrics = [
            block(Ecn::NotEct, Some(0)),
            None,
            block(Ecn::Ect1, Some(MetricBlock::OVER_RANGE)),
            block(Ecn::Ect0, None),
            block(Ecn::Ce, Some(77)),
        ];
        let streams = [
            StreamToReport { ssrc: Ssrc(1), begin: SequenceNumber(65_534), metrics: &metrics },
            StreamToReport { ssrc: Ssrc(2), begin: SequenceNumber(0), metrics: &[] },
        ];
        let mut out = Vec::new();
        CongestionControlFeedback::write(&mut out, Ssrc(9), &streams, 0xabcd_ef01);
        let RtcpPacket::CongestionControlFeedback(feedback) = only(&out) else { panic!() };
        assert_eq!((feedback.sender, feedback.report_timestamp), (Ssrc(9), 0xabcd_ef01));
        let read: Vec<_> = feedback
            .streams()
            .map(|stream| (stream.ssrc, stream.begin, stream.metrics().collect::<Vec<_>>()))
            .collect();
        assert_eq!(read, [(Ssrc(1), SequenceNumber(65_534), metrics.to_vec()), (Ssrc(2), SequenceNumber(0), vec![])]);
    }
}
