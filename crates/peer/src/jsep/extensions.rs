//! Header extensions and the numbers that stand for them (RFC 8285).

use parlour_sdp::{Direction, Extmap};

/// URIs of the extensions that the peer itself uses.
pub mod uri {
    /// The name of the section (RFC 9143 §15).
    pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
    /// The name of the simulcast layer (RFC 8852 §4.1).
    pub const RTP_STREAM_ID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
    /// The name of the layer that a retransmission repairs (RFC 8852 §4.2).
    pub const REPAIRED_RTP_STREAM_ID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
    /// Numbers packets over all streams of a transport.
    pub const TRANSPORT_SEQUENCE_NUMBER: &str =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    /// When a packet was sent.
    pub const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
    /// How loud the sound is (RFC 6464).
    pub const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    /// How a picture is turned.
    pub const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
    /// How far the time of a packet is from that of its frame (RFC 5450).
    pub const TRANSMISSION_OFFSET: &str = "urn:ietf:params:rtp-hdrext:toffset";
    /// How long the receiver may wait with a frame.
    pub const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
    /// What a frame of a layered stream depends on.
    pub const DEPENDENCY_DESCRIPTOR: &str =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
}

/// An extension that this peer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderExtension {
    /// Its name.
    pub uri: String,
    /// The number to take if it is free; 1 to 14 fit the short form.
    pub id: u16,
    /// Which way it may go.
    pub direction: Direction,
}

fn list(extensions: &[(u16, &str)]) -> Vec<HeaderExtension> {
    let extension =
        |(id, uri): &(u16, &str)| HeaderExtension { uri: (*uri).to_owned(), id: *id, direction: Direction::SendRecv };
    extensions.iter().map(extension).collect()
}

pub(super) fn audio() -> Vec<HeaderExtension> {
    list(&[(1, uri::AUDIO_LEVEL), (2, uri::ABS_SEND_TIME), (3, uri::TRANSPORT_SEQUENCE_NUMBER), (4, uri::MID)])
}

pub(super) fn video() -> Vec<HeaderExtension> {
    list(&[
        (14, uri::TRANSMISSION_OFFSET),
        (2, uri::ABS_SEND_TIME),
        (13, uri::VIDEO_ORIENTATION),
        (3, uri::TRANSPORT_SEQUENCE_NUMBER),
        (5, uri::PLAYOUT_DELAY),
        (4, uri::MID),
        (10, uri::RTP_STREAM_ID),
        (11, uri::REPAIRED_RTP_STREAM_ID),
        (12, uri::DEPENDENCY_DESCRIPTOR),
    ])
}

/// Which number stands for which extension. It never changes within a connection (RFC 8285 §5), over all sections.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExtensionIds {
    known: Vec<(u16, String)>,
}

impl ExtensionIds {
    /// The lines of an offer.
    pub(crate) fn offered(&mut self, extensions: &[HeaderExtension]) -> Vec<Extmap> {
        extensions.iter().filter_map(|extension| self.assign(extension)).collect()
    }

    fn assign(&mut self, extension: &HeaderExtension) -> Option<Extmap> {
        let known = self.known.iter().find(|(_, uri)| *uri == extension.uri).map(|(id, _)| *id);
        let id = match known {
            Some(id) => id,
            None => {
                let free = |id: &u16| self.known.iter().all(|(known, _)| known != id);
                let id = Some(extension.id).filter(free).or_else(|| (1..=14).chain(16..=255).find(free))?;
                self.known.push((id, extension.uri.clone()));
                id
            }
        };
        Some(Extmap { id, direction: told(extension.direction), uri: extension.uri.clone(), attributes: None })
    }

    /// Notes what an applied description says.
    pub(crate) fn learn<'a>(&mut self, extmaps: impl Iterator<Item = &'a Extmap>) {
        for extmap in extmaps {
            if self.known.iter().all(|(id, uri)| *id != extmap.id && *uri != extmap.uri) {
                self.known.push((extmap.id, extmap.uri.clone()));
            }
        }
    }
}

/// Both ways is not said.
fn told(direction: Direction) -> Option<Direction> {
    (direction != Direction::SendRecv).then_some(direction)
}

/// The lines of an answer: what both sides have, with the offer's numbers (RFC 8285 §6).
pub(crate) fn answered<'a>(ours: &[HeaderExtension], theirs: impl Iterator<Item = &'a Extmap>) -> Vec<Extmap> {
    let mut lines: Vec<Extmap> = Vec::new();
    for their in theirs {
        let Some(our) = ours.iter().find(|our| our.uri == their.uri) else { continue };
        let offered = their.direction.unwrap_or_default().reversed();
        let direction = intersection(offered, our.direction);
        // Numbers from 4096 on stand for alternatives to choose from, which need a number of their own.
        let repeated = lines.iter().any(|line| line.uri == their.uri);
        if direction != Direction::Inactive && their.id <= 255 && !repeated {
            lines.push(Extmap { id: their.id, direction: told(direction), uri: our.uri.clone(), attributes: None });
        }
    }
    lines
}

/// What both allow.
pub(crate) fn intersection(a: Direction, b: Direction) -> Direction {
    Direction::new(a.sends() && b.sends(), a.receives() && b.receives())
}
