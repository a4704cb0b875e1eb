//! The names of things: random ids made by the server, and the names that people choose for rooms and themselves.

use std::fmt;

use crate::message::{PeerId, RoomId, SessionId};

/// The letters of base32 (RFC 4648 §6), in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Draws random bytes for `N` letters of base32, five bits each.
pub(crate) fn random_letters<const N: usize>(rng: &mut dyn FnMut(&mut [u8])) -> [u8; N] {
    let mut letters = [0; N];
    rng(&mut letters);
    for letter in &mut letters {
        *letter = ALPHABET.get(usize::from(*letter & 31)).copied().unwrap_or(b'a');
    }
    letters
}

/// The id of a participant or a session: 16 letters of base32, 80 random bits. Small and `Copy`, so that maps of them stay flat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id([u8; 16]);

impl Id {
    /// Draws one.
    pub(crate) fn random(rng: &mut dyn FnMut(&mut [u8])) -> Self {
        Self(random_letters(rng))
    }

    /// Reads one; `None` for anything that [`Id::random`] could not have made.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 16] = text.as_bytes().try_into().ok()?;
        letters.iter().all(|letter| ALPHABET.contains(letter)).then_some(Self(letters))
    }

    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn peer(&self) -> PeerId {
        PeerId(self.as_str().to_owned())
    }

    pub(crate) fn session(&self) -> SessionId {
        SessionId(self.as_str().to_owned())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RoomId {
    /// Longest name of a room, in characters.
    pub const MAX_CHARS: usize = 128;

    /// Reads a room's name as it stands in a link, and lowers its case.
    ///
    /// `None` unless it is 1 to [`RoomId::MAX_CHARS`] of ASCII letters, digits, `-`, `_` and `.`, and not only dots (a URL would swallow those).
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::MAX_CHARS).contains(&text.len());
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let dots = text.bytes().all(|b| b == b'.');
        (fits && plain && !dots).then(|| Self(text.to_ascii_lowercase()))
    }
}

/// Longest name of a participant, in characters.
pub const NAME_MAX_CHARS: usize = 64;

/// Makes a participant's name fit to show: no control characters, no characters that turn the writing direction of what follows, no space around it.
///
/// `None` when nothing is left or it is longer than [`NAME_MAX_CHARS`].
pub(crate) fn clean_name(text: &str) -> Option<Box<str>> {
    // Four bytes a character and some slack for what is taken out; anything longer is not worth a look.
    if text.len() > 8 * NAME_MAX_CHARS {
        return None;
    }
    let shown = |c: &char| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String = text.chars().filter(shown).collect();
    let name = name.trim();
    (1..=NAME_MAX_CHARS).contains(&name.chars().count()).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_letters_of_base32() {
        let mut next = 0u8;
        let id = Id::random(&mut |bytes| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(37);
            }
        });
        assert_eq!(Id::parse(id.as_str()), Some(id));
        assert_eq!(Id::parse("aaaaaaaaaaaaaaa"), None, "too short");
        assert_eq!(Id::parse("AAAAAAAAAAAAAAAA"), None, "upper case");
        assert_eq!(Id::parse("aaaaaaaaaaaaaa10"), None, "0 and 1 are not in the alphabet");
    }

    #[test]
    fn room_names_are_lowered_and_checked() {
        assert_eq!(RoomId::parse("Team-Blue_2.b"), Some(RoomId("team-blue_2.b".into())));
        for bad in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(129)] {
            assert_eq!(RoomId::parse(bad), None, "{bad:?}");
        }
        assert!(RoomId::parse(&"x".repeat(128)).is_some());
    }

    #[test]
    fn names_lose_what_cannot_be_shown() {
        assert_eq!(clean_name("  Ann\u{202e}\n ").as_deref(), Some("Ann"));
        assert_eq!(clean_name(" \u{7} "), None);
        assert_eq!(clean_name(&"n".repeat(65)), None);
        assert!(clean_name(&"ñ".repeat(64)).is_some());
    }
}
