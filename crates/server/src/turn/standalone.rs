//! `parlour turn`: the relay alone.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header::CONTENT_TYPE};
use axum::routing::get;
use parlour_net::relay::{Relay, RelayError, wildcards};
use thiserror::Error;

use super::options::{OptionsError, RelayOptions};
use super::{ALPN, admin, figures, relay_config};
use crate::config::Config;
use crate::lifecycle::{Signals, raise_open_files};
use crate::tls::{Tls, TlsError};

/// What `parlour turn` is to do.
#[derive(Clone, Debug, Default)]
pub struct Standalone {
    /// Where to listen by UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Where to listen by TLS.
    pub tls_listen: Vec<SocketAddr>,
    /// The certificate chain and key in PEM for TLS.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The rules.
    pub options: RelayOptions,
    /// Secrets of time-limited credentials.
    pub secrets: Vec<String>,
    /// Where to serve Prometheus' metrics by HTTP.
    pub metrics: Option<SocketAddr>,
    /// The socket for `parlour turn ls` and its like.
    pub admin: Option<PathBuf>,
}

/// What a started relay tells.
#[derive(Clone, Debug, Default)]
pub struct Ready {
    /// Where it listens by UDP.
    pub udp: Vec<SocketAddr>,
    /// Where it listens by TCP.
    pub tcp: Vec<SocketAddr>,
    /// Where it listens by TLS.
    pub tls: Vec<SocketAddr>,
    /// Where metrics are.
    pub metrics: Option<SocketAddr>,
    /// The administrator's socket.
    pub admin: Option<PathBuf>,
    /// The realm.
    pub realm: String,
}

/// Why the relay does not start.
#[derive(Debug, Error)]
pub enum StandaloneError {
    /// The rules contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The relay does not start.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// TLS without a certificate.
    #[error("TLS needs a certificate: give --cert and --key")]
    NoCertificate,
    /// The address of the metrics cannot be listened on.
    #[error("cannot serve metrics on {0}: {1}")]
    Metrics(SocketAddr, io::Error),
    /// The administrator's socket cannot be made.
    #[error("cannot make the socket {path}: {source}", path = path.display())]
    Admin {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system refuses threads or signals.
    #[error("cannot start ({0})")]
    Runtime(io::Error),
}

/// Runs a relay until a signal ends it. `on_ready` is called when it listens.
pub fn run(settings: Standalone, on_ready: impl FnOnce(&Ready)) -> Result<(), StandaloneError> {
    raise_open_files();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StandaloneError::Runtime)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(StandaloneError::Runtime)?;
        let (relay, tls) = start(&settings)?;
        let _watching = tls.as_ref().map(Tls::spawn);
        let metrics = match settings.metrics {
            Some(addr) => {
                Some(serve_metrics(addr, &relay).await.map_err(|error| StandaloneError::Metrics(addr, error))?)
            }
            None => None,
        };
        let socket = match &settings.admin {
            Some(path) => Some(
                admin::Socket::open(path, &relay)
                    .map_err(|error| StandaloneError::Admin { path: path.clone(), source: error })?,
            ),
            None => None,
        };
        on_ready(&Ready {
            udp: relay.udp().to_vec(),
            tcp: relay.tcp().to_vec(),
            tls: relay.tls().to_vec(),
            metrics,
            admin: settings.admin.clone(),
            realm: settings.options.realm.clone(),
        });
        signals.next().await;
        drop(socket);
        Ok(())
    })
}

fn start(settings: &Standalone) -> Result<(Arc<Relay>, Option<Arc<Tls>>), StandaloneError> {
    let secrets: Vec<&[u8]> = settings.secrets.iter().map(|secret| secret.as_bytes()).collect();
    let mut config = relay_config(&settings.options, &secrets)?;
    let everywhere = |all: &[SocketAddr]| all.iter().flat_map(|addr| wildcards(*addr)).collect::<Vec<_>>();
    config.udp = everywhere(&settings.listen);
    config.tcp = config.udp.clone();
    config.tls = everywhere(&settings.tls_listen);
    let tls = match (&settings.certificate, config.tls.is_empty()) {
        (_, true) => None,
        (None, false) => return Err(StandaloneError::NoCertificate),
        (Some((cert, key)), false) => {
            let files = Config { cert: Some(cert.clone()), key: Some(key.clone()), ..Config::default() };
            Some(Tls::load(&files)?)
        }
    };
    config.tls_config = tls.as_ref().map(|tls| {
        let mut config = (*tls.server_config()).clone();
        config.alpn_protocols = vec![ALPN.to_vec(), b"stun.nat-discovery".to_vec()];
        Arc::new(config)
    });
    Ok((Arc::new(Relay::start(config)?), tls))
}

async fn serve_metrics(addr: SocketAddr, relay: &Arc<Relay>) -> io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(addr).await?;
    let local = listener.local_addr()?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "ok\n"))
        .with_state(Arc::clone(relay));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            tokio::spawn(async move {
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder
                    .timer(hyper_util::rt::TokioTimer::new())
                    .header_read_timeout(std::time::Duration::from_secs(10));
                let _ = builder.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
            });
        }
    });
    Ok(local)
}

async fn metrics(State(relay): State<Arc<Relay>>) -> Response<Body> {
    let report = tokio::task::spawn_blocking(move || relay.report()).await.unwrap_or_default();
    let mut response = Response::new(Body::from(figures::render(&report)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    response
}
