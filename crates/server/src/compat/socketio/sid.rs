//! Names of clients and of their sessions.

use std::fmt;
use std::str::FromStr;

use crate::shards::random;

/// Letters of a name: as many as Socket.IO's own server gives.
const LETTERS: usize = 20;

/// What letters there are: six bits each, none of which means anything in a URL or in JSON.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A name that nobody can guess (120 bits).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sid([u8; LETTERS]);

impl Sid {
    pub(super) fn new() -> Self {
        let mut letters = [0; LETTERS];
        random(&mut letters);
        for letter in &mut letters {
            *letter = ALPHABET.get(usize::from(*letter % 64)).copied().unwrap_or(b'A');
        }
        Self(letters)
    }

    pub(super) fn as_str(&self) -> &str {
        // Nothing but letters of the alphabet is ever in it.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Sid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let letters: [u8; LETTERS] = text.as_bytes().try_into().map_err(|_| ())?;
        if letters.iter().all(|letter| ALPHABET.contains(letter)) { Ok(Self(letters)) } else { Err(()) }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let (one, other) = (Sid::new(), Sid::new());
        assert_ne!(one, other);
        assert_eq!(one.to_string().parse(), Ok(one));
        for text in ["", "short", "aaaaaaaaaaaaaaaaaaa\"", "aaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(text.parse::<Sid>(), Err(()), "{text}");
        }
    }
}
