use std::fmt;

/// How a certificate was hashed (RFC 8122 §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HashFunction {
    /// Not to be trusted any more.
    Sha1,
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
    /// Some other function, in lower case.
    Other(String),
}

impl HashFunction {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
            Self::Other(name) => name,
        }
    }

    fn from_word(word: &str) -> Self {
        let name = word.to_ascii_lowercase();
        match name.as_str() {
            "sha-1" => Self::Sha1,
            "sha-256" => Self::Sha256,
            "sha-384" => Self::Sha384,
            "sha-512" => Self::Sha512,
            _ => Self::Other(name),
        }
    }

    fn length(&self) -> Option<usize> {
        match self {
            Self::Sha1 => Some(20),
            Self::Sha256 => Some(32),
            Self::Sha384 => Some(48),
            Self::Sha512 => Some(64),
            Self::Other(_) => None,
        }
    }
}

/// The hash of a certificate (RFC 8122 §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// How it was hashed.
    pub function: HashFunction,
    /// The hash, of the length of the function.
    pub hash: Vec<u8>,
}

impl Fingerprint {
    /// Reads what stands after `fingerprint:`. Hexadecimal digits of either case will do.
    pub fn parse(text: &str) -> Option<Self> {
        let (function, digits) = text.split_once(' ')?;
        let function = HashFunction::from_word(function);
        let byte = |pair: &str| {
            let hex = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
        };
        let hash = digits.trim_matches(' ').split(':').map(byte).collect::<Option<Vec<_>>>()?;
        let fits = function.length().is_none_or(|length| length == hash.len());
        (fits && hash.len() <= 64).then_some(Self { function, hash })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.function.as_str())?;
        self.hash.iter().enumerate().try_for_each(|(at, byte)| {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")
        })
    }
}
