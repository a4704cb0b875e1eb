//! Once buffers have grown, reading and writing RTP and RTCP packets does not allocate.

use parlour_rtp::extension::{
    AbsSendTime, AudioLevel, DependencyDescriptor, ExtensionForm, ExtensionKind, ExtensionMap, HeaderExtension, Mid,
    TransportSequenceNumber, VideoLayersAllocation,
};
use parlour_rtp::payload::av1::{Av1Depacketizer, Av1Packetizer};
use parlour_rtp::payload::h264::{H264Depacketizer, H264Packetizer, PacketizationMode};
use parlour_rtp::payload::vp8::{Descriptor, Vp8Depacketizer, Vp8Packetizer, Vp8Rewriter};
use parlour_rtp::payload::{Depacketizer, Packetizer};
use parlour_rtp::rtcp::{
    Nack, Pli, ReceiverReport, ReportBlock, RtcpPacket, SenderInfo, SenderReport, TransportFeedbackToWrite, packets,
};
use parlour_rtp::{RtpHeader, RtpHeaderMut, RtpPacket, RtpWriter, SequenceNumber, Ssrc, rtx};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    // Of this thread: the test runner allocates on its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Default)]
struct Buffers {
    packet: Vec<u8>,
    other: Vec<u8>,
    frame: Vec<u8>,
    av1: Av1Depacketizer,
}

fn media(buffers: &mut Buffers, map: &ExtensionMap, frame: &[u8]) {
    let Buffers { packet, other, .. } = buffers;
    packet.clear();
    let mut writer = RtpWriter::new(packet, &RtpHeader::default(), &[Ssrc(5)], ExtensionForm::TwoByte);
    writer.extension(map, &AudioLevel { voice: true, level: 7 }).unwrap();
    writer.extension(map, &Mid("0")).unwrap();
    writer.extension(map, &TransportSequenceNumber(7)).unwrap();
    writer.extension(map, &AbsSendTime(7)).unwrap();
    writer.payload(frame);
    let parsed = RtpPacket::parse(packet).unwrap();
    assert_eq!(parsed.extension(map), Some(Mid("0")));
    assert_eq!(parsed.extension(map), Some(TransportSequenceNumber(7)));
    assert!(DependencyDescriptor::parse(&[0x80, 0, 1]).is_some() && VideoLayersAllocation::parse(&[0]).is_some());
    RtpHeaderMut::new(packet).unwrap().set_ssrc(Ssrc(9));
    other.clear();
    rtx::encapsulate(packet, Ssrc(2), Default::default(), SequenceNumber(1), other).unwrap();
    rtx::restore(other, Ssrc(1), Default::default()).unwrap();
}

fn formats(buffers: &mut Buffers, frame: &[u8], access_unit: &[u8], temporal_unit: &[u8]) {
    let mut rewriter = Vp8Rewriter::default();
    let mut vp8 = Vp8Packetizer::new(frame, Descriptor::default(), 1200).unwrap();
    let mut h264 = H264Packetizer::new(access_unit, PacketizationMode::NonInterleaved, 1200).unwrap();
    let mut av1 = Av1Packetizer::new(temporal_unit, 1200).unwrap();
    let Buffers { packet, other, frame, av1: av1_depacketizer } = buffers;
    frame.clear();
    while {
        packet.clear();
        vp8.next_payload(packet).is_some()
    } {
        other.clear();
        rewriter.rewrite(packet, other).unwrap();
        Vp8Depacketizer.push(other, frame).unwrap();
    }
    let mut depacketizer = H264Depacketizer::default();
    while {
        packet.clear();
        h264.next_payload(packet).is_some()
    } {
        depacketizer.push(packet, frame).unwrap();
    }
    while {
        packet.clear();
        av1.next_payload(packet).is_some()
    } {
        av1_depacketizer.push(packet, frame).unwrap();
    }
}

fn reports(buffers: &mut Buffers) {
    let Buffers { packet, .. } = buffers;
    packet.clear();
    SenderReport::write(packet, Ssrc(1), &SenderInfo::default(), &[ReportBlock::default()]);
    ReceiverReport::write(packet, Ssrc(1), &[ReportBlock::default()]);
    Nack::write(packet, Ssrc(1), Ssrc(2), [1, 2, 90].map(SequenceNumber));
    Pli { sender: Ssrc(1), media: Ssrc(2) }.write(packet);
    let feedback =
        TransportFeedbackToWrite { sender: Ssrc(1), media: Ssrc(2), base: SequenceNumber(9), feedback_count: 1 };
    feedback.write(packet, &[Some(1), None, Some(900), Some(901)]);
    let told: usize = packets(packet)
        .map(|packet| match packet.unwrap() {
            RtcpPacket::Nack(nack) => nack.lost().count(),
            RtcpPacket::TransportFeedback(feedback) => feedback.arrivals().count(),
            RtcpPacket::SenderReport(report) => report.blocks.count(),
            _ => 0,
        })
        .sum();
    assert_eq!(told, 8);
}

#[test]
fn packets_do_not_allocate_after_the_first_ones() {
    let mut map = ExtensionMap::default();
    for (id, kind) in (1..).zip(ExtensionKind::ALL) {
        map.insert(id, *kind);
    }
    let frame = vec![0x55; 5000];
    let access_unit = [&[0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x68, 1, 0, 0, 0, 1, 0x65][..], &frame].concat();
    let temporal_unit = [&[0x12, 0, 0x0a, 3, 1, 2, 3, 0x32, 0x88, 0x27][..], &frame].concat();
    let mut buffers = Buffers::default();
    let mut before = 0;
    for round in 0..100 {
        if round == 3 {
            before = ALLOCATIONS.get();
        }
        media(&mut buffers, &map, &frame[..1000]);
        formats(&mut buffers, &frame, &access_unit, &temporal_unit);
        reports(&mut buffers);
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
