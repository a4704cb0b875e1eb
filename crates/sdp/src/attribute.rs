//! Attributes with their values, one file a family.

pub(crate) mod candidate;
pub(crate) mod extmap;
pub(crate) mod fingerprint;
pub(crate) mod format;
pub(crate) mod rid;
pub(crate) mod simulcast;
pub(crate) mod ssrc;
pub(crate) mod transport;

use candidate::Candidate;
use extmap::Extmap;
use fingerprint::Fingerprint;
use format::{Fmtp, RtcpFb, Rtpmap};
use rid::Rid;
use simulcast::Simulcast;
use ssrc::{SsrcAttribute, SsrcGroup};
use std::fmt;
use transport::{Group, Msid, RtcpAddress, SctpMap, Setup};

/// Which way media flows (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From the describer only.
    SendOnly,
    /// To the describer only.
    RecvOnly,
    /// Not at all.
    Inactive,
}

impl Direction {
    /// Whether the describer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the describer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The direction with these two properties.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// What the other side calls this direction.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// The word of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One `a=` line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// Which way media flows.
    Direction(Direction),
    /// Sections that belong together (RFC 5888 §5).
    Group(Group),
    /// The name of a section (RFC 5888 §4).
    Mid(String),
    /// The stream and the track of a section (RFC 8830).
    Msid(Msid),
    /// Takes part only if it is bundled (RFC 9143 §6).
    BundleOnly,
    /// The user name of ICE (RFC 8839 §5.4).
    IceUfrag(String),
    /// The password of ICE (RFC 8839 §5.4).
    IcePwd(String),
    /// Extensions of ICE (RFC 8839 §5.6).
    IceOptions(Vec<String>),
    /// The describer is a lite agent (RFC 8839 §5.3).
    IceLite,
    /// The pace of checks that the describer wishes, in milliseconds (RFC 8839 §5.5).
    IcePacing(u32),
    /// A transport address to try (RFC 8839 §5.1).
    Candidate(Candidate),
    /// No more candidates come (RFC 8840 §8.2).
    EndOfCandidates,
    /// The hash of a certificate (RFC 8122 §5).
    Fingerprint(Fingerprint),
    /// Who starts the handshake (RFC 4145 §4).
    Setup(Setup),
    /// Names a DTLS association (RFC 8842 §5).
    TlsId(String),
    /// RTP and RTCP share a port (RFC 5761 §5.1.1).
    RtcpMux,
    /// RTP and RTCP must share a port (RFC 8858).
    RtcpMuxOnly,
    /// Reduced-size RTCP is welcome (RFC 5506 §5).
    RtcpRsize,
    /// Where RTCP goes without [`RtcpMux`](Self::RtcpMux) (RFC 3605).
    Rtcp(RtcpAddress),
    /// What a payload type is (RFC 8866 §6.6).
    Rtpmap(Rtpmap),
    /// Parameters of a payload type (RFC 8866 §6.15).
    Fmtp(Fmtp),
    /// Feedback that is welcome (RFC 4585 §4.2).
    RtcpFb(RtcpFb),
    /// What a header extension number stands for (RFC 8285 §8).
    Extmap(Extmap),
    /// Both forms of header extensions may come in one stream (RFC 8285 §6).
    ExtmapAllowMixed,
    /// Header extensions and CSRCs may come encrypted (RFC 9335 §4).
    Cryptex,
    /// Something about an SSRC (RFC 5576 §4.1).
    Ssrc(SsrcAttribute),
    /// SSRCs that belong together (RFC 5576 §4.2).
    SsrcGroup(SsrcGroup),
    /// A simulcast layer and its limits (RFC 8851).
    Rid(Rid),
    /// The simulcast layers of a section (RFC 8853).
    Simulcast(Simulcast),
    /// The port within DTLS (RFC 8841 §5).
    SctpPort(u16),
    /// The largest message that is accepted, in bytes; zero is any (RFC 8841 §6).
    MaxMessageSize(u64),
    /// As older browsers told the port and the protocol (draft-ietf-mmusic-sctp-sdp-05).
    SctpMap(SctpMap),
    /// The INIT chunk in base64, which spares a round trip (draft-hancke-tsvwg-snap).
    SctpInit(String),
    /// Milliseconds of sound in a packet (RFC 8866 §6.4).
    Ptime(u32),
    /// At most so many milliseconds of sound in a packet (RFC 8866 §6.5).
    MaxPtime(u32),
    /// Anything else, as it is.
    Other {
        /// What stands before the colon.
        name: String,
        /// What stands after it, if there is one.
        value: Option<String>,
    },
}

impl Attribute {
    /// Reads what stands after `a=`. What must not be misunderstood and is malformed is an error, told by its name; other
    /// malformed values become [`Other`](Self::Other).
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        let other = || Self::Other { name: name.to_owned(), value: value.map(str::to_owned) };
        let Some(value) = value else { return Ok(Self::flag(name).unwrap_or_else(other)) };
        let text = value.trim_matches(' ');
        Ok(match name {
            "group" => Self::Group(Group::parse(text).ok_or("group")?),
            "mid" => Self::Mid(token(text).ok_or("mid")?),
            "msid" => Self::Msid(Msid::parse(text).ok_or("msid")?),
            "ice-ufrag" => Self::IceUfrag(ice_chars(text, 4).ok_or("ice-ufrag")?),
            "ice-pwd" => Self::IcePwd(ice_chars(text, 22).ok_or("ice-pwd")?),
            "ice-options" => Self::IceOptions(text.split_ascii_whitespace().map(str::to_owned).collect()),
            "ice-pacing" => text.parse().map_or_else(|_| other(), Self::IcePacing),
            "candidate" => Candidate::parse(text).map_or_else(other, Self::Candidate),
            "fingerprint" => Self::Fingerprint(Fingerprint::parse(text).ok_or("fingerprint")?),
            "setup" => Self::Setup(Setup::from_word(text).ok_or("setup")?),
            "tls-id" => Self::TlsId(token(text).ok_or("tls-id")?),
            "rtcp" => RtcpAddress::parse(text).map_or_else(other, Self::Rtcp),
            "rtpmap" => Self::Rtpmap(Rtpmap::parse(text).ok_or("rtpmap")?),
            "fmtp" => Self::Fmtp(Fmtp::parse(text).ok_or("fmtp")?),
            "rtcp-fb" => RtcpFb::parse(text).map_or_else(other, Self::RtcpFb),
            "extmap" => Self::Extmap(Extmap::parse(text).ok_or("extmap")?),
            "ssrc" => Self::Ssrc(SsrcAttribute::parse(text).ok_or("ssrc")?),
            "ssrc-group" => Self::SsrcGroup(SsrcGroup::parse(text).ok_or("ssrc-group")?),
            "rid" => Self::Rid(Rid::parse(text).ok_or("rid")?),
            "simulcast" => Self::Simulcast(Simulcast::parse(text).ok_or("simulcast")?),
            "sctp-port" => Self::SctpPort(text.parse().map_err(|_| "sctp-port")?),
            "max-message-size" => Self::MaxMessageSize(text.parse().map_err(|_| "max-message-size")?),
            "sctpmap" => SctpMap::parse(text).map_or_else(other, Self::SctpMap),
            "sctp-init" => token(text).map_or_else(other, Self::SctpInit),
            "ptime" => text.parse().map_or_else(|_| other(), Self::Ptime),
            "maxptime" => text.parse().map_or_else(|_| other(), Self::MaxPtime),
            _ => other(),
        })
    }

    fn flag(name: &str) -> Option<Self> {
        Some(match name {
            "bundle-only" => Self::BundleOnly,
            "ice-lite" => Self::IceLite,
            "end-of-candidates" => Self::EndOfCandidates,
            "rtcp-mux" => Self::RtcpMux,
            "rtcp-mux-only" => Self::RtcpMuxOnly,
            "rtcp-rsize" => Self::RtcpRsize,
            "extmap-allow-mixed" => Self::ExtmapAllowMixed,
            "cryptex" => Self::Cryptex,
            _ => Self::Direction(Direction::from_word(name)?),
        })
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direction(direction) => direction.fmt(f),
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Mid(mid) => write!(f, "mid:{mid}"),
            Self::Msid(msid) => write!(f, "msid:{msid}"),
            Self::BundleOnly => f.write_str("bundle-only"),
            Self::IceUfrag(ufrag) => write!(f, "ice-ufrag:{ufrag}"),
            Self::IcePwd(pwd) => write!(f, "ice-pwd:{pwd}"),
            Self::IceOptions(options) => write!(f, "ice-options:{}", options.join(" ")),
            Self::IceLite => f.write_str("ice-lite"),
            Self::IcePacing(milliseconds) => write!(f, "ice-pacing:{milliseconds}"),
            Self::Candidate(candidate) => write!(f, "candidate:{candidate}"),
            Self::EndOfCandidates => f.write_str("end-of-candidates"),
            Self::Fingerprint(fingerprint) => write!(f, "fingerprint:{fingerprint}"),
            Self::Setup(setup) => write!(f, "setup:{}", setup.as_str()),
            Self::TlsId(id) => write!(f, "tls-id:{id}"),
            Self::RtcpMux => f.write_str("rtcp-mux"),
            Self::RtcpMuxOnly => f.write_str("rtcp-mux-only"),
            Self::RtcpRsize => f.write_str("rtcp-rsize"),
            Self::Rtcp(address) => write!(f, "rtcp:{address}"),
            Self::Rtpmap(rtpmap) => write!(f, "rtpmap:{rtpmap}"),
            Self::Fmtp(fmtp) => write!(f, "fmtp:{fmtp}"),
            Self::RtcpFb(feedback) => write!(f, "rtcp-fb:{feedback}"),
            Self::Extmap(extmap) => write!(f, "extmap:{extmap}"),
            Self::ExtmapAllowMixed => f.write_str("extmap-allow-mixed"),
            Self::Cryptex => f.write_str("cryptex"),
            Self::Ssrc(ssrc) => write!(f, "ssrc:{ssrc}"),
            Self::SsrcGroup(group) => write!(f, "ssrc-group:{group}"),
            Self::Rid(rid) => write!(f, "rid:{rid}"),
            Self::Simulcast(simulcast) => write!(f, "simulcast:{simulcast}"),
            Self::SctpPort(port) => write!(f, "sctp-port:{port}"),
            Self::MaxMessageSize(size) => write!(f, "max-message-size:{size}"),
            Self::SctpMap(map) => write!(f, "sctpmap:{map}"),
            Self::SctpInit(init) => write!(f, "sctp-init:{init}"),
            Self::Ptime(milliseconds) => write!(f, "ptime:{milliseconds}"),
            Self::MaxPtime(milliseconds) => write!(f, "maxptime:{milliseconds}"),
            Self::Other { name, value: Some(value) } => write!(f, "{name}:{value}"),
            Self::Other { name, value: None } => f.write_str(name),
        }
    }
}

/// A word without spaces.
pub(crate) fn token(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

/// ICE characters, at least `min` and at most 256 of them (RFC 8839 §5.4). Some programs use more than the letters,
/// digits, `+` and `/` of the grammar, so any visible character will do.
fn ice_chars(text: &str, min: usize) -> Option<String> {
    if (min..=256).contains(&text.len()) { token(text) } else { None }
}

/// Words with one space or more between them.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> + Clone {
    text.split(' ').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_attributes_are_understood_and_printed_as_they_were() {
        for line in [
            "sendrecv",
            "inactive",
            "group:BUNDLE 0 1",
            "mid:0",
            "msid:stream track",
            "msid:- track",
            "msid:stream",
            "bundle-only",
            "ice-ufrag:abcd",
            "ice-pwd:0123456789012345678901",
            "ice-options:trickle ice2",
            "ice-lite",
            "ice-pacing:50",
            "candidate:1 1 udp 2130706431 10.0.1.1 8998 typ host",
            "candidate:2 1 tcp 1 fd00::1 9 typ srflx raddr 10.0.0.1 rport 5 tcptype active generation 0 ufrag ab",
            "candidate:3 1 udp 7 0d1f.local 5 typ relay raddr 0.0.0.0 rport 0",
            "end-of-candidates",
            "fingerprint:sha-256 00:AB:FF:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",
            "setup:actpass",
            "tls-id:91bbf309c0990a6bec11e38ba2933cee",
            "rtcp-mux",
            "rtcp-mux-only",
            "rtcp-rsize",
            "rtcp:9 IN IP4 0.0.0.0",
            "rtcp:9",
            "rtpmap:111 opus/48000/2",
            "rtpmap:96 VP8/90000",
            "fmtp:111 minptime=10;useinbandfec=1",
            "rtcp-fb:96 nack pli",
            "rtcp-fb:* transport-cc",
            "extmap:1/recvonly urn:ietf:params:rtp-hdrext:toffset param=1",
            "extmap-allow-mixed",
            "cryptex",
            "ssrc:1 cname:abc",
            "ssrc:1 msid:a b",
            "ssrc:4294967295 x",
            "ssrc-group:FID 1 2",
            "rid:hi send pt=96,97;max-width=1280;max-fps=30",
            "rid:lo recv",
            "simulcast:send hi,~hi2;~lo recv a",
            "sctp-port:5000",
            "max-message-size:262144",
            "sctpmap:5000 webrtc-datachannel 1024",
            "sctp-init:AQAAAA==",
            "ptime:20",
            "maxptime:120",
        ] {
            let attribute = Attribute::parse(line).unwrap();
            assert!(!matches!(attribute, Attribute::Other { .. }), "{line}");
            assert_eq!(attribute.to_string(), line);
        }
    }

    #[test]
    fn unknown_attributes_are_kept() {
        for line in ["x-google-flag:conference", "msid-semantic: WMS *", "foo", "foo:", ":", "", "rtcp-xr:rcvr-rtt=all"]
        {
            let attribute = Attribute::parse(line).unwrap();
            assert!(matches!(attribute, Attribute::Other { .. }), "{line}");
            assert_eq!(attribute.to_string(), line);
        }
    }

    #[test]
    fn what_must_not_be_misunderstood_is_an_error() {
        for line in [
            "fingerprint:sha-256 00:1",
            "fingerprint:sha-256",
            "setup:maybe",
            "rtpmap:300 VP8/90000",
            "rtpmap:96 VP8",
            "extmap:0 uri",
            "extmap:x uri",
            "extmap:1",
            "ssrc:99999999999 cname:a",
            "ice-ufrag:abc",
            "ice-pwd:short",
            "mid:",
            "mid:a b",
            "group:",
            "sctp-port:70000",
            "max-message-size:-1",
            "simulcast:send",
            "simulcast:send a send b",
            "simulcast:both a",
            "rid:a both",
            "rid:",
            "ssrc-group:FID",
            "ssrc-group:FID x",
            "msid:",
        ] {
            assert!(Attribute::parse(line).is_err(), "{line}");
        }
    }
}
