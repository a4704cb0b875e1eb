//! Long-term credentials, USERHASH and the protection against bidding down (RFC 8489 §9.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use thiserror::Error;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// How every nonce of a server that knows RFC 8489 starts; 24 bits of features follow as four base64 letters (§9.2).
pub const NONCE_COOKIE: &str = "obMatJos2";

/// A credential cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// Nothing is left of the text.
    #[error("a user name, realm or password must not be empty")]
    Empty,
    /// A control character or the like, which OpaqueString forbids (RFC 8265 §4.2).
    #[error("a user name, realm or password must not contain the character {0:?}")]
    Forbidden(char),
}

/// Prepares a password or realm by the OpaqueString profile (RFC 8265 §4.2): spaces of all kinds become U+0020, NFC
/// is applied, and control characters are refused.
pub fn opaque_string(text: &str) -> Result<Cow<'_, str>, CredentialError> {
    if text.is_empty() {
        return Err(CredentialError::Empty);
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || is_ignorable(*c)) {
        return Err(CredentialError::Forbidden(bad));
    }
    let odd_space = |c: char| c != ' ' && c.is_whitespace();
    if text.is_ascii() || (is_nfc_quick(text.chars()) == IsNormalized::Yes && !text.contains(odd_space)) {
        return Ok(Cow::Borrowed(text));
    }
    Ok(Cow::Owned(text.chars().map(|c| if odd_space(c) { ' ' } else { c }).nfc().collect()))
}

/// Characters that cannot be seen and that PRECIS disallows: soft hyphen, joiners, direction marks, tags, and others
/// (RFC 8264 §9.13).
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}' | '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// USERHASH of a user in a realm: SHA-256(user ":" realm) (RFC 8489 §14.4).
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    Sha256::new().chain_update(username).chain_update(":").chain_update(realm).finalize().into()
}

/// How the key is made from a long-term password (RFC 8489 §18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasswordAlgorithm {
    /// 0x0001: what browsers speak.
    Md5,
    /// 0x0002.
    Sha256,
}

impl PasswordAlgorithm {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha256 => 2,
        }
    }

    /// The algorithm of a number, if we know it.
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// The key of a long-term credential: a hash of user:realm:password (RFC 8489 §9.2.2, §18.5.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LongTermKey {
    /// MD5, 16 bytes.
    Md5([u8; 16]),
    /// SHA-256, 32 bytes.
    Sha256([u8; 32]),
}

impl LongTermKey {
    /// Makes the key. `realm` and `password` must be prepared by [`opaque_string`].
    pub fn new(algorithm: PasswordAlgorithm, username: &str, realm: &str, password: &str) -> Self {
        fn hash<D: Digest>(parts: [&str; 5]) -> D {
            parts.iter().fold(D::new(), |hash, part| hash.chain_update(part))
        }
        let parts = [username, ":", realm, ":", password];
        match algorithm {
            PasswordAlgorithm::Md5 => Self::Md5(hash::<Md5>(parts).finalize().into()),
            PasswordAlgorithm::Sha256 => Self::Sha256(hash::<Sha256>(parts).finalize().into()),
        }
    }

    /// The bytes that key the HMAC.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Md5(key) => key,
            Self::Sha256(key) => key,
        }
    }

    /// Which hash made it.
    pub fn algorithm(&self) -> PasswordAlgorithm {
        match self {
            Self::Md5(_) => PasswordAlgorithm::Md5,
            Self::Sha256(_) => PasswordAlgorithm::Sha256,
        }
    }
}

impl std::fmt::Debug for LongTermKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LongTermKey({:?}, secret)", self.algorithm())
    }
}

/// What a server says about itself inside its nonce, where nobody can take it away unseen (RFC 8489 §9.2.1, §18.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecurityFeatures {
    /// Bit 0: the server sends PASSWORD-ALGORITHMS.
    pub password_algorithms: bool,
    /// Bit 1: the server takes USERHASH.
    pub username_anonymity: bool,
}

impl SecurityFeatures {
    /// The 13 characters with which a nonce of these features starts.
    pub fn nonce_prefix(self) -> String {
        let bits = u8::from(self.password_algorithms) | u8::from(self.username_anonymity) << 1;
        format!("{NONCE_COOKIE}{}", STANDARD.encode([0, 0, bits]))
    }

    /// Reads the features out of a nonce; none if it does not start with the cookie.
    pub fn of_nonce(nonce: &str) -> Self {
        let bits = nonce
            .strip_prefix(NONCE_COOKIE)
            .and_then(|rest| rest.get(..4))
            .and_then(|letters| STANDARD.decode(letters).ok())
            .and_then(|bytes| bytes.last().copied())
            .unwrap_or(0);
        Self { password_algorithms: bits & 1 != 0, username_anonymity: bits & 2 != 0 }
    }
}

/// Somebody between us took a feature out of a message: give up, or the password goes out with a weak hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BidDown {
    /// The nonce promises PASSWORD-ALGORITHMS and the message lacks them (RFC 8489 §9.2.5).
    #[error("the nonce promises password algorithms but the response lists none")]
    AlgorithmsRemoved,
    /// The list holds nothing that we can do.
    #[error("the server lists no password algorithm that we know")]
    NoneKnown,
}

impl SecurityFeatures {
    /// What a client must use after a challenge with this nonce and list (RFC 8489 §9.2.5).
    pub fn choose(
        nonce: &str,
        offered: Option<crate::attribute::PasswordAlgorithms<'_>>,
    ) -> Result<Option<PasswordAlgorithm>, BidDown> {
        match (Self::of_nonce(nonce).password_algorithms, offered) {
            (true, None) => Err(BidDown::AlgorithmsRemoved),
            (_, Some(list)) => list.choose().map(Some).ok_or(BidDown::NoneKnown),
            (false, None) => Ok(None),
        }
    }
}
