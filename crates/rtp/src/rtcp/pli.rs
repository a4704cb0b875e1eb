use super::{PAYLOAD_SPECIFIC_FEEDBACK, read_feedback, write_feedback};
use crate::numbers::Ssrc;

pub(crate) const FORMAT: u8 = 1;

/// A picture is lost; a key frame would help (RFC 4585 §6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pli {
    /// Who lost it.
    pub sender: Ssrc,
    /// The stream.
    pub media: Ssrc,
}

impl Pli {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let (sender, media, _) = read_feedback(body)?;
        Some(Self { sender, media })
    }

    /// Appends this packet.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_feedback(out, PAYLOAD_SPECIFIC_FEEDBACK, FORMAT, self.sender, self.media, |_| {});
    }
}

#[cfg(test)]
mod tests {
    use super::super::RtcpPacket;
    use super::super::tests::only;
    use super::*;

    #[test]
    fn it_matches_rfc_4585() {
        let pli = Pli { sender: Ssrc(1), media: Ssrc(2) };
        let mut out = Vec::new();
        pli.write(&mut out);
        assert_eq!(out, [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert!(matches!(only(&out), RtcpPacket::Pli(read) if read == pli));
    }
}
