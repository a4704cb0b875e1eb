use super::{EXTENDED_REPORT, write_packet};
use crate::numbers::Ssrc;
use crate::reader::Reader;

const RECEIVER_REFERENCE_TIME: u8 = 4;
const DELAY_SINCE_LAST: u8 = 5;

/// The delay since the last reference time of one receiver (RFC 3611 §4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DlrrBlock {
    /// The receiver.
    pub ssrc: Ssrc,
    /// The middle 32 bits of its last reference time; zero if there was none.
    pub last_receiver_report: u32,
    /// Time between that and this report, in 1/65536 s.
    pub delay_since_last_receiver_report: u32,
}

/// One block of an extended report.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum ExtendedReportBlock<'a> {
    /// RRTR: the receiver's NTP time now, so that it can measure the round trip too (RFC 3611 §4.4).
    ReceiverReferenceTime(u64),
    /// DLRR: the answers to such times (RFC 3611 §4.5).
    Dlrr(DlrrBlocks<'a>),
    /// Some other block.
    Unknown {
        /// The block type.
        block_type: u8,
        /// The byte after it.
        specific: u8,
        /// What follows the first word.
        content: &'a [u8],
    },
}

/// The answers in a DLRR block.
#[derive(Clone, Copy, Debug)]
pub struct DlrrBlocks<'a> {
    blocks: &'a [[u8; 12]],
}

impl Iterator for DlrrBlocks<'_> {
    type Item = DlrrBlock;

    fn next(&mut self) -> Option<DlrrBlock> {
        let (first, rest) = self.blocks.split_first()?;
        self.blocks = rest;
        let mut reader = Reader::new(first);
        Some(DlrrBlock {
            ssrc: Ssrc(reader.u32()?),
            last_receiver_report: reader.u32()?,
            delay_since_last_receiver_report: reader.u32()?,
        })
    }
}

/// XR: extended reports (RFC 3611 §2).
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    blocks: &'a [u8],
}

impl<'a> ExtendedReport<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let ssrc = Ssrc(reader.u32()?);
        let blocks = reader.rest();
        while !reader.is_empty() {
            read_block(&mut reader)?;
        }
        Some(Self { ssrc, blocks })
    }

    /// The blocks in the order of the packet.
    pub fn blocks(&self) -> impl Iterator<Item = ExtendedReportBlock<'a>> + 'a {
        let mut reader = Reader::new(self.blocks);
        std::iter::from_fn(move || read_block(&mut reader))
    }
}

/// An extended report to be written.
#[derive(Clone, Copy, Debug)]
pub struct ExtendedReportWriter<'b> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// The NTP time now, if one's own round trip is to be measured.
    pub receiver_reference_time: Option<u64>,
    /// The answers to the times of others.
    pub dlrr: &'b [DlrrBlock],
}

impl ExtendedReportWriter<'_> {
    /// Appends this report.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, EXTENDED_REPORT, 0, |out| {
            out.extend_from_slice(&self.ssrc.0.to_be_bytes());
            if let Some(time) = self.receiver_reference_time {
                out.extend_from_slice(&[RECEIVER_REFERENCE_TIME, 0, 0, 2]);
                out.extend_from_slice(&time.to_be_bytes());
            }
            if !self.dlrr.is_empty() {
                out.extend_from_slice(&[DELAY_SINCE_LAST, 0]);
                out.extend_from_slice(&((3 * self.dlrr.len()) as u16).to_be_bytes());
                for block in self.dlrr {
                    for word in [block.ssrc.0, block.last_receiver_report, block.delay_since_last_receiver_report] {
                        out.extend_from_slice(&word.to_be_bytes());
                    }
                }
            }
        });
    }
}

fn read_block<'a>(reader: &mut Reader<'a>) -> Option<ExtendedReportBlock<'a>> {
    let block_type = reader.u8()?;
    let specific = reader.u8()?;
    let words = reader.u16()?;
    let content = reader.take(4 * usize::from(words))?;
    Some(match block_type {
        RECEIVER_REFERENCE_TIME => {
            ExtendedReportBlock::ReceiverReferenceTime(u64::from_be_bytes(content.try_into().ok()?))
        }
        DELAY_SINCE_LAST => {
            let (blocks, []) = content.as_chunks() else { return None };
            ExtendedReportBlock::Dlrr(DlrrBlocks { blocks })
        }
        _ => ExtendedReportBlock::Unknown { block_type, specific, content },
    })
}

#[cfg(test)]
mod tests {
    use super::super::RtcpPacket;
    use super::super::tests::only;
    use super::*;

    #[test]
    fn reference_times_and_their_answers_come_back() {
        let dlrr = [1, 2].map(|number| DlrrBlock {
            ssrc: Ssrc(number),
            last_receiver_report: 3,
            delay_since_last_receiver_report: 4,
        });
        let mut out = Vec::new();
        ExtendedReportWriter { ssrc: Ssrc(9), receiver_reference_time: Some(1 << 50), dlrr: &dlrr }.write(&mut out);
        let RtcpPacket::ExtendedReport(report) = only(&out) else { panic!() };
        let mut blocks = report.blocks();
        assert!(matches!(blocks.next(), Some(ExtendedReportBlock::ReceiverReferenceTime(time)) if time == 1 << 50));
        let Some(ExtendedReportBlock::Dlrr(read)) = blocks.next() else { panic!() };
        assert_eq!(read.collect::<Vec<_>>(), dlrr);
        assert!(blocks.next().is_none());
    }
}
