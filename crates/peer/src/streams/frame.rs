//! Frames as encoders make them and decoders take them (W3C webrtc-encoded-transform).

use bytes::Bytes;
use parlour_rtp::extension::{AudioLevel, VideoOrientation};
use std::sync::Arc;
use std::time::Instant;

/// `EncodedVideoChunkType`. Sound is always a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameType {
    /// A decoder can begin here.
    #[default]
    Key,
    /// It needs frames before it.
    Delta,
}

/// `RTCEncodedVideoFrame` and `RTCEncodedAudioFrame`: what an encoder made, or a decoder takes.
///
/// The data of VP8 and VP9 is a frame, of H.264 and H.265 an access unit with start codes (Annex B), of AV1 a temporal
/// unit in the low-overhead format without its delimiter, of sound one packet of the codec.
///
/// What was received can be sent as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EncodedFrame {
    /// `type`. Told of what is received; of what is sent, the data says it.
    pub frame_type: FrameType,
    /// `data`.
    pub data: Bytes,
    /// `getMetadata()`.
    pub metadata: FrameMetadata,
}

/// `RTCEncodedVideoFrameMetadata` and `RTCEncodedAudioFrameMetadata`. To send, only the timestamp has to be set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameMetadata {
    /// `rtpTimestamp`, in ticks of the codec's clock: 90,000 a second for video, 48,000 for Opus.
    pub rtp_timestamp: u32,
    /// `payloadType`. To send: one that was negotiated; if none is told, that of the first codec.
    pub payload_type: Option<u8>,
    /// `mimeType`, as `video/VP8`. Told of what is received.
    pub mime_type: Option<Arc<str>>,
    /// `synchronizationSource`. Told of what is received.
    pub synchronization_source: u32,
    /// The simulcast layer; to send, the name of an encoding.
    pub rid: Option<Arc<str>>,
    /// `sequenceNumber` of the first packet. Told of what is received.
    pub sequence_number: u16,
    /// `audioLevel`, in decibels below the loudest: 0 to 127.
    pub audio_level: Option<AudioLevel>,
    /// How the camera is held.
    pub video_orientation: Option<VideoOrientation>,
    /// `receiveTime`: when the last packet came. Told of what is received.
    pub receive_time: Option<Instant>,
    /// `captureTime` of what is sent, by which sound and pictures are played together; if none is told, it is now.
    pub capture_time: Option<Instant>,
}

impl EncodedFrame {
    /// A frame to send. The timestamp is in ticks of the codec's clock.
    pub fn new(data: impl Into<Bytes>, rtp_timestamp: u32) -> Self {
        let metadata = FrameMetadata { rtp_timestamp, ..FrameMetadata::default() };
        Self { data: data.into(), metadata, ..Self::default() }
    }
}
