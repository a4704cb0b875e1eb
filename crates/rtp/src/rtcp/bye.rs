use super::{GOODBYE, ssrcs, write_packet};
use crate::numbers::Ssrc;

/// BYE: sources leave (RFC 3550 §6.6).
#[derive(Clone, Copy, Debug)]
pub struct Bye<'a> {
    sources: &'a [u8],
    /// Why, if told: UTF-8 by rights.
    pub reason: Option<&'a [u8]>,
}

impl<'a> Bye<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let (sources, rest) = body.split_at_checked(4 * usize::from(count))?;
        let reason = match rest.split_first() {
            Some((length, text)) => Some(text.get(..usize::from(*length))?),
            None => None,
        };
        Some(Self { sources, reason })
    }

    /// The sources that leave, at most 31.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'a {
        ssrcs(self.sources)
    }

    /// Appends a goodbye of these sources, of more than 31 the first 31; a reason is cut at 255 bytes.
    pub fn write(out: &mut Vec<u8>, sources: &[Ssrc], reason: Option<&str>) {
        let sources = sources.get(..31).unwrap_or(sources);
        write_packet(out, GOODBYE, sources.len() as u8, |out| {
            sources.iter().for_each(|ssrc| out.extend_from_slice(&ssrc.0.to_be_bytes()));
            if let Some(reason) = reason {
                let text = reason.as_bytes().get(..255).unwrap_or(reason.as_bytes());
                out.push(text.len() as u8);
                out.extend_from_slice(text);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::only;
    use super::super::{RtcpPacket, packets};
    use super::*;

    #[test]
    fn a_goodbye_comes_back() {
        for reason in [None, Some(""), Some("camera"), Some("off")] {
            let mut out = Vec::new();
            Bye::write(&mut out, &[Ssrc(1), Ssrc(2)], reason);
            let RtcpPacket::Bye(bye) = only(&out) else { panic!() };
            assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
            assert_eq!(bye.reason, reason.map(str::as_bytes));
        }
    }

    #[test]
    fn a_reason_must_fit() {
        assert!(packets(&[0x81, 203, 0, 2, 0, 0, 0, 1, 4, b'a', b'b', b'c']).next().unwrap().is_err());
        assert!(packets(&[0x82, 203, 0, 1, 0, 0, 0, 1]).next().unwrap().is_err());
    }
}
