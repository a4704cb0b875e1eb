//! Signaling over WebSocket (RFC 6455).

mod connection;
pub(crate) mod outbox;
mod upgrade;
mod wire;

pub(crate) use upgrade::upgrade;
