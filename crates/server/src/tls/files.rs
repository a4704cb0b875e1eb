//! A certificate and key of the user's, read again whenever the files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{TlsError, certified};

/// The two files and the state in which they were last looked at.
pub(crate) struct Files {
    cert: PathBuf,
    key: PathBuf,
    seen: [Option<Stamp>; 2],
}

/// What changes when a file is rewritten or replaced.
#[derive(PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        // Follows symbolic links, which is how certificates are commonly swapped.
        let metadata = std::fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Stamp { modified: metadata.modified().ok(), length: metadata.len(), inode })
    }
}

impl Files {
    pub(crate) fn new(cert: PathBuf, key: PathBuf) -> Self {
        Files { cert, key, seen: [None, None] }
    }

    /// Whether a file has changed since the last call of `read`.
    pub(crate) fn changed(&self) -> bool {
        self.seen != [Stamp::of(&self.cert), Stamp::of(&self.key)]
    }

    /// Reads both files and checks that they belong together.
    pub(crate) fn read(&mut self) -> Result<Arc<CertifiedKey>, TlsError> {
        // Before reading: a change in between is then seen next time.
        self.seen = [Stamp::of(&self.cert), Stamp::of(&self.key)];
        let chain = read_chain(&self.cert)?;
        let key = read_key(&self.key)?;
        certified(chain, key).map(Arc::new).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { cert: self.cert.clone(), key: self.key.clone() },
            other => TlsError::Unusable {
                path: self.key.clone(),
                reason: other.to_string(),
                advice: "use a key of the kinds ECDSA P-256 or P-384, Ed25519, or RSA of 2048 bits and more".into(),
            },
        })
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

fn unusable(path: &Path, reason: &str, advice: &str) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), reason: reason.into(), advice: advice.into() }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read_file(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let first = chain.as_ref().ok().and_then(|chain| chain.first());
    if let Some(Err(error)) = first.map(|der| x509_parser::parse_x509_certificate(der)) {
        return Err(unusable(path, &format!("its first certificate is damaged: {error}"), "copy it again"));
    }
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) if PrivateKeyDer::from_pem_slice(&bytes).is_ok() => {
            Err(unusable(path, "it holds a private key and no certificate", "swap the values of --cert and --key?"))
        }
        Ok(_) => Err(unusable(
            path,
            "there is no certificate in it",
            "give a file in PEM: it has a line -----BEGIN CERTIFICATE-----",
        )),
        Err(error) => Err(unusable(path, &error.to_string(), "give a file in PEM, the server's certificate first")),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read_file(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| {
        let has = |marker: &str| bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
        if has("ENCRYPTED") {
            let advice = format!("take the password off: openssl pkey -in {} -out key.pem", path.display());
            unusable(path, "it is protected by a password", &advice)
        } else if has("BEGIN CERTIFICATE") {
            unusable(path, "it holds a certificate and no private key", "swap the values of --cert and --key?")
        } else {
            unusable(
                path,
                "there is no private key in it",
                "give a file in PEM: it has a line -----BEGIN PRIVATE KEY-----",
            )
        }
    })
}
