//! Frames from packets: in order, complete, and without waiting longer than anybody would watch.
//!
//! Packets of one timestamp up to the marker are a frame. What is missing has some time to come; then sound goes on after
//! the gap, and pictures at the next key frame.

use super::format::{Format, Joiner};
use parlour_rtp::payload::Depacketizer;
use parlour_rtp::{ExtendedSequenceNumber, RtpPacket};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that wait at most.
const MAX_WAITING: u64 = 2048;
/// As long as nothing was given, packets may come that lie so far before the first one,
const MAX_BEFORE: u64 = 64;
/// and so much later, before pictures that do not begin with a key frame are given up.
const START_PATIENCE: Duration = Duration::from_millis(30);

/// A packet that waits for its frame.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) packet: Vec<u8>,
    pub(crate) format: Format,
    pub(crate) arrival: Instant,
}

impl Slot {
    fn parse(&self) -> Option<RtpPacket<'_>> {
        RtpPacket::parse(&self.packet).ok()
    }

    fn starts_key_frame(&self) -> bool {
        self.parse().is_some_and(|packet| self.format.starts_key_frame(packet.payload()))
    }

    fn is_filler(&self) -> bool {
        self.parse().is_none_or(|packet| packet.payload().is_empty())
    }
}

#[derive(Debug)]
pub(crate) struct Assembler {
    is_video: bool,
    /// How long to wait for what is missing.
    patience: Duration,
    head: Option<ExtendedSequenceNumber>,
    slots: VecDeque<Option<Slot>>,
    /// So many slots from the front are known to be filled and to be of one frame that goes on.
    scanned: usize,
    waits_for_key: bool,
    given: bool,
    joiner: Option<(Format, Joiner)>,
    dropped: u64,
}

/// A frame with what its packets tell: the first and the last one.
pub(crate) struct Assembled {
    pub(crate) data: Vec<u8>,
    pub(crate) is_key: bool,
    pub(crate) first: Slot,
    pub(crate) last: Option<Slot>,
}

impl Assembler {
    pub(crate) fn new(is_video: bool, patience: Duration) -> Self {
        Self {
            is_video,
            patience,
            head: None,
            slots: VecDeque::new(),
            scanned: 0,
            waits_for_key: is_video,
            given: false,
            joiner: None,
            dropped: 0,
        }
    }

    /// How long to wait for what is missing.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Takes a packet; gives it back if it comes too late or twice.
    pub(crate) fn insert(&mut self, number: ExtendedSequenceNumber, slot: Slot) -> Result<(), Slot> {
        let mut head = *self.head.get_or_insert(number);
        if number < head {
            let before = head.0 - number.0;
            if self.given || before > MAX_BEFORE {
                return Err(slot);
            }
            (0..before).for_each(|_| self.slots.push_front(None));
            (head, self.scanned) = (number, 0);
            self.head = Some(head);
        }
        if number.0 - head.0 >= MAX_WAITING {
            self.restart(number);
            head = number;
        }
        let place = (number.0 - head.0) as usize;
        while self.slots.len() <= place {
            self.slots.push_back(None);
        }
        match self.slots.get_mut(place) {
            Some(free) if free.is_none() => {
                *free = Some(slot);
                Ok(())
            }
            _ => Err(slot),
        }
    }

    /// Gives up everything and begins with this packet.
    fn restart(&mut self, number: ExtendedSequenceNumber) {
        self.slots.clear();
        self.head = Some(number);
        self.scanned = 0;
        self.lose();
    }

    fn lose(&mut self) {
        self.dropped += 1;
        self.given = true;
        self.waits_for_key = self.is_video;
        if let Some((_, joiner)) = &mut self.joiner {
            joiner.reset();
        }
    }

    /// Whether nothing came yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// What lies before this is not wanted any more.
    pub(crate) fn head(&self) -> Option<ExtendedSequenceNumber> {
        self.head.filter(|_| self.given)
    }

    /// Whether only a key frame helps.
    pub(crate) fn waits_for_key(&self) -> bool {
        self.waits_for_key
    }

    /// Frames that were given up since the last call, at least.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn pop(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front();
        self.head = self.head.map(ExtendedSequenceNumber::next);
        self.scanned = self.scanned.saturating_sub(1);
        slot?
    }

    /// When the patience with a gap ends.
    fn deadline(&self) -> Option<Instant> {
        let gap = self.slots.iter().position(Option::is_none)?;
        let behind = self.slots.iter().skip(gap).flatten().next()?;
        Some(behind.arrival + self.patience)
    }

    /// When pictures that do not begin with a key frame are given up.
    fn start_deadline(&self) -> Option<Instant> {
        let first = self.slots.front()?.as_ref()?;
        (self.is_video && !self.given && self.waits_for_key).then_some(first.arrival + START_PATIENCE)
    }

    /// When something has to be given up.
    pub(crate) fn due(&self) -> Option<Instant> {
        [self.deadline(), self.start_deadline()].into_iter().flatten().min()
    }

    /// Gives up what did not come in time.
    pub(crate) fn expire(&mut self, now: Instant, spare: &mut Vec<Vec<u8>>) {
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            let mut in_gap = false;
            while let Some(front) = self.slots.front() {
                if in_gap && front.is_some() {
                    break;
                }
                in_gap |= front.is_none();
                spare.extend(self.pop().map(|slot| slot.packet));
            }
            self.lose();
        }
    }

    /// The next frame that is complete. The packets' buffers go to `spare`.
    pub(crate) fn next(&mut self, now: Instant, spare: &mut Vec<Vec<u8>>) -> Option<Assembled> {
        loop {
            let front = self.slots.front()?.as_ref()?;
            if self.is_video && front.is_filler() {
                spare.extend(self.pop().map(|slot| slot.packet));
                continue;
            }
            if self.waits_for_key {
                if !front.starts_key_frame() {
                    if self.start_deadline().is_some_and(|deadline| deadline > now) {
                        return None;
                    }
                    let slot = self.pop()?;
                    self.given = true;
                    self.dropped += u64::from(slot.parse().is_some_and(|packet| packet.marker()));
                    spare.push(slot.packet);
                    continue;
                }
                self.waits_for_key = false;
            }
            let end = self.end_of_frame()?;
            self.given = true;
            if let Some(frame) = self.join(end, spare) {
                return Some(frame);
            }
            self.lose();
        }
    }

    /// How many slots from the front are the first frame, if all of it is there.
    fn end_of_frame(&mut self) -> Option<usize> {
        if !self.is_video {
            return Some(1);
        }
        let timestamp = self.slots.front()?.as_ref()?.parse()?.timestamp();
        loop {
            let packet = self.slots.get(self.scanned)?.as_ref()?.parse()?;
            if packet.timestamp() != timestamp {
                return Some(self.scanned);
            }
            self.scanned += 1;
            if packet.marker() {
                return Some(self.scanned);
            }
        }
    }

    /// Puts the first `end` packets together; none if they do not fit together.
    fn join(&mut self, end: usize, spare: &mut Vec<Vec<u8>>) -> Option<Assembled> {
        let format = self.slots.front()?.as_ref()?.format;
        if self.joiner.as_ref().is_none_or(|(known, _)| *known != format) {
            self.joiner = Some((format, format.joiner()));
        }
        let size = self.slots.iter().take(end).flatten().map(|slot| slot.packet.len()).sum();
        let mut data = Vec::with_capacity(size);
        let (mut is_key, mut fits) = (false, true);
        for slot in self.slots.iter().take(end).flatten() {
            let Some((packet, (_, joiner))) = slot.parse().zip(self.joiner.as_mut()) else { continue };
            is_key |= format.starts_key_frame(packet.payload());
            if !packet.payload().is_empty() {
                fits &= slot.format == format && joiner.push(packet.payload(), &mut data).is_ok();
            }
        }
        let first = self.pop();
        let mut last = None;
        for _ in 1..end {
            let slot = self.pop();
            spare.extend(std::mem::replace(&mut last, slot).map(|slot| slot.packet));
        }
        self.scanned = 0;
        let first = first.filter(|_| fits)?;
        Some(Assembled { data, is_key, first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlour_rtp::extension::ExtensionForm;
    use parlour_rtp::{PayloadType, RtpHeader, RtpTimestamp, RtpWriter};

    const PATIENCE: Duration = Duration::from_millis(200);
    const MS: Duration = Duration::from_millis(1);

    /// VP8 (RFC 7741 §4.2): the first packet of a frame has S set, of a key frame the first byte is even.
    fn vp8(number: u16, frame: u32, first: bool, last: bool, key: bool) -> Vec<u8> {
        let header = RtpHeader {
            marker: last,
            payload_type: PayloadType::from_low_bits(96),
            timestamp: RtpTimestamp(frame * 3000),
            ..RtpHeader::default()
        };
        let mut out = Vec::new();
        let descriptor = if first { 0x10 } else { 0 };
        let payload = [descriptor, u8::from(!key), number as u8];
        RtpWriter::new(&mut out, &header, &[], ExtensionForm::OneByte).payload(&payload);
        out
    }

    struct Stream {
        assembler: Assembler,
        start: Instant,
        frames: Vec<(u32, bool, Vec<u8>)>,
    }

    impl Stream {
        fn new(is_video: bool) -> Self {
            Self { assembler: Assembler::new(is_video, PATIENCE), start: Instant::now(), frames: Vec::new() }
        }

        fn take(&mut self, at: Duration, number: u64, packet: Vec<u8>) -> bool {
            let format = if self.assembler.is_video { Format::Vp8 } else { Format::Whole };
            let slot = Slot { packet, format, arrival: self.start + at };
            let taken = self.assembler.insert(ExtendedSequenceNumber(0x1_0000 + number), slot).is_ok();
            self.collect(at);
            taken
        }

        fn expire(&mut self, at: Duration) {
            self.assembler.expire(self.start + at, &mut Vec::new());
            self.collect(at);
        }

        fn collect(&mut self, at: Duration) {
            while let Some(frame) = self.assembler.next(self.start + at, &mut Vec::new()) {
                let timestamp = frame.first.parse().unwrap().timestamp().0;
                self.frames.push((timestamp / 3000, frame.is_key, frame.data));
            }
        }

        fn seen(&mut self) -> Vec<u32> {
            self.frames.drain(..).map(|(frame, ..)| frame).collect()
        }
    }

    #[test]
    fn packets_come_in_any_order_and_frames_in_theirs() {
        let mut stream = Stream::new(true);
        stream.take(MS, 1, vp8(1, 0, false, true, true));
        assert!(stream.take(MS, 0, vp8(0, 0, true, false, true)), "before anything was given");
        stream.take(MS, 4, vp8(4, 2, true, true, false));
        assert!(stream.take(MS, 2, vp8(2, 1, true, false, false)));
        assert!(!stream.take(MS, 2, vp8(2, 1, true, false, false)), "twice");
        assert_eq!(stream.frames, [(0, true, vec![0, 0, 0, 1])]);
        stream.take(MS, 3, vp8(3, 1, false, true, false));
        assert_eq!(stream.seen(), [0, 1, 2]);
        assert!(!stream.take(MS, 0, vp8(0, 0, true, false, true)), "too late");
        assert_eq!(stream.assembler.deadline(), None);
    }

    /// RFC 7741 §4.2: after a loss that is not repaired pictures go on with a key frame.
    #[test]
    fn pictures_wait_for_a_key_frame_after_a_loss() {
        let mut stream = Stream::new(true);
        stream.take(MS, 0, vp8(0, 0, true, true, true));
        stream.take(MS, 2, vp8(2, 2, true, true, false));
        stream.take(2 * MS, 3, vp8(3, 3, true, true, false));
        assert_eq!(stream.seen(), [0]);
        assert_eq!(stream.assembler.deadline(), Some(stream.start + MS + PATIENCE));
        stream.expire(PATIENCE);
        assert!(!stream.assembler.waits_for_key());
        stream.expire(PATIENCE + MS);
        assert!(stream.assembler.waits_for_key() && stream.frames.is_empty());
        assert!(!stream.take(PATIENCE + MS, 1, vp8(1, 1, true, true, false)), "it was given up");
        stream.take(PATIENCE + MS, 4, vp8(4, 4, true, false, true));
        stream.take(PATIENCE + MS, 5, vp8(5, 4, false, true, true));
        stream.take(PATIENCE + MS, 6, vp8(6, 5, true, true, false));
        assert_eq!(stream.seen(), [4, 5]);
        assert_eq!(stream.assembler.take_dropped(), 3);
    }

    #[test]
    fn sound_goes_on_after_a_gap() {
        let mut stream = Stream::new(false);
        for number in [0, 1, 3, 4] {
            stream.take(MS, number, vp8(number as u16, number as u32, true, false, true));
        }
        assert_eq!(stream.seen(), [0, 1]);
        stream.expire(PATIENCE + MS);
        assert_eq!(stream.seen(), [3, 4]);
    }

    /// Packets without payload only probe the path (RFC 3550 §5.1); a missing marker is made up by the next timestamp.
    #[test]
    fn fillers_and_missing_markers_end_no_stream() {
        let mut stream = Stream::new(true);
        let filler = |number: u64| {
            let mut bytes = vp8(number as u16, 0, false, false, false);
            bytes.truncate(12);
            bytes[0] |= 0x20;
            bytes.extend([0, 0, 3]);
            bytes
        };
        stream.take(MS, 0, vp8(0, 0, true, true, true));
        stream.take(MS, 1, filler(1));
        stream.take(MS, 2, vp8(2, 1, true, false, false));
        stream.take(MS, 3, vp8(3, 2, true, true, false));
        assert_eq!(stream.seen(), [0, 1, 2]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut stream = Stream::new(true);
        stream.take(MS, 0, vp8(0, 0, true, true, true));
        for number in 2..2 * MAX_WAITING {
            stream.take(MS, number, vp8(number as u16, number as u32, true, true, false));
        }
        assert!(stream.assembler.slots.len() as u64 <= MAX_WAITING);
        assert!(stream.assembler.waits_for_key());
        assert_eq!(stream.seen(), [0]);
    }
}
