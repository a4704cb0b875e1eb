//! Header extensions: their two forms on the wire, the numbers negotiated for them, and their values (RFC 8285).
//!
//! One file a kind holds the value's type; [`ExtensionMap`] says which number stands for which kind in a session.

mod abs_capture_time;
mod abs_send_time;
mod audio_level;
mod color_space;
mod dependency_descriptor;
mod elements;
mod generic_frame_descriptor;
mod playout_delay;
mod sdes;
mod transmission_offset;
mod transport_sequence_number;
mod video_content_type;
mod video_frame_tracking_id;
mod video_layers_allocation;
mod video_orientation;
mod video_timing;

pub use abs_capture_time::AbsCaptureTime;
pub use abs_send_time::AbsSendTime;
pub use audio_level::{AudioLevel, CsrcAudioLevels};
pub use color_space::{ColorSpace, HdrMetadata};
pub use dependency_descriptor::{
    DecodeTargetIndication, DependencyDescriptor, DescriptorToWrite, FrameDependencies, FrameDependencyTemplate,
    TemplateDependencyStructure,
};
pub use elements::{Element, Elements, ExtensionForm, WriteExtensionError};
pub use generic_frame_descriptor::{GenericFrame, GenericFrameDescriptor};
pub use playout_delay::PlayoutDelay;
pub use sdes::{Mid, RepairedRtpStreamId, RtpStreamId};
pub use transmission_offset::TransmissionOffset;
pub use transport_sequence_number::{FeedbackRequest, TransportSequenceNumber, TransportSequenceNumberV2};
pub use video_content_type::VideoContentType;
pub use video_frame_tracking_id::VideoFrameTrackingId;
pub use video_layers_allocation::{ActiveLayer, VideoLayersAllocation};
pub use video_orientation::{Rotation, VideoOrientation};
pub use video_timing::VideoTiming;

/// The value of one header extension.
pub trait HeaderExtension<'a>: Sized {
    /// Which extension it is.
    const KIND: ExtensionKind;

    /// Reads the bytes of an element; `None` if they are malformed.
    fn parse(data: &'a [u8]) -> Option<Self>;

    /// Writes to the front of `out` and returns how many bytes; `None` if there is no room.
    fn write(&self, out: &mut [u8]) -> Option<usize>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $uri:literal,)+) => {
        /// Which header extension it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ExtensionKind {
            $($(#[$doc])* $kind,)+
        }

        impl ExtensionKind {
            /// All kinds that have a type here.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// The name in `a=extmap`.
            pub const fn uri(self) -> &'static str {
                match self {
                    $(Self::$kind => $uri,)+
                }
            }

            /// The kind with this name in `a=extmap`.
            pub fn from_uri(uri: &str) -> Option<Self> {
                match uri {
                    $($uri => Some(Self::$kind),)+
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// How loud a packet of audio is (RFC 6464).
    AudioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    /// How loud each contributing source is (RFC 6465).
    CsrcAudioLevels = "urn:ietf:params:rtp-hdrext:csrc-audio-level",
    /// How much later than its timestamp a packet was sent (RFC 5450).
    TransmissionOffset = "urn:ietf:params:rtp-hdrext:toffset",
    /// The m-line that a packet belongs to (RFC 9143 §15.2).
    Mid = "urn:ietf:params:rtp-hdrext:sdes:mid",
    /// The simulcast layer (RFC 8852).
    RtpStreamId = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    /// The simulcast layer that a repair packet repairs (RFC 8852).
    RepairedRtpStreamId = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    /// How the camera is held (3GPP TS 26.114).
    VideoOrientation = "urn:3gpp:video-orientation",
    /// When a packet was sent.
    AbsSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    /// When a frame was captured.
    AbsCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    /// How long a receiver should hold frames.
    PlayoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    /// Camera or screen.
    VideoContentType = "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
    /// When a frame passed each station at its sender.
    VideoTiming = "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    /// How to understand the colours.
    ColorSpace = "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
    /// Which layers are sent, and their rates.
    VideoLayersAllocation = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
    /// A number for following a frame through tests.
    VideoFrameTrackingId = "http://www.webrtc.org/experiments/rtp-hdrext/video-frame-tracking-id",
    /// Counts the packets of the whole transport (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportSequenceNumber = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    /// As the first version, with requests for feedback.
    TransportSequenceNumberV2 = "http://www.webrtc.org/experiments/rtp-hdrext/transport-wide-cc-02",
    /// What a frame depends on, first attempt.
    GenericFrameDescriptor = "http://www.webrtc.org/experiments/rtp-hdrext/generic-frame-descriptor-00",
    /// What a frame depends on (AV1 RTP, appendix A).
    DependencyDescriptor = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
}

/// Which number stands for which extension in a session, as `a=extmap` says. The numbers are 1 to 255.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtensionMap {
    /// By kind, in the order of [`ExtensionKind::ALL`]; zero is none.
    ids: [u8; ExtensionKind::ALL.len()],
}

impl ExtensionMap {
    /// Lets `id` stand for `kind`, and for no other kind any more. Zero forgets the kind.
    pub fn insert(&mut self, id: u8, kind: ExtensionKind) {
        for known in self.ids.iter_mut().filter(|known| **known == id) {
            *known = 0;
        }
        if let Some(place) = self.ids.get_mut(kind as usize) {
            *place = id;
        }
    }

    /// The number for `kind`.
    pub fn id_of(&self, kind: ExtensionKind) -> Option<u8> {
        self.ids.get(kind as usize).copied().filter(|id| *id != 0)
    }

    /// The kind that `id` stands for.
    pub fn kind_of(&self, id: u8) -> Option<ExtensionKind> {
        if id == 0 {
            return None;
        }
        let place = self.ids.iter().position(|known| *known == id)?;
        ExtensionKind::ALL.get(place).copied()
    }

    /// All numbers with their kinds.
    pub fn iter(&self) -> impl Iterator<Item = (u8, ExtensionKind)> + '_ {
        self.ids.iter().zip(ExtensionKind::ALL).filter(|(id, _)| **id != 0).map(|(id, kind)| (*id, *kind))
    }
}

/// Copies `bytes` to the front of `out`.
pub(crate) fn put(out: &mut [u8], bytes: &[u8]) -> Option<usize> {
    out.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(bytes.len())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes `value`, wants `bytes`, reads it back, and wants no other length to be taken for it.
    pub(crate) fn round_trip<'a, E>(value: E, bytes: &'a [u8])
    where
        E: HeaderExtension<'a> + PartialEq + std::fmt::Debug,
    {
        let mut out = [0xee; 255];
        let length = value.write(&mut out).unwrap();
        assert_eq!(&out[..length], bytes);
        assert_eq!(value.write(&mut out[..length - 1]), None, "no room");
        assert_eq!(E::parse(bytes), Some(value));
        for length in 0..bytes.len() {
            let _ = E::parse(&bytes[..length]);
        }
    }

    #[test]
    fn every_kind_is_found_by_its_uri() {
        for (place, kind) in ExtensionKind::ALL.iter().enumerate() {
            assert_eq!(ExtensionKind::from_uri(kind.uri()), Some(*kind));
            assert_eq!(*kind as usize, place);
        }
    }

    #[test]
    fn an_id_stands_for_one_kind() {
        let mut map = ExtensionMap::default();
        map.insert(3, ExtensionKind::Mid);
        map.insert(3, ExtensionKind::AudioLevel);
        assert_eq!((map.id_of(ExtensionKind::Mid), map.id_of(ExtensionKind::AudioLevel)), (None, Some(3)));
        assert_eq!((map.kind_of(3), map.kind_of(0)), (Some(ExtensionKind::AudioLevel), None));
    }
}
