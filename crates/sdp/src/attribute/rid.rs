use super::format::payload_type;
use super::{token, words};
use std::fmt;

/// Who sends the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RidDirection {
    /// The describer.
    Send,
    /// The other side.
    Recv,
}

impl RidDirection {
    fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Recv => "recv",
        }
    }
}

/// A limit of a layer, as `max-width=1280` (RFC 8851 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RidRestriction {
    /// As `max-width`.
    pub name: String,
    /// The limit; none if it is yet to be told.
    pub value: Option<String>,
}

/// A simulcast layer (RFC 8851 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rid {
    /// Its name.
    pub id: String,
    /// Who sends it.
    pub direction: RidDirection,
    /// The payload types that it may have; empty for all of the section.
    pub payload_types: Vec<u8>,
    /// Its limits.
    pub restrictions: Vec<RidRestriction>,
}

impl Rid {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text);
        let id = token(words.next()?)?;
        let direction = match words.next()? {
            "send" => RidDirection::Send,
            "recv" => RidDirection::Recv,
            _ => return None,
        };
        let mut rid = Self { id, direction, payload_types: Vec::new(), restrictions: Vec::new() };
        for part in words.flat_map(|word| word.split(';')).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("pt", numbers)) => {
                    rid.payload_types = numbers.split(',').map(payload_type).collect::<Option<_>>()?;
                }
                Some((name, value)) => {
                    rid.restrictions.push(RidRestriction { name: name.to_owned(), value: Some(value.to_owned()) });
                }
                None => rid.restrictions.push(RidRestriction { name: part.to_owned(), value: None }),
            }
        }
        Some(rid)
    }

    /// The value of a limit, if it is a number.
    pub fn limit(&self, name: &str) -> Option<u64> {
        self.restrictions.iter().find(|known| known.name == name)?.value.as_ref()?.parse().ok()
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.direction.as_str())?;
        let mut before = " ";
        if !self.payload_types.is_empty() {
            let numbers: Vec<_> = self.payload_types.iter().map(u8::to_string).collect();
            write!(f, " pt={}", numbers.join(","))?;
            before = ";";
        }
        for restriction in &self.restrictions {
            write!(f, "{before}{}", restriction.name)?;
            if let Some(value) = &restriction.value {
                write!(f, "={value}")?;
            }
            before = ";";
        }
        Ok(())
    }
}
