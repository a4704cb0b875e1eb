//! Parlour's signaling protocol and its room state machine, without I/O.
//!
//! [`Hub`] is the machine: it is fed with what clients send, with closed connections and with time, and says what to send. It knows no
//! sockets, no clock and no source of randomness of its own, so a whole call can be replayed in a test. `docs/signaling.md` specifies the
//! protocol; [`message`] holds its types. [`socketio`] reads and writes the packets of Socket.IO's clients, which a server may serve as well.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod bucket;
mod frame;
mod hub;
mod id;
pub mod message;
mod parse;
mod password;
mod permission;
mod schema;
pub mod socketio;
mod timer;
pub mod token;

pub use bucket::{Bucket, Rate};
pub use frame::{ConnId, Frame, Text, Transmit};
pub use hub::{
    Auth, CHAT_HISTORY, Event, Hub, HubConfig, HubState, IceServers, Now, Rng, RoomInfo, RoomOptions, RoomState,
    SessionState,
};
pub use id::NAME_MAX_CHARS;
pub use parse::peek_room;
pub use password::PasswordHash;
pub use permission::{Permission, Permissions};
pub use schema::schema;
