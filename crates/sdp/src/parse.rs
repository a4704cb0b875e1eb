//! Text to descriptions: one pass, no recursion, bounded.

use crate::attribute::{Attribute, words};
use crate::description::{
    Bandwidth, Connection, ExtraLine, MediaDescription, MediaKind, Origin, SessionDescription, Timing,
};
use crate::error::{ParseError, ParseErrorKind};
use std::str::FromStr;

/// How large a description may be. What exceeds a limit is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole description.
    pub bytes: usize,
    /// Bytes of a line.
    pub line_bytes: usize,
    /// Sections.
    pub media: usize,
    /// Lines of a section, and of what stands before the first one.
    pub lines_in_section: usize,
    /// Candidates of a section.
    pub candidates_in_section: usize,
    /// Fingerprints of a section.
    pub fingerprints_in_section: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 256 << 10,
            line_bytes: 8 << 10,
            media: 128,
            lines_in_section: 512,
            candidates_in_section: 256,
            fingerprints_in_section: 32,
        }
    }
}

impl FromStr for SessionDescription {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse_with(text, &Limits::default())
    }
}

impl SessionDescription {
    /// Reads a description within the default limits.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(text).map_err(|error| {
            let line = text.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            ParseError { line, kind: ParseErrorKind::NotUtf8 }
        })?;
        Self::parse_with(text, &Limits::default())
    }

    /// Reads a description within limits of your own.
    pub fn parse_with(text: &str, limits: &Limits) -> Result<Self, ParseError> {
        if text.len() > limits.bytes {
            return Err(ParseError { line: 1, kind: ParseErrorKind::TooMany { limit: limits.bytes, of: "bytes" } });
        }
        let mut lines = Lines { rest: text, number: 0, limit: limits.line_bytes };
        let mut description = read_start(&mut lines)?;
        let mut section = Section::default();
        while let Some(line) = lines.next()? {
            if line.kind == 'm' {
                if description.media.len() == limits.media {
                    return Err(too_many(limits.media, "sections")).map_err(|kind| lines.error(kind));
                }
                let media = read_media(line.value).ok_or(ParseErrorKind::Malformed('m'));
                description.media.push(media.map_err(|kind| lines.error(kind))?);
                section = Section::default();
            } else {
                let read = section.count(limits).and_then(|()| match description.media.last_mut() {
                    Some(media) => section.read_into_media(media, &line, limits),
                    None => section.read_into_session(&mut description, &line, limits),
                });
                read.map_err(|kind| lines.error(kind))?;
            }
        }
        // In the order in which they are printed, so that a printed description parses to an equal one.
        description.extra.sort_by_key(|line| !matches!(line.kind, 'i' | 'u' | 'e' | 'p'));
        description.media.iter_mut().for_each(|media| media.extra.sort_by_key(|line| line.kind != 'i'));
        Ok(description)
    }
}

fn too_many(limit: usize, of: &'static str) -> ParseErrorKind {
    ParseErrorKind::TooMany { limit, of }
}

/// One line, without its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    kind: char,
    value: &'a str,
}

struct Lines<'a> {
    rest: &'a str,
    number: usize,
    limit: usize,
}

impl<'a> Lines<'a> {
    fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError { line: self.number.max(1), kind }
    }

    /// The next line; it may end with a line feed alone, and empty ones are passed over.
    fn next(&mut self) -> Result<Option<Line<'a>>, ParseError> {
        while !self.rest.is_empty() {
            let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = rest;
            self.number += 1;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.len() > self.limit {
                return Err(self.error(too_many(self.limit, "bytes in a line")));
            }
            if line.is_empty() {
                continue;
            }
            let (kind, value) = line.split_once('=').ok_or_else(|| self.error(ParseErrorKind::NotALine))?;
            let mut letters = kind.chars();
            return match (letters.next(), letters.next()) {
                (Some(kind @ 'a'..='z'), None) if !value.contains(['\r', '\0']) => Ok(Some(Line { kind, value })),
                _ => Err(self.error(ParseErrorKind::NotALine)),
            };
        }
        Ok(None)
    }

    fn expect(&mut self, kind: char) -> Result<&'a str, ParseError> {
        match self.next()? {
            Some(line) if line.kind == kind => Ok(line.value),
            Some(_) => Err(self.error(ParseErrorKind::Expected(kind))),
            None => Err(self.error(ParseErrorKind::Missing(kind))),
        }
    }
}

/// The three lines that every description begins with.
fn read_start(lines: &mut Lines<'_>) -> Result<SessionDescription, ParseError> {
    if lines.expect('v')?.trim() != "0" {
        return Err(lines.error(ParseErrorKind::Malformed('v')));
    }
    let origin = read_origin(lines.expect('o')?).ok_or_else(|| lines.error(ParseErrorKind::Malformed('o')))?;
    let session_name = lines.expect('s')?.to_owned();
    Ok(SessionDescription { origin, session_name, times: Vec::new(), ..SessionDescription::new(0, 0) })
}

fn read_origin(value: &str) -> Option<Origin> {
    let mut parts = value.splitn(4, ' ');
    Some(Origin {
        username: parts.next().filter(|name| !name.is_empty())?.to_owned(),
        session_id: number(parts.next()?)?,
        session_version: number(parts.next()?)?,
        address: parts.next().filter(|address| words(address).count() == 3)?.to_owned(),
    })
}

/// Digits; a number beyond 64 bits, as the grammar allows, becomes the largest.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn read_media(value: &str) -> Option<MediaDescription> {
    let mut parts = words(value);
    let kind = match parts.next()? {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "application" => MediaKind::Application,
        other => MediaKind::Other(other.to_owned()),
    };
    let port = parts.next()?;
    let (port, port_count) = match port.split_once('/') {
        Some((port, count)) => (port, Some(count.parse().ok()?)),
        None => (port, None),
    };
    let media = MediaDescription {
        port: port.parse().ok()?,
        port_count,
        connections: Vec::new(),
        ..MediaDescription::new(kind, parts.next()?, parts.map(str::to_owned).collect())
    };
    (!media.formats.is_empty()).then_some(media)
}

fn read_connection(value: &str) -> Option<Connection> {
    let mut parts = words(value);
    let (network, address_type, address) = (parts.next()?, parts.next()?, parts.next()?);
    let fits = network == "IN" && parts.next().is_none();
    fits.then(|| Connection { address_type: address_type.to_owned(), address: address.to_owned() })
}

fn read_bandwidth(value: &str) -> Option<Bandwidth> {
    let (kind, value) = value.split_once(':')?;
    Some(Bandwidth { kind: kind.to_owned(), value: number(value.trim())? })
}

fn read_timing(value: &str) -> Option<Timing> {
    let mut parts = words(value);
    let start_stop = (number(parts.next()?)?, number(parts.next()?)?);
    Some(Timing { start_stop, repeats: Vec::new() })
}

/// What is counted of a section.
#[derive(Default)]
struct Section {
    lines: usize,
    candidates: usize,
    fingerprints: usize,
}

impl Section {
    fn count(&mut self, limits: &Limits) -> Result<(), ParseErrorKind> {
        self.lines += 1;
        if self.lines > limits.lines_in_section {
            return Err(too_many(limits.lines_in_section, "lines in a section"));
        }
        Ok(())
    }

    fn read_attribute(&mut self, value: &str, limits: &Limits) -> Result<Attribute, ParseErrorKind> {
        let attribute = Attribute::parse(value).map_err(ParseErrorKind::MalformedAttribute)?;
        match attribute {
            Attribute::Candidate(_) => self.candidates += 1,
            Attribute::Fingerprint(_) => self.fingerprints += 1,
            _ => {}
        }
        if self.candidates > limits.candidates_in_section {
            return Err(too_many(limits.candidates_in_section, "candidates in a section"));
        }
        if self.fingerprints > limits.fingerprints_in_section {
            return Err(too_many(limits.fingerprints_in_section, "fingerprints in a section"));
        }
        Ok(attribute)
    }

    fn read_into_session(
        &mut self,
        session: &mut SessionDescription,
        line: &Line<'_>,
        limits: &Limits,
    ) -> Result<(), ParseErrorKind> {
        let malformed = ParseErrorKind::Malformed(line.kind);
        match line.kind {
            'a' => session.attributes.push(self.read_attribute(line.value, limits)?),
            'c' if session.connection.is_none() => {
                session.connection = Some(read_connection(line.value).ok_or(malformed)?);
            }
            'b' => session.bandwidth.push(read_bandwidth(line.value).ok_or(malformed)?),
            't' => session.times.push(read_timing(line.value).ok_or(malformed)?),
            'r' => session.times.last_mut().ok_or(malformed)?.repeats.push(line.value.to_owned()),
            'v' | 'o' | 's' | 'c' => return Err(malformed),
            kind => session.extra.push(ExtraLine { kind, value: line.value.to_owned() }),
        }
        Ok(())
    }

    fn read_into_media(
        &mut self,
        media: &mut MediaDescription,
        line: &Line<'_>,
        limits: &Limits,
    ) -> Result<(), ParseErrorKind> {
        let malformed = ParseErrorKind::Malformed(line.kind);
        match line.kind {
            'a' => media.attributes.push(self.read_attribute(line.value, limits)?),
            'c' => media.connections.push(read_connection(line.value).ok_or(malformed)?),
            'b' => media.bandwidth.push(read_bandwidth(line.value).ok_or(malformed)?),
            'v' | 'o' | 's' | 't' | 'r' => return Err(malformed),
            kind => media.extra.push(ExtraLine { kind, value: line.value.to_owned() }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

    fn error(text: &str) -> (usize, ParseErrorKind) {
        let error = SessionDescription::parse(text.as_bytes()).unwrap_err();
        (error.line, error.kind)
    }

    #[test]
    fn errors_tell_the_line() {
        use ParseErrorKind::{Expected, Malformed, MalformedAttribute, Missing, NotALine, NotUtf8};
        assert_eq!(error(""), (1, Missing('v')));
        assert_eq!(error("v=0\r\n"), (1, Missing('o')));
        assert_eq!(error("o=x"), (1, Expected('v')));
        assert_eq!(error("v=1\r\n"), (1, Malformed('v')));
        assert_eq!(error("v=0\r\no=- x 2 IN IP4 1.1.1.1\r\n"), (2, Malformed('o')));
        assert_eq!(error(&format!("{START}a=setup:none\r\n")), (5, MalformedAttribute("setup")));
        assert_eq!(error(&format!("{START}\r\nhello\r\n")), (6, NotALine));
        assert_eq!(error(&format!("{START}A=b\r\n")), (5, NotALine));
        assert_eq!(error(&format!("{START}m=audio\r\n")), (5, Malformed('m')));
        assert_eq!(error(&format!("{START}m=audio 9 RTP/AVP\r\n")), (5, Malformed('m')));
        assert_eq!(error(&format!("{START}v=0\r\n")), (5, Malformed('v')));
        let bytes = [START.as_bytes(), b"a=\xff\r\n"].concat();
        assert_eq!(SessionDescription::parse(&bytes).unwrap_err(), ParseError { line: 5, kind: NotUtf8 });
    }

    #[test]
    fn lines_may_end_with_a_line_feed_alone() {
        let strict = format!("{START}a=group:BUNDLE 0\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n");
        let lenient = strict.replace("\r\n", "\n");
        let description: SessionDescription = lenient.parse().unwrap();
        assert_eq!(description.to_string(), strict);
        assert_eq!(lenient.trim_end().parse::<SessionDescription>().unwrap(), description);
    }

    #[test]
    fn lines_that_mean_nothing_here_are_kept() {
        let text = "v=0\r\no=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\ns=Call\r\ni=About\r\nu=http://a\r\n\
            e=j@d\r\np=+1\r\nc=IN IP4 224.2.17.12/127\r\nb=AS:128\r\nt=3034423619 3042462419\r\nr=7d 1h 0 25h\r\n\
            z=2882844526 -1h\r\nk=prompt\r\na=recvonly\r\nm=audio 49170/2 RTP/AVP 0\r\ni=Sound\r\nb=TIAS:64000\r\n\
            k=prompt\r\nq=new\r\na=x\r\nm=text 0 TCP t140\r\n";
        assert_eq!(text.parse::<SessionDescription>().unwrap().to_string(), text);
    }

    #[test]
    fn every_limit_holds() {
        let limited = |text: &str| matches!(error(text).1, ParseErrorKind::TooMany { .. });
        let section = "m=audio 9 RTP/AVP 0\r\n";
        let candidate = "a=candidate:1 1 udp 1 10.0.0.1 1 typ host\r\n";
        let fingerprint = "a=fingerprint:x 00\r\n";
        for (line, limit, first) in
            [(section, 128, ""), (candidate, 256, section), (fingerprint, 32, section), ("a=x\r\n", 512, section)]
        {
            let within = format!("{START}{first}{}", line.repeat(limit));
            assert!(SessionDescription::parse(within.as_bytes()).is_ok(), "{line}");
            assert!(limited(&format!("{within}{line}")), "{line}");
        }
        assert!(limited(&format!("{START}a={}\r\n", "x".repeat(8192))));
        assert!(limited(&format!("{START}{}", "a=xxxxxxx\r\n".repeat(30_000))));
    }

    proptest! {
        #[test]
        fn lines_in_any_mixture_print_stably(lines in prop::collection::vec(
            prop_oneof![
                "[a-z]=[ -~]{0,30}",
                "a=[a-z-]{1,10}(:[ -~]{0,30})?",
                "a=(mid|msid|group|rid|simulcast|ssrc|ssrc-group|rtcp-fb|fmtp|extmap|candidate|rtpmap|rtcp|ice-options|sctpmap):[a-z0-9 /;,=~:*]{0,20}",
                "m=(audio|video|application) [0-9]{1,4} [A-Z/]{1,9} [0-9]{1,3}( [0-9]{1,3}){0,3}",
            ], 0..20)) {
            let text = format!("{START}{}\r\n", lines.join("\r\n"));
            if let Ok(description) = text.parse::<SessionDescription>() {
                let printed = description.to_string();
                let again: SessionDescription = printed.parse().unwrap();
                prop_assert_eq!(&again, &description);
                prop_assert_eq!(again.to_string(), printed);
                for media in &description.media {
                    media.codecs();
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = SessionDescription::parse(&bytes);
            let _ = SessionDescription::parse(&[START.as_bytes(), &bytes].concat());
        }
    }
}
