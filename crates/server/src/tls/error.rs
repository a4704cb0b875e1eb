//! What can be wrong with certificates and keys, and what to do about it.

use std::path::PathBuf;

/// HTTPS cannot start. [`TlsError::advice`] says what to try.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or directory cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or directory cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the data directory is damaged. It is left as it is.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key of the user's cannot be used.
    #[error("{} cannot be used: {reason}", path.display())]
    Unusable {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to try.
        advice: String,
    },
    /// The private key belongs to another certificate.
    #[error("the key {} does not belong to the certificate {}", key.display(), cert.display())]
    Mismatch {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The built-in authority has expired.
    #[error("the certificate authority in {} has expired", path.display())]
    Expired {
        /// Its directory.
        path: PathBuf,
    },
    /// The cryptographic library refused; not expected.
    #[error("cannot make a certificate: {0}")]
    Crypto(String),
}

impl TlsError {
    /// What the person at the terminal can try.
    pub fn advice(&self) -> String {
        match self {
            TlsError::Read { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                format!("check the path; {} does not exist", path.display())
            }
            TlsError::Read { path, .. } => format!("let this user read it: chmod u+r {}", path.display()),
            TlsError::Write { .. } => "choose another directory with --data DIR, or make this one writable".into(),
            TlsError::Damaged { path, .. } => format!(
                "put {} back from a backup, or move it away and start again: a new one is made, \
                 and devices that trust the old authority must trust the new one",
                path.display()
            ),
            TlsError::Unusable { advice, .. } => advice.clone(),
            TlsError::Mismatch { .. } => {
                "give the certificate and the key that were issued together with --cert and --key".into()
            }
            TlsError::Expired { path } => format!(
                "move {} away and start again: a new authority is made, which devices must trust anew",
                path.display()
            ),
            TlsError::Crypto(_) => "please report this as a bug".into(),
        }
    }
}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> Self {
        TlsError::Crypto(error.to_string())
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        TlsError::Crypto(error.to_string())
    }
}
