//! The server that PeerJS clients expect, at `/peerjs`.
//!
//! `new Peer({ host, port })` asks `/peerjs/id` for an id and connects to `/peerjs`; apps that had their server at the path `/peerjs` ask below
//! `/peerjs/peerjs`. Both are served.

mod connection;
mod message;
mod realm;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use axum::routing::any;
use parlour_signaling::Frame;

use self::realm::{Conn, Realm};
use super::{Cors, closed, origin};
use crate::http::problem;
use crate::shards::random;
use crate::ws::outbox::{Outbox, Push};
use crate::ws::{accept_key, switch_protocols};
use crate::{App, lock};

/// The code of a close that says why in its reason (docs/signaling.md).
const CLOSE_ERROR: u16 = 4000;

/// The server goes away (RFC 6455 §7.4.1).
const CLOSE_AWAY: u16 = 1001;

/// Longest id and longest token, in bytes.
const ID_BYTES: usize = 256;

/// All PeerJS clients of this server.
pub(crate) struct Handle {
    /// One lock for all: it is held for a look-up and a push.
    realm: Mutex<Realm<Link>>,
    next: AtomicU64,
}

/// Leads to a connection.
#[derive(Clone, Debug)]
struct Link(Arc<Outbox>);

impl Link {
    /// Queues a frame. False: the client has not read for too long, and its queue is lost.
    fn send(&self, frame: Frame) -> bool {
        let push = self.0.push(frame);
        if push == Push::First {
            self.0.wake();
        }
        push != Push::Overflow
    }

    fn close(&self, code: u16, reason: &'static str) {
        self.0.push(Frame::Close { code, reason });
        self.0.wake();
    }
}

impl Handle {
    pub(super) fn new(most_clients: usize) -> Self {
        Self { realm: Mutex::new(Realm::new(most_clients)), next: AtomicU64::new(1) }
    }

    fn next_conn(&self) -> Conn {
        Conn(self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn tick(&self, now: Instant) {
        let send = |link: &Link, frame| {
            if !link.send(frame) {
                link.close(CLOSE_ERROR, "slow");
            }
        };
        lock(&self.realm).tick(now, send, |link| link.close(crate::ws::talk::NO_CODE, ""));
    }

    pub(super) fn stop(&self) {
        lock(&self.realm).clear(|link| link.close(CLOSE_AWAY, "draining"));
    }

    /// A version 4 UUID (RFC 9562 §5.4) that no client has.
    fn free_id(&self) -> String {
        loop {
            let mut bytes = [0; 16];
            random(&mut bytes);
            let bits = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
            let hex = format!("{bits:032x}");
            let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
            let id = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
            if !lock(&self.realm).has(&id) {
                return id;
            }
        }
    }
}

pub(super) fn router(app: &App) -> Router<Arc<App>> {
    let router = Router::new()
        .route("/peerjs", any(root))
        .route("/peerjs/", any(root))
        .route("/peerjs/peerjs", any(socket))
        .route("/peerjs/id", any(id))
        .route("/peerjs/peers", any(peers))
        .route("/peerjs/{key}/id", any(id))
        .route("/peerjs/{key}/peers", any(peers));
    // Clients put their key into the path, but always connect to `peerjs` below it.
    match app.config.compat.peerjs_key.as_str() {
        "peerjs" => router,
        key => router.route(&format!("/{key}/id"), any(id)).route(&format!("/{key}/peers"), any(peers)),
    }
}

/// What every request here goes through. `Err` is the answer that ends it.
fn gate(app: &App, request: &Request<Body>) -> Result<Cors, Box<Response<Body>>> {
    let cors = origin(app, request)?;
    if *request.method() == Method::OPTIONS {
        return Err(Box::new(cors.preflight(request.headers(), "GET,HEAD,PUT,PATCH,POST,DELETE")));
    }
    if let Some(refusal) = closed(app, app.config.compat.peerjs, "compat.peerjs") {
        return Err(Box::new(cors.allow(refusal)));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let message = "There is nothing to do here but to ask: use GET.";
        return Err(Box::new(cors.allow(problem(StatusCode::NOT_FOUND, "not_found", message))));
    }
    Ok(cors)
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The socket, and for everybody else what this is.
async fn root(state: State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    if request.headers().contains_key(UPGRADE) {
        return socket(state, request).await;
    }
    match gate(&state, &request) {
        Ok(cors) => {
            let about = serde_json::json!({
                "name": "PeerJS Server",
                "description": "A server side element to broker connections between PeerJS clients.",
                "website": "https://peerjs.com/",
            });
            cors.allow(answer(StatusCode::OK, JSON, about.to_string()))
        }
        Err(answer) => *answer,
    }
}

/// An id that is free.
async fn id(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    match gate(&app, &request) {
        Ok(cors) => cors.allow(answer(StatusCode::OK, HTML, app.compat.peerjs.free_id())),
        Err(answer) => *answer,
    }
}

/// The ids of all clients, if the operator wants that.
async fn peers(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let cors = match gate(&app, &request) {
        Ok(cors) => cors,
        Err(answer) => return *answer,
    };
    if !app.config.compat.peerjs_discovery {
        return cors.allow(answer(StatusCode::UNAUTHORIZED, TEXT, "Unauthorized".to_owned()));
    }
    let ids: Vec<String> = lock(&app.compat.peerjs.realm).ids().map(ToString::to_string).collect();
    cors.allow(answer(StatusCode::OK, JSON, serde_json::to_string(&ids).unwrap_or_default()))
}

/// The socket. What is wrong with a client is told through it, where the client listens.
async fn socket(State(app): State<Arc<App>>, mut request: Request<Body>) -> Response<Body> {
    let cors = match gate(&app, &request) {
        Ok(cors) => cors,
        Err(answer) => return *answer,
    };
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(refusal) => return cors.allow(*refusal),
    };
    let claim = connection::Claim::of(&request);
    let client = app.client(&request);
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(connection::run(app, upgraded, client, claim));
    switch_protocols(accept)
}
