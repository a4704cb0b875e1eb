//! Certificates from an ACME authority (RFC 8555), such as Let's Encrypt: got at the first start, renewed in time.

#[cfg(test)]
mod pebble;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use tokio::sync::watch;

use super::resolver::{ForDomain, Resolver};
use super::store::{self, Access};
use super::{TlsError, certified};
use crate::config::{Config, Domain};

/// How long to wait after each failure in turn, then always the last. Public authorities allow five failed validations
/// of a name in an hour.
const PAUSES: &[Duration] = &[
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(4 * 3600),
    Duration::from_secs(12 * 3600),
];
/// The clock is looked at this often, because a machine that sleeps does not count the time.
const CLOCK_INTERVAL: Duration = Duration::from_secs(3600);
/// How long the authority may take for a validation and for issuing.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));

/// One domain's certificate at one ACME authority.
pub(crate) struct Acme {
    domain: String,
    directory: String,
    contact: Option<String>,
    root: Option<PathBuf>,
    dir: PathBuf,
    due: Mutex<Option<OffsetDateTime>>,
    http: Mutex<Option<HttpChallenge>>,
}

/// What is served at `/.well-known/acme-challenge/{token}` (RFC 8555 §8.3).
struct HttpChallenge {
    token: String,
    key_authorization: String,
}

/// Why there is no certificate yet.
#[derive(Debug)]
struct Failure {
    reason: String,
    advice: &'static str,
    /// The authority asks to come back much later.
    rate_limited: bool,
}

impl Acme {
    /// Takes the certificate of an earlier run into use, if there is one.
    pub(crate) fn open(config: &Config, domain: &Domain, dir: &Path, resolver: &Resolver) -> Result<Self, TlsError> {
        let acme = Acme {
            domain: String::from(&**domain),
            directory: config.acme_directory.as_str().to_owned(),
            contact: config.acme_contact.clone(),
            root: config.acme_root.clone(),
            // Each authority has its own place, so that a staging certificate never passes for a real one.
            dir: dir.join("acme").join(directory_name(config.acme_directory.as_str())),
            due: Mutex::new(None),
            http: Mutex::new(None),
        };
        store::create_dir(&acme.dir)?;
        let path = acme.certificate_path();
        if let Some(pem) = store::read(&path)? {
            acme.install(&pem, resolver).map_err(|reason| TlsError::Damaged { path, reason })?;
        }
        Ok(acme)
    }

    /// The answer to an HTTP challenge with this token.
    pub(crate) fn http_answer(&self, token: &str) -> Option<String> {
        let challenge = self.http.lock().unwrap_or_else(PoisonError::into_inner);
        challenge
            .as_ref()
            .filter(|challenge| challenge.token == token)
            .map(|challenge| challenge.key_authorization.clone())
    }

    /// Gets the certificate and renews it, for ever.
    pub(crate) async fn run(&self, resolver: &Resolver, changed: &watch::Sender<()>) {
        let mut failures = 0;
        loop {
            if let Some(wait) = self.until_due(OffsetDateTime::now_utc()) {
                tokio::time::sleep(wait.min(CLOCK_INTERVAL)).await;
                continue;
            }
            tracing::info!(domain = self.domain, "getting a certificate by ACME");
            let result = self.obtain(resolver, failures).await;
            resolver.set_challenge(None);
            *self.http.lock().unwrap_or_else(PoisonError::into_inner) = None;
            match result {
                Ok(()) => {
                    failures = 0;
                    tracing::info!(domain = self.domain, "the certificate from ACME is in use");
                    changed.send_replace(());
                }
                Err(failure) => {
                    let pause = pause(failures, failure.rate_limited);
                    failures += 1;
                    tracing::error!(
                        domain = self.domain,
                        "no certificate from ACME: {}; try: {}; next attempt in {} minutes",
                        failure.reason,
                        failure.advice,
                        pause.as_secs() / 60
                    );
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// How long until the certificate must be renewed; `None` if it is due.
    fn until_due(&self, now: OffsetDateTime) -> Option<Duration> {
        let due = (*self.due.lock().unwrap_or_else(PoisonError::into_inner))?;
        Duration::try_from(due - now).ok().filter(|wait| !wait.is_zero())
    }

    fn certificate_path(&self) -> PathBuf {
        self.dir.join(format!("{}.pem", self.domain))
    }

    /// Takes a chain with its key into use.
    fn install(&self, pem: &str, resolver: &Resolver) -> Result<(), String> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| "there is no private key in it")?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let first = chain.first().ok_or("there is no certificate in it")?;
        let due = renewal_time(first)?;
        let key = certified(chain, key).map_err(|error| error.to_string())?;
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = Some(due);
        resolver.set_domain(ForDomain { domain: self.domain.clone(), key: key.into() });
        Ok(())
    }

    async fn obtain(&self, resolver: &Resolver, attempt: usize) -> Result<(), Failure> {
        let account = self.account().await?;
        let identifiers = [Identifier::Dns(self.domain.clone())];
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(failure)?;
        // One port may be closed while the other is open, so the challenges take turns.
        let kind = if attempt.is_multiple_of(2) { ChallengeType::TlsAlpn01 } else { ChallengeType::Http01 };
        self.answer_challenges(&mut order, kind, resolver).await?;
        if order.poll_ready(&PATIENCE).await.map_err(failure)? != OrderStatus::Ready {
            return Err(self.why_invalid(&mut order).await);
        }
        let key = KeyPair::generate().map_err(internal)?;
        let params = CertificateParams::new(vec![self.domain.clone()]).map_err(internal)?;
        let request = params.serialize_request(&key).map_err(internal)?;
        order.finalize_csr(request.der()).await.map_err(failure)?;
        let chain = order.poll_certificate(&PATIENCE).await.map_err(failure)?;
        let pem = format!("{}{chain}", key.serialize_pem());
        self.install(&pem, resolver).map_err(internal)?;
        store::write(&self.certificate_path(), &pem, Access::Private).map_err(internal)
    }

    /// The account of an earlier run, or a new one.
    async fn account(&self) -> Result<Account, Failure> {
        let builder = match &self.root {
            Some(root) => Account::builder_with_root(root),
            None => Account::builder(),
        }
        .map_err(failure)?;
        let path = self.dir.join("account.json");
        if let Some(json) = store::read(&path).map_err(internal)? {
            let credentials: AccountCredentials = serde_json::from_str(&json).map_err(|error| Failure {
                reason: format!("{} is damaged: {error}", path.display()),
                advice: "put it back from a backup, or move it away: a new account is made",
                rate_limited: false,
            })?;
            return builder.from_credentials(credentials).await.map_err(failure);
        }
        let contact = self.contact.as_ref().map(|address| format!("mailto:{}", address.trim_start_matches("mailto:")));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder.create(&new, self.directory.clone(), None).await.map_err(failure)?;
        let json = serde_json::to_string_pretty(&credentials).map_err(internal)?;
        store::write(&path, &json, Access::Private).map_err(internal)?;
        Ok(account)
    }

    async fn answer_challenges(
        &self,
        order: &mut Order,
        kind: ChallengeType,
        resolver: &Resolver,
    ) -> Result<(), Failure> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failure)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let mut challenge = authorization.challenge(kind.clone()).ok_or_else(|| Failure {
                reason: format!("the authority does not offer the challenge {kind:?}"),
                advice: "wait: the other kind of challenge is next",
                rate_limited: false,
            })?;
            let proof = challenge.key_authorization();
            if kind == ChallengeType::TlsAlpn01 {
                let key = challenge_certificate(&self.domain, proof.digest().as_ref()).map_err(internal)?;
                resolver.set_challenge(Some(ForDomain { domain: self.domain.clone(), key: key.into() }));
            } else {
                *self.http.lock().unwrap_or_else(PoisonError::into_inner) = Some(HttpChallenge {
                    token: challenge.token.clone(),
                    key_authorization: proof.as_str().to_owned(),
                });
            }
            challenge.set_ready().await.map_err(failure)?;
        }
        Ok(())
    }

    /// Asks for the reason why an order failed.
    async fn why_invalid(&self, order: &mut Order) -> Failure {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            if let Ok(state) = authorization.refresh().await
                && let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
            {
                return problem_failure(problem);
            }
        }
        Failure { reason: "the authority refused without a reason".into(), advice: "wait", rate_limited: false }
    }
}

/// The certificate that answers a challenge over TLS (RFC 8737 §3).
fn challenge_certificate(domain: &str, digest: &[u8]) -> Result<rustls::sign::CertifiedKey, TlsError> {
    let mut params = CertificateParams::new(vec![domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| TlsError::Crypto(error.into()))?;
    // Not by `certified`: it refuses the critical extension, which is there for the authority and for nobody else.
    let key = rustls::crypto::aws_lc_rs::default_provider().key_provider.load_private_key(key)?;
    Ok(rustls::sign::CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// When to renew: after two thirds of a certificate's life.
fn renewal_time(der: &CertificateDer<'_>) -> Result<OffsetDateTime, String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|error| error.to_string())?;
    let validity = certificate.validity();
    let (start, end) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
    Ok(start + (end - start) * 2 / 3)
}

/// How long to wait after the failure number `failures`, counted from 0.
fn pause(failures: usize, rate_limited: bool) -> Duration {
    let longest = Duration::from_secs(12 * 3600);
    let pause = PAUSES.get(failures).copied().unwrap_or(longest);
    if rate_limited { pause.max(Duration::from_secs(3600)) } else { pause }
}

/// A name for a directory's files: its host and port.
fn directory_name(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
    let name: String =
        host.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' }).collect();
    if name.starts_with('.') { format!("_{name}") } else { name }
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure {
        reason: error.to_string(),
        advice: "check that the data directory can be written; if it can, please report this",
        rate_limited: false,
    }
}

fn failure(error: instant_acme::Error) -> Failure {
    match error {
        instant_acme::Error::Api(problem) => problem_failure(&problem),
        instant_acme::Error::Timeout(_) => Failure {
            reason: "the authority did not finish in time".into(),
            advice: "wait: it is asked again",
            rate_limited: false,
        },
        other => {
            // The outer message is only that a request failed; the innermost says why.
            let mut reason = other.to_string();
            let mut source = std::error::Error::source(&other);
            while let Some(inner) = source {
                reason = format!("{reason}: {inner}");
                source = inner.source();
            }
            Failure {
                reason: format!("the ACME directory cannot be used: {reason}"),
                advice: "check that this machine can reach the acme_directory, and its clock",
                rate_limited: false,
            }
        }
    }
}

/// Explains a problem of the authority (RFC 8555 §6.7).
fn problem_failure(problem: &instant_acme::Problem) -> Failure {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
    let detail = problem.detail.as_deref().unwrap_or(kind);
    // Some authorities call a closed port "unauthorized".
    let kind = if kind == "unauthorized" && detail.contains("Failed to connect") { "connection" } else { kind };
    let (what, advice) = match kind {
        "dns" => {
            ("the domain is not in the DNS", "add an A or AAAA record of the domain with this machine's public address")
        }
        "connection" | "tls" => (
            "the authority cannot connect to this server",
            "open ports 443 and 80 in the firewall and forward them here; check that the DNS of the domain points here",
        ),
        "unauthorized" | "incorrectResponse" => (
            "another server answered for the domain",
            "check that the DNS of the domain points here, with both A and AAAA records, and that no proxy is before this server",
        ),
        "rateLimited" => ("the authority's rate limit is reached", "wait; use --acme-staging for trying out"),
        "caa" => ("a CAA record of the domain forbids this authority", "add the authority to the CAA record"),
        "rejectedIdentifier" | "unsupportedIdentifier" | "malformed" => {
            ("the authority does not certify this name", "use a public domain name")
        }
        "invalidContact" | "unsupportedContact" => {
            ("the contact is not possible", "give a real address with --acme-contact")
        }
        _ => ("the authority refused", "see the reason"),
    };
    Failure { reason: format!("{what} ({detail})"), advice, rate_limited: kind == "rateLimited" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str) -> instant_acme::Problem {
        let json = format!(r#"{{"type":"urn:ietf:params:acme:error:{kind}","detail":"D","status":400}}"#);
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_usual_problems_are_explained_with_what_to_do() {
        for (kind, reason, advice) in [
            ("dns", "the domain is not in the DNS (D)", "A or AAAA record"),
            ("connection", "the authority cannot connect to this server (D)", "ports 443 and 80"),
            ("unauthorized", "another server answered for the domain (D)", "points here"),
            ("rateLimited", "the authority's rate limit is reached (D)", "--acme-staging"),
            ("caa", "a CAA record of the domain forbids this authority (D)", "CAA"),
            ("brandNew", "the authority refused (D)", "reason"),
        ] {
            let failure = problem_failure(&problem(kind));
            assert_eq!(failure.reason, reason);
            assert!(failure.advice.contains(advice), "{kind}: {}", failure.advice);
            assert_eq!(failure.rate_limited, kind == "rateLimited");
        }
    }

    #[test]
    fn pauses_grow_and_a_rate_limit_waits_an_hour_at_least() {
        assert_eq!(pause(0, false), Duration::from_secs(60));
        assert!((1..10).all(|n| pause(n, false) >= pause(n - 1, false)));
        assert_eq!(pause(99, false), Duration::from_secs(12 * 3600));
        assert_eq!(pause(0, true), Duration::from_secs(3600));
    }

    #[test]
    fn each_authority_has_its_own_directory() {
        assert_eq!(directory_name("https://acme-v02.api.letsencrypt.org/directory"), "acme-v02.api.letsencrypt.org");
        assert_eq!(directory_name("https://127.0.0.1:14000/dir"), "127.0.0.1_14000");
        assert_eq!(directory_name("https://../../etc"), "_..");
    }

    #[test]
    fn renewal_is_due_after_two_thirds_of_the_life() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = OffsetDateTime::UNIX_EPOCH;
        params.not_after = OffsetDateTime::UNIX_EPOCH + time::Duration::days(90);
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(renewal_time(certificate.der()).unwrap(), OffsetDateTime::UNIX_EPOCH + time::Duration::days(60));
    }
}
