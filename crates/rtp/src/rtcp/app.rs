use super::{APPLICATION, write_packet};
use crate::numbers::Ssrc;
use crate::reader::Reader;

/// APP: a packet that an application defines (RFC 3550 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App<'a> {
    /// Chosen by the application, 0 to 31.
    pub subtype: u8,
    /// The sender.
    pub ssrc: Ssrc,
    /// Four ASCII characters.
    pub name: [u8; 4],
    /// A multiple of four bytes.
    pub data: &'a [u8],
}

impl<'a> App<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        Some(Self { subtype: count, ssrc: Ssrc(reader.u32()?), name: reader.array()?, data: reader.rest() })
    }

    /// Appends this packet; data that is no multiple of four bytes is filled up with zeros.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, APPLICATION, self.subtype, |out| {
            out.extend_from_slice(&self.ssrc.0.to_be_bytes());
            out.extend_from_slice(&self.name);
            out.extend_from_slice(self.data);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::RtcpPacket;
    use super::super::tests::only;
    use super::*;

    #[test]
    fn it_comes_back() {
        let app = App { subtype: 3, ssrc: Ssrc(1), name: *b"test", data: &[1, 2, 3, 4] };
        let mut out = Vec::new();
        app.write(&mut out);
        assert!(matches!(only(&out), RtcpPacket::App(read) if read == app));
    }
}
