//! RTCP packets: views to read and structures to write, one file a packet type (RFC 3550 §6, RFC 4585, RFC 5104).
//!
//! A datagram holds one or more packets: a compound that starts with a report, or any of them alone (RFC 5506).
//!
//! ```
//! use parlour_rtp::{rtcp::{Pli, RtcpPacket, packets}, Ssrc};
//!
//! let mut datagram = Vec::new();
//! Pli { sender: Ssrc(1), media: Ssrc(2) }.write(&mut datagram);
//! for packet in packets(&datagram) {
//!     if let Ok(RtcpPacket::Pli(pli)) = packet {
//!         assert_eq!(pli.media, Ssrc(2));
//!     }
//! }
//! ```

mod app;
mod bye;
mod congestion_control_feedback;
mod extended_report;
mod fir;
mod nack;
mod pli;
mod receiver_report;
mod remb;
mod report_block;
mod sdes;
mod sender_report;
mod transport_feedback;

pub use app::App;
pub use bye::Bye;
pub use congestion_control_feedback::{CongestionControlFeedback, Ecn, MetricBlock, StreamReport, StreamToReport};
pub use extended_report::{DlrrBlock, DlrrBlocks, ExtendedReport, ExtendedReportBlock, ExtendedReportWriter};
pub use fir::{Fir, FirEntry};
pub use nack::Nack;
pub use pli::Pli;
pub use receiver_report::ReceiverReport;
pub use remb::Remb;
pub use report_block::{ReportBlock, ReportBlocks};
pub use sdes::{Sdes, SdesChunk, SdesItem, SdesKind};
pub use sender_report::{SenderInfo, SenderReport};
pub use transport_feedback::{TransportFeedback, TransportFeedbackToWrite};

use crate::numbers::Ssrc;
use crate::reader::Reader;
use thiserror::Error;

pub(crate) const SENDER_REPORT: u8 = 200;
pub(crate) const RECEIVER_REPORT: u8 = 201;
pub(crate) const SOURCE_DESCRIPTION: u8 = 202;
pub(crate) const GOODBYE: u8 = 203;
pub(crate) const APPLICATION: u8 = 204;
pub(crate) const TRANSPORT_LAYER_FEEDBACK: u8 = 205;
pub(crate) const PAYLOAD_SPECIFIC_FEEDBACK: u8 = 206;
pub(crate) const EXTENDED_REPORT: u8 = 207;

/// Why bytes are not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RtcpError {
    /// The datagram ends within a packet. Nothing can be read after this.
    #[error("the datagram ends within an RTCP packet")]
    Truncated,
    /// The version is not 2. Nothing can be read after this.
    #[error("the version is {0}, not 2")]
    Version(u8),
    /// The padding is empty, or longer than the packet.
    #[error("{0} bytes of padding do not fit")]
    Padding(u8),
    /// The content of a packet contradicts its length. The next packet can be read.
    #[error("the content of an RTCP packet of type {packet_type} contradicts its length")]
    Content {
        /// The packet type.
        packet_type: u8,
    },
}

/// One RTCP packet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RtcpPacket<'a> {
    /// SR: what a sender sent (RFC 3550 §6.4.1).
    SenderReport(SenderReport<'a>),
    /// RR: what a receiver received (RFC 3550 §6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// SDES: who a source is (RFC 3550 §6.5).
    Sdes(Sdes<'a>),
    /// BYE: a source leaves (RFC 3550 §6.6).
    Bye(Bye<'a>),
    /// APP: defined by an application (RFC 3550 §6.7).
    App(App<'a>),
    /// Packets that are missing (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// When each packet of the transport arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    TransportFeedback(TransportFeedback<'a>),
    /// When, and with which ECN mark, each packet arrived (RFC 8888).
    CongestionControlFeedback(CongestionControlFeedback<'a>),
    /// A picture is lost (RFC 4585 §6.3.1).
    Pli(Pli),
    /// A key frame is wanted (RFC 5104 §4.3.1).
    Fir(Fir<'a>),
    /// The bitrate that a receiver can take (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// XR: extended reports (RFC 3611).
    ExtendedReport(ExtendedReport<'a>),
    /// Some other packet.
    Unknown(UnknownPacket<'a>),
}

/// A packet of a type or format that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPacket<'a> {
    /// The packet type, 192 to 223.
    pub packet_type: u8,
    /// The five bits beside the version: a count or a format.
    pub count: u8,
    /// What follows the first word, without padding.
    pub body: &'a [u8],
}

/// The packets of a datagram.
pub fn packets(datagram: &[u8]) -> Packets<'_> {
    Packets { rest: datagram }
}

/// The packets of a datagram, in its order. After an error that hides where the next packet starts it ends.
#[derive(Clone, Copy, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<RtcpPacket<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let packet = UnknownPacket::split_from(&mut self.rest);
        if matches!(packet, Err(RtcpError::Truncated | RtcpError::Version(_))) {
            self.rest = &[];
        }
        Some(packet.and_then(UnknownPacket::understand))
    }
}

impl<'a> UnknownPacket<'a> {
    /// Takes one packet from the front of a datagram.
    ///
    /// ```text
    /// |V=2|P|  count  |  packet type  |   length in words, less one   |
    /// ```
    fn split_from(rest: &mut &'a [u8]) -> Result<Self, RtcpError> {
        let (&[first, packet_type, l0, l1], after) = rest.split_first_chunk().ok_or(RtcpError::Truncated)?;
        if first >> 6 != 2 {
            return Err(RtcpError::Version(first >> 6));
        }
        let length = 4 * usize::from(u16::from_be_bytes([l0, l1]));
        let (mut body, next) = after.split_at_checked(length).ok_or(RtcpError::Truncated)?;
        *rest = next;
        if first & 0x20 != 0 {
            let padding = body.last().copied().unwrap_or(0);
            let kept = body.len().checked_sub(usize::from(padding)).filter(|_| padding > 0);
            body = kept.and_then(|kept| body.get(..kept)).ok_or(RtcpError::Padding(padding))?;
        }
        Ok(Self { packet_type, count: first & 0x1f, body })
    }

    fn understand(self) -> Result<RtcpPacket<'a>, RtcpError> {
        let Self { packet_type, count, body } = self;
        let packet = match (packet_type, count) {
            (SENDER_REPORT, _) => SenderReport::parse(count, body).map(RtcpPacket::SenderReport),
            (RECEIVER_REPORT, _) => ReceiverReport::parse(count, body).map(RtcpPacket::ReceiverReport),
            (SOURCE_DESCRIPTION, _) => Sdes::parse(count, body).map(RtcpPacket::Sdes),
            (GOODBYE, _) => Bye::parse(count, body).map(RtcpPacket::Bye),
            (APPLICATION, _) => App::parse(count, body).map(RtcpPacket::App),
            (TRANSPORT_LAYER_FEEDBACK, nack::FORMAT) => Nack::parse(body).map(RtcpPacket::Nack),
            (TRANSPORT_LAYER_FEEDBACK, transport_feedback::FORMAT) => {
                TransportFeedback::parse(body).map(RtcpPacket::TransportFeedback)
            }
            (TRANSPORT_LAYER_FEEDBACK, congestion_control_feedback::FORMAT) => {
                CongestionControlFeedback::parse(body).map(RtcpPacket::CongestionControlFeedback)
            }
            (PAYLOAD_SPECIFIC_FEEDBACK, pli::FORMAT) => Pli::parse(body).map(RtcpPacket::Pli),
            (PAYLOAD_SPECIFIC_FEEDBACK, fir::FORMAT) => Fir::parse(body).map(RtcpPacket::Fir),
            (PAYLOAD_SPECIFIC_FEEDBACK, remb::FORMAT) if remb::is_remb(body) => Remb::parse(body).map(RtcpPacket::Remb),
            (EXTENDED_REPORT, _) => ExtendedReport::parse(body).map(RtcpPacket::ExtendedReport),
            _ => Some(RtcpPacket::Unknown(self)),
        };
        packet.ok_or(RtcpError::Content { packet_type })
    }
}

/// Appends one packet: the first word, then what `body` appends, filled up to whole words.
pub(crate) fn write_packet(out: &mut Vec<u8>, packet_type: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count & 0x1f, packet_type, 0, 0]);
    body(out);
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(4), 0);
    let words = (length.div_ceil(4) - 1) as u16;
    if let Some(place) = out.get_mut(start + 2..start + 4) {
        place.copy_from_slice(&words.to_be_bytes());
    }
}

/// Appends a feedback packet with its two SSRCs (RFC 4585 §6.1).
pub(crate) fn write_feedback(
    out: &mut Vec<u8>,
    packet_type: u8,
    format: u8,
    sender: Ssrc,
    media: Ssrc,
    body: impl FnOnce(&mut Vec<u8>),
) {
    write_packet(out, packet_type, format, |out| {
        out.extend_from_slice(&sender.0.to_be_bytes());
        out.extend_from_slice(&media.0.to_be_bytes());
        body(out);
    });
}

/// The two SSRCs of a feedback packet, and what follows (RFC 4585 §6.1).
pub(crate) fn read_feedback(body: &[u8]) -> Option<(Ssrc, Ssrc, &[u8])> {
    let mut reader = Reader::new(body);
    Some((Ssrc(reader.u32()?), Ssrc(reader.u32()?), reader.rest()))
}

/// SSRCs, four bytes each.
pub(crate) fn ssrcs(bytes: &[u8]) -> impl ExactSizeIterator<Item = Ssrc> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|word| Ssrc(u32::from_be_bytes(*word)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The one packet of `datagram`; wants every truncation to be refused.
    pub(crate) fn only(datagram: &[u8]) -> RtcpPacket<'_> {
        for length in 1..datagram.len() {
            assert!(packets(&datagram[..length]).all(|packet| packet.is_err()), "{length} bytes");
        }
        let mut all = packets(datagram);
        let packet = all.next().unwrap().unwrap();
        assert!(all.next().is_none());
        packet
    }

    #[test]
    fn a_malformed_packet_hides_no_later_one() {
        let mut datagram = vec![0x81, RECEIVER_REPORT, 0, 1, 0, 0, 0, 1]; // one block promised, none there
        Pli { sender: Ssrc(1), media: Ssrc(2) }.write(&mut datagram);
        let mut all = packets(&datagram);
        assert_eq!(all.next().unwrap().unwrap_err(), RtcpError::Content { packet_type: RECEIVER_REPORT });
        assert!(matches!(all.next(), Some(Ok(RtcpPacket::Pli(_)))));
        assert!(all.next().is_none());
    }

    #[test]
    fn padding_must_fit() {
        for (padding, fits) in [(0, false), (4, true), (5, true), (9, false)] {
            let datagram = [0xa0, 199, 0, 2, 1, 2, 3, 4, 0, 0, 0, padding];
            assert_eq!(packets(&datagram).next().unwrap().is_ok(), fits, "{padding}");
        }
    }

    #[test]
    fn unknown_packets_are_shown() {
        let RtcpPacket::Unknown(packet) = only(&[0x85, 210, 0, 1, 1, 2, 3, 4]) else { panic!() };
        assert_eq!(packet, UnknownPacket { packet_type: 210, count: 5, body: &[1, 2, 3, 4] });
    }

    /// Looks at everything that a packet has.
    pub(crate) fn exhaust(datagram: &[u8]) -> usize {
        let mut seen = 0;
        for packet in packets(datagram).flatten() {
            seen += match packet {
                RtcpPacket::SenderReport(packet) => packet.blocks.count(),
                RtcpPacket::ReceiverReport(packet) => packet.blocks.count(),
                RtcpPacket::Sdes(packet) => packet.chunks().map(|chunk| chunk.items().count()).sum(),
                RtcpPacket::Bye(packet) => packet.sources().count(),
                RtcpPacket::App(packet) => packet.data.len(),
                RtcpPacket::Nack(packet) => packet.lost().count(),
                RtcpPacket::TransportFeedback(packet) => packet.arrivals().count(),
                RtcpPacket::CongestionControlFeedback(packet) => {
                    packet.streams().map(|stream| stream.metrics().count()).sum()
                }
                RtcpPacket::Pli(_) => 1,
                RtcpPacket::Fir(packet) => packet.entries().count(),
                RtcpPacket::Remb(packet) => packet.sources().count(),
                RtcpPacket::ExtendedReport(packet) => packet
                    .blocks()
                    .map(|block| match block {
                        ExtendedReportBlock::Dlrr(blocks) => blocks.count(),
                        _ => 1,
                    })
                    .sum(),
                RtcpPacket::Unknown(packet) => packet.body.len(),
            };
        }
        seen
    }

    proptest! {
        #[test]
        fn arbitrary_content_never_panics(
            count in 0u8..64,
            packet_type in 200u8..208,
            body in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let words = (body.len() / 4) as u16;
            let mut datagram = vec![0x80 | count, packet_type];
            datagram.extend(words.to_be_bytes());
            datagram.extend(&body);
            // No content may claim more than it can carry: a status of transport feedback takes at least 1/13 bit.
            prop_assert!(exhaust(&datagram) <= 8191 * 100 + 4 * datagram.len());
        }
    }
}
