//! User name fragments and passwords (RFC 8445 §5.3), and what else the agents tell each other beside candidates.

use parlour_stun::IntegrityKey;
use parlour_turn::Rng;
use thiserror::Error;

/// What an agent tells the other one, by signaling, before checks can run (RFC 8839 §5.4 to §5.6).
#[derive(Clone, PartialEq, Eq)]
pub struct Parameters {
    /// The user name fragment: 4 to 256 ice-chars.
    pub ufrag: String,
    /// The password: 22 to 256 ice-chars.
    pub pwd: String,
    /// Whether the agent is a lite one.
    pub lite: bool,
    /// What the agent can do beyond RFC 8445.
    pub options: Options,
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameters")
            .field("ufrag", &self.ufrag)
            .field("lite", &self.lite)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The words of `a=ice-options` that this agent knows (RFC 8839 §5.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `trickle` (RFC 8840 §4.1.1).
    pub trickle: bool,
    /// `ice2` (RFC 8445 §10).
    pub ice2: bool,
    /// `renomination2`: NOMINATION 0x0030 (draft-thatcher-tsvwg-renomination).
    pub renomination2: bool,
    /// `renomination`: the older attribute, 0xC001, as libwebrtc has it.
    pub renomination: bool,
    /// `sped`: DTLS rides on checks.
    pub sped: bool,
}

impl Options {
    /// Reads the words, of which unknown ones are passed over.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut options = Self::default();
        for word in words {
            match word {
                "trickle" => options.trickle = true,
                "ice2" => options.ice2 = true,
                "renomination2" => options.renomination2 = true,
                "renomination" => options.renomination = true,
                "sped" => options.sped = true,
                _ => {}
            }
        }
        options
    }

    /// The words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        [
            (self.trickle, "trickle"),
            (self.ice2, "ice2"),
            (self.renomination, "renomination"),
            (self.renomination2, "renomination2"),
            (self.sped, "sped"),
        ]
        .into_iter()
        .filter_map(|(has, word)| has.then_some(word))
    }

    pub(crate) fn renominates(self) -> bool {
        self.renomination || self.renomination2
    }
}

/// The other agent's parameters cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParameterError {
    /// Too short, too long, or characters that may not be.
    #[error("the ufrag {0:?} must have 4 to 256 letters, digits, '+' or '/'")]
    Ufrag(String),
    /// The same of the password, which is not shown.
    #[error("the password must have 22 to 256 letters, digits, '+' or '/'; this one has {0} bytes")]
    Password(usize),
    /// This generation has a remote side already.
    #[error("the other side has restarted ICE; call restart first, and tell it the new local parameters")]
    RestartNeeded,
}

const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// 48 bits; RFC 8445 §5.3 asks for 24.
const UFRAG_LEN: usize = 8;
/// 144 bits; RFC 8445 §5.3 asks for 128.
const PWD_LEN: usize = 24;

/// One side's secret, with the key made.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    pub(crate) key: IntegrityKey,
}

impl Credentials {
    /// Draws a pair; `rng` must be a cryptographic generator.
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let mut bytes = [0; UFRAG_LEN + PWD_LEN];
        rng(&mut bytes);
        let text: String =
            bytes.iter().filter_map(|b| ICE_CHARS.get(usize::from(b & 63))).map(|c| char::from(*c)).collect();
        let (ufrag, pwd) = text.split_at_checked(UFRAG_LEN).unwrap_or_default();
        Self { ufrag: ufrag.to_owned(), pwd: pwd.to_owned(), key: IntegrityKey::sha1(pwd.as_bytes()) }
    }

    /// Takes a pair that was drawn elsewhere.
    pub(crate) fn new(ufrag: &str, pwd: &str) -> Result<Self, ParameterError> {
        let fine = |text: &str, least| {
            (least..=256).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_=#".contains(&b))
        };
        if !fine(ufrag, 4) {
            return Err(ParameterError::Ufrag(ufrag.chars().take(32).collect()));
        }
        if !fine(pwd, 22) {
            return Err(ParameterError::Password(pwd.len()));
        }
        Ok(Self { ufrag: ufrag.to_owned(), pwd: pwd.to_owned(), key: IntegrityKey::sha1(pwd.as_bytes()) })
    }

    /// Takes the other side's.
    pub(crate) fn remote(parameters: &Parameters) -> Result<Self, ParameterError> {
        Self::new(&parameters.ufrag, &parameters.pwd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(ufrag: &str, pwd: &str) -> Parameters {
        Parameters { ufrag: ufrag.into(), pwd: pwd.into(), lite: false, options: Options::default() }
    }

    #[test]
    fn drawn_credentials_are_long_enough_and_accepted_by_the_other_side() {
        let mut next = 0u8;
        let mut rng: Rng = Box::new(move |bytes| {
            for byte in bytes {
                next = next.wrapping_add(41);
                *byte = next;
            }
        });
        let drawn = Credentials::random(&mut rng);
        assert_eq!((drawn.ufrag.len(), drawn.pwd.len()), (8, 24));
        assert!(Credentials::remote(&parameters(&drawn.ufrag, &drawn.pwd)).is_ok());
        assert_ne!(Credentials::random(&mut rng).pwd, drawn.pwd);
    }

    #[test]
    fn remote_credentials_out_of_the_bounds_of_rfc_8839_5_4_are_refused() {
        let good = "a".repeat(22);
        assert_eq!(Credentials::remote(&parameters("abc", &good)).err(), Some(ParameterError::Ufrag("abc".into())));
        assert!(Credentials::remote(&parameters(&"a".repeat(257), &good)).is_err());
        assert!(Credentials::remote(&parameters("ab:c", &good)).is_err());
        assert_eq!(Credentials::remote(&parameters("abcd", "short")).err(), Some(ParameterError::Password(5)));
        assert!(Credentials::remote(&parameters("abcd", &"a".repeat(257))).is_err());
    }

    #[test]
    fn options_are_read_and_printed_and_unknown_ones_passed_over() {
        let options = Options::parse("trickle ice2 renomination nonsense sped".split(' '));
        assert_eq!(options.words().collect::<Vec<_>>(), ["trickle", "ice2", "renomination", "sped"]);
        assert!(options.renominates());
    }
}
