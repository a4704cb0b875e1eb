//! The byte stream under a WebSocket, with a way to write text frames past it.
//!
//! A relay writes most of its frames once and forgets them. Going through the WebSocket library, each would be copied into a string of its own
//! and into a buffer that stays with the connection for ever. Here frames are encoded into a buffer that all connections of a thread share and
//! written at once; only what the client does not take stays behind, until it does.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use parlour_signaling::Text;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Stream;

/// A stream with what is still to be written before anything else.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    backlog: Vec<u8>,
}

/// Bytes that are gathered for one write.
const BATCH: usize = 64 << 10;

thread_local! {
    /// Where frames are encoded. Empty between two calls.
    static SCRATCH: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, backlog: Vec::new() }
    }

    /// Writes as many of `texts` as make one good write, each as a frame. Ready with false if there were none.
    ///
    /// Everything taken from `texts` is written sooner or later. Pending while the client takes nothing; then nothing is taken from `texts`.
    pub(super) fn poll_texts(
        &mut self,
        cx: &mut Context<'_>,
        mut texts: impl FnMut() -> Option<Text>,
    ) -> Poll<io::Result<bool>> {
        ready!(self.poll_backlog(cx))?;
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            while scratch.len() < BATCH
                && let Some(text) = texts()
            {
                put_frame(&text, scratch);
            }
            let mut rest: &[u8] = scratch;
            let some = !rest.is_empty();
            while !rest.is_empty() {
                match Pin::new(&mut self.stream).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(written)) => rest = rest.get(written..).unwrap_or_default(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.backlog = rest.to_vec();
                        break;
                    }
                }
            }
            Poll::Ready(Ok(some))
        })
    }

    fn poll_backlog(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.backlog.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut written = 0;
        let result = loop {
            let rest = self.backlog.get(written..).unwrap_or_default();
            if rest.is_empty() {
                self.backlog = Vec::new();
                return Poll::Ready(Ok(()));
            }
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.backlog.drain(..written);
        result
    }
}

/// Appends a text frame as a server sends it: whole and without a mask (RFC 6455 §5.2).
fn put_frame(text: &Text, out: &mut BytesMut) {
    let len = text.len();
    out.reserve(len + 10);
    out.put_u8(0x81);
    match (u16::try_from(len), len) {
        (_, ..126) => out.put_u8(len as u8),
        (Ok(len), _) => {
            out.put_u8(126);
            out.put_u16(len);
        }
        (Err(_), len) => {
            out.put_u8(127);
            out.put_u64(len as u64);
        }
    }
    text.write_to(out);
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        ready!(wire.poll_backlog(cx))?;
        Pin::new(&mut wire.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        ready!(wire.poll_backlog(cx))?;
        Pin::new(&mut wire.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        ready!(wire.poll_backlog(cx))?;
        Pin::new(&mut wire.stream).poll_shutdown(cx)
    }
}
