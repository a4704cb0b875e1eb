//! Figures of each stream, as W3C webrtc-stats names them.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// `RTCOutboundRtpStreamStats`, and what the other side tells of the stream (`RTCRemoteInboundRtpStreamStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct OutboundCounters {
    /// `ssrc`.
    pub ssrc: u32,
    /// `rid`.
    pub rid: Option<Arc<str>>,
    /// The payload type that was sent last.
    pub payload_type: Option<u8>,
    /// `packetsSent`, retransmissions included.
    pub packets_sent: u64,
    /// `bytesSent`: payload, retransmissions included.
    pub bytes_sent: u64,
    /// `headerBytesSent`: RTP headers and padding.
    pub header_bytes_sent: u64,
    /// `retransmittedPacketsSent`.
    pub retransmitted_packets_sent: u64,
    /// `retransmittedBytesSent`.
    pub retransmitted_bytes_sent: u64,
    /// `framesSent`.
    pub frames_sent: u64,
    /// `nackCount`: requests for packets.
    pub nack_count: u64,
    /// `pliCount`: pictures that were lost.
    pub pli_count: u64,
    /// `firCount`: key frames that were asked for.
    pub fir_count: u64,
    /// What the last report said; none before the first.
    pub remote: Option<RemoteInbound>,
}

/// What the other side says of a stream that we send.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RemoteInbound {
    /// `packetsLost`.
    pub packets_lost: i32,
    /// `fractionLost` since the report before, 0 to 1.
    pub fraction_lost: f64,
    /// `jitter` in seconds.
    pub jitter: f64,
    /// `roundTripTime` as last measured.
    pub round_trip_time: Option<Duration>,
    /// `totalRoundTripTime`.
    pub total_round_trip_time: Duration,
    /// `roundTripTimeMeasurements`.
    pub round_trip_time_measurements: u64,
}

/// `RTCInboundRtpStreamStats`, and what the other side tells of the stream (`RTCRemoteOutboundRtpStreamStats`).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct InboundCounters {
    /// `ssrc`.
    pub ssrc: u32,
    /// `rtxSsrc`, once something came by it.
    pub rtx_ssrc: Option<u32>,
    /// The simulcast layer.
    pub rid: Option<Arc<str>>,
    /// The payload type that came last.
    pub payload_type: Option<u8>,
    /// `packetsReceived`, retransmissions included.
    pub packets_received: u64,
    /// `bytesReceived`: payload, retransmissions included.
    pub bytes_received: u64,
    /// `headerBytesReceived`: RTP headers and padding.
    pub header_bytes_received: u64,
    /// `packetsLost`, as RFC 3550 §6.4.1 counts them: what came again by another stream was lost in this one.
    pub packets_lost: i64,
    /// `jitter` in seconds.
    pub jitter: f64,
    /// `packetsDiscarded`: too late, or twice.
    pub packets_discarded: u64,
    /// `retransmittedPacketsReceived`.
    pub retransmitted_packets_received: u64,
    /// `retransmittedBytesReceived`.
    pub retransmitted_bytes_received: u64,
    /// `lastPacketReceivedTimestamp`.
    pub last_packet_received: Option<Instant>,
    /// `framesReceived`, if frames are read.
    pub frames_received: u64,
    /// Of these, key frames.
    pub key_frames_received: u64,
    /// `framesDropped`: given up for want of a packet or of a key frame, at least.
    pub frames_dropped: u64,
    /// `nackCount`: requests for packets.
    pub nack_count: u64,
    /// `pliCount`.
    pub pli_count: u64,
    /// `firCount`.
    pub fir_count: u64,
    /// What the last sender report said; none before the first.
    pub remote: Option<RemoteOutbound>,
}

/// What the other side says of a stream that it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteOutbound {
    /// `remoteTimestamp`: the time there, in 1/2^32 s since 1900.
    pub ntp_time: u64,
    /// The RTP timestamp of that moment.
    pub rtp_timestamp: u32,
    /// `packetsSent`.
    pub packets_sent: u32,
    /// `bytesSent`.
    pub bytes_sent: u32,
    /// `reportsSent`.
    pub reports_sent: u64,
}
