//! Descriptions and their sections, and what is asked of them most.

use crate::attribute::candidate::Candidate;
use crate::attribute::extmap::Extmap;
use crate::attribute::fingerprint::Fingerprint;
use crate::attribute::rid::Rid;
use crate::attribute::simulcast::Simulcast;
use crate::attribute::ssrc::{SsrcAttribute, SsrcGroup};
use crate::attribute::transport::{Group, Msid, Setup};
use crate::attribute::{Attribute, Direction};
use crate::codec::Codec;

/// Who made a description, and its version (RFC 8866 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `-` for none.
    pub username: String,
    /// Names the session.
    pub session_id: u64,
    /// Grows with each change.
    pub session_version: u64,
    /// Network type, address type and address, as `IN IP4 127.0.0.1`.
    pub address: String,
}

/// Where media goes, if ICE does not say (RFC 8866 §5.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `IP4` or `IP6`.
    pub address_type: String,
    /// An address or a name.
    pub address: String,
}

/// A limit of the bandwidth (RFC 8866 §5.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// As `AS` for kbit/s, or `TIAS` for bit/s.
    pub kind: String,
    /// How much.
    pub value: u64,
}

/// When a session takes place (RFC 8866 §5.9); always zero in WebRTC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// The values of `t=`.
    pub start_stop: (u64, u64),
    /// The `r=` lines after it.
    pub repeats: Vec<String>,
}

/// A line of a type that means nothing to WebRTC, kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraLine {
    /// The letter.
    pub kind: char,
    /// What stands after the equals sign.
    pub value: String,
}

/// A session description (RFC 8866 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// Who made it, and its version.
    pub origin: Origin,
    /// `-` for none.
    pub session_name: String,
    /// Where media goes, if ICE and the section do not say.
    pub connection: Option<Connection>,
    /// Limits of the whole session.
    pub bandwidth: Vec<Bandwidth>,
    /// When it takes place.
    pub times: Vec<Timing>,
    /// Information, URI, mail address and phone number, time zones, keys, and unknown lines.
    pub extra: Vec<ExtraLine>,
    /// The attributes in their order.
    pub attributes: Vec<Attribute>,
    /// The sections, one an m-line.
    pub media: Vec<MediaDescription>,
}

/// What a section carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Data channels.
    Application,
    /// Something else.
    Other(String),
}

impl MediaKind {
    /// The word of the m-line.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
            Self::Other(word) => word,
        }
    }
}

/// A section (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    /// What it carries.
    pub kind: MediaKind,
    /// The port; zero rejects the section or ties it to a bundle, 9 leaves it to ICE.
    pub port: u16,
    /// How many ports, if told.
    pub port_count: Option<u32>,
    /// As `UDP/TLS/RTP/SAVPF`.
    pub protocol: String,
    /// Payload types, or `webrtc-datachannel`.
    pub formats: Vec<String>,
    /// Where media goes, if ICE does not say.
    pub connections: Vec<Connection>,
    /// Limits of the section.
    pub bandwidth: Vec<Bandwidth>,
    /// Information, keys, and unknown lines.
    pub extra: Vec<ExtraLine>,
    /// The attributes in their order.
    pub attributes: Vec<Attribute>,
}

/// The short-term credential of ICE (RFC 8839 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IceCredentials<'a> {
    /// The user name fragment.
    pub ufrag: &'a str,
    /// The password.
    pub pwd: &'a str,
}

macro_rules! find {
    ($attributes:expr, $pattern:pat => $value:expr) => {
        $attributes.iter().find_map(|attribute| match attribute {
            $pattern => Some($value),
            _ => None,
        })
    };
}

macro_rules! all {
    ($attributes:expr, $pattern:pat => $value:expr) => {
        $attributes.iter().filter_map(|attribute| match attribute {
            $pattern => Some($value),
            _ => None,
        })
    };
}

impl SessionDescription {
    /// A description without sections, as JSEP begins one (RFC 9429 §5.2.1).
    pub fn new(session_id: u64, session_version: u64) -> Self {
        Self {
            origin: Origin {
                username: "-".to_owned(),
                session_id,
                session_version,
                address: "IN IP4 0.0.0.0".to_owned(),
            },
            session_name: "-".to_owned(),
            connection: None,
            bandwidth: Vec::new(),
            times: vec![Timing::default()],
            extra: Vec::new(),
            attributes: Vec::new(),
            media: Vec::new(),
        }
    }

    /// The groups of sections.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        all!(self.attributes, Attribute::Group(group) => group)
    }

    /// The sections that share one transport, by name (RFC 9143). The first group counts.
    pub fn bundle(&self) -> &[String] {
        self.groups().find(|group| group.semantics == "BUNDLE").map_or(&[], |group| group.mids.as_slice())
    }

    /// The section with this name.
    pub fn media_by_mid(&self, mid: &str) -> Option<&MediaDescription> {
        self.media.iter().find(|media| media.mid() == Some(mid))
    }

    /// Whether the describer is a lite agent.
    pub fn ice_lite(&self) -> bool {
        self.attributes.contains(&Attribute::IceLite)
    }
}

impl MediaDescription {
    /// A section with these formats and no attributes.
    pub fn new(kind: MediaKind, protocol: &str, formats: Vec<String>) -> Self {
        Self {
            kind,
            port: 9,
            port_count: None,
            protocol: protocol.to_owned(),
            formats,
            connections: vec![Connection { address_type: "IP4".to_owned(), address: "0.0.0.0".to_owned() }],
            bandwidth: Vec::new(),
            extra: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Its name.
    pub fn mid(&self) -> Option<&str> {
        find!(self.attributes, Attribute::Mid(mid) => mid.as_str())
    }

    /// Which way media flows: as the section says, or else the session, or else both ways.
    pub fn direction(&self, session: &SessionDescription) -> Direction {
        find!(self.attributes, Attribute::Direction(direction) => *direction)
            .or_else(|| find!(session.attributes, Attribute::Direction(direction) => *direction))
            .unwrap_or_default()
    }

    /// Whether it is rejected: the port is zero and it is not bundle-only (RFC 9429 §5.3.1).
    pub fn is_rejected(&self) -> bool {
        self.port == 0 && !self.has(&Attribute::BundleOnly)
    }

    /// Whether it is for data channels over SCTP over DTLS (RFC 8841 §4).
    pub fn is_data_channel(&self) -> bool {
        self.kind == MediaKind::Application && self.protocol.ends_with("DTLS/SCTP")
    }

    /// Whether it has an attribute without a value.
    pub fn has(&self, attribute: &Attribute) -> bool {
        self.attributes.contains(attribute)
    }

    /// The credential of ICE, of the section or else of the session.
    pub fn ice_credentials<'a>(&'a self, session: &'a SessionDescription) -> Option<IceCredentials<'a>> {
        [&self.attributes, &session.attributes].into_iter().find_map(|attributes| {
            Some(IceCredentials {
                ufrag: find!(attributes, Attribute::IceUfrag(ufrag) => ufrag.as_str())?,
                pwd: find!(attributes, Attribute::IcePwd(pwd) => pwd.as_str())?,
            })
        })
    }

    /// The extensions of ICE, of the section or else of the session.
    pub fn ice_options<'a>(&'a self, session: &'a SessionDescription) -> &'a [String] {
        find!(self.attributes, Attribute::IceOptions(options) => options.as_slice())
            .or_else(|| find!(session.attributes, Attribute::IceOptions(options) => options.as_slice()))
            .unwrap_or_default()
    }

    /// The candidates in their order.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        all!(self.attributes, Attribute::Candidate(candidate) => candidate)
    }

    /// The fingerprints of the section, or else those of the session.
    pub fn fingerprints<'a>(&'a self, session: &'a SessionDescription) -> Vec<&'a Fingerprint> {
        let own: Vec<_> = all!(self.attributes, Attribute::Fingerprint(fingerprint) => fingerprint).collect();
        if own.is_empty() {
            return all!(session.attributes, Attribute::Fingerprint(fingerprint) => fingerprint).collect();
        }
        own
    }

    /// Who starts the handshake, as the section says or else the session.
    pub fn setup(&self, session: &SessionDescription) -> Option<Setup> {
        find!(self.attributes, Attribute::Setup(setup) => *setup)
            .or_else(|| find!(session.attributes, Attribute::Setup(setup) => *setup))
    }

    /// The streams and tracks.
    pub fn msids(&self) -> impl Iterator<Item = &Msid> {
        all!(self.attributes, Attribute::Msid(msid) => msid)
    }

    /// The header extensions.
    pub fn extmaps(&self) -> impl Iterator<Item = &Extmap> {
        all!(self.attributes, Attribute::Extmap(extmap) => extmap)
    }

    /// Whether both forms of header extensions may come in one stream.
    pub fn extmap_allow_mixed(&self, session: &SessionDescription) -> bool {
        self.has(&Attribute::ExtmapAllowMixed) || session.attributes.contains(&Attribute::ExtmapAllowMixed)
    }

    /// What is told of SSRCs.
    pub fn ssrcs(&self) -> impl Iterator<Item = &SsrcAttribute> {
        all!(self.attributes, Attribute::Ssrc(ssrc) => ssrc)
    }

    /// SSRCs that belong together.
    pub fn ssrc_groups(&self) -> impl Iterator<Item = &SsrcGroup> {
        all!(self.attributes, Attribute::SsrcGroup(group) => group)
    }

    /// The simulcast layers by name.
    pub fn rids(&self) -> impl Iterator<Item = &Rid> {
        all!(self.attributes, Attribute::Rid(rid) => rid)
    }

    /// The order of the simulcast layers.
    pub fn simulcast(&self) -> Option<&Simulcast> {
        find!(self.attributes, Attribute::Simulcast(simulcast) => simulcast)
    }

    /// The SCTP port, in the new form or in the old one.
    pub fn sctp_port(&self) -> Option<u16> {
        find!(self.attributes, Attribute::SctpPort(port) => *port)
            .or_else(|| find!(self.attributes, Attribute::SctpMap(map) => map.port))
    }

    /// The largest message that the describer accepts, in bytes; zero is any. 65536 if not told (RFC 8841 §6.1).
    pub fn max_message_size(&self) -> u64 {
        find!(self.attributes, Attribute::MaxMessageSize(size) => *size).unwrap_or(65_536)
    }

    /// The codecs in the order of preference.
    pub fn codecs(&self) -> Vec<Codec> {
        Codec::of(self)
    }
}
