//! Accepted sockets become HTTP connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use parlour_net::relay::Accepted;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower_service::Service as _;

use super::{Client, headers, problem};
use crate::App;
use crate::limits::Slot;
use crate::listen::Speaks;
use crate::stream::Stream;
use crate::tls::Tls;
use crate::turn::ALPN;

/// How long a client may take to say something, for the TLS handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest head of a request.
const HEAD_BYTES: usize = 16 << 10;

/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 64;

/// What a listener does with connections.
#[derive(Clone)]
pub(crate) enum Plain {
    /// Answers plain HTTP.
    Http,
    /// Expects TLS with the certificate of the moment. Plain HTTP is sent to the same address with `https:`.
    Tls(Arc<Tls>),
}

/// Accepts connections until `stop` says so.
pub(crate) async fn accept(
    app: Arc<App>,
    listener: TcpListener,
    plain: Plain,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(slot) = app.socket_slot(peer.ip()) else {
                    app.metrics.refused("too_many_sockets");
                    continue;
                };
                // Small messages must not wait for each other.
                let _ = stream.set_nodelay(true);
                tokio::spawn(connection(Arc::clone(&app), stream, peer, plain.clone(), router.clone(), slot));
            }
            // Mostly: no file descriptor is left. Those that close make room again.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection; if this goes on, raise the limit of open files");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection. Whatever goes wrong with it is the client's affair, or nobody's.
async fn connection(app: Arc<App>, stream: TcpStream, peer: SocketAddr, plain: Plain, router: Router, _slot: Slot) {
    let tls = match plain {
        Plain::Http => return http(&app, Stream::Tcp(stream), Client { peer, tls: false }, router, false).await,
        Plain::Tls(tls) => tls,
    };
    match tokio::time::timeout(PATIENCE, Speaks::peek(&stream)).await {
        Ok(Ok(Some(Speaks::Tls))) => {}
        Ok(Ok(Some(Speaks::Http))) => return redirect(stream).await,
        Ok(Ok(Some(Speaks::Stun))) => return turn(&app, stream, None, peer),
        _ => return,
    }
    let handshake = TlsAcceptor::from(tls.server_config()).accept(stream);
    let mut stream = match tokio::time::timeout(PATIENCE, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%peer, "TLS handshake took too long"),
    };
    let alpn = stream.get_ref().1.alpn_protocol();
    let http2 = alpn == Some(b"h2");
    // Who names no protocol is told by the first byte, as without TLS.
    let speaks = match alpn {
        Some(ALPN) => Some(Speaks::Stun),
        Some(_) => Some(Speaks::Http),
        None => match tokio::time::timeout(PATIENCE, stream.fill_buf()).await {
            Ok(Ok(bytes)) => bytes.first().map(|byte| Speaks::by_first_byte(*byte)),
            _ => None,
        },
    };
    match speaks {
        Some(Speaks::Http) => {}
        Some(Speaks::Stun) => {
            let (stream, session) = stream.into_inner();
            return turn(&app, stream, Some(Box::new(session)), peer);
        }
        _ => return,
    }
    http(&app, Stream::Tls(Box::new(stream)), Client { peer, tls: true }, router, http2).await;
}

/// Gives a connection that speaks TURN to the relay.
fn turn(app: &App, stream: TcpStream, session: Option<Box<rustls::ServerConnection>>, client: SocketAddr) {
    let Some(turn) = app.ice.turn() else { return };
    let Ok(server) = stream.local_addr() else { return };
    let Ok(stream) = stream.into_std() else { return };
    turn.take(Accepted { stream, session, received: Vec::new(), client, server });
}

async fn http(app: &Arc<App>, stream: Stream, client: Client, router: Router, http2: bool) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PATIENCE))
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES as u32);
    // The version is known, so that nobody can stop half-way through telling it.
    let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    let service = hyper::service::service_fn(|request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(client);
        let host = headers::host(&request);
        let mut router = router.clone();
        let app = Arc::clone(app);
        async move {
            app.metrics.http_requests.increment(1);
            let Ok(mut response) = router.call(request).await;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                headers::secure(response.headers_mut(), host.as_ref(), client.tls, app.config.domain.is_some());
            }
            Ok::<_, Infallible>(response)
        }
    });
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(peer = %client.peer, error, "connection ended");
    }
}

/// Answers plain HTTP on the HTTPS port: the address with `https:` in front.
async fn redirect(stream: TcpStream) {
    let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let location =
            headers::host(&request).and_then(|host| HeaderValue::from_str(&format!("https://{host}{path}")).ok());
        let mut response = match location {
            Some(location) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                response.headers_mut().insert(LOCATION, location);
                response
            }
            None => problem(
                StatusCode::BAD_REQUEST,
                "tls_required",
                "This port speaks HTTPS: put https:// in front of the address.",
            ),
        };
        headers::secure(response.headers_mut(), None, false, false);
        Ok::<_, Infallible>(response)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(HEAD_BYTES).keep_alive(false);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
