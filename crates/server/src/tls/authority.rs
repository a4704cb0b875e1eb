//! The built-in certificate authority: one per data directory, able to certify this network's names only.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _, SanType,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::TlsError;
use super::names::{Names, PRIVATE_RANGES};

/// How long the authority is valid.
const AUTHORITY_LIFETIME: Duration = Duration::days(3650);
/// How long a leaf is valid: what browsers accept at most from public authorities, and thus everywhere.
const LEAF_LIFETIME: Duration = Duration::days(397);
/// A leaf is replaced when it is valid for less than this.
const LEAF_RENEWAL: Duration = Duration::days(30);
/// Clocks of other devices may be behind by this much.
const CLOCK_SKEW: Duration = Duration::hours(24);

/// A certificate authority with its key.
pub(crate) struct Authority {
    der: CertificateDer<'static>,
    key: KeyPair,
    not_after: OffsetDateTime,
    dns: Vec<String>,
}

impl Authority {
    /// Makes an authority that is constrained (RFC 5280 §4.2.1.10) to private addresses and to `names`. Also its PEM.
    pub(crate) fn create(key: KeyPair, names: &Names, now: OffsetDateTime) -> Result<(Self, String), TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = authority_name(&key, names);
        params.not_before = now - CLOCK_SKEW;
        params.not_after = now + AUTHORITY_LIFETIME;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let dns = names.dns.iter().map(String::as_str).filter(|name| !name.ends_with(".local"));
        let ranges = PRIVATE_RANGES.iter().map(|(ip, prefix)| CidrSubnet::from_addr_prefix(*ip, *prefix));
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: ["local", "localhost"]
                .into_iter()
                .chain(dns.filter(|name| *name != "localhost"))
                .map(|name| GeneralSubtree::DnsName(name.to_owned()))
                .chain(ranges.map(GeneralSubtree::IpAddress))
                .collect(),
            excluded_subtrees: Vec::new(),
        });
        let certificate = params.self_signed(&key)?;
        let authority = Self::open(certificate.der().clone(), key).map_err(TlsError::Crypto)?;
        Ok((authority, certificate.pem()))
    }

    /// Opens an authority that was made before; `Err` says what is wrong with it.
    pub(crate) fn open(der: CertificateDer<'static>, key: KeyPair) -> Result<Self, String> {
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|error| format!("not a certificate: {error}"))?;
        if !certificate.is_ca() {
            return Err("it is not the certificate of an authority".into());
        }
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err("the certificate and the key do not belong together".into());
        }
        let constraints = certificate.name_constraints().map_err(|error| error.to_string())?;
        let permitted = constraints.and_then(|constraints| constraints.value.permitted_subtrees.as_ref());
        let dns = permitted
            .into_iter()
            .flatten()
            .filter_map(|subtree| match subtree.base {
                GeneralName::DNSName(name) => Some(name.to_owned()),
                _ => None,
            })
            .collect();
        let not_after = certificate.validity().not_after.to_datetime();
        Ok(Authority { der, key, not_after, dns })
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(crate) fn has_expired(&self, now: OffsetDateTime) -> bool {
        now >= self.not_after
    }

    /// Those of `names` that this authority may certify.
    pub(crate) fn permitted(&self, names: &Names) -> Names {
        let below = |name: &str, base: &String| {
            name == base || name.strip_suffix(base.as_str()).is_some_and(|front| front.ends_with('.'))
        };
        Names {
            dns: names.dns.iter().filter(|name| self.dns.iter().any(|base| below(name, base))).cloned().collect(),
            ips: names.ips.iter().copied().filter(is_private).collect(),
        }
    }

    /// Certifies `key` for those of `names` that are permitted. In PEM.
    pub(crate) fn issue(&self, key: &KeyPair, names: &Names, now: OffsetDateTime) -> Result<String, TlsError> {
        let names = self.permitted(names);
        let mut params = CertificateParams::default();
        let common_name = names.dns.iter().find(|name| *name != "localhost").map_or("localhost", String::as_str);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = now - CLOCK_SKEW;
        params.not_after = (now - CLOCK_SKEW + LEAF_LIFETIME).min(self.not_after);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        for name in &names.dns {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.subject_alt_names.extend(names.ips.iter().copied().map(SanType::IpAddress));
        let issuer = Issuer::from_ca_cert_der(&self.der, &self.key)?;
        Ok(params.signed_by(key, &issuer)?.pem())
    }
}

/// Whether an address lies in one of the ranges that the authority may certify.
pub(crate) fn is_private(ip: &IpAddr) -> bool {
    PRIVATE_RANGES.iter().any(|(network, prefix)| match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            (network.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(*prefix)
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            (network.to_bits() ^ ip.to_bits()).leading_zeros() >= u32::from(*prefix)
        }
        _ => false,
    })
}

fn authority_name(key: &KeyPair, names: &Names) -> DistinguishedName {
    // Two authorities must not have the same name, or a device that trusts the old one takes it for the new one.
    let id = super::hex(&super::sha256(&key.subject_public_key_info())).get(..8).unwrap_or_default().to_owned();
    let host = names.dns.iter().find_map(|name| name.strip_suffix(".local")).unwrap_or("this network");
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Parlour");
    name.push(DnType::CommonName, format!("Parlour on {host} ({id})"));
    name
}

/// What a leaf certificate says, as far as it decides whether to issue a new one.
pub(crate) struct Leaf {
    names: Names,
    not_after: OffsetDateTime,
    public_key: Vec<u8>,
    issued_by_authority: bool,
}

impl Leaf {
    pub(crate) fn parse(der: &CertificateDer<'_>, authority: &Authority) -> Result<Self, String> {
        let (_, leaf) = X509Certificate::from_der(der).map_err(|error| format!("not a certificate: {error}"))?;
        let (_, issuer) = X509Certificate::from_der(&authority.der).map_err(|error| error.to_string())?;
        let mut names = Names::default();
        let alternatives = leaf.subject_alternative_name().map_err(|error| error.to_string())?;
        for name in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
            match name {
                GeneralName::DNSName(name) => drop(names.dns.insert((*name).to_owned())),
                GeneralName::IPAddress(bytes) => {
                    let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
                    let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
                    names.ips.extend(v4.or(v6));
                }
                _ => {}
            }
        }
        Ok(Leaf {
            names,
            not_after: leaf.validity().not_after.to_datetime(),
            public_key: leaf.public_key().raw.to_owned(),
            issued_by_authority: leaf.verify_signature(Some(issuer.public_key())).is_ok(),
        })
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether it still serves: for `key`, all of `names`, and long enough.
    pub(crate) fn serves(&self, key: &KeyPair, names: &Names, now: OffsetDateTime) -> bool {
        self.issued_by_authority
            && self.public_key == key.subject_public_key_info()
            && self.names.contains(names)
            && self.not_after - now > LEAF_RENEWAL
    }
}
