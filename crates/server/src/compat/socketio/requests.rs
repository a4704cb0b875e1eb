//! What a client asks for by HTTP: a session, its packets one body at a time, a WebSocket.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, UPGRADE};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use parlour_signaling::message::ErrorCode;
use parlour_signaling::socketio::{Revision, packets};

use super::connection::{run, run_upgrade};
use super::relay::{advice, hear};
use super::session::{Beginning, Session, Verb};
use crate::App;
use crate::compat::{admit, query};
use crate::http::{json, problem};
use crate::ws::{accept_key, switch_protocols};

/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How long a polling request is left waiting while its client changes to a WebSocket: as with Socket.IO's own server.
const NUDGE: Duration = Duration::from_millis(100);

type Refusal = Box<Response<Body>>;

/// Why Engine.IO refuses a request. Clients know the codes and the words.
#[derive(Clone, Copy, Debug)]
enum Fault {
    UnknownTransport = 0,
    UnknownSession = 1,
    BadHandshakeMethod = 2,
    BadRequest = 3,
    UnsupportedVersion = 5,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let message = match fault {
            Fault::UnknownTransport => "Transport unknown",
            Fault::UnknownSession => "Session ID unknown",
            Fault::BadHandshakeMethod => "Bad handshake method",
            Fault::BadRequest => "Bad request",
            Fault::UnsupportedVersion => "Unsupported protocol version",
        };
        let message = serde_json::json!({ "code": fault as u8, "message": message });
        Box::new(json(StatusCode::BAD_REQUEST, &message))
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Refusal {
    Box::new(problem(status, code, message))
}

/// Answers any request at the address.
pub(super) async fn answer(app: &Arc<App>, request: Request<Body>) -> Result<Response<Body>, Refusal> {
    let websocket = match query(&request, "transport").as_deref() {
        Some("polling") => false,
        Some("websocket") => true,
        _ => return Err(Fault::UnknownTransport.into()),
    };
    let revision = match query(&request, "EIO").as_deref() {
        Some("3") => Revision::V3,
        Some("4") => Revision::V4,
        _ => return Err(Fault::UnsupportedVersion.into()),
    };
    let client = app.client(&request);
    let Some(name) = query(&request, "sid") else {
        if *request.method() != Method::GET {
            return Err(Fault::BadHandshakeMethod.into());
        }
        let switch = if websocket { Some(Switch::of(request)?) } else { None };
        let there = app.compat.socketio.count();
        let slot = admit(app, client, there).map_err(|refused| Box::new(refused.response()))?;
        return Ok(match switch {
            Some(Switch { answer, upgrade }) => {
                tokio::spawn(run(Arc::clone(app), upgrade, Beginning { revision, client, slot, alive: None }));
                answer
            }
            None => {
                let alive = Some(app.enter());
                let session = app.compat.socketio.open(app, Beginning { revision, client, slot, alive });
                poll(app, &session).await?
            }
        });
    };
    let session = name.parse().ok().and_then(|name| app.compat.socketio.named(name));
    // In revision 3 the session's name is the client's id, which others know. They are not at its address, at least not from elsewhere.
    let session = session.filter(|session| session.revision == Revision::V4 || session.client == client);
    let session = session.ok_or(Fault::UnknownSession)?;
    if session.revision != revision || !session.takes_requests() {
        return Err(Fault::BadRequest.into());
    }
    match (websocket, request.method()) {
        (true, &Method::GET) => {
            let Switch { answer, upgrade } = Switch::of(request)?;
            if !session.begin_upgrade() {
                return Err(Fault::BadRequest.into());
            }
            tokio::spawn(run_upgrade(Arc::clone(app), upgrade, session));
            Ok(answer)
        }
        (false, &Method::GET) => poll(app, &session).await,
        (false, &Method::POST) => post(app, &session, request).await,
        _ => Err(Fault::BadRequest.into()),
    }
}

/// The change of a connection to a WebSocket.
struct Switch {
    answer: Response<Body>,
    upgrade: hyper::upgrade::OnUpgrade,
}

impl Switch {
    fn of(mut request: Request<Body>) -> Result<Self, Refusal> {
        if !request.headers().contains_key(UPGRADE) {
            return Err(Fault::BadRequest.into());
        }
        let answer = switch_protocols(accept_key(request.headers())?);
        Ok(Self { answer, upgrade: hyper::upgrade::on(&mut request) })
    }
}

/// A request of a session, until it is answered. Who goes away before that has left.
struct Turn<'a> {
    app: &'a App,
    session: &'a Session,
    verb: Verb,
    answered: bool,
}

impl<'a> Turn<'a> {
    /// A client that makes two requests of a kind at a time is confused beyond help, and loses its session.
    fn begin(app: &'a App, session: &'a Session, verb: Verb) -> Result<Self, Refusal> {
        if !session.begin(verb) {
            app.compat.socketio.give_up(app, session);
            return Err(Fault::BadRequest.into());
        }
        Ok(Self { app, session, verb, answered: false })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.session.finish(self.verb);
        if !self.answered {
            self.app.compat.socketio.give_up(self.app, self.session);
        }
    }
}

/// Waits for something to say, and says it.
async fn poll(app: &App, session: &Session) -> Result<Response<Body>, Refusal> {
    let mut turn = Turn::begin(app, session, Verb::Poll)?;
    let answer = poll_fn(|cx| match session.poll_answer(cx, &app.metrics) {
        Poll::Pending if session.is_probed() => Poll::Ready(None),
        answer => answer.map(Some),
    });
    let answer = match answer.await {
        Some(answer) => answer,
        // The client changes to a WebSocket as soon as this is answered.
        None => {
            tokio::time::sleep(NUDGE).await;
            poll_fn(|cx| match session.poll_answer(cx, &app.metrics) {
                Poll::Pending => Poll::Ready(session.noop()),
                answer => answer,
            })
            .await
        }
    };
    turn.answered = true;
    drop(turn);
    if answer.last {
        app.compat.socketio.end(app, session);
    }
    Ok(text(answer.body, "text/plain; charset=UTF-8"))
}

/// Hears what the client says.
async fn post(app: &Arc<App>, session: &Arc<Session>, request: Request<Body>) -> Result<Response<Body>, Refusal> {
    let mut turn = Turn::begin(app, session, Verb::Post)?;
    let kind = request.headers().get(CONTENT_TYPE);
    let binary = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet"));
    let body = read(app, request.into_body()).await;
    turn.answered = true;
    drop(turn);
    let body = body?;
    let said = match std::str::from_utf8(&body) {
        Ok(body) if !binary => packets(session.revision, body).try_for_each(|packet| match packet {
            Ok(packet) => hear(app, session, packet),
            Err(_) => Err(ErrorCode::BadMessage),
        }),
        _ => Err(ErrorCode::BadMessage),
    };
    match said {
        Ok(()) => Ok(text("ok".to_owned(), "text/html")),
        Err(code) => {
            app.compat.socketio.cut(app, session, code);
            Err(refuse(StatusCode::BAD_REQUEST, &crate::word(&code), advice(code)))
        }
    }
}

async fn read(app: &App, body: Body) -> Result<bytes::Bytes, Refusal> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, app.message_bytes())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            app.metrics.refused("too_large");
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", advice(ErrorCode::TooLarge)))
        }
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "idle_timeout", "The body of the request took too long.")),
    }
}

fn text(body: String, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
