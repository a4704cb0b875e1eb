//! Certificates as a strict client sees them: through rustls' own verifier.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration as StdDuration;

use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};
use time::Duration;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::authority::is_private;
use super::*;

const HOST: &str = "anns-laptop";

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap()
}

fn names(ips: &[&str]) -> Names {
    Names {
        dns: ["localhost".to_owned(), HOST.into(), format!("{HOST}.local")].into(),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
    }
}

fn config(data: &Path) -> Config {
    Config { data: data.to_owned(), ..Config::default() }
}

/// Verifies the chain of `tls` for a name with its authority as the only root.
fn verify_with(
    root: CertificateDer<'static>,
    chain: &[CertificateDer<'static>],
    name: &str,
    at: OffsetDateTime,
) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    let at = UnixTime::since_unix_epoch(StdDuration::from_secs(at.unix_timestamp() as u64));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], at).map(drop)
}

fn verify(tls: &Tls, name: &str, at: OffsetDateTime) -> Result<(), rustls::Error> {
    verify_with(tls.ca_der().unwrap(), &tls.resolver.main().unwrap().cert, name, at)
}

#[test]
fn a_device_that_trusts_the_authority_accepts_every_name_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let ips = ["127.0.0.1", "::1", "192.168.1.7", "10.0.0.4", "172.20.0.1", "169.254.3.4", "100.100.1.1", "fd00::2"];
    let tls = Tls::load_at(&config(dir.path()), &names(&ips), now()).unwrap();
    for name in ips.into_iter().chain([HOST, "anns-laptop.local", "localhost"]) {
        verify(&tls, name, now()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(verify(&tls, "192.168.1.8", now()).is_err(), "an address of another machine");
}

#[test]
fn the_authority_can_certify_nothing_on_the_internet() {
    // RFC 5280 §4.2.1.10. The leaf is made with the authority's key by hand, as a thief would.
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
    let ca = rcgen::KeyPair::from_pem(&fs::read_to_string(dir.path().join("tls/ca.key")).unwrap()).unwrap();
    let root = tls.ca_der().unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_der(&root, &ca).unwrap();
    let forge = |name: &str| {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = now() - Duration::DAY;
        params.not_after = now() + Duration::DAY;
        let leaf = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap();
        verify_with(root.clone(), &[leaf.der().clone()], name, now())
    };
    for name in ["example.com", "anns-laptop.example.com", "8.8.8.8", "2606:4700::1111", "172.32.0.1", "notlocalhost"] {
        let error = forge(name).unwrap_err().to_string();
        assert!(error.contains("NameConstraintViolation"), "{name}: {error}");
    }
    for name in ["192.168.9.9", "printer.local", HOST, "fe80::1"] {
        forge(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn certificates_have_the_form_that_devices_demand() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load_at(&config(dir.path()), &names(&["192.168.1.7"]), now()).unwrap();
    let root = tls.ca_der().unwrap();
    let (_, ca) = X509Certificate::from_der(&root).unwrap();
    assert!(ca.is_ca());
    assert!(ca.name_constraints().unwrap().unwrap().critical, "RFC 5280 §4.2.1.10: must be critical");
    let years = (ca.validity().not_after.timestamp() - ca.validity().not_before.timestamp()) / (365 * 86_400);
    assert_eq!(years, 10);
    let chain = tls.resolver.main().unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain.cert[0]).unwrap();
    let days = (leaf.validity().not_after.timestamp() - leaf.validity().not_before.timestamp()) / 86_400;
    assert_eq!(days, 397);
    assert!(leaf.extended_key_usage().unwrap().unwrap().value.server_auth);
    assert_eq!(tls.fingerprint().len(), 32 * 3 - 1);
    assert_ne!(Some(tls.fingerprint()), tls.ca_fingerprint());
}

#[cfg(unix)]
#[test]
fn keys_can_be_read_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
    let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("tls/ca.key"), mode("tls/leaf.key"), mode("tls")), (0o600, 0o600, 0o700));
}

#[test]
fn a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = Tls::load_at(&config(dir.path()), &names(&["192.168.1.7"]), now()).unwrap();
    let later = now() + Duration::days(300);
    let second = Tls::load_at(&config(dir.path()), &names(&["192.168.1.7"]), later).unwrap();
    assert_eq!(first.fingerprint(), second.fingerprint());
    assert_eq!(first.ca_der(), second.ca_der());
}

#[test]
fn a_new_address_is_certified_while_running_with_the_same_key() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load_at(&config(dir.path()), &names(&["192.168.1.7"]), now()).unwrap();
    let (before, changed) = (tls.fingerprint(), tls.changed());
    let key = |tls: &Tls| tls.resolver.main().unwrap().cert[0].clone();
    let public_key = |der: &CertificateDer<'_>| X509Certificate::from_der(der).unwrap().1.public_key().raw.to_vec();
    let old = key(&tls);

    tls.refresh(&names(&["192.168.1.7"]), now());
    assert_eq!(tls.fingerprint(), before, "nothing has changed");
    assert!(!changed.has_changed().unwrap());

    tls.refresh(&names(&["10.1.2.3"]), now());
    assert_ne!(tls.fingerprint(), before);
    assert!(changed.has_changed().unwrap());
    verify(&tls, "10.1.2.3", now()).unwrap();
    verify(&tls, "192.168.1.7", now()).expect("an address that may come back stays");
    assert_eq!(public_key(&old), public_key(&key(&tls)));

    let again = tls.fingerprint();
    tls.refresh(&names(&["192.168.1.7"]), now());
    assert_eq!(tls.fingerprint(), again, "going back needs no new certificate");
    assert_eq!(Tls::load_at(&config(dir.path()), &names(&["10.1.2.3"]), now()).unwrap().fingerprint(), again);
}

#[test]
fn addresses_do_not_pile_up_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
    for i in 0..100 {
        tls.refresh(&names(&[&format!("10.0.0.{i}")]), now());
        verify(&tls, &format!("10.0.0.{i}"), now()).unwrap();
    }
    let chain = tls.resolver.main().unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain.cert[0]).unwrap();
    assert!(leaf.subject_alternative_name().unwrap().unwrap().value.general_names.len() <= 32);
}

#[test]
fn a_public_address_is_left_out_so_that_the_others_stay_valid() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load_at(&config(dir.path()), &names(&["192.168.1.7", "8.8.4.4", "2600::1"]), now()).unwrap();
    verify(&tls, "192.168.1.7", now()).unwrap();
    assert!(verify(&tls, "8.8.4.4", now()).is_err());
    let before = tls.fingerprint();
    tls.refresh(&names(&["192.168.1.7", "9.9.9.9"]), now());
    assert_eq!(tls.fingerprint(), before, "a new certificate would not help");
}

#[test]
fn a_leaf_is_replaced_before_it_expires() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load_at(&config(dir.path()), &names(&["192.168.1.7"]), now()).unwrap();
    let before = tls.fingerprint();
    let late = now() + Duration::days(398);
    let error = verify(&tls, "192.168.1.7", late).unwrap_err().to_string();
    assert!(error.contains("expired"), "it does expire otherwise: {error}");
    tls.refresh(&names(&["192.168.1.7"]), now() + Duration::days(360));
    assert_eq!(tls.fingerprint(), before);
    tls.refresh(&names(&["192.168.1.7"]), now() + Duration::days(370));
    assert_ne!(tls.fingerprint(), before);
    verify(&tls, "192.168.1.7", late).unwrap();
}

#[test]
fn an_expired_authority_is_told_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
    let error = load_error(dir.path(), now() + Duration::days(3651));
    assert!(matches!(error, TlsError::Expired { .. }), "{error}");
}

fn load_error(data: &Path, at: OffsetDateTime) -> TlsError {
    match Tls::load_at(&config(data), &names(&[]), at) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error,
    }
}

#[test]
fn damaged_files_are_told_and_never_overwritten() {
    for file in ["ca.pem", "ca.key", "leaf.pem", "leaf.key"] {
        for content in ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let dir = tempfile::tempdir().unwrap();
            Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
            let path = dir.path().join("tls").join(file);
            fs::write(&path, content).unwrap();
            let error = load_error(dir.path(), now());
            assert!(matches!(&error, TlsError::Damaged { path: told, .. } if *told == path), "{file}: {error:?}");
            assert!(error.advice().contains(&path.display().to_string()));
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }
}

#[test]
fn an_authority_without_its_key_or_with_another_one_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
    let key = dir.path().join("tls/ca.key");
    fs::remove_file(&key).unwrap();
    assert!(load_error(dir.path(), now()).to_string().contains("ca.key is missing"));
    assert!(!key.exists());
    fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(load_error(dir.path(), now()).to_string().contains("do not belong together"));
}

#[test]
fn a_first_start_that_was_cut_short_is_taken_up() {
    for missing in [&["ca.pem", "leaf.key", "leaf.pem"][..], &["leaf.key", "leaf.pem"], &["leaf.pem"], &["leaf.key"]] {
        let dir = tempfile::tempdir().unwrap();
        Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
        for file in missing {
            fs::remove_file(dir.path().join("tls").join(file)).unwrap();
        }
        let tls = Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
        verify(&tls, "localhost", now()).unwrap();
    }
}

/// Writes a self-signed certificate and its key, as a user might bring them.
fn bring(dir: &Path, name: &str) -> Config {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(dir.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
    Config { cert: Some(dir.join("cert.pem")), key: Some(dir.join("key.pem")), ..config(&dir.join("data")) }
}

#[test]
fn own_files_are_read_again_when_they_change_and_a_bad_one_keeps_the_old() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load(&bring(dir.path(), "one.example")).unwrap();
    assert_eq!(tls.ca_der(), None);
    assert!(!dir.path().join("data").exists(), "no authority is made");
    let first = tls.fingerprint();

    bring(dir.path(), "two.example");
    tls.refresh(&names(&[]), now());
    let second = tls.fingerprint();
    assert_ne!(first, second);

    fs::write(dir.path().join("cert.pem"), "half a certificate").unwrap();
    tls.refresh(&names(&[]), now());
    assert_eq!(tls.fingerprint(), second);

    bring(dir.path(), "three.example");
    tls.refresh(&names(&[]), now());
    assert_ne!(tls.fingerprint(), second);
}

#[test]
fn own_files_that_cannot_be_used_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let config = bring(dir.path(), "one.example");
    let good = (fs::read(dir.path().join("cert.pem")).unwrap(), fs::read(dir.path().join("key.pem")).unwrap());
    let error = |cert: &[u8], key: &[u8]| {
        fs::write(dir.path().join("cert.pem"), cert).unwrap();
        fs::write(dir.path().join("key.pem"), key).unwrap();
        let error = Tls::load(&config).err().unwrap();
        format!("{error}; try: {}", error.advice())
    };
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    assert!(error(&good.0, other.as_bytes()).contains("does not belong to the certificate"));
    assert!(error(&good.1, &good.0).contains("swap the values"));
    assert!(error(&good.0, &good.0).contains("holds a certificate and no private key"));
    assert!(error(b"", &good.1).contains("there is no certificate in it"));
    assert!(error(&good.0, b"").contains("there is no private key in it"));
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(error(&good.0, encrypted).contains("openssl pkey -in"));
    fs::remove_file(dir.path().join("cert.pem")).unwrap();
    let missing = Tls::load(&config).err().unwrap();
    assert!(missing.advice().contains("does not exist"));
}

#[test]
fn all_ranges_are_private_and_only_they() {
    for (network, _) in names::PRIVATE_RANGES {
        assert!(is_private(network), "{network}");
    }
    let public: [IpAddr; 4] = ["172.15.0.1", "172.32.0.1", "100.128.0.1", "2001:4860::1"].map(|ip| ip.parse().unwrap());
    assert!(public.iter().all(|ip| !is_private(ip)));
}

#[test]
fn tls_answers_to_the_protocol_names_of_http_and_turn() {
    let dir = tempfile::tempdir().unwrap();
    let tls = Tls::load_at(&config(dir.path()), &names(&[]), now()).unwrap();
    let expected: [&[u8]; 3] = [b"h2", b"http/1.1", b"stun.turn"];
    assert_eq!(tls.server_config().alpn_protocols, expected);
}
