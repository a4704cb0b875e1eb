//! Which payload format a codec has, and what lies in its frames.

use crate::jsep::transceiver::TrackKind;
use parlour_rtp::payload::av1::{Av1Depacketizer, Av1Packetizer};
use parlour_rtp::payload::h264::{H264Depacketizer, H264Packetizer, PacketizationMode};
use parlour_rtp::payload::h265::{H265Depacketizer, H265Packetizer};
use parlour_rtp::payload::vp8::{Vp8Depacketizer, Vp8Packetizer};
use parlour_rtp::payload::vp9::{Vp9Depacketizer, Vp9Packetizer};
use parlour_rtp::payload::{Depacketizer, Packetizer, PayloadError, av1, h264, h265, vp8, vp9};
use parlour_sdp::codec::Codec;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A frame is a payload, as with sound.
    Whole,
    Vp8,
    Vp9,
    H264(PacketizationMode),
    H265,
    Av1,
}

impl Format {
    /// The format of a codec; none if frames of it cannot be told from packets.
    pub(crate) fn of(kind: TrackKind, codec: &Codec) -> Option<Self> {
        if kind == TrackKind::Audio {
            let wraps = ["rtx", "red", "ulpfec"].iter().any(|name| codec.is(name));
            return (!wraps).then_some(Self::Whole);
        }
        Some(match codec.name.to_ascii_uppercase().as_str() {
            "VP8" => Self::Vp8,
            "VP9" => Self::Vp9,
            "H264" if codec.parameter("packetization-mode") == Some("1") => {
                Self::H264(PacketizationMode::NonInterleaved)
            }
            "H264" => Self::H264(PacketizationMode::SingleNalUnit),
            "H265" => Self::H265,
            "AV1" => Self::Av1,
            _ => return None,
        })
    }

    /// Whether a decoder can begin with the frame whose first payload this is.
    pub(crate) fn starts_key_frame(self, payload: &[u8]) -> bool {
        match self {
            Self::Whole => true,
            Self::Vp8 => vp8::inspect(payload).is_ok_and(|facts| facts.starts_key_frame),
            Self::Vp9 => vp9::Descriptor::parse(payload).is_ok_and(|(descriptor, _)| descriptor.starts_key_frame()),
            Self::H264(_) => h264::inspect(payload).is_ok_and(|facts| facts.starts_key_frame()),
            Self::H265 => h265::inspect(payload).is_ok_and(|facts| facts.starts_key_frame()),
            Self::Av1 => av1::starts_key_frame(payload),
        }
    }

    /// Cuts a frame. `picture` counts the frames of the stream.
    pub(crate) fn cut(self, frame: &[u8], picture: u16, max_payload: usize) -> Result<Cut<'_>, PayloadError> {
        let picture_id = Some(vp8::PictureId::Long(picture & 0x7fff));
        Ok(match self {
            Self::Whole if frame.len() > max_payload => return Err(PayloadError::TooSmall(max_payload)),
            Self::Whole => Cut::Whole(Some(frame)),
            Self::Vp8 => {
                Cut::Vp8(Vp8Packetizer::new(frame, vp8::Descriptor { picture_id, ..Default::default() }, max_payload)?)
            }
            Self::Vp9 => {
                let inter_picture = !is_vp9_key_frame(frame);
                let descriptor = vp9::Descriptor { picture_id, inter_picture, ..Default::default() };
                Cut::Vp9(Vp9Packetizer::new(frame, descriptor, max_payload)?)
            }
            Self::H264(mode) => Cut::H264(H264Packetizer::new(frame, mode, max_payload)?),
            Self::H265 => Cut::H265(H265Packetizer::new(frame, max_payload)?),
            Self::Av1 => Cut::Av1(Av1Packetizer::new(frame, max_payload)?),
        })
    }

    pub(crate) fn joiner(self) -> Joiner {
        match self {
            Self::Whole => Joiner::Whole,
            Self::Vp8 => Joiner::Vp8(Vp8Depacketizer),
            Self::Vp9 => Joiner::Vp9(Vp9Depacketizer),
            Self::H264(_) => Joiner::H264(H264Depacketizer::default()),
            Self::H265 => Joiner::H265(H265Depacketizer::default()),
            Self::Av1 => Joiner::Av1(Av1Depacketizer::default()),
        }
    }
}

/// The uncompressed header of VP9 (bitstream specification §6.2): frame marker, profile, show_existing_frame, frame_type.
fn is_vp9_key_frame(frame: &[u8]) -> bool {
    let Some(first) = frame.first() else { return false };
    // A reserved bit follows profile 3.
    let bits = if first >> 4 & 3 == 3 { first << 1 } else { *first };
    bits & 0x0c == 0
}

/// A frame that is being cut.
#[derive(Debug)]
pub(crate) enum Cut<'f> {
    Whole(Option<&'f [u8]>),
    Vp8(Vp8Packetizer<'f>),
    Vp9(Vp9Packetizer<'f>),
    H264(H264Packetizer<'f>),
    H265(H265Packetizer<'f>),
    Av1(Av1Packetizer<'f>),
}

impl Packetizer for Cut<'_> {
    fn next_payload(&mut self, out: &mut Vec<u8>) -> Option<bool> {
        match self {
            Self::Whole(frame) => {
                out.extend_from_slice(frame.take()?);
                Some(true)
            }
            Self::Vp8(packetizer) => packetizer.next_payload(out),
            Self::Vp9(packetizer) => packetizer.next_payload(out),
            Self::H264(packetizer) => packetizer.next_payload(out),
            Self::H265(packetizer) => packetizer.next_payload(out),
            Self::Av1(packetizer) => packetizer.next_payload(out),
        }
    }
}

/// Puts frames together.
#[derive(Debug)]
pub(crate) enum Joiner {
    Whole,
    Vp8(Vp8Depacketizer),
    Vp9(Vp9Depacketizer),
    H264(H264Depacketizer),
    H265(H265Depacketizer),
    Av1(Av1Depacketizer),
}

impl Depacketizer for Joiner {
    fn push(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), PayloadError> {
        match self {
            Self::Whole => {
                out.extend_from_slice(payload);
                Ok(())
            }
            Self::Vp8(joiner) => joiner.push(payload, out),
            Self::Vp9(joiner) => joiner.push(payload, out),
            Self::H264(joiner) => joiner.push(payload, out),
            Self::H265(joiner) => joiner.push(payload, out),
            Self::Av1(joiner) => joiner.push(payload, out),
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Whole => {}
            Self::Vp8(joiner) => joiner.reset(),
            Self::Vp9(joiner) => joiner.reset(),
            Self::H264(joiner) => joiner.reset(),
            Self::H265(joiner) => joiner.reset(),
            Self::Av1(joiner) => joiner.reset(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VP9 bitstream specification §6.2, for profiles 0 and 3.
    #[test]
    fn key_frames_of_vp9_are_told_by_their_first_byte() {
        for (byte, is_key) in [(0x82, true), (0x86, false), (0x8a, false), (0xb0, true), (0xb2, false), (0xb4, false)] {
            assert_eq!(is_vp9_key_frame(&[byte]), is_key, "{byte:#x}");
        }
    }
}
