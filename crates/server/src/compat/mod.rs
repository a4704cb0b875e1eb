//! Clients of other systems: Socket.IO and PeerJS.
//!
//! Both are relays, as thousands of apps have one of their own: messages go to whom they name, with the sender's id put in by the server. They
//! know no rooms of Parlour and no sessions. What guards `/v1/ws` guards them, too: origins, connections and joins of an address, the length
//! and the pace of messages, what may wait for a client that does not read.

mod pace;
pub(crate) mod peerjs;
pub(crate) mod socketio;

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_LENGTH, ORIGIN, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use parlour_signaling::message::ErrorCode;

use crate::App;
use crate::config::{AuthMode, Config};
use crate::http::problem;
use crate::limits::Slot;
use crate::ws::origin_refused;

/// How often the relays look at the clock: as often as PeerJS's own server. Their time-outs are many seconds.
const TICK: Duration = Duration::from_secs(1);

/// The relays' state.
pub(crate) struct Compat {
    socketio: socketio::Handle,
    peerjs: peerjs::Handle,
    warned_of_origin: Once,
}

impl Compat {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            socketio: socketio::Handle::new(config),
            peerjs: peerjs::Handle::new(config.limits.max_peers_total as usize),
            warned_of_origin: Once::new(),
        }
    }

    /// Starts what happens by the clock.
    pub(crate) fn spawn_timer(app: &Arc<App>) {
        let app = Arc::downgrade(app);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                let Some(app) = app.upgrade() else { return };
                let now = Instant::now();
                app.compat.socketio.tick(&app, now);
                app.compat.peerjs.tick(now);
            }
        });
    }

    /// Closes all connections.
    pub(crate) fn stop(&self, app: &App) {
        self.socketio.stop(app);
        self.peerjs.stop();
    }
}

/// The addresses of clients of other systems.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new().merge(socketio::router()).merge(peerjs::router(app))
}

/// Why these clients are not served now: they are off, or they could not show what the server asks of everybody.
fn closed(app: &App, on: bool, setting: &str) -> Option<Response<Body>> {
    if !on {
        let message = format!("This is off. The operator can set `{setting}`.");
        return Some(problem(StatusCode::NOT_FOUND, "not_found", &message));
    }
    if app.config.auth.mode != AuthMode::Open {
        let message = "This server asks for a password or a token, which clients of this kind cannot show. See the setting `auth.mode`.";
        return Some(problem(StatusCode::FORBIDDEN, "not_permitted", message));
    }
    None
}

/// Checks the origin of a request. `Ok` is what to answer about it (Fetch §3.3), which must go into every answer.
fn origin(app: &App, request: &Request<Body>) -> Result<Cors, Box<Response<Body>>> {
    match origin_refused(app, request) {
        Some(refusal) => {
            app.compat.warned_of_origin.call_once(|| {
                let origin = request.headers().get(ORIGIN).and_then(|origin| origin.to_str().ok());
                tracing::warn!(
                    ?origin,
                    "a page of another origin was refused; if that is your app, name its origin in the setting origins"
                );
            });
            Err(Box::new(refusal))
        }
        None => Ok(Cors { origin: request.headers().get(ORIGIN).cloned() }),
    }
}

/// The origin to which an answer is given.
#[derive(Clone, Debug)]
struct Cors {
    origin: Option<HeaderValue>,
}

impl Cors {
    /// Lets the page read the answer.
    fn allow(&self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        response
    }

    /// Answers the browser's question before the request proper (Fetch §3.3.4). It gets the headers that it asks for: none of them means
    /// anything here.
    fn preflight(&self, asked: &HeaderMap, methods: &'static str) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        }
        self.allow(response)
    }
}

/// Why a newcomer is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refused {
    code: ErrorCode,
    retry: Option<Duration>,
}

impl Refused {
    /// What the client can do.
    fn advice(self) -> &'static str {
        match self.code {
            ErrorCode::TooManyConnections => {
                "Too many connections from this address. Close some, or ask the operator to raise `conns_per_ip`."
            }
            ErrorCode::TooManyJoins => {
                "Too many connections from this address within a minute. Wait a little and try again."
            }
            ErrorCode::ServerFull => {
                "This server has as many people as it may have. Try again later, or ask the operator to raise `max_peers_total`."
            }
            _ => "The server is stopping. Come back in a moment.",
        }
    }

    fn response(self) -> Response<Body> {
        let status = match self.code {
            ErrorCode::TooManyConnections | ErrorCode::TooManyJoins => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut response = problem(status, &crate::word(&self.code), self.advice());
        if let Some(retry) = self.retry {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry.as_secs() + 1));
        }
        response
    }
}

/// Lets a newcomer from `client` in, when the server has `there` of its kind, or says why not.
fn admit(app: &App, client: IpAddr, there: usize) -> Result<Slot, Refused> {
    let refused = |code, retry| {
        app.metrics.refused(&crate::word(&code));
        Refused { code, retry }
    };
    if app.draining.load(Ordering::Relaxed) {
        return Err(refused(ErrorCode::Draining, None));
    }
    if there >= app.config.limits.max_peers_total as usize {
        return Err(refused(ErrorCode::ServerFull, None));
    }
    let slot = app.limits.connection(client).ok_or_else(|| refused(ErrorCode::TooManyConnections, None))?;
    app.limits.join(client, Instant::now()).map_err(|wait| refused(ErrorCode::TooManyJoins, Some(wait)))?;
    Ok(slot)
}

/// A value in the query of a request, decoded as forms encode it. The last one counts.
fn query(request: &Request<Body>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    let (_, value) = form(query).filter(|(key, _)| key == name).last()?;
    Some(value)
}

/// The pairs of a query (URL Standard §5.1).
fn form(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode(key), percent_decode(value))
    })
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let ahead = rest.clone();
                let hex = |digit: Option<u8>| char::from(digit?).to_digit(16);
                match (hex(rest.next()), hex(rest.next())) {
                    (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
                    _ => {
                        bytes.push(b'%');
                        rest = ahead;
                    }
                }
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_browsers_write_them() {
        let pairs: Vec<_> = form("id=a%20b+c&token=%C3%A4&&x&y=%zz%4").collect();
        let expected = [("id", "a b c"), ("token", "ä"), ("x", ""), ("y", "%zz%4")];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
