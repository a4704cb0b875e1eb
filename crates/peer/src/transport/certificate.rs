//! Certificates that peers know each other by (W3C webrtc-pc §4.9, RFC 8122).

use crate::error::Error;
use aws_lc_rs::digest;
use parlour_sdp::{Fingerprint, HashFunction};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// How long a certificate lasts if not told (W3C webrtc-pc §4.9.1).
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest that a certificate may last.
const MAX_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// The other side's clock may be behind.
const LEEWAY: Duration = Duration::from_secs(24 * 3600);

/// A self-signed certificate with its key, ECDSA over P-256. Cheap to clone; may serve many connections, which the other
/// sides can tell.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    expires: Duration,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("fingerprint", &self.fingerprint().to_string()).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Makes a certificate that lasts 30 days. `unix_time` is the time since 1970. The key comes from the system's
    /// generator.
    pub fn generate(unix_time: Duration) -> Result<Self, Error> {
        Self::generate_for(unix_time, LIFETIME)
    }

    /// Makes a certificate that lasts this long, at most a year.
    pub fn generate_for(unix_time: Duration, lifetime: Duration) -> Result<Self, Error> {
        let failed = |error: &dyn fmt::Display| Error::Operation(format!("no certificate could be made: {error}"));
        let expires = unix_time + lifetime.min(MAX_LIFETIME);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| failed(&error))?;
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "WebRTC");
        parameters.not_before = date(unix_time.saturating_sub(LEEWAY)).map_err(|error| failed(&error))?;
        parameters.not_after = date(expires).map_err(|error| failed(&error))?;
        let signed = parameters.self_signed(&key).map_err(|error| failed(&error))?;
        let inner = Inner { der: signed.der().to_vec(), key: Zeroizing::new(key.serialize_der()), expires };
        Ok(Self(Arc::new(inner)))
    }

    /// Takes a certificate and its key (PKCS #8), both as DER. `expires` is the time since 1970.
    pub fn from_der(certificate: Vec<u8>, key: Vec<u8>, expires: Duration) -> Self {
        Self(Arc::new(Inner { der: certificate, key: Zeroizing::new(key), expires }))
    }

    /// The certificate as DER.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The key as DER (PKCS #8). Keep it secret.
    pub fn key_der(&self) -> &[u8] {
        &self.0.key
    }

    /// When it ends, as the time since 1970.
    pub fn expires(&self) -> Duration {
        self.0.expires
    }

    /// Its SHA-256 fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        let hash = digest::digest(&digest::SHA256, &self.0.der).as_ref().to_vec();
        Fingerprint { function: HashFunction::Sha256, hash }
    }
}

fn date(unix_time: Duration) -> Result<OffsetDateTime, time::error::ComponentRange> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(unix_time.as_secs()).unwrap_or(i64::MAX))
}

/// Whether a certificate has one of these fingerprints, by the strongest function that they use and we know (RFC 8122 §5).
pub(crate) fn matches(certificate: &[u8], fingerprints: &[Fingerprint]) -> bool {
    let by = [
        (HashFunction::Sha512, &digest::SHA512),
        (HashFunction::Sha384, &digest::SHA384),
        (HashFunction::Sha256, &digest::SHA256),
    ];
    let strongest = by.iter().find(|(function, _)| fingerprints.iter().any(|known| known.function == *function));
    let Some((function, algorithm)) = strongest else { return false };
    let hash = digest::digest(algorithm, certificate);
    fingerprints.iter().any(|known| known.function == *function && known.hash == hash.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    /// W3C webrtc-pc §4.9.1: 30 days, and never more than a year.
    #[test]
    fn certificates_end() {
        let month = Certificate::generate(NOW).unwrap();
        assert_eq!(month.expires(), NOW + Duration::from_secs(2_592_000));
        let long = Certificate::generate_for(NOW, Duration::MAX).unwrap();
        assert_eq!(long.expires(), NOW + MAX_LIFETIME);
    }

    /// RFC 8122 §5: the strongest function counts, and SHA-1 does not.
    #[test]
    fn a_certificate_is_known_by_its_strongest_fingerprint() {
        let one = Certificate::generate(NOW).unwrap();
        let other = Certificate::generate(NOW).unwrap();
        assert!(matches(one.der(), &[other.fingerprint(), one.fingerprint()]));
        assert!(!matches(one.der(), &[other.fingerprint()]));
        assert!(!matches(one.der(), &[]));
        let sha512 = |of: &Certificate| Fingerprint {
            function: HashFunction::Sha512,
            hash: digest::digest(&digest::SHA512, of.der()).as_ref().to_vec(),
        };
        assert!(!matches(one.der(), &[one.fingerprint(), sha512(&other)]));
        assert!(matches(one.der(), &[other.fingerprint(), sha512(&one)]));
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, one.der()).as_ref().to_vec();
        assert!(!matches(one.der(), &[Fingerprint { function: HashFunction::Sha1, hash: sha1 }]));
    }
}
