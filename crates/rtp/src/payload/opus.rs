//! Opus (RFC 7587): one packet of the codec is one payload; the RTP clock always runs at 48 kHz.

/// The clock rate, whatever the bandwidth (RFC 7587 §4.1).
pub const CLOCK_RATE: u32 = 48_000;

/// What the first bytes of an Opus packet say (RFC 6716 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusPacket {
    /// Frames in the packet, 1 to 48.
    pub frames: u8,
    /// Length of each frame in samples of 48 kHz: 120 to 2880.
    pub frame_ticks: u32,
    /// Whether it is coded in stereo.
    pub stereo: bool,
    /// Whether it holds no sound, as during discontinuous transmission (one byte of data or none in each frame).
    pub silent: bool,
}

impl OpusPacket {
    /// Reads the table-of-contents byte; `None` if the packet is not valid Opus.
    pub fn inspect(payload: &[u8]) -> Option<Self> {
        let (toc, rest) = payload.split_first()?;
        let config = toc >> 3;
        let frame_ticks = match (config, config % 4) {
            (0..=11, 3) => 2880,
            (0..=11, size) => 480 << size,
            (12..=15, size) => 480 << (size % 2),
            (_, size) => 120 << size,
        };
        let frames = match toc & 3 {
            0 => 1,
            1 | 2 => 2,
            _ => rest.first()? & 0x3f,
        };
        let packet = Self { frames, frame_ticks, stereo: toc & 4 != 0, silent: rest.len() <= usize::from(frames) };
        (frames > 0 && packet.ticks() <= 5760).then_some(packet)
    }

    /// The whole length in samples of 48 kHz, at most 5760 (120 ms).
    pub fn ticks(&self) -> u32 {
        u32::from(self.frames) * self.frame_ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_match_rfc_6716_table_2() {
        let ticks = |toc: u8, rest: &[u8]| OpusPacket::inspect(&[&[toc], rest].concat()).map(|packet| packet.ticks());
        assert_eq!(ticks(0x78, &[1; 50]), Some(960), "20 ms hybrid fullband");
        assert_eq!(ticks(3 << 3, &[1; 50]), Some(2880), "60 ms SILK");
        assert_eq!(ticks(16 << 3, &[1; 50]), Some(120), "2.5 ms CELT");
        assert_eq!(ticks(0x79, &[1; 50]), Some(1920), "two frames");
        assert_eq!(ticks(0x7b, &[6; 50]), Some(5760), "120 ms");
        assert_eq!(ticks(0x7b, &[7; 50]), None, "more than 120 ms");
        assert_eq!(ticks(0x7b, &[0; 50]), None, "no frame");
        assert_eq!(OpusPacket::inspect(&[]), None);
        assert_eq!(OpusPacket::inspect(&[0x7b]), None);
    }

    #[test]
    fn discontinuous_transmission_is_seen() {
        assert!(OpusPacket::inspect(&[0x78]).unwrap().silent);
        assert!(OpusPacket::inspect(&[0x78, 1]).unwrap().silent);
        assert!(!OpusPacket::inspect(&[0x78, 1, 2, 3]).unwrap().silent);
    }
}
