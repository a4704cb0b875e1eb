//! The task of one signaling connection: it reads messages into the room machine and writes what the outbox holds.
//!
//! There may be many thousands of these, nearly all idle, so the task is one hand-written loop over one socket: no second task, no timer,
//! no buffer that stays while nothing happens. Phases that end (the upgrade, the first message, the close) are boxed and leave no trace.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::{Sink, Stream as _};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use parlour_signaling::message::{ErrorCode, ServerMessage};
use parlour_signaling::{ConnId, Frame, peek_room};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, error::CapacityError};

use super::outbox::Outbox;
use super::wire::Wire;
use crate::limits::Slot;
use crate::shards::Shard;
use crate::stream::Stream;
use crate::{App, word};

type Socket = WebSocketStream<Wire>;

/// Most bytes taken from the socket at once. Candidates and pings fit; a description takes some reads. It stays with every connection.
const READ_BUFFER: usize = 1 << 10;

/// What the WebSocket library may gather itself: only control frames and last words go through it.
const WRITE_BUFFER: usize = 1 << 10;

/// How long a client may take for its first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to read the last words and to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The same when the server itself stops: the client gets the last words, but is not waited for.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);

/// Most bytes of a closing client that are read and thrown away, so that it gets to read the last words.
const LINGER_BYTES: u64 = 1 << 20;

/// Most control frames (RFC 6455 §5.5) between two messages. Each may cost us an answer, and none counts as a message.
const CONTROL_FRAMES: u32 = 64;

/// The reason code of an error outside the room machine (docs/signaling.md).
const CLOSE_ERROR: u16 = 4000;

/// Whether a connection may go on after the upgrade.
pub(super) enum Admission {
    /// It may, and counts among its address's.
    Welcome(Slot),
    /// It is told why not.
    Refused(ErrorCode),
}

/// What ends a connection.
enum End {
    /// The client closed, or the network did.
    Gone,
    /// The server closes.
    Close { code: u16, reason: &'static str },
    /// What came is not to be read any further.
    Broken(ErrorCode),
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
    socket: Socket,
    outbox: Arc<Outbox>,
    shard: Arc<Shard>,
    conn: ConnId,
    app: Arc<App>,
    control_frames: u32,
}

/// Takes the socket over from HTTP and waits for the first message, which says to which room, and so to which shard, it belongs.
async fn start(
    app: &Arc<App>,
    upgrade: OnUpgrade,
    client: IpAddr,
    host: Box<str>,
    admission: Admission,
) -> Option<(Connection, Slot)> {
    let parts = downcast::<TokioIo<Stream>>(upgrade.await.ok()?).ok()?;
    let max = app.message_bytes();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    let stream = Wire::new(parts.io.into_inner());
    let mut socket = match parts.read_buf.is_empty() {
        true => Socket::from_raw_socket(stream, Role::Server, Some(config)).await,
        false => Socket::from_partially_read(stream, parts.read_buf.to_vec(), Role::Server, Some(config)).await,
    };
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
    Some((Connection { socket, outbox, shard, conn, app: Arc::clone(app), control_frames: 0 }, slot))
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

/// What the client did wrong, if it did.
fn blame(error: &tungstenite::Error) -> Option<ErrorCode> {
    use tungstenite::error::ProtocolError;
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(ErrorCode::TooLarge),
        tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) | tungstenite::Error::Capacity(_) => {
            Some(ErrorCode::BadMessage)
        }
        _ => None,
    }
}

impl Connection {
    async fn talk(&mut self) -> End {
        poll_fn(|cx| self.poll_talk(cx)).await
    }

    /// Writes all that can be written, reads all that can be read, until neither can.
    fn poll_talk(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if let Poll::Ready(end) = self.poll_write(cx) {
                if matches!(end, End::Gone) {
                    self.hear_last_words(cx);
                }
                return Poll::Ready(end);
            }
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => {
                    self.control_frames = 0;
                    self.app.metrics.messages_in.increment(1);
                    self.shard.message(self.conn, &text);
                }
                Some(Ok(Message::Binary(_))) => return Poll::Ready(End::Broken(ErrorCode::BadMessage)),
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(End::Gone),
                Some(Ok(_)) => {
                    self.control_frames += 1;
                    if self.control_frames > CONTROL_FRAMES {
                        return Poll::Ready(End::Broken(ErrorCode::Rate));
                    }
                }
                Some(Err(error)) => return Poll::Ready(blame(&error).map_or(End::Gone, End::Broken)),
            }
        }
    }

    /// Reads what had arrived before writing failed. Who says `bye` and is gone at once, with something from us unread, resets the
    /// connection, and yet has left for good.
    fn hear_last_words(&mut self, cx: &mut Context<'_>) {
        for _ in 0..CONTROL_FRAMES {
            match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(Message::Text(text)))) => self.shard.message(self.conn, &text),
                Poll::Ready(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                _ => return,
            }
        }
    }

    /// Writes what the outbox holds, in as few goes as possible. Pending when all is written, or the client does not read.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let mut close = None;
        loop {
            // What the library has to say (pongs) must not fall into one of our frames, nor ours into its.
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
                // The client reads slowly. Its outbox grows to its limit, and then the room machine decides.
                Poll::Pending => return Poll::Pending,
            }
            if let Some(end) = close.take() {
                return Poll::Ready(end);
            }
            let (outbox, count) = (&self.outbox, &self.app.metrics.messages_out);
            let texts = || match outbox.pop(cx.waker())? {
                Frame::Text(text) => {
                    count.increment(1);
                    Some(text)
                }
                Frame::Close { code, reason } => {
                    close = Some(End::Close { code, reason });
                    None
                }
            };
            let mut context = Context::from_waker(cx.waker());
            match self.socket.get_mut().poll_texts(&mut context, texts) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) if close.is_some() => {}
                Poll::Ready(Ok(false)) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(End::Gone),
            }
        }
    }

    /// Says the last words and closes.
    async fn finish(mut self, end: End) {
        let close = match end {
            End::Gone => None,
            End::Close { code, reason } => Some((code, reason)),
            End::Broken(code) => {
                self.shard.refuse(self.conn, code);
                let mut close = None;
                while let Some(frame) = self.outbox.pop(std::task::Waker::noop()) {
                    match frame {
                        Frame::Text(text) => {
                            if let Ok(text) = Utf8Bytes::try_from(text.to_bytes()) {
                                let _ = Pin::new(&mut self.socket).start_send(Message::Text(text));
                            }
                        }
                        Frame::Close { code, reason } => close = Some((code, reason)),
                    }
                }
                close
            }
        };
        self.app.ice.forget(self.conn);
        self.shard.close(self.conn);
        if let Some((code, reason)) = close {
            shut(&self.app, self.socket, code, Utf8Bytes::from_static(reason)).await;
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

/// Sends a close frame (RFC 6455 §5.5.1) behind what is still unwritten, and closes the socket in such a way that the client gets to read it:
/// a socket that is dropped with unread bytes resets the connection and takes our last words with it.
async fn shut(app: &App, mut socket: Socket, code: u16, reason: Utf8Bytes) {
    let close = Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason }));
    let parting = async {
        if Pin::new(&mut socket).start_send(close).is_ok() {
            poll_fn(|cx| Pin::new(&mut socket).poll_flush(cx)).await.map_err(io::Error::other)?;
        }
        let stream = socket.get_mut();
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    let patience = if app.draining.load(Ordering::Relaxed) { STOP_TIMEOUT } else { CLOSE_TIMEOUT };
    let _ = tokio::time::timeout(patience, parting).await;
}
