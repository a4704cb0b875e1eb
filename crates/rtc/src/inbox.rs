//! What waits for the program: messages of a channel, packets or frames of a track.

use crate::channel::Message;
use crate::transceiver::RtpPacket;
use crate::wakers::Wakers;
use parlour_peer::{EncodedFrame, FrameType};
use std::collections::VecDeque;
use std::sync::Arc;

/// More packets than this that nobody takes push out the oldest.
const MAX_PACKETS: usize = 2048;
/// As many frames wait at most.
const MAX_FRAMES: usize = 256;
/// As many layers are told of that want a key frame.
const MAX_LAYERS: usize = 8;

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

/// The program's side of a transceiver.
#[derive(Debug, Default)]
pub(crate) struct TrackInbox {
    pub(crate) packets: VecDeque<RtpPacket>,
    pub(crate) frames: VecDeque<EncodedFrame>,
    /// The program reads frames, and not packets.
    pub(crate) reads_frames: bool,
    /// Frames were dropped: pictures go on with a key frame.
    skips: bool,
    pub(crate) ended: bool,
    pub(crate) readers: Wakers,
    /// Layers that the other side wants a key frame of.
    pub(crate) key_frames: VecDeque<Option<Arc<str>>>,
    /// Wait for these.
    pub(crate) encoders: Wakers,
}

impl TrackInbox {
    pub(crate) fn push(&mut self, packet: RtpPacket) {
        if self.packets.len() >= MAX_PACKETS {
            self.packets.pop_front();
        }
        self.packets.push_back(packet);
        self.readers.wake();
    }

    /// Takes a frame. Whether a key frame is needed, as the program did not take what waited.
    pub(crate) fn push_frame(&mut self, frame: EncodedFrame) -> bool {
        if self.frames.len() >= MAX_FRAMES {
            self.frames.clear();
            self.skips = true;
        }
        if self.skips && frame.frame_type == FrameType::Delta {
            return true;
        }
        self.skips = false;
        self.frames.push_back(frame);
        self.readers.wake();
        false
    }

    pub(crate) fn want_key_frame(&mut self, rid: Option<Arc<str>>) {
        if self.key_frames.len() < MAX_LAYERS && !self.key_frames.contains(&rid) {
            self.key_frames.push_back(rid);
        }
        self.encoders.wake();
    }

    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.wake();
    }

    pub(crate) fn wake(&mut self) {
        self.readers.wake();
        self.encoders.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(frame_type: FrameType) -> EncodedFrame {
        EncodedFrame { frame_type, ..EncodedFrame::default() }
    }

    /// A program that does not read costs bounded memory, and does not see pictures that hang in the air.
    #[test]
    fn a_program_that_does_not_read_goes_on_with_a_key_frame() {
        let mut inbox = TrackInbox::default();
        assert!(!inbox.push_frame(frame(FrameType::Key)));
        for _ in 1..MAX_FRAMES {
            assert!(!inbox.push_frame(frame(FrameType::Delta)));
        }
        assert!(inbox.push_frame(frame(FrameType::Delta)), "a key frame is needed");
        assert!(inbox.frames.is_empty());
        assert!(!inbox.push_frame(frame(FrameType::Key)));
        assert!(!inbox.push_frame(frame(FrameType::Delta)));
        assert_eq!(inbox.frames.len(), 2);
    }

    #[test]
    fn requests_for_key_frames_are_one_for_each_layer() {
        let mut inbox = TrackInbox::default();
        for rid in [Some("h"), None, Some("h"), Some("f")] {
            inbox.want_key_frame(rid.map(Into::into));
        }
        assert_eq!(inbox.key_frames, [Some("h".into()), None, Some("f".into())]);
    }
}
