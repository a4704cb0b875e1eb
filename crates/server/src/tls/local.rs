//! The built-in authority and its leaf certificate in the data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use super::authority::{Authority, Leaf};
use super::names::Names;
use super::store::{self, Access};
use super::{TlsError, certified};

/// A leaf keeps earlier addresses of this machine up to this many names, so that a laptop which goes to and fro between
/// two networks keeps its certificate, and browsers the exceptions for it.
const MOST_NAMES: usize = 32;

/// The authority, the leaf's key and the leaf, all of them persistent.
pub(crate) struct Local {
    dir: PathBuf,
    authority: Authority,
    authority_pem: String,
    key: KeyPair,
    leaf: CertificateDer<'static>,
}

impl Local {
    /// Opens what is in `dir`, makes what is missing, and replaces a leaf that does not serve `names` any more.
    pub(crate) fn open(dir: &Path, names: &Names, now: OffsetDateTime) -> Result<Self, TlsError> {
        store::create_dir(dir)?;
        let (authority, authority_pem) = open_authority(dir, names, now)?;
        if authority.has_expired(now) {
            return Err(TlsError::Expired { path: dir.to_owned() });
        }
        let key = open_key(&dir.join("leaf.key"))?;
        let path = dir.join("leaf.pem");
        let leaf = match store::read(&path)? {
            Some(pem) => one_certificate(&path, &pem)?,
            None => issue(&path, &authority, &key, names, now)?,
        };
        let mut local = Local { dir: dir.to_owned(), authority, authority_pem, key, leaf };
        local.refresh(names, now)?;
        Ok(local)
    }

    /// Issues a new leaf if the present one does not serve `names` any more. Whether it did.
    pub(crate) fn refresh(&mut self, names: &Names, now: OffsetDateTime) -> Result<bool, TlsError> {
        let path = self.dir.join("leaf.pem");
        let names = self.authority.permitted(names);
        let leaf = Leaf::parse(&self.leaf, &self.authority)
            .map_err(|reason| TlsError::Damaged { path: path.clone(), reason })?;
        if leaf.serves(&self.key, &names, now) {
            return Ok(false);
        }
        let mut all = names.clone();
        all.dns.extend(leaf.names().dns.iter().cloned());
        all.ips.extend(leaf.names().ips.iter().copied());
        let names = if all.len() <= MOST_NAMES { all } else { names };
        self.leaf = issue(&path, &self.authority, &self.key, &names, now)?;
        Ok(true)
    }

    /// The leaf and its key for the TLS stack, with the authority's certificate behind it.
    pub(crate) fn certified(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).map_err(|error| TlsError::Crypto(error.into()))?;
        Ok(Arc::new(certified(vec![self.leaf.clone(), self.authority.der().clone()], key)?))
    }

    pub(crate) fn authority_der(&self) -> &CertificateDer<'static> {
        self.authority.der()
    }

    pub(crate) fn authority_pem(&self) -> &str {
        &self.authority_pem
    }
}

fn open_authority(dir: &Path, names: &Names, now: OffsetDateTime) -> Result<(Authority, String), TlsError> {
    let (cert_path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
    let Some(pem) = store::read(&cert_path)? else {
        // The key is written first: a key alone is a first start that was cut short.
        let (authority, pem) = Authority::create(open_key(&key_path)?, names, now)?;
        store::write(&cert_path, &pem, Access::Public)?;
        return Ok((authority, pem));
    };
    let der = one_certificate(&cert_path, &pem)?;
    if !key_path.exists() {
        let reason = "its key ca.key is missing".into();
        return Err(TlsError::Damaged { path: cert_path, reason });
    }
    let authority =
        Authority::open(der, open_key(&key_path)?).map_err(|reason| TlsError::Damaged { path: cert_path, reason })?;
    Ok((authority, pem))
}

/// Reads a key, or makes one (ECDSA with P-256).
fn open_key(path: &Path) -> Result<KeyPair, TlsError> {
    match store::read(path)? {
        Some(pem) => KeyPair::from_pem(&pem).map_err(|error| TlsError::Damaged {
            path: path.to_owned(),
            reason: format!("not a private key: {error}"),
        }),
        None => {
            let key = KeyPair::generate()?;
            store::write(path, &key.serialize_pem(), Access::Private)?;
            Ok(key)
        }
    }
}

fn one_certificate(path: &Path, pem: &str) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| TlsError::Damaged { path: path.to_owned(), reason: "there is no certificate in it".into() })
}

fn issue(
    path: &Path,
    authority: &Authority,
    key: &KeyPair,
    names: &Names,
    now: OffsetDateTime,
) -> Result<CertificateDer<'static>, TlsError> {
    let pem = authority.issue(key, names, now)?;
    store::write(path, &pem, Access::Public)?;
    one_certificate(path, &pem)
}
