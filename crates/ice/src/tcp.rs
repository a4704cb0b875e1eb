//! ICE over TCP: connections, and the two bytes of length before each message (RFC 6544, RFC 4571 §2).

use crate::transport::RelayId;
use std::net::SocketAddr;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// TURN over TCP or TLS.
    Relay(RelayId),
    /// A pair's: opened from here for the local candidate of this index.
    Check { local: usize },
    /// Accepted at the listener of the local candidate of this index.
    Accepted { local: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamState {
    Connecting,
    Open,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) purpose: Purpose,
    pub(crate) state: StreamState,
    pub(crate) remote: SocketAddr,
    /// The local end, once it is known.
    pub(crate) local: Option<SocketAddr>,
    /// Bytes of a message that is not whole yet.
    pub(crate) buffer: Vec<u8>,
    /// Whether a message with the right password has come.
    pub(crate) authenticated: bool,
}

impl Stream {
    pub(crate) fn connecting(purpose: Purpose, remote: SocketAddr) -> Self {
        Self { purpose, state: StreamState::Connecting, remote, local: None, buffer: Vec::new(), authenticated: false }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == StreamState::Open
    }
}

/// Appends `message` with its length. `false` if it is too long to be said.
pub(crate) fn frame(message: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(length) = u16::try_from(message.len()) else { return false };
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(message);
    true
}

/// The first whole message in `buffered`, and how many bytes it takes with its length (RFC 4571 §2).
pub(crate) fn unframe(buffered: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = buffered.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    rest.get(..length).map(|message| (message, 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_of_a_stream_as_they_went_in_whatever_the_cuts() {
        let mut bytes = Vec::new();
        for message in [&b"one"[..], b"", &[7; 65_535]] {
            assert!(frame(message, &mut bytes));
        }
        assert!(!frame(&[0; 65_536], &mut bytes));
        for cut in [1, 3, 1_000] {
            let (mut buffer, mut got) = (Vec::new(), Vec::new());
            for piece in bytes.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some((message, used)) = unframe(&buffer) {
                    got.push(message.to_vec());
                    buffer.drain(..used);
                }
            }
            assert_eq!(got, [b"one".to_vec(), Vec::new(), vec![7; 65_535]], "cut every {cut} bytes");
            assert!(buffer.is_empty());
        }
    }
}
