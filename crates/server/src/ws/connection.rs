//! The task of one signaling connection: it reads messages into the room machine and writes what the outbox holds.
//!
//! There may be many thousands of these, nearly all idle, so the task is one hand-written loop over one socket: no second task, no timer,
//! no buffer that stays while nothing happens. Phases that end (the upgrade, the first message, the close) are boxed and leave no trace.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::{Sink, Stream as _};
use hyper::upgrade::OnUpgrade;
use parlour_signaling::message::{ErrorCode, ServerMessage};
use parlour_signaling::{ConnId, peek_room};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::outbox::Outbox;
use super::talk::{self, CONTROL_FRAMES, End, Socket, Talk, blame, shut};
use crate::limits::Slot;
use crate::shards::Shard;
use crate::{App, word};

/// How long a client may take for its first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason code of an error outside the room machine (docs/signaling.md).
const CLOSE_ERROR: u16 = 4000;

/// Whether a connection may go on after the upgrade.
pub(super) enum Admission {
    /// It may, and counts among its address's.
    Welcome(Slot),
    /// It is told why not.
    Refused(ErrorCode),
}

/// Serves a connection from its upgrade to its end.
pub(super) async fn run(app: Arc<App>, upgrade: OnUpgrade, client: IpAddr, host: Box<str>, admission: Admission) {
    let _live = app.enter();
    let Some((mut connection, _slot)) = Box::pin(start(&app, upgrade, client, host, admission)).await else { return };
    let end = connection.talk().await;
    Box::pin(connection.finish(end)).await;
}

/// A connection that has said its first message.
struct Connection {
    talk: Talk,
    shard: Arc<Shard>,
    conn: ConnId,
    app: Arc<App>,
}

/// Takes the socket over from HTTP and waits for the first message, which says to which room, and so to which shard, it belongs.
async fn start(
    app: &Arc<App>,
    upgrade: OnUpgrade,
    client: IpAddr,
    host: Box<str>,
    admission: Admission,
) -> Option<(Connection, Slot)> {
    let mut socket = talk::take_over(upgrade, app.message_bytes()).await?;
    let slot = match admission {
        Admission::Welcome(slot) => slot,
        Admission::Refused(code) => {
            refuse(app, socket, code, None).await;
            return None;
        }
    };
    let first = match tokio::time::timeout(HELLO_TIMEOUT, poll_fn(|cx| poll_first(&mut socket, cx))).await {
        Ok(Ok(first)) => first,
        Ok(Err(code)) => {
            if let Some(code) = code {
                refuse(app, socket, code, None).await;
            }
            return None;
        }
        Err(_) => {
            refuse(app, socket, ErrorCode::IdleTimeout, None).await;
            return None;
        }
    };
    if let Err(wait) = app.limits.join(client, Instant::now()) {
        refuse(app, socket, ErrorCode::TooManyJoins, Some(wait)).await;
        return None;
    }
    let (shard, forgotten) = match peek_room(&first) {
        Some(room) if app.shards.has_room_for(&room, app.config.limits.max_rooms as usize) => {
            let shard = app.shards.of_room(&room);
            let there = shard.with(|hub, _| hub.room(&room).is_some());
            (shard, if there { None } else { app.recorder.find(&room).await })
        }
        Some(_) => {
            refuse(app, socket, ErrorCode::ServerFull, None).await;
            return None;
        }
        None => (app.shards.of_nobody(), None),
    };
    let conn = app.shards.next_conn();
    let outbox = Arc::new(Outbox::default());
    app.ice.remember(conn, host);
    shard.open(conn, client, Arc::clone(&outbox));
    if shard.first_message(conn, &first, forgotten) {
        app.limits.unjoin(client);
    }
    app.metrics.messages_in.increment(1);
    let shard = Arc::clone(shard);
    Some((Connection { talk: Talk::new(socket, outbox), shard, conn, app: Arc::clone(app) }, slot))
}

/// Reads the first message. `Err(None)`: the client is gone.
fn poll_first(socket: &mut Socket, cx: &mut Context<'_>) -> Poll<Result<Utf8Bytes, Option<ErrorCode>>> {
    for _ in 0..CONTROL_FRAMES {
        match ready!(Pin::new(&mut *socket).poll_next(cx)) {
            Some(Ok(Message::Text(text))) => return Poll::Ready(Ok(text)),
            Some(Ok(Message::Binary(_))) => return Poll::Ready(Err(Some(ErrorCode::BadMessage))),
            Some(Ok(Message::Close(_))) | None => return Poll::Ready(Err(None)),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Poll::Ready(Err(blame(&error))),
        }
    }
    Poll::Ready(Err(Some(ErrorCode::Rate)))
}

impl Connection {
    async fn talk(&mut self) -> End {
        let (shard, conn, metrics) = (&self.shard, self.conn, &self.app.metrics);
        poll_fn(|cx| self.talk.poll(cx, metrics, |text| shard.message(conn, text))).await
    }

    /// Says the last words and closes.
    async fn finish(mut self, end: End) {
        let close = match end {
            End::Gone => None,
            End::Close { code, reason } => Some((code, reason)),
            End::Broken(code) => {
                self.shard.refuse(self.conn, code);
                self.talk.take_rest()
            }
        };
        self.app.ice.forget(self.conn);
        self.shard.close(self.conn);
        if let Some((code, reason)) = close {
            shut(&self.app, self.talk.socket, code, Utf8Bytes::from_static(reason)).await;
        }
    }
}

/// Turns a client away that has no place in a room machine yet.
async fn refuse(app: &App, mut socket: Socket, code: ErrorCode, wait: Option<Duration>) {
    let word = word(&code);
    app.metrics.refused(&word);
    let retry_ms = wait.map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1));
    let error = ServerMessage::Error { re: None, code, message: advice(code).to_owned(), retry_ms, fatal: true };
    if let Ok(text) = serde_json::to_string(&error) {
        let _ = Pin::new(&mut socket).start_send(Message::Text(text.into()));
    }
    let close = if code == ErrorCode::TooLarge { u16::from(CloseCode::Size) } else { CLOSE_ERROR };
    shut(app, socket, close, word.into()).await;
}

/// What a client that was turned away here can do.
fn advice(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::TooManyConnections => {
            "Too many connections from this address. Close some, or ask the operator to raise `conns_per_ip`."
        }
        ErrorCode::TooManyJoins => "Too many joins from this address within a minute. Wait a little and try again.",
        ErrorCode::IdleTimeout => "No `hello` came in time. Send it as the first message, at once.",
        ErrorCode::TooLarge => "The message is too long. See `limits.message_bytes`.",
        ErrorCode::ServerFull => {
            "This server has as many rooms as it may have. Try again later, or ask the operator to raise `max_rooms`."
        }
        ErrorCode::Rate => "Too many WebSocket control frames. Send fewer.",
        _ => "This is not a text message of the protocol. Send JSON in text frames.",
    }
}
