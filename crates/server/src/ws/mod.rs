//! Signaling over WebSocket (RFC 6455).

mod connection;
pub(crate) mod outbox;
pub(crate) mod talk;
mod upgrade;
mod wire;

pub(crate) use upgrade::{accept_key, origin_refused, switch_protocols, upgrade};
