//! The slots of transceivers, senders and receivers (W3C webrtc-pc §5.2-5.4).

use crate::jsep::codecs::RtpCodec;
use crate::jsep::encodings::{Encoding, SendParameters};
use crate::jsep::transport::TransportId;
use crate::random::{self, Rng};
use parlour_sdp::codec::Codec;
use parlour_sdp::{Direction, Extmap, MediaKind};
use std::sync::Arc;

/// Names a transceiver, and with it its sender, its receiver and the receiver's track, for the life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransceiverId(pub(crate) u32);

/// Sound or pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

impl TrackKind {
    pub(crate) fn of(kind: &MediaKind) -> Option<Self> {
        match kind {
            MediaKind::Audio => Some(Self::Audio),
            MediaKind::Video => Some(Self::Video),
            _ => None,
        }
    }

    pub(crate) fn media(self) -> MediaKind {
        match self {
            Self::Audio => MediaKind::Audio,
            Self::Video => MediaKind::Video,
        }
    }
}

/// A track of this side. Two with the same name are the same track.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalTrack {
    /// Its name, unique in the program.
    pub id: Arc<str>,
    /// Sound or pictures.
    pub kind: TrackKind,
}

impl LocalTrack {
    /// A track with this name.
    pub fn new(kind: TrackKind, id: &str) -> Self {
        Self { id: id.into(), kind }
    }
}

/// `RTCRtpTransceiverDirection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransceiverDirection {
    /// Both ways.
    SendRecv,
    /// Only from us.
    SendOnly,
    /// Only to us.
    RecvOnly,
    /// Neither.
    Inactive,
    /// Neither, for ever.
    Stopped,
}

impl From<Direction> for TransceiverDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::SendRecv => Self::SendRecv,
            Direction::SendOnly => Self::SendOnly,
            Direction::RecvOnly => Self::RecvOnly,
            Direction::Inactive => Self::Inactive,
        }
    }
}

impl TransceiverDirection {
    /// The direction of a description, which has no word for stopped.
    pub(crate) fn described(self) -> Option<Direction> {
        match self {
            Self::SendRecv => Some(Direction::SendRecv),
            Self::SendOnly => Some(Direction::SendOnly),
            Self::RecvOnly => Some(Direction::RecvOnly),
            Self::Inactive => Some(Direction::Inactive),
            Self::Stopped => None,
        }
    }
}

/// The synchronization sources of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncodingSsrcs {
    /// Of the media.
    pub media: u32,
    /// Of its retransmissions.
    pub rtx: u32,
}

/// The slots of an `RTCRtpSender`.
#[derive(Clone, Debug)]
pub struct Sender {
    /// What it sends.
    pub track: Option<LocalTrack>,
    /// The streams that the other side finds the track in.
    pub streams: Vec<String>,
    /// How it encodes.
    pub encodings: Vec<Encoding>,
    /// The codecs that were negotiated for sending, the one to use first.
    pub codecs: Vec<Codec>,
    /// The header extensions that were negotiated for sending.
    pub extensions: Vec<Extmap>,
    /// The transport that it sends over.
    pub transport: Option<TransportId>,
    /// The sources of its encodings, as many as [`encodings`](Self::encodings) has.
    pub ssrcs: Vec<EncodingSsrcs>,
    /// Whether reduced-size RTCP was negotiated.
    pub reduced_size_rtcp: bool,
    pub(crate) last_returned: Option<SendParameters>,
}

/// The slots of an `RTCRtpReceiver` and its track.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// The track's name, made up by this side.
    pub track_id: Arc<str>,
    /// Whether nothing comes.
    pub muted: bool,
    /// Whether nothing will ever come again.
    pub ended: bool,
    /// The streams of the other side that the track is in.
    pub streams: Vec<String>,
    /// The codecs that may come.
    pub codecs: Vec<Codec>,
    /// The header extensions that may come.
    pub extensions: Vec<Extmap>,
    /// The simulcast layers that may come, as the other side names them.
    pub rids: Vec<String>,
    /// The transport that it receives over.
    pub transport: Option<TransportId>,
    pub(crate) unmuting: bool,
}

/// The slots of an `RTCRtpTransceiver`.
#[derive(Clone, Debug)]
pub struct Transceiver {
    pub(crate) id: TransceiverId,
    pub(crate) kind: TrackKind,
    pub(crate) jsep_mid: Option<String>,
    pub(crate) mid: Option<String>,
    pub(crate) stopping: bool,
    pub(crate) stopped: bool,
    pub(crate) direction: Direction,
    pub(crate) receptive: bool,
    pub(crate) current_direction: Option<Direction>,
    pub(crate) fired_direction: Option<Direction>,
    pub(crate) preferred_codecs: Vec<RtpCodec>,
    /// `addTrack` made it, so that a remote offer may take it (RFC 9429 §5.10).
    pub(crate) made_by_add_track: bool,
    /// A remote offer made it, so that a rollback removes it (RFC 9429 §5.7).
    pub(crate) made_by_offer: bool,
    /// `addTrack` gave it a track at some time, so that a rollback leaves it (RFC 9429 §5.7).
    pub(crate) touched_by_add_track: bool,
    /// It has been allowed to send, so that `addTrack` leaves it (W3C webrtc-pc §5.1).
    pub(crate) has_sent: bool,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

impl Transceiver {
    pub(crate) fn new(
        id: TransceiverId,
        kind: TrackKind,
        direction: Direction,
        encodings: Vec<Encoding>,
        rng: &mut Rng,
    ) -> Self {
        let mut transceiver = Self {
            id,
            kind,
            jsep_mid: None,
            mid: None,
            stopping: false,
            stopped: false,
            direction,
            receptive: false,
            current_direction: None,
            fired_direction: None,
            preferred_codecs: Vec::new(),
            made_by_add_track: false,
            made_by_offer: false,
            touched_by_add_track: false,
            has_sent: false,
            sender: Sender {
                track: None,
                streams: Vec::new(),
                encodings,
                codecs: Vec::new(),
                extensions: Vec::new(),
                transport: None,
                ssrcs: Vec::new(),
                reduced_size_rtcp: false,
                last_returned: None,
            },
            receiver: Receiver {
                track_id: random::hex_id(rng).into(),
                muted: true,
                ended: false,
                streams: Vec::new(),
                codecs: Vec::new(),
                extensions: Vec::new(),
                rids: Vec::new(),
                transport: None,
                unmuting: false,
            },
        };
        transceiver.sender.match_sources(rng);
        transceiver
    }

    /// Its name.
    pub fn id(&self) -> TransceiverId {
        self.id
    }

    /// Sound or pictures.
    pub fn kind(&self) -> TrackKind {
        self.kind
    }

    /// The name of its section, once negotiated.
    pub fn mid(&self) -> Option<&str> {
        self.mid.as_deref()
    }

    /// What this side wants.
    pub fn direction(&self) -> TransceiverDirection {
        if self.stopping { TransceiverDirection::Stopped } else { self.direction.into() }
    }

    /// What was negotiated; none before the first answer.
    pub fn current_direction(&self) -> Option<TransceiverDirection> {
        if self.stopped {
            return Some(TransceiverDirection::Stopped);
        }
        self.current_direction.map(Into::into)
    }

    /// Whether it is stopped and negotiated away.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Its sender.
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Its receiver.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Whether RTP that comes for it is to be taken.
    pub fn receptive(&self) -> bool {
        self.receptive
    }

    /// "Stop sending and receiving" (W3C webrtc-pc §5.4). Whether the track has to end.
    pub(crate) fn stop_sending_and_receiving(&mut self) -> bool {
        self.direction = Direction::Inactive;
        self.stopping = true;
        !self.receiver.ended
    }

    /// "Stop the RTCRtpTransceiver" (W3C webrtc-pc §5.4). Whether the track has to end.
    pub(crate) fn stop(&mut self) -> bool {
        let ends = !self.stopping && self.stop_sending_and_receiving();
        self.stopped = true;
        self.receptive = false;
        self.current_direction = None;
        self.receiver.streams.clear();
        ends
    }

    pub(crate) fn set_current_direction(&mut self, direction: Direction) {
        self.current_direction = Some(direction);
        self.has_sent |= direction.sends();
    }
}

impl Sender {
    /// Whether the encodings are the plain one that a remote request for simulcast may replace.
    pub(crate) fn is_ridless(&self) -> bool {
        matches!(self.encodings.as_slice(), [only] if only.rid.is_none())
    }

    /// As many sources as encodings; those that are there stay.
    pub(crate) fn match_sources(&mut self, rng: &mut Rng) {
        self.ssrcs.truncate(self.encodings.len());
        while self.ssrcs.len() < self.encodings.len() {
            self.ssrcs.push(EncodingSsrcs { media: random::ssrc(rng), rtx: random::ssrc(rng) });
        }
    }
}
