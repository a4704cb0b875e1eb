//! What formats are and what they can do: `rtpmap`, `fmtp`, `rtcp-fb`.

use super::words;
use std::fmt;

/// What a payload type is (RFC 8866 §6.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtpmap {
    /// 0 to 127.
    pub payload_type: u8,
    /// The name of the codec, as written; it is compared without regard to case.
    pub encoding: String,
    /// Ticks of the RTP clock a second.
    pub clock_rate: u32,
    /// Channels of sound, if told.
    pub channels: Option<u8>,
}

impl Rtpmap {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text);
        let payload_type = payload_type(words.next()?)?;
        let mut parts = words.next()?.split('/');
        let encoding = parts.next().filter(|name| !name.is_empty())?.to_owned();
        let clock_rate = parts.next()?.parse().ok()?;
        let channels = parts.next().map(str::parse).transpose().ok()?;
        Some(Self { payload_type, encoding, clock_rate, channels })
    }
}

impl fmt::Display for Rtpmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.payload_type, self.encoding, self.clock_rate)?;
        self.channels.map_or(Ok(()), |channels| write!(f, "/{channels}"))
    }
}

/// Parameters of a format (RFC 8866 §6.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fmtp {
    /// A payload type, or what else stands in the m-line.
    pub format: String,
    /// As written; see [`parameters`](Self::parameters).
    pub text: String,
}

impl Fmtp {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (format, text) = text.split_once(' ').unwrap_or((text, ""));
        (!format.is_empty()).then(|| Self { format: format.to_owned(), text: text.trim_matches(' ').to_owned() })
    }

    /// The names and values between semicolons. A part without an equals sign has no name, as `0-15` or `111/111`.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
            Some((name, value)) => (name.trim(), value.trim()),
            None => ("", part),
        })
    }

    /// The value of a parameter; names are compared without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, " {}", self.text) }
    }
}

/// Feedback that is welcome (RFC 4585 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtcpFb {
    /// The payload type, or `None` for all of the section.
    pub payload_type: Option<u8>,
    /// As `nack` or `ccm`.
    pub value: String,
    /// As `pli` or `fir`.
    pub parameter: Option<String>,
}

impl RtcpFb {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let payload_type = match parts.next()? {
            "*" => None,
            number => Some(payload_type(number)?),
        };
        let value = parts.next().filter(|value| !value.is_empty())?.to_owned();
        let parameter = parts.next().map(str::trim).filter(|parameter| !parameter.is_empty()).map(str::to_owned);
        Some(Self { payload_type, value, parameter })
    }
}

impl fmt::Display for RtcpFb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            Some(number) => write!(f, "{number} {}", self.value)?,
            None => write!(f, "* {}", self.value)?,
        }
        self.parameter.as_ref().map_or(Ok(()), |parameter| write!(f, " {parameter}"))
    }
}

pub(crate) fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| *number < 128)
}
