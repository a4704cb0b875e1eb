use super::Direction;
use std::fmt;

/// What a header extension number stands for (RFC 8285 §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extmap {
    /// 1 to 255 for a number on the wire, or 4096 to 4351 for an offer of more extensions than numbers.
    pub id: u16,
    /// Which way it flows, if not both.
    pub direction: Option<Direction>,
    /// The name of the extension.
    pub uri: String,
    /// What the extension defines.
    pub attributes: Option<String>,
}

impl Extmap {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.split_once(' ')?;
        let (id, direction) = match head.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::from_word(direction)?)),
            None => (head, None),
        };
        let id = id.parse().ok().filter(|id| matches!(id, 1..=255 | 4096..=4351))?;
        let (uri, attributes) = match rest.split_once(' ') {
            Some((uri, attributes)) => (uri, Some(attributes.to_owned())),
            None => (rest, None),
        };
        (!uri.is_empty()).then(|| Self { id, direction, uri: uri.to_owned(), attributes })
    }
}

impl fmt::Display for Extmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        self.attributes.as_ref().map_or(Ok(()), |attributes| write!(f, " {attributes}"))
    }
}
