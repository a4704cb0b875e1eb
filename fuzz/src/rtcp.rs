//! Every RTCP packet, to its last element.

use parlour_rtp::rtcp::{ExtendedReportBlock, RtcpPacket, packets};

/// Runs one input.
pub fn rtcp(bytes: &[u8]) {
    for packet in packets(bytes).flatten() {
        match packet {
            RtcpPacket::SenderReport(packet) => packet.blocks.for_each(drop),
            RtcpPacket::ReceiverReport(packet) => packet.blocks.for_each(drop),
            RtcpPacket::Sdes(packet) => packet.chunks().for_each(|chunk| chunk.items().for_each(drop)),
            RtcpPacket::Bye(packet) => packet.sources().for_each(drop),
            RtcpPacket::Nack(packet) => packet.lost().for_each(drop),
            RtcpPacket::TransportFeedback(packet) => {
                assert_eq!(packet.arrivals().count(), usize::from(packet.status_count));
            }
            RtcpPacket::CongestionControlFeedback(packet) => {
                packet.streams().for_each(|stream| stream.metrics().for_each(drop));
            }
            RtcpPacket::Fir(packet) => packet.entries().for_each(drop),
            RtcpPacket::Remb(packet) => packet.sources().for_each(drop),
            RtcpPacket::ExtendedReport(packet) => packet.blocks().for_each(|block| {
                if let ExtendedReportBlock::Dlrr(blocks) = block {
                    blocks.for_each(drop);
                }
            }),
            _ => {}
        }
    }
}
