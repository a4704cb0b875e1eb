//! Watches over the WebSocket of a Socket.IO client.
//!
//! The library reads frames of any length, any number and any kind. So the frames are looked at on their way to it, as they come from the
//! socket: their heads (RFC 6455 §5.2), and the first bytes of what each message says.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use parlour_signaling::message::ErrorCode;
use parlour_signaling::{Bucket, Rate};
use tokio::time::Sleep;

use super::member::Member;
use super::packet::{START, allowed};
use crate::lock;
use crate::stream::Guard;

/// How long a client that was cut off gets to read why, before its socket is closed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Frames for each message that a client may send: pings and pongs, and messages in parts.
const FRAMES_PER_MESSAGE: u32 = 2;

/// Told to a client that breaks a rule; `code` says which. Does not wait.
type Tell = Box<dyn Fn(ErrorCode) + Send + Sync>;

/// The guard of one socket.
pub(super) struct FrameGuard {
    member: Arc<Member>,
    tell: Tell,
    most: u64,
    rate: Rate,
    frames: Mutex<(Frames, Bucket)>,
    deaf: AtomicBool,
    over: AtomicBool,
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
    reader: AtomicWaker,
}

impl FrameGuard {
    /// Guards the socket of `member`. Messages may have `most` bytes, and come about as fast as `per_s` and `burst` say.
    pub(super) fn new(member: Arc<Member>, most: u64, (per_s, burst): (u32, u32), tell: Tell) -> Self {
        Self {
            member,
            tell,
            most,
            rate: Rate::new(per_s.saturating_mul(FRAMES_PER_MESSAGE), burst.saturating_mul(FRAMES_PER_MESSAGE)),
            frames: Mutex::new((Frames::default(), Bucket::full(Instant::now()))),
            deaf: AtomicBool::new(false),
            over: AtomicBool::new(false),
            timer: Mutex::default(),
            reader: AtomicWaker::new(),
        }
    }

    /// Reads nothing any more, and closes the socket in a moment.
    pub(super) fn cut(&self) {
        self.deaf.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// Closes the socket at once.
    pub(super) fn hang_up(&self) {
        self.over.store(true, Ordering::Release);
        self.reader.wake();
    }
}

impl Guard for FrameGuard {
    fn poll_deaf(&self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        self.reader.register(cx.waker());
        if self.over.load(Ordering::Acquire) {
            return Some(Poll::Ready(()));
        }
        if !self.deaf.load(Ordering::Acquire) {
            return None;
        }
        let mut timer = lock(&self.timer);
        let sleep = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(LAST_WORDS)));
        Some(sleep.as_mut().poll(cx))
    }

    fn read(&self, bytes: &[u8]) -> bool {
        let now = Instant::now();
        let broken = {
            let (frames, bucket) = &mut *lock(&self.frames);
            frames.read(bytes, self.most, || bucket.take(now, self.rate).is_ok())
        };
        match broken {
            None => true,
            Some(code) => {
                (self.tell)(code);
                self.cut();
                false
            }
        }
    }

    fn wrote(&self, bytes: usize) {
        self.member.wrote(bytes as u64);
    }
}

/// Where in the stream of frames the socket is.
#[derive(Debug, Default)]
struct Frames {
    /// The head of a frame, as far as it is there.
    head: [u8; 14],
    got: usize,
    /// What is left of the frame's payload.
    left: u64,
    /// Bytes of the message so far, in all its frames.
    message: u64,
    /// The first bytes of the message, and how many there are.
    start: [u8; START],
    started: usize,
    /// The key of the frame's mask, and where in it the payload is.
    key: [u8; 4],
    at: usize,
    /// Whether the frame is one of a message, and not a control frame; whether it is the last one.
    data: bool,
    last: bool,
}

impl Frames {
    /// Follows the stream. Tells what rule is broken, if one is; `pass` is asked for each frame.
    fn read(&mut self, mut bytes: &[u8], most: u64, mut pass: impl FnMut() -> bool) -> Option<ErrorCode> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let (first, rest) = bytes.split_first()?;
                bytes = rest;
                if let Some(place) = self.head.get_mut(self.got) {
                    *place = *first;
                }
                self.got += 1;
                if self.got < self.head_length() {
                    continue;
                }
                if !pass() {
                    return Some(ErrorCode::Rate);
                }
                if let Some(code) = self.begin(most) {
                    return Some(code);
                }
            }
            let here = (bytes.len() as u64).min(self.left) as usize;
            let (payload, rest) = bytes.split_at_checked(here)?;
            if let Some(code) = self.payload(payload) {
                return Some(code);
            }
            bytes = rest;
        }
        None
    }

    /// How long the head is, as far as is known yet.
    fn head_length(&self) -> usize {
        let length = match self.head.get(1).map(|byte| byte & 0x7f) {
            _ if self.got < 2 => return 2,
            Some(127) => 10,
            Some(126) => 4,
            _ => 2,
        };
        // A client masks every frame (§5.1).
        length + 4
    }

    /// The head is there.
    fn begin(&mut self, most: u64) -> Option<ErrorCode> {
        let [first, second, long @ ..] = self.head;
        let [a, b, c, d, e, f, g, h, ..] = long;
        let length = match second & 0x7f {
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            126 => u64::from(u16::from_be_bytes([a, b])),
            short => u64::from(short),
        };
        let key = self.got.saturating_sub(4);
        let byte = |n: usize| self.head.get(key + n).copied().unwrap_or_default();
        self.key = [byte(0), byte(1), byte(2), byte(3)];
        (self.got, self.at, self.left) = (0, 0, length);
        let opcode = first & 0x0f;
        (self.data, self.last) = (opcode < 8, first & 0x80 != 0);
        if second & 0x80 == 0 || opcode == 2 {
            return Some(ErrorCode::BadMessage);
        }
        if !self.data {
            // Control frames are short (§5.5).
            return (length > 125).then_some(ErrorCode::BadMessage);
        }
        self.message = self.message.saturating_add(length);
        if self.message > most {
            return Some(ErrorCode::TooLarge);
        }
        (length == 0).then(|| self.end()).flatten()
    }

    fn payload(&mut self, bytes: &[u8]) -> Option<ErrorCode> {
        if bytes.is_empty() {
            return None;
        }
        if self.data {
            for (n, byte) in bytes.iter().enumerate().take(START) {
                let Some(place) = self.start.get_mut(self.started) else { break };
                *place = byte ^ self.key.get((self.at + n) % 4).copied().unwrap_or_default();
                self.started += 1;
            }
        }
        self.at = (self.at + bytes.len()) % 4;
        self.left -= (bytes.len() as u64).min(self.left);
        if self.left == 0 { self.end() } else { None }
    }

    /// A frame is over.
    fn end(&mut self) -> Option<ErrorCode> {
        if !self.data || !self.last {
            return None;
        }
        let right = allowed(self.start.get(..self.started).unwrap_or_default());
        (self.message, self.started) = (0, 0);
        (!right).then_some(ErrorCode::BadMessage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, last: bool, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![opcode | if last { 0x80 } else { 0 }];
        match payload.len() {
            short @ 0..126 => bytes.push(0x80 | short as u8),
            long @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend((long as u16).to_be_bytes());
            }
            huge => {
                bytes.push(0x80 | 127);
                bytes.extend((huge as u64).to_be_bytes());
            }
        }
        let key = [7, 13, 200, 99];
        bytes.extend(key);
        bytes.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ key[n % 4]));
        bytes
    }

    fn text(payload: &str) -> Vec<u8> {
        frame(1, true, payload.as_bytes())
    }

    /// Reads the same bytes in pieces of every size up to seven, and at once: always the same verdict.
    fn verdict(bytes: &[u8]) -> Option<ErrorCode> {
        let read = |size: usize| {
            let mut frames = Frames::default();
            bytes.chunks(size).find_map(|piece| frames.read(piece, 1000, || true))
        };
        let whole = read(bytes.len());
        for size in 1..8 {
            assert_eq!(read(size), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn what_a_client_says_in_order_passes() {
        let long = format!("42[\"offer\",\"{}\"]", "x".repeat(900));
        let mut bytes = [text("40"), text("3"), text(&long), frame(9, true, b"ping"), text("2probe")].concat();
        bytes.extend(
            [frame(1, false, b"4"), frame(10, true, b""), frame(0, false, b""), frame(0, true, b"2[\"x\"]")].concat(),
        );
        bytes.extend(frame(8, true, &[3, 232]));
        assert_eq!(verdict(&bytes), None);
    }

    #[test]
    fn long_messages_are_found_out_by_their_heads() {
        assert_eq!(verdict(&text(&format!("42{}", "x".repeat(999)))), Some(ErrorCode::TooLarge));
        let parts: Vec<u8> = (0..20).flat_map(|n| frame(u8::from(n == 0), false, &[b'4'; 60])).collect();
        assert_eq!(verdict(&parts), Some(ErrorCode::TooLarge), "in parts, too");
        let mut huge = vec![0x81, 0xff];
        huge.extend(u64::MAX.to_be_bytes());
        huge.extend([0; 4]);
        assert_eq!(verdict(&huge), Some(ErrorCode::TooLarge));
    }

    #[test]
    fn frames_that_are_not_of_signaling_are_refused() {
        assert_eq!(verdict(&frame(2, true, b"4")), Some(ErrorCode::BadMessage), "binary");
        assert_eq!(verdict(&text("\u{e9}1234")), Some(ErrorCode::BadMessage), "what the library cannot cut");
        assert_eq!(verdict(&text("")), Some(ErrorCode::BadMessage));
        assert_eq!(verdict(&text("451-[\"x\",{}]")), Some(ErrorCode::BadMessage), "binary attachments");
        assert_eq!(verdict(&[0x81, 0x01, b'2', 0, 0, 0, 0]), Some(ErrorCode::BadMessage), "without a mask");
        assert_eq!(verdict(&frame(9, true, &[0; 200])), Some(ErrorCode::BadMessage), "a long ping");
    }

    #[test]
    fn every_frame_counts() {
        let bytes = [text("40"), frame(9, true, b""), text("3")].concat();
        let (mut frames, mut left) = (Frames::default(), 2);
        let code = frames.read(&bytes, 1000, || {
            left -= 1;
            left >= 0
        });
        assert_eq!(code, Some(ErrorCode::Rate));
    }
}
