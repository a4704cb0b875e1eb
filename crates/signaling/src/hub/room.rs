//! One room: who is in it, its settings and its chat.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::session::SessionIndex;
use super::state::RoomState;
use crate::id::Id;
use crate::message::{self, ChatMessage, RoomId};
use crate::password::PasswordHash;
use crate::timer::Alarm;

/// Most chat messages that a room keeps.
pub const CHAT_HISTORY: usize = 200;

/// Most bytes of chat text that a room keeps.
const CHAT_HISTORY_BYTES: usize = 256 << 10;

/// Most subjects of tokens that a room keeps out.
const MAX_BANNED: usize = 1000;

pub(crate) struct Room {
    pub(crate) id: RoomId,
    pub(crate) locked: bool,
    pub(crate) waiting_room: bool,
    pub(crate) chat_history: bool,
    pub(crate) password: Option<PasswordHash>,
    pub(crate) permanent: bool,
    pub(crate) created: u64,
    /// Those inside, in the order in which they came.
    pub(crate) members: Vec<SessionIndex>,
    /// Those who wait, in the order in which they came.
    pub(crate) waiting: Vec<SessionIndex>,
    pub(crate) chat: Chat,
    pub(crate) banned: Vec<Box<str>>,
    /// Since when no host has been connected, while there are hosts.
    pub(crate) hostless: Option<Instant>,
    /// Since when nobody has been in it.
    pub(crate) empty: Option<Instant>,
    pub(crate) alarm: Alarm,
}

impl Room {
    pub(crate) fn new(state: RoomState) -> Self {
        let mut chat = Chat::default();
        for message in state.chat {
            chat.keep(message);
        }
        Self {
            id: RoomId(state.id),
            locked: state.locked,
            waiting_room: state.waiting_room,
            chat_history: state.chat_history,
            password: state.password,
            permanent: state.permanent,
            created: state.created,
            members: Vec::new(),
            waiting: Vec::new(),
            chat,
            banned: state.banned.into_iter().map(String::into_boxed_str).collect(),
            hostless: None,
            empty: None,
            alarm: Alarm::default(),
        }
    }

    /// The room as it is stored, without its chat.
    pub(crate) fn state(&self) -> RoomState {
        RoomState {
            id: self.id.0.clone(),
            locked: self.locked,
            waiting_room: self.waiting_room,
            chat_history: self.chat_history,
            password: self.password.clone(),
            permanent: self.permanent,
            created: self.created,
            banned: self.banned.iter().map(|sub| sub.to_string()).collect(),
            chat: Vec::new(),
        }
    }

    /// The room as participants see it.
    pub(crate) fn as_message(&self, max_peers: u32) -> message::Room {
        message::Room {
            id: self.id.clone(),
            locked: self.locked,
            waiting_room: self.waiting_room,
            chat_history: self.chat_history,
            password: self.password.is_some(),
            max_peers,
            created: self.created,
        }
    }

    pub(crate) fn population(&self) -> usize {
        self.members.len() + self.waiting.len()
    }

    /// Keeps a token's subject out for as long as the room lives.
    pub(crate) fn ban(&mut self, sub: &str) {
        if self.banned.len() < MAX_BANNED && !self.is_banned(Some(sub)) {
            self.banned.push(sub.into());
        }
    }

    pub(crate) fn is_banned(&self, sub: Option<&str>) -> bool {
        sub.is_some_and(|sub| self.banned.iter().any(|banned| **banned == *sub))
    }
}

/// The chat that a room keeps, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Chat {
    messages: VecDeque<ChatMessage>,
    bytes: usize,
    last_key: u64,
}

impl Chat {
    /// A key for a message of this instant: grows, also over the lives of rooms with the same name.
    pub(crate) fn next_key(&mut self, unix_ms: u64) -> u64 {
        self.last_key = unix_ms.max(self.last_key + 1);
        self.last_key
    }

    pub(crate) fn keep(&mut self, message: ChatMessage) {
        self.last_key = self.last_key.max(message.key);
        self.bytes += message.text.len();
        self.messages.push_back(message);
        while self.messages.len() > CHAT_HISTORY || self.bytes > CHAT_HISTORY_BYTES {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.text.len();
        }
    }

    /// Forgets what is older than `kept`.
    pub(crate) fn expire(&mut self, unix_ms: u64, kept: Duration) {
        let oldest = unix_ms.saturating_sub(u64::try_from(kept.as_millis()).unwrap_or(u64::MAX));
        while self.messages.front().is_some_and(|message| message.time < oldest) {
            self.drop_oldest();
        }
    }

    /// Forgets all; whether there was anything.
    pub(crate) fn forget(&mut self) -> bool {
        self.bytes = 0;
        !std::mem::take(&mut self.messages).is_empty()
    }

    /// What `reader` may see of it.
    pub(crate) fn visible_to(&self, reader: Id) -> Vec<ChatMessage> {
        let own = |id: &str| id == reader.as_str();
        let visible = |m: &&ChatMessage| m.to.as_ref().is_none_or(|to| own(&to.0) || own(&m.from.0));
        self.messages.iter().filter(visible).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<ChatMessage> {
        self.messages.iter().cloned().collect()
    }
}
