//! Misuse by the program. What the network does never comes back as an error.

use crate::StreamId;
use thiserror::Error;

/// What the program asked for cannot be done.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// The association has ended or is ending: make a new one.
    #[error("the association takes no more messages; it has ended or is ending")]
    Closed,
    /// The association was started already.
    #[error("the association was started already; one association connects once")]
    Started,
    /// An empty message: SCTP has none. Data channels encode them in another way.
    #[error("a message needs at least one byte")]
    EmptyMessage,
    /// The message is larger than the peer takes.
    #[error("the message has {size} bytes, more than the limit of {limit}; split it")]
    MessageTooLarge {
        /// Bytes of the message.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The send buffer is full: wait for the low-water event.
    #[error("the send buffer is full with {buffered} bytes; wait until it has drained")]
    BufferFull {
        /// Bytes that wait.
        buffered: usize,
    },
    /// The stream is not there: its number is beyond what both sides agreed on.
    #[error("stream {} does not exist; the association has {count} streams", .stream.0)]
    NoSuchStream {
        /// Which stream.
        stream: StreamId,
        /// How many there are.
        count: u16,
    },
    /// The stream is being reset: wait for the event that says it is done.
    #[error("stream {} is being reset; wait until that is done", .0.0)]
    StreamResetting(StreamId),
    /// The bytes given as the peer's INIT are not one.
    #[error("the peer's SCTP parameters (a=sctp-init) cannot be read: {0}")]
    BadInit(crate::packet::ParseError),
    /// There is no such channel, or it has gone.
    #[error("there is no such data channel; it may have been closed")]
    NoSuchChannel,
    /// The channel is not open.
    #[error("the data channel is not open")]
    ChannelNotOpen,
    /// The id of a negotiated channel is taken or too high.
    #[error("the data channel id {0} is in use or too high; choose another")]
    ChannelId(u16),
    /// A label or protocol with more than 65,535 bytes.
    #[error("a data channel's label and protocol have at most 65,535 bytes each; this one has {0}")]
    NameTooLong(usize),
    /// All ids of our parity are in use.
    #[error("no data channel id is free")]
    NoFreeId,
}
