use crate::numbers::Ssrc;
use crate::reader::Reader;

pub(crate) const LENGTH: usize = 24;

/// How one stream was received (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: Ssrc,
    /// The part of the packets since the last report that were lost, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, less the ones that came twice: a signed number of 24 bits.
    pub cumulative_lost: i32,
    /// The highest sequence number, with the turns counted in the upper half.
    pub highest_sequence_number: u32,
    /// Variation of the transit time in units of the RTP clock.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last sender report; zero if there was none.
    pub last_sender_report: u32,
    /// Time between that report and this one, in 1/65536 s.
    pub delay_since_last_sender_report: u32,
}

impl ReportBlock {
    pub(crate) fn read(bytes: &[u8; LENGTH]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self {
            ssrc: Ssrc(reader.u32()?),
            fraction_lost: reader.u8()?,
            cumulative_lost: (reader.u24()? << 8) as i32 >> 8,
            highest_sequence_number: reader.u32()?,
            jitter: reader.u32()?,
            last_sender_report: reader.u32()?,
            delay_since_last_sender_report: reader.u32()?,
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        for word in [
            self.ssrc.0,
            u32::from(self.fraction_lost) << 24 | lost,
            self.highest_sequence_number,
            self.jitter,
            self.last_sender_report,
            self.delay_since_last_sender_report,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// The report blocks of a packet, at most 31.
#[derive(Clone, Copy, Debug)]
pub struct ReportBlocks<'a> {
    blocks: &'a [[u8; LENGTH]],
}

impl<'a> ReportBlocks<'a> {
    /// The first `count` blocks of `bytes`; `None` if there are fewer.
    pub(crate) fn new(count: u8, bytes: &'a [u8]) -> Option<Self> {
        let (blocks, _) = bytes.as_chunks();
        Some(Self { blocks: blocks.get(..usize::from(count))? })
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (first, rest) = self.blocks.split_first()?;
        self.blocks = rest;
        ReportBlock::read(first)
    }
}
