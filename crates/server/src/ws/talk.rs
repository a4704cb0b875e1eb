//! A WebSocket between its upgrade and its end, with the queue of what waits to be written to it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_util::{Sink, Stream as _};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use parlour_signaling::Frame;
use parlour_signaling::message::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, error::CapacityError};

use super::outbox::Outbox;
use super::wire::Wire;
use crate::App;
use crate::metrics::Metrics;
use crate::stream::Stream;

pub(crate) type Socket = WebSocketStream<Wire>;

/// Most bytes taken from the socket at once. Candidates and pings fit; a description takes some reads. It stays with every connection.
const READ_BUFFER: usize = 1 << 10;

/// What the WebSocket library may gather itself: only control frames and last words go through it.
const WRITE_BUFFER: usize = 1 << 10;

/// How long a client may take to read the last words and to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The same when the server itself stops: the client gets the last words, but is not waited for.
const STOP_TIMEOUT: Duration = Duration::from_millis(300);

/// Most bytes of a closing client that are read and thrown away, so that it gets to read the last words.
const LINGER_BYTES: u64 = 1 << 20;

/// Most control frames (RFC 6455 §5.5) between two messages. Each may cost us an answer, and none counts as a message.
pub(crate) const CONTROL_FRAMES: u32 = 64;

/// Stands for a close frame without a code (RFC 6455 §7.1.5).
pub(crate) const NO_CODE: u16 = 1005;

/// What ends a connection.
pub(crate) enum End {
    /// The client closed, or the network did.
    Gone,
    /// The server closes.
    Close { code: u16, reason: &'static str },
    /// What came is not to be read any further.
    Broken(ErrorCode),
}

/// Takes the socket over from HTTP. Messages may have `max` bytes. `None` if the client is gone.
pub(crate) async fn take_over(upgrade: OnUpgrade, max: usize) -> Option<Socket> {
    let parts = downcast::<TokioIo<Stream>>(upgrade.await.ok()?).ok()?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(max))
        .max_frame_size(Some(max));
    let stream = Wire::new(parts.io.into_inner());
    Some(match parts.read_buf.is_empty() {
        true => Socket::from_raw_socket(stream, Role::Server, Some(config)).await,
        false => Socket::from_partially_read(stream, parts.read_buf.to_vec(), Role::Server, Some(config)).await,
    })
}

/// What the client did wrong, if it did.
pub(crate) fn blame(error: &tungstenite::Error) -> Option<ErrorCode> {
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

/// A WebSocket and its outbox.
pub(crate) struct Talk {
    pub(crate) socket: Socket,
    outbox: Arc<Outbox>,
    control_frames: u32,
    /// Whether writing has failed.
    mute: bool,
}

impl Talk {
    pub(crate) fn new(socket: Socket, outbox: Arc<Outbox>) -> Self {
        Self { socket, outbox, control_frames: 0, mute: false }
    }

    /// Writes all that can be written, reads all that can be read, until neither can.
    ///
    /// `hear` is given each message.
    ///
    /// Reading goes on when writing has failed: who says `bye` and is gone at once, with something from us unread, resets the connection,
    /// and yet has left for good. What it said before may still be on its way to us through the runtime, and its end comes behind it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, metrics: &Metrics, mut hear: impl FnMut(&str)) -> Poll<End> {
        loop {
            if !self.mute
                && let Poll::Ready(end) = self.poll_write(cx, metrics)
            {
                if !matches!(end, End::Gone) {
                    return Poll::Ready(end);
                }
                self.mute = true;
            }
            // Should that end not come, the room machine gives the client up after a while.
            while self.mute
                && let Some(frame) = self.outbox.pop(cx.waker())
            {
                if matches!(frame, Frame::Close { .. }) {
                    return Poll::Ready(End::Gone);
                }
            }
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Text(text))) => {
                    self.control_frames = 0;
                    metrics.messages_in.increment(1);
                    hear(&text);
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

    /// Writes what the outbox holds, in as few goes as possible. Pending when all is written, or the client does not read.
    fn poll_write(&mut self, cx: &mut Context<'_>, metrics: &Metrics) -> Poll<End> {
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
            let (outbox, count) = (&self.outbox, &metrics.messages_out);
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

    /// Gives what is left in the outbox to the socket; the close that stands at its end, if one does.
    pub(crate) fn take_rest(&mut self) -> Option<(u16, &'static str)> {
        let mut close = None;
        while let Some(frame) = self.outbox.pop(Waker::noop()) {
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
}

/// Sends a close frame (RFC 6455 §5.5.1) behind what is still unwritten, and closes the socket in such a way that the client gets to read it:
/// a socket that is dropped with unread bytes resets the connection and takes our last words with it.
pub(crate) async fn shut(app: &App, mut socket: Socket, code: u16, reason: Utf8Bytes) {
    let frame = (code != NO_CODE).then(|| CloseFrame { code: CloseCode::from(code), reason });
    let close = Message::Close(frame);
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
