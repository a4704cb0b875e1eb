//! Data channels (W3C webrtc-pc §6).

use crate::byte_stream::ByteStream;
use crate::core::{Shared, now};
use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use parlour_peer::{ChannelId, ChannelState, DataChannelInit, Error, Payload};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A program that waits for room waits for less than this many bytes to be buffered.
const HIGH_WATER: usize = 1 << 20;
/// It is woken when no more than this wait.
const LOW_WATER: usize = 256 << 10;

/// What is sent and received on a data channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes: of a text, in UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Its bytes: of a text, in UTF-8.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary(bytes) => bytes,
        }
    }

    pub(crate) fn from_payload(payload: Payload) -> Self {
        match payload {
            // What is no UTF-8 is replaced, as a browser does (RFC 8831 §6.6 wants UTF-8).
            Payload::Text(bytes) => Self::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Payload::Binary(bytes) => Self::Binary(bytes),
        }
    }

    fn into_payload(self) -> Payload {
        match self {
            Self::Text(text) => Payload::Text(text.into()),
            Self::Binary(bytes) => Payload::Binary(bytes),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<&'static [u8]> for Message {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Binary(Bytes::from_static(bytes))
    }
}

/// `RTCDataChannel`. Also a `Stream` of what comes and a `Sink` of what goes.
///
/// Clones are handles of the same channel, and a message is given to one of them. Dropping the last one closes the
/// channel; what was sent before still arrives. A program that does not read slows the other side down.
#[derive(Clone)]
pub struct DataChannel(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    id: ChannelId,
    label: String,
    init: DataChannelInit,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.change(|core| core.release(self.id));
    }
}

impl fmt::Debug for DataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataChannel")
            .field("label", &self.0.label)
            .field("id", &self.id())
            .field("ready_state", &self.ready_state())
            .finish_non_exhaustive()
    }
}

impl DataChannel {
    /// A handle; none if the channel is gone.
    pub(crate) fn new(shared: Arc<Shared>, id: ChannelId) -> Option<Self> {
        let (label, init) = {
            let mut core = shared.lock();
            let slots = core.pc.data_channel(id)?;
            let known = (slots.label().to_owned(), slots.init().clone());
            core.channels.entry(id).or_default().handles += 1;
            known
        };
        Some(Self(Arc::new(Handle { shared, id, label, init })))
    }

    /// `label`: what the side that made the channel called it.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// `ordered`, `maxPacketLifeTime`, `maxRetransmits`, `protocol` and `negotiated`.
    pub fn init(&self) -> &DataChannelInit {
        &self.0.init
    }

    /// `id`: the stream, once it is known who is the DTLS client.
    pub fn id(&self) -> Option<u16> {
        self.0.shared.lock().pc.data_channel(self.0.id)?.id()
    }

    /// `readyState`.
    pub fn ready_state(&self) -> ChannelState {
        self.0.shared.lock().pc.data_channel(self.0.id).map_or(ChannelState::Closed, |slots| slots.ready_state())
    }

    /// `bufferedAmount`: bytes that were sent and are not yet handed to the network.
    pub fn buffered_amount(&self) -> usize {
        self.0.shared.lock().pc.data_channel(self.0.id).map_or(0, |slots| slots.buffered_amount())
    }

    /// Waits until the channel is open.
    ///
    /// # Errors
    /// It has ended before, and why.
    pub async fn opened(&self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_writable(cx, usize::MAX)).await
    }

    /// Sends a message once the channel is open and has room. The message is not sent if the future is dropped before it
    /// is ready.
    ///
    /// # Errors
    /// [`Error::Type`] if the other side takes no message of this size, [`Error::InvalidState`] if the channel has ended.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        poll_fn(|cx| self.poll_writable(cx, HIGH_WATER)).await?;
        self.try_send(message)
    }

    /// `send()`: sends a message now.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`Error::InvalidState`] if the channel is not open yet, [`Error::Operation`] if too
    /// much waits.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let payload = message.into().into_payload();
        self.0.shared.change(|core| core.pc.send(now(), self.0.id, payload))
    }

    /// The next message; none once the channel has ended and everything was read. Nothing is lost if the future is
    /// dropped before it is ready.
    pub async fn recv(&self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// `close()`: what was sent still arrives.
    pub fn close(&self) {
        self.0.shared.change(|core| core.pc.close_data_channel(self.0.id));
    }

    /// Waits until the channel is closed.
    ///
    /// # Errors
    /// Why it ended, if nobody closed it.
    pub async fn closed(&self) -> Result<(), Error> {
        poll_fn(|cx| {
            let mut core = self.0.shared.lock();
            if core.pc.data_channel(self.0.id).is_none_or(|slots| slots.ready_state() == ChannelState::Closed) {
                let error = core.channels.get(&self.0.id).and_then(|inbox| inbox.error.clone());
                return Poll::Ready(error.map_or(Ok(()), Err));
            }
            core.channels.entry(self.0.id).or_default().writers.register(cx);
            Poll::Pending
        })
        .await
    }

    /// The channel as a stream of bytes, for a reliable and ordered one.
    pub fn byte_stream(&self) -> ByteStream {
        ByteStream::new(self.clone())
    }

    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut core = self.0.shared.lock();
        let (message, released) = core.take_message(self.0.id);
        if message.is_some() {
            drop(core);
            if released {
                self.0.shared.wake.notify_one();
            }
            return Poll::Ready(message);
        }
        let ended = core.pc.data_channel(self.0.id).is_none_or(|slots| slots.ready_state() == ChannelState::Closed);
        if ended {
            return Poll::Ready(None);
        }
        core.channels.entry(self.0.id).or_default().readers.register(cx);
        Poll::Pending
    }

    /// Whether the channel is open and fewer bytes than this wait, at least one.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>, room: usize) -> Poll<Result<(), Error>> {
        let mut core = self.0.shared.lock();
        let slots = core.pc.data_channel(self.0.id);
        let state = slots.map_or(ChannelState::Closed, |slots| slots.ready_state());
        let buffered = slots.map_or(0, |slots| slots.buffered_amount());
        match state {
            ChannelState::Open if buffered < room => return Poll::Ready(Ok(())),
            ChannelState::Open | ChannelState::Connecting => {}
            ChannelState::Closing | ChannelState::Closed => {
                let error = core.channels.get(&self.0.id).and_then(|inbox| inbox.error.clone());
                let ended = || Error::InvalidState("the data channel is closed".into());
                return Poll::Ready(Err(error.unwrap_or_else(ended)));
            }
        }
        // Whoever waits for less is woken by it as well, and asks again.
        core.pc.set_buffered_amount_low_threshold(self.0.id, LOW_WATER.min(room - 1));
        core.channels.entry(self.0.id).or_default().writers.register(cx);
        Poll::Pending
    }

    /// The largest message that may be sent.
    pub(crate) fn max_message_size(&self) -> usize {
        let size = self.0.shared.lock().pc.max_message_size();
        size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX))
    }

    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Fewer than one byte.
        self.poll_writable(cx, 1)
    }

    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut core = self.0.shared.lock();
        if core.pc.data_channel(self.0.id).is_none_or(|slots| slots.ready_state() == ChannelState::Closed) {
            return Poll::Ready(());
        }
        core.channels.entry(self.0.id).or_default().writers.register(cx);
        Poll::Pending
    }
}

impl Stream for DataChannel {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_recv(cx)
    }
}

impl Sink<Message> for DataChannel {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_writable(cx, HIGH_WATER)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.try_send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_flushed(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.ready_state() == ChannelState::Open {
            self.close();
        }
        self.poll_closed(cx).map(Ok)
    }
}
