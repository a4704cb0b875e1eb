//! The server that Socket.IO clients of every tutorial expect, at `/socket.io/`.
//!
//! The protocol itself (Engine.IO 3 and 4, Socket.IO 4 and 5, WebSocket and long polling) is the library's. Here is what stands around it: who
//! may come in ([`Member`]), what may come in ([`packet`], [`guard`]), and what becomes of an event ([`relay`]).

mod event;
mod guard;
mod member;
mod packet;
mod relay;
mod rooms;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_KEY};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use axum::routing::any;
use socketioxide::SocketIo;

use self::guard::FrameGuard;
use self::member::Member;
use self::packet::{Protocol, body_allowed};
use self::relay::{Door, Relay};
use super::{admit, closed, origin, query};
use crate::http::problem;
use crate::shards::random;
use crate::stream::{Guard, Post};
use crate::ws::accept_key;
use crate::{App, lock};

/// How long a client may take to enter, once it is connected.
const ENTER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Most packets that wait for one client. Their bytes are bounded besides.
const PACKETS: usize = 1024;

/// Most bytes taken from a socket at once. The buffer stays with the connection.
const READ_BUFFER: usize = 1 << 10;

/// Longest answer to the request that opens a session.
const OPENING_BYTES: usize = 4 << 10;

/// All Socket.IO clients of this server.
#[derive(Default)]
pub(crate) struct Handle {
    io: OnceLock<SocketIo>,
    count: AtomicUsize,
    /// Polling sessions, by the name that the client got for its own. It is not the client's id: everybody gets to know that one.
    sessions: Mutex<HashMap<String, Session>>,
}

/// A session that comes in single requests.
#[derive(Clone)]
struct Session {
    /// What the library calls it.
    sid: String,
    member: Weak<Member>,
    client: IpAddr,
    protocol: Protocol,
}

impl Handle {
    /// Closes all connections. The library's own way keeps what it closes for ever.
    pub(super) fn stop(&self) {
        let connected = self.io.get().map(SocketIo::sockets).unwrap_or_default();
        let connected = connected.iter().filter_map(|socket| Member::of(socket).cloned());
        let polling: Vec<_> = lock(&self.sessions).values().filter_map(|session| session.member.upgrade()).collect();
        for member in connected.chain(polling) {
            member.hang_up();
        }
    }
}

pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let relay = Arc::new(Relay::new(&app.config, &app.metrics));
    let (service, io) = SocketIo::builder()
        .max_payload(app.message_bytes() as u64)
        .max_buffer_size(PACKETS)
        .ws_read_buffer_size(READ_BUFFER)
        .connect_timeout(ENTER_TIMEOUT)
        .build_svc();
    io.ns("/", Door(Arc::clone(&relay)));
    let _ = app.compat.socketio.io.set(io);
    let serve = move |State(app): State<Arc<App>>, request: Request<Body>| {
        let (service, relay) = (service.clone(), Arc::clone(&relay));
        async move {
            let cors = match origin(&app, &request) {
                Ok(cors) => cors,
                Err(refusal) => return *refusal,
            };
            if *request.method() == Method::OPTIONS {
                return cors.preflight(request.headers(), "GET,POST");
            }
            if let Some(refusal) = closed(&app, app.config.compat.socketio, "compat.socketio") {
                return cors.allow(refusal);
            }
            cors.allow(answer(&app, &relay, service, request).await.unwrap_or_else(|refusal| *refusal))
        }
    };
    Router::new().route("/socket.io", any(serve.clone())).route("/socket.io/", any(serve))
}

/// What a request wants, by its query.
struct Wish {
    protocol: Protocol,
    websocket: bool,
    /// The session that it belongs to, by the name that its client knows.
    session: Option<String>,
    base64: bool,
}

impl Wish {
    fn of(request: &Request<Body>) -> Option<Self> {
        let protocol = match query(request, "EIO")?.as_str() {
            "3" => Protocol::V3,
            "4" => Protocol::V4,
            _ => return None,
        };
        let websocket = match query(request, "transport")?.as_str() {
            "polling" => false,
            "websocket" => true,
            _ => return None,
        };
        Some(Self { protocol, websocket, session: query(request, "sid"), base64: query(request, "b64").is_some() })
    }

    /// The same for the library, and nothing else that the client may have put there.
    fn uri(&self, sid: Option<&str>) -> Option<Uri> {
        let revision = if self.protocol == Protocol::V3 { 3 } else { 4 };
        let transport = if self.websocket { "websocket" } else { "polling" };
        let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
        let base64 = if self.base64 { "&b64=1" } else { "" };
        format!("/socket.io/?EIO={revision}&transport={transport}{sid}{base64}").parse().ok()
    }
}

type Refusal = Box<Response<Body>>;

fn refuse(status: StatusCode, code: &str, message: &str) -> Refusal {
    Box::new(problem(status, code, message))
}

fn bad_request() -> Refusal {
    refuse(
        StatusCode::BAD_REQUEST,
        "bad_message",
        "This is no request of Engine.IO 3 or 4. Connect with a client of Socket.IO 2, 3 or 4.",
    )
}

async fn answer<S, B>(
    app: &Arc<App>,
    relay: &Arc<Relay>,
    service: S,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal>
where
    S: tower_service::Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible>,
    B: axum::body::HttpBody<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let wish = Wish::of(&request).ok_or_else(bad_request)?;
    if wish.websocket {
        accept_key(request.headers())?;
    }
    let client = app.client(&request);
    let session = match &wish.session {
        Some(name) => Some(find(app, name, &wish, client)?),
        None => None,
    };
    let member = match session.as_ref().map(|session| session.member.upgrade()) {
        Some(member) => member.ok_or_else(unknown_session)?,
        None if *request.method() == Method::GET => {
            let there = app.compat.socketio.count.load(Ordering::Relaxed);
            let slot = admit(app, client, there).map_err(|refused| Box::new(refused.response()))?;
            Arc::new(Member::new(app, slot))
        }
        None => return Err(bad_request()),
    };
    let uri = wish.uri(session.as_ref().map(|session| session.sid.as_str())).ok_or_else(bad_request)?;
    let (request, post) = forward(app, &wish, uri, &member, request).await?;
    let Ok(response) = { service }.call(request).await;
    let response = response.map(Body::new);
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if let Some(post) = post {
            post.set(guard(app, relay, &member));
        }
        return Ok(response);
    }
    if session.is_none() && response.status() == StatusCode::OK {
        return open(app, &wish, &member, client, response).await;
    }
    let length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    member.wrote(length.unwrap_or(0));
    Ok(no_store(response))
}

fn no_store(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn unknown_session() -> Refusal {
    // Word for word what clients know.
    let message = serde_json::json!({ "code": 1, "message": "Session ID unknown" });
    Box::new(crate::http::json(StatusCode::BAD_REQUEST, &message))
}

/// The session of this name, if it is this client's.
fn find(app: &App, name: &str, wish: &Wish, client: IpAddr) -> Result<Session, Refusal> {
    let session = lock(&app.compat.socketio.sessions).get(name).cloned().ok_or_else(unknown_session)?;
    // In protocol 3 the session's name is the client's id, which others know. They are not at its address, at least not from elsewhere.
    let own = session.protocol == wish.protocol && (session.protocol == Protocol::V4 || session.client == client);
    if own { Ok(session) } else { Err(unknown_session()) }
}

/// The request as the library gets it: its body read and looked through, and nothing in it that is not needed as long as the session lasts.
async fn forward(
    app: &App,
    wish: &Wish,
    uri: Uri,
    member: &Arc<Member>,
    request: Request<Body>,
) -> Result<(Request<Body>, Option<Post>), Refusal> {
    let (mut parts, body) = request.into_parts();
    let mut extensions = axum::http::Extensions::new();
    if let Some(upgrade) = parts.extensions.remove::<hyper::upgrade::OnUpgrade>().filter(|_| wish.websocket) {
        extensions.insert(upgrade);
    }
    extensions.insert(Arc::clone(member));
    let post = parts.extensions.remove::<Post>();
    let mut headers = HeaderMap::new();
    for name in [CONTENT_TYPE, SEC_WEBSOCKET_KEY] {
        if let Some(value) = parts.headers.remove(&name) {
            headers.insert(name, value);
        }
    }
    let body = if parts.method == Method::POST {
        if member.is_cut() {
            return Err(unknown_session());
        }
        let binary = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet"));
        let body = read(app, body).await?;
        if binary || !body_allowed(wish.protocol, &body) {
            app.metrics.refused("bad_message");
            let message = "Only events of signaling, as text, are taken here.";
            return Err(refuse(StatusCode::BAD_REQUEST, "bad_message", message));
        }
        Body::from(body)
    } else {
        Body::empty()
    };
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    *request.extensions_mut() = extensions;
    Ok((request, post))
}

async fn read(app: &App, body: Body) -> Result<bytes::Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, app.message_bytes())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            app.metrics.refused("too_large");
            let message = "The message is too long. The operator can raise `limits.message_kib`.";
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message))
        }
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "idle_timeout", "The body of the request took too long.")),
    }
}

/// Has the client's socket watched.
fn guard(app: &Arc<App>, relay: &Arc<Relay>, member: &Arc<Member>) -> Arc<dyn Guard> {
    let (relay, metrics, weak) = (Arc::downgrade(relay), app.metrics.clone(), Arc::downgrade(member));
    let tell = Box::new(move |code| match (relay.upgrade(), weak.upgrade().and_then(|member| member.socket())) {
        (Some(relay), Some(socket)) => relay.cut(socket, code),
        _ => metrics.refused(&crate::word(&code)),
    });
    let limits = &app.config.limits;
    let guard =
        FrameGuard::new(Arc::clone(member), app.message_bytes() as u64, (limits.messages_per_s, limits.burst), tell);
    let guard = Arc::new(guard);
    member.set_guard(&guard);
    guard
}

/// Gives a new polling session a name that only its client knows, in place of the client's id, which everybody may know.
async fn open(
    app: &App,
    wish: &Wish,
    member: &Arc<Member>,
    client: IpAddr,
    response: Response<Body>,
) -> Result<Response<Body>, Refusal> {
    let (mut parts, body) = response.into_parts();
    let unreadable =
        || refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The session could not be opened. Try again.");
    let body = to_bytes(body, OPENING_BYTES).await.map_err(|_| unreadable())?;
    let text = std::str::from_utf8(&body).map_err(|_| unreadable())?;
    let (head, rest) = text.split_once(r#""sid":""#).ok_or_else(unreadable)?;
    let (sid, tail) = rest.split_once('"').ok_or_else(unreadable)?;
    let name = match wish.protocol {
        Protocol::V3 => sid.to_owned(),
        Protocol::V4 => {
            let mut bytes = [0; 16];
            random(&mut bytes);
            format!("{:032x}", u128::from_be_bytes(bytes))
        }
    };
    let body = format!(r#"{head}"sid":"{name}"{tail}"#);
    let session = Session { sid: sid.to_owned(), member: Arc::downgrade(member), client, protocol: wish.protocol };
    lock(&app.compat.socketio.sessions).insert(name.clone(), session);
    member.set_session(name);
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok(no_store(Response::from_parts(parts, Body::from(body))))
}
