//! A data channel as a stream of bytes.

use crate::channel::DataChannel;
use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes are sent in messages of this size at most; every peer takes it.
const CHUNK: usize = 16 << 10;
/// As many bytes may wait.
const WINDOW: usize = 1 << 20;

/// The bytes of the messages of a [`DataChannel`], one after the other.
///
/// Where messages begin and end is not seen by the reader and is chosen by the writer. The end of the channel is the end of
/// the stream; shutting the writing side down closes the channel, as a channel has no half.
#[derive(Debug)]
pub struct ByteStream {
    channel: DataChannel,
    /// What is left of a message.
    rest: Bytes,
}

impl ByteStream {
    pub(crate) fn new(channel: DataChannel) -> Self {
        Self { channel, rest: Bytes::new() }
    }

    /// The channel.
    pub fn channel(&self) -> &DataChannel {
        &self.channel
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.channel.poll_recv(cx)) {
                Some(message) => self.rest = message.into_bytes(),
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.rest.len().min(buffer.remaining());
        buffer.put_slice(self.rest.get(..length).unwrap_or_default());
        self.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.channel.poll_writable(cx, WINDOW)).map_err(broken)?;
        let length = bytes.len().min(CHUNK).min(self.channel.max_message_size());
        let chunk = Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default());
        if !chunk.is_empty() {
            self.channel.try_send(chunk).map_err(broken)?;
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.poll_flushed(cx).map_err(broken)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.channel.close();
        self.channel.poll_closed(cx).map(Ok)
    }
}

fn broken(error: parlour_peer::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}
