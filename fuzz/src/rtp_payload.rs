//! Every payload format: payloads of a frame one after another, and frames cut and put together.

use parlour_rtp::payload::av1::{Av1Depacketizer, Av1Packetizer, starts_key_frame};
use parlour_rtp::payload::comfort_noise::ComfortNoise;
use parlour_rtp::payload::h264::{self, H264Depacketizer, H264Packetizer, PacketizationMode};
use parlour_rtp::payload::h265::{self, H265Depacketizer, H265Packetizer};
use parlour_rtp::payload::opus::OpusPacket;
use parlour_rtp::payload::telephone_event::TelephoneEvent;
use parlour_rtp::payload::vp8::{self, Vp8Depacketizer, Vp8Packetizer, Vp8Rewriter};
use parlour_rtp::payload::vp9::{self, Vp9Depacketizer, Vp9Packetizer};
use parlour_rtp::payload::{Depacketizer, Packetizer};

/// What comes out of a packetiser goes through its depacketiser.
fn through(mut packetizer: impl Packetizer, mut depacketizer: impl Depacketizer, max: usize) -> Vec<u8> {
    let (mut payload, mut frame) = (Vec::new(), Vec::new());
    while packetizer.next_payload(&mut payload).is_some() {
        assert!(payload.len() <= max);
        depacketizer.push(&payload, &mut frame).expect("what was cut is put together");
        payload.clear();
    }
    frame
}

/// Runs one input.
pub fn rtp_payload(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let max = 8 + usize::from(*first);
    let _ = (OpusPacket::inspect(rest), TelephoneEvent::parse(rest), ComfortNoise::parse(rest));
    if let Ok(packetizer) = H264Packetizer::new(rest, PacketizationMode::NonInterleaved, max) {
        let frame = through(packetizer, H264Depacketizer::default(), max);
        let again = H264Packetizer::new(&frame, PacketizationMode::NonInterleaved, max).expect("a frame");
        assert_eq!(through(again, H264Depacketizer::default(), max), frame);
    }
    if let Ok(packetizer) = H265Packetizer::new(rest, max) {
        through(packetizer, H265Depacketizer::default(), max);
    }
    if let Ok(packetizer) = Av1Packetizer::new(rest, max) {
        through(packetizer, Av1Depacketizer::default(), max);
    }
    if let Ok((descriptor, frame)) = vp8::Descriptor::parse(rest)
        && let Ok(packetizer) = Vp8Packetizer::new(frame, descriptor, max)
    {
        assert_eq!(through(packetizer, Vp8Depacketizer, max), frame);
    }
    if let Ok((descriptor, frame)) = vp9::Descriptor::parse(rest)
        && let Ok(packetizer) = Vp9Packetizer::new(frame, descriptor, max)
    {
        assert_eq!(through(packetizer, Vp9Depacketizer, max), frame);
    }
    let mut rewriter = Vp8Rewriter::default();
    let (mut h264, mut h265, mut av1) =
        (H264Depacketizer::default(), H265Depacketizer::default(), Av1Depacketizer::default());
    for payload in rest.split(|byte| *byte == 0xee) {
        let mut out = Vec::new();
        let _ = (vp8::inspect(payload), vp9::Descriptor::parse(payload), starts_key_frame(payload));
        let _ = (h264::inspect(payload), h265::inspect(payload), rewriter.rewrite(payload, &mut out));
        let _ = (h264.push(payload, &mut out), h265.push(payload, &mut out), av1.push(payload, &mut out));
    }
}
