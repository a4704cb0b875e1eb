//! What the server answers over HTTP.

mod admin;
pub(crate) mod assets;
pub(crate) mod headers;
mod ice;
mod info;
mod serve;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use axum::routing::{any, get};
use serde::Serialize;

pub(crate) use serve::{Plain, accept};

use crate::App;
use crate::config::MetricsAccess;

/// Who a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// The other end of the connection: the client, or a proxy.
    pub(crate) peer: SocketAddr,
    /// Whether the connection is encrypted.
    pub(crate) tls: bool,
}

/// All addresses of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/check", get(page))
        .route("/r/{room}", get(page))
        .route("/v1/ws", any(crate::ws::upgrade))
        .route("/v1/info", get(info::info))
        .route("/v1/ice", get(ice::servers).options(ice::preflight))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .nest("/v1/rooms", admin::router(Arc::clone(&app)))
        .merge(crate::compat::router(&app))
        .fallback(file)
        .with_state(app)
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::to_vec(value).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An answer that says what went wrong and what to do, with a code for programs.
pub(crate) fn problem(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    #[derive(Serialize)]
    struct Problem<'a> {
        code: &'a str,
        message: &'a str,
    }
    json(status, &Problem { code, message })
}

fn text(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl App {
    /// The address of the client that sent a request, seen through trusted proxies.
    pub(crate) fn client<B>(&self, request: &Request<B>) -> IpAddr {
        let peer = request.extensions().get::<Client>().map_or(IpAddr::from([0, 0, 0, 0]), |client| client.peer.ip());
        if !self.proxies.contains(peer) && request.headers().contains_key("x-forwarded-for") {
            self.warn_of_proxy(peer);
        }
        self.proxies.client(peer, request.headers())
    }
}

async fn page(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    app.assets.index(request.headers()).await
}

async fn file(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().trim_start_matches('/');
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return problem(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This address answers GET only.");
    }
    if let Some(file) = app.assets.file(path, request.headers()).await {
        return file;
    }
    // A person gets the app, which says so and leads back; a program gets a code.
    let person =
        request.headers().get(ACCEPT).and_then(|types| types.to_str().ok()).is_some_and(|t| t.contains("text/html"));
    if person && !path.starts_with("v1/") && !path.starts_with("assets/") {
        let mut page = app.assets.index(&HeaderMap::new()).await;
        *page.status_mut() = StatusCode::NOT_FOUND;
        return page;
    }
    problem(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address. The app is at /.")
}

/// Whether the process lives: it answered.
async fn healthy() -> Response<Body> {
    text(StatusCode::OK, "ok\n")
}

/// Whether newcomers are taken.
async fn ready(State(app): State<Arc<App>>) -> Response<Body> {
    match app.draining.load(Ordering::Relaxed) {
        false => text(StatusCode::OK, "ready\n"),
        true => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

async fn metrics(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let admin = app.is_admin(request.headers());
    let allowed = match app.config.metrics.access {
        MetricsAccess::Public => true,
        MetricsAccess::Admin => admin,
        MetricsAccess::Loopback => admin || is_local(&request),
        MetricsAccess::Off => {
            return problem(StatusCode::NOT_FOUND, "not_found", "Metrics are off. See the setting `metrics.access`.");
        }
    };
    if !allowed {
        return problem(
            StatusCode::FORBIDDEN,
            "not_permitted",
            "Metrics are for this machine, or with `Authorization: Bearer` and the administrator's token. See the setting `metrics.access`.",
        );
    }
    let mut figures = app.metrics.render(app.shards.census());
    if app.ice.turn().is_some() {
        let asked = Arc::clone(&app);
        let report = tokio::task::spawn_blocking(move || asked.ice.turn().map(crate::turn::Turn::report)).await;
        figures.extend(report.ok().flatten().map(|report| crate::turn::figures::render(&report)));
    }
    text(StatusCode::OK, figures)
}

/// Whether a request comes from a program on this machine: over loopback, not passed on by a proxy, and not from a page elsewhere whose name
/// was made to point here (DNS rebinding).
fn is_local<B>(request: &Request<B>) -> bool {
    let peer = request.extensions().get::<Client>().is_some_and(|client| client.peer.ip().to_canonical().is_loopback());
    let passed_on =
        ["forwarded", "x-forwarded-for", "x-real-ip", "via"].iter().any(|name| request.headers().contains_key(*name));
    let named = headers::host(request).is_some_and(|host| {
        let host = host.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    });
    peer && named && !passed_on
}
