use super::words;
use std::fmt;

/// Something about an SSRC (RFC 5576 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcAttribute {
    /// The SSRC.
    pub ssrc: u32,
    /// As `cname` or `msid`.
    pub name: String,
    /// What stands after the colon.
    pub value: Option<String>,
}

impl SsrcAttribute {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ssrc, rest) = text.split_once(' ').unwrap_or((text, ""));
        let ssrc = ssrc.parse().ok()?;
        let (name, value) = match rest.split_once(':') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (rest, None),
        };
        Some(Self { ssrc, name: name.to_owned(), value })
    }
}

impl fmt::Display for SsrcAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ssrc)?;
        match &self.value {
            Some(value) => write!(f, " {}:{value}", self.name),
            None if self.name.is_empty() => Ok(()),
            None => write!(f, " {}", self.name),
        }
    }
}

/// SSRCs that belong together (RFC 5576 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    /// As `FID` for a stream and its retransmissions, `SIM` for layers.
    pub semantics: String,
    /// The SSRCs.
    pub ssrcs: Vec<u32>,
}

impl SsrcGroup {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text);
        let semantics = words.next()?.to_owned();
        let ssrcs = words.map(|word| word.parse().ok()).collect::<Option<Vec<_>>>()?;
        (!ssrcs.is_empty()).then_some(Self { semantics, ssrcs })
    }
}

impl fmt::Display for SsrcGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.ssrcs.iter().try_for_each(|ssrc| write!(f, " {ssrc}"))
    }
}
