//! What waits for the program: messages of a channel, packets of a track.

use crate::channel::Message;
use crate::transceiver::RtpPacket;
use crate::wakers::Wakers;
use std::collections::VecDeque;

/// More packets than this that nobody takes push out the oldest.
const MAX_PACKETS: usize = 2048;

/// The program's side of a data channel.
#[derive(Debug, Default)]
pub(crate) struct ChannelInbox {
    pub(crate) messages: VecDeque<Message>,
    /// Bytes of the messages.
    pub(crate) held: usize,
    /// Somebody has a handle.
    pub(crate) handles: usize,
    /// Why the channel ended, if it did not just end.
    pub(crate) error: Option<parlour_peer::Error>,
    /// Wait for messages.
    pub(crate) readers: Wakers,
    /// Wait for room, or for a change of state.
    pub(crate) writers: Wakers,
}

impl ChannelInbox {
    pub(crate) fn wake(&mut self) {
        self.readers.wake();
        self.writers.wake();
    }
}

/// The program's side of a receiver.
#[derive(Debug, Default)]
pub(crate) struct TrackInbox {
    pub(crate) packets: VecDeque<RtpPacket>,
    pub(crate) ended: bool,
    pub(crate) readers: Wakers,
}

impl TrackInbox {
    pub(crate) fn push(&mut self, packet: RtpPacket) {
        if self.packets.len() >= MAX_PACKETS {
            self.packets.pop_front();
        }
        self.packets.push_back(packet);
        self.readers.wake();
    }
}
