//! RTP packets, every typed header extension, RTX, RED and repair packets.

use parlour_rtp::extension::*;
use parlour_rtp::{RtpOrRtcp, RtpPacket, Ssrc, fec, red, rtx};

/// What is read can be written, and then read and written again as the same bytes.
macro_rules! round_trip {
    ($data:expr, $($kind:ty),*) => {
        $(if let Some(value) = <$kind>::parse($data) {
            let (mut first, mut second) = ([0; 255], [0; 255]);
            if let Some(length) = value.write(&mut first) {
                let again = <$kind>::parse(&first[..length]).expect("what was written is read");
                assert_eq!(again.write(&mut second), Some(length));
                assert_eq!(first, second);
            }
        })*
    };
}

/// Runs one input.
pub fn rtp_packet(bytes: &[u8]) {
    let _ = RtpOrRtcp::of(bytes);
    if let Some(red) = red::RedPayload::parse(bytes) {
        red.blocks().for_each(drop);
        red.primary();
    }
    for repair in [fec::ulpfec::parse(bytes, Ssrc(1)), fec::flexfec::parse(bytes)].into_iter().flatten() {
        let missing = repair.protected().next();
        repair.recover(|number| (Some(number) != missing).then_some(&[0x80; 30][..]), &mut Vec::new());
    }
    let mut copy = bytes.to_vec();
    rtx::restore(&mut copy, Ssrc(1), Default::default());
    rtx::encapsulate(bytes, Ssrc(1), Default::default(), Default::default(), &mut Vec::new());
    let Ok(packet) = RtpPacket::parse(bytes) else { return };
    assert_eq!(packet.header_length() + packet.payload().len() + usize::from(packet.padding()), bytes.len());
    packet.csrcs().for_each(drop);
    for element in packet.extensions() {
        let data = element.data;
        round_trip!(
            data,
            AudioLevel,
            CsrcAudioLevels<'_>,
            TransmissionOffset,
            Mid<'_>,
            RtpStreamId<'_>,
            RepairedRtpStreamId<'_>,
            VideoOrientation,
            AbsSendTime,
            AbsCaptureTime,
            PlayoutDelay,
            VideoContentType,
            VideoTiming,
            ColorSpace,
            VideoFrameTrackingId,
            TransportSequenceNumber,
            TransportSequenceNumberV2,
            VideoLayersAllocation,
            GenericFrameDescriptor
        );
        if let Some(descriptor) = DependencyDescriptor::parse(data)
            && let Some(structure) = descriptor.structure()
        {
            let resolved = descriptor.resolve(&structure);
            if let Some(resolved) = resolved {
                let mut out = Vec::new();
                let to_write = DescriptorToWrite {
                    start_of_frame: true,
                    end_of_frame: true,
                    frame_number: 1,
                    structure: &structure,
                    attach_structure: true,
                    active_decode_targets: resolved.active_decode_targets,
                    frame: &resolved.frame,
                };
                assert!(to_write.write(&mut out));
                let again = DependencyDescriptor::parse(&out).expect("what was written is read");
                assert_eq!(again.structure().as_ref(), Some(&structure));
                assert_eq!(again.resolve(&structure), Some(resolved));
            }
        }
    }
}
