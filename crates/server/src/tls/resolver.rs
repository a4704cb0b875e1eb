//! Which certificate a client gets. Certificates are swapped while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// The protocol name of the ACME challenge over TLS (RFC 8737 §4).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// A certificate for one domain.
pub(crate) struct ForDomain {
    pub(crate) domain: String,
    pub(crate) key: Arc<CertifiedKey>,
}

/// The certificates in use.
#[derive(Default)]
pub(crate) struct Resolver {
    /// The built-in authority's, or the user's.
    own: ArcSwapOption<CertifiedKey>,
    /// From ACME.
    domain: ArcSwapOption<ForDomain>,
    /// The answer to an ACME challenge that is going on.
    challenge: ArcSwapOption<ForDomain>,
}

impl Resolver {
    pub(crate) fn set_own(&self, key: Arc<CertifiedKey>) {
        self.own.store(Some(key));
    }

    pub(crate) fn set_domain(&self, certificate: ForDomain) {
        self.domain.store(Some(Arc::new(certificate)));
    }

    pub(crate) fn set_challenge(&self, certificate: Option<ForDomain>) {
        self.challenge.store(certificate.map(Arc::new));
    }

    /// The certificate for those who name no other.
    pub(crate) fn main(&self) -> Option<Arc<CertifiedKey>> {
        self.domain.load().as_ref().map(|certificate| certificate.key.clone()).or_else(|| self.own.load_full())
    }

    pub(crate) fn pick(&self, server_name: Option<&str>, acme: bool) -> Option<Arc<CertifiedKey>> {
        let named =
            |certificate: &ForDomain| server_name.is_some_and(|name| name.eq_ignore_ascii_case(&certificate.domain));
        let of = |slot: &ArcSwapOption<ForDomain>| {
            slot.load().as_ref().filter(|certificate| named(certificate)).map(|certificate| certificate.key.clone())
        };
        if acme { of(&self.challenge) } else { of(&self.domain).or_else(|| self.own.load_full()) }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let acme = client_hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS));
        self.pick(client_hello.server_name(), acme)
    }
}
