//! HTTPS certificates: the built-in authority, the user's own files, or ACME; swapped while the server runs.

mod acme;
mod authority;
mod error;
mod files;
mod local;
mod names;
mod page;
mod resolver;
pub(crate) mod store;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
pub use error::TlsError;
use files::Files;
use local::Local;
use names::Names;
pub use names::{host_name, lan_addresses, mdns_name};
use resolver::Resolver;

/// How often addresses of this machine and the user's files are looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(3);

/// The certificates of one server.
pub struct Tls {
    resolver: Arc<Resolver>,
    server_config: Arc<ServerConfig>,
    own: Mutex<Own>,
    acme: Option<acme::Acme>,
    changed: watch::Sender<()>,
    site: page::Site,
}

/// Where the certificate comes from that those get who name no domain of ours.
enum Own {
    Local(Box<Local>),
    Files(Files),
}

impl Tls {
    /// Opens, or makes at the first start, everything that HTTPS needs.
    ///
    /// Files are in the directory `tls` below [`Config::data`]. With [`Config::domain`] the certificate of ACME is used as
    /// soon as it is there, and the built-in authority's until then.
    pub fn load(config: &Config) -> Result<Arc<Self>, TlsError> {
        Self::load_at(config, &Names::current(), OffsetDateTime::now_utc())
    }

    fn load_at(config: &Config, names: &Names, now: OffsetDateTime) -> Result<Arc<Self>, TlsError> {
        let dir = config.data.join("tls");
        let resolver = Arc::new(Resolver::default());
        let (own, site) = match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => {
                let mut files = Files::new(cert.clone(), key.clone());
                resolver.set_own(files.read()?);
                (Own::Files(files), page::Site::without_authority(&config.name))
            }
            _ => {
                let local = Local::open(&dir, names, now)?;
                resolver.set_own(local.certified()?);
                let site = page::Site::new(&config.name, local.authority_der(), local.authority_pem());
                (Own::Local(Box::new(local)), site)
            }
        };
        let acme = match &config.domain {
            Some(domain) => Some(acme::Acme::open(config, domain, &dir, &resolver)?),
            None => None,
        };
        let server_config = Arc::new(server_config(resolver.clone(), acme.is_some())?);
        let changed = watch::Sender::new(());
        Ok(Arc::new(Tls { resolver, server_config, own: Mutex::new(own), acme, changed, site }))
    }

    /// The configuration for accepting TLS: versions 1.2 and 1.3, ALPN `h2`, `http/1.1` and `stun.turn`. Certificates may change
    /// behind it at any time.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server_config.clone()
    }

    /// The built-in authority's certificate; `None` if the user's own certificate is served.
    pub fn ca_der(&self) -> Option<CertificateDer<'static>> {
        self.site.authority_der()
    }

    /// SHA-256 of the built-in authority's certificate, as devices show it when they are asked to trust it.
    pub fn ca_fingerprint(&self) -> Option<String> {
        self.site.authority_fingerprint()
    }

    /// SHA-256 of the certificate that is served now, as browsers show it: `AB:CD:…`.
    pub fn fingerprint(&self) -> String {
        let main = self.resolver.main();
        let leaf = main.as_ref().and_then(|key| key.cert.first());
        leaf.map(|der| fingerprint(der)).unwrap_or_default()
    }

    /// Tells whenever a certificate was replaced.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The pages below `/ca`, and the answers to ACME challenges over HTTP (RFC 8555 §8.3).
    pub fn router(self: &Arc<Self>) -> axum::Router {
        page::router(self.clone())
    }

    /// Starts what goes on in the background: watching addresses and files, and ACME. Ends when the set is dropped.
    pub fn spawn(self: &Arc<Self>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let tls = self.clone();
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(WATCH_INTERVAL).await;
                tls.refresh(&Names::current(), OffsetDateTime::now_utc());
            }
        });
        if self.acme.is_some() {
            let tls = self.clone();
            tasks.spawn(async move {
                if let Some(acme) = &tls.acme {
                    acme.run(&tls.resolver, &tls.changed).await;
                }
            });
        }
        tasks
    }

    /// Replaces the certificate if the machine's names or the user's files have changed. What is bad is logged, and the
    /// old certificate stays.
    fn refresh(&self, names: &Names, now: OffsetDateTime) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = match &mut *own {
            Own::Local(local) => match local.refresh(names, now) {
                Ok(false) => return,
                Ok(true) => local.certified(),
                Err(error) => Err(error),
            },
            Own::Files(files) if files.changed() => files.read(),
            Own::Files(_) => return,
        };
        match replaced {
            Ok(key) => {
                self.resolver.set_own(key);
                tracing::info!(fingerprint = self.fingerprint(), "the certificate was replaced");
                self.changed.send_replace(());
            }
            Err(error) => tracing::error!("{error}; the old certificate stays in use; try: {}", error.advice()),
        }
    }
}

fn server_config(resolver: Arc<Resolver>, acme: bool) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    // TURN shares the port (RFC 7443).
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), crate::turn::ALPN.to_vec()];
    if acme {
        config.alpn_protocols.push(resolver::ACME_TLS.to_vec());
    }
    // Tickets instead of a table of sessions: resumption costs the server no memory per client.
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

/// Joins a chain and its key, which must belong together.
fn certified(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, rustls::Error> {
    CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a certificate, as browsers show it.
fn fingerprint(der: &CertificateDer<'_>) -> String {
    sha256(der).iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
