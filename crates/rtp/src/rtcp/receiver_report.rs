use super::report_block::{ReportBlock, ReportBlocks};
use super::{RECEIVER_REPORT, write_packet};
use crate::numbers::Ssrc;
use crate::reader::Reader;

/// RR: how a receiver received (RFC 3550 §6.4.2).
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// The receiver.
    pub ssrc: Ssrc,
    /// One block a stream.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        Some(Self { ssrc: Ssrc(reader.u32()?), blocks: ReportBlocks::new(count, reader.rest())? })
    }

    /// Appends a receiver report; of more than 31 blocks the first 31.
    pub fn write(out: &mut Vec<u8>, ssrc: Ssrc, blocks: &[ReportBlock]) {
        let blocks = blocks.get(..31).unwrap_or(blocks);
        write_packet(out, RECEIVER_REPORT, blocks.len() as u8, |out| {
            out.extend_from_slice(&ssrc.0.to_be_bytes());
            blocks.iter().for_each(|block| block.write(out));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::RtcpPacket;
    use super::super::tests::only;
    use super::*;

    #[test]
    fn a_report_comes_back() {
        let mut out = Vec::new();
        ReceiverReport::write(&mut out, Ssrc(1), &[ReportBlock::default(); 40]);
        let RtcpPacket::ReceiverReport(report) = only(&out) else { panic!() };
        assert_eq!((report.ssrc, report.blocks.count()), (Ssrc(1), 31));
    }
}
