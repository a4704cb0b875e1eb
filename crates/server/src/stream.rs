//! An accepted connection, with or without TLS, as one type.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A TCP connection, perhaps with TLS in it. One type for both keeps what stands on it small and free of dynamic calls.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain.
    Tcp(TcpStream),
    /// Encrypted; boxed, as its state is large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// How many bytes of a deaf connection are read at once, and how often before others have their turn.
const DISCARDED_AT_ONCE: usize = 4 << 10;
const DISCARDS_IN_A_ROW: usize = 16;

/// Watches over a connection below the library that serves it: sees every byte that comes, and may have the connection fall silent.
pub(crate) trait Guard: Send + Sync {
    /// Ready once the connection is to end; pending while it plays deaf. `None` while all is well.
    fn poll_deaf(&self, cx: &mut Context<'_>) -> Option<Poll<()>>;

    /// Looks at what was read. False: it must not reach the reader, and the connection plays deaf from now on.
    fn read(&self, bytes: &[u8]) -> bool;

    /// Counts what was written.
    fn wrote(&self, bytes: usize);
}

/// Where a guard takes its post. Cloned into each request of a connection; who serves the request may post a guard, once.
#[derive(Clone, Default)]
pub(crate) struct Post(Arc<OnceLock<Arc<dyn Guard>>>);

impl Post {
    /// Has `guard` watch over the connection from now on.
    pub(crate) fn set(&self, guard: Arc<dyn Guard>) {
        let _ = self.0.set(guard);
    }
}

/// A stream under HTTP, with a post for a guard.
pub(crate) struct Guarded {
    stream: Stream,
    post: Post,
}

impl Guarded {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, post: Post::default() }
    }

    /// The post of this stream.
    pub(crate) fn post(&self) -> Post {
        self.post.clone()
    }

    /// The stream itself, for those who watch over it themselves.
    pub(crate) fn into_inner(self) -> Stream {
        self.stream
    }

    /// Reads and forgets, so that the client gets to read the last words: closing a socket with something unread in it takes them back.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waste = [0; DISCARDED_AT_ONCE];
        for _ in 0..DISCARDS_IN_A_ROW {
            let mut waste = ReadBuf::new(&mut waste);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut waste))?;
            if waste.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        if let (Poll::Ready(Ok(bytes)), Some(guard)) = (written, self.post.0.get()) {
            guard.wrote(*bytes);
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(guard) = this.post.0.get() else { return Pin::new(&mut this.stream).poll_read(cx, buf) };
        if let Some(deaf) = guard.poll_deaf(cx) {
            return if deaf.is_ready() { Poll::Ready(Ok(())) } else { this.poll_discard(cx) };
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if guard.read(buf.filled().get(before..).unwrap_or_default()) {
            return Poll::Ready(Ok(()));
        }
        buf.set_filled(before);
        // Again, to have the timer of the guard started.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
