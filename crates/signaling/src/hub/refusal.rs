//! What the hub says when it says no.

use std::borrow::Cow;

use serde::Deserialize;

use crate::frame::Tail;
use crate::message::{ErrorCode, ServerMessage};

/// A request that is not carried out, and why.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: Cow<'static, str>,
    pub(crate) retry_ms: Option<u32>,
    /// Whether it costs the connection, whatever was asked.
    pub(crate) fatal: bool,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), retry_ms: None, fatal: false }
    }

    pub(crate) fn bad(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadMessage, message)
    }

    /// With the usual words for `code`.
    pub(crate) fn of(code: ErrorCode) -> Self {
        Self::new(code, default_message(code))
    }

    pub(crate) fn retry_ms(mut self, retry_ms: u32) -> Self {
        self.retry_ms = Some(retry_ms);
        self
    }

    pub(crate) fn fatal(mut self) -> Self {
        self.fatal = true;
        self
    }

    pub(crate) fn as_tail(&self, re: Option<u64>, fatal: bool) -> Tail {
        Tail::of(&ServerMessage::Error {
            re,
            code: self.code,
            message: self.message.to_string(),
            retry_ms: self.retry_ms,
            fatal,
        })
    }

    /// The code as it stands in messages; also the reason of the close frame.
    pub(crate) fn word(&self) -> &'static str {
        self.code.word()
    }

    /// The status of the close frame (RFC 6455 §7.4).
    pub(crate) fn close_code(&self) -> u16 {
        match self.code {
            ErrorCode::TooLarge => 1009,
            ErrorCode::Draining => 1012,
            _ => 4000,
        }
    }
}

/// Reads the body of a message.
pub(crate) fn body<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| Refusal::bad(format!("A field is missing or wrong: {error}.")))
}

fn default_message(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadMessage => "The message cannot be read. See the protocol's specification.",
        ErrorCode::Unsupported => "This server does not know that kind of message.",
        ErrorCode::UnknownVersion => "This server speaks version 1 of the protocol. Load the page again.",
        ErrorCode::OutOfOrder => "`hello` must be the first message, and come once.",
        ErrorCode::TokenRequired => "This server asks for a token. Get one from who runs it.",
        ErrorCode::BadToken => "The token is not valid.",
        ErrorCode::PasswordRequired => "A password is needed. Ask for it.",
        ErrorCode::BadPassword => "The password is wrong. Ask for it again.",
        ErrorCode::BadRoom => "A room's name has 1 to 128 letters (a to z), digits, `-`, `_` or `.`.",
        ErrorCode::BadName => "A name has 1 to 64 characters.",
        ErrorCode::RoomUnknown => "There is no such room. Check the link.",
        ErrorCode::RoomFull => "The room is full. Try again when somebody has left.",
        ErrorCode::RoomLocked => "The room is locked. Ask somebody inside to open it.",
        ErrorCode::ServerFull => "The server is full. Try again later.",
        ErrorCode::TooManyConnections => "Too many connections from this address. Close some.",
        ErrorCode::TooManyJoins => "Too many joins from this address. Wait a minute.",
        ErrorCode::Rate => "Too many messages. Wait.",
        ErrorCode::TooLarge => "The message is too long. Send less at once.",
        ErrorCode::NotPermitted => "You may not do that here.",
        ErrorCode::NoSuchPeer => "There is no such participant in this room.",
        ErrorCode::SlowReader => "What was sent to this client piled up unread. Connect again.",
        ErrorCode::IdleTimeout => "Nothing came for too long. Connect again.",
        ErrorCode::Draining => "The server is stopping. Connect again in a moment.",
        ErrorCode::Internal => "Something broke in the server. Try again.",
    }
}
