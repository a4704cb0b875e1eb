//! How sections share transports and where those lead.

use super::{token, words};
use std::fmt;

/// Sections that belong together (RFC 5888 §5, RFC 9143).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// As `BUNDLE` or `LS`.
    pub semantics: String,
    /// The names of the sections.
    pub mids: Vec<String>,
}

impl Group {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text).map(str::to_owned);
        Some(Self { semantics: words.next()?, mids: words.collect() })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}

/// The stream and the track of a section (RFC 8830 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msid {
    /// The stream; `-` for none.
    pub stream: String,
    /// The track.
    pub track: Option<String>,
}

impl Msid {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text);
        let stream = token(words.next()?)?;
        let track = words.next().map(str::to_owned);
        words.next().is_none().then_some(Self { stream, track })
    }
}

impl fmt::Display for Msid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stream)?;
        self.track.as_ref().map_or(Ok(()), |track| write!(f, " {track}"))
    }
}

/// Who starts the handshake (RFC 4145 §4, RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setup {
    /// The describer does.
    Active,
    /// The describer waits.
    Passive,
    /// Either; the answer decides.
    ActPass,
    /// Nobody for now.
    HoldConn,
}

impl Setup {
    /// The word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
            Self::HoldConn => "holdconn",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            "actpass" => Some(Self::ActPass),
            "holdconn" => Some(Self::HoldConn),
            _ => None,
        }
    }
}

/// Where RTCP goes (RFC 3605 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpAddress {
    /// The port.
    pub port: u16,
    /// Network type, address type and address, if they differ from those of the section.
    pub address: Option<String>,
}

impl RtcpAddress {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (port, address) = match text.split_once(' ') {
            Some((port, address)) => (port, Some(address.to_owned())),
            None => (text, None),
        };
        Some(Self { port: port.parse().ok()?, address })
    }
}

impl fmt::Display for RtcpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.port)?;
        self.address.as_ref().map_or(Ok(()), |address| write!(f, " {address}"))
    }
}

/// Port and protocol of data channels in the old form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SctpMap {
    /// The port within DTLS.
    pub port: u16,
    /// As `webrtc-datachannel`.
    pub application: String,
    /// How many streams.
    pub streams: Option<u16>,
}

impl SctpMap {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text);
        let port = words.next()?.parse().ok()?;
        let application = words.next()?.to_owned();
        let streams = words.next().map(str::parse).transpose().ok()?;
        words.next().is_none().then_some(Self { port, application, streams })
    }
}

impl fmt::Display for SctpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.port, self.application)?;
        self.streams.map_or(Ok(()), |streams| write!(f, " {streams}"))
    }
}
