use super::report_block::{ReportBlock, ReportBlocks};
use super::{SENDER_REPORT, write_packet};
use crate::numbers::{RtpTimestamp, Ssrc};
use crate::reader::Reader;

/// What a sender sent so far (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The wall clock now: seconds since 1900 as a 32.32 fixed-point number.
    pub ntp_time: u64,
    /// The same instant in RTP time.
    pub rtp_time: RtpTimestamp,
    /// Packets so far; wraps.
    pub packet_count: u32,
    /// Bytes of payload so far; wraps.
    pub octet_count: u32,
}

/// SR: what a sender sent, and how it received others (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// The stream.
    pub ssrc: Ssrc,
    /// What was sent.
    pub info: SenderInfo,
    /// What was received.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        Some(Self {
            ssrc: Ssrc(reader.u32()?),
            info: SenderInfo {
                ntp_time: reader.u64()?,
                rtp_time: RtpTimestamp(reader.u32()?),
                packet_count: reader.u32()?,
                octet_count: reader.u32()?,
            },
            blocks: ReportBlocks::new(count, reader.rest())?,
        })
    }

    /// Appends a sender report; of more than 31 blocks the first 31.
    pub fn write(out: &mut Vec<u8>, ssrc: Ssrc, info: &SenderInfo, blocks: &[ReportBlock]) {
        let blocks = blocks.get(..31).unwrap_or(blocks);
        write_packet(out, SENDER_REPORT, blocks.len() as u8, |out| {
            out.extend_from_slice(&ssrc.0.to_be_bytes());
            out.extend_from_slice(&info.ntp_time.to_be_bytes());
            for word in [info.rtp_time.0, info.packet_count, info.octet_count] {
                out.extend_from_slice(&word.to_be_bytes());
            }
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
        let info = SenderInfo { ntp_time: 1 << 40, rtp_time: RtpTimestamp(7), packet_count: 8, octet_count: 9 };
        let block = ReportBlock {
            ssrc: Ssrc(5),
            fraction_lost: 128,
            cumulative_lost: -3,
            highest_sequence_number: 0x1_0002,
            jitter: 11,
            last_sender_report: 12,
            delay_since_last_sender_report: 13,
        };
        let mut out = Vec::new();
        SenderReport::write(&mut out, Ssrc(1), &info, &[block, block]);
        let RtcpPacket::SenderReport(report) = only(&out) else { panic!() };
        assert_eq!((report.ssrc, report.info), (Ssrc(1), info));
        assert_eq!(report.blocks.collect::<Vec<_>>(), [block, block]);
    }
}
